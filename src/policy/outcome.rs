//! What one authority says about one image.

use crate::domain::{Finding, Rejection, Unavailable};
use crate::signatures::VerifiedSignature;

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
    Satisfied,
    /// It is not, or says something else.
    Rejected(Rejection),
    /// It could not be found out.
    Unavailable(Unavailable),
}
