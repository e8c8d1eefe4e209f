//! Certificates of signers: who they name, and chains of an own PKI.
//!
//! Every certificate of a signer is held to the profile that makes its name unambiguous (sigstore/fulcio,
//! `docs/certificate-specification.md`); authorities, whoever lists them, to RFC 5280.

mod authority;
mod extensions;
mod own_path;
mod path;
mod roots;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use spki::ObjectIdentifier;
use spki::der::{Decode, Encode};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage};

use self::authority::MAX_EXTENSIONS;
use super::key::PublicKey;
use crate::domain::text::foreign;
use crate::domain::{Rejection, SignerIdentity};

pub(super) use authority::{Authority, Purpose};
pub(super) use path::problem;
pub use roots::{CertificateRoots, RootsError};

/// The extended key usage `codeSigning` (RFC 5280, section 4.2.1.12).
pub(super) const ID_KP_CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
/// The extended key usage `timeStamping` (the same).
const ID_KP_TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

/// The certificate that signed, read but not yet vouched for by anyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// The key that it certifies.
    pub(super) key: PublicKey,
    /// Whether it is for signing code (extended key usage `codeSigning`).
    signs_code: bool,
    /// Whether it says for what its key may be used; where it does, for signatures.
    names_usage: bool,
    /// Whom it names.
    pub(super) identity: SignerIdentity,
    /// The first moment of its validity.
    pub(super) not_before: Timestamp,
    /// The last moment of its validity.
    pub(super) not_after: Timestamp,
}

impl Leaf {
    /// Reads a certificate:
    ///
    /// 1. it is DER, and its key is of an accepted algorithm;
    /// 2. no extension occurs twice;
    /// 3. it has exactly one subject alternative name, of a known kind;
    /// 4. its issuer and claims are what Fulcio writes: UTF-8, and not two different issuers;
    /// 5. its key may make signatures.
    pub(super) fn read(der: &[u8]) -> Result<Self, Rejection> {
        // 1.
        let certificate = Certificate::from_der(der).map_err(|e| invalid(format!("can't be read: {e}")))?;
        let certified = &certificate.tbs_certificate;
        let found = certified.extensions.as_ref().map_or(0, Vec::len);
        if found > MAX_EXTENSIONS {
            return Err(Rejection::SignatureLimit {
                what: "extensions of the certificate",
                found,
                limit: MAX_EXTENSIONS,
            });
        }
        let spki = certified.subject_public_key_info.to_der().map_err(|e| invalid(format!("can't be read: {e}")))?;
        let key = PublicKey::from_spki(&spki).map_err(|e| invalid(format!("has a key that {e}")))?;
        // 2. to 4.
        let identity = extensions::identity(certified.extensions.as_deref().unwrap_or_default())?;
        let time = |time: x509_cert::time::Time| {
            Timestamp::try_from(time.to_system_time()).map_err(|e| invalid(format!("has an impossible time: {e}")))
        };
        let (not_before, not_after) = (time(certified.validity.not_before)?, time(certified.validity.not_after)?);
        // 5.
        let usage = certified.get::<KeyUsage>().map_err(|e| invalid(format!("can't be read: {e}")))?;
        if usage.is_some_and(|(_, usage)| !usage.digital_signature()) {
            return Err(invalid("has a key that may not make signatures (keyUsage digitalSignature)"));
        }
        let names_usage = usage.is_some();
        let usage = certified.get::<ExtendedKeyUsage>().map_err(|e| invalid(format!("can't be read: {e}")))?;
        let signs_code = usage.is_some_and(|(_, usage)| usage.0.contains(&ID_KP_CODE_SIGNING));
        Ok(Self { key, signs_code, names_usage, identity, not_before, not_after })
    }

    /// Whether it says of its key that it may make signatures, as every certificate of Fulcio does.
    pub(super) fn check_usage(&self) -> Result<(), Rejection> {
        if self.names_usage { Ok(()) } else { Err(invalid("does not say that its key may make signatures (keyUsage)")) }
    }

    /// Whether it was valid at a moment; both ends are inclusive (RFC 5280, section 4.1.2.5).
    pub(super) fn check_validity(&self, moment: Moment) -> Result<(), Rejection> {
        match moment.check(self.not_before, self.not_after) {
            Ok(()) => Ok(()),
            Err(problem) => Err(invalid(problem)),
        }
    }
}

/// A moment at which a certificate must be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A proven time of the signature.
    Signed(Timestamp),
    /// Now, where no time is proven. What is said of it must not change with the clock.
    Now(Timestamp),
}

impl Moment {
    /// The moment itself.
    fn time(self) -> Timestamp {
        match self {
            Self::Signed(time) | Self::Now(time) => time,
        }
    }

    /// Whether something was valid then; the problem goes on from its name.
    fn check(self, not_before: Timestamp, not_after: Timestamp) -> Result<(), String> {
        let is_early = self.time() < not_before;
        if !is_early && self.time() <= not_after {
            return Ok(());
        }
        Err(match self {
            Self::Signed(at) if is_early => {
                format!("was not valid yet when it signed at {at}: it begins at {not_before}")
            }
            Self::Signed(at) => format!("was not valid any more when it signed at {at}: it ended at {not_after}"),
            Self::Now(_) if is_early => format!("is not valid yet: it begins at {not_before}"),
            Self::Now(_) => format!(
                "is not valid any more, and nothing proves that it signed while it was: it ended at {not_after}"
            ),
        })
    }
}

/// The rejection for a certificate; the problem goes on from "the signature's certificate".
pub(super) fn invalid(problem: impl AsRef<str>) -> Rejection {
    Rejection::CertificateInvalid(foreign(problem.as_ref()))
}
