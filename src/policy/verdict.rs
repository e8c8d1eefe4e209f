//! What the policies together say about an image.

use std::sync::Arc;

use crate::domain::{Digest, Finding, ImageReference, Rejection, Repository, Unavailable};
use crate::signatures::{Form, Origin, Place};

use super::model::{Mode, Reaction};
use super::outcome::{AttestationOutcome, AuthorityOutcome};

/// What the policies together say about one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageVerdict {
    /// The image as it was written.
    pub written: String,
    /// The parsed reference, where it could be read.
    pub reference: Option<ImageReference>,
    /// The digest that was judged, where one is known.
    pub digest: Option<Digest>,
    /// Why. Shared by all fields that name the image.
    pub basis: Arc<Basis>,
    /// What was looked at on the way; shared likewise.
    pub report: Arc<Report>,
}

/// Why a verdict about an image was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Policies applied and were evaluated; by policy name.
    Judged(Vec<PolicyVerdict>),
    /// No policy governs the namespace.
    Ungoverned(Reaction),
    /// Policies govern the namespace, none is about the image.
    Unmatched {
        /// The strictest mode of the governing policies.
        mode: Mode,
        /// What the setting says; the milder of the two counts.
        reaction: Reaction,
        /// The rejection, with the names of the governing policies.
        rejection: Rejection,
    },
    /// Policies that can't be used are about the image, and no others. Each denies it in its mode.
    Broken {
        /// Those policies, by name.
        policies: Vec<PolicyVerdict>,
        /// What it is without them: `Unmatched` or `Ungoverned`. They take nothing away from it.
        otherwise: Box<Self>,
    },
    /// Decided before it was known which policies apply: bad reference, not ready, overloaded.
    Refused {
        /// The strictest mode of the governing policies, `Enforce` where they are not known.
        mode: Mode,
        /// Why.
        finding: Finding,
    },
}

/// What one policy says about one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVerdict {
    /// The policy's name.
    pub policy: Arc<str>,
    /// Its mode.
    pub mode: Mode,
    /// What it says.
    pub outcome: PolicyOutcome,
    /// What the signatures alone say; nothing where that is not known, or where signatures were not looked for.
    pub signatures: Option<PolicyOutcome>,
    /// The trusted roots that its authorities name, each once.
    pub trusted_roots: Vec<Arc<str>>,
    /// What each of its authorities said, as far as it was asked.
    pub authorities: Vec<AuthorityVerdict>,
    /// What was found of each attestation that it demands, as far as that is known.
    pub attestations: Vec<AttestationVerdict>,
}

/// The answer of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyOutcome {
    /// Accepted; `demands_signature` is false when a static authority accepted without looking.
    Accepted {
        /// Whether signatures were demanded and verified.
        demands_signature: bool,
    },
    /// Refused.
    Rejected(Rejection),
    /// Could not find out.
    Unavailable(Unavailable),
}

/// What one authority of a policy says about one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityVerdict {
    /// The authority's name.
    pub name: Arc<str>,
    /// Whose signatures it looked for; nothing for a static authority.
    pub seeks: Option<String>,
    /// What it says.
    pub outcome: AuthorityOutcome,
}

/// What was found of one attestation that a policy demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationVerdict {
    /// The name of the demand.
    pub name: Arc<str>,
    /// The predicate type.
    pub predicate_type: String,
    /// The answer.
    pub outcome: AttestationOutcome,
}

/// What was looked at for one image; at most 64 signatures a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The signature material, by repository and place.
    pub examined: Vec<Examined>,
    /// What could not be read.
    pub unread: Vec<Unread>,
    /// How many signatures were verified: one that lies in two places, once.
    pub checks: usize,
}

/// One piece of signature material that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The repository in which it lies.
    pub repository: Repository,
    /// Where in it.
    pub origin: Origin,
    /// How it is stored.
    pub form: Form,
    /// What each authority made of it. An authority that had verified another signature before was not asked.
    pub answers: Vec<Answer>,
}

