//! The engine over a registry that does what a test tells it.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealgate::domain::{Digest, Finding, Rejection, Unavailable};
use sealgate::policy::Entry;
use sealgate::signatures::{Candidate, Place, RootsCell, UntrustedContent};
use sealgate::verifier::ports::Evidence;
use sealgate::verifier::{AuthorityOutcome, Basis, Engine, ImageVerdict, MAX_IMAGES, Mode, PolicyCell};
use serde_json::{Value, json};
use tokio::sync::{Barrier, Notify};
use tokio::time::Instant;

use crate::support::signer::SigningKey;
use crate::support::verifier::{
    NoCredentials, PATIENCE, Step, Tag, World, answer, codes, found, legacy_signature, policy, policy_by, policy_with,
    question, signature,
};

#[path = "engine/attestations.rs"]
mod attestations;
#[path = "engine/keyless.rs"]
mod keyless;
#[path = "engine/namespaces.rs"]
mod namespaces;

const APP: &str = "registry.example/app";
const APP_V1: &str = "registry.example/app:v1";

/// One policy over everything, with one key; `app:v1` is there and not signed.
fn world(keys: &[&SigningKey]) -> (World, Digest) {
    let world = World::new(vec![policy("p", &["**"], keys)]);
    let digest = world.registry.push(APP_V1, b"app v1");
    (world, digest)
}

fn unread(place: Place) -> Step {
    let cause = Unavailable::RegistryTimeout { host: "registry.example".to_owned(), what: "referrers".to_owned() };
    Step::Found(Evidence::Unread { place, cause })
}

fn placed(candidate: Candidate, place: Place, layer: usize) -> Candidate {
    let mut candidate = candidate;
    candidate.origin.place = place;
    candidate.origin.layer = layer;
    candidate
}

fn resolves(world: &World) -> usize {
    world.registry.calls().iter().filter(|call| call.starts_with("resolve")).count()
}

fn rejection(verdict: &ImageVerdict) -> Rejection {
    match verdict.findings(Mode::Enforce).remove(0).1 {
        Finding::Rejected(rejection) => rejection,
        Finding::Unavailable(cause) => panic!("{cause}"),
    }
}

#[tokio::test]
async fn a_signature_by_the_key_in_either_form_is_accepted_and_pins() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    for make in [signature, legacy_signature] {
        let (world, digest) = world(&[&key]);
        assert_eq!(answer(&world.ask_one(APP_V1).await), "NO_SIGNATURE");
        world.registry.sign(APP, digest, &[make(&other, &digest)]);
        let refused = world.ask_one(APP_V1).await;
        assert_ne!(answer(&refused), "ALLOW");
        assert_eq!(refused.pin(), None);
        world.registry.sign(APP, digest, &[make(&key, &digest)]);
        let accepted = world.ask_one(APP_V1).await;
        assert_eq!((answer(&accepted), accepted.pin()), ("ALLOW", Some(&digest)));
    }
}

#[tokio::test]
async fn ref_11_the_digest_decides_and_the_tag_is_not_asked_for() {
    let key = SigningKey::new();
    let (world, signed) = world(&[&key]);
    world.registry.sign(APP, signed, &[signature(&key, &signed)]);
    let unsigned = world.registry.push("registry.example/app:v2", b"app v2");
    assert_eq!(answer(&world.ask_one(&format!("{APP_V1}@{unsigned}")).await), "NO_SIGNATURE");
    let accepted = world.ask_one(&format!("{APP_V1}@{signed}")).await;
    assert_eq!((answer(&accepted), accepted.pin()), ("ALLOW", Some(&signed)));
    assert_eq!(resolves(&world), 0);
}

