//! How policies combine, from the spec as it is written to the verdict.

use std::collections::BTreeMap;

use sealgate::policy::{Entry, PolicySet};
use sealgate::verifier::{Basis, Defaults, Mode, PolicyOutcome, Reaction};
use serde_json::json;

use crate::support::signer::SigningKey;
use crate::support::verifier::{World, answer, codes, fixed, legacy_signature, policy, policy_with};

const APP: &str = "registry.example/team/app";
const APP_V1: &str = "registry.example/team/app:v1";

/// A world in which `app:v1` is signed by these keys.
fn signed_by(entries: Vec<Entry>, keys: &[&SigningKey]) -> World {
    let world = World::new(entries);
    sign(&world, keys);
    world
}

fn sign(world: &World, keys: &[&SigningKey]) {
    let digest = world.registry.push(APP_V1, b"app v1");
    let signatures: Vec<_> = keys.iter().map(|key| legacy_signature(key, &digest)).collect();
    world.registry.sign(APP, digest, &signatures);
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(n - 1);
    let insert = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, n - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..n).map(|at| insert(order, at)).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn pol_09_each_policy_acts_in_its_own_mode_in_any_order() {
    let (ci, other) = (SigningKey::new(), SigningKey::new());
    for (first, second) in [("Enforce", "Audit"), ("Audit", "Enforce")] {
        let entries = vec![
            policy_with("first", &["registry.example/**"], &[&other], &json!({"mode": first})),
            policy_with("second", &["registry.example/**"], &[&other], &json!({"mode": second})),
        ];
        let verdict = signed_by(entries, &[&ci]).ask_one(APP_V1).await;
        assert_eq!(codes(&verdict, Mode::Enforce).len(), 1, "the strictest wins");
        assert_eq!(codes(&verdict, Mode::Audit).len(), 1);
        assert_eq!(verdict.pin(), None);
    }
    let entries = vec![
        policy("first", &["registry.example/**"], &[&ci]),
        policy_with("second", &["registry.example/**"], &[&other], &json!({"mode": "Audit"})),
    ];
    let verdict = signed_by(entries, &[&ci]).ask_one(APP_V1).await;
    assert_eq!(answer(&verdict), "ALLOW");
    assert_eq!(codes(&verdict, Mode::Audit).len(), 1, "what only audits is recorded");
    assert_eq!(verdict.pin(), verdict.digest.as_ref());
}

#[tokio::test]
async fn pol_10_every_order_of_policies_gives_the_same_verdict() {
    let (ci, other) = (SigningKey::new(), SigningKey::new());
    let entries = || {
        [
            policy("a", &["registry.example/**"], &[&ci]),
            policy("b", &["registry.example/team/*"], &[&other]),
            policy_with("c", &[APP], &[&ci, &other], &json!({"require": {"all": true}})),
            policy_with("broken", &[APP], &[&ci], &json!({"require": {"atLeast": 9}})),
        ]
    };
    let mut verdicts = Vec::new();
    for order in permutations(4) {
        let mut entries = entries().map(Some);
        let shuffled = order.iter().filter_map(|i| entries[*i].take()).collect();
        verdicts.push(signed_by(shuffled, &[&ci]).ask_one(APP_V1).await);
    }
    assert_eq!(verdicts.len(), 24);
    assert_eq!(codes(&verdicts[0], Mode::Enforce), ["SIGNATURE_INVALID", "POLICY_ERROR", "SIGNATURE_INVALID"]);
    for verdict in &verdicts {
        assert_eq!(verdict, &verdicts[0]);
    }
}

#[tokio::test]
async fn pol_10_a_broken_policy_denies_its_own_images_and_no_others() {
    let ci = SigningKey::new();
    let world = |members| {
        signed_by(
            vec![
                policy("all", &["registry.example/**"], &[&ci]),
                policy_with("team", &["registry.example/team/**"], &[&ci], &members),
            ],
            &[&ci],
        )
    };
    let broken = world(json!({"require": {"atLeast": 9}}));
    let digest = broken.registry.push("registry.example/base:v1", b"base");
    broken.registry.sign("registry.example/base", digest, &[legacy_signature(&ci, &digest)]);
    assert_eq!(answer(&broken.ask_one(APP_V1).await), "POLICY_ERROR");
    assert_eq!(answer(&broken.ask_one("registry.example/base:v1").await), "ALLOW");
    assert_eq!(answer(&world(json!({})).ask_one(APP_V1).await), "ALLOW");
}

