//! From what the HTTP client reports to the reason that is told. No text of a peer or of a library gets through: equal causes
//! give equal messages.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use crate::domain::Unavailable;
use crate::domain::text::foreign;

use super::resolver::LookupError;

/// Why a request failed before its answer was complete.
pub(super) fn unavailable(error: &reqwest::Error, host: &str, what: &str) -> Unavailable {
    let host = host.to_owned();
    let what = what.to_owned();
    for cause in causes(error) {
        if let Some(lookup) = cause.downcast_ref::<LookupError>() {
            return match lookup {
                LookupError::Blocked(address) => blocked(&host, address.clone()),
                LookupError::Unknown => Unavailable::RegistryUnreachable { host, problem: lookup.to_string() },
            };
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Unavailable::RegistryTls { host, problem: tls_problem(tls).to_owned() };
        }
        if let Some(http) = cause.downcast_ref::<hyper::Error>()
            && http.is_parse()
        {
            return Unavailable::RegistryProtocol { host, what, problem: "the answer is not valid HTTP".to_owned() };
        }
    }
    if error.is_timeout() {
        return Unavailable::RegistryTimeout { host, what };
    }
    Unavailable::RegistryUnreachable { host, problem: connection_problem(error) }
}

/// Whether the peer closed the connection before it answered anything, as happens when it drops an idle connection at the
/// moment it is used again.
pub(super) fn closed_before_answer(error: &reqwest::Error) -> bool {
    !error.is_timeout()
        && !error.is_connect()
        && causes(error).any(|cause| {
            cause.downcast_ref::<hyper::Error>().is_some_and(|http| http.is_incomplete_message() || http.is_canceled())
                || cause
                    .downcast_ref::<io::Error>()
                    .is_some_and(|io| matches!(io.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
        })
}

/// An address that may not be reached. Only the log tells which one.
pub(super) fn blocked(host: &str, address: String) -> Unavailable {
    tracing::warn!(host, address, "the address of this host is not public");
    Unavailable::AddressBlocked { host: host.to_owned(), address }
}

/// An answer that contradicts the protocol.
pub(super) fn protocol(host: &str, what: &str, problem: impl Into<String>) -> Unavailable {
    Unavailable::RegistryProtocol { host: host.to_owned(), what: what.to_owned(), problem: problem.into() }
}

/// An answer that is too long.
pub(super) fn too_long(host: &str, what: &str, limit: u64) -> Unavailable {
    Unavailable::RegistryLimit { host: host.to_owned(), limit, what: what.to_owned() }
}

/// The media type or another short token of a peer, fit for a message.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", foreign(text))
}

fn tls_problem(error: &rustls::Error) -> &'static str {
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer => {
                "its certificate is signed by a CA that is not trusted here; if this registry is yours, set its caFile"
            }
            Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "its certificate is not valid yet",
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => "its certificate is for another name",
            _ => "its certificate is not valid",
        },
        rustls::Error::InvalidMessage(_) => "it does not speak TLS; plain http is spoken only where plainHttp is set",
        rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "it offers no accepted version of TLS (1.2 or 1.3)"
        }
        _ => "the handshake failed",
    }
}

fn connection_problem(error: &reqwest::Error) -> String {
    let kind = causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind)
        .find(|kind| *kind != io::ErrorKind::Other);
    match kind {
        Some(kind) => kind.to_string(),
        None if error.is_connect() => "the connection failed".to_owned(),
        None => "the connection was closed in the middle of the answer".to_owned(),
    }
}

/// The error and everything below it. An [`io::Error`] hides the error that it wraps from [`Error::source`].
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |&cause| {
        match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => cause.source(),
        }
    })
}
