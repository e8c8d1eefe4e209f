//! Every field of a policy constrains: one image is right in all of them, and is denied with any one of them wrong.

use std::collections::{BTreeMap, BTreeSet};

use sealgate::api;
use sealgate::domain::Digest;
use sealgate::policy::{Defaults, Mode, PolicyCell, PolicySet};
use sealgate::signatures::{RootsCell, TrustedRoots};
use sealgate::verifier::Engine;
use serde_json::{Value, json};

use crate::support::signer::{SigningKey, edit, payload, statement};
use crate::support::sigstore::x509::uri;
use crate::support::sigstore::{Content, Identity, NOW, Pki, Signing, Sigstore};
use crate::support::verifier::{FakeRegistry, NoCredentials, World, answer, codes, policy, question, signature};

const APP: &str = "registry.example/app";
const APP_V1: &str = "registry.example/app:v1";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
const SUBJECT: &str = "https://ci.acme.test/build";
const ISSUER: &str = "https://login.acme.test";

/// The claims of a certificate, from extension 9 on.
const CLAIMS: [&str; 16] = [
    "buildSignerURI",
    "buildSignerDigest",
    "runnerEnvironment",
    "sourceRepositoryURI",
    "sourceRepositoryDigest",
    "sourceRepositoryRef",
    "sourceRepositoryIdentifier",
    "sourceRepositoryOwnerURI",
    "sourceRepositoryOwnerIdentifier",
    "buildConfigURI",
    "buildConfigDigest",
    "buildTrigger",
    "runInvocationURI",
    "sourceRepositoryVisibilityAtSigning",
    "deploymentEnvironment",
    "tokenSubject",
];

/// The fields that constrain nothing.
const FREE: [(&str, &str); 3] = [
    ("authorities[].name", "a name for `of`, `authorities` and denials"),
    ("attestations[].name", "a name for denials"),
    ("attestations[].conditions[].message", "what a denial says"),
];

/// One field: the image is admitted with the right value, and denied with the wrong one.
struct Row {
    /// As in the schema.
    field: String,
    spec: Value,
    /// Where the field is in the spec.
    pointer: String,
    right: Value,
    wrong: Value,
}

/// An image with signatures and statements of every kind, and those who made them.
struct Signed {
    registry: FakeRegistry,
    roots: RootsCell,
    key: SigningKey,
    logged: SigningKey,
    pki: Pki,
}

fn claim(number: u8) -> String {
    format!("claim {number}")
}

fn claims() -> BTreeMap<u8, String> {
    let issuer = [1, 8].map(|number| (number, ISSUER.to_owned()));
    (9..=24).map(|number| (number, claim(number))).chain(issuer).collect()
}

fn provenance(digest: &Digest, level: u8) -> Content {
    let statement = edit(&statement(digest), "/predicateType", json!(PROVENANCE));
    Content::statement(&edit(&statement, "/predicate", json!({ "level": level })))
}

fn identity() -> Identity {
    let token = json!({"iss": ISSUER, "sub": SUBJECT});
    Identity { claims: claims(), ..Identity::from_token(&token) }
}

impl Signed {
    fn new() -> Self {
        let registry = FakeRegistry::default();
        let digest = registry.push(APP_V1, b"app v1");
        let (sigstore, other) = (Sigstore::new("fields"), Sigstore::new("other"));
        let (key, logged) = (SigningKey::seeded("fields: key"), SigningKey::seeded("fields: logged key"));
        let pki = Pki::new("fields", NOW);
        let cosign = || Content::statement(&statement(&digest));
        let annotated = edit(&payload(&digest), "/optional", json!({"stage": "release"}));
        let own = pki.signing(uri(SUBJECT), cosign()).with(|it| {
            it.leaf().claims = claims();
            it.timestamps.push(sigstore.timestamp());
        });
        let candidates = [
            Signing::by_key(&key, Content::simple_signing(&annotated)).layer_candidate(),
            Signing::by_key(&logged, cosign()).with(|it| it.entries.push(sigstore.entry())).bundle_candidate(),
            sigstore.keyless(&identity(), cosign()).bundle_candidate(),
            own.bundle_candidate(),
            sigstore.keyless(&identity(), provenance(&digest, 3)).bundle_candidate(),
            sigstore.keyless(&identity(), provenance(&digest, 2)).bundle_candidate(),
        ];
        registry.sign(APP, digest, &candidates);
        let roots = RootsCell::default();
        let material = [("instance", &sigstore), ("other", &other)];
        let material = material.map(|(name, instance)| (name.to_owned(), Ok(instance.trusted_root().material())));
        roots.store(TrustedRoots::new(material.into()));
        Self { registry, roots, key, logged, pki }
    }

