//! What a policy is, once it has been read and found valid.

mod checks;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{IdentityPattern, Pattern, Repository};
use crate::signatures::{CertificateRoots, LogRule, PublicKey};

use super::condition::Condition;
use super::selector::LabelSelector;

/// What a policy does with an image that it does not accept. The order is that of strictness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Records it.
    Audit,
    /// Admits with a warning.
    Warn,
    /// Denies.
    #[default]
    Enforce,
}

impl Mode {
    /// The word for it, as in a policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "Audit",
            Self::Warn => "Warn",
            Self::Enforce => "Enforce",
        }
    }
}

/// What a setting does in a case that no policy decides. The order is that of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reaction {
    /// Admits, counted.
    Allow,
    /// Admits with a warning.
    Warn,
    /// Denies.
    Deny,
}

impl Reaction {
    /// The mode that does the same; `Allow` is none, because it holds nothing against an image.
    pub fn mode(self) -> Option<Mode> {
        match self {
            Self::Allow => None,
            Self::Warn => Some(Mode::Warn),
            Self::Deny => Some(Mode::Enforce),
        }
    }
}

/// The settings for what no policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Images that no policy matches, in a namespace that a policy governs.
    pub unmatched: Reaction,
    /// Namespaces that no policy governs.
    pub ungoverned: Reaction,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { unmatched: Reaction::Deny, ungoverned: Reaction::Allow }
    }
}

/// Who may vouch for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Unique in its policy.
    pub name: Arc<str>,
    /// What it trusts.
    pub trust: Trust,
}

/// What an authority trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Signatures by the holder of a key.
    Key {
        /// The key.
        key: PublicKey,
        /// The trusted root whose logs and timestamps count for it.
        root: Option<Arc<str>>,
    },
    /// Signatures with a short-lived certificate by the certificate authority of a trusted root.
    Keyless {
        /// The name of the trusted root.
        root: Arc<str>,
        /// Whom the certificate must name: any of them, at least one.
        identities: Vec<IdentityPattern>,
    },
    /// Signatures with a certificate of an own PKI.
    Certificate {
        /// Its roots.
        roots: CertificateRoots,
        /// The trusted root whose logs and timestamps count for it.
        root: Option<Arc<str>>,
        /// Whom the certificate must name: any of them, at least one.
        identities: Vec<IdentityPattern>,
    },
    /// Nothing is looked at.
    Static(StaticAnswer),
}

impl Trust {
    /// The field of an authority that says it.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Key { .. } => "key",
            Self::Keyless { .. } => "keyless",
            Self::Certificate { .. } => "certificate",
            Self::Static(_) => "static",
        }
    }

    /// The identities that it accepts; keys and static answers have none.
    pub fn identities(&self) -> &[IdentityPattern] {
        match self {
            Self::Keyless { identities, .. } | Self::Certificate { identities, .. } => identities,
            Self::Key { .. } | Self::Static(_) => &[],
        }
    }

    /// The name of the trusted root that it uses.
    pub fn root(&self) -> Option<&str> {
        match self {
            Self::Key { root, .. } | Self::Certificate { root, .. } => root.as_deref(),
            Self::Keyless { root, .. } => Some(root),
            Self::Static(_) => None,
        }
    }

    /// Whose signatures it looks for, for people; nothing where nothing is looked at.
    pub fn seeks(&self) -> Option<String> {
        let one_of = |identities: &[IdentityPattern]| match identities {
            [only] => only.to_string(),
            several => format!("one of {} identities", several.len()),
        };
        match self {
            Self::Key { key, .. } => Some(key.to_string()),
            Self::Keyless { root, identities } => Some(format!("{} (trusted root {root})", one_of(identities))),
            Self::Certificate { roots, identities, .. } => Some(format!("{} ({roots})", one_of(identities))),
            Self::Static(_) => None,
        }
    }
}

/// The answer of a static authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaticAnswer {
    /// Accept as it is.
    Allow,
    /// Refuse whatever matches.
    Deny,
}

/// How many authorities must verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Require {
    /// How many distinct authorities of `of` must verify; 1 by default, all of them for `all: true`.
    pub at_least: usize,
    /// Indexes into the policy's authorities; all by default.
    pub of: Vec<usize>,
}

/// Statements about an image that a policy demands beside its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationDemand {
    /// Unique in its policy.
    pub name: Arc<str>,
    /// The predicate type, exactly.
    pub predicate_type: String,
    /// Who may have made them: indexes into the policy's authorities, any of them.
    pub authorities: Vec<usize>,
    /// How many of the statements of that type, by those authorities, must satisfy the conditions.
    pub matching: Matching,
    /// What each must say; all of them.
    pub conditions: Vec<Condition>,
}