/// What one authority made of one piece of signature material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The policy.
    pub policy: Arc<str>,
    /// The authority.
    pub authority: Arc<str>,
    /// The name of the attestation that was looked for; nothing for a signature of the image.
    pub attestation: Option<Arc<str>>,
    /// Whether it counts, and why not.
    pub result: Result<(), Finding>,
}

/// Something that could not be read: what is there is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The repository.
    pub repository: Repository,
    /// The place in it; nothing where not even that was reached.
    pub place: Option<Place>,
    /// Why.
    pub cause: Unavailable,
}

impl ImageVerdict {
    /// The findings in a mode: `(policy name, finding)`, rejections before unavailability. Empty means that nothing in this
    /// mode speaks against the image.
    pub fn findings(&self, mode: Mode) -> Vec<(Option<&str>, Finding)> {
        let mut findings = judged(self.basis.policies(), mode);
        findings.extend(self.basis.alone().filter(|(counts, _)| *counts == mode).map(|(_, finding)| (None, finding)));
        findings
    }

    /// The digest to pin: only when a policy in Enforce mode that demands signatures accepted, and nothing in Enforce mode
    /// speaks against the image.
    pub fn pin(&self) -> Option<&Digest> {
        let Basis::Judged(policies) = &*self.basis else { return None };
        let mut enforcing = policies.iter().filter(|policy| policy.mode == Mode::Enforce);
        let verified = |p: &PolicyVerdict| p.outcome == PolicyOutcome::Accepted { demands_signature: true };
        let accepted = |p: &PolicyVerdict| matches!(p.outcome, PolicyOutcome::Accepted { .. });
        let pins = enforcing.clone().any(verified) && enforcing.all(accepted);
        self.digest.as_ref().filter(|_| pins)
    }
}

impl Basis {
    /// What each policy says that is about the image.
    pub fn policies(&self) -> &[PolicyVerdict] {
        match self {
            Self::Judged(policies) | Self::Broken { policies, .. } => policies,
            Self::Ungoverned(_) | Self::Unmatched { .. } | Self::Refused { .. } => &[],
        }
    }

    /// What speaks against the image without any policy that says so, and in which mode it counts. What a broken policy has
    /// said as strictly is not said again in words that would send the reader elsewhere.
    pub fn alone(&self) -> Option<(Mode, Finding)> {
        match self {
            Self::Judged(_) => None,
            Self::Ungoverned(reaction) => Some((reaction.mode()?, Finding::Rejected(Rejection::Ungoverned))),
            Self::Unmatched { mode, reaction, rejection } => {
                Some((reaction.mode()?.min(*mode), Finding::Rejected(rejection.clone())))
            }
            Self::Broken { policies, otherwise } => {
                let said = policies.iter().map(|policy| policy.mode).max();
                otherwise.alone().filter(|(mode, _)| Some(*mode) > said)
            }
            Self::Refused { mode, finding } => Some((*mode, finding.clone())),
        }
    }
}

impl PolicyVerdict {
    /// What speaks against the image, where the policy does not accept it.
    pub fn finding(&self) -> Option<Finding> {
        match &self.outcome {
            PolicyOutcome::Accepted { .. } => None,
            PolicyOutcome::Rejected(rejection) => Some(Finding::Rejected(rejection.clone())),
            PolicyOutcome::Unavailable(cause) => Some(Finding::Unavailable(cause.clone())),
        }
    }
}

fn judged(policies: &[PolicyVerdict], mode: Mode) -> Vec<(Option<&str>, Finding)> {
    let mut findings: Vec<_> = policies
        .iter()
        .filter(|policy| policy.mode == mode)
        .filter_map(|policy| Some((Some(&*policy.policy), policy.finding()?)))
        .collect();
    findings.sort_by_key(|(_, finding)| !finding.is_rejection());
    findings
}

#[cfg(test)]
mod tests;
