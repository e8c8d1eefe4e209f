//! What policies demand to be stated about an image, beside its signature or instead of it.

use sealgate::signatures::Candidate;
use serde_json::Value;

use crate::support::signer::{edit, statement};
use crate::support::sigstore::{Content, Identity, Signing, Sigstore};
use crate::support::verifier::{by_key, keyless, policy_by};

use super::*;

const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
const SBOM: &str = "https://spdx.dev/Document";

/// A statement of a type, as `cosign attest` makes it.
fn stated(digest: &Digest, predicate_type: &str, predicate: &Value) -> Value {
    edit(&edit(&statement(digest), "/predicateType", json!(predicate_type)), "/predicate", predicate.clone())
}

/// The two shapes in which it is stored.
fn shapes(key: &SigningKey, statement: &Value) -> [Candidate; 2] {
    let signing = Signing::by_key(key, Content::statement(statement));
    [signing.bundle_candidate(), placed(signing.layer_candidate(), Place::AttestationTag, 0)]
}

/// Provenance by a builder, in a bundle.
fn built_by(key: &SigningKey, digest: &Digest, builder: &str) -> Candidate {
    let [bundle, _] = shapes(key, &stated(digest, PROVENANCE, &json!({"builder": {"id": builder}})));
    bundle
}

/// The demand for provenance, with members of its own.
fn provenance(members: &Value) -> Value {
    let mut demand = json!({
        "name": "provenance", "predicateType": PROVENANCE,
        "conditions": [{"cel": "predicate.builder.id == 'ours'", "message": "built by an unknown builder"}],
    });
    demand.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    demand
}

/// One policy over everything, whose authority `a` must have attested, and signed if it says so; `app:v1` is there.
fn demanding(key: &SigningKey, signatures: usize, demand: &Value) -> (World, Digest) {
    let members = json!({"require": {"atLeast": signatures}, "attestations": [demand]});
    let world = World::new(vec![policy_with("p", &["**"], &[key], &members)]);
    let digest = world.registry.push(APP_V1, b"app v1");
    (world, digest)
}

async fn ask(world: &World, digest: Digest, candidates: &[Candidate]) -> &'static str {
    world.registry.sign(APP, digest, candidates);
    answer(&world.ask_one(APP_V1).await)
}

#[tokio::test(start_paused = true)]
async fn dos_15_conditions_never_hold_the_turns_of_signature_checks() {
    const OTHER: &str = "registry.example/other";
    let key = SigningKey::new();
    let members = json!({"require": {"atLeast": 0}, "attestations": [provenance(&json!({}))]});
    let attested = policy_with("attested", &[OTHER], &[&key], &members);
    let world = World::new(vec![policy("signed", &[APP], &[&key]), attested]);
    let digest = world.registry.push(APP_V1, b"app v1");
    world.registry.sign(APP, digest, &[signature(&key, &digest)]);
    let other = world.registry.push("registry.example/other:v1", b"other v1");
    world.registry.sign(OTHER, other, &[built_by(&key, &other, "ours")]);
    // As if other conditions had taken all turns, for good.
    for (turns, expected) in [(0, ["DEADLINE_EXCEEDED", "ALLOW"]), (1, ["ALLOW"; 2])] {
        let engine = world.engine().with_condition_turns(turns);
        let verdicts = engine.verify(&question(&["registry.example/other:v1", APP_V1])).await;
        assert_eq!(verdicts.iter().map(answer).collect::<Vec<_>>(), expected, "{turns}");
    }
}

#[tokio::test]
async fn att_01_a_statement_of_another_type_or_by_another_signer_is_none() {
    let (key, stranger) = (SigningKey::new(), SigningKey::new());
    let (world, digest) = demanding(&key, 1, &json!({"name": "provenance", "predicateType": PROVENANCE}));
    let signed = signature(&key, &digest);
    for shape in [0, 1] {
        let of = |key, predicate_type| shapes(key, &stated(&digest, predicate_type, &json!({})))[shape].clone();
        for (what, beside) in [
            ("nothing", vec![]),
            ("another type", vec![of(&key, SBOM)]),
            ("another signer", vec![of(&stranger, PROVENANCE)]),
            ("both", vec![of(&key, SBOM), of(&stranger, PROVENANCE)]),
        ] {
            let mut candidates = beside;
            candidates.push(signed.clone());
            world.registry.sign(APP, digest, &candidates);
            let verdict = world.ask_one(APP_V1).await;
            assert_eq!(answer(&verdict), "NO_ATTESTATION", "{what}");
            assert_eq!(rejection(&verdict).class().as_str(), "attestation");
            assert_eq!(verdict.pin(), None);
            candidates.push(of(&key, PROVENANCE));
            world.registry.sign(APP, digest, &candidates);
            let verdict = world.ask_one(APP_V1).await;
            assert_eq!((answer(&verdict), verdict.pin()), ("ALLOW", Some(&digest)), "the twin of {what}");
        }
        let attested = [of(&key, PROVENANCE)];
        assert_eq!(ask(&world, digest, &attested).await, "NO_SIGNATURE", "what is stated does not sign");
    }
}

