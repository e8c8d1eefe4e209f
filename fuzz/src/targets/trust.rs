//! What trusted roots come from: their JSON, and the metadata of The Update Framework that prove it.

use jiff::Timestamp;
use sealgate::trust;
use serde_json::Value;
use sigstore_tuf::{Delegations, Metadata, Root, Targets, TrustedMetadataSet};

use super::NOW;

const FIRST: &[u8] = include_bytes!("../../material/tuf/1.root.json");
const SECOND: &[u8] = include_bytes!("../../material/tuf/2.root.json");
const TIMESTAMP: &[u8] = include_bytes!("../../material/tuf/timestamp.json");
const SNAPSHOT: &[u8] = include_bytes!("../../material/tuf/1.snapshot.json");

/// Reads a `trusted_root.json`. One that can be used has a log or a timestamp authority.
pub fn trusted_root(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match trust::read(text, now()) {
        Ok(material) => {
            let (_, logs, timestamp_authorities) = material.counts();
            assert!(logs > 0 || timestamp_authorities > 0);
            assert_eq!(trust::read(text, now()), Ok(material));
        }
        Err(problem) => assert!(!problem.contains(char::is_control), "{problem:?}"),
    }
}

/// Metadata of any role: nothing but what the keys of the first root have signed is ever taken for it.
pub fn tuf(input: &[u8]) {
    let _ = TrustedMetadataSet::from_root(input);
    let signed =
        |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok().and_then(|document| document.get("signed").cloned());
    let first = || TrustedMetadataSet::from_root(FIRST).expect("a root");
    if first().update_root(input).is_ok() {
        assert_eq!(signed(input), signed(SECOND));
    }
    let mut trusted = first();
    if trusted.update_timestamp(input, now()).is_ok() {
        assert_eq!(signed(input), signed(TIMESTAMP));
    }
    let mut trusted = first();
    trusted.update_timestamp(TIMESTAMP, now()).expect("the material is good");
    if trusted.update_snapshot(input, now()).is_ok() {
        assert_eq!(input, SNAPSHOT);
    }
    if let Ok(root) = Metadata::<Root>::from_slice(input) {
        root.signed().keys.values().for_each(|key| drop(key.verification_key()));
    }
    if let Ok(targets) = Metadata::<Targets>::from_slice(input) {
        let keys = targets.signed().delegations.iter().flat_map(|delegations: &Delegations| delegations.keys.values());
        keys.for_each(|key| drop(key.verification_key()));
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("a time")
}
