//! The crate's errors as rejections: by their kind, never by their text.

use ::sigstore::bundle::Error as Structure;
use ::sigstore::{CertificateError, Error, TimestampError, TransparencyLogError};

use crate::domain::Rejection;
use crate::domain::text::{foreign, spelled_out, without_types};

/// Why the crate refuses what our own checks accept.
pub(super) fn rejection(error: &Error) -> Rejection {
    let text = foreign(&without_types(&error.to_string()));
    match error {
        Error::SignatureInvalid(_) => Rejection::SignatureInvalid { key: "the key of its certificate".to_owned() },
        Error::Certificate(CertificateError::NoValidAuthority { .. }) => Rejection::TrustRoot(text),
        // What webpki adds in braces is for programmers.
        Error::Certificate(_) => {
            let words = spelled_out(text.split(" {").next().unwrap_or_default());
            Rejection::CertificateInvalid(format!("is refused: {words}"))
        }
        // What is signed was compared before: the entry is about something else.
        Error::ArtifactMismatch(_) => Rejection::LogInvalid("it is about something else".to_owned()),
        Error::TransparencyLog(TransparencyLogError::UnknownLog { log_id }) => {
            Rejection::TrustRoot(format!("the trusted root does not name the log {}", foreign(log_id)))
        }
        // Payloads and materials were read before: what is unsupported is the kind of an entry, or a hash that it has.
        Error::TransparencyLog(_) | Error::UnsupportedBundle(_) => Rejection::LogInvalid(text),
        Error::Timestamp(TimestampError::NoVerifiedTimestamp(_)) => Rejection::NoSigningTime,
        Error::Timestamp(_) => Rejection::TimestampInvalid(text),
        Error::InvalidTrustRoot(_) | Error::TrustRoot(_) | Error::TrustedCertificate(_) => {
            Rejection::Internal("a trusted root was accepted that can't be used")
        }
        Error::Bundle(error) => structure(error, text),
        _ => Rejection::SignatureMalformed(text),
    }
}

fn structure(error: &Structure, text: String) -> Rejection {
    match error {
        Structure::MissingSigningTimeEvidence | Structure::MissingTimestamp => Rejection::NoSigningTime,
        Structure::MissingInclusionPromise(_)
        | Structure::MissingInclusionProof(_)
        | Structure::MissingCheckpoint
        | Structure::LogIndexOutOfRange { .. }
        | Structure::CheckpointRootMismatch => Rejection::LogInvalid(text),
        _ => Rejection::SignatureMalformed(text),
    }
}

/// Somebody else's certificate.
pub(super) fn foreign_certificate() -> Rejection {
    Rejection::TrustRoot(
        "no certificate authority of the trusted root issued the signature's certificate; if it is by another Sigstore \
         instance, name that one's trusted root"
            .to_owned(),
    )
}
