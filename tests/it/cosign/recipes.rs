//! The table of what is signed.

use super::keys::{KINDS, KeyKind};
use super::{Form, Log, Predicate, Store};

/// How to make one signature.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) by: By,
    pub(super) form: Form,
    pub(super) predicate: Option<Predicate>,
    pub(super) annotations: Vec<(&'static str, &'static str)>,
    /// An entry of the old kind `intoto`.
    pub(super) intoto: bool,
    /// What is signed before it, of the same image.
    pub(super) beside: Vec<Self>,
}

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Key(KeyKind),
    Email,
    GitHub,
    GitLab,
    OwnPki,
}

pub(super) const PREDICATES: [Predicate; 3] = [
    Predicate { name: "slsaprovenance1", uri: "https://slsa.dev/provenance/v1" },
    Predicate { name: "spdxjson", uri: "https://spdx.dev/Document" },
    Predicate { name: "custom", uri: "https://cosign.sigstore.dev/attestation/v1" },
];

const LAYER: Form = Form { store: Store::Tag, log: Log::None, timestamp: false, referrers_api: true };
const LAYER_LOG: Form = Form { log: Log::RekorV1, ..LAYER };
const LAYER_LOG_TSA: Form = Form { timestamp: true, ..LAYER_LOG };
const LAYER_IN_REFERRER: Form = Form { store: Store::LayerInReferrer, ..LAYER };
const BUNDLE: Form = Form { store: Store::Bundle, ..LAYER };
const BUNDLE_V1: Form = Form { log: Log::RekorV1, timestamp: true, ..BUNDLE };
const BUNDLE_V2: Form = Form { log: Log::RekorV2, ..BUNDLE_V1 };

/// Files with a bundle beside them.
pub(super) fn files() -> Vec<Recipe> {
    const PLAIN: Form = Form { store: Store::File, ..BUNDLE };
    const REKOR_V1: Form = Form { store: Store::File, ..BUNDLE_V1 };
    const REKOR_V2: Form = Form { store: Store::File, ..BUNDLE_V2 };
    let key = By::Key(KeyKind::P256);
    let mut recipes: Vec<_> = [PLAIN, REKOR_V1, REKOR_V2].map(|form| signature(key, form)).into();
    recipes.extend([REKOR_V1, REKOR_V2].map(|form| signature(By::GitHub, form)));
    recipes.extend([PLAIN, REKOR_V1].map(|form| attestation(key, form, PREDICATES[0])));
    recipes.push(attestation(By::GitHub, REKOR_V2, PREDICATES[0]));
    recipes
}

