//! Identities, thresholds and trusted roots, as the engine combines them.

use std::collections::BTreeSet;

use sealgate::signatures::Candidate;

use crate::support::signer::statement;
use crate::support::sigstore::{Content, Identity, Sigstore};
use crate::support::verifier::{by_key, keyless, policy_by};

use super::*;

/// A signature of an image by an identity.
fn signed_by(sigstore: &Sigstore, identity: &Identity, digest: &Digest) -> Candidate {
    sigstore.keyless(identity, Content::statement(&statement(digest))).bundle_candidate()
}

/// The instance that policies call `own`.
fn own() -> Sigstore {
    Sigstore::new("own")
}

/// The class of what the image is denied for.
fn class(verdict: &ImageVerdict) -> &'static str {
    verdict.findings(Mode::Enforce).remove(0).1.class().as_str()
}

#[tokio::test]
async fn an_identity_is_accepted_and_another_is_told_with_what_was_expected() {
    let (sigstore, main) = (own(), Identity::gitlab());
    let world = World::new(vec![policy_by("p", &["**"], &[keyless("ci", &main, "own")], &json!({}))]);
    world.trust(&[("own", Ok(&sigstore))]);
    let digest = world.registry.push(APP_V1, b"app v1");
    world.registry.sign(APP, digest, &[signed_by(&sigstore, &Identity::gitlab_at("feature"), &digest)]);
    let refused = world.ask_one(APP_V1).await;
    assert_eq!((answer(&refused), class(&refused)), ("IDENTITY_MISMATCH", "identity-mismatch"));
    let told = rejection(&refused).to_string();
    assert!(told.contains("@refs/heads/feature") && told.contains("@refs/heads/main"), "{told}");

    world.registry.sign(APP, digest, &[signed_by(&sigstore, &main, &digest)]);
    let accepted = world.ask_one(APP_V1).await;
    assert_eq!((answer(&accepted), accepted.pin()), ("ALLOW", Some(&digest)));
}

#[tokio::test]
async fn pol_19_a_root_that_can_not_be_used_leaves_it_open_and_another_authority_accepts() {
    let (sigstore, main, key, stranger) = (own(), Identity::gitlab(), SigningKey::new(), SigningKey::new());
    let authorities = [keyless("ci", &main, "own"), by_key("release", &key)];
    let world = World::new(vec![policy_by("p", &["**"], &authorities, &json!({}))]);
    let digest = world.registry.push(APP_V1, b"app v1");
    let bad = legacy_signature(&stranger, &digest);
    let elsewhere = signed_by(&sigstore, &Identity::gitlab_at("feature"), &digest);
    let away = unread(Place::ReferrersApi);
    let (good_key, good_name) = (legacy_signature(&key, &digest), signed_by(&sigstore, &main, &digest));
    for (root, steps, expected) in [
        (Err("it has expired"), vec![found(bad.clone())], "TRUSTED_ROOT_UNAVAILABLE"),
        (Err("it has expired"), vec![found(good_name.clone())], "TRUSTED_ROOT_UNAVAILABLE"),
        (Err("it has expired"), vec![found(good_key.clone()), Step::Hang], "ALLOW"),
        (Ok(&sigstore), vec![found(elsewhere.clone()), found(bad.clone())], "IDENTITY_MISMATCH"),
        (Ok(&sigstore), vec![found(elsewhere), away.clone()], "REGISTRY_TIMEOUT"),
        (Ok(&sigstore), vec![away, found(bad), found(good_name), Step::Hang], "ALLOW"),
    ] {
        world.trust(&[("own", root)]);
        world.registry.script_evidence(APP, digest, &steps);
        let verdict = world.ask_one(APP_V1).await;
        assert_eq!(answer(&verdict), expected, "{root:?}", root = root.err());
    }
}

#[tokio::test]
async fn flt_13_without_its_root_keyless_is_denied_at_once_and_keys_are_not() {
    let (sigstore, main, key) = (own(), Identity::gitlab(), SigningKey::new());
    let world = World::new(vec![
        policy_by("names", &[APP], &[keyless("ci", &main, "own")], &json!({})),
        policy("keys", &["registry.example/tool"], &[&key]),
    ]);
    let app = world.registry.push(APP_V1, b"app v1");
    let tool = world.registry.push("registry.example/tool:v1", b"tool v1");
    world.registry.sign(APP, app, &[signed_by(&sigstore, &main, &app)]);
    world.registry.sign("registry.example/tool", tool, &[signature(&key, &tool)]);
    let images = [&*format!("{APP}@{app}"), "registry.example/tool:v1"];
    world.trust(&[("own", Ok(&sigstore))]);
    assert_eq!(world.ask(&images).await.iter().map(answer).collect::<Vec<_>>(), ["ALLOW", "ALLOW"]);

    world.trust(&[("own", Err("its metadata expired more than 72 hours ago"))]);
    let before = world.registry.calls().len();
    let verdicts = world.ask(&images).await;
    assert_eq!(verdicts.iter().map(answer).collect::<Vec<_>>(), ["TRUSTED_ROOT_UNAVAILABLE", "ALLOW"]);
    assert_eq!(class(&verdicts[0]), "trust-root");
    let asked = &world.registry.calls()[before..];
    assert!(asked.iter().all(|call| !call.contains(APP)), "a registry can't help: {asked:?}");
}