#[tokio::test]
async fn att_01_what_is_missing_is_told_with_what_is_there_instead() {
    let key = SigningKey::new();
    let (world, digest) = demanding(&key, 0, &json!({"name": "provenance", "predicateType": PROVENANCE}));
    let told = async |candidates: &[Candidate]| {
        world.registry.sign(APP, digest, candidates);
        rejection(&world.ask_one(APP_V1).await).to_string()
    };
    let short = &digest.hex()[..8];
    let places = format!(
        "looked at the referrers API, tag sha256-{short}….sig, tag sha256-{short}….att and tag sha256-{short}… of {APP}"
    );
    let start = format!("no attestation provenance (type {PROVENANCE}) by authority a, {}; {places}", key.public());
    assert_eq!(told(&[]).await, start);
    let others = [SBOM, "https://cyclonedx.org/bom", SBOM].map(|other| {
        let [bundle, _] = shapes(&key, &stated(&digest, other, &json!({})));
        bundle
    });
    let listed = format!("{start}; found statements of other types: https://cyclonedx.org/bom, {SBOM}");
    assert_eq!(told(&others).await, listed);
    let stranger = SigningKey::new();
    let mut nearer = others.to_vec();
    nearer.push(built_by(&stranger, &digest, "ours"));
    assert!(told(&nearer).await.starts_with(&format!("{start}; nearest: ")), "{}", told(&nearer).await);
    nearer.reverse();
    assert!(told(&nearer).await.starts_with(&format!("{start}; nearest: ")), "in any order");
}

#[tokio::test]
async fn att_02_a_statement_is_what_it_says_itself() {
    let key = SigningKey::new();
    let (world, digest) = demanding(&key, 0, &json!({"name": "provenance", "predicateType": PROVENANCE}));
    for (says, is, expected) in
        [(PROVENANCE, SBOM, "NO_ATTESTATION"), (SBOM, PROVENANCE, "ALLOW"), (PROVENANCE, PROVENANCE, "ALLOW")]
    {
        let signing = Signing::by_key(&key, Content::statement(&stated(&digest, is, &json!({}))));
        let labelled = signing.with(|it| {
            it.edit_annotations.set(move |all| drop(all.insert("predicateType".to_owned(), says.to_owned())));
        });
        let layer = placed(labelled.layer_candidate(), Place::AttestationTag, 0);
        assert_eq!(ask(&world, digest, &[layer]).await, expected, "says {says}, is {is}");
    }
}

#[tokio::test]
async fn att_04_a_statement_about_another_image_counts_for_nothing() {
    let key = SigningKey::new();
    let (world, digest) = demanding(&key, 0, &json!({"name": "provenance", "predicateType": PROVENANCE}));
    let other = Digest::of(b"another image");
    let about = |subjects: Vec<Value>| {
        let statement = edit(&stated(&digest, PROVENANCE, &json!({})), "/subject", json!(subjects));
        let [bundle, _] = shapes(&key, &statement);
        bundle
    };
    let subject = |digest: &Digest| json!({"name": "x", "digest": {"sha256": digest.hex()}});
    let at = |place: usize| {
        let mut subjects = vec![subject(&other); place - 1];
        subjects.push(subject(&digest));
        about(subjects)
    };
    assert_eq!(ask(&world, digest, &[about(vec![subject(&other)])]).await, "NO_ATTESTATION");
    assert_eq!(ask(&world, digest, &[about(vec![subject(&other), subject(&digest)])]).await, "ALLOW");
    assert_eq!(ask(&world, digest, &[at(1024)]).await, "ALLOW");
    world.registry.sign(APP, digest, &[at(1025)]);
    let verdict = world.ask_one(APP_V1).await;
    assert_eq!(answer(&verdict), "SIGNATURE_LIMIT");
    assert_eq!(rejection(&verdict).class().as_str(), "limit-exceeded");
}

