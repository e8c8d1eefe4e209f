//! Which policies apply to an image in a namespace, and why not.

use crate::domain::{Digest, ImageReference};

use super::model::{Defaults, Entry, Mode, PolicySet, Reaction};

/// What the policies of a set have to say about an image before anything is fetched.
#[derive(Clone, Debug)]
pub enum Selection<'a> {
    /// No policy governs the namespace.
    Ungoverned(Reaction),
    /// Policies govern the namespace, and none is about the image.
    Unmatched {
        /// The strictest mode of the governing policies, softened by the setting `unmatchedImages`.
        mode: Mode,
        /// What the setting says.
        reaction: Reaction,
        /// Names of the governing policies.
        governing: Vec<&'a str>,
    },
    /// A pattern names a digest and the reference has none yet: resolve the tag, then ask again.
    NeedsDigest,
    /// All of these must accept.
    Applies(Vec<&'a Entry>),
}

/// Selects. `digest` is that of the reference, or of the resolved tag.
pub fn select<'a>(
    _set: &'a PolicySet,
    _defaults: Defaults,
    _namespace: &str,
    _image: &ImageReference,
    _digest: Option<&Digest>,
) -> Selection<'a> {
    todo!()
}
