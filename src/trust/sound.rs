//! What the TUF library leaves open: it counts signatures by the id of their key, and an id is whatever the metadata calls a
//! key. One key under two ids must not count twice, so metadata that lists one so is refused.

use std::collections::{BTreeMap, BTreeSet};

use sigstore_tuf::{Error, Key, Metadata, Root, Targets};

use crate::domain::json_size::JsonSize;

/// Most memory that metadata may take as a tree, in bytes. The library builds some three of them before it looks at a signature.
pub const METADATA_TREE: usize = 2 << 20;

/// Looks at a metadata file before it is used: at its size as a tree before any is built. Targets, timestamps and snapshots list no keys.
pub(super) fn check(name: &str, bytes: &[u8]) -> Result<(), Error> {
    let tree = JsonSize::of(bytes).tree();
    if tree > METADATA_TREE {
        let (needed, limit) = (tree.div_ceil(1 << 20), METADATA_TREE >> 20);
        return Err(Error::Malformed(format!(
            "{name} takes up to {needed} MiB of memory, and at most {limit} are taken"
        )));
    }
    let name = name.strip_prefix("root_history/").unwrap_or(name);
    match unversioned(name) {
        name if name.starts_with("targets/") => Ok(()),
        "timestamp.json" | "snapshot.json" => Ok(()),
        "root.json" => root(Metadata::<Root>::from_slice(bytes)?.signed()),
        _ => targets(Metadata::<Targets>::from_slice(bytes)?.signed()),
    }
}

/// The name without the version in front of it.
pub(super) fn unversioned(name: &str) -> &str {
    match name.split_once('.') {
        Some((version, rest)) if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => name,
    }
}

/// The same for root metadata.
pub(super) fn root(root: &Root) -> Result<(), Error> {
    root.roles.iter().try_for_each(|(name, role)| distinct(name, &role.keyids, &root.keys))
}

fn targets(targets: &Targets) -> Result<(), Error> {
    let Some(delegations) = &targets.delegations else { return Ok(()) };
    delegations.roles.iter().try_for_each(|role| distinct(&role.name, &role.keyids, &delegations.keys))
}

fn distinct(role: &str, ids: &[String], keys: &BTreeMap<String, Key>) -> Result<(), Error> {
    let ids: BTreeSet<_> = ids.iter().collect();
    let mut seen = BTreeSet::new();
    for id in ids {
        // What can't be used can't have signed.
        let Some(Ok(key)) = keys.get(id).map(Key::verification_key) else { continue };
        if !seen.insert(key.as_bytes().to_vec()) {
            return Err(Error::Malformed(format!("the role {role} lists one key under two ids")));
        }
    }
    Ok(())
}
