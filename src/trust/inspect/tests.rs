use serde_json::{Value, json};
use sigstore_trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT;

use super::*;

const NOW: &str = "2026-11-01T00:00:00Z";

fn root() -> Value {
    serde_json::from_str(SIGSTORE_PRODUCTION_TRUSTED_ROOT).unwrap()
}

#[allow(clippy::unwrap_in_result, reason = "a wrong time is a fault of the test")]
fn inspected(root: &Value, now: &str) -> Result<Inspected, String> {
    inspect(&root.to_string(), now.parse().unwrap())
}

#[test]
fn tuf_09_garbage_is_not_a_root_and_says_so() {
    assert!(!inspected(&root(), NOW).unwrap().is_over, "the twin can be used");
    for garbage in ["", "{}", "null", "[]", "not json", "{\"mediaType\": 1}"] {
        let problem = inspect(garbage, NOW.parse().unwrap()).unwrap_err();
        assert!(problem.contains("is no trusted root"), "{garbage}: {problem}");
    }
    let mut wrong_key = root();
    wrong_key["tlogs"][0]["publicKey"]["rawBytes"] = json!("AAAA");
    assert!(inspected(&wrong_key, NOW).unwrap_err().contains("can't be used"));
}

#[test]
fn tuf_09_a_root_with_nothing_in_it_is_refused() {
    let empty = json!({"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"});
    let problem = inspected(&empty, NOW).unwrap_err();
    assert!(problem.contains("it has no certificate authority"), "{problem}");
}

#[test]
fn tuf_09_a_root_without_log_and_timestamps_is_refused() {
    let mut root = root();
    root["tlogs"] = json!([]);
    assert!(inspected(&root, NOW).is_ok(), "the twin has a timestamp authority, as GitHub's root");
    root["timestampAuthorities"] = json!([]);
    let problem = inspected(&root, NOW).unwrap_err();
    assert!(problem.contains("nothing proves when a signature was made"), "{problem}");
}

#[test]
fn tuf_09_a_root_whose_authorities_have_all_expired_is_over() {
    let mut root = root();
    assert!(!inspected(&root, NOW).unwrap().is_over, "the twin has one that has not");
    root["certificateAuthorities"].as_array_mut().unwrap().truncate(1);
    assert!(inspected(&root, NOW).unwrap().is_over);
    assert!(!inspected(&root, "2022-01-01T00:00:00Z").unwrap().is_over, "it was not always");
    // The certificate counts too: the window of this one has no end.
    root["certificateAuthorities"][0]["validFor"].as_object_mut().unwrap().remove("end");
    assert!(!inspected(&root, NOW).unwrap().is_over);
    assert!(inspected(&root, "2040-01-01T00:00:00Z").unwrap().is_over);
}
