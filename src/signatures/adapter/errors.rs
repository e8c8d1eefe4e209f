//! The crate's errors as rejections: by their kind, never by their text.

use ::sigstore::bundle::Error as Structure;
use ::sigstore::types::Bundle;
use ::sigstore::types::bundle::VerificationMaterialContent;
use ::sigstore::{CertificateError, Error, TimestampError, TransparencyLogError};
use jiff::Timestamp;

use super::{Anchors, SignatureContent};
use crate::domain::Rejection;
use crate::domain::text::{foreign, spelled_out, without_types};
use crate::signatures::log;

/// Why a bundle with a certificate is refused:
///
/// 1. A signature that does not verify is told as that.
/// 2. It is of another instance: nothing that presents itself is by an authority of this root.
/// 3. A proven time is in the future. The crate asks its own clock, and about logs only, and would tell that the certificate
///    was not valid then.
/// 4. A timestamp is wrong, or no path leads to an authority: why, in words.
/// 5. What the crate says.
pub(super) fn explain(error: &Error, anchors: &Anchors, bundle: &Bundle, now: Timestamp) -> Rejection {
    // 1.
    if matches!(error, Error::SignatureInvalid(_)) {
        return rejection(error);
    }
    // 2.
    let is_known = |certificate: &[u8]| anchors.claims_issuer(certificate);
    if !chain(&bundle.verification_material.content).into_iter().any(is_known) {
        return foreign_certificate();
    }
    // 3.
    let times = times(anchors, bundle, now);
    if let Ok(times) = &times
        && let Err(future) = log::check_times(times, now)
    {
        return future;
    }
    // 4.
    let is_wrong_time =
        matches!(error, Error::Timestamp(problem) if !matches!(problem, TimestampError::NoVerifiedTimestamp(_)));
    if is_wrong_time && let Err(refused @ Rejection::TimestampInvalid(_)) = times {
        return refused;
    }
    if matches!(error, Error::Certificate(CertificateError::ChainInvalid(_)))
        && let [leaf, intermediates @ ..] = chain(&bundle.verification_material.content).as_slice()
        && let Ok(times) = times
    {
        let intermediates: Vec<_> = intermediates.iter().map(|der| der.to_vec()).collect();
        if let Err(refused) = anchors.certify(leaf, &intermediates, &times, now) {
            return refused;
        }
    }
    // 5.
    rejection(error)
}

/// The times that are proven, whatever else is wrong.
fn times(anchors: &Anchors, bundle: &Bundle, now: Timestamp) -> Result<Vec<Timestamp>, Rejection> {
    let signature = match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => envelope.signature.sig.as_bytes(),
        SignatureContent::MessageSignature(content) => content.signature.as_bytes(),
        _ => &[],
    };
    let mut times = anchors.timestamps(bundle, signature)?;
    for entry in &bundle.verification_material.tlog_entries {
        times.extend(log::check_inclusion(entry, anchors, now)?);
    }
    Ok(times)
}

fn chain(material: &VerificationMaterialContent) -> Vec<&[u8]> {
    match material {
        VerificationMaterialContent::Certificate(leaf) => vec![leaf.raw_bytes.as_bytes()],
        VerificationMaterialContent::X509CertificateChain { certificates } => {
            certificates.iter().map(|certificate| certificate.raw_bytes.as_bytes()).collect()
        }
        _ => Vec::new(),
    }
}

fn rejection(error: &Error) -> Rejection {
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
