//! Where a trusted root comes from, as its `TrustedRoot` says. What it holds is proven by whoever loads it.

use std::sync::Arc;

use url::Url;

/// What policies call the trusted roots that are known without any `TrustedRoot`: the public-good instance, and GitHub's.
pub const BUILT_IN_ROOTS: [&str; 2] = ["sigstore", "github"];

/// Where a trusted root comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootSource {
    /// The JSON of a `trusted_root.json`.
    Inline(Arc<str>),
    /// A repository of The Update Framework that publishes one.
    Tuf(TufSource),
}

/// A repository of The Update Framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TufSource {
    /// The folder in which `timestamp.json` lies; its path ends in a slash.
    pub mirror: Url,
    /// The root metadata that trust begins with, as JSON.
    pub root: Arc<str>,
    /// The name of the target.
    pub target: String,
}