#[tokio::test]
async fn toc_01_a_tag_is_resolved_once_however_often_and_however_it_is_written() {
    let key = SigningKey::new();
    let world = World::new(vec![policy("p", &["**"], &[&key])]);
    let signed = Digest::of(b"signed");
    world.registry.tag(
        "docker.io/library/nginx:latest",
        &[Tag::Manifest(b"signed".to_vec()), Tag::Manifest(b"unsigned".to_vec())],
    );
    world.registry.sign("docker.io/library/nginx", signed, &[signature(&key, &signed)]);
    let written = ["nginx", "docker.io/library/nginx", "index.docker.io/library/nginx:latest", "nginx"];
    let verdicts = world.ask(&written).await;
    assert_eq!(resolves(&world), 1);
    for (verdict, written) in verdicts.iter().zip(written) {
        assert_eq!((answer(verdict), verdict.pin(), verdict.written.as_str()), ("ALLOW", Some(&signed), written));
    }
    assert_eq!(answer(&world.ask_one("nginx").await), "NO_SIGNATURE", "what the tag names now is not signed");
}

#[tokio::test]
async fn toc_09_one_digest_in_two_repositories_has_two_verdicts() {
    let (key, strict) = (SigningKey::new(), SigningKey::new());
    let world = World::new(vec![
        policy("a", &["registry.example/a"], &[&key]),
        policy("b", &["registry.example/b"], &[&strict]),
    ]);
    let digest = world.registry.push("registry.example/a:v1", b"same");
    world.registry.push("registry.example/b:v1", b"same");
    for repository in ["registry.example/a", "registry.example/b"] {
        world.registry.sign(repository, digest, &[legacy_signature(&key, &digest)]);
    }
    let images = [format!("registry.example/a@{digest}"), format!("registry.example/b@{digest}")];
    let verdicts = world.ask(&[&images[0], &images[1]]).await;
    assert_eq!(verdicts.iter().map(answer).collect::<Vec<_>>(), ["ALLOW", "SIGNATURE_INVALID"]);
    world.registry.sign("registry.example/b", digest, &[legacy_signature(&strict, &digest)]);
    assert_eq!(answer(&world.ask_one(&images[1]).await), "ALLOW");
}

#[tokio::test]
async fn k8s_11_too_many_distinct_images_are_refused_without_a_request() {
    let key = SigningKey::new();
    let (world, digest) = world(&[&key]);
    world.registry.sign(APP, digest, &[signature(&key, &digest)]);
    let images: Vec<String> = (0..500).map(|n| format!("{APP}:v{n}")).collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let refused = world.ask(&images).await;
    assert_eq!(refused.len(), 500);
    assert!(refused.iter().all(|verdict| answer(verdict) == "TOO_MANY_IMAGES"));
    assert_eq!(rejection(&refused[0]), Rejection::TooManyImages { found: 500, limit: MAX_IMAGES });
    assert!(world.registry.calls().is_empty());

    for image in &images[..MAX_IMAGES] {
        world.registry.push(image, b"app v1");
    }
    assert!(world.ask(&images[..MAX_IMAGES]).await.iter().all(|verdict| answer(verdict) == "ALLOW"));
    assert!(world.ask(&[APP_V1; 500]).await.iter().all(|verdict| answer(verdict) == "ALLOW"), "one image, 500 times");
}

#[tokio::test]
async fn k8s_11_a_blank_image_is_a_bad_reference_and_its_neighbour_is_not() {
    let key = SigningKey::new();
    let (world, digest) = world(&[&key]);
    world.registry.sign(APP, digest, &[signature(&key, &digest)]);
    let verdicts = world.ask(&["", APP_V1, "EVIL/nginx"]).await;
    assert_eq!(verdicts.iter().map(answer).collect::<Vec<_>>(), ["BAD_REFERENCE", "ALLOW", "BAD_REFERENCE"]);
    assert!(world.ask(&[]).await.is_empty());
}

#[tokio::test]
async fn pol_17_a_question_sees_one_snapshot() {
    let key = SigningKey::new();
    let (world, _) = world(&[&key]);
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    world.registry.tag(APP_V1, &[Tag::Wait(reached.clone(), go.clone(), b"app v1".to_vec())]);
    let asking = tokio::spawn({
        let world = world.clone();
        async move { world.ask(&[APP_V1, "registry.example/other:v1"]).await }
    });
    reached.notified().await;
    world.store(Vec::new());
    go.notify_one();
    let verdicts = asking.await.unwrap();
    assert_eq!(verdicts.iter().map(answer).collect::<Vec<_>>(), ["NO_SIGNATURE", "IMAGE_NOT_FOUND"]);
    let after = world.ask_one(APP_V1).await;
    assert!(matches!(*after.basis, Basis::Ungoverned(_)), "the next question sees the policies without it");
}