/// An Audit trial with a typo in its images is about nothing that can be read, and opens nothing.
#[tokio::test]
async fn pol_20_a_broken_trial_opens_nothing_that_no_policy_matched() {
    let ci = SigningKey::new();
    let world = |mode: &str, images: &[&str]| {
        let trial = policy_with("trial", images, &[&ci], &json!({"mode": mode}));
        signed_by(vec![policy("ci", &[APP], &[&ci]), trial], &[&ci])
    };
    for mode in ["Audit", "Warn", "Enforce"] {
        for typo in ["ghcr.io/MyOrg/**", "ghcr.io/acme-*/**", "**/**", ""] {
            let world = world(mode, &[typo]);
            assert_eq!(answer(&world.ask_one("registry.example/evil:v1").await), "NO_POLICY", "{mode} {typo}");
            assert_eq!(answer(&world.ask_one(APP_V1).await), "ALLOW", "{mode} {typo}: it shuts only itself");
        }
        // What it is readably about is refused in its mode, and stays as unmatched as it was.
        let world = world(mode, &["registry.example/**", "ghcr.io/MyOrg/**"]);
        let verdict = world.ask_one("registry.example/evil:v1").await;
        let (enforced, expected) =
            (codes(&verdict, Mode::Enforce), if mode == "Enforce" { "POLICY_ERROR" } else { "NO_POLICY" });
        assert_eq!(enforced, [expected], "{mode}");
        assert_eq!(verdict.pin(), None);
    }
    let whole = world("Audit", &["registry.example/**"]);
    whole.registry.push("registry.example/evil:v1", b"evil");
    assert_eq!(answer(&whole.ask_one("registry.example/evil:v1").await), "ALLOW", "the twin without a typo");
}

/// Whatever is wrong with a policy: beside the others it only ever adds refusals, of what its readable patterns match.
#[tokio::test]
async fn pol_21_a_broken_policy_adds_refusals_of_its_own_images_to_what_the_others_say() {
    let ci = SigningKey::new();
    let faults = [
        json!({"typo": 1}),
        json!({"mode": "audit"}),
        json!({"require": {"atLeast": 9}}),
        json!({"match": {"images": []}}),
        json!({"match": {"images": "registry.example/**"}}),
        json!({"match": {"images": [1, "registry.example/team/**"]}}),
        json!({"match": {"images": ["registry.example/*a*/**", "registry.example/team/**"]}}),
        json!({"match": {"excludeImages": ["Registry.example/team/app"]}}),
        json!({"match": {"namespaces": ["Shop"]}}),
        json!({"match": {"namespaceSelector": {"matchLabel": {}}}}),
        json!({"match": {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}}),
    ];
    for fault in faults {
        for mode in ["Enforce", "Warn", "Audit"] {
            let mut members = fault.clone();
            if members.get("mode").is_none() {
                members["mode"] = json!(mode);
            }
            let broken = policy_with("broken", &["registry.example/team/**"], &[&ci], &members);
            assert!(broken.error().is_some(), "{members}");
            let base = || vec![policy("ci", &[APP], &[&ci])];
            let without = signed_by(base(), &[&ci]);
            let with = signed_by([base(), vec![broken]].concat(), &[&ci]);
            for image in [APP_V1, "registry.example/team/other:v1", "registry.example/evil:v1"] {
                let refused = |verdict: &sealgate::verifier::ImageVerdict| !codes(verdict, Mode::Enforce).is_empty();
                let (before, after) = (without.ask_one(image).await, with.ask_one(image).await);
                assert!(refused(&after) || !refused(&before), "{members}: {image} was refused, and is admitted");
                let own = codes(&after, Mode::Enforce).contains(&"POLICY_ERROR");
                assert!(refused(&before) || !refused(&after) || own, "{members}: {image} is refused by no one");
                assert!(!own || image.starts_with("registry.example/team/"), "{members}: {image} is not its own");
            }
        }
    }
}

