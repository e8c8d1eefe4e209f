//! Which policies apply to an image in a namespace, and why not.

use std::sync::Arc;

use crate::domain::{Digest, ImageReference};

use super::model::Mode;
use super::set::{About, Entry, Known, PolicySet};

/// The policies that govern a namespace, at least one: those whose `namespaces` and `namespaceSelector` select it.
#[derive(Clone, Debug)]
pub struct Governing<'a> {
    entries: Vec<&'a Entry>,
    strictest: Mode,
}

/// What the governing policies have to say about an image before anything is fetched.
#[derive(Clone, Debug)]
pub enum Selection<'a> {
    /// None of them is about the image.
    Unmatched,
    /// A pattern names a digest and the reference has none yet: resolve the tag, then ask again.
    NeedsDigest,
    /// All of these must accept.
    Applies(Vec<&'a Entry>),
}

/// The policies that govern a namespace; nothing where none does.
pub fn govern<'a>(set: &'a PolicySet, namespace: &str) -> Option<Governing<'a>> {
    let labels = set.labels(namespace);
    let entries: Vec<_> = set.entries().iter().filter(|entry| entry.governs(namespace, labels)).collect();
    let strictest = entries.iter().map(|entry| entry.mode()).max()?;
    Some(Governing { entries, strictest })
}

/// Those of the governing policies that apply to an image: `images` matches and `excludeImages` does not. Patterns see the
/// repository and the digest of the reference. `resolved` is that of its tag, where it has no other: it counts only against
/// the image.
pub fn select<'a>(governing: &Governing<'a>, image: &ImageReference, resolved: Option<&Digest>) -> Selection<'a> {
    let digest = match (image.digest(), resolved) {
        (Some(digest), _) => Known::Named(digest),
        (None, Some(digest)) => Known::Resolved(digest),
        (None, None) => Known::Nothing,
    };
    let mut applying = Vec::new();
    for entry in &governing.entries {
        match entry.about(image.repository(), digest) {
            About::Yes => applying.push(*entry),
            About::No => {}
            About::DependsOnDigest => return Selection::NeedsDigest,
        }
    }
    if applying.is_empty() { Selection::Unmatched } else { Selection::Applies(applying) }
}

impl Governing<'_> {
    /// The strictest of their modes: what counts where none of them decides.
    pub fn strictest(&self) -> Mode {
        self.strictest
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entries.iter().map(|entry| entry.name())
    }
}

#[cfg(test)]
mod tests;
