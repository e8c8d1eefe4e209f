//! Signatures over any artifact, in plain bundles (sigstore/protobuf-specs; sigstore-conformance, `verify-bundle`).

use std::borrow::Cow;

use jiff::Timestamp;

use super::claim::Message;
use super::proof::Proofs;
use super::{ContentDemand, Demand, LogRule, Proof, Signatory, SignerDemand, bundle, check_content, check_signer};
use crate::domain::{Digest, Finding, Rejection};

/// What a bundle is to be about.
#[derive(Clone, Copy, Debug)]
pub enum Artifact<'a> {
    /// The bytes themselves.
    Bytes(&'a [u8]),
    /// What has this SHA-256. Signatures in schemes that need the bytes can't be verified.
    Digest(&'a Digest),
}

/// A bundle that was verified for one artifact and one signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedArtifact {
    /// Who made it.
    pub signer: Signatory,
    /// What was proven beside it.
    pub proof: Proof,
    /// The predicate type, where the bundle has a statement about the artifact.
    pub predicate_type: Option<String>,
}

/// Verifies a bundle for one artifact: a signature over it, or a statement that names it. The checks are those of
/// [`verify`](super::verify); a statement of any type counts where none is demanded.
pub fn verify_artifact(
    bundle: &[u8],
    artifact: Artifact<'_>,
    signer: SignerDemand<'_>,
    log: LogRule,
    predicate_type: Option<&str>,
    now: Timestamp,
) -> Result<VerifiedArtifact, Finding> {
    let mut claim = bundle::read(bundle)?;
    let found = claim.content.predicate_type.clone();
    let wanted = predicate_type.or(found.as_deref());
    let content = match wanted {
        Some(predicate_type) => ContentDemand::Attestation { predicate_type },
        None => ContentDemand::Image { annotations: &std::collections::BTreeMap::new() },
    };
    check_content(&claim, content)?;
    let digest = match artifact {
        Artifact::Bytes(bytes) => Digest::of(bytes),
        Artifact::Digest(digest) => *digest,
    };
    if !claim.content.subjects.iter().any(|subject| subject.digest == digest) {
        return Err(Rejection::DigestMismatch { signed: claim.names() }.into());
    }
    if let (Message::Digest(_), Artifact::Bytes(bytes)) = (&claim.message, artifact) {
        claim.message = Message::Bytes(Cow::Borrowed(bytes));
    }
    let mut proofs = Proofs::new(&claim, &digest, now);
    let (signer, proven) = check_signer(&mut proofs, Demand { signer, log, content })?;
    Ok(VerifiedArtifact { signer, proof: proven.proof, predicate_type: found })
}