#[tokio::test]
async fn pol_19_one_place_away_and_a_bad_signature_is_not_a_verdict() {
    let (a, b, stranger) = (SigningKey::new(), SigningKey::new(), SigningKey::new());
    let (world, digest) = world(&[&a, &b]);
    let bad = found(legacy_signature(&stranger, &digest));
    let away = unread(Place::ReferrersApi);
    for steps in [[bad.clone(), away.clone()], [away.clone(), bad.clone()]] {
        world.registry.script_evidence(APP, digest, &steps);
        assert_eq!(answer(&world.ask_one(APP_V1).await), "REGISTRY_TIMEOUT");
    }
    world.registry.script_evidence(APP, digest, std::slice::from_ref(&bad));
    assert_eq!(answer(&world.ask_one(APP_V1).await), "SIGNATURE_INVALID", "all places answered");
    world.registry.script_evidence(APP, digest, &[away, bad, found(legacy_signature(&b, &digest))]);
    assert_eq!(answer(&world.ask_one(APP_V1).await), "ALLOW", "one good signature is enough");
}

#[tokio::test(start_paused = true)]
async fn pol_19_a_good_signature_accepts_without_waiting_for_the_other_places() {
    let (a, b) = (SigningKey::new(), SigningKey::new());
    let (world, digest) = world(&[&a, &b]);
    world.registry.script_evidence(APP, digest, &[found(signature(&b, &digest)), Step::Hang]);
    let begin = Instant::now();
    let verdict = world.ask_one(APP_V1).await;
    assert_eq!((answer(&verdict), begin.elapsed().as_millis()), ("ALLOW", 0));
    let Basis::Judged(policies) = &*verdict.basis else { panic!("{:?}", verdict.basis) };
    let said: Vec<_> = policies[0].authorities.iter().map(|authority| &*authority.name).collect();
    assert_eq!(said, ["b"], "nothing is said of an authority that was not looked for to the end");

    world.registry.script_evidence(APP, digest, &[found(signature(&SigningKey::new(), &digest)), Step::Hang]);
    assert_eq!(answer(&world.ask_one(APP_V1).await), "DEADLINE_EXCEEDED");
    assert_eq!(begin.elapsed(), PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn pol_19_an_audit_policy_that_waits_does_not_take_an_enforced_verdict_away() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    let elsewhere = json!({"mode": "Audit", "signature": {"repository": "signatures.example/app"}});
    let world =
        World::new(vec![policy("enforced", &["**"], &[&key]), policy_with("tried", &["**"], &[&other], &elsewhere)]);
    let digest = world.registry.push(APP_V1, b"app v1");
    world.registry.sign(APP, digest, &[signature(&key, &digest)]);
    world.registry.script_evidence("signatures.example/app", digest, &[Step::Hang]);
    let begin = Instant::now();
    let verdict = world.ask_one(APP_V1).await;
    assert_eq!((answer(&verdict), verdict.pin()), ("ALLOW", Some(&digest)));
    assert_eq!(begin.elapsed().as_millis(), 250, "a trial costs a short grace");
    assert_eq!(codes(&verdict, Mode::Audit), ["DEADLINE_EXCEEDED"]);
    let (_, finding) = verdict.findings(Mode::Audit).remove(0);
    let host = "signatures.example".to_owned();
    assert_eq!(finding, Finding::Unavailable(Unavailable::DeadlineExceeded { host }));
}

#[tokio::test(start_paused = true)]
async fn pol_19_a_trial_in_the_same_repository_is_not_waited_for_either() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    for (mode, expected) in [("Audit", 250), ("Warn", 250), ("Enforce", PATIENCE.as_millis())] {
        let tried = policy_with("tried", &["**"], &[&other], &json!({"mode": mode}));
        let world = World::new(vec![policy("enforced", &["**"], &[&key]), tried]);
        let digest = world.registry.push(APP_V1, b"app v1");
        world.registry.script_evidence(APP, digest, &[found(signature(&key, &digest)), Step::Hang]);
        let begin = Instant::now();
        let verdict = world.ask_one(APP_V1).await;
        assert_eq!(answer(&verdict), if mode == "Enforce" { "DEADLINE_EXCEEDED" } else { "ALLOW" });
        assert_eq!(begin.elapsed().as_millis(), expected, "{mode}");
    }
    let tried = policy_with("tried", &["**"], &[&other], &json!({"mode": "Audit"}));
    let world = World::new(vec![tried]);
    let digest = world.registry.push(APP_V1, b"app v1");
    world.registry.script_evidence(APP, digest, &[Step::Hang]);
    let begin = Instant::now();
    assert_eq!(codes(&world.ask_one(APP_V1).await, Mode::Audit), ["DEADLINE_EXCEEDED"]);
    assert_eq!(begin.elapsed(), PATIENCE, "a trial alone has all the time there is");
}