#[tokio::test]
async fn flt_22_garbage_that_was_stored_denies_what_it_is_readably_about() {
    let ci = SigningKey::new();
    let world = |key: &str| {
        let key = json!({"authorities": [{"name": "a", "key": {"publicKey": key}}]});
        let entries = vec![
            policy_with("app", &[APP], &[&ci], &key),
            policy_with("rest", &["registry.example/**"], &[&ci], &json!({"match": {"excludeImages": [APP]}})),
        ];
        signed_by(entries, &[&ci])
    };
    let garbage = world("no key");
    let verdict = garbage.ask_one(APP_V1).await;
    assert_eq!(answer(&verdict), "POLICY_ERROR");
    assert!(garbage.registry.calls().is_empty(), "a broken policy needs no registry");
    let digest = garbage.registry.push("registry.example/base:v1", b"base");
    garbage.registry.sign("registry.example/base", digest, &[legacy_signature(&ci, &digest)]);
    assert_eq!(answer(&garbage.ask_one("registry.example/base:v1").await), "ALLOW");
    assert_eq!(answer(&world(&ci.pem()).ask_one(APP_V1).await), "ALLOW");
}

#[tokio::test]
async fn pol_11_a_narrow_policy_is_still_demanded_beside_a_broad_one() {
    let (ci, release) = (SigningKey::new(), SigningKey::new());
    let entries = || vec![policy("broad", &["registry.example/**"], &[&ci]), policy("narrow", &[APP], &[&release])];
    let verdict = signed_by(entries(), &[&ci]).ask_one(APP_V1).await;
    assert_eq!(answer(&verdict), "SIGNATURE_INVALID");
    assert_eq!(verdict.findings(Mode::Enforce)[0].0, Some("narrow"));
    assert_eq!(verdict.pin(), None);
    assert_eq!(answer(&signed_by(entries(), &[&release]).ask_one(APP_V1).await), "SIGNATURE_INVALID");
    assert_eq!(answer(&signed_by(entries(), &[&ci, &release]).ask_one(APP_V1).await), "ALLOW");
}

#[tokio::test]
async fn pol_11_a_broad_static_allow_does_not_excuse_a_strict_policy() {
    let release = SigningKey::new();
    let entries = || vec![fixed("allow", &[APP], "Allow"), policy("strict", &["registry.example/**"], &[&release])];
    assert_eq!(answer(&signed_by(entries(), &[]).ask_one(APP_V1).await), "NO_SIGNATURE");
    let verdict = signed_by(entries(), &[&release]).ask_one(APP_V1).await;
    assert_eq!(answer(&verdict), "ALLOW");
    assert_eq!(verdict.pin(), verdict.digest.as_ref());
}

#[tokio::test]
async fn pol_13_what_can_not_be_met_or_counts_twice_denies_its_images() {
    let (a, b) = (SigningKey::new(), SigningKey::new());
    let require = |keys: &[&SigningKey], require| {
        let entry = policy_with("p", &[APP], keys, &json!({"require": require}));
        signed_by(vec![entry], &[&a, &b])
    };
    for (keys, demand, expected) in [
        (&[&a, &b][..], json!({"atLeast": 2}), "ALLOW"),
        (&[&a, &b], json!({"all": true}), "ALLOW"),
        (&[&a, &b], json!({"atLeast": 1, "of": ["b"]}), "ALLOW"),
        (&[&a, &b], json!({"atLeast": 3}), "POLICY_ERROR"),
        (&[&a, &b], json!({"atLeast": 0}), "POLICY_ERROR"),
        (&[&a, &b], json!({"atLeast": -1}), "POLICY_ERROR"),
        (&[&a, &b], json!({"atLeast": 2, "of": ["b"]}), "POLICY_ERROR"),
        (&[&a, &a], json!({"atLeast": 2}), "POLICY_ERROR"),
        (&[], json!({}), "POLICY_ERROR"),
    ] {
        let verdict = require(keys, demand.clone()).ask_one(APP_V1).await;
        assert_eq!(answer(&verdict), expected, "{demand} of {} keys", keys.len());
    }
}

