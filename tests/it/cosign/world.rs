//! What cosign signs against: the instance, two registries, keys and files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::{fs, iter, thread};

use sealgate::domain::Digest;

use super::command::{import, run, sign, verify};
use super::keys::{KINDS, KeyKind};
use super::recipes::{By, PREDICATES, Recipe};
use super::registry::Registry;
use super::{Asked, Change, Form, Log, Predicate, SignedCase, Signer, Twin};
use crate::support::signer::{Scheme, SigningKey, pem};
use crate::support::sigstore::x509::{certificate_pem, email};
use crate::support::sigstore::{Identity, Pki, Service, Sigstore};

/// Everything there is, until it is dropped.
pub(super) struct World {
    pub(super) service: Service,
    with_api: Registry,
    without_api: Registry,
    keys: HashMap<KeyKind, KeyPair>,
    pki: Pki,
}

/// A key pair of cosign's.
struct KeyPair {
    private: PathBuf,
    public: PathBuf,
}

/// What a signer has.
pub(super) enum Material {
    Key(PathBuf),
    Token(PathBuf),
    Certified { key: PathBuf, certificate: PathBuf, chain: PathBuf },
}

impl World {
    /// Starts it all.
    pub(super) fn start() -> Self {
        let service = Sigstore::serve("cosign");
        let pairs = in_pairs(&KINDS, |kind| (*kind, KeyPair::generate(&service, *kind)));
        Self {
            with_api: Registry::start(true, service.folder()),
            without_api: Registry::start(false, service.folder()),
            keys: pairs.into_iter().collect(),
            pki: Pki::new("acme", service.sigstore.now),
            service,
        }
    }

    pub(super) fn hosts(&self) -> [&str; 2] {
        [&self.with_api.host, &self.without_api.host]
    }

    /// Signs, and asks cosign for its opinion, also after each change.
    pub(super) fn make(&self, recipe: &Recipe) -> SignedCase {
        let name = recipe.name();
        let registry = if recipe.form.referrers_api { &self.with_api } else { &self.without_api };
        let repository = name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-").replace("--", "-");
        let image = registry.push(&repository, "v1");
        for recipe in recipe.beside.iter().chain([recipe]) {
            let signed = run(sign(self, recipe, &registry.reference(&image)));
            assert!(signed.accepted, "{name}: cosign can't sign\n{}\n{}", signed.command, signed.output);
        }
        let other = registry.push(&repository, "v2");
        registry.carry(&image, &other);

        let asked = Asked {
            image: registry.reference(&image),
            signer: self.signer(recipe.by),
            log_required: recipe.form.log != Log::None,
            predicate: recipe.predicate,
            annotations: recipe.annotations.clone(),
        };
        let ask = |asked: &Asked| run(verify(self, recipe.form, recipe.by, asked));
        let twins = iter::once((Change::OtherImage, Asked { image: registry.reference(&other), ..asked.clone() }))
            .chain(changes(recipe.form, &asked))
            .map(|(change, asked)| Twin { change, cosign: ask(&asked), asked })
            .collect();
        SignedCase { name, form: recipe.form, cosign: ask(&asked), asked, twins, limit: recipe.limit_of_cosign() }
    }

    /// A file with this text.
    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        self.service.file_of(&format!("{}-{name}", &Digest::of(text.as_bytes()).hex()[..16]), text)
    }

    /// What a signer signs with.
    pub(super) fn material(&self, by: By) -> Material {
        match by {
            By::Key(kind) => Material::Key(self.keys[&kind].private.clone()),
            By::Email => Material::Token(self.service.token(&Identity::email())),
            By::GitHub => Material::Token(self.service.token(&Identity::github())),
            By::GitLab => Material::Token(self.service.token(&Identity::gitlab())),
            By::OwnPki => {
                let pair = &self.keys[&KeyKind::P256];
                let mut leaf = self.pki.certificate(email(OWN));
                leaf.profile.not_after += 24 * 3600;
                let leaf = leaf.issue_for(&pair.spki());
                Material::Certified {
                    key: pair.private.clone(),
                    certificate: self.file("leaf.pem", &certificate_pem(&leaf)),
                    chain: self.file("chain.pem", &self.pki.chain_pem()),
                }
            }
        }
    }

    /// A file with a predicate.
    pub(super) fn predicate(&self, predicate: Predicate) -> PathBuf {
        let text = match predicate.name {
            "slsaprovenance1" => {
                r#"{"buildDefinition":{"buildType":"https://acme.test/build","externalParameters":{}},
                    "runDetails":{"builder":{"id":"https://acme.test/builder"}}}"#
            }
            "spdxjson" => r#"{"spdxVersion":"SPDX-2.3","name":"app","packages":[]}"#,
            _ => r#"{"approved":true}"#,
        };
        self.file("predicate.json", text)
    }

    /// Who signs, as a verifier is asked.
    pub(super) fn signer(&self, by: By) -> Signer {
        match by {
            By::Key(kind) => Signer::Key(fs::read_to_string(&self.keys[&kind].public).unwrap()),
            By::Email => keyless(Identity::email()),
            By::GitHub => keyless(Identity::github()),
            By::GitLab => keyless(Identity::gitlab()),
            By::OwnPki => certificate(&self.pki),
        }
    }
}