#[tokio::test]
async fn att_08_a_condition_that_can_not_be_evaluated_denies() {
    let key = SigningKey::new();
    for (cel, expected) in [
        ("predicate.builder.id == 'ours'", "ALLOW"),
        ("predicate.builder.id == 'theirs'", "ATTESTATION_REFUSED"),
        ("predicate.builder.name == 'ours'", "POLICY_ERROR"),
        ("predicate.builder.id > 1", "POLICY_ERROR"),
        ("!(predicate.builder.id > 1)", "POLICY_ERROR"),
        ("predicate.missing.id != 'theirs'", "POLICY_ERROR"),
    ] {
        for matching in ["Any", "All"] {
            let demand = provenance(&json!({"match": matching, "conditions": [{"cel": cel}]}));
            let (world, digest) = demanding(&key, 0, &demand);
            let candidates = [built_by(&key, &digest, "ours")];
            assert_eq!(ask(&world, digest, &candidates).await, expected, "{cel}, {matching}");
        }
    }
    // Where one is enough, another statement may be that one.
    let strict = json!({"conditions": [{"cel": "predicate.builder.id == 'ours'"}]});
    for (matching, expected) in [("Any", "ALLOW"), ("All", "POLICY_ERROR")] {
        let (world, digest) = demanding(&key, 0, &edit(&provenance(&strict), "/match", json!(matching)));
        let [odd, _] = shapes(&key, &stated(&digest, PROVENANCE, &json!({"no": "builder"})));
        let mut candidates = [odd, built_by(&key, &digest, "ours")];
        assert_eq!(ask(&world, digest, &candidates).await, expected);
        candidates.reverse();
        assert_eq!(ask(&world, digest, &candidates).await, expected);
    }
}

#[tokio::test]
async fn att_10_one_of_two_statements_satisfies_any_and_not_all() {
    let (key, stranger) = (SigningKey::new(), SigningKey::new());
    let all = json!({"match": "All"});
    for (what, members, builders, expected) in [
        ("the default", json!({}), &["theirs", "ours"][..], "ALLOW"),
        ("any", json!({"match": "Any"}), &["theirs", "ours"], "ALLOW"),
        ("any of none that satisfy", json!({"match": "Any"}), &["theirs", "others"], "ATTESTATION_REFUSED"),
        ("any of none", json!({"match": "Any"}), &[], "NO_ATTESTATION"),
        ("all", all.clone(), &["theirs", "ours"], "ATTESTATION_REFUSED"),
        ("all, the twin", all.clone(), &["ours"], "ALLOW"),
        ("all of none", all, &[], "NO_ATTESTATION"),
    ] {
        for signatures in [0, 1] {
            let (world, digest) = demanding(&key, signatures, &provenance(&members));
            let mut candidates: Vec<_> = builders.iter().map(|builder| built_by(&key, &digest, builder)).collect();
            // What somebody else states, what is about something else, and junk count neither for nor against.
            candidates.push(built_by(&stranger, &digest, "theirs"));
            candidates.push(built_by(&stranger, &digest, "ours"));
            candidates.push(built_by(&key, &Digest::of(b"another image"), "theirs"));
            let [other_type, _] = shapes(&key, &stated(&digest, SBOM, &json!({"builder": {"id": "theirs"}})));
            candidates.push(other_type);
            candidates.push(bundle(b"junk"));
            candidates.push(signature(&key, &digest));
            assert_eq!(ask(&world, digest, &candidates).await, expected, "{what}");
            candidates.reverse();
            assert_eq!(ask(&world, digest, &candidates).await, expected, "{what}, the other way round");
        }
    }
}

fn bundle(bytes: &[u8]) -> Candidate {
    let content = UntrustedContent::Bundle(bytes.to_vec());
    crate::support::signer::candidate(bytes, content)
}

#[tokio::test(start_paused = true)]
async fn att_10_any_is_satisfied_at_once_and_all_needs_everything() {
    let key = SigningKey::new();
    let too_many = Step::Found(Evidence::TooMany { limit: 64 });
    for (matching, builder, after, expected) in [
        ("Any", "ours", Step::Hang, "ALLOW"),
        ("Any", "ours", unread(Place::AttestationTag), "ALLOW"),
        ("Any", "ours", too_many.clone(), "ALLOW"),
        ("Any", "theirs", unread(Place::AttestationTag), "REGISTRY_TIMEOUT"),
        ("Any", "theirs", too_many.clone(), "TOO_MANY_SIGNATURES"),
        ("All", "ours", Step::Hang, "DEADLINE_EXCEEDED"),
        ("All", "ours", unread(Place::AttestationTag), "REGISTRY_TIMEOUT"),
        ("All", "ours", too_many, "TOO_MANY_SIGNATURES"),
        ("All", "theirs", Step::Hang, "ATTESTATION_REFUSED"),
    ] {
        for signatures in [0, 1] {
            let (world, digest) = demanding(&key, signatures, &provenance(&json!({"match": matching})));
            let steps = [found(signature(&key, &digest)), found(built_by(&key, &digest, builder)), after.clone()];
            world.registry.script_evidence(APP, digest, &steps);
            let begin = Instant::now();
            assert_eq!(answer(&world.ask_one(APP_V1).await), expected, "{matching}, {builder}");
            let waited = if expected == "DEADLINE_EXCEEDED" { PATIENCE } else { std::time::Duration::ZERO };
            assert_eq!(begin.elapsed(), waited, "{matching}, {builder}");
        }
    }
}