/// How many statements must satisfy the conditions; one must be there in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matching {
    /// One.
    #[default]
    Any,
    /// Each that was verified.
    All,
}

/// The readable parts of a policy, before [`Policy::new`] has proven that they fit together.
#[derive(Clone, Debug)]
pub struct PolicyParts {
    /// The policy's name.
    pub name: Arc<str>,
    /// What it does with images it does not accept.
    pub mode: Mode,
    /// Images it is about.
    pub images: Vec<Pattern>,
    /// Images it is not about.
    pub exclude_images: Vec<Pattern>,
    /// Exact namespace names; empty means all.
    pub namespaces: Vec<String>,
    /// Selector over namespace labels, combined (AND) with `namespaces`.
    pub namespace_selector: LabelSelector,
    /// Who may vouch.
    pub authorities: Vec<Authority>,
    /// How many of them must.
    pub require: Require,
    /// Annotations that the signed payload must carry.
    pub annotations: BTreeMap<String, String>,
    /// Where signatures are kept when not beside the image.
    pub signature_repository: Option<Repository>,
    /// What must be proven of transparency logs, where that is not left to the kind of authority.
    pub log: Option<LogRule>,
    /// Statements that must be there; each must be satisfied.
    pub attestations: Vec<AttestationDemand>,
}

/// A valid policy. Only [`Policy::new`] makes it.
#[derive(Clone, Debug)]
pub struct Policy {
    parts: PolicyParts,
}

/// Why a policy can't be used, with the field that is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct PolicyError {
    /// Field path, such as `spec.authorities[0].key.publicKey`.
    pub path: String,
    /// What was expected and what was found.
    pub problem: String,
}

impl Policy {
    /// Proves that the parts fit together:
    ///
    /// 1. there is an image pattern, and the selector is one that Kubernetes would accept;
    /// 2. there is an authority, each has a name of its own, each accepts somebody, and nobody counts twice: no key, and no
    ///    set of identities;
    /// 3. a static authority is the only one, nothing is demanded of signatures that are not looked at, and
    ///    `static: Allow` names exact repositories only;
    /// 4. `require` can be met: 1 to `of.len()` distinct authorities that exist, or none of them where attestations are
    ///    demanded; nobody can be two of those that it counts;
    /// 5. attestations have names of their own, and authorities that exist;
    /// 6. where an entry in a log is demanded, it is known whose log.
    pub fn new(parts: PolicyParts) -> Result<Self, PolicyError> {
        checks::all(&parts)?;
        Ok(Self { parts })
    }

    /// The parts, now known to be valid.
    pub fn parts(&self) -> &PolicyParts {
        &self.parts
    }

    /// What must be proven of transparency logs for signatures of this authority: an entry for short-lived certificates,
    /// whatever is there for keys.
    pub fn log_rule(&self, authority: &Authority) -> LogRule {
        self.parts.log.unwrap_or(match authority.trust {
            Trust::Keyless { .. } => LogRule::Required,
            Trust::Key { .. } | Trust::Certificate { .. } | Trust::Static(_) => LogRule::WhenPresent,
        })
    }

    /// What is legal but hardly meant, each with the path of its field.
    pub fn warnings(&self) -> Vec<String> {
        let of_authority = |(i, authority): (usize, &Authority)| {
            let path = format!("spec.authorities[{i}].{}", authority.trust.field());
            let identities = authority.trust.identities().iter().enumerate();
            identities
                .flat_map(|(j, identity)| identity.warnings().into_iter().map(move |warning| (j, warning)))
                .map(|(j, warning)| format!("{path}.identities[{j}].{warning}"))
                .collect::<Vec<_>>()
        };
        self.parts.authorities.iter().enumerate().flat_map(of_authority).collect()
    }

    /// Whether signatures of the image by this authority count, by its index; others may have made attestations.
    pub fn wants_signature_of(&self, authority: usize) -> bool {
        self.parts.require.at_least > 0 && self.parts.require.of.contains(&authority)
    }

    /// The answer of its static authority, where it has one.
    pub fn static_answer(&self) -> Option<StaticAnswer> {
        static_answer(&self.parts.authorities)
    }
}

impl PolicyError {
    /// An error at a field.
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }
}

fn static_answer(authorities: &[Authority]) -> Option<StaticAnswer> {
    authorities.iter().find_map(|authority| match authority.trust {
        Trust::Static(answer) => Some(answer),
        Trust::Key { .. } | Trust::Keyless { .. } | Trust::Certificate { .. } => None,
    })
}

#[cfg(test)]
mod tests;
