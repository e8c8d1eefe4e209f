//! The condition Enforced: whether a policy in the mode Enforce has pods refused now.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::policy::{Entry, Mode};

use super::condition;

/// Condition of policies in the mode Enforce: whether the webhook configurations send pods to sealgate.
pub const ENFORCED: &str = "Enforced";

/// How the webhook configurations stand, where a policy in the mode Enforce needs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// Pods are refused.
    InPlace {
        /// What a managed platform has added to the selectors: it takes namespaces out.
        tolerated: Vec<String>,
    },
    /// The validating configuration is not there.
    Absent,
    /// It is marked as removed, or emptied because the release's namespace is being deleted.
    Removed,
    /// Somebody has changed it.
    Foreign {
        /// The client that did.
        by: String,
    },
    /// It is not filled yet, or pods are still admitted while sealgate does not answer.
    NotReady,
}

impl Enforcement {
    fn reason(&self) -> &'static str {
        match self {
            Self::InPlace { .. } => "WebhooksInPlace",
            Self::Absent => "WebhooksAbsent",
            Self::Removed => "WebhooksRemoved",
            Self::Foreign { .. } => "WebhooksForeign",
            Self::NotReady => "WebhooksNotReady",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::InPlace { tolerated } if tolerated.is_empty() => {
                "pods with an image that it does not accept are refused".into()
            }
            Self::InPlace { tolerated } => format!(
                "pods with an image that it does not accept are refused, but for namespaces that the platform takes out: {}",
                tolerated.join("; ")
            ),
            Self::Absent => "pods are admitted unseen: the ValidatingWebhookConfiguration is not there. sealgate may not create it: \
                             run `helm upgrade` with the values of the release"
                .into(),
            Self::Removed => "pods are admitted unseen: the webhooks were removed by `sealgate uninstall` or the release's namespace is \
                              being deleted. To keep sealgate, run `helm upgrade` with the values of the release"
                .into(),
            Self::Foreign { by } => format!(
                "pods may be admitted unseen: {by} changes the ValidatingWebhookConfiguration, and sealgate puts it back within two \
                 seconds each time. Find out what runs as {by} and stop it"
            ),
            Self::NotReady => "pods may be admitted unseen: the leader has not filled the ValidatingWebhookConfiguration yet, which it does \
                               within seconds of being ready. If this stays, its log and /readyz say why"
                .into(),
        }
    }
}

/// The condition of a policy, where it has one: of this `generation`, or as `before` while nobody knows how things stand.
pub fn enforced(
    entry: &Entry,
    generation: Option<i64>,
    enforcement: Option<&Enforcement>,
    before: &[Condition],
    now: Timestamp,
) -> Option<Condition> {
    if entry.mode() != Mode::Enforce {
        return None;
    }
    let Some(enforcement) = enforcement else { return find(before).cloned() };
    let status = if matches!(enforcement, Enforcement::InPlace { .. }) { "True" } else { "False" };
    let is = (status, enforcement.reason(), enforcement.message());
    Some(condition(ENFORCED, is, generation, before, now))
}

/// What has changed for people who watch over the policy: the new condition. That a new policy is enforced is no news.
pub fn news<'a>(before: &[Condition], after: &'a [Condition]) -> Option<&'a Condition> {
    let after = find(after)?;
    let is_news = match find(before) {
        Some(before) => (&before.status, &before.reason) != (&after.status, &after.reason),
        None => after.status != "True",
    };
    is_news.then_some(after)
}

fn find(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == ENFORCED)
}

#[cfg(test)]
mod tests;