#[tokio::test]
async fn an_attestation_counts_by_the_authorities_that_may_make_it() {
    let (sigstore, ci, key) = (Sigstore::new("own"), Identity::gitlab(), SigningKey::new());
    let authorities = [by_key("release", &key), keyless("ci", &ci, "own")];
    let world = |demand: Value| {
        let members = json!({"require": {"of": ["release"]}, "attestations": [demand]});
        let world = World::new(vec![policy_by("p", &["**"], &authorities, &members)]);
        world.trust(&[("own", Ok(&sigstore))]);
        let digest = world.registry.push(APP_V1, b"app v1");
        (world, digest)
    };
    let (only, digest) = world(provenance(&json!({"authorities": ["ci"]})));
    let by_release = [signature(&key, &digest), built_by(&key, &digest, "ours")];
    let statement = stated(&digest, PROVENANCE, &json!({"builder": {"id": "ours"}}));
    let by_ci = sigstore.keyless(&ci, Content::statement(&statement)).bundle_candidate();
    assert_eq!(ask(&only, digest, &by_release).await, "NO_ATTESTATION");
    assert_eq!(ask(&only, digest, &[by_release[0].clone(), by_ci.clone()]).await, "ALLOW");
    assert_eq!(ask(&only, digest, std::slice::from_ref(&by_ci)).await, "NO_SIGNATURE");
    let (anybody, _) = world(provenance(&json!({})));
    assert_eq!(ask(&anybody, digest, &by_release).await, "ALLOW");

    let signer =
        "signer.kind == 'keyless' && signer.subject == 'https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main'";
    let (by_whom, _) = world(provenance(&json!({"conditions": [{"cel": signer}]})));
    assert_eq!(ask(&by_whom, digest, &by_release).await, "ATTESTATION_REFUSED");
    assert_eq!(ask(&by_whom, digest, &[by_release[0].clone(), by_ci.clone()]).await, "ALLOW");

    only.trust(&[("own", Err("it has expired"))]);
    assert_eq!(ask(&only, digest, &[by_release[0].clone(), by_ci.clone()]).await, "TRUSTED_ROOT_UNAVAILABLE");
    anybody.trust(&[("own", Err("it has expired"))]);
    assert_eq!(ask(&anybody, digest, &by_release).await, "ALLOW", "one authority is enough");
    let (all, _) = world(provenance(&json!({"match": "All"})));
    assert_eq!(ask(&all, digest, &by_release).await, "ALLOW");
    all.trust(&[("own", Err("it has expired"))]);
    assert_eq!(ask(&all, digest, &by_release).await, "TRUSTED_ROOT_UNAVAILABLE", "the other's are not known");
}

#[tokio::test]
async fn every_demand_must_be_satisfied_and_every_policy_has_its_own() {
    let key = SigningKey::new();
    let sbom = json!({"name": "sbom", "predicateType": SBOM});
    let ours = provenance(&json!({}));
    let theirs = provenance(&json!({"conditions": [{"cel": "predicate.builder.id == 'theirs'"}]}));
    let world = |policies: &[Value]| {
        let entry = |(name, demands): (char, &Value)| {
            let members = json!({"require": {"atLeast": 0}, "attestations": demands});
            policy_with(&name.to_string(), &["**"], &[&key], &members)
        };
        let world = World::new(('p'..).zip(policies).map(entry).collect());
        let digest = world.registry.push(APP_V1, b"app v1");
        (world, digest)
    };
    let (both, digest) = world(&[json!([ours, sbom])]);
    let [listed, _] = shapes(&key, &stated(&digest, SBOM, &json!({})));
    let (by_us, by_them) = (built_by(&key, &digest, "ours"), built_by(&key, &digest, "theirs"));
    assert_eq!(ask(&both, digest, std::slice::from_ref(&by_us)).await, "NO_ATTESTATION");
    assert_eq!(ask(&both, digest, std::slice::from_ref(&listed)).await, "NO_ATTESTATION");
    assert_eq!(ask(&both, digest, &[by_them.clone(), listed.clone()]).await, "ATTESTATION_REFUSED");
    assert_eq!(ask(&both, digest, &[listed, by_us.clone()]).await, "ALLOW");
    // Two policies that look for the same statements and want other things of them.
    let (opposed, _) = world(&[json!([ours]), json!([theirs])]);
    assert_eq!(ask(&opposed, digest, std::slice::from_ref(&by_us)).await, "ATTESTATION_REFUSED");
    assert_eq!(ask(&opposed, digest, std::slice::from_ref(&by_them)).await, "ATTESTATION_REFUSED");
    assert_eq!(ask(&opposed, digest, &[by_us, by_them]).await, "ALLOW");
}