const OWN: &str = "release@acme.test";

fn keyless(Identity { subject, issuer, .. }: Identity) -> Signer {
    Signer::Keyless { identity: subject, issuer }
}

fn certificate(pki: &Pki) -> Signer {
    Signer::Certificate { root: pki.root_pem(), intermediates: pki.intermediates_pem(), identity: OWN.to_owned() }
}

/// Other signers who differ in one thing.
pub(super) fn other_signers(signer: &Signer) -> Vec<(Change, Signer)> {
    match signer {
        Signer::Key(_) => vec![(Change::OtherKey, Signer::Key(SigningKey::generate(Scheme::P256).pem()))],
        Signer::Keyless { identity, issuer } => {
            let other = identity.replace("main", "develop").replace("dev@", "ops@");
            let evil = format!("{issuer}.evil.test");
            vec![
                (Change::OtherIdentity, Signer::Keyless { identity: other, issuer: issuer.clone() }),
                (Change::OtherIssuer, Signer::Keyless { identity: identity.clone(), issuer: evil }),
            ]
        }
        Signer::Certificate { root, intermediates, identity } => {
            let (root, intermediates) = (root.clone(), intermediates.clone());
            let other = Signer::Certificate { root, intermediates, identity: format!("not-{identity}") };
            let now = jiff::Timestamp::now().as_second();
            vec![(Change::OtherIdentity, other), (Change::OtherRoot, certificate(&Pki::new("other", now)))]
        }
    }
}

/// The questions that differ in one thing besides the image.
fn changes(form: Form, asked: &Asked) -> Vec<(Change, Asked)> {
    let signed_by = |(change, signer)| (change, Asked { signer, ..asked.clone() });
    let mut changes: Vec<_> = other_signers(&asked.signer).into_iter().map(signed_by).collect();
    if let Some(predicate) = asked.predicate {
        let other = PREDICATES.into_iter().find(|other| *other != predicate);
        changes.push((Change::OtherType, Asked { predicate: other, ..asked.clone() }));
    }
    if let Some((name, _)) = asked.annotations.first() {
        changes.push((Change::OtherAnnotation, Asked { annotations: vec![(name, "test")], ..asked.clone() }));
    }
    // For a certificate of an own PKI cosign would ask the public instance which logs there are.
    if form.log == Log::None && !matches!(asked.signer, Signer::Certificate { .. }) {
        changes.push((Change::LogDemanded, Asked { log_required: true, ..asked.clone() }));
    }
    changes
}

impl KeyPair {
    fn generate(service: &Service, kind: KeyKind) -> Self {
        let prefix = service.folder().join(kind.name());
        let plain = prefix.with_extension("pem");
        fs::write(&plain, pem("PRIVATE KEY", &kind.generate())).unwrap();
        let imported = run(import(service.folder(), &plain, &prefix));
        assert!(imported.accepted, "cosign can't import {kind:?}: {}", imported.output);
        Self { private: prefix.with_extension("key"), public: prefix.with_extension("pub") }
    }

    /// DER of the SPKI.
    fn spki(&self) -> Vec<u8> {
        let text = fs::read_to_string(&self.public).unwrap();
        x509_cert::der::Document::from_pem(&text).unwrap().1.into_vec()
    }
}

/// Does it to each, two at a time, and keeps the order.
pub(super) fn in_pairs<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(items.iter().enumerate());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((index, item)) = queue.lock().unwrap().next() else { return };
                    let result = work(item);
                    done.lock().unwrap().push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