/// Images.
pub(super) fn images() -> Vec<Recipe> {
    let key = By::Key(KeyKind::P256);
    let with_key = [LAYER, LAYER_LOG, LAYER_IN_REFERRER, BUNDLE, BUNDLE_V1, BUNDLE_V2];
    let mut recipes: Vec<Recipe> = with_key.map(|form| signature(key, form)).into();
    for kind in KINDS.into_iter().filter(|kind| *kind != KeyKind::P256) {
        recipes.extend([LAYER, BUNDLE].map(|form| signature(By::Key(kind), form)));
    }
    for kind in [KeyKind::P384, KeyKind::Rsa2048, KeyKind::Ed25519] {
        recipes.extend([LAYER_LOG, BUNDLE_V2].map(|form| signature(By::Key(kind), form)));
    }
    // With P-384 and Ed25519 cosign 3.1.3 fails here: its client of Rekor v1 checks envelopes with SHA-256 alone.
    recipes.push(signature(By::Key(KeyKind::Rsa2048), BUNDLE_V1));
    for by in [By::Email, By::GitHub, By::GitLab] {
        recipes.extend([LAYER_LOG, LAYER_LOG_TSA, BUNDLE_V1, BUNDLE_V2].map(|form| signature(by, form)));
    }
    for predicate in PREDICATES {
        recipes.extend([LAYER, BUNDLE].map(|form| attestation(key, form, predicate)));
        recipes.push(attestation(By::GitHub, BUNDLE_V1, predicate));
    }
    recipes.push(attestation(By::GitHub, LAYER_LOG, PREDICATES[0]));
    recipes.push(attestation(By::GitLab, BUNDLE_V2, PREDICATES[0]));
    recipes.push(attestation(key, LAYER_LOG, PREDICATES[2]));
    recipes.push(Recipe { intoto: true, ..attestation(key, LAYER_LOG, PREDICATES[2]) });
    recipes.push(signature(By::OwnPki, LAYER));
    recipes.extend([LAYER, BUNDLE].map(|form| Recipe { annotations: vec![("stage", "prod")], ..signature(key, form) }));
    let rsa = By::Key(KeyKind::Rsa2048);
    let beside = |recipe, others: &[Recipe]| Recipe { beside: others.to_vec(), ..recipe };
    recipes.extend([
        beside(signature(key, LAYER), &[signature(rsa, LAYER), signature(By::GitLab, BUNDLE_V1)]),
        beside(signature(By::GitHub, LAYER_LOG), &[signature(By::Email, LAYER_LOG), signature(key, LAYER)]),
        beside(signature(key, BUNDLE), &[attestation(key, BUNDLE, PREDICATES[0]), signature(By::GitHub, BUNDLE_V2)]),
        beside(
            attestation(By::GitHub, BUNDLE_V1, PREDICATES[0]),
            &[attestation(key, LAYER, PREDICATES[1]), attestation(By::GitLab, BUNDLE_V1, PREDICATES[0])],
        ),
    ]);
    let without_api = |recipe: Recipe| Recipe { form: Form { referrers_api: false, ..recipe.form }, ..recipe };
    recipes.extend(
        [
            signature(key, LAYER),
            signature(key, BUNDLE),
            signature(By::GitHub, BUNDLE_V1),
            signature(By::GitLab, BUNDLE_V2),
            attestation(key, BUNDLE, PREDICATES[0]),
        ]
        .map(without_api),
    );
    recipes
}

fn signature(by: By, form: Form) -> Recipe {
    Recipe { by, form, predicate: None, annotations: Vec::new(), intoto: false, beside: Vec::new() }
}

fn attestation(by: By, form: Form, predicate: Predicate) -> Recipe {
    Recipe { predicate: Some(predicate), ..signature(by, form) }
}

impl Recipe {
    /// Why cosign 3.1.3 refuses what it has signed so.
    pub(super) fn limit_of_cosign(&self) -> Option<&'static str> {
        match (self.by, self.form) {
            (By::Key(KeyKind::Ed25519), _) => Some("it signs Ed25519ph and verifies Ed25519"),
            (By::Key(KeyKind::P384), LAYER_LOG) => Some("it reads only SHA-256 from the log entries of layers"),
            _ => None,
        }
    }

    /// For people, and with other characters for repositories.
    pub(super) fn name(&self) -> String {
        let Form { store, log, timestamp, referrers_api } = self.form;
        let by = match self.by {
            By::Key(kind) => format!("key {}", kind.name()),
            By::Email => "keyless e-mail".to_owned(),
            By::GitHub => "keyless GitHub".to_owned(),
            By::GitLab => "keyless GitLab".to_owned(),
            By::OwnPki => "own PKI".to_owned(),
        };
        let store = match (store, self.predicate) {
            (Store::Tag, None) => "tag .sig",
            (Store::Tag, Some(_)) => "tag .att",
            (Store::LayerInReferrer, _) => "layer in a referrer",
            (Store::Bundle, _) => "bundle",
            (Store::File, _) => "bundle of a file",
        };
        let log = match log {
            Log::None => "no log",
            Log::RekorV1 => "Rekor v1",
            Log::RekorV2 => "Rekor v2",
        };
        let more = [
            timestamp.then_some("and timestamp"),
            self.predicate.map(|predicate| predicate.name),
            self.intoto.then_some("intoto entry"),
            (!self.annotations.is_empty()).then_some("annotated"),
            (!self.beside.is_empty()).then_some("beside others"),
            (!referrers_api).then_some("no referrers API"),
        ];
        let parts = [&by, store, log].into_iter().chain(more.into_iter().flatten());
        parts.collect::<Vec<_>>().join(", ")
    }
}