#[tokio::test]
async fn pol_13_two_signatures_by_one_key_do_not_make_two() {
    let (a, b) = (SigningKey::new(), SigningKey::new());
    let entries = || vec![policy_with("p", &[APP], &[&a, &b], &json!({"require": {"atLeast": 2}}))];
    assert_eq!(answer(&signed_by(entries(), &[&a, &a]).ask_one(APP_V1).await), "SIGNATURE_INVALID");
    assert_eq!(answer(&signed_by(entries(), &[&a, &b]).ask_one(APP_V1).await), "ALLOW");
}

#[tokio::test]
async fn pol_18_static_allow_asks_no_registry_and_pins_nothing() {
    let world = World::new(vec![fixed("vendor", &[APP], "Allow")]);
    let verdict = world.ask_one(APP_V1).await;
    assert_eq!((answer(&verdict), verdict.pin(), verdict.digest), ("ALLOW", None, None));
    let Basis::Judged(policies) = &*verdict.basis else { panic!("{:?}", verdict.basis) };
    assert_eq!(policies[0].outcome, PolicyOutcome::Accepted { demands_signature: false }, "it can be counted");
    assert!(world.registry.calls().is_empty());
}

#[tokio::test]
async fn pol_18_static_allow_with_a_wildcard_is_broken_and_deny_is_not() {
    for (images, decision, expected) in [
        (&[APP][..], "Allow", "ALLOW"),
        (&["registry.example/team/*"], "Allow", "POLICY_ERROR"),
        (&["**"], "Allow", "POLICY_ERROR"),
        (&["**"], "Deny", "STATIC_DENY"),
    ] {
        let world = World::new(vec![fixed("vendor", images, decision)]);
        assert_eq!(answer(&world.ask_one(APP_V1).await), expected, "{images:?} {decision}");
        assert!(world.registry.calls().is_empty());
    }
}

#[tokio::test]
async fn cfg_01_an_unmatched_image_is_denied_unless_that_was_chosen() {
    let ci = SigningKey::new();
    let mut world = signed_by(vec![policy("app", &[APP], &[&ci])], &[&ci]);
    let verdict = world.ask_one("registry.example/other:v1").await;
    assert_eq!(answer(&verdict), "NO_POLICY");
    assert!(world.registry.calls().is_empty(), "what no policy is about needs no registry");
    assert_eq!(answer(&world.ask_one(APP_V1).await), "ALLOW");

    world.defaults.unmatched = Reaction::Warn;
    let verdict = world.ask_one("registry.example/other:v1").await;
    assert_eq!((answer(&verdict), codes(&verdict, Mode::Warn)), ("ALLOW", vec!["NO_POLICY"]));
    assert_eq!(verdict.pin(), None);
    world.defaults.unmatched = Reaction::Allow;
    let verdict = world.ask_one("registry.example/other:v1").await;
    assert_eq!((answer(&verdict), codes(&verdict, Mode::Warn)), ("ALLOW", vec![]));
}

#[tokio::test]
async fn cfg_01_an_unmatched_image_is_taken_as_strictly_as_the_policies_of_its_namespace() {
    let ci = SigningKey::new();
    for (mode, expected) in [("Enforce", Mode::Enforce), ("Warn", Mode::Warn), ("Audit", Mode::Audit)] {
        let world = World::new(vec![policy_with("app", &[APP], &[&ci], &json!({"mode": mode}))]);
        let verdict = world.ask_one("registry.example/other:v1").await;
        for other in [Mode::Enforce, Mode::Warn, Mode::Audit] {
            assert_eq!(codes(&verdict, other).is_empty(), other != expected, "{mode} in {other:?}");
        }
    }
}

