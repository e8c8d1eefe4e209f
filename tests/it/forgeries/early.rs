//! Layers with log entries of the kind `intoto 0.0.1`, which nothing but the gate itself verifies: all that is refused beside
//! other entries is refused beside these.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealgate::signatures::LogRule;
use serde_json::{Value, json};

use super::*;
use crate::support::sigstore::x509::{SERVER_AUTH, extension, permitted_names, uri};
use crate::support::sigstore::{Authority, Kind, Profile, Sct, Timestamp, Window};

/// A keyless layer that its log promised at NOW + 2.
fn early() -> Signing {
    good().with(|it| {
        it.entry().kind = Some(Kind::EarlyIntoto);
        it.timestamps.clear();
    })
}

/// The same by a key.
fn early_key() -> Signing {
    good_key().with(|it| it.entry().kind = Some(Kind::EarlyIntoto))
}

fn after(change: impl FnOnce(&mut Signing)) -> Answer {
    Question::new().layer(&early().with(change))
}

fn after_key(change: impl FnOnce(&mut Signing)) -> Answer {
    Question::new().layer(&early_key().with(change))
}

fn under(change: impl FnOnce(&mut TrustedRoot)) -> Answer {
    Question::under(&sigstore().trusted_root().with(change)).layer(&early())
}

fn under_key(change: impl FnOnce(&mut TrustedRoot)) -> Answer {
    Question::under(&sigstore().trusted_root().with(change)).layer(&early_key())
}

#[test]
fn cry_37_an_early_entry_is_good_for_its_signer() {
    allowed(&after(|_| ()));
    let verified = after(|it| it.timestamps.push(sigstore().timestamp())).unwrap();
    assert_eq!(verified.proof().times, [moment(NOW + 1), moment(NOW + 2)]);
    assert_eq!(verified.proof().log_entries, ["https://rekor.a.test index 1005"]);
    let verified = after_key(|_| ()).unwrap();
    assert_eq!(verified.proof().times, [moment(NOW + 2)]);
    denied(&Question::new().by_key(&early().layer_candidate()), "SIGNER_MISMATCH", Class::BadSignature);
    denied(&Question::new().keyless(&early_key().layer_candidate()), "SIGNER_MISMATCH", Class::BadSignature);
    let other = early().with(|it| it.leaf().profile.names = Some(vec![uri("https://other.test")]));
    denied(&Question::new().layer(&other), "IDENTITY_MISMATCH", Class::IdentityMismatch);
}

#[test]
fn cry_23_beside_an_early_entry_the_receipt_is_demanded_and_verified() {
    let (a, b) = (sigstore(), Sigstore::new("b"));
    allowed(&after(|_| ()));
    bad_certificate(&after(|it| it.leaf().scts.clear()));
    bad_certificate(&after(|it| it.leaf().scts = vec![Sct::new(&b.certificate_log, NOW)]));
    bad_certificate(&after(|it| it.leaf().scts[0].foreign = true));
    bad_certificate(&after(|it| it.leaf().scts[0].issuer = Some(b.fulcio.clone())));
    bad_certificate(&after(|it| it.leaf().scts[0].log_id = Some(b.certificate_log.id())));
    allowed(&after(|it| it.leaf().scts[0].time = LATER));
    bad_certificate(&after(|it| it.leaf().scts[0].time = LATER + 1));
    allowed(&under(|root| root.certificate_logs[0].window = Window { start: Some(NOW), end: Some(NOW) }));
    bad_certificate(&under(|root| root.certificate_logs[0].window.end = Some(NOW - 1)));
    bad_certificate(&under(|root| root.certificate_logs[0].window.start = Some(NOW + 1)));
    bad_certificate(&under(|root| root.certificate_logs[0].log = b.certificate_log.clone()));
    // Two authorities of one name are told apart by their keys.
    let namesake = a.root.child(&SigningKey::seeded("other"), &Profile::intermediate("a intermediate", NOW));
    let with = |change: &dyn Fn(&mut Signing)| {
        let root = a.trusted_root().with(|root| {
            let mut chain = root.certificate_authorities[0].clone();
            chain.certificates[0] = namesake.certificate.clone();
            root.certificate_authorities.insert(0, chain);
        });
        Question::under(&root).layer(&early().with(|it| change(it)))
    };
    allowed(&with(&|_| ()));
    allowed(&with(&|it| it.leaf().issuer = namesake.clone()));
    bad_certificate(&with(&|it| it.leaf().scts[0].issuer = Some(namesake.clone())));
}

