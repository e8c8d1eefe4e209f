//! Signatures in layers of cosign 1 and 2.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sealgate::domain::{Digest, Finding, ImageReference, PinnedImage};
use sealgate::signatures::{
    Candidate, CertificateRoots, ContentDemand, Demand, LogRule, Origin, Place, PublicKey, SignerDemand,
    UntrustedContent, verify,
};
use serde_json::Value;

use super::{Case, identity, judge, material, now, public_good};
use crate::support::corpora::corpora;
use crate::support::signer::SIGNATURE;

#[test]
#[ignore = "needs SEALGATE_CORPORA"]
fn cry_37_legacy_signatures() {
    let folder = corpora("cosign-legacy-sigs");
    let mut folders: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut cases = Vec::new();
    for path in folders {
        let described: Value = serde_json::from_slice(&fs::read(path.join("case.json")).unwrap()).unwrap();
        let name = described["name"].as_str().unwrap().to_owned();
        let recorded = described["cosign311_offline"].as_str().unwrap();
        let (accept, note) = match name.as_str() {
            // cosign was asked without the PKI's roots as roots of an own PKI; with them the chain holds.
            _ if recorded.starts_with("not run") => (false, "the key was never published"),
            _ => (recorded == "accept", ""),
        };
        let answer = ask(&path, &described);
        cases.push(Case { corpus: "cosign-legacy-sigs", name, accept, note, answer });
    }
    judge(&cases);
}

fn ask(path: &Path, described: &Value) -> Result<String, Finding> {
    let read = |file: &str| fs::read_to_string(path.join(file)).ok();
    let payload = read("payload.json").unwrap().into_bytes();
    let mut annotations = BTreeMap::from([(SIGNATURE.to_owned(), read("signature.b64").unwrap().trim().to_owned())]);
    for (file, name) in [("cert.pem", "certificate"), ("chain.pem", "chain"), ("rekor_bundle.json", "bundle")] {
        if let Some(text) = read(file) {
            annotations.insert(format!("dev.sigstore.cosign/{name}"), text);
        }
    }
    let candidate = Candidate {
        origin: Origin { place: Place::LegacyTag, manifest: Digest::of(b""), layer: 0 },
        blob: Digest::of(&payload),
        content: UntrustedContent::SimpleSigning { payload, annotations },
    };
    let root = read("trusted_root.json").map_or_else(public_good, |json| material(&json));
    let key = read("key.pub").map(|pem| PublicKey::from_pem(&pem).unwrap());
    let subject = described["san"].as_str().and_then(|san| san.split_once(':')).map_or("nobody", |(_, name)| name);
    let identities = identity(subject.trim(), described["oidc_issuer"].as_str());
    let roots = read("pki_root_crts.pem").map(|pem| CertificateRoots::from_pem(&pem).unwrap());
    let signer = match (&key, &roots) {
        (Some(key), _) => SignerDemand::Key { key, root: Some(&root) },
        (None, Some(roots)) => SignerDemand::Certificate { roots, root: None, identities: &identities },
        (None, None) => SignerDemand::Keyless { root: &root, identities: &identities },
    };
    // As cosign was asked: what lies there must be right, and a certificate needs its entry.
    let log = if key.is_some() || roots.is_some() { LogRule::WhenPresent } else { LogRule::Required };
    let content = ContentDemand::Image { annotations: &BTreeMap::new() };
    let image = image(fs::read(path.join("manifest.json")).ok(), described);
    verify(&candidate, &image, Demand { signer, log, content }, now()).map(|verified| verified.signer().to_string())
}

/// The image whose manifest lies beside the signature, else the one that the case names.
fn image(manifest: Option<Vec<u8>>, described: &Value) -> PinnedImage {
    let repository = ImageReference::parse("registry.example/app").unwrap();
    match manifest {
        Some(bytes) => repository.pin(&bytes),
        None => repository.at(Digest::parse(described["manifest_digest"].as_str().unwrap()).unwrap()).pinned().unwrap(),
    }
}