#[tokio::test]
async fn a_namespace_that_nothing_governs_is_as_the_setting_says() {
    let ci = SigningKey::new();
    let elsewhere = || vec![policy_with("app", &[APP], &[&ci], &json!({"match": {"namespaces": ["elsewhere"]}}))];
    let mut world = World::new(elsewhere());
    let verdict = world.ask_one(APP_V1).await;
    assert_eq!((answer(&verdict), &*verdict.basis), ("ALLOW", &Basis::Ungoverned(Reaction::Allow)));
    world.defaults = Defaults { ungoverned: Reaction::Deny, ..Defaults::default() };
    assert_eq!(answer(&world.ask_one(APP_V1).await), "NO_POLICY");
    assert!(world.registry.calls().is_empty());
}

#[tokio::test]
async fn cfg_02_labels_do_not_switch_off_a_policy_that_selects_by_name() {
    let ci = SigningKey::new();
    let by_name = json!({"match": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}});
    let forged = &[("kubernetes.io/metadata.name", "elsewhere"), ("sealgate.dev/skip", "true")];
    for (namespaces, expected) in
        [(&by_name, "NO_SIGNATURE"), (&json!({"match": {"namespaces": ["shop"]}}), "NO_SIGNATURE")]
    {
        let world = World::with_labels(vec![policy_with("p", &[APP], &[&ci], namespaces)], forged);
        sign(&world, &[]);
        assert_eq!(answer(&world.ask_one(APP_V1).await), expected);
        sign(&world, &[&ci]);
        assert_eq!(answer(&world.ask_one(APP_V1).await), "ALLOW");
    }
    let by_label = json!({"match": {"namespaceSelector": {"matchLabels": {"env": "prod"}}}});
    let says = |members| policy_with("p", &[APP], &[&ci], &members).selects_by_mutable_label();
    assert_eq!((says(by_name), says(by_label)), (false, true));
}

/// A policy that selects by a label, in a namespace with these labels: as the watch has shown them, and as the cluster says
/// where it has not shown them yet.
async fn selected_by_label(
    labels: &[(&str, &str)],
    shown: bool,
    signers: &[&SigningKey],
    key: &SigningKey,
) -> &'static str {
    let by_label = json!({"match": {"namespaceSelector": {"matchLabels": {"env": "prod"}}}});
    let entries = vec![policy_with("p", &[APP], &[key], &by_label)];
    let world = if shown { World::with_labels(entries, labels) } else { World::new(entries) };
    world.namespaces.are(labels);
    sign(&world, signers);
    answer(&world.ask_one(APP_V1).await)
}

#[tokio::test]
async fn k8s_23_a_namespace_created_a_second_ago_is_governed_as_its_labels_say() {
    let ci = SigningKey::new();
    for shown in [true, false] {
        assert_eq!(selected_by_label(&[("env", "prod")], shown, &[], &ci).await, "NO_SIGNATURE", "{shown}");
        assert_eq!(selected_by_label(&[("env", "prod")], shown, &[&ci], &ci).await, "ALLOW", "{shown}");
        assert_eq!(
            selected_by_label(&[("env", "test")], shown, &[], &ci).await,
            "ALLOW",
            "{shown}: known to be another"
        );
    }
}

#[test]
fn a_set_knows_the_trusted_roots_that_its_policies_use() {
    let keyless = |root: Option<&str>| {
        let identity = json!({"issuer": "https://gitlab.com", "subject": "https://gitlab.com/acme/app"});
        let mut trust = json!({"identities": [identity]});
        if let Some(root) = root {
            trust["trustedRoot"] = json!(root);
        }
        json!({"name": root.unwrap_or("ci"), "keyless": trust})
    };
    let policy = |name: &str, authorities: &[serde_json::Value]| {
        sealgate::api::compile(name, &json!({"match": {"images": ["**"]}, "authorities": authorities}))
    };
    let key = json!({"name": "key", "key": {"publicKey": SigningKey::new().pem()}});
    let entries =
        vec![policy("p", &[key, keyless(Some("corp"))]), policy("q", &[keyless(None), keyless(Some("corp"))])];
    let set = PolicySet::new(entries, BTreeMap::new());
    assert_eq!(set.trusted_roots().into_iter().collect::<Vec<_>>(), ["corp", "sigstore"]);
}
