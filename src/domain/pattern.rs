//! Image patterns of policies: globs over the canonical repository, with an optional digest.

use std::fmt;

use super::digest::Digest;
use super::reference::Repository;

/// A pattern such as `registry.gitlab.com/acme/**`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    digest: Option<Digest>,
}

/// Why a string is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {}

impl Pattern {
    /// Reads a pattern; a registry host is required, tags are not allowed.
    pub fn parse(_text: &str) -> Result<Self, PatternError> {
        todo!()
    }

    /// Whether the repository part matches; the digest is not looked at.
    pub fn matches_repository(&self, _repository: &Repository) -> bool {
        todo!()
    }

    /// The digest that the pattern names, where it does.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether the pattern names exactly one repository (no wildcard).
    pub fn is_exact(&self) -> bool {
        todo!()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