#[tokio::test]
async fn attestations_are_looked_for_only_where_they_are_demanded() {
    let key = SigningKey::new();
    let elsewhere = json!({"signature": {"repository": "registry.example/signatures"}});
    let demand = json!({"attestations": [{"name": "provenance", "predicateType": PROVENANCE}]});
    let world =
        World::new(vec![policy_with("p", &["**"], &[&key], &demand), policy_with("q", &["**"], &[&key], &elsewhere)]);
    world.registry.push(APP_V1, b"app v1");
    world.ask_one(APP_V1).await;
    let mut calls = world.registry.calls();
    calls.sort();
    let evidence: Vec<_> = calls.iter().filter(|call| call.starts_with("evidence")).collect();
    assert_eq!(evidence, ["evidence registry.example/app and attestations", "evidence registry.example/signatures"]);
}

/// A small generator of numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn shuffle<T>(&mut self, things: &mut [T]) {
        for i in (1..things.len()).rev() {
            things.swap(i, self.roll(i + 1));
        }
    }
}

#[tokio::test]
async fn verdicts_depend_on_what_is_there_and_not_on_the_order() {
    let (a, b, stranger) = (SigningKey::seeded("a"), SigningKey::seeded("b"), SigningKey::seeded("stranger"));
    let digest = Digest::of(b"app v1");
    let [listed, _] = shapes(&b, &stated(&digest, SBOM, &json!({})));
    let material = [
        signature(&a, &digest),
        legacy_signature(&b, &digest),
        signature(&stranger, &digest),
        legacy_signature(&a, &Digest::of(b"another image")),
        built_by(&a, &digest, "ours"),
        built_by(&a, &digest, "theirs"),
        built_by(&b, &digest, "ours"),
        built_by(&stranger, &digest, "ours"),
        listed,
        bundle(b"junk"),
    ];
    let demand = |members: Value| json!([provenance(&members)]);
    let kinds = [
        json!({}),
        json!({"require": {"all": true}}),
        json!({"require": {"of": ["b"]}}),
        json!({"attestations": demand(json!({}))}),
        json!({"attestations": demand(json!({"match": "All"})), "require": {"atLeast": 0}}),
        json!({"attestations": demand(json!({"match": "All", "authorities": ["b"]}))}),
        json!({"attestations": [{"name": "sbom", "predicateType": SBOM, "authorities": ["b"]}], "mode": "Audit"}),
    ];
    let mut dice = Dice(4);
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..60 {
        let mut policies: Vec<(usize, &Value)> = kinds.iter().enumerate().filter(|_| dice.roll(2) == 0).collect();
        let mut candidates: Vec<Candidate> = material.iter().filter(|_| dice.roll(3) > 0).cloned().collect();
        let mut verdicts = Vec::new();
        for _ in 0..3 {
            dice.shuffle(&mut policies);
            dice.shuffle(&mut candidates);
            let entry =
                |(kind, members): &(usize, &Value)| policy_with(&format!("p{kind}"), &["**"], &[&a, &b], members);
            let world = World::new(policies.iter().map(entry).collect());
            world.registry.push(APP_V1, b"app v1");
            world.registry.sign(APP, digest, &candidates);
            let verdict = world.ask_one(APP_V1).await;
            let Basis::Judged(judged) = &*verdict.basis else { continue };
            let mut said: Vec<_> =
                judged.iter().map(|policy| (policy.policy.clone(), policy.outcome.clone())).collect();
            said.sort_by(|(one, _), (other, _)| one.cmp(other));
            verdicts.push((said, verdict.pin().copied()));
        }
        assert!(verdicts.windows(2).all(|two| two[0] == two[1]), "round {round}: {verdicts:#?}");
        seen.extend(verdicts.iter().flat_map(|(said, _)| said).map(|(_, outcome)| format!("{outcome:.12?}")));
    }
    assert!(seen.len() >= 2, "all kinds of answers were met: {seen:?}");
}
