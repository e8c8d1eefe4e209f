//! Why no path leads from a certificate to an authority, in words.

use jiff::Timestamp;
use rustls_pki_types::UnixTime;
use webpki::Error;

use crate::domain::text::spelled_out;

/// What is wrong with a path, after "the signature's certificate is refused: ".
pub(in crate::signatures) fn problem(error: &Error) -> String {
    match error {
        Error::CertExpired { time, not_after } => {
            format!(
                "it, or an authority above it, was not valid any more at {}: it ended at {}",
                at(*time),
                at(*not_after)
            )
        }
        Error::CertNotValidYet { time, not_before } => {
            format!(
                "it, or an authority above it, was not valid yet at {}: it begins at {}",
                at(*time),
                at(*not_before)
            )
        }
        Error::RequiredEkuNotFoundContext(_) => {
            "it, or an authority above it, is not for signing code (extended key usage codeSigning)".to_owned()
        }
        Error::EndEntityUsedAsCa => "an authority above it may not issue certificates (CA:TRUE is missing)".to_owned(),
        Error::CaUsedAsEndEntity => "it is that of an authority (CA:TRUE), and these sign no images".to_owned(),
        Error::PathLenConstraintViolated => {
            "an authority above it may not have so many others below (path length)".to_owned()
        }
        Error::NameConstraintViolation => {
            "an authority above it may not issue certificates for this name (name constraints)".to_owned()
        }
        Error::InvalidSignatureForPublicKey => "it was not signed by the authority that it names".to_owned(),
        Error::UnsupportedCriticalExtension => {
            "it, or an authority above it, has a critical extension that is not known here".to_owned()
        }
        Error::UnknownIssuer => "no path leads from it to an authority of the trusted root".to_owned(),
        Error::MaximumPathDepthExceeded => "there are too many authorities between it and the trusted root".to_owned(),
        // What webpki adds in braces is for programmers.
        error => spelled_out(error.to_string().split(" {").next().unwrap_or_default()),
    }
}

fn at(time: UnixTime) -> Timestamp {
    i64::try_from(time.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok()).unwrap_or(Timestamp::MAX)
}
