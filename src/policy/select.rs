//! Which policies apply to an image in a namespace, and why not.

use std::sync::Arc;

use crate::domain::{Digest, ImageReference};

use super::model::Mode;
use super::selector::Labels;
use super::set::{About, Entry, Governs, Known, PolicySet};

/// The policies that have a say in a namespace, at least one: those whose `namespaces` and `namespaceSelector` select it,
/// and the broken ones of which that can't be read.
#[derive(Clone, Debug)]
pub struct Governing<'a> {
    entries: Vec<&'a Entry>,
    /// The names of those that govern it.
    names: Vec<&'a Arc<str>>,
    /// The strictest mode of those that govern it; nothing where none can be read to.
    unmatched: Option<Mode>,
    strictest: Mode,
}

/// Which policies govern a namespace depends on its labels, and they are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelsNeeded {
    /// The strictest mode of the policies that may have a say.
    pub strictest: Mode,
    /// Whether one governs the namespace whatever its labels are.
    pub governed: bool,
}

/// What the governing policies have to say about an image before anything is fetched.
#[derive(Clone, Debug)]
pub enum Selection<'a> {
    /// None of those that are in force is about the image. Broken ones that are refuse it; they never make it a matched one.
    Unmatched {
        /// The broken ones that are about it.
        broken: Vec<&'a Entry>,
    },
    /// A pattern names a digest and the reference has none yet: resolve the tag, then ask again.
    NeedsDigest,
    /// All of these must accept; at least one is in force.
    Applies(Vec<&'a Entry>),
}

/// The policies that have a say in a namespace; nothing where none has. `labels` are those of the namespace, where they are
/// known.
pub fn govern<'a>(
    set: &'a PolicySet,
    namespace: &str,
    labels: Option<&Labels>,
) -> Result<Option<Governing<'a>>, LabelsNeeded> {
    let seen = set.entries().iter().map(|entry| (entry, entry.governs(namespace, labels)));
    let having: Vec<_> = seen.filter(|(_, governs)| *governs != Governs::No).collect();
    let governing = || having.iter().filter(|(_, governs)| *governs == Governs::Yes).map(|(entry, _)| *entry);
    let Some(strictest) = having.iter().map(|(entry, _)| entry.mode()).max() else { return Ok(None) };
    let unmatched = governing().map(Entry::mode).max();
    if having.iter().any(|(_, governs)| *governs == Governs::DependsOnLabels) {
        return Err(LabelsNeeded { strictest, governed: unmatched.is_some() });
    }
    let names = governing().map(Entry::name).collect();
    Ok(Some(Governing { entries: having.into_iter().map(|(entry, _)| entry).collect(), names, unmatched, strictest }))
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
    if applying.iter().any(|entry| entry.in_force().is_some()) {
        Selection::Applies(applying)
    } else {
        Selection::Unmatched { broken: applying }
    }
}

impl Governing<'_> {
    /// The strictest of their modes: what counts where none of them decides.
    pub fn strictest(&self) -> Mode {
        self.strictest
    }

    /// What counts for an image to which none applies: the strictest mode of those that govern the namespace. Nothing where
    /// none of them can be read to.
    pub fn unmatched(&self) -> Option<Mode> {
        self.unmatched
    }

    /// The names of those that govern the namespace, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &***name)
    }
}

#[cfg(test)]
mod tests;