#[tokio::test]
async fn reg_08_junk_in_the_repository_of_a_trial_takes_nothing_from_an_enforced_one() {
    let (key, other, stranger) = (SigningKey::new(), SigningKey::new(), SigningKey::new());
    let elsewhere = json!({"mode": "Audit", "signature": {"repository": "junk.example/app"}});
    let world =
        World::new(vec![policy("enforced", &["**"], &[&key]), policy_with("tried", &["**"], &[&other], &elsewhere)]);
    let digest = world.registry.push(APP_V1, b"app v1");
    let junk: Vec<_> = (0..64).map(|n| placed(legacy_signature(&stranger, &digest), Place::LegacyTag, n)).collect();
    world.registry.sign("junk.example/app", digest, &junk);
    for (before, expected) in [(63, "ALLOW"), (64, "TOO_MANY_SIGNATURES")] {
        let mut beside = junk[..before].to_vec();
        beside.push(signature(&key, &digest));
        world.registry.sign(APP, digest, &beside);
        assert_eq!(answer(&world.ask_one(APP_V1).await), expected);
    }
}

#[tokio::test]
async fn pol_09_a_trial_that_can_not_be_resolved_denies_nothing() {
    let key = SigningKey::new();
    for (mode, expected) in [("Audit", "ALLOW"), ("Warn", "ALLOW"), ("Enforce", "REGISTRY_TIMEOUT")] {
        let but_one = json!({"mode": mode, "match": {"excludeImages": [format!("{APP}@{}", Digest::of(b"app v2"))]}});
        let world = World::new(vec![
            policy("enforced", &["enforced.example/**"], &[&key]),
            policy_with("tried", &["registry.example/**"], &[&key], &but_one),
        ]);
        let cause = Unavailable::RegistryTimeout { host: "registry.example".to_owned(), what: "manifest".to_owned() };
        world.registry.tag(APP_V1, &[Tag::Away(cause)]);
        let verdict = world.ask_one(APP_V1).await;
        assert_eq!(answer(&verdict), expected, "{mode}");
        let all = [Mode::Audit, Mode::Warn, Mode::Enforce].map(|mode| codes(&verdict, mode)).concat();
        assert_eq!(all, ["REGISTRY_TIMEOUT"], "{mode}");
    }
}

