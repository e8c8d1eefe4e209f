//! `--bundle`: a file that was signed, and the bundle that lies beside it.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::{ACCEPTED, REJECTED, UNDECIDED};
use crate::domain::text::Foreign;
use crate::domain::{Digest, Finding};
use crate::policy::Trust;
use crate::signatures::{Artifact, LogRule, SignerDemand, TrustedRoots, VerifiedArtifact, verify_artifact};
use crate::trust;

use super::advice::advice;
use super::report::{Reason, SignatureReport, Verdict};
use super::signer::Signer;

/// Largest bundle that is read: what the registry may hand out as one.
const MAX_BUNDLE: u64 = 16 << 20;

/// The answer about one artifact.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ArtifactReport {
    /// As written.
    artifact: String,
    /// What it says.
    verdict: Verdict,
    /// Why not.
    reason: Option<Reason>,
    /// The signature that counts.
    signature: Option<SignatureReport>,
    /// What the statement says, where the bundle has one.
    predicate_type: Option<String>,
}

/// Verifies the bundle for the artifact, which is a path or `sha256:` and 64 hex digits.
pub(super) fn verify(
    bundle: &Path,
    artifact: &str,
    signer: &Signer,
    predicate_type: Option<&str>,
) -> anyhow::Result<ArtifactReport> {
    let now = Timestamp::now();
    let bundle = read(bundle)?;
    let (bytes, digest);
    let content = if let Some(hex) = artifact.strip_prefix("sha256:") {
        digest = Digest::from_hex(hex)
            .with_context(|| format!("{artifact}: expected sha256: and 64 lower-case hex digits"))?;
        Artifact::Digest(&digest)
    } else {
        let cannot = || format!("{artifact}: can't be read; expected a file, or sha256: and the digest of one");
        bytes = fs::read(artifact).with_context(cannot)?;
        Artifact::Bytes(&bytes)
    };
    let roots = trust::offline(&signer.roots, now);
    let answer = ask(&bundle, content, signer, &roots, predicate_type, now)?;
    Ok(ArtifactReport::new(artifact, answer))
}

fn ask(
    bundle: &[u8],
    artifact: Artifact<'_>,
    signer: &Signer,
    roots: &TrustedRoots,
    predicate_type: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<Result<VerifiedArtifact, Finding>> {
    let material = match signer.trust.root().map(|name| roots.get(name)).transpose() {
        Ok(material) => material,
        Err(cause) => return Ok(Err(Finding::Unavailable(cause))),
    };
    let demand = match (&signer.trust, &material) {
        (Trust::Key { key, .. }, material) => SignerDemand::Key { key, root: material.as_deref() },
        (Trust::Keyless { identities, .. }, Some(root)) => SignerDemand::Keyless { root, identities },
        (Trust::Certificate { roots, identities, .. }, material) => {
            SignerDemand::Certificate { roots, root: material.as_deref(), identities }
        }
        (Trust::Keyless { .. }, None) | (Trust::Static(_), _) => bail!("the flags name no signer"),
    };
    let usual = if matches!(signer.trust, Trust::Keyless { .. }) { LogRule::Required } else { LogRule::WhenPresent };
    Ok(verify_artifact(bundle, artifact, demand, signer.log.unwrap_or(usual), predicate_type, now))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("{}: can't be read", path.display());
    let mut bytes = Vec::new();
    let file = fs::File::open(path).with_context(cannot)?;
    file.take(MAX_BUNDLE.saturating_add(1)).read_to_end(&mut bytes).with_context(cannot)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BUNDLE) {
        bail!("{}: more than {} MiB; no bundle is so large", path.display(), MAX_BUNDLE >> 20);
    }
    Ok(bytes)
}

impl ArtifactReport {
    fn new(artifact: &str, answer: Result<VerifiedArtifact, Finding>) -> Self {
        let artifact = artifact.to_owned();
        match answer {
            Ok(VerifiedArtifact { signer, proof, predicate_type }) => Self {
                artifact,
                verdict: Verdict::Accepted,
                reason: None,
                signature: Some(SignatureReport::new(&signer, &proof)),
                predicate_type,
            },
            Err(finding) => Self {
                artifact,
                verdict: if finding.is_rejection() { Verdict::Rejected } else { Verdict::Unavailable },
                reason: Some(Reason::new(&finding)),
                signature: None,
                predicate_type: None,
            },
        }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Accepted => ACCEPTED,
            Verdict::Rejected => REJECTED,
            Verdict::Unavailable => UNDECIDED,
        }
    }

    /// As a person reads it.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{}  {}\n", super::table::word(self.verdict), Foreign(&self.artifact));
        let mut add = |label: &str, value: &str| {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "  {label:<9}{value}");
        };
        if let Some(reason) = &self.reason {
            add("reason", &format!("{}: {}", reason.code, reason.message));
            if let Some(advice) = advice(reason.code) {
                add("to do", advice);
            }
        }
        if let Some(signature) = &self.signature {
            add("signer", &signature.by());
            add("proven", &signature.proven());
        }
        if let Some(predicate_type) = &self.predicate_type {
            add("states", &Foreign(predicate_type).to_string());
        }
        text
    }
}
