//! What the registry client may do, whom it trusts, and how much it reads.

use std::collections::BTreeMap;
use std::time::Duration;

/// How much there is of something that all hosts share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// In all.
    pub all: u32,
    /// The most that one host may use.
    pub host: u32,
    /// How much of all is kept for hosts that use none of it.
    pub kept: u32,
}

impl Quota {
    /// The same in KiB, with room for one body of so many bytes.
    #[must_use]
    pub fn with_room_for(self, bytes: u64) -> Self {
        let largest = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        Self { all: self.all.max(largest.saturating_add(self.kept)), host: self.host.max(largest), ..self }
    }
}

/// Images that are looked at at once, where no setting says otherwise.
pub const IMAGES: Quota = Quota { all: 80, host: 32, kept: 16 };
/// Requests that run at once, each over a connection of its own, where no setting says otherwise.
pub const REQUESTS: Quota = Quota { all: 128, host: 32, kept: 32 };
/// Room for bodies above [`SMALL_BODY_BYTES`], in KiB, where no setting says otherwise.
pub const BODIES: Quota = Quota { all: 20 << 10, host: 16 << 10, kept: 4 << 10 };
/// So much of a body needs no room: what is small never waits for what is large, and what never comes holds nothing.
pub const SMALL_BODY_BYTES: u64 = 16 << 10;
/// Memory of lists of signatures above [`SMALL_LIST_BYTES`], in KiB: it is kept as long as what they list is looked at.
pub const LISTS: Quota = Quota { all: 5 << 10, host: 4 << 10, kept: 1 << 10 };
/// A list that takes no more is always kept.
pub const SMALL_LIST_BYTES: usize = 16 << 10;
/// Hosts whose connections are kept for their next requests, beside those that have settings of their own.
pub const IDLE_HOSTS: usize = 32;
/// Connections to one host that are kept for their next requests.
pub const IDLE_CONNECTIONS: usize = 8;

/// Settings of [`super::Client`]. The default is safe: https only, the system's certificates, public addresses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Registries that need settings of their own, by host: exactly as in canonical image names, with the port where
    /// that is not 443.
    pub hosts: BTreeMap<String, HostSettings>,
    /// Who may sign the certificates of all other hosts.
    pub roots: Roots,
    /// How much is read.
    pub limits: Limits,
    /// How long is waited.
    pub timeouts: Timeouts,
    /// The `User-Agent` header.
    pub user_agent: String,
}

/// Settings of one registry. They hold for this host and port and for no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// Speak plain http. Anyone on the network can then answer in its place.
    pub plain_http: bool,
    /// PEM certificates of the CAs that may sign its certificate, instead of [`Settings::roots`].
    pub ca: Option<Vec<u8>>,
    /// It may lie at a private, loopback or link-local address.
    pub allow_private_address: bool,
    /// Hosts, besides those that are known, whose token server may be shown this registry's credentials.
    pub token_hosts: Vec<String>,
}

/// Where the trusted CA certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The system's store; `SSL_CERT_FILE` and `SSL_CERT_DIR` replace it.
    System,
    /// These PEM certificates.
    Pem(Vec<u8>),
}

/// How much of an answer is read. An answer that is longer is refused, by its own word (`Content-Length`, descriptor) before
/// it is read, else at the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A manifest or an index, in bytes.
    pub manifest_bytes: u64,
    /// One page of the referrers API, in bytes.
    pub referrers_page_bytes: u64,
    /// Pages of the referrers API.
    pub referrers_pages: usize,
    /// The answer of a token server, in bytes.
    pub token_answer_bytes: u64,
    /// The token itself, in bytes.
    pub token_bytes: usize,
    /// A simple signing payload, in bytes.
    pub payload_bytes: u64,
    /// A Sigstore bundle, in bytes.
    pub bundle_bytes: u64,
    /// An attestation, and a bundle where attestations are looked for, in bytes.
    pub attestation_bytes: u64,
    /// All that is read while looking for the signatures of one image, in bytes.
    pub image_bytes: u64,
    /// Images that are looked at at once. The others wait.
    pub images: Quota,
    /// Requests that run at once, each over a connection of its own. The others wait.
    pub requests: Quota,
    /// Room for bodies above [`SMALL_BODY_BYTES`], in KiB. A body counts with the size that it announces or else with its limit;
    /// the next waits until there is room.
    pub bodies: Quota,
    /// Memory of lists above [`SMALL_LIST_BYTES`], in KiB. For one that there is not enough for, nothing is looked at.
    pub lists: Quota,
    /// Referrers that are looked into, and signatures that are handed out, for one image.
    pub candidates: usize,
    /// Redirects that are followed for one request.
    pub redirects: usize,
    /// Requests for one image that run at once.
    pub concurrency: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest_bytes: 4 << 20,
            referrers_page_bytes: 4 << 20,
            referrers_pages: 5,
            token_answer_bytes: 64 << 10,
            token_bytes: 16 << 10,
            payload_bytes: 64 << 10,
            bundle_bytes: 4 << 20,
            attestation_bytes: 16 << 20,
            image_bytes: 64 << 20,
            images: IMAGES,
            requests: REQUESTS,
            bodies: BODIES,
            lists: LISTS,
            candidates: 64,
            redirects: 3,
            concurrency: 8,
        }
    }
}

/// How long one step may take. The caller's deadline comes on top: dropping the future ends everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution, TCP, TLS and the complete head of the answer together.
    pub first_byte: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { first_byte: Duration::from_secs(3), idle: Duration::from_secs(2) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hosts: BTreeMap::new(),
            roots: Roots::System,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            user_agent: concat!("sealgate/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Why a client can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A PEM file without a usable certificate.
    #[error("the CA certificates for {host} can't be used: {problem}")]
    Certificates {
        /// The host, or `all registries`.
        host: String,
        /// What is wrong.
        problem: String,
    },
    /// The system has no CA certificates.
    #[error(
        "no CA certificates found on this system; install ca-certificates, or point SSL_CERT_FILE to a PEM file of the CAs to trust"
    )]
    NoSystemCertificates,
    /// A host that no image name can have.
    #[error("\"{0}\" is not a registry host: write it as in image names, with its port where that is not 443")]
    Host(String),
    /// The resolver of names refused the system's settings.
    #[error("names can't be looked up: {0}")]
    Resolver(String),
    /// The HTTP client refused its settings.
    #[error("the HTTP client can't be made: {0}")]
    Http(String),
}