#[test]
fn cry_33_beside_an_early_entry_a_signer_must_be_one_that_may_sign_code() {
    allowed(&after(|_| ()));
    bad_certificate(&after(|it| it.leaf().profile.key_usage = None));
    bad_certificate(&after(|it| it.leaf().profile.key_usage = Profile::root("x", NOW).key_usage));
    bad_certificate(&after(|it| it.leaf().profile.extended_key_usage.clear()));
    bad_certificate(&after(|it| it.leaf().profile.extended_key_usage = vec![SERVER_AUTH]));
    bad_certificate(&after(|it| it.leaf().profile.basic_constraints = Some((true, None))));
    bad_certificate(&after(|it| it.leaf().profile.extensions.push(extension("1.2.3.4", true, b"x"))));
    allowed(&after(|it| it.leaf().profile.extensions.push(extension("1.2.3.4", false, b"x"))));
    bad_certificate(&after(|it| it.leaf().names().push(uri("https://other.test"))));
    bad_certificate(&after(|it| it.leaf().names().clear()));
    let other = SigningKey::seeded("other").spki();
    let answer = after(|it| it.leaf().certified = Some(other));
    denied(&answer, "SIGNATURE_INVALID", Class::BadSignature);
}

#[test]
fn cry_17_beside_an_early_entry_authorities_are_held_to_rfc_5280() {
    let a = sigstore();
    let by = |change: fn(&mut Profile)| {
        let mut profile = Profile::intermediate("a intermediate", NOW);
        change(&mut profile);
        let fulcio = a.root.child(&a.fulcio.key, &profile);
        let signing = early().with(|it| it.leaf().issuer = fulcio.clone());
        let root = a.trusted_root().with(|root| {
            root.certificate_authorities[0].certificates = vec![fulcio.certificate, a.root.certificate.clone()];
        });
        Question::under(&root).layer(&signing)
    };
    allowed(&by(|_| ()));
    allowed(&by(|it| it.not_after = NOW + 2));
    bad_certificate(&by(|it| it.not_after = NOW + 1));
    allowed(&by(|it| it.not_before = NOW + 2));
    bad_certificate(&by(|it| it.not_before = NOW + 3));
    bad_certificate(&by(|it| it.extensions.push(permitted_names(&[uri("other.test")]))));
    untrusted(&after(|it| it.leaf().issuer = Sigstore::new("b").fulcio));
    let namesake = Authority::root(&SigningKey::seeded("other"), &Profile::intermediate("a intermediate", NOW));
    bad_certificate(&after(|it| it.leaf().issuer = namesake));
    allowed(&under(|root| {
        root.certificate_authorities[0].window = Window { start: Some(NOW + 2), end: Some(NOW + 2) }
    }));
    bad_certificate(&under(|root| root.certificate_authorities[0].window.end = Some(NOW + 1)));
    bad_certificate(&under(|root| root.certificate_authorities[0].window.start = Some(NOW + 3)));
}

#[test]
fn cry_18_beside_an_early_entry_the_certificate_is_valid_at_every_proven_time() {
    allowed(&after(|it| it.entry().integrated_time = NOW + 600));
    bad_certificate(&after(|it| it.entry().integrated_time = NOW + 601));
    bad_certificate(&after(|it| it.entry().integrated_time = NOW - 1));
    let stamped = |time: i64| after(|it| it.timestamps.push(Timestamp::new(&sigstore().tsa, time)));
    allowed(&stamped(NOW + 600));
    bad_certificate(&stamped(NOW + 601));
    bad_certificate(&stamped(NOW - 1));
    bad_time(&stamped(LATER + 1));
    bad_time(&after(|it| it.timestamps.push(Sigstore::new("b").timestamp())));
    bad_time(&after(|it| {
        it.timestamps.push(sigstore().timestamp());
        it.timestamp().over = Some(b"another signature".to_vec());
    }));
}

