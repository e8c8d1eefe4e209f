//! Entries of transparency logs beside a signature, the same for keys, certificates of a trusted root and of an own PKI.
//!
//! An entry counts when it is about this signature, over this message, by this signer ([`check_subject`]), and a log that the
//! trusted root names has it ([`check_inclusion`]).

use jiff::Timestamp;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use sigstore_merkle::{hash_leaf, verify_inclusion_proof};

use super::adapter::{
    Anchors, Checkpoint, HashAlgorithm, Hashed, Logged, LoggedVerifier, TransparencyLogEntry, is_tiled,
};
use super::checkpoint;
use super::claim::{Claim, Message};
use super::key::PublicKey;
use crate::domain::Rejection;
use crate::domain::text::foreign;

/// Who signed.
#[derive(Clone, Copy, Debug)]
pub(super) enum By<'a> {
    /// The holder of a key.
    Key(&'a PublicKey),
    /// The holder of a certificate, DER.
    Certificate(&'a [u8]),
}

/// Whether an entry is about this very signature:
///
/// 1. its body is what its kind promises, and says that it is of that kind;
/// 2. its signature is the one that was verified;
/// 3. its hash is that of the message, or of the payload that the message was made from;
/// 4. its verifier is the signer's key, or the signer's certificate.
pub(super) fn check_subject(entry: &TransparencyLogEntry, claim: &Claim<'_>, by: By<'_>) -> Result<(), Rejection> {
    // 1.
    let logged = Logged::read(entry).ok_or_else(|| invalid("its body can't be read"))?;
    // 2.
    if logged.signature != claim.signature {
        return Err(invalid("it is about another signature"));
    }
    // 3.
    let same = match (&logged.hashed, &claim.message) {
        (Hashed::Message(algorithm, hash), Message::Bytes(bytes)) => *hash == hashed(*algorithm, bytes),
        (Hashed::Message(algorithm, hash), Message::Digest(digest)) => {
            *algorithm == HashAlgorithm::Sha2256 && hash == digest.as_bytes()
        }
        (Hashed::Payload(hash), _) if claim.content.predicate_type.is_some() => {
            *hash == hashed(HashAlgorithm::Sha2256, &claim.content.payload)
        }
        (Hashed::Payload(_), _) => false,
    };
    if !same {
        return Err(invalid("it is about something else"));
    }
    // 4.
    let same = match (&logged.verifier, by) {
        (LoggedVerifier::Key(der), By::Key(key)) => PublicKey::from_spki(der).as_ref() == Ok(key),
        (LoggedVerifier::Certificate(logged), By::Certificate(der)) => logged == der,
        _ => false,
    };
    if same { Ok(()) } else { Err(invalid("it is about a signature by somebody else")) }
}

/// Whether the log has the entry; the time at which it promised to, where it did.
///
/// 1. The trusted root names the log, and it is of the generation that writes such entries.
/// 2. An entry has an inclusion proof, or a promise (those of Rekor v1 only), and what it has is right: both, where it has
///    both.
/// 3. A promise is signed by a key of the log that was valid at the promised time.
/// 4. An inclusion proof leads from the body to the root hash of a checkpoint that the same log signed, in its own name.
pub(super) fn check_inclusion(
    entry: &TransparencyLogEntry,
    anchors: &Anchors,
    now: Timestamp,
) -> Result<Option<Timestamp>, Rejection> {
    // 1.
    check_log(entry, anchors)?;
    if !anchors.writes(entry) {
        return Err(invalid("its log is of another generation of Rekor, which writes no such entries"));
    }
    // 2.
    check_evidence(entry)?;
    // 3.
    let time = match (&entry.inclusion_promise, entry.integrated_time) {
        (None, _) => None,
        (Some(_), None) => return Err(invalid("it has a promise without a time")),
        (Some(promise), Some(time)) => {
            let (start, end) = anchors.log_window(entry);
            if start.is_some_and(|start| time < start) || end.is_some_and(|end| time > end) {
                return Err(invalid(&format!(
                    "its promise is of {time}, when the trusted root does not trust its log"
                )));
            }
            let signature = promise.signed_entry_timestamp.as_bytes();
            if !anchors.promises(entry, time, promised(entry, time).as_bytes(), signature) {
                return Err(invalid("the log did not sign its promise (signed entry timestamp)"));
            }
            Some(time)
        }
    };
    // 4.
    if entry.inclusion_proof.is_some() {
        check_proof(entry, anchors, now)?;
    }
    Ok(time.filter(|_| !is_tiled(entry)))
}

/// An entry has an inclusion proof, or a promise (those of Rekor v1 only).
fn check_evidence(entry: &TransparencyLogEntry) -> Result<(), Rejection> {
    match (&entry.inclusion_proof, &entry.inclusion_promise) {
        (Some(_), _) => Ok(()),
        (None, Some(_)) if !is_tiled(entry) => Ok(()),
        (None, _) => Err(invalid("it has no proof that the log has it")),
    }
}

/// Whether the root trusted the log when it recorded the entry. A promise tells when that was, and is held to the window of the
/// log's key. Without one the entry may be of any time between the signature and now:
///
/// 1. the window has begun;
/// 2. where it has ended, the signature is proven to be older than the end.
pub(super) fn check_window(
    entry: &TransparencyLogEntry,
    anchors: &Anchors,
    times: &[Timestamp],
    now: Timestamp,
) -> Result<(), Rejection> {
    if entry.inclusion_promise.is_some() && entry.integrated_time.is_some() && !is_tiled(entry) {
        return Ok(());
    }
    let (start, end) = anchors.log_window(entry);
    // 1.
    if let Some(start) = start.filter(|start| now < *start) {
        return Err(invalid(&format!("the trusted root trusts its log from {start} on")));
    }
    // 2.
    let Some(end) = end else { return Ok(()) };
    match times.iter().min() {
        Some(first) if *first > end => Err(invalid(&format!(
            "the trusted root trusts its log until {end}, and the signature is not proven to be older than {first}"
        ))),
        None if now > end => Err(invalid(&format!(
            "the trusted root trusts its log until {end}, and nothing proves that the signature is older"
        ))),
        _ => Ok(()),
    }
}

/// The index of an entry, where something proves it: the promise signs it, and the proof of a tiled log leads from it. Beside the
/// proof of another log alone anything may be written; what that proves is the place in one tree of several.
pub(super) fn proven_index(entry: &TransparencyLogEntry) -> Option<i64> {
    (entry.inclusion_promise.is_some() || is_tiled(entry)).then(|| entry.log_index.as_i64())
}

/// No proven time is still to come. The time here is not told: whoever is denied twice must be told the same.
pub(super) fn check_times(times: &[Timestamp], now: Timestamp) -> Result<(), Rejection> {
    match times.iter().max() {
        Some(time) if *time > now => Err(Rejection::TimestampInvalid(format!(
            "it says {time}, which is in the future for the clock here: set the clock of this node right, or distrust who \
             says so"
        ))),
        _ => Ok(()),
    }
}

/// The trusted root names the log that an entry says it is in.
pub(super) fn check_log<'a>(entry: &TransparencyLogEntry, anchors: &'a Anchors) -> Result<&'a str, Rejection> {
    anchors.log_of(entry).ok_or_else(|| {
        Rejection::TrustRoot(
            "the signature is in a transparency log that the trusted root does not name; if it is by another Sigstore \
             instance, name that one's trusted root"
                .to_owned(),
        )
    })
}