    /// The codes against the image under these policies, in a namespace with labels, where what no policy matches is denied.
    async fn ask(&self, specs: &[&Value]) -> Vec<&'static str> {
        let elsewhere = json!({
            "match": {"images": ["elsewhere.example/**"]},
            "authorities": [{"name": "nobody", "static": "Deny"}],
        });
        let specs = specs.iter().copied().chain([&elsewhere]).enumerate();
        let entries = specs.map(|(n, spec)| api::compile(&format!("p{n}"), spec)).collect();
        let labels = [("env", "prod"), ("tier", "web")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let policies = PolicyCell::default();
        policies.store(PolicySet::new(entries, BTreeMap::from([("shop".to_owned(), labels.into())])));
        let engine =
            Engine::new(self.registry.clone(), NoCredentials, policies, self.roots.clone(), Defaults::default());
        codes(&engine.verify(&question(&[APP_V1])).await.remove(0), Mode::Enforce)
    }

    /// A policy about the image, with one authority.
    fn spec(authority: &Value) -> Value {
        json!({"match": {"images": [APP]}, "authorities": [edit(authority, "/name", json!("a"))]})
    }

    fn by_key(&self) -> Value {
        Self::spec(&json!({"key": {"publicKey": self.key.pem()}}))
    }

    fn by_logged_key(&self) -> Value {
        let spec = Self::spec(&json!({"key": {"publicKey": self.logged.pem(), "trustedRoot": "instance"}}));
        edit(&spec, "/transparencyLog", json!("Required"))
    }

    fn keyless() -> Value {
        let identities = json!([{"issuer": ISSUER, "subject": SUBJECT}]);
        Self::spec(&json!({"keyless": {"trustedRoot": "instance", "identities": identities}}))
    }

    fn own_pki(&self) -> Value {
        Self::spec(&json!({"certificate": {
            "roots": self.pki.chain_pem(), "trustedRoot": "instance", "identities": [{"subject": SUBJECT}],
        }}))
    }

    fn attested() -> Value {
        let spec = edit(&Self::keyless(), "/require", json!({"atLeast": 0}));
        let attestation = json!({"name": "provenance", "predicateType": PROVENANCE, "conditions": [{"cel": "true"}]});
        edit(&spec, "/attestations", json!([attestation]))
    }

    /// One authority that vouches, `a`, and one that does not, `b`.
    fn two(spec: &Value) -> Value {
        let stranger = SigningKey::seeded("fields: stranger").pem();
        edit(spec, "/authorities/-", json!({"name": "b", "key": {"publicKey": stranger}}))
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = self.match_rows();
        rows.extend(self.authority_rows());
        rows.extend(Self::identity_rows("keyless", &Self::keyless()));
        rows.extend(Self::identity_rows("certificate", &self.own_pki()));
        rows.extend(self.demand_rows());
        rows.extend(Self::attestation_rows());
        rows
    }