#[tokio::test]
async fn pol_17_a_question_sees_one_snapshot_of_trusted_roots() {
    let (sigstore, main) = (own(), Identity::gitlab());
    let world = World::new(vec![policy_by("p", &["**"], &[keyless("ci", &main, "own")], &json!({}))]);
    world.trust(&[("own", Ok(&sigstore))]);
    let digest = Digest::of(b"app v1");
    world.registry.sign(APP, digest, &[signed_by(&sigstore, &main, &digest)]);
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    world.registry.tag(APP_V1, &[Tag::Wait(reached.clone(), go.clone(), b"app v1".to_vec())]);
    let asking = tokio::spawn({
        let world = world.clone();
        async move { world.ask_one(APP_V1).await }
    });
    reached.notified().await;
    world.trust(&[("own", Err("it was taken away"))]);
    go.notify_one();
    assert_eq!(answer(&asking.await.unwrap()), "ALLOW");
    world.registry.tag(APP_V1, &[Tag::Manifest(b"app v1".to_vec())]);
    assert_eq!(answer(&world.ask_one(APP_V1).await), "TRUSTED_ROOT_UNAVAILABLE");
}

#[tokio::test]
async fn cry_22_two_of_three_are_two_distinct_authorities_whatever_is_there_twice() {
    let (a, b, c) = (SigningKey::new(), SigningKey::new(), SigningKey::new());
    let world = World::new(vec![policy_with("p", &["**"], &[&a, &b, &c], &json!({"require": {"atLeast": 2}}))]);
    let digest = world.registry.push(APP_V1, b"app v1");
    let by_a = [signature(&a, &digest), legacy_signature(&a, &digest)];
    let twice = [
        by_a[0].clone(),
        placed(by_a[0].clone(), Place::ReferrersApi, 0),
        placed(by_a[0].clone(), Place::FallbackTag, 3),
    ];
    let again = [signature(&a, &digest), signature(&a, &digest), legacy_signature(&a, &digest)];
    for (what, mut signatures) in [
        ("one signature", by_a[..1].to_vec()),
        ("one key in two forms", by_a.to_vec()),
        ("one signature in three places", twice.to_vec()),
        ("one key that signed three times", again.to_vec()),
    ] {
        world.registry.sign(APP, digest, &signatures);
        assert_ne!(answer(&world.ask_one(APP_V1).await), "ALLOW", "{what}");
        signatures.push(legacy_signature(&c, &digest));
        world.registry.sign(APP, digest, &signatures);
        assert_eq!(answer(&world.ask_one(APP_V1).await), "ALLOW", "{what}, and one by another");
    }
}

#[tokio::test]
async fn cry_22_a_key_that_is_listed_twice_makes_the_policy_unusable() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    let rewrapped = key.pem().replace("-----\n", "-----\n\n") + "\n\n";
    for (second, expected) in [(key.pem(), "POLICY_ERROR"), (rewrapped, "POLICY_ERROR"), (other.pem(), "ALLOW")] {
        let authorities = [by_key("a", &key), json!({"name": "b", "key": {"publicKey": second}})];
        let world = World::new(vec![policy_by("p", &["**"], &authorities, &json!({"require": {"atLeast": 2}}))]);
        let digest = world.registry.push(APP_V1, b"app v1");
        world.registry.sign(APP, digest, &[signature(&key, &digest), signature(&other, &digest)]);
        assert_eq!(answer(&world.ask_one(APP_V1).await), expected);
    }
}

#[tokio::test]
async fn cry_22_a_log_entry_that_is_there_twice_is_no_second_signer() {
    let (sigstore, main, key) = (own(), Identity::gitlab(), SigningKey::new());
    let authorities = [keyless("ci", &main, "own"), by_key("release", &key)];
    let world = World::new(vec![policy_by("p", &["**"], &authorities, &json!({"require": {"all": true}}))]);
    world.trust(&[("own", Ok(&sigstore))]);
    let digest = world.registry.push(APP_V1, b"app v1");
    let signing = sigstore.keyless(&main, Content::statement(&statement(&digest)));
    let doubled = signing.with(|it| it.entries.push(sigstore.entry())).bundle_candidate();
    world.registry.sign(APP, digest, &[doubled.clone(), signing.bundle_candidate()]);
    assert_ne!(answer(&world.ask_one(APP_V1).await), "ALLOW");
    world.registry.sign(APP, digest, &[doubled, signature(&key, &digest)]);
    assert_eq!(answer(&world.ask_one(APP_V1).await), "ALLOW");
}

/// One authority takes one name, the other any branch.
fn overlapping() -> [Value; 2] {
    let any = json!({"issuer": "https://gitlab.com", "subjectRegExp": r"https://gitlab\.com/acme/app//.*"});
    [
        keyless("main", &Identity::gitlab(), "own"),
        json!({"name": "any", "keyless": {"trustedRoot": "own", "identities": [any]}}),
    ]
}

