//! Which policies apply to an image in a namespace, and why not.

use crate::domain::{Digest, ImageReference};

use super::model::{Defaults, Mode, Reaction};
use super::set::{About, Entry, PolicySet};

/// What the policies of a set have to say about an image before anything is fetched.
#[derive(Clone, Debug)]
pub enum Selection<'a> {
    /// No policy governs the namespace.
    Ungoverned(Reaction),
    /// Policies govern the namespace, and none is about the image.
    Unmatched {
        /// The strictest mode of the governing policies.
        mode: Mode,
        /// What the setting `unmatchedImages` says; the milder of the two counts.
        reaction: Reaction,
        /// Names of the governing policies.
        governing: Vec<&'a str>,
    },
    /// A pattern names a digest and the reference has none yet: resolve the tag, then ask again.
    NeedsDigest {
        /// The strictest mode of the governing policies: what counts when the tag can't be resolved.
        mode: Mode,
    },
    /// All of these must accept.
    Applies(Vec<&'a Entry>),
}

/// Selects. `digest` is that of the reference, or of the resolved tag; patterns see nothing else but the repository.
///
/// A policy *governs* when its namespaces and selector select the namespace, and *applies* when it governs, `images` match and
/// `excludeImages` do not.
pub fn select<'a>(
    set: &'a PolicySet,
    defaults: Defaults,
    namespace: &str,
    image: &ImageReference,
    digest: Option<&Digest>,
) -> Selection<'a> {
    let governing: Vec<&Entry> = set.governing(namespace).collect();
    let Some(mode) = governing.iter().map(|entry| entry.mode()).max() else {
        return Selection::Ungoverned(defaults.ungoverned);
    };
    let mut applying = Vec::new();
    for entry in &governing {
        match entry.about(image.repository(), digest) {
            About::Yes => applying.push(*entry),
            About::No => {}
            About::DependsOnDigest => return Selection::NeedsDigest { mode },
        }
    }
    if applying.is_empty() {
        let governing = governing.iter().map(|entry| &**entry.name()).collect();
        return Selection::Unmatched { mode, reaction: defaults.unmatched, governing };
    }
    Selection::Applies(applying)
}

#[cfg(test)]
mod tests;
