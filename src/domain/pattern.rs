//! Image patterns of policies: globs over the canonical repository, with an optional digest.
//!
//! `*` stays inside one path segment and is one whole label in the host; `**` is a whole path segment and crosses `/`; `**`
//! alone is every image. A pattern is taken apart once, so that matching allocates nothing and takes time bounded by the
//! product of two short lengths.

use std::fmt;

use super::digest::{Digest, DigestError};
use super::reference::{DEFAULT_HOST, MAX_NAME, Repository, canonical_host, check_host, is_path_component};
use super::text::{foreign, glob_matches};

/// Length of `@sha256:<64 hex digits>`.
const DIGEST_SUFFIX: usize = 72;

/// A pattern such as `registry.gitlab.com/acme/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The canonical text.
    text: String,
    scope: Scope,
    digest: Option<Digest>,
}

/// Which repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    /// All there are.
    Everything,
    /// This one.
    Exact { host: String, path: String },
    /// Those that fit.
    Glob { host: Host, path: Vec<Segment> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Exact(String),
    /// One entry a label, nothing for `*`; then the port.
    Labels(Vec<Option<String>>, Option<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Exact(String),
    /// `app-*`
    Partial(String),
    /// `*`
    Any,
    /// `**`
    AnyDepth,
}

/// Why a string is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing, or nothing but blanks.
    #[error("the pattern is blank")]
    Blank,
    /// A digest that is not sha256 with 64 lower-case hex digits.
    #[error("{0}")]
    Digest(#[from] DigestError),
    /// A Docker Hub repository that is not written in full, and so would match nothing.
    #[error("every image of Docker Hub is docker.io/NAMESPACE/NAME; write {instead}")]
    DockerHub {
        /// What was probably meant, escaped.
        instead: String,
    },
    /// A wildcard that could leave the organisation.
    #[error(
        "\"{segment}\" would also match the names of other organisations; write {instead} for everything below one of them"
    )]
    FirstSegment {
        /// The first path segment as written, escaped.
        segment: String,
        /// What was probably meant, escaped.
        instead: String,
    },
    /// A host that no canonical image name has.
    #[error("the registry host \"{host}\" {problem}")]
    Host {
        /// The host as written, escaped.
        host: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No registry host, or nothing after it.
    #[error("a pattern begins with the registry host and names a repository; write {instead}")]
    NoHost {
        /// What was probably meant, escaped.
        instead: String,
    },
    /// A path segment that no repository has.
    #[error("the path segment \"{segment}\" {problem}")]
    Segment {
        /// The segment as written, escaped.
        segment: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A tag says nothing about content.
    #[error("patterns carry no tag; leave out \":{0}\", or name a digest with @sha256:...")]
    Tag(String),
    /// Longer than any repository name.
    #[error("the pattern is longer than {MAX_NAME} characters")]
    TooLong,
    /// A URL instead of a pattern.
    #[error("a pattern has no scheme such as https://")]
    Url,
}

impl Pattern {
    /// Reads a pattern; a registry host is required, tags are not allowed. Other names of Docker Hub and the port 443 are
    /// folded, as they are in the images that the pattern will see.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_NAME.saturating_add(DIGEST_SUFFIX) {
            return Err(PatternError::TooLong);
        }
        if text.trim().is_empty() {
            return Err(PatternError::Blank);
        }
        if text.contains("://") {
            return Err(PatternError::Url);
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        if name.len() > MAX_NAME {
            return Err(PatternError::TooLong);
        }
        let scope = Scope::parse(name)?;
        let text = match digest {
            Some(digest) => format!("{scope}@{digest}"),
            None => scope.to_string(),
        };
        Ok(Self { text, scope, digest })
    }

    /// Whether the repository part matches; the digest is not looked at.
    pub fn matches_repository(&self, repository: &Repository) -> bool {
        match &self.scope {
            Scope::Everything => true,
            Scope::Exact { host, path } => host == repository.host() && path == repository.path(),
            Scope::Glob { host, path } => host.matches(repository.host()) && path_matches(path, repository.path()),
        }
    }

    /// The digest that the pattern names, where it does.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether the pattern names exactly one repository (no wildcard).
    pub fn is_exact(&self) -> bool {
        matches!(self.scope, Scope::Exact { .. })
    }
}

/// The canonical text.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Scope {
    fn parse(name: &str) -> Result<Self, PatternError> {
        if name == "**" {
            return Ok(Self::Everything);
        }
        let Some((host, path)) = name.split_once('/') else {
            return Err(no_host(name, "docker.io/library/"));
        };
        if !host.contains(['.', ':', '*']) && host != "localhost" {
            return Err(no_host(name, "docker.io/"));
        }
        if let Some((_, tag)) = path.rsplit('/').next().and_then(|last| last.split_once(':')) {
            return Err(PatternError::Tag(foreign(tag)));
        }
        let host = Host::parse(host)?;
        let segments = parse_path(&host, path)?;
        let exact = segments.iter().all(|segment| matches!(segment, Segment::Exact(_)));
        Ok(match host {
            Host::Exact(host) if exact => Self::Exact { host, path: path.to_owned() },
            host => Self::Glob { host, path: segments },
        })
    }
}

fn no_host(name: &str, prefix: &str) -> PatternError {
    PatternError::NoHost { instead: foreign(&format!("{prefix}{name}")) }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("**"),
            Self::Exact { host, path } => write!(f, "{host}/{path}"),
            Self::Glob { host, path } => {
                write!(f, "{host}")?;
                path.iter().try_for_each(|segment| write!(f, "/{segment}"))
            }
        }
    }
}

