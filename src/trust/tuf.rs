//! Proving a target of a TUF repository (specification 1.0, section 5), from the root that trust begins with.
//!
//! The workflow is the library's: thresholds, rollback, freeze, mix and match. Ours are the bounds, [`super::sound`], and when
//! what was proven expires.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::iter::successors;

use jiff::Timestamp;
use sigstore_tuf::{Error, Repository, StoreRepository, Targets, TrustedMetadataSet, Updater, UpdaterConfig};

use crate::domain::TufSource;
use crate::domain::text::foreign;

use super::files::Files;
use super::sound;

/// Most new roots that one refresh follows. What it has proven by then stays, so the next one goes on from there.
const ROTATIONS: u32 = 256;
/// Most roles that are searched for a target.
const DELEGATIONS: u32 = 32;
/// Largest target, in bytes.
const TARGET_BYTES: u64 = 1 << 20;

/// A target that was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proven {
    /// Its content.
    pub(super) text: String,
    /// When the first of the metadata that prove it expires.
    pub(super) expires: Timestamp,
}

/// Why a target was not proven.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TufError {
    /// The root that trust begins with.
    #[error("spec.tuf.root can't be used: {0}")]
    Root(String),
    /// The mirror could not be asked, or has not what it should have.
    #[error("{0}")]
    Mirror(String),
    /// What the mirror or the disk has is not proven.
    #[error("was not proven: {0}")]
    Unproven(String),
    /// Not complete in time.
    #[error("the mirror took longer than {0} s")]
    TooSlow(u64),
}

/// Refreshes the metadata and gets the target. What has been proven is in `files` afterwards, whether all of it was or not.
pub(super) async fn refresh(
    repository: impl Repository + 'static,
    source: &TufSource,
    files: &Files,
    now: Timestamp,
) -> Result<Proven, TufError> {
    let mut updater = updater(repository, source)?.with_store(files.clone());
    updater.refresh(now).await.map_err(|e| refused(&e))?;
    let bytes = updater.get_target(&source.target, now).await.map_err(|e| refused(&e))?;
    let text = String::from_utf8(bytes).map_err(|e| TufError::Unproven(format!("{}: {e}", source.target)))?;
    let expires = expires(updater.trusted()).ok_or_else(|| TufError::Unproven("is not complete".to_owned()))?;
    Ok(Proven { text, expires })
}

/// Proves what was kept, without asking anybody. Whether it has expired is for the caller to judge: only what is newest can
/// say how old the last good one may be.
pub(super) async fn prove(source: &TufSource, files: &Files) -> Result<Proven, TufError> {
    refresh(StoreRepository::new(files.clone()), source, files, Timestamp::MIN).await
}

/// Whether the root that trust begins with can be used.
pub(super) fn check_root(source: &TufSource) -> Result<(), TufError> {
    let unusable = |e: &Error| TufError::Root(chain(e));
    let trusted = TrustedMetadataSet::from_root(source.root.as_bytes()).map_err(|e| unusable(&e))?;
    sound::root(trusted.root()).map_err(|e| unusable(&e))
}

fn updater(repository: impl Repository + 'static, source: &TufSource) -> Result<Updater, TufError> {
    check_root(source)?;
    let mut config = UpdaterConfig::default();
    config.max_root_rotations = ROTATIONS;
    config.max_delegations = DELEGATIONS;
    config.target_max_length = TARGET_BYTES;
    let updater = Updater::new(repository, source.root.as_bytes()).map_err(|e| TufError::Root(chain(&e)))?;
    Ok(updater.with_config(config))
}

/// When the first of the four roles expires, or of the delegated ones that were read on the way to the target.
fn expires(trusted: &TrustedMetadataSet) -> Option<Timestamp> {
    let first =
        [trusted.root().expires, trusted.timestamp()?.expires, trusted.snapshot()?.expires].into_iter().min()?;
    let targets = targets_roles(trusted).into_values().map(|role| role.expires).min()?;
    Some(first.min(targets))
}

/// The targets role and all below it that were read, by name. Delegations may lead in a circle.
fn targets_roles(trusted: &TrustedMetadataSet) -> BTreeMap<&str, &Targets> {
    let mut read = BTreeMap::new();
    let mut next = vec!["targets"];
    while let Some(name) = next.pop() {
        let Some(role) = trusted.targets_role(name).filter(|_| !read.contains_key(name)) else { continue };
        read.insert(name, role);
        let delegations = role.delegations.iter().flat_map(|delegations| &delegations.roles);
        next.extend(delegations.map(|delegated| delegated.name.as_str()));
    }
    read
}

fn refused(error: &Error) -> TufError {
    match error {
        Error::Transport { .. } | Error::Io { .. } => TufError::Mirror(chain(error)),
        error => TufError::Unproven(chain(error)),
    }
}

/// An error with its causes, in one line.
fn chain(error: &Error) -> String {
    let causes = successors(error.source(), |&cause| cause.source()).map(ToString::to_string);
    let all: Vec<_> = std::iter::once(error.to_string()).chain(causes).collect();
    foreign(&all.join(": "))
}
