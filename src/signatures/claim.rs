//! What a signature says about itself, read but not believed: what both forms have in common before anything is verified.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Form;
use crate::domain::text::foreign;
use crate::domain::{Digest, Rejection};

/// A candidate that has the right structure.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) form: Form,
    /// The images it says it is about; never empty.
    pub(super) subjects: Vec<Subject>,
    /// Who it says made it.
    pub(super) signer: Signer,
    /// The message that must have been signed for all this to count.
    pub(super) message: Message<'a>,
    pub(super) signature: Vec<u8>,
}

/// An image that a signed payload names.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) digest: Digest,
    pub(super) annotations: Map<String, Value>,
}

/// How the signer presents itself.
#[derive(Debug)]
pub(super) enum Signer {
    /// By a bare key, perhaps with its fingerprint.
    Key { hint: Option<String> },
    /// By a certificate.
    Certificate,
}

/// The message under a signature.
#[derive(Debug)]
pub(super) enum Message<'a> {
    /// These bytes.
    Bytes(Cow<'a, [u8]>),
    /// The image's manifest, of which only the digest is known here.
    Manifest,
}

impl Claim<'_> {
    /// The digests it names, for people.
    pub(super) fn names(&self) -> String {
        const SHOWN: usize = 3;
        let mut names: Vec<String> = self.subjects.iter().take(SHOWN).map(|s| s.digest.to_string()).collect();
        if self.subjects.len() > SHOWN {
            names.push(format!("{} more", self.subjects.len().saturating_sub(SHOWN)));
        }
        names.join(", ")
    }
}

/// The rejection for what can't be read; the problem may repeat foreign text.
pub(super) fn malformed(problem: &str) -> Rejection {
    Rejection::SignatureMalformed(foreign(problem))
}

/// The rejection for a place in which a signature is expected and nothing stands.
pub(super) fn blank(place: &str) -> Rejection {
    Rejection::NoSignature { looked_at: format!("{place}, which is blank") }
}
