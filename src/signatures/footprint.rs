//! How much memory it takes to read, verify and judge a candidate, told before anything of it is built or believed.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Candidate, UntrustedContent};
use crate::domain::json_size::JsonSize;

/// How often the bytes of a statement are there at once while it is verified: decoded, as the statement, as the message that was
/// signed, and as the crate's copies of the first and the last.
const COPIES: usize = 5;
/// A candidate up to this size is not looked at: it counts as the worst of its size.
const SMALL: usize = 4 << 10;
/// What the worst of them takes.
const SMALL_FOOTPRINT: usize = 1 << 20;

/// The parts of a bundle or envelope that say where the statement is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle<'a> {
    #[serde(borrow, default)]
    dsse_envelope: Option<Envelope<'a>>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    payload: Cow<'a, str>,
}

/// The most memory that this takes beside the candidate itself, in bytes. It may be more than there is.
pub fn footprint(candidate: &Candidate) -> usize {
    let bytes = candidate.content.bytes();
    if bytes.len() <= SMALL {
        return SMALL_FOOTPRINT;
    }
    let envelope: Option<Envelope<'_>> = match &candidate.content {
        UntrustedContent::Bundle(_) => {
            serde_json::from_slice::<Bundle<'_>>(bytes).ok().and_then(|bundle| bundle.dsse_envelope)
        }
        UntrustedContent::Envelope { .. } => serde_json::from_slice(bytes).ok(),
        UntrustedContent::SimpleSigning { .. } => None,
    };
    // What can't be decoded is not read any further either.
    let statement = envelope.and_then(|envelope| STANDARD.decode(envelope.payload.as_bytes()).ok()).unwrap_or_default();
    // As a tree the statement is there once: conditions look at it where it is, and the `sigstore` crate has dropped its own.
    let tree = JsonSize::of(&statement).tree();
    let copies = statement.len().saturating_mul(COPIES);
    JsonSize::of(bytes).tree().saturating_add(copies).saturating_add(tree)
}