#[tokio::test]
async fn k8s_11_many_spellings_of_one_image_share_what_was_found_out() {
    let key = SigningKey::new();
    let (world, digest) = world(&[&key]);
    for (expected, signatures) in [("NO_SIGNATURE", vec![]), ("ALLOW", vec![signature(&key, &digest)])] {
        world.registry.sign(APP, digest, &signatures);
        let images: Vec<String> = (0..500).map(|n| format!("{APP}:v{n}@{digest}")).collect();
        let verdicts = world.ask(&images.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for (verdict, written) in verdicts.iter().zip(&images) {
            assert_eq!((answer(verdict), &verdict.written), (expected, written));
            assert!(
                Arc::ptr_eq(&verdict.basis, &verdicts[0].basis) && Arc::ptr_eq(&verdict.report, &verdicts[0].report)
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_there_by_the_deadline_and_names_the_host() {
    let key = SigningKey::new();
    let (world, digest) = world(&[&key]);
    world.registry.sign(APP, digest, &[signature(&key, &digest)]);
    world.registry.tag("slow.example/app:v1", &[Tag::Hang(Arc::new(Notify::new()))]);
    let begin = Instant::now();
    let verdicts = world.ask(&["slow.example/app:v1", APP_V1]).await;
    assert_eq!(begin.elapsed(), PATIENCE);
    assert_eq!(verdicts.iter().map(answer).collect::<Vec<_>>(), ["DEADLINE_EXCEEDED", "ALLOW"]);
    let (_, finding) = verdicts[0].findings(Mode::Enforce).remove(0);
    let host = "slow.example".to_owned();
    assert_eq!(finding, Finding::Unavailable(Unavailable::DeadlineExceeded { host }));
}

#[tokio::test]
async fn images_are_verified_side_by_side() {
    let key = SigningKey::new();
    let (world, digest) = world(&[&key]);
    world.registry.sign(APP, digest, &[signature(&key, &digest)]);
    let all = Arc::new(Barrier::new(3));
    let images = ["registry.example/app:a", "registry.example/app:b", "registry.example/app:c"];
    for image in images {
        world.registry.tag(image, &[Tag::Meet(all.clone(), b"app v1".to_vec())]);
    }
    assert_eq!(world.ask(&images).await.iter().map(answer).collect::<Vec<_>>(), ["ALLOW"; 3]);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_behind() {
    let key = SigningKey::new();
    let (world, _) = world(&[&key]);
    let reached = Arc::new(Notify::new());
    world.registry.tag(APP_V1, &[Tag::Hang(reached.clone())]);
    let engine = Arc::new(Engine::new(
        world.registry.clone(),
        NoCredentials,
        world.policies.clone(),
        RootsCell::default(),
        world.defaults,
    ));
    let asking = tokio::spawn({
        let engine = engine.clone();
        async move { engine.verify(&question(&[APP_V1])).await }
    });
    reached.notified().await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    assert_eq!(Arc::strong_count(&engine), 1, "no task holds the engine any more");
}

#[tokio::test]
async fn flt_21_without_policies_nothing_is_admitted_and_an_empty_set_is_not_that() {
    let world = World::default();
    let verdicts = world.ask(&[APP_V1, ""]).await;
    assert_eq!(verdicts.iter().map(answer).collect::<Vec<_>>(), ["NOT_READY", "NOT_READY"]);
    world.store(Vec::new());
    assert_eq!(answer(&world.ask_one(APP_V1).await), "ALLOW");
}

#[tokio::test]
async fn flt_34_a_panic_denies_its_own_image_and_no_other() {
    let key = SigningKey::new();
    let (world, digest) = world(&[&key]);
    world.registry.sign(APP, digest, &[signature(&key, &digest)]);
    world.registry.tag("registry.example/bad:v1", &[Tag::Panic]);
    let worse = world.registry.push("registry.example/worse:v1", b"worse");
    world.registry.script_evidence("registry.example/worse", worse, &[Step::Panic]);
    let images = ["registry.example/bad:v1", APP_V1, "registry.example/worse:v1"];
    for _ in 0..2 {
        let verdicts = world.ask(&images).await;
        assert_eq!(
            verdicts.iter().map(answer).collect::<Vec<_>>(),
            ["INTERNAL_ERROR", "ALLOW", "INTERNAL_ERROR"],
            "and it goes on working"
        );
    }
}

#[tokio::test]
async fn no_signature_is_said_only_when_every_place_has_answered() {
    let key = SigningKey::new();
    let (world, digest) = world(&[&key]);
    let verdict = world.ask_one(APP_V1).await;
    let short = &digest.hex()[..8];
    let looked_at = format!("the referrers API, tag sha256-{short}….sig and tag sha256-{short}… of {APP}");
    assert_eq!(rejection(&verdict), Rejection::NoSignature { looked_at });
    for place in [Place::LegacyTag, Place::ReferrersApi, Place::FallbackTag] {
        world.registry.script_evidence(APP, digest, &[unread(place)]);
        let verdict = world.ask_one(APP_V1).await;
        assert_eq!(answer(&verdict), "REGISTRY_TIMEOUT", "{place}");
        assert_eq!(verdict.report.unread[0].place, Some(place));
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_is_told_from_one_that_is_not_signed() {
    let key = SigningKey::new();
    let (world, digest) = world(&[&key]);
    let missing = Digest::of(b"never pushed");
    assert_eq!(answer(&world.ask_one(&format!("{APP}@{missing}")).await), "IMAGE_NOT_FOUND");
    assert_eq!(answer(&world.ask_one(&format!("{APP}@{digest}")).await), "NO_SIGNATURE");
    assert_eq!(answer(&world.ask_one("registry.example/app:missing").await), "IMAGE_NOT_FOUND");
    let asked = world.registry.calls().len();
    assert_eq!(answer(&world.ask_one(APP_V1).await), "NO_SIGNATURE");
    assert_eq!(world.registry.calls()[asked..], ["resolve registry.example/app:v1", "evidence registry.example/app"]);
}

#[tokio::test]
async fn more_signatures_than_are_looked_at_are_a_reason_of_their_own() {
    let (key, stranger) = (SigningKey::new(), SigningKey::new());
    let (world, digest) = world(&[&key]);
    let bad = || found(legacy_signature(&stranger, &digest));
    let mut steps: Vec<Step> = (0..64).map(|_| bad()).collect();
    world.registry.script_evidence(APP, digest, &steps);
    assert_eq!(answer(&world.ask_one(APP_V1).await), "SIGNATURE_INVALID");
    steps.push(found(legacy_signature(&key, &digest)));
    world.registry.script_evidence(APP, digest, &steps);
    let verdict = world.ask_one(APP_V1).await;
    assert_eq!(answer(&verdict), "TOO_MANY_SIGNATURES");
    assert_eq!(verdict.report.examined.len(), 64);
    steps.swap(63, 64);
    world.registry.script_evidence(APP, digest, &steps);
    assert_eq!(answer(&world.ask_one(APP_V1).await), "ALLOW", "the 64th is still looked at");

    let told = [bad(), Step::Found(Evidence::TooMany { limit: 64 })];
    world.registry.script_evidence(APP, digest, &told);
    assert_eq!(answer(&world.ask_one(APP_V1).await), "TOO_MANY_SIGNATURES");
}

#[tokio::test]
async fn signatures_count_only_where_the_policy_keeps_them() {
    let key = SigningKey::new();
    let elsewhere = json!({"signature": {"repository": "registry.example/signatures"}});
    let world = World::new(vec![policy_with("p", &[APP], &[&key], &elsewhere)]);
    let digest = world.registry.push(APP_V1, b"app v1");
    world.registry.sign(APP, digest, &[signature(&key, &digest)]);
    assert_eq!(answer(&world.ask_one(APP_V1).await), "NO_SIGNATURE");
    world.registry.sign("registry.example/signatures", digest, &[signature(&key, &digest)]);
    assert_eq!(answer(&world.ask_one(APP_V1).await), "ALLOW");
}

#[tokio::test]
async fn a_pattern_with_a_digest_resolves_the_tag_once() {
    let key = SigningKey::new();
    let digest = Digest::of(b"app v1");
    let named = |digest: Digest| World::new(vec![policy("p", &[&format!("{APP}@{digest}")], &[&key])]);
    let world = named(digest);
    world.registry.push(APP_V1, b"app v1");
    world.registry.sign(APP, digest, &[signature(&key, &digest)]);
    let verdict = world.ask_one(APP_V1).await;
    assert_eq!((answer(&verdict), verdict.pin(), resolves(&world)), ("ALLOW", Some(&digest), 1));

    let other = named(Digest::of(b"app v2"));
    other.registry.push(APP_V1, b"app v1");
    assert_eq!(answer(&other.ask_one(APP_V1).await), "NO_POLICY");
    let cause = Unavailable::RegistryTimeout { host: "registry.example".to_owned(), what: "manifest".to_owned() };
    other.registry.tag(APP_V1, &[Tag::Away(cause)]);
    assert_eq!(answer(&other.ask_one(APP_V1).await), "REGISTRY_TIMEOUT");
}

/// A layer whose media type says something else has the bytes and annotations of the good one, and arrives first.
#[tokio::test]
async fn a_signature_is_judged_whatever_lies_beside_it_in_another_form() {
    let key = SigningKey::new();
    let (world, digest) = world(&[&key]);
    let good = legacy_signature(&key, &digest);
    let UntrustedContent::SimpleSigning { payload, annotations } = good.content.clone() else { unreachable!() };
    let content = UntrustedContent::Envelope { envelope: payload, annotations };
    let other = placed(Candidate { content, ..good.clone() }, Place::AttestationTag, 0);
    for (candidates, expected) in [
        (vec![other.clone()], "SIGNATURE_MALFORMED"),
        (vec![good.clone(), other.clone()], "ALLOW"),
        (vec![other, good], "ALLOW"),
    ] {
        world.registry.sign(APP, digest, &candidates);
        assert_eq!(answer(&world.ask_one(APP_V1).await), expected);
    }
}

#[tokio::test]
async fn the_report_says_of_each_signature_why_it_counts_or_not() {
    let (key, stranger) = (SigningKey::new(), SigningKey::new());
    let (world, digest) = world(&[&key]);
    let bad = legacy_signature(&stranger, &digest);
    let good = signature(&key, &digest);
    world.registry.sign(
        APP,
        digest,
        &[
            placed(bad.clone(), Place::ReferrersApi, 1),
            placed(bad, Place::LegacyTag, 0),
            placed(good, Place::ReferrersApi, 0),
        ],
    );
    let report = world.ask_one(APP_V1).await.report;
    let told: Vec<_> = report
        .examined
        .iter()
        .map(|found| (found.origin.place, found.origin.layer, found.answers[0].result.as_ref().map_err(Finding::code)))
        .collect();
    assert_eq!(
        told,
        [
            (Place::LegacyTag, 0, Err("SIGNATURE_INVALID")),
            (Place::ReferrersApi, 0, Ok(&())),
            (Place::ReferrersApi, 1, Err("SIGNATURE_INVALID")),
        ]
    );
    assert_eq!(report.examined[0].repository.to_string(), APP);
    assert_eq!((&*report.examined[0].answers[0].policy, &*report.examined[0].answers[0].authority), ("p", "a"));
}

#[tokio::test]
async fn the_verdict_does_not_depend_on_the_order_of_arrival() {
    let (key, stranger) = (SigningKey::new(), SigningKey::new());
    let (world, digest) = world(&[&key]);
    let other = Digest::of(b"another image");
    let elsewhere = legacy_signature(&key, &Digest::of(b"a third"));
    let steps = [
        found(placed(legacy_signature(&stranger, &digest), Place::LegacyTag, 0)),
        found(placed(elsewhere.clone(), Place::LegacyTag, 1)),
        found(placed(legacy_signature(&key, &other), Place::ReferrersApi, 0)),
        found(placed(elsewhere, Place::FallbackTag, 0)),
    ];
    world.registry.script_evidence(APP, digest, &steps);
    let verdict = world.ask_one(APP_V1).await;
    let signed = Digest::of(b"a third").to_string();
    assert_eq!(rejection(&verdict), Rejection::DigestMismatch { signed }, "the nearest, and the first of equals");
    let reversed: Vec<Step> = steps.into_iter().rev().collect();
    world.registry.script_evidence(APP, digest, &reversed);
    assert_eq!(world.ask_one(APP_V1).await, verdict);
}

#[tokio::test]
async fn an_authority_says_which_key_it_looked_for() {
    let (a, b) = (SigningKey::new(), SigningKey::new());
    let (world, _) = world(&[&a, &b]);
    let verdict = world.ask_one(APP_V1).await;
    let Basis::Judged(policies) = &*verdict.basis else { panic!("{:?}", verdict.basis) };
    let keys: Vec<_> = policies[0].authorities.iter().map(|authority| authority.seeks.clone().unwrap()).collect();
    assert_eq!(keys, [a.public().to_string(), b.public().to_string()]);
    assert!(matches!(policies[0].authorities[0].outcome, AuthorityOutcome::Rejected(Rejection::NoSignature { .. })));
}