impl Host {
    fn parse(host: &str) -> Result<Self, PatternError> {
        let fail = |problem| Err(PatternError::Host { host: foreign(host), problem });
        let (name, port) = match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        };
        if name.split('.').any(|label| label == "**") {
            return fail("has **, which only a path may have; write one * a label, or ** alone for every image");
        }
        if port.is_some_and(|port| port.contains('*')) {
            return fail("has a wildcard in its port; write the port");
        }
        if name.split('.').any(|label| label != "*" && label.contains('*')) {
            return fail("has a * beside other characters; in a host, * is one whole label");
        }
        if host == "*" {
            return fail("is one label, and no registry's name is; write ** alone for every image");
        }
        // What stands for `*` must not itself make a good name bad: a name that ends in a number is an address.
        let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        let sample = host.replace('*', if numeric { "1" } else { "x" });
        if let Err(problem) = check_host(&sample) {
            return fail(problem);
        }
        if !name.contains('*') {
            return Ok(Self::Exact(canonical_host(host)));
        }
        if name.ends_with(".docker.io") {
            return fail("matches other names of Docker Hub, whose images are all seen as docker.io; write docker.io");
        }
        let labels: Vec<_> = name.split('.').map(|label| (label != "*").then(|| label.to_owned())).collect();
        // One label is a host by its port alone, which it keeps.
        let port = port.filter(|&port| port != "443" || labels.len() == 1);
        Ok(Self::Labels(labels, port.map(str::to_owned)))
    }

    /// `*` stands for no internationalised label, so that what looks like another name must be named in full.
    fn matches(&self, host: &str) -> bool {
        let (labels, port) = match self {
            Self::Exact(exact) => return exact == host,
            Self::Labels(labels, port) => (labels, port),
        };
        let (name, found_port) = match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        };
        let mut found = name.split('.');
        found_port == port.as_deref()
            && labels.iter().all(|label| match (label, found.next()) {
                (Some(label), Some(found)) => label == found,
                (None, Some(found)) => !found.starts_with("xn--"),
                (_, None) => false,
            })
            && found.next().is_none()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (labels, port) = match self {
            Self::Exact(host) => return f.write_str(host),
            Self::Labels(labels, port) => (labels, port),
        };
        for (at, label) in labels.iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{}", label.as_deref().unwrap_or("*"))?;
        }
        port.iter().try_for_each(|port| write!(f, ":{port}"))
    }
}

fn parse_path(host: &Host, path: &str) -> Result<Vec<Segment>, PatternError> {
    let segments = path.split('/').map(Segment::parse).collect::<Result<Vec<_>, _>>()?;
    if segments.windows(2).any(|pair| pair == [Segment::AnyDepth, Segment::AnyDepth]) {
        return Err(PatternError::Segment { segment: "**/**".to_owned(), problem: "is the same as one **" });
    }
    match segments.as_slice() {
        [Segment::Partial(first), ..] => {
            let organisation = first.split('*').next().unwrap_or_default().trim_end_matches(['.', '_', '-']);
            let organisation = if organisation.is_empty() { "NAME" } else { organisation };
            Err(PatternError::FirstSegment {
                segment: foreign(first),
                instead: foreign(&format!("{host}/{organisation}/**")),
            })
        }
        [Segment::Exact(only)] if *host == Host::Exact(DEFAULT_HOST.to_owned()) => {
            Err(PatternError::DockerHub { instead: foreign(&format!("{host}/library/{only}")) })
        }
        [Segment::Any] if *host == Host::Exact(DEFAULT_HOST.to_owned()) => {
            Err(PatternError::DockerHub { instead: format!("{host}/library/* or {host}/**") })
        }
        _ => Ok(segments),
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, PatternError> {
        let fail = |problem| Err(PatternError::Segment { segment: foreign(text), problem });
        match text {
            "*" => return Ok(Self::Any),
            "**" => return Ok(Self::AnyDepth),
            "" => return fail("is empty; take out the surplus slash"),
            _ => {}
        }
        if text.contains("**") {
            return fail("has ** beside other characters; ** is a whole segment");
        }
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-*".contains(&b);
        if !text.bytes().all(known) {
            return fail("has other characters than a-z 0-9 . _ - and the wildcard *");
        }
        if text.contains('*') {
            return Ok(Self::Partial(text.to_owned()));
        }
        if !is_path_component(text) {
            return fail("is in no repository name: letters and digits with single separators (. _ __ -) between them");
        }
        Ok(Self::Exact(text.to_owned()))
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Partial(glob) => glob_matches(glob, text),
            Self::Any | Self::AnyDepth => true,
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact(text) | Self::Partial(text) => text,
            Self::Any => "*",
            Self::AnyDepth => "**",
        })
    }
}

/// `**` stands for any number of segments, at the end for at least one. After a mismatch the last `**` takes one segment
/// more; no earlier one needs to, as whatever it could give the last one could have taken itself.
fn path_matches(pattern: &[Segment], path: &str) -> bool {
    let mut pattern = pattern;
    let mut segments = path.split('/');
    let mut last_any_depth = None;
    loop {
        let from_here = segments.clone();
        match (pattern.split_first(), segments.next()) {
            (None, None) => return true,
            (Some((Segment::AnyDepth, [])), found) => return found.is_some(),
            (Some((Segment::AnyDepth, after)), _) => {
                last_any_depth = Some((after, from_here.clone()));
                (pattern, segments) = (after, from_here);
            }
            (Some((segment, after)), Some(found)) if segment.matches(found) => pattern = after,
            _ => {
                let Some((after, from)) = &mut last_any_depth else { return false };
                if from.next().is_none() {
                    return false;
                }
                (pattern, segments) = (after, from.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
