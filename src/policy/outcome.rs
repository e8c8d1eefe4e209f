//! What one authority says about one image.

use std::sync::Arc;

use crate::domain::{Finding, Rejection, Unavailable};
use crate::signatures::{Proof, Signatory, VerifiedSignature};

/// The answer of one authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorityOutcome {
    /// It vouches, by this signature.
    Verified(VerifiedSignature),
    /// It accepts without looking (`static: Allow`).
    Trusted,
    /// It does not vouch.
    Rejected(Rejection),
    /// It could not find out.
    Unavailable(Unavailable),
}

impl From<Finding> for AuthorityOutcome {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Rejected(rejection) => Self::Rejected(rejection),
            Finding::Unavailable(cause) => Self::Unavailable(cause),
        }
    }
}

/// The answer about one attestation that a policy demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttestationOutcome {
    /// It is there, by somebody who may make it, and says what it must.
    Satisfied(Arc<Stated>),
    /// It is not, or says something else.
    Rejected(Rejection),
    /// It could not be found out.
    Unavailable(Unavailable),
}

/// Who made a statement that satisfies, and what was proven beside it. The statement itself, which may be large, is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The name of the authority that may make it.
    pub authority: Arc<str>,
    /// Who made it.
    pub signer: Signatory,
    /// What was proven beside it.
    pub proof: Proof,
}