/// What the log signs as its promise: JSON in its canonical form (RFC 8785). Nothing in it needs escaping.
fn promised(entry: &TransparencyLogEntry, time: Timestamp) -> String {
    format!(
        r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
        entry.canonicalized_body.to_base64(),
        time.as_second(),
        hex::encode(entry.log_id.key_id.as_bytes()),
        entry.log_index.as_i64(),
    )
}

fn check_proof(entry: &TransparencyLogEntry, anchors: &Anchors, now: Timestamp) -> Result<(), Rejection> {
    let Some(proof) = &entry.inclusion_proof else { return Ok(()) };
    checkpoint::check(entry)?;
    let checkpoint = Checkpoint::from_text(proof.checkpoint.envelope())
        .map_err(|e| invalid(&format!("its checkpoint can't be read: {e}")))?;
    let (index, size) = if is_tiled(entry) {
        (entry.log_index.get(), checkpoint.tree_size())
    } else {
        if *checkpoint.root_hash() != proof.root_hash {
            return Err(invalid("its checkpoint is of another state of the log than its inclusion proof"));
        }
        (proof.log_index.get(), proof.tree_size)
    };
    let leaf = hash_leaf(entry.canonicalized_body.as_bytes());
    verify_inclusion_proof(&leaf, index, size, &proof.hashes, checkpoint.root_hash())
        .map_err(|e| invalid(&format!("its inclusion proof is wrong: {e}")))?;
    if !anchors.signed_checkpoint(entry, &checkpoint, now) {
        return Err(invalid("the log did not sign its checkpoint"));
    }
    if is_tiled(entry) && !anchors.is_origin(entry, proof.checkpoint.envelope().lines().next().unwrap_or_default()) {
        return Err(invalid("its checkpoint is of another log than the one that signed it"));
    }
    Ok(())
}

fn hashed(algorithm: HashAlgorithm, bytes: &[u8]) -> Vec<u8> {
    match algorithm {
        HashAlgorithm::Sha2384 => Sha384::digest(bytes).to_vec(),
        HashAlgorithm::Sha2512 => Sha512::digest(bytes).to_vec(),
        _ => Sha256::digest(bytes).to_vec(),
    }
}

/// The rejection for an entry; the problem goes on from "the transparency log entry beside the signature is refused:".
pub(super) fn invalid(problem: &str) -> Rejection {
    Rejection::LogInvalid(foreign(problem))
}