    fn match_rows(&self) -> Vec<Row> {
        let by_key = self.by_key();
        let requirement = json!([{"key": "env", "operator": "In", "values": ["prod"]}]);
        let selecting = edit(&by_key, "/match/namespaceSelector", json!({ "matchExpressions": requirement }));
        let labelled = edit(&by_key, "/match/namespaceSelector", json!({}));
        let expression = "match.namespaceSelector.matchExpressions[].";
        vec![
            row("match.images", &by_key, &json!([APP]), &json!(["registry.example/other"])),
            row("match.excludeImages", &by_key, &json!(["registry.example/other"]), &json!([APP])),
            row("match.namespaces", &by_key, &json!(["shop"]), &json!(["shop-2"])),
            row("match.namespaceSelector.matchLabels", &labelled, &json!({"env": "prod"}), &json!({"env": "dev"})),
            row(&format!("{expression}key"), &selecting, &json!("env"), &json!("tier")),
            row(&format!("{expression}operator"), &selecting, &json!("In"), &json!("NotIn")),
            row(&format!("{expression}values"), &selecting, &json!(["prod"]), &json!(["dev"])),
        ]
    }

    fn authority_rows(&self) -> Vec<Row> {
        let stranger = SigningKey::seeded("fields: stranger").pem();
        let foreign = Pki::new("foreign", NOW).chain_pem();
        let fixed = Self::spec(&json!({"static": "Allow"}));
        let (instance, other) = (json!("instance"), json!("other"));
        vec![
            row("authorities[].key.publicKey", &self.by_key(), &json!(self.key.pem()), &json!(stranger)),
            row("authorities[].key.trustedRoot", &self.by_logged_key(), &instance, &other),
            row("authorities[].keyless.trustedRoot", &Self::keyless(), &instance, &other),
            row("authorities[].certificate.roots", &self.own_pki(), &json!(self.pki.chain_pem()), &json!(foreign)),
            row("authorities[].certificate.trustedRoot", &self.own_pki(), &instance, &other),
            row("authorities[].static", &fixed, &json!("Allow"), &json!("Deny")),
        ]
    }

    fn identity_rows(kind: &str, spec: &Value) -> Vec<Row> {
        let field = |name: &str| format!("authorities[].{kind}.identities[].{name}");
        let at = format!("/authorities/0/{kind}/identities/0");
        let expression = edit(spec, &at, json!({"issuer": ISSUER, "subjectRegExp": "x"}));
        let claiming = edit(spec, &format!("{at}/claims"), json!({}));
        let mut rows = vec![
            row(&field("issuer"), spec, &json!(ISSUER), &json!("https://login.acme.test/")),
            row(&field("subject"), spec, &json!(SUBJECT), &json!("https://ci.acme.test/buil")),
            row(
                &field("subjectRegExp"),
                &expression,
                &json!(r"https://ci\.acme\.test/[a-z]+"),
                &json!(r"https://ci\.acme\.test/[a-z]"),
            ),
        ];
        let claims = (9..).zip(CLAIMS);
        rows.extend(claims.map(|(number, name)| {
            row(&field(&format!("claims.{name}")), &claiming, &json!(claim(number)), &json!(claim(number + 1)))
        }));
        rows
    }

    fn demand_rows(&self) -> Vec<Row> {
        let two = Self::two(&self.by_key());
        let two = edit(&two, "/require", json!({}));
        let signature = edit(&self.by_key(), "/signature", json!({}));
        let rooted = edit(&self.by_key(), "/authorities/0/key/trustedRoot", json!("instance"));
        let unsigned = Self::spec(&json!({"key": {"publicKey": SigningKey::seeded("fields: stranger").pem()}}));
        vec![
            row("mode", &unsigned, &json!("Audit"), &json!("Enforce")),
            row("require.atLeast", &two, &json!(1), &json!(2)),
            row("require.all", &two, &json!(false), &json!(true)),
            row("require.of", &two, &json!(["a"]), &json!(["b"])),
            row("signature.annotations", &signature, &json!({"stage": "release"}), &json!({"stage": "test"})),
            row("signature.repository", &signature, &json!(APP), &json!("registry.example/signatures")),
            row("transparencyLog", &rooted, &json!("WhenPresent"), &json!("Required")),
        ]
    }

