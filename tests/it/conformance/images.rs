//! Attestations of images: bundles of cosign 3, and layers behind `.att` tags in whole OCI layouts.

use std::fs;

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
        assert!(verified.statement().unwrap().document["predicate"].is_object());
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
