//! The transparency logs of a trusted root: whose log an entry names, and what its key has signed. What proves an entry is by
//! the very log that the entry names, never by another one of the root.

use ::sigstore::trust_root::trusted_root::TransparencyLog;
use ::sigstore::types::{Sha256Hash, SignatureBytes, TimeRange, TransparencyLogEntry};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use url::Url;
use x509_cert::der::Decode;

use super::{Anchors, Checkpoint, is_tiled};

/// RFC 5480, section 2.1.1.
const ECDSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 8410, section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Most signatures of a checkpoint that are tried for one log, which signs it once. Anybody may add such lines.
const MAX_LINES: usize = 4;

impl Anchors {
    /// The log that an entry says it is in, by its address; nothing where it is none of these.
    pub(in crate::signatures) fn log_of(&self, entry: &TransparencyLogEntry) -> Option<&str> {
        self.log(entry).map(|log| log.base_url.as_str())
    }

    /// Since when and until when the root trusts the log of an entry; nothing where it does not say.
    pub(in crate::signatures) fn log_window(
        &self,
        entry: &TransparencyLogEntry,
    ) -> (Option<Timestamp>, Option<Timestamp>) {
        let window: Option<TimeRange> = self.log(entry).and_then(|log| log.public_key.valid_for);
        (window.map(|window| window.start), window.and_then(|window| window.end))
    }

    /// Whether the log of an entry is of the generation that writes such entries. The id of a log tells: in the first one it is
    /// the SHA-256 of the key, in the second that of name and key. Those of ECDSA keys are the same in both
    /// (sigstore/rekor-tiles, `pkg/note/note.go`), so that such a log may be of either.
    pub(in crate::signatures) fn writes(&self, entry: &TransparencyLogEntry) -> bool {
        let Some(log) = self.log(entry) else { return false };
        let spki = log.public_key.raw_bytes.as_bytes();
        let is_ecdsa = SubjectPublicKeyInfoRef::from_der(spki).is_ok_and(|key| key.algorithm.oid == ECDSA);
        let is_first = log.log_id.key_id.as_bytes() == Sha256::digest(spki).as_slice();
        is_ecdsa || is_first != is_tiled(entry)
    }

    /// Whether the log of an entry has this name: the one that its id is made from, where it is (C2SP, `signed-note.md`), else that
    /// of its address. A root that gives no address gives no name either.
    pub(in crate::signatures) fn is_origin(&self, entry: &TransparencyLogEntry, origin: &str) -> bool {
        let Some(log) = self.log(entry) else { return false };
        let key = SubjectPublicKeyInfoRef::from_der(log.public_key.raw_bytes.as_bytes());
        if let Ok(key) = key.as_ref()
            && key.algorithm.oid == ED25519
        {
            let id = Sha256::new().chain_update(origin).chain_update(b"\n\x01");
            let id = id.chain_update(key.subject_public_key.raw_bytes()).finalize();
            return log.log_id.key_id.as_bytes() == id.as_slice();
        }
        let Ok(address) = Url::parse(&log.base_url) else { return log.base_url.is_empty() };
        let host = address.host_str().unwrap_or_default();
        let port = address.port().map(|port| format!("{host}:{port}"));
        let rest = origin.strip_prefix(port.as_deref().unwrap_or(host)).or_else(|| origin.strip_prefix(host));
        rest.is_some_and(|rest| rest.is_empty() || rest == address.path().trim_end_matches('/'))
    }

    /// Whether the log of an entry signed this promise, with a key that was valid at that time.
    pub(in crate::signatures) fn promises(
        &self,
        entry: &TransparencyLogEntry,
        at: Timestamp,
        promise: &[u8],
        signature: &[u8],
    ) -> bool {
        let key = log_id(entry).and_then(|id| self.logs.key_at(&id, at));
        key.is_some_and(|key| key.verify(promise, &SignatureBytes::from_bytes(signature)).is_ok())
    }

    /// Whether the log of an entry signed this checkpoint, with a key that was in use by now.
    pub(in crate::signatures) fn signed_checkpoint(
        &self,
        entry: &TransparencyLogEntry,
        checkpoint: &Checkpoint,
        now: Timestamp,
    ) -> bool {
        let Some(id) = log_id(entry) else { return false };
        let Some(key) = self.logs.key_started_by(&id, now) else { return false };
        let by_log = checkpoint.signatures().iter().filter(|s| id.as_bytes().starts_with(s.key_id.as_bytes()));
        by_log.take(MAX_LINES).any(|signature| key.verify(checkpoint.signed_data(), &signature.signature).is_ok())
    }

    /// The one log that has the id in an entry: a root that lists an id twice is refused.
    fn log(&self, entry: &TransparencyLogEntry) -> Option<&TransparencyLog> {
        self.root.tlogs.iter().find(|log| log.log_id.key_id.as_bytes() == entry.log_id.key_id.as_bytes())
    }
}

fn log_id(entry: &TransparencyLogEntry) -> Option<Sha256Hash> {
    Sha256Hash::try_from(entry.log_id.key_id.as_bytes()).ok()
}
