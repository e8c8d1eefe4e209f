//! What the controller writes into statuses, that of a policy first of all. Pure: the time is an argument.

mod enforced;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::policy::{AttestationDemand, Authority, Entry, Policy, StaticAnswer, Trust};

pub use enforced::{ENFORCED, Enforcement, enforced, news};

/// Condition: whether the policy can be used.
pub const READY: &str = "Ready";
/// Condition, there only when it is True: the policy selects namespaces by a label that users can change.
pub const SELECTS_BY_MUTABLE_LABEL: &str = "SelectsByMutableLabel";
/// Reason of Ready=True.
pub const VALID: &str = "Valid";
/// Reason of Ready=False: the policy's images are denied.
pub const INVALID: &str = "Invalid";
/// Reason of Ready=False: the last version that could be used is in force.
pub const LAST_GOOD_IN_FORCE: &str = "LastGoodInForce";
/// Condition, there only when it is True: the policy says what is legal but hardly meant.
pub const HAS_WARNINGS: &str = "HasWarnings";
/// Reason of HasWarnings=True.
pub const HARDLY_MEANT: &str = "HardlyMeant";
/// Reason of SelectsByMutableLabel=True.
pub const LABEL_CAN_CHANGE: &str = "LabelCanChange";

/// Longest part of an error that a condition repeats, in characters; the API accepts 32768.
const MESSAGE_CHARS: usize = 2048;

/// The conditions of a policy of this `generation` that follow from it alone; [`enforced`] is the one that does not. A condition whose status is as `before` keeps its transition time.
pub fn conditions(entry: &Entry, generation: Option<i64>, before: &[Condition], now: Timestamp) -> Vec<Condition> {
    let (ready, selector) = match entry {
        Entry::Valid(policy) => (("True", VALID, demands(policy)), Some(&policy.parts().namespace_selector)),
        Entry::LastGood(kept) => {
            let version = kept.generation.map(|n| format!(" (generation {n})")).unwrap_or_default();
            let message = format!(
                "{}. Until this is repaired, the last version that can be used{version} stays in force in the replicas that \
                 have read it; after a restart the policy's images are not accepted (POLICY_ERROR).",
                kept.error
            );
            (("False", LAST_GOOD_IN_FORCE, message), Some(&kept.policy.parts().namespace_selector))
        }
        Entry::Broken(broken) => {
            let message = format!(
                "{}. Until this is repaired, the policy's images are not accepted (POLICY_ERROR).",
                broken.error
            );
            (("False", INVALID, message), broken.namespace_selector.as_ref())
        }
    };
    let mutable = selector.filter(|selector| selector.selects_by_mutable_label()).map(|selector| {
        let keys: Vec<_> = selector.requirements.iter().map(|r| r.key.as_str()).collect();
        let message = format!(
            "whoever may label namespaces can take one out of this policy (labels: {}); names in match.namespaces can't be changed",
            keys.join(", ")
        );
        (SELECTS_BY_MUTABLE_LABEL, ("True", LABEL_CAN_CHANGE, message))
    });
    let warnings = entry.in_force().map(Policy::warnings).unwrap_or_default();
    let warned =
        (!warnings.is_empty()).then(|| (HAS_WARNINGS, ("True", HARDLY_MEANT, format!("{}.", warnings.join("; ")))));
    std::iter::once((READY, ready))
        .chain(mutable)
        .chain(warned)
        .map(|(type_, is)| condition(type_, is, generation, before, now))
        .collect()
}

/// One condition: its status, its reason and its message.
pub fn condition(
    type_: &str,
    (status, reason, message): (&str, &str, String),
    generation: Option<i64>,
    before: &[Condition],
    now: Timestamp,
) -> Condition {
    let same = before.iter().find(|b| b.type_ == type_ && b.status == status);
    Condition {
        last_transition_time: same.map_or(Time(now), |b| b.last_transition_time.clone()),
        message: message.chars().take(MESSAGE_CHARS).collect(),
        observed_generation: generation,
        reason: reason.into(),
        status: status.into(),
        type_: type_.into(),
    }
}

fn demands(policy: &Policy) -> String {
    let parts = policy.parts();
    match parts.authorities.as_slice() {
        [only] if only.trust == Trust::Static(StaticAnswer::Allow) => "trusts its images without a signature".into(),
        [only] if only.trust == Trust::Static(StaticAnswer::Deny) => "refuses its images".into(),
        _ if parts.require.at_least == 0 => format!("demands {}", attested(policy)),
        [only] => format!("demands a signature by {}{}", voucher(only), and(attested(policy))),
        _ => {
            let counted: Vec<_> =
                parts.require.of.iter().filter_map(|&i| parts.authorities.get(i)).map(|a| &*a.name).collect();
            let (count, attested) = (parts.require.at_least, and(attested(policy)));
            format!("demands signatures by {count} of {}{attested}", counted.join(", "))
        }
    }
}

/// An authority, and how many it accepts of whom: `ci (1 of 2 identities of sigstore)`.
fn voucher(authority: &Authority) -> String {
    let whose = match &authority.trust {
        Trust::Keyless { root, .. } => &**root,
        Trust::Certificate { .. } => "its own PKI",
        Trust::Key { .. } | Trust::Static(_) => return authority.name.to_string(),
    };
    let identities = match authority.trust.identities() {
        [_] => "an identity".to_owned(),
        several => format!("1 of {} identities", several.len()),
    };
    format!("{} ({identities} of {whose})", authority.name)
}

/// The attestations that a policy demands, for people: `the attestation provenance with 2 conditions`.
fn attested(policy: &Policy) -> String {
    let one = |attestation: &AttestationDemand| match attestation.conditions.len() {
        0 => attestation.name.to_string(),
        1 => format!("{} with a condition", attestation.name),
        several => format!("{} with {several} conditions", attestation.name),
    };
    match policy.parts().attestations.as_slice() {
        [] => String::new(),
        [only] => format!("the attestation {}", one(only)),
        several => format!("the attestations {}", several.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

fn and(attested: String) -> String {
    if attested.is_empty() { attested } else { format!(" and {attested}") }
}

#[cfg(test)]
mod tests;
