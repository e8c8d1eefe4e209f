//! The instances that are known without any `TrustedRoot`: a copy of each one's `trusted_root.json` and of the root of its TUF
//! repository, as the library brings them along.

use std::str;

use sigstore_trust_root::{SigstoreInstance, TRUSTED_ROOT_TARGET};
use url::Url;

use crate::domain::{BUILT_IN_ROOTS, TufSource};

/// The day on which the library took its copies. A test holds it to the version of the library.
pub const COPIED_ON: &str = "2026-10-23";

/// A built-in instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    /// What policies call it.
    pub name: &'static str,
    instance: SigstoreInstance,
}

/// All of them.
pub const BUILT_IN: [BuiltIn; 2] = [
    BuiltIn { name: BUILT_IN_ROOTS[0], instance: SigstoreInstance::PublicGood },
    BuiltIn { name: BUILT_IN_ROOTS[1], instance: SigstoreInstance::GitHub },
];

impl BuiltIn {
    /// The copy of its `trusted_root.json`.
    pub fn json(self) -> &'static str {
        self.instance.embedded_trusted_root_json()
    }

    /// Where newer ones are published.
    pub fn repository(self) -> Option<TufSource> {
        Some(TufSource {
            mirror: Url::parse(self.instance.tuf_url()).ok()?,
            root: str::from_utf8(self.instance.tuf_root()).ok()?.into(),
            target: TRUSTED_ROOT_TARGET.to_owned(),
        })
    }
}
