//! Checkpoints of transparency logs as text (C2SP, `signed-note.md` and `tlog-checkpoint.md`): whose they say they are, and of
//! what. Their signatures are verified elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::adapter::{TransparencyLogEntry, is_tiled};
use crate::domain::Rejection;

/// Whether the checkpoint beside an entry, where there is one, is of the entry's log and of the tree that the proof is about:
///
/// 1. it is a text, a blank line and lines of signatures, and nothing else;
/// 2. the log's, which it has, are by the name that the text begins with;
/// 3. it is of as many entries as the inclusion proof says; those of tiled logs say it nowhere else.
pub(super) fn check(entry: &TransparencyLogEntry) -> Result<(), Rejection> {
    let Some(proof) = &entry.inclusion_proof else { return Ok(()) };
    let note = proof.checkpoint.envelope();
    if note.is_empty() {
        return Ok(());
    }
    // 1.
    let (text, signatures) = note.split_once("\n\n").ok_or_else(|| invalid("its checkpoint is not signed"))?;
    let mut lines = text.split('\n');
    let origin = lines.next().unwrap_or_default();
    let size = lines.next().unwrap_or_default();
    // 2.
    let log_id = entry.log_id.key_id.as_bytes();
    let mut signed = false;
    for line in signatures.split_terminator('\n') {
        let signature = line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' '));
        let (name, signature) = signature.ok_or_else(|| invalid("its checkpoint has a line that is no signature"))?;
        let signature =
            STANDARD.decode(signature).map_err(|_| invalid("its checkpoint has a signature that is no base64"))?;
        if signature.get(..4).is_some_and(|hint| log_id.starts_with(hint)) {
            signed = true;
            let of_shard = |rest: &str| !is_tiled(entry) && rest.starts_with(" - ");
            if !origin.strip_prefix(name).is_some_and(|rest| rest.is_empty() || of_shard(rest)) {
                return Err(invalid("its checkpoint is signed by another name than that of its log"));
            }
        }
    }
    if !signed {
        return Err(invalid("the log did not sign its checkpoint"));
    }
    // 3.
    if !is_tiled(entry) && size != proof.tree_size.to_string() {
        return Err(invalid("its checkpoint is of another size of the log than its inclusion proof"));
    }
    Ok(())
}

fn invalid(problem: &str) -> Rejection {
    Rejection::LogInvalid(problem.to_owned())
}
