//! What the policies together say about an image.

use std::sync::Arc;

use crate::domain::{Class, Digest, ImageReference, Rejection, Unavailable};

use super::model::{Mode, Reaction};
use super::outcome::AuthorityOutcome;

/// What one policy says about one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVerdict {
    /// The policy's name.
    pub policy: Arc<str>,
    /// Its mode.
    pub mode: Mode,
    /// What it says.
    pub outcome: PolicyOutcome,
    /// What each of its authorities said, by name, as far as it was asked.
    pub authorities: Vec<(Arc<str>, AuthorityOutcome)>,
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

/// Why a verdict about an image was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Policies applied and were evaluated.
    Judged(Vec<PolicyVerdict>),
    /// No policy governs the namespace.
    Ungoverned(Reaction),
    /// Policies govern the namespace, none is about the image.
    Unmatched {
        /// How strictly that is taken.
        mode: Mode,
        /// The rejection, with the names of the governing policies.
        rejection: Rejection,
    },
    /// Decided before any policy was asked: bad reference, not ready, overloaded.
    Refused(Finding),
}

/// A reason not to accept an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A definite no.
    Rejected(Rejection),
    /// Could not find out.
    Unavailable(Unavailable),
}

/// What the policies together say about one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageVerdict {
    /// The image as it was written.
    pub written: String,
    /// The parsed reference, where it could be read.
    pub reference: Option<ImageReference>,
    /// The digest that was judged, where one is known.
    pub digest: Option<Digest>,
    /// Why.
    pub basis: Basis,
}

impl Finding {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rejected(r) => r.code(),
            Self::Unavailable(u) => u.code(),
        }
    }

    /// The coarse reason.
    pub fn class(&self) -> Class {
        match self {
            Self::Rejected(r) => r.class(),
            Self::Unavailable(u) => u.class(),
        }
    }
}

impl ImageVerdict {
    /// The findings in a mode: `(policy name, finding)`, rejections before unavailability. Empty means that nothing in this
    /// mode speaks against the image.
    pub fn findings(&self, _mode: Mode) -> Vec<(Option<&str>, Finding)> {
        todo!()
    }

    /// The digest to pin: only when a policy in Enforce mode that demands signatures accepted, and nothing in Enforce mode
    /// speaks against the image.
    pub fn pin(&self) -> Option<&Digest> {
        todo!()
    }
}
