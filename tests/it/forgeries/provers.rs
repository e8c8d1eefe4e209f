//! Provers: what proves a thing is by whoever the thing names, not by another one that the root trusts as well, or did.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::support::signer::Scheme;
use crate::support::sigstore::x509::CODE_SIGNING;
use crate::support::sigstore::{Authority, Generation, Kind, Log, Profile, TrustedLog, Version, Window};

const DAY: i64 = 24 * 3600;

/// Each kind of signature with each kind of entry, all with a timestamp.
fn each() -> [Signing; 4] {
    let stamped = |it: &mut Signing| it.timestamps.push(sigstore().timestamp());
    [good(), good_v2(), good_key().with(stamped), good_key_v2().with(stamped)]
}

/// The root that trusts another log as well, until a moment.
fn trusting(other: &Log, end: Option<i64>) -> Question {
    let window = Window { start: Some(NOW - 100 * DAY), end };
    let root = sigstore().trusted_root();
    let root = root.with(|root| root.logs.push(TrustedLog { window, ..TrustedLog::new(other, 0) }));
    Question::under(&root)
}

/// The signature with an entry whose checkpoint is by another log: in that one's name, with a line that is no signature and has
/// the hint of the log that the entry names.
fn proven_by(signing: &Signing, other: &Log) -> Signing {
    signing.with(|it| {
        let own = it.entry().log.clone();
        let other = other.clone();
        it.entry().edit_note.set(move |note| {
            let (text, _) = note.split_once("\n\n").unwrap();
            let (_, tree) = text.split_once('\n').unwrap();
            let junk = STANDARD.encode([&own.id()[..4], &[7; 64]].concat());
            let signed = other.sign_note(&format!("{}\n{tree}\n", other.name));
            *note = format!("{signed}\u{2014} {} {junk}\n", other.name);
        });
    })
}

#[test]
fn cry_39_the_checkpoint_of_an_entry_is_by_the_log_that_it_names() {
    for signing in each() {
        for other in [Log::v1("other.test"), Log::v2("other.test")] {
            for end in [None, Some(NOW - 50 * DAY)] {
                let question = trusting(&other, end);
                allowed(&question.bundle(&signing));
                bad_entry(&question.bundle(&proven_by(&signing, &other)));
                // Without the promise of the first generation, the checkpoint is all that there is.
                let bare = signing.with(|it| it.entry().promise = false);
                allowed(&question.bundle(&bare));
                bad_entry(&question.bundle(&proven_by(&bare, &other)));
            }
        }
    }
}

#[test]
fn cry_39_an_entry_of_another_log_is_allowed_while_that_one_is_trusted() {
    for signing in each() {
        let generation = signing.entries[0].log.generation;
        let other = if generation == Generation::V1 { Log::v1("other.test") } else { Log::v2("other.test") };
        let moved = signing.with(|it| it.entry().log = other.clone());
        allowed(&trusting(&other, None).bundle(&moved));
        bad_entry(&trusting(&other, Some(NOW - 50 * DAY)).bundle(&moved));
        untrusted(&Question::new().bundle(&moved));
    }
}

#[test]
fn cry_39_a_log_writes_entries_of_its_own_generation() {
    let first = Log { generation: Generation::V1, ..Log::v2("first.test") };
    let second = Log::v2("second.test");
    for signing in [good(), good_key()] {
        let by = |log: &Log| {
            let signing = signing.with(|it| {
                let log = log.clone();
                it.entry().kind = Some(Kind::Dsse);
                it.entry().log = log;
            });
            trusting(log, None).bundle(&signing)
        };
        allowed(&by(&first));
        bad_entry(&by(&second));
    }
    for signing in [good_v2(), good_key_v2()] {
        let by = |log: &Log| {
            let signing = signing.with(|it| {
                it.entry().kind = Some(Kind::HashedRekordV2);
                it.entry().log = log.clone();
                // The checkpoint of either is in the bare name.
                let name = log.name.clone();
                it.entry().edit_checkpoint.set(move |text| {
                    let (_, tree) = text.split_once('\n').unwrap();
                    *text = format!("{name}\n{tree}");
                });
            });
            trusting(log, None).bundle(&signing)
        };
        allowed(&by(&second));
        bad_entry(&by(&first));
    }
}

