//! DSSE envelopes: how many signatures they have, and what those are over.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealgate::signatures::UntrustedContent;
use serde_json::{Value, json};

use super::*;
use crate::support::sigstore::body::IN_TOTO;

/// Keyless and by key, each in a bundle and in a layer, after a change of the envelope.
fn enveloped(change: impl Fn(&mut Value)) -> Vec<Answer> {
    let question = Question::new();
    let changed = |document: &[u8], envelope: &str| {
        let mut document: Value = serde_json::from_slice(document).unwrap();
        change(document.pointer_mut(envelope).unwrap());
        document.to_string().into_bytes()
    };
    let mut answers = Vec::new();
    for signing in [good(), good_key()] {
        for mut candidate in [signing.bundle_candidate(), signing.layer_candidate()] {
            match &mut candidate.content {
                UntrustedContent::Bundle(bundle) => *bundle = changed(bundle, "/dsseEnvelope"),
                UntrustedContent::Envelope { envelope, .. } => *envelope = changed(envelope, ""),
                UntrustedContent::SimpleSigning { .. } => panic!("an envelope was signed"),
            }
            answers.push(match signing.certificate {
                Some(_) => question.keyless(&candidate),
                None => question.by_key(&candidate),
            });
        }
    }
    answers
}

/// The same with other signatures, made from the good one.
fn signed(signatures: impl Fn(&Value) -> Value) -> Vec<Answer> {
    enveloped(|envelope| envelope["signatures"] = signatures(&envelope["signatures"][0]))
}

#[test]
fn cry_21_an_envelope_without_signatures_is_unsigned() {
    signed(|good| json!([good])).iter().for_each(allowed);
    for answer in signed(|_| json!([])) {
        denied(&answer, "NO_SIGNATURE", Class::Unsigned);
    }
    for answer in signed(|_| json!([{"sig": ""}])) {
        denied(&answer, "NO_SIGNATURE", Class::Unsigned);
    }
    for none in [json!(null), json!({}), json!([null]), json!([{}]), json!([{"sig": null}])] {
        signed(|_| none.clone()).iter().for_each(malformed);
    }
    let without = |envelope: &mut Value| drop(envelope.as_object_mut().unwrap().remove("signatures"));
    enveloped(without).iter().for_each(malformed);
}

#[test]
fn cry_21_an_envelope_with_two_signatures_is_refused_in_any_order() {
    signed(|good| json!([good])).iter().for_each(allowed);
    let message = content().message();
    let by_another = json!({"sig": STANDARD.encode(SigningKey::seeded("other").sign(&message))});
    let garbage = json!({"sig": "AAAA"});
    for bad in [by_another, garbage] {
        signed(|good| json!([good, bad])).iter().for_each(malformed);
        signed(|good| json!([bad, good])).iter().for_each(malformed);
    }
    signed(|good| json!([good, good])).iter().for_each(malformed);
    signed(|good| json!([good, {"sig": ""}])).iter().for_each(malformed);
}

#[test]
fn cry_21_an_entry_with_two_signatures_is_refused_in_any_order() {
    for good in [good(), good_key()] {
        let logged = |order: fn(Value, Value) -> Value| {
            after(&good, |it| {
                it.entry().edit_body.set(move |body| {
                    let one = body["spec"]["signatures"][0].clone();
                    let mut other = one.clone();
                    other["signature"] = json!(STANDARD.encode(key().sign(b"something else")));
                    body["spec"]["signatures"] = order(one, other);
                });
            })
        };
        allowed(&logged(|good, _| json!([good])));
        bad_entry(&logged(|good, bad| json!([good, bad])));
        bad_entry(&logged(|good, bad| json!([bad, good])));
        bad_entry(&logged(|_, _| json!([])));
    }
}

/// What signs in an envelope of this type and payload, over a message of one's own.
fn over(payload_type: &str, payload: &str, message: &str) -> [Answer; 4] {
    let question = Question::new();
    let content = Content::Envelope { payload_type: payload_type.to_owned(), payload: payload.as_bytes().to_vec() };
    let message = message.as_bytes().to_vec();
    let of = |good: Signing| {
        let signer = good.key.clone();
        let message = message.clone();
        good.with(|it| {
            it.content = content.clone();
            it.edit_signature.set(move |signature| *signature = signer.sign(&message));
        })
    };
    let (keyless, key) = (of(good()), of(good_key()));
    [question.bundle(&keyless), question.layer(&keyless), question.bundle(&key), question.layer(&key)]
}

/// A statement with characters of one to four bytes.
fn multi_byte() -> String {
    let mut statement = statement(&digest());
    statement["predicate"] = json!({"note": "a \u{fc} \u{20ac} \u{1f511}"});
    statement.to_string()
}

#[test]
fn att_09_the_lengths_under_a_signature_are_bytes() {
    let payload = multi_byte();
    assert_eq!(payload.len(), payload.chars().count() + 1 + 2 + 3);
    let message = |length: usize| format!("DSSEv1 {} {IN_TOTO} {length} {payload}", IN_TOTO.len());
    over(IN_TOTO, &payload, &message(payload.len())).iter().for_each(allowed);
    let utf16 = payload.encode_utf16().count();
    for wrong in [payload.chars().count(), utf16, payload.len() + 1, 0] {
        for answer in over(IN_TOTO, &payload, &message(wrong)) {
            denied(&answer, "SIGNATURE_INVALID", Class::BadSignature);
        }
    }
}

#[test]
fn att_09_a_type_with_other_characters_is_another_type() {
    let payload = multi_byte();
    let message = |kind: &str, length: usize| format!("DSSEv1 {length} {kind} {} {payload}", payload.len());
    over(IN_TOTO, &payload, &message(IN_TOTO, IN_TOTO.len())).iter().for_each(allowed);
    // Signed as it should be, and as whoever counts characters would.
    for kind in
        [IN_TOTO.replace("in-toto", "\u{131}n-toto"), IN_TOTO.replace('+', "\u{ff0b}"), format!("{IN_TOTO}\u{301}")]
    {
        for length in [kind.len(), kind.chars().count()] {
            over(&kind, &payload, &message(&kind, length)).iter().for_each(malformed);
        }
        // Signed as the right type, and labelled as another.
        over(&kind, &payload, &message(IN_TOTO, IN_TOTO.len())).iter().for_each(malformed);
    }
}