    fn attestation_rows() -> Vec<Row> {
        let attested = Self::attested();
        let two = Self::two(&attested);
        let three = edit(&attested, "/attestations/0/conditions/0/cel", json!("predicate.level == 3"));
        let rego = edit(&attested, "/attestations/0/conditions/0", json!({}));
        let module = |level| {
            json!(format!(
                "package sealgate\nimport rego.v1\ndeny contains \"level\" if input.predicate.level < {level}\n"
            ))
        };
        let mut rows = vec![
            row("attestations[].predicateType", &attested, &json!(PROVENANCE), &json!("https://spdx.dev/Document")),
            row("attestations[].authorities", &two, &json!(["a"]), &json!(["b"])),
            row("attestations[].match", &three, &json!("Any"), &json!("All")),
            row(
                "attestations[].conditions[].cel",
                &attested,
                &json!("predicate.level == 3"),
                &json!("predicate.level == 4"),
            ),
        ];
        if cfg!(feature = "rego") {
            rows.push(row("attestations[].conditions[].rego", &rego, &module(3), &module(4)));
        }
        rows
    }
}

/// A row whose field is at the first place of each list.
fn row(field: &str, spec: &Value, right: &Value, wrong: &Value) -> Row {
    let pointer = format!("/{}", field.replace("[]", ".0").replace('.', "/"));
    Row { field: field.to_owned(), spec: spec.clone(), pointer, right: right.clone(), wrong: wrong.clone() }
}

/// The fields of a schema that have no fields themselves.
fn fields(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(items) = schema.get("items").filter(|items| items.get("properties").is_some()) {
        fields(items, &format!("{path}[]"), found);
    } else if let Some(properties) = schema["properties"].as_object() {
        for (name, field) in properties {
            let separator = if path.is_empty() { "" } else { "." };
            fields(field, &format!("{path}{separator}{name}"), found);
        }
    } else {
        found.insert(path.to_owned());
    }
}

#[test]
fn pol_16_every_field_of_the_schema_has_a_row() {
    let mut expected = BTreeSet::new();
    fields(api::crd().pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap(), "", &mut expected);
    assert!(expected.len() > 50, "{expected:?}");
    let free = FREE.iter().map(|(field, _)| (*field).to_owned());
    let mut covered: BTreeSet<_> = Signed::new().rows().into_iter().map(|row| row.field).chain(free).collect();
    if !cfg!(feature = "rego") {
        // Without the feature a policy with Rego is not ready, which a test of its own shows.
        covered.insert("attestations[].conditions[].rego".to_owned());
    }
    assert_eq!(expected, covered);
}