#[test]
fn cry_05_an_early_entry_is_about_the_layer_beside_which_it_lies() {
    for after in [
        |change: &dyn Fn(&mut Signing)| after(|it| change(it)),
        |change: &dyn Fn(&mut Signing)| after_key(|it| change(it)),
    ] {
        let logged = |pointer: &'static str, value: Value| {
            after(&|it| {
                let value = value.clone();
                it.entry().edit_body.set(move |body| *body.pointer_mut(pointer).unwrap() = value.clone());
            })
        };
        allowed(&after(&|_| ()));
        allowed(&logged("/spec/content/hash/algorithm", json!("sha256")));
        let other = json!(Digest::of(b"other").hex());
        bad_entry(&logged("/spec/content/hash/value", other.clone()));
        bad_entry(&logged("/spec/content/payloadHash/value", other));
        bad_entry(&logged("/spec/content/hash/algorithm", json!("sha512")));
        bad_entry(&logged("/spec/content/payloadHash/algorithm", json!("sha1")));
        let someone = STANDARD.encode(SigningKey::seeded("other").pem());
        bad_entry(&logged("/spec/publicKey", json!(someone)));
        bad_entry(&logged("/spec/publicKey", json!("")));
        bad_entry(&logged("/spec/content", json!({})));
        for other in [
            early().with(|it| it.leaf().scts[0].time = NOW + 1),
            Signing::by_key(&key(), Content::statement(&json!({}))),
        ] {
            bad_entry(&after(&|it| it.entry().about = Some(Box::new(other.clone()))));
        }
    }
}

#[test]
fn cry_13_an_early_entry_is_promised_by_its_log() {
    for after in [
        |change: &dyn Fn(&mut Signing)| after(|it| change(it)),
        |change: &dyn Fn(&mut Signing)| after_key(|it| change(it)),
    ] {
        let forged = |member: &'static str, value: Value| {
            after(&|it| {
                let value = value.clone();
                it.entry().edit_promise.set(move |promise| promise[member] = value.clone());
            })
        };
        allowed(&after(&|_| ()));
        bad_entry(&forged("integratedTime", json!(NOW + 3)));
        bad_entry(&forged("logIndex", json!(7)));
        bad_entry(&forged("body", json!("e30=")));
        untrusted(&after(&|it| it.entry().log = Sigstore::new("b").rekor));
        // There is no place for a proof.
        malformed(&after(&|it| it.entry().promise = false));
        bad_time(&after(&|it| it.entry().integrated_time = LATER + 1));
    }
}

#[test]
fn cry_24_an_early_entry_is_of_a_time_when_its_log_was_trusted() {
    let at = |start: i64, end: i64| {
        let change = |root: &mut TrustedRoot| root.logs[0].window = Window { start: Some(start), end: Some(end) };
        [under(change), under_key(change)]
    };
    at(NOW + 2, NOW + 2).iter().for_each(allowed);
    at(NOW - 10, NOW + 1).iter().for_each(bad_entry);
    at(NOW + 3, LATER).iter().for_each(bad_entry);
}

#[test]
fn cry_06_an_early_entry_is_looked_at_unless_the_policy_says_otherwise() {
    let ignoring = Question { log: LogRule::Ignored, ..Question::new() };
    let stamped = early().with(|it| it.timestamps.push(sigstore().timestamp()));
    let broken = |it: &mut Signing| it.entry().edit_promise.set(|promise| promise["logIndex"] = json!(7));
    bad_entry(&Question::new().layer(&stamped.with(broken)));
    bad_entry(&Question { log: LogRule::WhenPresent, ..Question::new() }.layer(&stamped.with(broken)));
    let verified = ignoring.layer(&stamped.with(broken)).unwrap();
    assert_eq!((verified.proof().times.as_slice(), verified.proof().log_entries.len()), (&[moment(NOW + 1)][..], 0));
    without_time(&ignoring.layer(&early()));
    allowed(&ignoring.layer(&early_key().with(broken)));
    let without = early_key().with(|it| it.entries.clear());
    denied(&Question::new().layer(&without), "LOG_REQUIRED", Class::BadSignature);
}
