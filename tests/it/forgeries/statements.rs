//! In-toto statements that the right signer has signed, and that say nothing, or nothing about the image.

use serde_json::{Value, json};

use super::*;
use crate::support::signer::{edit, remove};
use crate::support::sigstore::body::IN_TOTO;

const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// Provenance of the image.
fn provenance() -> Value {
    edit(&statement(&digest()), "/predicateType", json!(PROVENANCE))
}

/// An attestation with this payload: keyless and by key, each in a bundle and in a layer.
fn attested(content: &Content) -> Vec<Answer> {
    let question = Question { predicate_type: Some(PROVENANCE), ..Question::new() };
    let answers = |good: Signing| {
        let signing = good.with(|it| it.content = content.clone());
        [question.bundle(&signing), question.layer(&signing)]
    };
    [good(), good_key()].into_iter().flat_map(answers).collect()
}

fn stated(statement: &Value) -> Vec<Answer> {
    attested(&Content::statement(statement))
}

fn bytes(payload: &[u8]) -> Vec<Answer> {
    attested(&Content::Envelope { payload_type: IN_TOTO.to_owned(), payload: payload.to_vec() })
}

#[test]
fn att_03_a_payload_is_one_json_object() {
    let good = provenance().to_string();
    bytes(good.as_bytes()).iter().for_each(allowed);
    bytes(format!(" {good}\n").as_bytes()).iter().for_each(allowed);
    let not_utf8 = [good.as_bytes(), b"\xff"].concat();
    for payload in ["", "provenance", "null", "[]", "\"{}\"", "1", &good[1..], &good[..good.len() - 1]] {
        bytes(payload.as_bytes()).iter().for_each(malformed);
    }
    for payload in [format!("{good}{good}"), format!("{good},"), format!("\u{feff}{good}"), format!("[{good}]")] {
        bytes(payload.as_bytes()).iter().for_each(malformed);
    }
    bytes(&not_utf8).iter().for_each(malformed);
}

#[test]
fn att_03_a_predicate_is_an_object_and_is_there() {
    stated(&provenance()).iter().for_each(allowed);
    stated(&edit(&provenance(), "/predicate", json!({"builder": {"id": null}}))).iter().for_each(allowed);
    for predicate in [json!(null), json!("{}"), json!(""), json!([]), json!([{}]), json!(1), json!(true)] {
        stated(&edit(&provenance(), "/predicate", predicate)).iter().for_each(malformed);
    }
    stated(&remove(&provenance(), "/predicate")).iter().for_each(malformed);
    let twice = provenance().to_string().replacen("\"predicate\":", "\"predicate\":{},\"predicate\":", 1);
    bytes(twice.as_bytes()).iter().for_each(malformed);
}

#[test]
fn att_05_a_statement_names_its_subjects() {
    stated(&provenance()).iter().for_each(allowed);
    let subject = provenance()["subject"][0].clone();
    stated(&edit(&provenance(), "/subject", json!([subject]))).iter().for_each(allowed);
    for none in [json!([]), json!(null), json!({}), subject, json!([null]), json!([{}]), json!(["x"])] {
        stated(&edit(&provenance(), "/subject", none)).iter().for_each(malformed);
    }
    stated(&remove(&provenance(), "/subject")).iter().for_each(malformed);
    for digest in [json!({}), json!(null), json!([]), json!({"sha256": null}), json!({"sha256": ""})] {
        stated(&edit(&provenance(), "/subject/0/digest", digest)).iter().for_each(malformed);
    }
    stated(&remove(&provenance(), "/subject/0/digest")).iter().for_each(malformed);
}

#[test]
fn att_05_a_subject_without_digest_spoils_the_statement() {
    let beside = |other: Value| {
        let subject = &provenance()["subject"][0];
        let orders = [json!([subject, other]), json!([other, subject])];
        orders.into_iter().flat_map(|all| stated(&edit(&provenance(), "/subject", all))).collect::<Vec<_>>()
    };
    beside(json!({"name": "a", "digest": {"sha256": Digest::of(b"another image").hex()}})).iter().for_each(allowed);
    // Named by something that is no digest of an image: another thing.
    beside(json!({"name": "a", "digest": {"gitCommit": "0123"}})).iter().for_each(allowed);
    beside(json!({"name": "a", "digest": {}})).iter().for_each(malformed);
    beside(json!({"name": "a"})).iter().for_each(malformed);
    beside(json!({})).iter().for_each(malformed);
    beside(json!(null)).iter().for_each(malformed);
}

#[test]
fn att_06_an_envelope_holds_an_in_toto_statement() {
    let typed = |payload_type: &str| {
        let payload = provenance().to_string().into_bytes();
        attested(&Content::Envelope { payload_type: payload_type.to_owned(), payload })
    };
    typed(IN_TOTO).iter().for_each(allowed);
    for other in ["", "application/json", "text/plain", "application/vnd.in-toto", "Application/vnd.in-toto+json"] {
        typed(other).iter().for_each(malformed);
    }
    typed(&format!("{IN_TOTO};charset=utf-8")).iter().for_each(malformed);
    typed(&format!(" {IN_TOTO}")).iter().for_each(malformed);
}

#[test]
fn att_06_a_statement_is_of_a_known_version() {
    let typed = |kind: Value| stated(&edit(&provenance(), "/_type", kind));
    typed(json!("https://in-toto.io/Statement/v1")).iter().for_each(allowed);
    typed(json!("https://in-toto.io/Statement/v0.1")).iter().for_each(allowed);
    for other in
        ["https://in-toto.io/Statement/v2", "https://in-toto.io/Statement/v1/", "https://in-toto.io/Statement", ""]
    {
        typed(json!(other)).iter().for_each(malformed);
    }
    typed(json!(null)).iter().for_each(malformed);
    typed(json!(["https://in-toto.io/Statement/v1"])).iter().for_each(malformed);
    stated(&remove(&provenance(), "/_type")).iter().for_each(malformed);
}

#[test]
fn att_07_an_image_is_named_by_the_digest_that_it_has() {
    let named = |digest: Value| stated(&edit(&provenance(), "/subject/0/digest", digest));
    let (hex, sha512) = (digest().hex(), hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, MANIFEST)));
    named(json!({"sha256": hex})).iter().for_each(allowed);
    named(json!({"sha256": hex, "sha512": sha512})).iter().for_each(allowed);
    // Right, and not what the image is called by.
    named(json!({"sha512": sha512})).iter().for_each(malformed);
    named(json!({"sha512": hex})).iter().for_each(malformed);
    for other in ["SHA256", "sha-256", "sha256 ", "dirHash"] {
        named(json!({other: hex})).iter().for_each(malformed);
    }
}

#[test]
fn att_07_a_digest_has_one_spelling() {
    let spelled = |hex: String| stated(&edit(&provenance(), "/subject/0/digest/sha256", json!(hex)));
    let hex = digest().hex();
    assert_ne!(hex, hex.to_uppercase());
    spelled(hex.clone()).iter().for_each(allowed);
    for other in
        [hex.to_uppercase(), format!("sha256:{hex}"), format!(" {hex}"), hex[1..].to_owned(), format!("{hex}00")]
    {
        spelled(other).iter().for_each(malformed);
    }
    let mut mixed = hex;
    let letter = mixed.find(|c: char| c.is_ascii_lowercase()).unwrap();
    mixed[letter..=letter].make_ascii_uppercase();
    spelled(mixed).iter().for_each(malformed);
}
