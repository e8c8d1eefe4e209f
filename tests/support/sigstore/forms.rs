//! Every form in one table: what must verify, and what is to be broken in every place.

use serde_json::Value;

use super::body::{Content, Kind};
use super::signing::{Signing, Version};
use super::x509::email;
use super::{Identity, NOW, Pki, Sigstore};
use crate::support::signer::{SigningKey, payload, statement};
use sealgate::domain::Digest;
use sealgate::signatures::Candidate;

/// A signature with the shape in which it is stored.
#[derive(Clone)]
pub struct Form {
    /// For people.
    pub name: &'static str,
    /// The signature.
    pub signing: Signing,
    /// How it is stored.
    pub shape: Shape,
}

/// The two shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// [`Signing::bundle`].
    Bundle,
    /// [`Signing::layer`].
    Layer,
}

impl Form {
    /// As the registry adapter would hand it to the verifier.
    pub fn candidate(&self) -> Candidate {
        match self.shape {
            Shape::Bundle => self.signing.bundle_candidate(),
            Shape::Layer => self.signing.layer_candidate(),
        }
    }
}

impl Sigstore {
    /// A good signature over an image in each form: by the key, by [`Identity::github`], or, where the name says so, by the
    /// address `dev@acme.test` in [`Pki::new`]`("own", NOW)`. Statements are those of `cosign sign`.
    pub fn every_form(&self, key: &SigningKey, manifest: &[u8]) -> Vec<Form> {
        let image = Digest::of(manifest);
        let mut forms = self.forms_of(key, &payload(&image), &statement(&image));
        let keyless = self.keyless(&Identity::github(), Content::Message(manifest.to_vec()));
        let messages = [
            ("bundle over the manifest, key", Signing::by_key(key, Content::Message(manifest.to_vec()))),
            ("bundle over the manifest, keyless, Rekor v1", keyless.clone()),
            ("bundle over the manifest, keyless, Rekor v2", keyless.with(|it| it.entries = vec![self.entry_v2()])),
        ];
        forms.extend(messages.into_iter().map(|(name, signing)| Form { name, signing, shape: Shape::Bundle }));
        forms
    }

    /// The same over any simple signing payload and any statement.
    pub fn forms_of(&self, key: &SigningKey, payload: &Value, statement: &Value) -> Vec<Form> {
        let (sig, att) = (Content::simple_signing(payload), Content::statement(statement));
        let identity = Identity::github();
        let own = Pki::new("own", NOW);
        let mut forms = Vec::new();
        for (content, names) in [(&sig, SIG), (&att, ATT)] {
            let by_key = Signing::by_key(key, content.clone());
            let keyless = self.keyless(&identity, content.clone());
            let signings = [
                by_key.clone(),
                by_key.with(|it| it.entries.push(self.entry())),
                keyless.with(|it| it.timestamps.clear()),
                keyless.clone(),
                own.signing(email("dev@acme.test"), content.clone()),
            ];
            forms.extend(names.into_iter().zip(signings).map(|(name, signing)| Form {
                name,
                signing,
                shape: Shape::Layer,
            }));
        }
        let by_key = Signing::by_key(key, att.clone());
        let keyless = self.keyless(&identity, att.clone());
        let early = |signing: &Signing| signing.with(|it| it.entry().kind = Some(Kind::EarlyIntoto));
        let early = [
            (".att layer, key, early entry", early(&by_key.with(|it| it.entries.push(self.entry())))),
            (".att layer, keyless, early entry", early(&keyless.with(|it| it.timestamps.clear()))),
            (".att layer, keyless, early entry and timestamp", early(&keyless)),
        ];
        forms.extend(early.into_iter().map(|(name, signing)| Form { name, signing, shape: Shape::Layer }));
        let bundles = [
            ("bundle, key", by_key.clone()),
            ("bundle, key, Rekor v1", by_key.with(|it| it.entries.push(self.entry()))),
            (
                "bundle, key, Rekor v2",
                by_key.with(|it| {
                    it.entries.push(self.entry_v2());
                    it.timestamps.push(self.timestamp());
                }),
            ),
            ("bundle, keyless, Rekor v1 and timestamp", keyless.clone()),
            ("bundle, keyless, Rekor v1", keyless.with(|it| it.timestamps.clear())),
            ("bundle, keyless, Rekor v1 without promise", keyless.with(|it| it.entry().promise = false)),
            ("bundle, keyless, Rekor v1, intoto entry", keyless.with(|it| it.entry().kind = Some(Kind::Intoto))),
            ("bundle, keyless, Rekor v2", self.keyless_v2(&identity, att.clone())),
            ("bundle, keyless, v0.2", keyless.with(|it| it.version = Version::V02)),
            (
                "bundle, keyless, v0.1 with promise alone",
                keyless.with(|it| {
                    it.version = Version::V01;
                    it.entry().proof = false;
                }),
            ),
            ("bundle, keyless, v0.1", keyless.with(|it| it.version = Version::V01)),
            (
                "bundle, key, v0.1 with promise alone",
                by_key.with(|it| {
                    it.version = Version::V01;
                    it.entries.push(self.entry());
                    it.entry().proof = false;
                }),
            ),
            (
                "bundle, keyless, Rekor v2, v0.2",
                self.keyless_v2(&identity, att.clone()).with(|it| it.version = Version::V02),
            ),
            (
                "bundle, own PKI, v0.2, Rekor v1",
                own.signing(email("dev@acme.test"), att.clone()).with(|it| {
                    it.version = Version::V02;
                    it.entries.push(self.entry());
                }),
            ),
            (
                "bundle, own PKI, v0.2, Rekor v2 and timestamp",
                own.signing(email("dev@acme.test"), att.clone()).with(|it| {
                    it.version = Version::V02;
                    it.entries.push(self.entry_v2());
                    it.timestamps.push(self.timestamp());
                }),
            ),
            (
                "bundle, own PKI, v0.2 with timestamp",
                own.signing(email("dev@acme.test"), att.clone()).with(|it| {
                    it.version = Version::V02;
                    it.timestamps.push(self.timestamp());
                }),
            ),
        ];
        forms.extend(bundles.into_iter().map(|(name, signing)| Form { name, signing, shape: Shape::Bundle }));
        forms
    }
}

const SIG: [&str; 5] = [
    ".sig layer, key",
    ".sig layer, key, Rekor v1",
    ".sig layer, keyless, Rekor v1",
    ".sig layer, keyless, Rekor v1 and timestamp",
    ".sig layer, own PKI",
];
const ATT: [&str; 5] = [
    ".att layer, key",
    ".att layer, key, Rekor v1",
    ".att layer, keyless, Rekor v1",
    ".att layer, keyless, Rekor v1 and timestamp",
    ".att layer, own PKI",
];
