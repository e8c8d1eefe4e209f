//! Trusted roots: built in, inline, or from a repository of The Update Framework (TUF), kept fresh off the admission path.
//!
//! [`Keeper`] owns what every name stands for and publishes all roots as one value in a [`RootsCell`]: whoever reads it sees
//! either the old roots or the new ones, each complete. Nothing but a proven change replaces a root, and a root that was good
//! stays for as long as it may. Every replica keeps its own. Nothing is ever asked of a log, a certificate authority or a
//! timestamp authority.
//!
//! Time is an argument of everything but [`Keeper::run`].

mod builtin;
mod files;
mod inspect;
mod keeper;
mod mirror;
mod sound;
mod tuf;

pub use builtin::{BUILT_IN, BuiltIn, COPIED_ON};
pub use inspect::Contents;
pub use keeper::{InUse, Job, Keeper, Origin, Outcome, Problem, Report, Settings, Wanted, WantedRoot};
pub use mirror::{HostSettings, SettingsError};
pub use sound::METADATA_TREE;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::RootSource;
use crate::signatures::{TrustMaterial, TrustedRoots};

/// Reads a `trusted_root.json` and says what keeps it from being used.
pub fn read(text: &str, now: Timestamp) -> Result<Arc<TrustMaterial>, String> {
    inspect::inspect(text, now).map(|inspected| inspected.material)
}

/// The roots that can be had without asking anybody: the built-in ones, and inline ones in their place or beside them.
pub fn offline(roots: &BTreeMap<String, RootSource>, now: Timestamp) -> TrustedRoots {
    let built_in = BUILT_IN.iter().map(|root| (root.name.to_owned(), read(root.json(), now)));
    let given = roots.iter().map(|(name, source)| {
        let material = match source {
            RootSource::Inline(text) => read(text, now),
            RootSource::Tuf(source) => Err(format!("only `sealgate serve` asks its mirror, {}", source.mirror)),
        };
        (name.clone(), material)
    });
    TrustedRoots::new(built_in.chain(given).collect())
}

#[cfg(test)]
mod tests;