#[tokio::test]
async fn pol_16_an_image_that_is_right_but_for_one_field_is_denied() {
    let signed = Signed::new();
    let mut failures = Vec::new();
    for Row { field, spec, pointer, right, wrong } in signed.rows() {
        let admitted = signed.ask(&[&edit(&spec, &pointer, right)]).await;
        if !admitted.is_empty() {
            failures.push(format!("{field}: the right value is denied, {admitted:?}"));
        }
        let denied = signed.ask(&[&edit(&spec, &pointer, wrong)]).await;
        // A policy that can't be used, or an answer that is missing, would show nothing of the field.
        let telling = |code: &&str| !["POLICY_ERROR", "INTERNAL_ERROR", "TRUSTED_ROOT_UNAVAILABLE"].contains(code);
        if !denied.iter().any(telling) {
            failures.push(format!("{field}: the wrong value is not denied for it, {denied:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn pol_15_both_keys_count_while_they_overlap_and_a_removed_one_no_more() {
    let (old, new) = (SigningKey::new(), SigningKey::new());
    let world = World::new(vec![policy("p", &["**"], &[&old, &new])]);
    let images = ["registry.example/before:v1", "registry.example/after:v1"];
    for (image, key) in images.into_iter().zip([&old, &new]) {
        let digest = world.registry.push(image, image.as_bytes());
        world.registry.sign(image.trim_end_matches(":v1"), digest, &[signature(key, &digest)]);
    }
    let answers = async || world.ask(&images).await.iter().map(answer).collect::<Vec<_>>();
    assert_eq!(answers().await, ["ALLOW", "ALLOW"]);
    world.store(vec![policy("p", &["**"], &[&new])]);
    assert_eq!(answers().await, ["SIGNER_MISMATCH", "ALLOW"]);
    world.store(vec![policy("p", &["**"], &[&old])]);
    assert_eq!(answers().await, ["ALLOW", "SIGNER_MISMATCH"]);
}

const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

#[tokio::test]
async fn pol_10_key_keyless_and_attestations_are_all_demanded_in_any_order() {
    let signed = Signed::new();
    let right = [signed.by_key(), Signed::keyless(), Signed::attested()];
    let wrong = [
        edit(&right[0], "/authorities/0/key/publicKey", json!(SigningKey::new().pem())),
        edit(&right[1], "/authorities/0/keyless/identities/0/subject", json!("https://ci.acme.test/other")),
        edit(&right[2], "/attestations/0/conditions/0/cel", json!("predicate.level > 3")),
    ];
    for order in ORDERS {
        assert!(signed.ask(&order.map(|n| &right[n])).await.is_empty(), "{order:?}");
        for bad in 0..3 {
            let specs = order.map(|n| if n == bad { &wrong[n] } else { &right[n] });
            assert_eq!(signed.ask(&specs).await.len(), 1, "{order:?} with {bad} wrong");
        }
    }
}

#[tokio::test]
async fn pol_11_a_broad_key_does_not_excuse_a_narrow_identity_or_attestation() {
    let signed = Signed::new();
    let broad = edit(&signed.by_key(), "/match/images", json!(["**"]));
    for (narrow, pointer, wrong) in [
        (Signed::keyless(), "/authorities/0/keyless/identities/0/issuer", "https://login.evil.test"),
        (Signed::attested(), "/attestations/0/predicateType", "https://spdx.dev/Document"),
    ] {
        assert!(signed.ask(&[&broad, &narrow]).await.is_empty());
        let refused = edit(&narrow, pointer, json!(wrong));
        assert_eq!(signed.ask(&[&broad, &refused]).await.len(), 1, "{pointer}");
        assert_eq!(signed.ask(&[&refused, &broad]).await.len(), 1, "{pointer}");
    }
}

#[tokio::test]
async fn pol_09_a_trial_of_attestations_denies_nothing_beside_an_enforced_identity() {
    let signed = Signed::new();
    let unattested = edit(&Signed::attested(), "/attestations/0/conditions/0/cel", json!("predicate.level > 3"));
    let trial = edit(&unattested, "/mode", json!("Audit"));
    let keyless = Signed::keyless();
    for specs in [[&trial, &keyless], [&keyless, &trial]] {
        assert!(signed.ask(&specs).await.is_empty());
    }
    for specs in [[&unattested, &keyless], [&keyless, &unattested]] {
        assert_eq!(signed.ask(&specs).await, ["ATTESTATION_REFUSED"]);
    }
}

#[tokio::test]
async fn att_10_one_of_two_statements_is_enough_unless_all_must_hold() {
    let signed = Signed::new();
    let three = edit(&Signed::attested(), "/attestations/0/conditions/0/cel", json!("predicate.level == 3"));
    assert!(signed.ask(&[&three]).await.is_empty(), "any of them is the default");
    assert!(signed.ask(&[&edit(&three, "/attestations/0/match", json!("Any"))]).await.is_empty());
    let all = edit(&three, "/attestations/0/match", json!("All"));
    assert_eq!(signed.ask(&[&all]).await, ["ATTESTATION_REFUSED"]);
    let both = edit(&all, "/attestations/0/conditions/0/cel", json!("predicate.level >= 2"));
    assert!(signed.ask(&[&both]).await.is_empty());
}

#[tokio::test]
async fn att_01_a_statement_of_another_type_is_not_the_one_that_is_demanded() {
    let signed = Signed::new();
    assert!(signed.ask(&[&Signed::attested()]).await.is_empty());
    let other = edit(&Signed::attested(), "/attestations/0/predicateType", json!("https://spdx.dev/Document"));
    assert_eq!(signed.ask(&[&other]).await, ["NO_ATTESTATION"]);
}
