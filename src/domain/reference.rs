//! Image references: what a pod writes, read strictly, and the canonical form that policies see.
//!
//! The grammar is that of `distribution/reference` (what containerd and the kubelet use), narrowed: a host is lower
//! case, has no user, no bracketed IPv6 address and no odd spelling of an IPv4 address; digests are sha256; a name that a
//! container runtime could take for a local image ID is refused. Nothing is accepted that `ParseDockerRef` refuses.

use std::fmt;

use super::digest::{Digest, DigestError};
use super::text::foreign;

/// Longest repository path in bytes (`distribution/reference`: `RepositoryNameTotalLengthMax`).
const MAX_PATH: usize = 255;
/// Longest host name in bytes (RFC 1035, section 2.3.4, without the trailing dot).
const MAX_HOST_NAME: usize = 253;
/// Longest label of a host name in bytes.
const MAX_LABEL: usize = 63;
/// Longest `host:port/path`.
pub(super) const MAX_NAME: usize = MAX_HOST_NAME + 7 + MAX_PATH;
/// Longest tag in bytes.
const MAX_TAG: usize = 128;
/// Longest reference that is looked at: name, `:` and tag, `@` and digest.
const MAX_REFERENCE: usize = MAX_NAME + 1 + MAX_TAG + 72;
pub(super) const DEFAULT_HOST: &str = "docker.io";
const DEFAULT_NAMESPACE: &str = "library/";
/// What `distribution/reference` reads as `docker.io`, and completes with `library/`.
const LEGACY_DEFAULT_HOST: &str = "index.docker.io";
/// Other names of Docker Hub, so that a policy for `docker.io` can't be dodged under one of them.
pub(super) const DOCKER_HUB_ALIASES: [&str; 3] =
    [LEGACY_DEFAULT_HOST, "registry-1.docker.io", "registry.hub.docker.com"];

/// A repository in canonical form: Docker Hub aliases and the port 443 folded, host and path always present.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    host: String,
    path: String,
}

/// An image as a pod names it: repository, and a tag, a digest, or both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageReference {
    repository: Repository,
    /// `host/path` with the host as it was written, which is what the kubelet matches credentials and mirrors with.
    name: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// An image whose digest is known: from the reference itself, or from hashing the manifest that its tag named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PinnedImage {
    repository: Repository,
    digest: Digest,
}

/// Why a string is no image reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing, or nothing but blanks.
    #[error("the image is blank")]
    Blank,
    /// A digest that is not sha256 with 64 lower-case hex digits.
    #[error("{0}")]
    Digest(#[from] DigestError),
    /// A host in a form that is not accepted.
    #[error("the registry host \"{host}\" {problem}")]
    Host {
        /// The host as written, escaped.
        host: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A string that a container runtime may take for the ID of an image on the node.
    #[error("this could name an image by its ID on the node; name a repository")]
    ImageId,
    /// A name with parts that the grammar does not know.
    #[error(
        "\"{0}\" is not a valid repository path: lower-case letters, digits and single separators (. _ __ -) between slashes"
    )]
    Path(String),
    /// A tag outside `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
    #[error("\"{0}\" is not a valid tag: up to 128 of A-Z a-z 0-9 _ . - and not starting with . or -")]
    Tag(String),
    /// Longer than any reference can be.
    #[error("the name is too long: a repository path has at most {MAX_PATH} characters")]
    TooLong,
    /// A URL instead of a reference.
    #[error("an image reference has no scheme such as https://")]
    Url,
}

impl Repository {
    /// Reads a repository without tag or digest, such as `ghcr.io/acme/app`.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let reference = ImageReference::parse(text)?;
        match (reference.tag, reference.digest) {
            (None, None) => Ok(reference.repository),
            _ => Err(ReferenceError::Path(foreign(text))),
        }
    }

    /// The registry host, with its port where that is not 443.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path below the host, such as `library/nginx`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

impl ImageReference {
    /// Reads a reference as a container runtime would, and refuses what could be read in two ways.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.len() > MAX_REFERENCE {
            return Err(ReferenceError::TooLong);
        }
        if text.trim().is_empty() {
            return Err(ReferenceError::Blank);
        }
        if text.contains("://") {
            return Err(ReferenceError::Url);
        }
        if looks_like_image_id(text) {
            return Err(ReferenceError::ImageId);
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(valid_tag(tag)?.to_owned())),
            _ => (rest, None),
        };
        let (written_host, path) = split_host(name)?;
        let host = canonical_host(written_host);
        let path = complete_path(written_host, &host, path)?;
        check_path(&path)?;
        let name = format!("{written_host}/{path}");
        Ok(Self { repository: Repository { host, path }, name, tag, digest })
    }

    /// The canonical repository: what policies see.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// `host/path` with the host as it was written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tag as written. Without tag and digest a runtime pulls `latest`, and so does [`Self::tag_or_latest`].
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The tag that a runtime would resolve.
    pub fn tag_or_latest(&self) -> &str {
        self.tag().unwrap_or("latest")
    }

    /// The digest, where the reference has one. It decides; a tag beside it is for people.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The image, where the reference itself names the digest.
    pub fn pinned(&self) -> Option<PinnedImage> {
        let digest = self.digest?;
        Some(PinnedImage { repository: self.repository.clone(), digest })
    }

    /// The image that this reference names, given the manifest bytes that the registry answered: their hash is the digest.
    pub fn pin(&self, manifest: &[u8]) -> PinnedImage {
        PinnedImage { repository: self.repository.clone(), digest: Digest::of(manifest) }
    }

    /// The text to store in a pod: `host/repo[:tag]@digest`, with the host as it was written.
    pub fn with_digest(&self, digest: &Digest) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}@{digest}", self.name),
            None => format!("{}@{digest}", self.name),
        }
    }

    /// The same reference with its digest set, as [`Self::with_digest`] would be read back.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
}