#[test]
fn cry_28_a_tiled_log_signs_checkpoints_in_its_own_name_only() {
    let named = |signing: &Signing, name: &'static str| {
        let signing = signing.with(|it| {
            let log = it.entry().log.clone();
            it.entry().edit_note.set(move |note| {
                let (text, _) = note.split_once("\n\n").unwrap();
                let (_, tree) = text.split_once('\n').unwrap();
                *note = Log { name: name.to_owned(), ..log.clone() }.sign_note(&format!("{name}\n{tree}\n"));
                // The hint is the log's own.
                let (text, line) = note.split_once("\u{2014} ").unwrap();
                let mut signature = STANDARD.decode(line.trim_end().split_once(' ').unwrap().1).unwrap();
                signature[..4].copy_from_slice(&log.id()[..4]);
                *note = format!("{text}\u{2014} {name} {}\n", STANDARD.encode(signature));
            });
        });
        Question::new().bundle(&signing)
    };
    for signing in [good_v2(), good_key_v2()] {
        allowed(&named(&signing, "rekor2.a.test"));
        bad_entry(&named(&signing, "other.test"));
        bad_entry(&named(&signing, "rekor2.a.test.other"));
    }
}

#[test]
fn cry_28_a_tiled_log_with_an_ecdsa_key_is_named_by_its_address() {
    let log = Log { generation: Generation::V2, ..Log::v1("ecdsa.test") };
    // Its id does not have the name in it.
    let id = Log::v1("ecdsa.test").id();
    let by = |origin: &'static str| {
        let root = sigstore().trusted_root().with(|root| {
            root.logs.push(TrustedLog { id, ..TrustedLog::new(&log, NOW - DAY) });
        });
        let signing = good_v2().with(|it| {
            let key = log.key.clone();
            it.entry().log = log.clone();
            it.entry().edit_note.set(move |note| {
                let (text, _) = note.split_once("\n\n").unwrap();
                let (_, tree) = text.split_once('\n').unwrap();
                let text = format!("{origin}\n{tree}\n");
                let signature = [&id[..4], &key.sign(text.as_bytes())].concat();
                *note = format!("{text}\n\u{2014} {origin} {}\n", STANDARD.encode(signature));
            });
            it.edit_bundle.set(move |bundle| {
                let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
                entry["logId"]["keyId"] = STANDARD.encode(id).into();
            });
        });
        Question::under(&root).bundle(&signing)
    };
    allowed(&by("ecdsa.test"));
    bad_entry(&by("other.test"));
}

#[test]
fn cry_05_an_entry_names_the_certificate_not_the_key_alone() {
    for kind in [Kind::Intoto, Kind::Dsse, Kind::EarlyIntoto] {
        let recorded = |about: Option<Signing>| {
            let signing = good().with(|it| {
                it.entry().kind = Some(kind);
                it.entry().about = about.map(Box::new);
            });
            if kind == Kind::EarlyIntoto { Question::new().layer(&signing) } else { Question::new().bundle(&signing) }
        };
        allowed(&recorded(None));
        allowed(&recorded(Some(good())));
        // The same key and signature, for somebody else; and for nobody.
        let mallory = Identity { subject: "https://mallory.test".to_owned(), ..Identity::github() };
        let name = crate::support::sigstore::x509::uri(&mallory.subject);
        bad_entry(&recorded(Some(good().with(|it| *it.leaf().names() = vec![name]))));
        bad_entry(&recorded(Some(good().with(|it| it.certificate = None))));
    }
}

#[test]
fn cry_05_an_entry_is_of_the_kind_that_it_says_it_is() {
    for signing in each() {
        allowed(&Question::new().bundle(&signing));
        for (member, value) in [("kind", "rekord"), ("apiVersion", "0.0.9")] {
            let edit = signing.with(|it| it.entry().edit_body.set(move |body| body[member] = value.into()));
            bad_entry(&Question::new().bundle(&edit));
        }
    }
}

/// A keyless signature by another intermediate of the usual root, which the signature brings along.
fn brought(version: Version, authorities: &[&Authority]) -> Signing {
    good().with(|it| {
        it.version = version;
        it.leaf().issuer = authorities[0].clone();
        it.leaf().presented = authorities.iter().map(|authority| authority.certificate.clone()).collect();
    })
}

