//! What is said of the gate, to whom, and when it is news.

use serde_json::{Value, json};

use super::*;
use crate::api::compile;

const POLICY: &str = include_str!("../../../../tests/fixtures/policies/valid/one-key.yaml");

fn policy(mode: &str) -> Entry {
    let mut policy: Value = serde_saphyr::from_str(POLICY).unwrap();
    policy["spec"]["mode"] = json!(mode);
    compile("p", &policy["spec"])
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn in_place() -> Enforcement {
    Enforcement::InPlace { tolerated: Vec::new() }
}

fn said(enforcement: &Enforcement) -> Condition {
    enforced(&policy("Enforce"), Some(1), Some(enforcement), &[], at(1)).unwrap()
}

#[test]
fn flt_47_an_open_gate_is_told_with_its_cause_and_what_to_do() {
    let foreign = Enforcement::Foreign { by: "kubectl-edit".into() };
    let cases = [
        (in_place(), "True", "WebhooksInPlace", "are refused"),
        (Enforcement::Absent, "False", "WebhooksAbsent", "helm upgrade"),
        (Enforcement::Removed, "False", "WebhooksRemoved", "helm upgrade"),
        (foreign, "False", "WebhooksForeign", "kubectl-edit"),
        (Enforcement::NotReady, "False", "WebhooksNotReady", "/readyz"),
    ];
    for (enforcement, status, reason, named) in cases {
        let condition = said(&enforcement);
        assert_eq!((&*condition.status, &*condition.reason), (status, reason));
        assert!(condition.message.contains(named), "{}", condition.message);
        assert!(condition.message.len() < 1024, "an Event takes 1 KiB");
    }
}

#[test]
fn flt_47_only_policies_that_refuse_have_it() {
    for mode in ["Warn", "Audit"] {
        assert_eq!(enforced(&policy(mode), Some(1), Some(&Enforcement::Absent), &[], at(1)), None, "{mode}");
    }
    let broken = compile("p", &Value::Null);
    assert!(enforced(&broken, Some(1), Some(&in_place()), &[], at(1)).is_some(), "a broken policy refuses its images");
}

#[test]
fn flt_47_what_nobody_knows_now_stays_as_it_was_said() {
    let entry = policy("Enforce");
    assert_eq!(enforced(&entry, Some(1), None, &[], at(1)), None);
    let before = [said(&Enforcement::Absent)];
    assert_eq!(enforced(&entry, Some(2), None, &before, at(2)).as_ref(), before.first());
}

#[test]
fn what_a_platform_takes_out_is_named() {
    let tolerated = vec!["validate.pods.sealgate.dev: control-plane NotIn [true]".to_owned()];
    let condition = said(&Enforcement::InPlace { tolerated });
    assert_eq!(condition.status, "True");
    assert!(condition.message.ends_with("control-plane NotIn [true]"), "{}", condition.message);
    assert!(!said(&in_place()).message.contains("platform"), "the twin");
}

#[test]
fn flt_47_only_a_change_is_news() {
    let (open, closed) = ([said(&Enforcement::Absent)], [said(&in_place())]);
    assert_eq!(news(&closed, &open), open.first());
    assert_eq!(news(&open, &closed), closed.first());
    assert_eq!(news(&[], &open), open.first());
    assert_eq!(news(&[], &closed), None, "a new policy that is enforced");
    assert_eq!(news(&open, &open), None);
    assert_eq!(news(&open, &[]), None, "its mode is not Enforce any more");
    let removed = [said(&Enforcement::Removed)];
    assert_eq!(news(&open, &removed), removed.first(), "another cause");
}