/// The canonical form: `host/path[:tag][@digest]`.
impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl PinnedImage {
    /// The canonical repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The digest of the manifest or index.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl fmt::Display for PinnedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

/// `sha256:<hex>` parses as a tag of the repository `sha256`, and hex digits as a repository. A container runtime looks both up
/// among the images of the node first, by any prefix of the ID where an algorithm is named (containerd: `LocalResolve`).
fn looks_like_image_id(text: &str) -> bool {
    let algorithm = text.split_once(':').map(|(name, _)| name);
    let by_algorithm = matches!(algorithm, Some("sha256" | "sha384" | "sha512")) && !text.contains(['/', '@']);
    by_algorithm || (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Splits as Docker does: the first part is a host when it has a dot, a colon or an upper-case letter, or is `localhost`.
fn split_host(name: &str) -> Result<(&str, &str), ReferenceError> {
    match name.split_once('/') {
        Some((first, path))
            if first.contains(['.', ':', '['])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase())
                || !first.is_ascii() =>
        {
            check_host(first).map_err(|problem| ReferenceError::Host { host: foreign(first), problem })?;
            Ok((first, path))
        }
        _ => Ok((DEFAULT_HOST, name)),
    }
}

/// Says what is wrong with a host.
pub(super) fn check_host(host: &str) -> Result<(), &'static str> {
    if !host.is_ascii() {
        return Err("has characters outside ASCII; write an internationalised name in its xn-- form");
    }
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("has upper-case letters; write it in lower case");
    }
    if host.contains(['[', ']']) {
        return Err("is an IPv6 address, which is not supported; use a name");
    }
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    if let Some(port) = port
        && (port.starts_with('0') || !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err())
    {
        return Err("has no valid port: 1 to 65535 without leading zeros");
    }
    if name.len() > MAX_HOST_NAME {
        return Err("is longer than a host name can be");
    }
    let label = |l: &str| {
        (1..=MAX_LABEL).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !name.split('.').all(label) {
        return Err("is not a valid host name");
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
    if numeric && name.parse::<std::net::Ipv4Addr>().is_err() {
        return Err("looks like an IP address but is not four decimal numbers");
    }
    if name != "localhost" && !name.contains('.') && port.is_none() {
        return Err("is not a host: a host has a dot or a port, or is localhost");
    }
    Ok(())
}

/// A host that only its port tells from a path keeps it: `registry:443/app` is not Docker Hub's `registry/app`.
pub(super) fn canonical_host(host: &str) -> String {
    let without_port = host.strip_suffix(":443").filter(|host| host.contains(['.', ':']) || *host == "localhost");
    let host = without_port.unwrap_or(host);
    if DOCKER_HUB_ALIASES.contains(&host) { DEFAULT_HOST.to_owned() } else { host.to_owned() }
}

/// Docker Hub's official images may be written without their namespace, but only where every runtime completes it.
fn complete_path(written_host: &str, host: &str, path: &str) -> Result<String, ReferenceError> {
    if host != DEFAULT_HOST || path.contains('/') {
        return Ok(path.to_owned());
    }
    if [DEFAULT_HOST, LEGACY_DEFAULT_HOST].contains(&written_host) {
        return Ok(format!("{DEFAULT_NAMESPACE}{path}"));
    }
    let problem = "is another name of Docker Hub, where every image has a namespace; write docker.io/library/NAME";
    Err(ReferenceError::Host { host: foreign(written_host), problem })
}

fn check_path(path: &str) -> Result<(), ReferenceError> {
    if path.len() > MAX_PATH {
        return Err(ReferenceError::TooLong);
    }
    if path.split('/').all(is_path_component) { Ok(()) } else { Err(ReferenceError::Path(foreign(path))) }
}

/// Alphanumerics joined by `.`, `_`, `__` or any number of `-`.
pub(super) fn is_path_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator = |s: &str| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-');
    text.starts_with(alphanumeric) && text.ends_with(alphanumeric) && text.split(alphanumeric).all(separator)
}

fn valid_tag(tag: &str) -> Result<&str, ReferenceError> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let fits = tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-');
    if fits { Ok(tag) } else { Err(ReferenceError::Tag(foreign(tag))) }
}

#[cfg(test)]
mod tests;
