//! Why it could not be found out whether an image is accepted.

use std::net::{IpAddr, Ipv4Addr};

use super::Class;

/// Could not find out: the same question may get another answer later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The host's address is not one that may be reached (private, link-local, loopback ...).
    #[error(
        "{host} has a {} address, not a public one; if this registry is yours, list {host} under registries with allowPrivateAddress: true",
        kind(.address)
    )]
    AddressBlocked {
        /// The host.
        host: String,
        /// The address that was refused: a [detail](Self::detail).
        address: String,
    },
    /// The time for the whole answer is over.
    #[error("no answer from {host} within the time of this admission request")]
    DeadlineExceeded {
        /// What was waited for.
        host: String,
    },
    /// Policies select the namespace by its labels, and they are not known.
    #[error(
        "the labels of namespace {namespace} are not known yet, and they decide which policies govern it: {problem}"
    )]
    NamespaceUnknown {
        /// The namespace, escaped.
        namespace: String,
        /// Why they are not known.
        problem: &'static str,
    },
    /// To read a signature or attestation takes more memory than there is for all of them.
    #[error(
        "to judge one of its signatures or attestations takes up to {} MiB of memory, and sealgate takes at most {} MiB: whoever builds the image attests less in one document",
        mebibytes(*.needed),
        mebibytes(*.limit)
    )]
    DocumentLimit {
        /// What it takes, in bytes.
        needed: usize,
        /// What there is, in bytes.
        limit: usize,
    },
    /// Too much is being answered at once.
    #[error("sealgate is overloaded: {0}")]
    Overloaded(&'static str),
    /// Policies are not loaded yet.
    #[error("sealgate has not loaded its policies yet")]
    NotReady,
    /// 5xx or another status that no registry should answer.
    #[error("{host} answered {status} for {what}")]
    RegistryError {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
    },
    /// An answer is longer than is read.
    #[error("{host} answered more than {limit} bytes for {what}")]
    RegistryLimit {
        /// The host.
        host: String,
        /// The limit in bytes.
        limit: u64,
        /// What was asked for.
        what: String,
    },
    /// An answer lists more than is looked at.
    #[error("{host} answered too much for {what}: {problem}")]
    RegistryListLimit {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// What there is too much of, and how much is looked at.
        problem: &'static str,
    },
    /// An answer that contradicts the protocol, its own digest or its own type.
    #[error("{host} broke the registry protocol for {what}: {problem}")]
    RegistryProtocol {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// 429.
    #[error("{host} answered 429 (rate limited) for {what}")]
    RegistryRateLimited {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
    },
    /// A time limit of one step was reached.
    #[error("{host} did not answer in time for {what}")]
    RegistryTimeout {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
    },
    /// TLS failed; there is no fallback to plain http.
    #[error("no trusted TLS connection to {host}: {problem}")]
    RegistryTls {
        /// The host.
        host: String,
        /// What is wrong.
        problem: String,
    },
    /// 401 or 403, with every credential that matches, or a token server that is not asked.
    #[error("{host} answered {status} for {what} ({problem})")]
    RegistryUnauthorized {
        /// The host.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
        /// Why. The names of credentials are for the log alone: whoever is denied may not be meant to know them.
        problem: String,
    },
    /// Refused, reset, or the name does not resolve.
    #[error("can't reach {host}: {problem}")]
    RegistryUnreachable {
        /// The host.
        host: String,
        /// What is wrong.
        problem: String,
    },
    /// The trusted root that the authority names can't be used now: not loaded yet, unknown, or expired.
    #[error("the trusted root {name} can't be used: {problem}")]
    TrustedRoot {
        /// Its name.
        name: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl Unavailable {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AddressBlocked { .. } => "ADDRESS_BLOCKED",
            Self::DeadlineExceeded { .. } => "DEADLINE_EXCEEDED",
            Self::NamespaceUnknown { .. } => "NAMESPACE_UNKNOWN",
            Self::DocumentLimit { .. } => "DOCUMENT_LIMIT",
            Self::Overloaded(_) => "OVERLOADED",
            Self::NotReady => "NOT_READY",
            Self::RegistryError { .. } => "REGISTRY_ERROR",
            Self::RegistryLimit { .. } | Self::RegistryListLimit { .. } => "REGISTRY_LIMIT",
            Self::RegistryProtocol { .. } => "REGISTRY_PROTOCOL",
            Self::RegistryRateLimited { .. } => "REGISTRY_RATE_LIMITED",
            Self::RegistryTimeout { .. } => "REGISTRY_TIMEOUT",
            Self::RegistryTls { .. } => "REGISTRY_TLS",
            Self::RegistryUnauthorized { .. } => "REGISTRY_UNAUTHORIZED",
            Self::RegistryUnreachable { .. } => "REGISTRY_UNREACHABLE",
            Self::TrustedRoot { .. } => "TRUSTED_ROOT_UNAVAILABLE",
        }
    }

    /// What the words leave out, for the log and for whoever runs `sealgate verify`. Whoever posts a review may be anybody, and is
    /// not told about an internal network.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::AddressBlocked { address, .. } => Some(address),
            _ => None,
        }
    }

    /// The coarse reason.
    pub fn class(&self) -> Class {
        match self {
            Self::AddressBlocked { .. }
            | Self::DeadlineExceeded { .. }
            | Self::RegistryError { .. }
            | Self::RegistryRateLimited { .. }
            | Self::RegistryTimeout { .. }
            | Self::RegistryTls { .. }
            | Self::RegistryUnreachable { .. } => Class::RegistryUnavailable,
            Self::NamespaceUnknown { .. } | Self::NotReady => Class::Internal,
            Self::DocumentLimit { .. }
            | Self::Overloaded(_)
            | Self::RegistryLimit { .. }
            | Self::RegistryListLimit { .. } => Class::LimitExceeded,
            Self::RegistryProtocol { .. } => Class::RegistryProtocol,
            Self::RegistryUnauthorized { .. } => Class::Unauthorized,
            Self::TrustedRoot { .. } => Class::TrustRoot,
        }
    }
}

/// Rounded up.
fn mebibytes(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

/// What an address that is not public is for. No more is told of it, so that denials don't map an internal network.
fn kind(address: &str) -> &'static str {
    match address.parse() {
        Ok(IpAddr::V4(v4)) => kind_v4(v4),
        Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => kind_v4(v4),
            None if v6.is_loopback() => "loopback",
            None if v6.is_unicast_link_local() => "link-local",
            None if v6.is_unique_local() => "private",
            None if v6.is_multicast() => "multicast",
            None => "special-purpose",
        },
        Err(_) => "special-purpose",
    }
}

fn kind_v4(address: Ipv4Addr) -> &'static str {
    match address {
        _ if address.is_loopback() => "loopback",
        _ if address.is_link_local() => "link-local",
        _ if address.is_private() => "private",
        _ if address.is_multicast() => "multicast",
        _ => "special-purpose",
    }
}
