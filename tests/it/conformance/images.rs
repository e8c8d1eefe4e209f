//! Attestations of images: bundles of cosign 3, and layers behind `.att` tags in whole OCI layouts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sealgate::domain::{Digest, Finding, ImageReference};
use sealgate::signatures::{
    Candidate, ContentDemand, Demand, LogRule, Origin, Place, SignerDemand, UntrustedContent, verify,
};
use serde_json::Value;

use super::{Case, identity, judge, now, public_good};
use crate::support::corpora::corpora;

/// One attestation of one image.
struct Attested {
    content: UntrustedContent,
    image: Digest,
    predicate_type: String,
    subject: String,
    issuer: String,
}

impl Attested {
    fn ask(&self) -> Result<String, Finding> {
        let (root, identities) = (public_good(), identity(&self.subject, Some(&self.issuer)));
        let demand = Demand {
            signer: SignerDemand::Keyless { root: &root, identities: &identities },
            log: LogRule::Required,
            content: ContentDemand::Attestation { predicate_type: &self.predicate_type },
        };
        let image = ImageReference::parse("registry.example/app").unwrap().at(self.image).pinned().unwrap();
        let candidate = Candidate {
            origin: Origin { place: Place::AttestationTag, manifest: Digest::of(b""), layer: 0 },
            blob: Digest::of(b""),
            content: self.content.clone(),
        };
        let verified = verify(&candidate, &image, demand, now())?;
        assert!(verified.statement().unwrap().document().unwrap()["predicate"].is_object());
        Ok(verified.signer().to_string())
    }

    /// The attestation as it is, and each of its four properties changed.
    fn cases(self, corpus: &'static str, name: &str, cases: &mut Vec<Case>) {
        let mut add = |what: &str, accept, attested: &Self| {
            let name = format!("{name} {what}");
            cases.push(Case { corpus, name, accept, note: "", answer: attested.ask() });
        };
        let changed = |change: &dyn Fn(&mut Self)| {
            let mut copy = Self {
                content: self.content.clone(),
                image: self.image,
                predicate_type: self.predicate_type.clone(),
                subject: self.subject.clone(),
                issuer: self.issuer.clone(),
            };
            change(&mut copy);
            copy
        };
        add("as it is", true, &self);
        add("of another image", false, &changed(&|it| it.image = Digest::of(b"another image")));
        add("of another type", false, &changed(&|it| it.predicate_type.push_str("/other")));
        add("by another subject", false, &changed(&|it| it.subject.push('x')));
        add("by another issuer", false, &changed(&|it| it.issuer.push('/')));
        let content = &changed(&|it| match &mut it.content {
            UntrustedContent::Bundle(bytes) => flip_payload(bytes),
            UntrustedContent::Envelope { envelope, .. } => flip_payload(envelope),
            UntrustedContent::SimpleSigning { payload, .. } => flip_payload(payload),
        });
        add("with another payload", false, content);
    }
}

/// Changes one character inside the payload.
fn flip_payload(bytes: &mut [u8]) {
    let at = bytes.windows(9).position(|nine| nine == b"\"payload\"").unwrap() + 200;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
}

#[test]
#[ignore = "needs SEALGATE_CORPORA"]
fn cry_37_bundles_of_cosign_3() {
    let mut cases = Vec::new();
    for entry in fs::read_dir(corpora("cosign-v3-image-bundles")).unwrap() {
        let path = entry.unwrap().path();
        let described: Value = serde_json::from_slice(&fs::read(path.join("case.json")).unwrap()).unwrap();
        let text = |pointer: &str| described.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let attested = Attested {
            content: UntrustedContent::Bundle(fs::read(path.join("bundle.json")).unwrap()),
            image: Digest::from_hex(&text("/subjects/0/2")).unwrap(),
            predicate_type: text("/predicateType"),
            subject: text("/san").split_once(':').unwrap().1.to_owned(),
            issuer: text("/oidc"),
        };
        attested.cases("cosign-v3-image-bundles", &text("/name"), &mut cases);
    }
    judge(&cases);
}

#[test]
#[ignore = "needs SEALGATE_CORPORA"]
fn cry_37_attestations_in_oci_layouts() {
    let mut cases = Vec::new();
    let folder = corpora("oci-layouts");
    for version in ["v1.4.0", "v1.6.0", "v1.8.0", "v1.10.0"] {
        let layout = folder.join(format!("slsa-{version}"));
        let generator =
            "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml";
        for (n, (statement, content)) in attestations(&layout).into_iter().enumerate() {
            let text = |pointer: &str| statement.pointer(pointer).unwrap().as_str().unwrap();
            let attested = Attested {
                image: Digest::from_hex(text("/subject/0/digest/sha256")).unwrap(),
                predicate_type: text("/predicateType").to_owned(),
                subject: format!("{generator}@refs/tags/{version}"),
                issuer: "https://token.actions.githubusercontent.com".to_owned(),
                content,
            };
            attested.cases("oci-layouts", &format!("slsa-{version} layer {n}"), &mut cases);
        }
    }
    judge(&cases);
}

/// The layers with an envelope of a layout, each with what it states.
fn attestations(layout: &Path) -> Vec<(Value, UntrustedContent)> {
    let blob = |digest: &str| fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let index = json(&fs::read(layout.join("index.json")).unwrap());
    let mut found = Vec::new();
    for listed in index["manifests"].as_array().unwrap() {
        let manifest = json(&blob(listed["digest"].as_str().unwrap()));
        for layer in manifest["layers"].as_array().into_iter().flatten() {
            if layer["mediaType"] != "application/vnd.dsse.envelope.v1+json" {
                continue;
            }
            let annotations: BTreeMap<String, String> = serde_json::from_value(layer["annotations"].clone()).unwrap();
            let envelope = blob(layer["digest"].as_str().unwrap());
            let payload = json(&envelope)["payload"].as_str().unwrap().to_owned();
            let statement = json(&base64::Engine::decode(&base64::engine::general_purpose::STANDARD, payload).unwrap());
            found.push((statement, UntrustedContent::Envelope { envelope, annotations }));
        }
    }
    assert!(!found.is_empty(), "{} has no attestation", layout.display());
    found
}
