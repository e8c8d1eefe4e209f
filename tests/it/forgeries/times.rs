//! Times: what logs promise and timestamp authorities attest, and what only says so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealgate::signatures::{CertificateRoots, LogRule, SignerDemand};
use serde_json::{Value, json};
use x509_cert::der::asn1::OctetString;

use super::*;
use crate::support::sigstore::x509::email;
use crate::support::sigstore::{HashAlgorithm, Pki, Profile, Timestamp, TimestampAuthority, TrustedChain, Window};

const DAY: i64 = 24 * 3600;

/// Bundles and layers with a promise of Rekor v1, keyless with a timestamp and without, and by key; after a change.
fn promised(change: impl Fn(&mut Signing)) -> Vec<Answer> {
    let question = Question::new();
    let signings = [good(), good().with(|it| it.timestamps.clear()), good_key()];
    let answers = |signing: &Signing| {
        let signing = signing.with(&change);
        [question.bundle(&signing), question.layer(&signing)]
    };
    signings.iter().flat_map(answers).collect()
}

#[test]
fn cry_13_a_promise_that_the_log_did_not_sign_gives_no_time() {
    promised(|_| ()).iter().for_each(allowed);
    let forged = |member: &'static str, value: Value| {
        promised(|it| {
            let value = value.clone();
            it.entry().edit_promise.set(move |promise| promise[member] = value.clone());
        })
    };
    // Really integrated when the certificate was long over.
    forged("integratedTime", json!(NOW + DAY)).iter().for_each(bad_entry);
    forged("integratedTime", json!(NOW + 3)).iter().for_each(bad_entry);
    // A genuine promise about something else.
    forged("body", json!(STANDARD.encode("{}"))).iter().for_each(bad_entry);
    forged("logIndex", json!(7)).iter().for_each(bad_entry);
    forged("logID", json!(hex::encode(Sigstore::new("b").rekor.id()))).iter().for_each(bad_entry);
}

