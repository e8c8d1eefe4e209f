//! What the targets `evidence` and `path` put together: good signatures in every form, forged ones, and certificates.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealgate::domain::Digest;
use serde_json::{Value, json};
use x509_cert::der::Encode as _;

use super::MANIFEST;
use crate::support::signer::{SigningKey, edit, payload, statement};
use crate::support::sigstore::changes::changes;
use crate::support::sigstore::x509::{dns, email, permitted_names};
use crate::support::sigstore::{
    Authority, CodeSigning, Content, Form, Identity, NOW, Pki, Profile, Shape, Side, Signing, Sigstore, TrustedRoot,
    Version,
};

const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// The place of a form in the table moves on by so many, so that each change is there in two of them.
const STRIDE: usize = 7;

/// Signatures, and what they are verified with.
pub(super) fn evidence() -> Value {
    let (sigstore, key) = (Sigstore::new("a"), SigningKey::seeded("a key"));
    let forms = sigstore.every_form(&key, MANIFEST);
    let mut stored: Vec<Value> = forms.iter().map(|form| stored(form, signer(form), "image")).collect();
    stored.extend(others(&sigstore, &key));
    let mut root = sigstore.trusted_root();
    for (number, change) in changes().iter().enumerate() {
        let made = |form| change.case(&sigstore, form, Side::Forged);
        let cases: Vec<_> = forms.iter().filter_map(made).collect();
        for at in [number, number + STRIDE] {
            let case = &cases[at % cases.len()];
            add(&mut root, &case.root);
            let name = format!("{}: {}", case.form.name, change.name);
            let mut forged = self::stored(&case.form, "nobody", "image");
            forged["name"] = name.into();
            stored.push(forged);
        }
    }
    json!({
        "root": root.json(),
        "own": Pki::new("own", NOW).root_pem(),
        "keys": [key.pem(), SigningKey::seeded("another key").pem()],
        "stored": stored,
    })
}

fn signer(form: &Form) -> &'static str {
    match &form.signing.certificate {
        None => "key",
        Some(_) if form.name.contains("own PKI") => "developer",
        Some(_) => "github",
    }
}

/// Signatures of other things, and by others.
fn others(sigstore: &Sigstore, key: &SigningKey) -> Vec<Value> {
    let own = Pki::new("own", NOW);
    let another = SigningKey::seeded("another key");
    let stranger = SigningKey::seeded("a stranger");
    let image = Digest::of(MANIFEST);
    let signed = statement(&image);
    let elsewhere = statement(&Digest::of(b"another image"));
    let stated = edit(&signed, "/predicateType", json!(PROVENANCE));
    let mut all = Vec::new();
    for (says, statement) in [("image", &signed), ("provenance", &stated), ("another image", &elsewhere)] {
        let content = Content::statement(statement);
        let logged = |signing: Signing| signing.with(|it| it.entries.push(sigstore.entry()));
        // A bundle of this version has a place for the authority in between.
        let owned = |name: &str| own.signing(email(name), content.clone()).with(|it| it.version = Version::V02);
        let signings = [
            ("key", Signing::by_key(key, content.clone())),
            ("another key", Signing::by_key(&another, content.clone())),
            ("another key", logged(Signing::by_key(&another, content.clone()))),
            ("stranger", logged(Signing::by_key(&stranger, content.clone()))),
            ("github", sigstore.keyless(&Identity::github(), content.clone())),
            ("github", sigstore.keyless_v2(&Identity::github(), content.clone())),
            ("stranger", sigstore.keyless(&Identity::gitlab(), content.clone())),
            ("stranger", Sigstore::new("b").keyless(&Identity::github(), content.clone())),
            ("developer", owned("dev@acme.test")),
            ("stranger", owned("other@acme.test")),
        ];
        for (number, (signer, signing)) in signings.into_iter().enumerate() {
            let is_layer = number % 2 == 1 && signing.entries.iter().all(|entry| entry.promise);
            let shape = if is_layer { Shape::Layer } else { Shape::Bundle };
            all.push(stored(&Form { name: "other", signing, shape }, signer, says));
        }
    }
    let simple = Content::simple_signing(&payload(&Digest::of(b"another image")));
    let simple = Form { name: "other", signing: Signing::by_key(key, simple), shape: Shape::Layer };
    all.push(stored(&simple, "key", "another image"));
    all
}