#[tokio::test]
async fn cry_22_two_signers_are_found_in_any_order_though_one_fits_both_authorities() {
    let (sigstore, main, other) = (own(), Identity::gitlab(), Identity::gitlab_at("other"));
    let [one, any] = overlapping();
    for authorities in [[one.clone(), any.clone()], [any, one]] {
        let world = World::new(vec![policy_by("p", &["**"], &authorities, &json!({"require": {"all": true}}))]);
        world.trust(&[("own", Ok(&sigstore))]);
        let digest = world.registry.push(APP_V1, b"app v1");
        let by = |identity: &Identity| signed_by(&sigstore, identity, &digest);
        // Another run of the same pipeline is another certificate and no other signer.
        let mut rerun = main.clone();
        rerun.claims.insert(21, "https://gitlab.com/acme/app/-/jobs/18".to_owned());
        for (what, signatures, expected) in [
            ("one", vec![by(&main)], "SIGNER_MISMATCH"),
            ("one in two runs", vec![by(&main), by(&rerun)], "SIGNER_MISMATCH"),
            ("the other alone", vec![by(&other)], "IDENTITY_MISMATCH"),
            ("both", vec![by(&main), by(&other)], "ALLOW"),
            ("both, the other way round", vec![by(&other), by(&main)], "ALLOW"),
            ("both, after one in two runs", vec![by(&rerun), by(&main), by(&other)], "ALLOW"),
        ] {
            world.registry.sign(APP, digest, &signatures);
            let verdict = world.ask_one(APP_V1).await;
            assert_eq!(answer(&verdict), expected, "{what}");
        }
        // What is not read may be by the one who is missing.
        world.registry.script_evidence(APP, digest, &[found(by(&main)), unread(Place::ReferrersApi)]);
        assert_eq!(answer(&world.ask_one(APP_V1).await), "REGISTRY_TIMEOUT");
        world.registry.script_evidence(
            APP,
            digest,
            &[found(by(&main)), unread(Place::ReferrersApi), found(by(&other))],
        );
        assert_eq!(answer(&world.ask_one(APP_V1).await), "ALLOW");
    }
}

#[tokio::test(start_paused = true)]
async fn one_signature_is_enough_where_one_is_demanded_though_it_fits_several_authorities() {
    let (sigstore, main) = (own(), Identity::gitlab());
    let world = World::new(vec![policy_by("p", &["**"], &overlapping(), &json!({}))]);
    world.trust(&[("own", Ok(&sigstore))]);
    let digest = world.registry.push(APP_V1, b"app v1");
    world.registry.script_evidence(APP, digest, &[found(signed_by(&sigstore, &main, &digest)), Step::Hang]);
    let begin = Instant::now();
    let verdict = world.ask_one(APP_V1).await;
    assert_eq!((answer(&verdict), begin.elapsed().as_millis()), ("ALLOW", 0));
    let Basis::Judged(policies) = &*verdict.basis else { panic!("{:?}", verdict.basis) };
    assert!(policies[0].authorities.iter().all(|said| matches!(said.outcome, AuthorityOutcome::Verified(_))));
    assert_eq!(policies[0].authorities.len(), 2, "both vouch");
}

#[tokio::test]
async fn ten_authorities_and_ten_signatures_are_ten_checks() {
    let sigstore = own();
    let identities: Vec<Identity> = (0..10).map(|n| Identity::gitlab_at(&format!("branch-{n}"))).collect();
    let authorities: Vec<_> =
        identities.iter().enumerate().map(|(n, identity)| keyless(&format!("ci-{n}"), identity, "own")).collect();
    let all = json!({"require": {"all": true}});
    // Two policies that ask the same share what they look for.
    let world = World::new(vec![
        policy_by("p", &["**"], &authorities, &all),
        policy_by("q", &["registry.example/**"], &authorities, &all),
    ]);
    world.trust(&[("own", Ok(&sigstore))]);
    let digest = world.registry.push(APP_V1, b"app v1");
    let signatures: Vec<_> = identities.iter().map(|identity| signed_by(&sigstore, identity, &digest)).collect();
    // Each is in two places.
    let copies = signatures.iter().cloned().map(|copy| placed(copy, Place::ReferrersApi, 0));
    let everywhere: Vec<_> = signatures.iter().cloned().zip(copies).flat_map(|(one, other)| [one, other]).collect();
    world.registry.sign(APP, digest, &everywhere);

    let verdict = world.ask_one(APP_V1).await;
    assert_eq!(answer(&verdict), "ALLOW");
    assert_eq!((verdict.report.checks, verdict.report.examined.len()), (10, 19), "each once, wherever it lies");
    let asked: BTreeSet<usize> = verdict.report.examined.iter().map(|found| found.answers.len()).collect();
    // A further signature by somebody who was found already may be by another key, and leave the first for another authority.
    assert_eq!(asked, BTreeSet::from([20]), "each for each authority of both policies");

    world.registry.sign(APP, digest, &everywhere[..18]);
    let refused = world.ask_one(APP_V1).await;
    assert_eq!(codes(&refused, Mode::Enforce), ["IDENTITY_MISMATCH"; 2], "nine are not ten");
}