#[test]
fn cry_13_a_broken_promise_gives_no_time() {
    let with = |promise: Value| {
        let promise = move |bundle: &mut Value| {
            bundle["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]["signedEntryTimestamp"] =
                promise.clone();
        };
        [good(), good().with(|it| it.timestamps.clear()), good_key()].map(|good| {
            let promise = promise.clone();
            after(&good, |it| it.edit_bundle.set(promise))
        })
    };
    let entry = sigstore().entry().record(&good().signed()).promise.unwrap();
    assert_ne!(entry, sigstore().entry().record(&good_key().signed()).promise.unwrap());
    allowed(&with(json!(STANDARD.encode(&entry)))[0]);
    bad_entry(&with(json!(STANDARD.encode(&entry)))[2]);
    with(json!(STANDARD.encode(key().sign(b"a promise")))).iter().for_each(bad_entry);
    with(json!("")).iter().for_each(bad_entry);
    with(json!("AA==")).iter().for_each(bad_entry);
}

/// A signature by an own PKI, whose certificate is over when it is verified.
fn own(change: impl FnOnce(&mut Signing)) -> Answer {
    own_under(change, |_| ())
}

/// The same under a changed root.
fn own_under(change: impl FnOnce(&mut Signing), root: impl FnOnce(&mut TrustedRoot)) -> Answer {
    let pki = Pki::new("own", NOW);
    let signing = pki.signing(email("dev@acme.test"), content()).with(|it| {
        it.version = crate::support::sigstore::Version::V02;
        it.entries.push(sigstore().entry());
        it.timestamps.push(sigstore().timestamp());
    });
    let roots = CertificateRoots::from_pem(&pki.root_pem()).unwrap();
    let question = Question::under(&sigstore().trusted_root().with(root));
    let identities = named(None, "dev@acme.test");
    let signer = SignerDemand::Certificate { roots: &roots, root: Some(&question.root), identities: &identities };
    question.ask(&signing.with(change).bundle_candidate(), signer)
}

#[track_caller]
fn signed_at(answer: &Answer, times: &[i64]) {
    allowed(answer);
    let expected: Vec<_> = times.iter().map(|second| moment(*second)).collect();
    assert_eq!(answer.as_ref().unwrap().proof().times, expected);
}

#[test]
fn cry_14_an_inclusion_proof_proves_no_time() {
    for claimed in [NOW, NOW + 2, NOW + 599, LATER, LATER + 36_500 * DAY] {
        let proof_only = |it: &mut Signing| {
            it.entry().promise = false;
            it.entry().integrated_time = claimed;
        };
        signed_at(&after(&good(), proof_only), &[NOW + 1]);
        signed_at(&own(proof_only), &[NOW + 1]);
        signed_at(&after(&good_key(), proof_only), &[]);
        let bare = |it: &mut Signing| {
            proof_only(it);
            it.timestamps.clear();
        };
        without_time(&after(&good(), bare));
        bad_certificate(&own(bare));
    }
    let promised = |it: &mut Signing| it.timestamps.clear();
    signed_at(&after(&good(), promised), &[NOW + 2]);
    signed_at(&own(promised), &[NOW + 2]);
    without_time(&after(&good(), |it| {
        it.timestamps.clear();
        it.edit_bundle.set(|bundle| bundle["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"] = json!(null));
    }));
}

/// Whatever has a timestamp, after a change, under a changed root: keyless in both generations of logs, a key, an own PKI.
pub(super) fn stamped(change: impl Fn(&mut Signing), root: impl Fn(&mut TrustedRoot)) -> [Answer; 4] {
    let question = Question::under(&sigstore().trusted_root().with(&root));
    let key = good_key().with(|it| it.timestamps.push(sigstore().timestamp()));
    let [v1, v2, key] = [good(), good_v2(), key].map(|signing| question.bundle(&signing.with(&change)));
    [v1, v2, key, own_under(change, root)]
}

/// The same with a timestamp by another signer of the authority, whom the root lists.
fn stamped_by(change: impl Fn(&mut Profile)) -> [Answer; 4] {
    let mut profile = Profile::time_stamping("a timestamps", NOW);
    change(&mut profile);
    let authority = TimestampAuthority::with("a", &profile, NOW);
    stamped(
        |it| it.timestamps = vec![Timestamp::new(&authority, NOW + 1)],
        |root| root.timestamp_authorities[0].certificates = authority.chain(),
    )
}

#[test]
fn cry_15_a_timestamp_is_by_an_authority_that_the_root_lists() {
    stamped(|_| (), |_| ()).iter().for_each(allowed);
    let by = |authority: &TimestampAuthority| {
        // It brings all that is needed to trust it.
        let stamp = Timestamp { certificates: authority.chain(), ..Timestamp::new(authority, NOW + 1) };
        stamped(|it| it.timestamps = vec![stamp.clone()], |_| ())
    };
    let a = sigstore().tsa;
    by(&a).iter().for_each(allowed);
    let foreign = by(&Sigstore::new("b").tsa);
    foreign.iter().for_each(bad_time);
    for told in foreign.iter().filter_map(|answer| answer.as_ref().err()).map(|finding| format!("{finding:?}")) {
        assert!(told.contains("by no timestamp authority of the trusted root"), "{told}");
    }
    // Another of the same names.
    let namesake = TimestampAuthority {
        above: vec![crate::support::sigstore::Authority::root(
            &SigningKey::seeded("other"),
            &Profile::root("a TSA root", NOW),
        )],
        ..a.clone()
    };
    let namesake = TimestampAuthority {
        signer: namesake.above[0].child(&a.signer.key, &Profile::time_stamping("a timestamps", NOW)),
        ..namesake
    };
    by(&namesake).iter().for_each(bad_time);
    // Another that the listed root would vouch for.
    let unlisted = SigningKey::seeded("unlisted");
    let unlisted =
        TimestampAuthority { signer: a.above[0].child(&unlisted, &Profile::time_stamping("a timestamps", NOW)), ..a };
    by(&unlisted).iter().for_each(bad_time);
}

#[test]
fn cry_15_an_authority_is_valid_at_the_time_that_it_attests() {
    // The timestamp is of NOW + 1.
    stamped_by(|it| it.not_after = NOW + 1).iter().for_each(allowed);
    stamped_by(|it| it.not_after = NOW).iter().for_each(bad_time);
    stamped_by(|it| it.not_before = NOW + 1).iter().for_each(allowed);
    stamped_by(|it| it.not_before = NOW + 2).iter().for_each(bad_time);
    let root_until = |last: i64| {
        let a = sigstore().tsa;
        let mut profile = Profile::root("a TSA root", NOW);
        profile.not_after = last;
        let root = crate::support::sigstore::Authority::root(&a.above[0].key, &profile);
        stamped(|_| (), |it| it.timestamp_authorities[0].certificates[1] = root.certificate.clone())
    };
    root_until(NOW + 1).iter().for_each(allowed);
    root_until(NOW).iter().for_each(bad_time);
}

#[test]
fn cry_15_an_authority_attests_within_its_own_window() {
    let between = |start: i64, end: i64| {
        stamped(
            |_| (),
            |root| {
                let window = &mut root.timestamp_authorities[0].window;
                (window.start, window.end) = (Some(start), Some(end));
            },
        )
    };
    between(NOW + 1, NOW + 1).iter().for_each(allowed);
    between(NOW - DAY, NOW).iter().for_each(bad_time);
    between(NOW + 2, NOW + DAY).iter().for_each(bad_time);
    // The window of another authority lends nothing, whichever comes first.
    let b = Sigstore::new("b");
    for place in [0, 1] {
        let under = |end: i64, by: &TimestampAuthority| {
            stamped(
                |it| it.timestamp().authority = by.clone(),
                |root| {
                    root.timestamp_authorities[0].window.end = Some(end);
                    root.timestamp_authorities.insert(place, b.trusted_root().timestamp_authorities[0].clone());
                },
            )
        };
        under(NOW + 1, &sigstore().tsa).iter().for_each(allowed);
        under(NOW, &sigstore().tsa).iter().for_each(bad_time);
        under(NOW, &b.tsa).iter().for_each(allowed);
    }
}

#[test]
fn cry_16_a_timestamp_is_about_the_signature_beside_which_it_lies() {
    let over = |bytes: &[u8]| stamped(|it| it.timestamp().over = Some(bytes.to_vec()), |_| ());
    stamped(|_| (), |_| ()).iter().for_each(allowed);
    over(b"another signature").iter().for_each(bad_time);
    over(b"").iter().for_each(bad_time);
    // The message is not the signature, and so may have been known earlier.
    over(&content().message()).iter().for_each(bad_time);
    // The signature as it is written is not the signature.
    over(STANDARD.encode(good().signed().signature).as_bytes()).iter().for_each(bad_time);
}

#[test]
fn cry_16_a_timestamp_is_over_a_strong_hash_that_it_names() {
    let hash = |hash| stamped(|it| it.timestamp().hash = hash, |_| ());
    for strong in [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512] {
        hash(strong).iter().for_each(allowed);
    }
    hash(HashAlgorithm::Sha1).iter().for_each(bad_time);
    let named = |named: HashAlgorithm| {
        let rename = move |info: &mut x509_tsp::TstInfo| info.message_imprint.hash_algorithm = named.identifier();
        stamped(|it| it.timestamp().edit_info.set(rename), |_| ())
    };
    named(HashAlgorithm::Sha256).iter().for_each(allowed);
    for other in [HashAlgorithm::Sha1, HashAlgorithm::Sha384, HashAlgorithm::Sha512] {
        named(other).iter().for_each(bad_time);
    }
    let cut = |length: usize| {
        let cut = move |info: &mut x509_tsp::TstInfo| {
            let imprint = info.message_imprint.hashed_message.as_bytes()[..length].to_vec();
            info.message_imprint.hashed_message = OctetString::new(imprint).unwrap();
        };
        stamped(|it| it.timestamp().edit_info.set(cut), |_| ())
    };
    cut(32).iter().for_each(allowed);
    for length in [0, 16, 31] {
        cut(length).iter().for_each(bad_time);
    }
}

#[test]
fn cry_16_a_nonce_is_whatever_was_signed() {
    // Nobody asked, so there is none to compare it with.
    for nonce in [None, Some(0), Some(127)] {
        stamped(|it| it.timestamp().nonce = nonce, |_| ()).iter().for_each(allowed);
    }
    let restamped = |from: [u8; 3], to: [u8; 3]| {
        let edit = move |bundle: &mut Value| {
            let stamps = &mut bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
            let mut der = STANDARD.decode(stamps[0]["signedTimestamp"].as_str().unwrap()).unwrap();
            let at = der.windows(3).position(|bytes| bytes == from).unwrap();
            der[at..at + 3].copy_from_slice(&to);
            stamps[0]["signedTimestamp"] = json!(STANDARD.encode(der));
        };
        stamped(
            |it| {
                it.timestamp().nonce = Some(77);
                it.edit_bundle.set(edit);
            },
            |_| (),
        )
    };
    restamped([2, 1, 77], [2, 1, 77]).iter().for_each(allowed);
    restamped([2, 1, 77], [2, 1, 78]).iter().for_each(bad_time);
}

#[test]
fn cry_25_timestamps_are_no_source_of_time_where_the_root_has_no_authority_for_them() {
    let without = |root: &mut TrustedRoot| root.timestamp_authorities.clear();
    signed_at(&under(&good(), |_| ()), &[NOW + 1, NOW + 2]);
    signed_at(&under(&good(), without), &[NOW + 2]);
    signed_at(&own_under(|_| (), without), &[NOW + 2]);
    // The only one.
    signed_at(&under(&good_v2(), |_| ()), &[NOW + 1]);
    without_time(&under(&good_v2(), without));
    let bare = |it: &mut Signing| it.entry().promise = false;
    signed_at(&own_under(bare, |_| ()), &[NOW + 1]);
    bad_certificate(&own_under(bare, without));
    let attested = sigstore().github(&Identity::github(), content());
    let github = |change: fn(&mut TrustedRoot)| {
        let root = sigstore().github_trusted_root().with(change);
        Question { log: LogRule::WhenPresent, ..Question::under(&root) }.bundle(&attested)
    };
    signed_at(&github(|_| ()), &[NOW + 1]);
    without_time(&github(without));
}

#[test]
fn cry_15_the_windows_of_one_authority_count_in_any_order() {
    let listed = |windows: [Window; 2]| {
        let change = |root: &mut TrustedRoot| {
            let authority = root.timestamp_authorities.remove(0);
            root.timestamp_authorities = windows.map(|window| TrustedChain { window, ..authority.clone() }).into();
        };
        let stamped = |it: &mut Signing| it.timestamps.push(sigstore().timestamp());
        [under(&good(), change), under(&good_key().with(stamped), change)]
    };
    let (ended, open) = (Window { start: Some(NOW - 600), end: Some(NOW - 60) }, Window::from(NOW - 60));
    listed([ended, open]).iter().for_each(allowed);
    listed([open, ended]).iter().for_each(allowed);
    listed([ended, ended]).iter().for_each(bad_time);
}