/// As the target reads it.
fn stored(form: &Form, signer: &str, says: &str) -> Value {
    let head = json!({"name": form.name, "signer": signer, "says": says, "logged": !form.signing.entries.is_empty()});
    let mut stored = head;
    match form.shape {
        Shape::Bundle => {
            stored["shape"] = "bundle".into();
            stored["document"] = form.signing.bundle().to_string().into();
        }
        Shape::Layer => {
            let layer = form.signing.layer();
            let is_message = matches!(form.signing.content, Content::Message(_));
            stored["shape"] = if is_message { "sig" } else { "att" }.into();
            stored["document"] = String::from_utf8(layer.payload).unwrap().into();
            stored["annotations"] = json!(layer.annotations);
        }
    }
    stored
}

/// All that another root trusts beside what is there.
fn add(root: &mut TrustedRoot, other: &TrustedRoot) {
    let known: HashSet<_> = root.logs.iter().map(|log| log.id).collect();
    root.logs.extend(other.logs.iter().filter(|log| !known.contains(&log.id)).cloned());
    let known: HashSet<_> = root.certificate_logs.iter().map(|log| log.id).collect();
    root.certificate_logs.extend(other.certificate_logs.iter().filter(|log| !known.contains(&log.id)).cloned());
    for (chains, others) in [
        (&mut root.certificate_authorities, &other.certificate_authorities),
        (&mut root.timestamp_authorities, &other.timestamp_authorities),
    ] {
        for chain in others {
            if chains.iter().all(|known| known.certificates != chain.certificates) {
                chains.push(chain.clone());
            }
        }
    }
}

/// Certificates of an own PKI with all that the target needs to know of them, and a layer that the key of all leaves has signed.
pub(super) fn path() -> Value {
    let mut pool = Pool::default();
    let day = 24 * 3600;
    let free = |name: &str| Profile { basic_constraints: Some((true, None)), ..Profile::root(name, NOW) };
    let root = pool.root("root", "root", &free("root"));
    let limited =
        pool.root("limited root", "limited", &Profile { basic_constraints: Some((true, Some(1))), ..free("limited") });
    let ended = pool.root("ended root", "ended", &Profile { not_after: NOW - day, ..free("ended") });
    // Another key in the name of the first root.
    let namesake = pool.root("namesake", "namesake", &free("root"));
    // Names are restricted to one domain, in which one of the leaves is.
    let mut inside = free("restricted");
    inside.extensions.push(permitted_names(&[dns("acme.test")]));
    let restricted = pool.under(&root, "restricted", "restricted", &inside);
    let upper = pool.under(&root, "upper", "upper", &free("upper"));
    let lower = pool.under(&upper, "lower", "lower", &free("lower"));
    pool.under(&limited, "upper by the limited root", "upper", &free("upper"));
    pool.under(&ended, "upper by the ended root", "upper", &free("upper"));
    pool.under(&namesake, "upper by the namesake", "upper", &free("upper"));
    pool.under(&upper, "lower that has ended", "lower", &Profile { not_after: NOW - 1, ..free("lower") });
    pool.under(
        &upper,
        "lower that is none",
        "lower",
        &Profile { basic_constraints: Some((false, None)), ..free("lower") },
    );
    let most = Profile { basic_constraints: Some((true, Some(0))), ..free("last") };
    let last = pool.under(&lower, "last", "last", &most);
    let below = pool.under(&last, "below the last", "below", &free("below"));
    // Each has signed the other, and the new root the old one.
    pool.under(&lower, "upper by lower", "upper", &free("upper"));
    pool.under(&root, "ended, again", "ended", &free("ended"));
    pool.under(&ended, "root by the ended one", "root", &free("root"));
    let mut deep = lower.clone();
    for number in 0..6 {
        let name = format!("deep {number}");
        deep = pool.under(&deep, &name, &name, &free(&name));
    }
    for issuer in [&root, &limited, &ended, &restricted, &upper, &lower, &last, &below, &deep] {
        for name in ["acme.test", "other.test"] {
            pool.leaf(issuer, name);
        }
    }
    let layer = Signing::by_key(&leaf_key(), Content::statement(&statement(&Digest::of(MANIFEST)))).layer();
    json!({"certificates": pool.0, "document": String::from_utf8(layer.payload).unwrap()})
}

fn leaf_key() -> SigningKey {
    SigningKey::seeded("any leaf")
}

#[derive(Default)]
struct Pool(Vec<Value>);

impl Pool {
    fn root(&mut self, name: &str, key: &str, profile: &Profile) -> Authority {
        let root = Authority::root(&SigningKey::seeded(key), profile);
        self.add(name, key, key, profile, &profile.subject, &root);
        root
    }

