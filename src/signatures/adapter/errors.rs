//! The crate's errors as rejections: by their kind, never by their text.

use ::sigstore::types::{Bundle, DerCertificate};
use ::sigstore::{CertificateError, Error, TimestampError, TransparencyLogError};

use super::Anchors;
use crate::domain::Rejection;
use crate::domain::text::foreign;

/// Why a bundle with a certificate is refused.
pub(super) fn rejection(error: &Error, anchors: &Anchors, bundle: &Bundle) -> Rejection {
    let text = foreign(&error.to_string());
    match error {
        Error::SignatureInvalid(_) => Rejection::SignatureInvalid { key: "the key of its certificate".to_owned() },
        Error::Certificate(error) => certificate(error, text, anchors, bundle),
        // What is signed was compared before: the entry is about something else.
        Error::ArtifactMismatch(_) => Rejection::LogInvalid("it is about something else".to_owned()),
        Error::TransparencyLog(TransparencyLogError::UnknownLog { log_id }) => {
            Rejection::TrustRoot(format!("the trusted root does not name the log {}", foreign(log_id)))
        }
        Error::TransparencyLog(_) => Rejection::LogInvalid(text),
        Error::Timestamp(TimestampError::NoVerifiedTimestamp(_)) => Rejection::NoSigningTime,
        Error::Timestamp(_) => Rejection::TimestampInvalid(text),
        Error::InvalidTrustRoot(_) | Error::TrustRoot(_) | Error::TrustedCertificate(_) => {
            Rejection::Internal("a trusted root was accepted that can't be used")
        }
        _ => Rejection::SignatureMalformed(text),
    }
}

fn certificate(error: &CertificateError, text: String, anchors: &Anchors, bundle: &Bundle) -> Rejection {
    let leaf = bundle.signing_certificate().map(DerCertificate::as_bytes).unwrap_or_default();
    match error {
        CertificateError::ChainInvalid(_) if !anchors.claims_issuer(leaf) => Rejection::TrustRoot(
            "no certificate authority of the trusted root issued the signature's certificate; if it is by another \
             Sigstore instance, name that one's trusted root"
                .to_owned(),
        ),
        CertificateError::NoValidAuthority { .. } => Rejection::TrustRoot(text),
        _ => Rejection::CertificateInvalid(format!("is refused: {text}")),
    }
}
