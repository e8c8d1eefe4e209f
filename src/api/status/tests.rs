//! What the status says, and when its times move.

use serde_json::{Value, json};

use super::*;
use crate::api::compile;
use crate::policy::{History, Version};

const POLICY: &str = include_str!("../../../tests/fixtures/policies/valid/one-key.yaml");

#[test]
fn a_valid_policy_is_ready_and_says_what_it_demands() {
    let ready = only(&conditions(&compile("p", &spec()), Some(3), &[], at(1)));
    assert_eq!((ready.type_.as_str(), ready.status.as_str(), ready.reason.as_str()), ("Ready", "True", "Valid"));
    assert_eq!(ready.message, "demands a signature by ci");
    assert_eq!(ready.observed_generation, Some(3));
}

#[test]
fn what_is_demanded_is_counted() {
    const VENDOR: &str = include_str!("../../../examples/policies/vendor-static-allow.yaml");
    let cases = [
        (
            include_str!("../../../tests/fixtures/policies/valid/keyless.yaml"),
            "demands a signature by ci (1 of 2 identities of sigstore)",
        ),
        (
            include_str!("../../../tests/fixtures/policies/valid/certificate.yaml"),
            "demands a signature by pki (an identity of its own PKI)",
        ),
        (
            include_str!("../../../tests/fixtures/policies/valid/attestations.yaml"),
            "demands signatures by 1 of ci and the attestations provenance with 2 conditions, sbom",
        ),
        (
            include_str!("../../../tests/fixtures/policies/valid/attestations-alone.yaml"),
            "demands the attestation provenance",
        ),
        (VENDOR, "trusts its images without a signature"),
    ];
    for (policy, expected) in cases {
        let policy: Value = serde_saphyr::from_str(policy).unwrap();
        let ready = only(&conditions(&compile("p", &policy["spec"]), Some(1), &[], at(1)));
        assert!(ready.message.starts_with(expected), "expected {expected}, found {}", ready.message);
    }
}

#[test]
fn pol_04_what_is_hardly_meant_is_reported() {
    let policy = include_str!("../../../tests/fixtures/policies/valid/keyless.yaml");
    let found = |policy: &str| {
        let policy: Value = serde_saphyr::from_str(policy).unwrap();
        conditions(&compile("p", &policy["spec"]), Some(1), &[], at(1))
    };
    assert_eq!(found(policy).len(), 1, "the twin with escaped dots");

    let loose = found(&policy.replace(r"https://gitlab\.com/acme/[", "https://gitlab.com/acme/["));
    let warned = loose.iter().find(|condition| condition.type_ == "HasWarnings").unwrap();
    assert_eq!((warned.status.as_str(), warned.reason.as_str()), ("True", "HardlyMeant"));
    let path = "spec.authorities[0].keyless.identities[1].subjectRegExp: ";
    assert!(warned.message.starts_with(path), "{}", warned.message);
    assert_eq!(loose[0].status, "True", "it is a policy all the same");
}

#[test]
fn flt_22_a_broken_policy_says_which_field_and_what_follows() {
    let mut spec = spec();
    spec["match"]["image"] = json!("x");
    let ready = only(&conditions(&compile("p", &spec), Some(1), &[], at(1)));
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "Invalid"));
    assert!(ready.message.starts_with("spec.match.image: unknown field; did you mean images?"), "{}", ready.message);
    assert!(ready.message.contains("POLICY_ERROR"), "{}", ready.message);
}

#[test]
fn pol_22_a_policy_on_its_last_good_version_is_not_ready_and_says_which_is_in_force() {
    let mut history = History::default();
    let version = |generation| Version { uid: None, generation: Some(generation) };
    history.take(version(3), compile("p", &spec()));
    let mut typo = spec();
    typo["mod"] = json!("Warn");
    let ready = only(&conditions(&history.take(version(4), compile("p", &typo)), Some(4), &[], at(1)));
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "LastGoodInForce"));
    assert_eq!(ready.observed_generation, Some(4));
    assert!(ready.message.starts_with("spec.mod: unknown field; did you mean mode?"), "{}", ready.message);
    assert!(ready.message.contains("(generation 3) stays in force"), "{}", ready.message);
}

#[test]
fn cfg_02_a_selector_by_a_mutable_label_is_reported() {
    let cases = [
        (json!({"matchLabels": {"environment": "production"}}), true),
        (json!({"matchExpressions": [{"key": "environment", "operator": "Exists"}]}), true),
        (json!({"matchLabels": {"kubernetes.io/metadata.name": "shop"}}), false),
        (json!({}), false),
    ];
    for (selector, reported) in cases {
        let mut spec = spec();
        spec["match"]["namespaceSelector"] = selector.clone();
        let found = conditions(&compile("p", &spec), Some(1), &[], at(1));
        let mutable = found.iter().find(|c| c.type_ == "SelectsByMutableLabel");
        assert_eq!(mutable.is_some(), reported, "{selector}");
        if let Some(mutable) = mutable {
            assert_eq!((mutable.status.as_str(), mutable.reason.as_str()), ("True", "LabelCanChange"));
            assert!(mutable.message.contains("environment"), "{}", mutable.message);
        }
    }
}

#[test]
fn the_transition_time_moves_only_with_the_status() {
    let valid = compile("p", &spec());
    let first = conditions(&valid, Some(1), &[], at(1));
    let second = conditions(&valid, Some(2), &first, at(2));
    assert_eq!(only(&second).last_transition_time, Time(at(1)));
    assert_eq!(only(&second).observed_generation, Some(2));

    let broken = conditions(&compile("p", &Value::Null), Some(3), &second, at(3));
    assert_eq!(only(&broken).last_transition_time, Time(at(3)));
}

fn spec() -> Value {
    let policy: Value = serde_saphyr::from_str(POLICY).unwrap();
    policy["spec"].clone()
}

fn only(conditions: &[Condition]) -> Condition {
    assert_eq!(conditions.len(), 1, "{conditions:?}");
    conditions[0].clone()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}