    fn under(&mut self, issuer: &Authority, name: &str, key: &str, profile: &Profile) -> Authority {
        let authority = issuer.child(&SigningKey::seeded(key), profile);
        let (signed_by, issuer) = (self.key_of(issuer), issuer.certificate.tbs_certificate.subject.to_string());
        self.add(name, key, &signed_by, profile, &issuer, &authority);
        authority
    }

    fn leaf(&mut self, issuer: &Authority, name: &str) {
        let signing = CodeSigning::own(issuer, vec![dns(name)], NOW);
        let certificate = signing.issue(&leaf_key());
        let der = STANDARD.encode(certificate.to_der().unwrap());
        let (signed_by, issuer) = (self.key_of(issuer), issuer.certificate.tbs_certificate.subject.to_string());
        self.0.push(json!({"leaf": name, "der": der, "issuer": issuer, "signedBy": signed_by}));
    }

    fn add(&mut self, name: &str, key: &str, signed_by: &str, profile: &Profile, issuer: &str, made: &Authority) {
        let (is_authority, limit) = profile.basic_constraints.unwrap_or_default();
        self.0.push(json!({
            "name": name, "der": STANDARD.encode(made.der()), "subject": profile.subject, "key": key,
            "issuer": issuer, "signedBy": signed_by, "isAuthority": is_authority, "limit": limit,
            "isValid": (profile.not_before..=profile.not_after).contains(&(NOW + 60)),
            "only": (!profile.extensions.is_empty()).then_some("acme.test"),
        }));
    }

    /// The name of an authority's key.
    fn key_of(&self, authority: &Authority) -> String {
        let der = STANDARD.encode(authority.der());
        let known = self.0.iter().find(|known| known["der"] == json!(der)).unwrap();
        known["key"].as_str().unwrap().to_owned()
    }
}

/// Programs to begin with: one thing alone, things side by side, and things of which one is changed.
pub(super) fn programs(pool: &Value) -> [(&'static str, Vec<u8>); 7] {
    let stored = pool["stored"].as_array().unwrap();
    let at = |signer: &str, says: &str, logged: bool| {
        let fits = |it: &Value| it["signer"] == signer && it["says"] == says && it["logged"] == logged;
        u8::try_from(stored.iter().position(fits).unwrap()).unwrap()
    };
    let (key, github) = (at("key", "image", true), at("github", "image", true));
    let (own, another) = (at("developer", "image", false), at("another key", "image", false));
    let provenance = at("github", "provenance", true);
    let forged = u8::try_from(stored.len() - 1).unwrap();
    [
        ("key", vec![0, key, 0]),
        ("keyless", vec![2, github, 0]),
        ("several", vec![5, key, 0, github, 0, own, 0, another, 0]),
        ("two-keys", vec![6, key, 0, another, 0]),
        ("attested", vec![7, provenance, 0, github, 0, forged, 0]),
        ("swapped", vec![2, github, 2, 0, 2, forged, 0, 5, forged, key, 0]),
        ("flipped", vec![2, github, 1, 129, 7, 40, forged, 0]),
    ]
}

/// Paths to begin with, in the words of the target `path`.
pub(super) fn paths(pool: &Value) -> [(&'static str, Vec<u8>); 6] {
    let certificates = pool["certificates"].as_array().unwrap();
    let named = |name: &str| u8::try_from(certificates.iter().position(|it| it["name"] == name).unwrap()).unwrap();
    let leaf_of = |subject: &str| {
        let fits = |it: &Value| it["leaf"] == "acme.test" && it["issuer"] == subject;
        u8::try_from(certificates.iter().position(fits).unwrap()).unwrap()
    };
    let of = |name: &str| leaf_of(certificates[usize::from(named(name))]["subject"].as_str().unwrap());
    [
        ("direct", vec![1, 0, of("root")]),
        ("chain", vec![1, 0, of("last"), named("last"), named("lower"), named("upper"), named("root")]),
        ("crossed", vec![3, 0, of("lower"), named("lower"), named("upper by the limited root")]),
        ("loop", vec![1, 0, of("lower"), named("lower"), named("upper by lower"), named("lower"), named("upper")]),
        ("restricted", vec![1, 0, of("restricted"), named("restricted")]),
        ("changed", vec![1, 0, of("lower"), named("lower"), 255, 1, 90, named("upper")]),
    ]
}