#[test]
fn cry_40_authorities_come_from_the_trusted_root_and_not_from_the_signature() {
    let a = sigstore();
    let mut profile = Profile::intermediate("a second intermediate", NOW);
    profile.extended_key_usage = vec![CODE_SIGNING];
    let second = a.root.child(&SigningKey::seeded("second"), &profile);
    let below = second.child(&SigningKey::seeded("below"), &Profile::intermediate("below", NOW));
    // The usual authority stays, and with it the root above both.
    let named = |end: Option<i64>| {
        let root = a.trusted_root().with(|root| {
            let mut chain = root.certificate_authorities[0].clone();
            chain.certificates[0] = second.certificate.clone();
            chain.window.end = end;
            root.certificate_authorities.push(chain);
        });
        Question::under(&root)
    };
    for version in [Version::V01, Version::V02] {
        let with = |authorities: &[&Authority]| brought(version, authorities);
        let each = |question: &Question, signing: &Signing| [question.bundle(signing), question.layer(signing)];
        each(&Question::new(), &with(&[&a.fulcio])).iter().for_each(allowed);
        each(&named(None), &with(&[&second])).iter().for_each(allowed);
        // Its window has ended; it was withdrawn; it was never named.
        each(&named(Some(NOW)), &with(&[&second])).iter().for_each(bad_certificate);
        each(&Question::new(), &with(&[&second])).iter().for_each(untrusted);
        each(&Question::new(), &with(&[&below, &second])).iter().for_each(untrusted);
        each(&named(None), &with(&[&below, &second])).iter().for_each(untrusted);
    }
}

#[test]
fn cry_40_who_issued_a_certificate_is_asked_before_what_lies_beside_it() {
    // The evidence may be much, and anybody can make a certificate in the name of an authority.
    let in_its_name = |issuer: &Authority, entry: fn(&mut Signing)| {
        let signing = good().with(|it| {
            it.leaf().issuer.key = issuer.key.clone();
            entry(it);
        });
        Question::new().bundle(&signing)
    };
    let forged: fn(&mut Signing) = |it| it.entry().edit_promise.set(|promise| promise["body"] = "e30=".into());
    let a = sigstore();
    allowed(&in_its_name(&a.fulcio, |_| ()));
    bad_entry(&in_its_name(&a.fulcio, forged));
    bad_certificate(&in_its_name(&Sigstore::new("b").fulcio, |_| ()));
    bad_certificate(&in_its_name(&Sigstore::new("b").fulcio, forged));
}

#[test]
fn cry_40_a_withdrawal_holds_from_the_second_that_it_names() {
    let until = |end: i64| under(&good(), |root| root.certificate_authorities[0].window.end = Some(end));
    // The certificate signed at NOW + 1 and NOW + 2.
    allowed(&until(NOW + 2));
    bad_certificate(&until(NOW + 1));
    let from = |start: i64| under(&good(), |root| root.certificate_authorities[0].window.start = Some(start));
    allowed(&from(NOW + 1));
    bad_certificate(&from(NOW + 2));
}

#[test]
fn cry_41_a_receipt_is_not_older_than_its_certificate() {
    let retired = |end: i64| {
        let window = Window { start: Some(NOW - 200 * DAY), end: Some(end) };
        let root = sigstore().trusted_root().with(|root| root.certificate_logs[0].window = window);
        Question::under(&root)
    };
    let dated = |time: i64| good().with(|it| it.leaf().scts[0].time = time);
    let early = |signing: &Signing| signing.with(|it| it.entry().kind = Some(Kind::EarlyIntoto));
    for (end, time) in [(NOW, NOW), (NOW, NOW - 60), (NOW - 600, NOW - 600)] {
        allowed(&retired(end).bundle(&dated(time)));
        allowed(&retired(end).layer(&early(&dated(time))));
    }
    for (end, time) in [(NOW - 100 * DAY, NOW - 150 * DAY), (NOW, NOW - DAY), (NOW - 600, NOW)] {
        bad_certificate(&retired(end).bundle(&dated(time)));
        bad_certificate(&retired(end).layer(&early(&dated(time))));
    }
}

#[test]
fn cry_37_signers_with_other_keys_than_p_256_are_in_logs_of_both_generations() {
    for scheme in [Scheme::P384, Scheme::P521, Scheme::RsaPkcs1] {
        let (key, other) = (SigningKey::generate(scheme), SigningKey::generate(scheme));
        for signing in [good(), good_v2()] {
            let by = |key: &SigningKey| signing.with(|it| it.key = key.clone());
            allowed(&Question::new().bundle(&by(&key)));
            let about = by(&key).with(|it| it.entry().about = Some(Box::new(by(&other))));
            bad_entry(&Question::new().bundle(&about));
        }
    }
}

#[test]
fn cry_29_an_index_is_told_only_where_something_proves_it() {
    let told = |signing: &Signing| Question::new().bundle(signing).unwrap().proof().log_entries.clone();
    assert_eq!(told(&good()), ["https://rekor.a.test index 1005"]);
    assert_eq!(told(&good_v2()), ["https://rekor2.a.test index 5"]);
    let bare = good().with(|it| it.entry().promise = false);
    assert_eq!(told(&bare), ["https://rekor.a.test"]);
}
