//! What a signature says about itself, read but not believed: what all forms have in common before anything is verified.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::adapter::{Bundle, VerificationMaterialContent};
use super::early::EarlyEntry;
use super::{Form, IMAGE_SIGNATURE};
use crate::domain::text::{foreign, without_types};
use crate::domain::{Digest, Rejection};

/// A candidate that has the right structure.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) form: Form,
    /// What it says.
    pub(super) content: Content,
    /// The message that must have been signed for all this to count.
    pub(super) message: Message<'a>,
    pub(super) signature: Vec<u8>,
    /// All of it as a bundle, where there is more than a bare signature.
    pub(super) bundle: Option<Bundle>,
    /// The log entry, where it is of a kind that bundles don't have.
    pub(super) early: Option<EarlyEntry>,
}

/// What is said about which images.
#[derive(Debug)]
pub(super) struct Content {
    /// The images; never empty.
    pub(super) subjects: Vec<Subject>,
    /// The predicate type, where it is a statement.
    pub(super) predicate_type: Option<String>,
    /// Whether it is a statement that says anything.
    pub(super) has_predicate: bool,
    /// The bytes of the statement.
    pub(super) payload: Arc<[u8]>,
}

/// An image that a signed payload names.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) digest: Digest,
    pub(super) annotations: Map<String, Value>,
}

/// How the signer presents itself.
#[derive(Debug)]
pub(super) enum Signer<'c> {
    /// By a bare key, perhaps with its fingerprint.
    Key { hint: Option<&'c str> },
    /// By a certificate, with those of the authorities above it.
    Certificate { leaf: &'c [u8], intermediates: Vec<Vec<u8>> },
}

/// The message under a signature.
#[derive(Debug)]
pub(super) enum Message<'a> {
    /// These bytes.
    Bytes(Cow<'a, [u8]>),
    /// What has this digest; more than that is not known here.
    Digest(Digest),
}

impl Claim<'_> {
    /// The digests it names, for people.
    pub(super) fn names(&self) -> String {
        const SHOWN: usize = 3;
        let subjects = &self.content.subjects;
        let mut names: Vec<String> = subjects.iter().take(SHOWN).map(|s| s.digest.to_string()).collect();
        if subjects.len() > SHOWN {
            names.push(format!("{} more", subjects.len().saturating_sub(SHOWN)));
        }
        names.join(", ")
    }

    /// Whether it says "image signature".
    pub(super) fn is_image_signature(&self) -> bool {
        self.content.predicate_type.as_deref().is_none_or(|kind| kind == IMAGE_SIGNATURE)
    }

    /// Who it says made it.
    pub(super) fn signer(&self) -> Signer<'_> {
        let content = self.bundle.as_ref().map(|bundle| &bundle.verification_material.content);
        match content {
            None => Signer::Key { hint: None },
            Some(VerificationMaterialContent::PublicKey(key)) => {
                Signer::Key { hint: Some(key.hint.as_str()).filter(|hint| !hint.is_empty()) }
            }
            Some(VerificationMaterialContent::Certificate(certificate)) => {
                Signer::Certificate { leaf: certificate.raw_bytes.as_bytes(), intermediates: Vec::new() }
            }
            Some(VerificationMaterialContent::X509CertificateChain { certificates }) => {
                let mut chain = certificates.iter().map(|certificate| certificate.raw_bytes.as_bytes());
                let leaf = chain.next().unwrap_or_default();
                Signer::Certificate { leaf, intermediates: chain.map(<[u8]>::to_vec).collect() }
            }
            Some(_) => Signer::Certificate { leaf: &[], intermediates: Vec::new() },
        }
    }
}

/// The rejection for what can't be read; the problem may repeat foreign text.
pub(super) fn malformed(problem: &str) -> Rejection {
    Rejection::SignatureMalformed(foreign(&without_types(problem)))
}

/// The rejection for a place in which a signature is expected and nothing stands.
pub(super) fn blank(place: &str) -> Rejection {
    Rejection::NoSignature { looked_at: format!("{place}, which is blank") }
}
