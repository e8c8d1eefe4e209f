//! What lies beside a signature: log entries, timestamps, chains. Each wrong in one place, beside its twin that is right.

use jiff::Timestamp as Time;
use sealgate::domain::{Class, Finding, IdentityParts, IdentityPattern, Rejection};
use sealgate::signatures::{
    Candidate, CertificateRoots, ContentDemand, Demand, LogRule, PublicKey, Signatory, SignerDemand, TrustMaterial,
    VerifiedSignature, verify, verify_each,
};
use serde_json::json;

use super::{Answer, allowed, denied, denied_as, digest, image};
use crate::support::signer::{CERTIFICATE, SCHEMES, SIGNATURE, SigningKey, edit, now, payload, statement};
use crate::support::sigstore::signing::{BUNDLE, CHAIN, TIMESTAMP};
use crate::support::sigstore::x509::{CODE_SIGNING, SERVER_AUTH, email};
use crate::support::sigstore::{Authority, Content, Identity, NOW, Pki, Profile, Signing, Sigstore, Version};

const NO_ANNOTATIONS: &std::collections::BTreeMap<String, String> = &std::collections::BTreeMap::new();

fn at(second: i64) -> Time {
    Time::from_second(second).unwrap()
}

fn sigstore() -> Sigstore {
    Sigstore::new("a")
}

fn envelope() -> Content {
    Content::statement(&statement(&digest()))
}

fn layer() -> Content {
    Content::simple_signing(&payload(&digest()))
}

fn github() -> Vec<IdentityPattern> {
    let Identity { subject, issuer, .. } = Identity::github();
    let parts = IdentityParts { issuer: Some(issuer), subject: Some(subject), ..IdentityParts::default() };
    vec![IdentityPattern::keyless(parts).unwrap()]
}

fn ask(candidate: &Candidate, signer: SignerDemand<'_>, log: LogRule, now: Time) -> Answer {
    let demand = Demand { signer, log, content: ContentDemand::Image { annotations: NO_ANNOTATIONS } };
    verify(candidate, &image(), demand, now).map_err(|finding| match finding {
        Finding::Rejected(rejection) => rejection,
        Finding::Unavailable(cause) => panic!("{cause}"),
    })
}

fn keyless(candidate: &Candidate, root: &TrustMaterial, log: LogRule) -> Answer {
    let identities = github();
    ask(candidate, SignerDemand::Keyless { root, identities: &identities }, log, now())
}

/// A keyless bundle after a change, where a log entry is demanded.
fn bundle(change: impl FnOnce(&mut Signing)) -> Answer {
    let signing = sigstore().keyless(&Identity::github(), envelope()).with(change);
    keyless(&signing.bundle_candidate(), &sigstore().trusted_root().material(), LogRule::Required)
}

fn by_key(candidate: &Candidate, key: &PublicKey, root: Option<&TrustMaterial>, log: LogRule) -> Answer {
    ask(candidate, SignerDemand::Key { key, root }, log, now())
}

#[track_caller]
fn told(answer: &Answer, code: &str, text: &str) {
    denied(answer, code);
    let told = answer.as_ref().unwrap_err().to_string();
    assert!(told.contains(text), "{told}");
}

#[test]
fn cry_04_a_keyless_layer_needs_all_that_was_beside_it() {
    let root = sigstore().trusted_root().material();
    let good = sigstore().keyless(&Identity::github(), layer()).with(|it| it.timestamps.clear());
    let without = |annotation: &'static str| {
        let cut = good.with(|it| it.edit_annotations.set(move |all| drop(all.remove(annotation))));
        keyless(&cut.layer_candidate(), &root, LogRule::WhenPresent)
    };
    allowed(&without("none of them"));
    denied(&without(BUNDLE), "NO_SIGNING_TIME");
    denied(&without(CERTIFICATE), "SIGNER_MISMATCH");
    let required = good.with(|it| it.entries.clear());
    denied(&keyless(&required.layer_candidate(), &root, LogRule::Required), "LOG_REQUIRED");
    // The chain of an own PKI.
    let pki = Pki::new("own", NOW);
    let roots = CertificateRoots::from_pem(&pki.root_pem()).unwrap();
    let parts = IdentityParts { subject: Some("dev@acme.test".to_owned()), ..IdentityParts::default() };
    let identities = [IdentityPattern::certificate(parts).unwrap()];
    let own = pki.signing(email("dev@acme.test"), layer());
    let cut = own.with(|it| it.edit_annotations.set(|all| drop(all.remove(CHAIN))));
    let signer = SignerDemand::Certificate { roots: &roots, root: None, identities: &identities };
    allowed(&ask(&own.layer_candidate(), signer, LogRule::WhenPresent, at(NOW + 60)));
    denied(&ask(&cut.layer_candidate(), signer, LogRule::WhenPresent, at(NOW + 60)), "TRUST_ROOT_MISMATCH");
    denied(&ask(&own.layer_candidate(), signer, LogRule::WhenPresent, at(NOW + 3600)), "CERTIFICATE_INVALID");
}

#[test]
fn cry_05_an_entry_about_something_else_is_refused_on_every_path() {
    let root = sigstore().trusted_root().material();
    let key = SigningKey::seeded("a key");
    let other = statement(&sealgate::domain::Digest::of(b"another image"));
    for content in [envelope(), layer()] {
        let is_layer = matches!(content, Content::Message(_));
        let candidate = |it: &Signing| if is_layer { it.layer_candidate() } else { it.bundle_candidate() };
        let good = Signing::by_key(&key, content.clone()).with(|it| it.entries.push(sigstore().entry()));
        let another_key = Signing::by_key(&SigningKey::seeded("another key"), content.clone());
        let another_image = Signing::by_key(&key, Content::statement(&other));
        for known in [Some(&*root), None] {
            allowed(&by_key(&candidate(&good), &key.public(), known, LogRule::WhenPresent));
            for about in [&another_key, &another_image] {
                let foreign = good.with(|it| it.entry().about = Some(Box::new(about.clone())));
                denied(&by_key(&candidate(&foreign), &key.public(), known, LogRule::WhenPresent), "LOG_INVALID");
            }
        }
        let good = sigstore().keyless(&Identity::github(), content.clone());
        let foreign = good.with(|it| it.entry().about = Some(Box::new(another_key.clone())));
        allowed(&keyless(&candidate(&good), &root, LogRule::Required));
        denied(&keyless(&candidate(&foreign), &root, LogRule::Required), "LOG_INVALID");
    }
}

#[test]
fn cry_05_every_entry_proves_itself() {
    let two = |it: &mut Signing| it.entries.push(sigstore().entry());
    allowed(&bundle(two));
    let strip = |it: &mut Signing, members: &'static [&'static str]| {
        two(it);
        it.edit_bundle.set(move |bundle| {
            let entry = bundle["verificationMaterial"]["tlogEntries"][1].as_object_mut().unwrap();
            for member in members {
                entry.remove(*member);
            }
        });
    };
    allowed(&bundle(|it| strip(it, &["inclusionPromise"])));
    told(&bundle(|it| strip(it, &["inclusionPromise", "inclusionProof"])), "LOG_INVALID", "no proof");
}

#[test]
fn cry_06_the_log_is_demanded_unless_the_policy_says_otherwise() {
    let root = sigstore().trusted_root().material();
    let key = SigningKey::seeded("a key");
    let bare = Signing::by_key(&key, envelope()).bundle_candidate();
    let logged = Signing::by_key(&key, envelope()).with(|it| it.entries.push(sigstore().entry())).bundle_candidate();
    allowed(&by_key(&logged, &key.public(), Some(&root), LogRule::Required));
    denied(&by_key(&bare, &key.public(), Some(&root), LogRule::Required), "LOG_REQUIRED");
    denied(&by_key(&logged, &key.public(), None, LogRule::Required), "LOG_REQUIRED");
    for rule in [LogRule::WhenPresent, LogRule::Ignored] {
        allowed(&by_key(&bare, &key.public(), Some(&root), rule));
    }
    // An entry that is not looked at proves no time.
    let certified = sigstore().keyless(&Identity::github(), envelope());
    let only_log = certified.with(|it| it.timestamps.clear()).bundle_candidate();
    allowed(&keyless(&only_log, &root, LogRule::WhenPresent));
    denied(&keyless(&only_log, &root, LogRule::Ignored), "NO_SIGNING_TIME");
    let ignored = keyless(&certified.bundle_candidate(), &root, LogRule::Ignored).unwrap();
    assert!(ignored.proof().log_entries.is_empty());
    assert_eq!(ignored.proof().times, [at(NOW + 1)]);
}

#[test]
fn cry_07_broken_evidence_beside_a_good_signature_is_never_left_out() {
    let key = SigningKey::seeded("a key");
    let good = Signing::by_key(&key, layer()).with(|it| {
        it.entries.push(sigstore().entry());
        it.timestamps.push(sigstore().timestamp());
    });
    for rule in [LogRule::WhenPresent, LogRule::Ignored] {
        allowed(&by_key(&good.layer_candidate(), &key.public(), None, rule));
        for annotation in [BUNDLE, TIMESTAMP, CERTIFICATE, CHAIN] {
            for broken in ["{", "null", "{}", "-----BEGIN CERTIFICATE-----", "x"] {
                let cut = good.with(|it| {
                    it.edit_annotations.set(move |all| drop(all.insert(annotation.to_owned(), broken.to_owned())));
                });
                denied(&by_key(&cut.layer_candidate(), &key.public(), None, rule), "SIGNATURE_MALFORMED");
            }
        }
        let blank = good.with(|it| it.edit_annotations.set(|all| drop(all.insert(SIGNATURE.to_owned(), " ".into()))));
        denied(&by_key(&blank.layer_candidate(), &key.public(), None, rule), "NO_SIGNATURE");
    }
}

#[test]
fn cry_10_a_certificate_is_no_key_and_a_key_no_certificate() {
    let root = sigstore().trusted_root().material();
    let leaf = sigstore().keyless(&Identity::github(), envelope()).key;
    for (content, is_layer) in [(envelope(), false), (layer(), true)] {
        let candidate = |it: &Signing| if is_layer { it.layer_candidate() } else { it.bundle_candidate() };
        let certified = sigstore().keyless(&Identity::github(), content.clone());
        let bare = Signing::by_key(&leaf, content);
        allowed(&keyless(&candidate(&certified), &root, LogRule::Required));
        denied(&by_key(&candidate(&certified), &leaf.public(), Some(&root), LogRule::WhenPresent), "SIGNER_MISMATCH");
        allowed(&by_key(&candidate(&bare), &leaf.public(), Some(&root), LogRule::WhenPresent));
        denied(&keyless(&candidate(&bare), &root, LogRule::WhenPresent), "SIGNER_MISMATCH");
    }
}

#[test]
fn cry_17_authorities_are_valid_at_the_signing_time() {
    let identities = github();
    let under = |from: i64, to: i64| {
        let mut a = sigstore();
        let mut profile = Profile::root("a root", NOW);
        (profile.not_before, profile.not_after) = (from, to);
        a.root = Authority::root(&a.root.key, &profile);
        let root = a.trusted_root().material();
        let signer = SignerDemand::Keyless { root: &root, identities: &identities };
        let candidate = sigstore().keyless(&Identity::github(), envelope()).bundle_candidate();
        ask(&candidate, signer, LogRule::Required, now())
    };
    allowed(&under(NOW - 60, NOW + 600));
    denied(&under(NOW + 60, NOW + 600), "CERTIFICATE_INVALID");
    denied(&under(NOW - 60, NOW - 1), "CERTIFICATE_INVALID");
    let parts = IdentityParts { subject: Some("dev@acme.test".to_owned()), ..IdentityParts::default() };
    let own = [IdentityPattern::certificate(parts).unwrap()];
    let under = |from: i64, to: i64| {
        let pki = Pki::new("own", NOW);
        let mut profile = Profile::root("own root", NOW);
        (profile.not_before, profile.not_after) = (from, to);
        let roots = CertificateRoots::from_pem(&Authority::root(&pki.root.key, &profile).pem()).unwrap();
        let signer = SignerDemand::Certificate { roots: &roots, root: None, identities: &own };
        let candidate = pki.signing(email("dev@acme.test"), layer()).layer_candidate();
        ask(&candidate, signer, LogRule::WhenPresent, at(NOW + 60))
    };
    allowed(&under(NOW - 60, NOW + 600));
    denied_as(&under(NOW + 61, NOW + 600), Class::TrustRoot);
    denied_as(&under(NOW - 60, NOW + 59), Class::TrustRoot);
}

#[test]
fn cry_18_the_certificate_is_valid_at_every_proven_time() {
    allowed(&bundle(|it| it.entry().integrated_time = NOW + 599));
    denied(&bundle(|it| it.entry().integrated_time = NOW + 3600), "CERTIFICATE_INVALID");
    denied(&bundle(|it| it.timestamp().time = NOW + 3600), "CERTIFICATE_INVALID");
    denied(&bundle(|it| it.timestamp().time = NOW - 60), "CERTIFICATE_INVALID");
    allowed(&bundle(|it| it.timestamps.push(sigstore().timestamp())));
    denied(
        &bundle(|it| {
            it.timestamps.push(sigstore().timestamp());
            it.timestamp().time = NOW + 3600;
        }),
        "CERTIFICATE_INVALID",
    );
}

#[test]
fn cry_19_a_time_to_come_is_refused_and_the_clock_is_named() {
    let root = sigstore().trusted_root().material();
    let identities = github();
    let signer = SignerDemand::Keyless { root: &root, identities: &identities };
    let good = sigstore().keyless(&Identity::github(), envelope());
    allowed(&ask(&good.bundle_candidate(), signer, LogRule::Required, at(NOW + 2)));
    for (log, timestamp) in [(NOW + 3, NOW + 1), (NOW + 63, NOW + 1), (NOW + 2, NOW + 3), (NOW + 315_360_000, NOW + 1)]
    {
        let ahead = good.with(|it| {
            it.entry().integrated_time = log;
            it.timestamp().time = timestamp;
        });
        let answer = ask(&ahead.bundle_candidate(), signer, LogRule::Required, at(NOW + 2));
        told(&answer, "TIMESTAMP_INVALID", "clock");
        let later = ask(&ahead.bundle_candidate(), signer, LogRule::Required, at(NOW + 1));
        assert_eq!(answer, later, "denied twice, told the same");
    }
    // The same beside a key.
    let key = SigningKey::seeded("a key");
    let signer = SignerDemand::Key { key: &key.public(), root: Some(&root) };
    let logged = Signing::by_key(&key, envelope()).with(|it| it.entries.push(sigstore().entry()));
    allowed(&ask(&logged.bundle_candidate(), signer, LogRule::Required, at(NOW + 2)));
    told(&ask(&logged.bundle_candidate(), signer, LogRule::Required, at(NOW + 1)), "TIMESTAMP_INVALID", "clock");
}

#[test]
fn cry_30_too_much_is_refused_before_any_of_it_is_verified() {
    let many = |n: usize| move |it: &mut Signing| it.entries = (0..n).map(|_| sigstore().entry()).collect::<Vec<_>>();
    allowed(&bundle(many(32)));
    denied_as(&bundle(many(33)), Class::LimitExceeded);
    let stamps =
        |n: usize| move |it: &mut Signing| it.timestamps = (0..n).map(|_| sigstore().timestamp()).collect::<Vec<_>>();
    allowed(&bundle(stamps(32)));
    denied_as(&bundle(stamps(33)), Class::LimitExceeded);
    let chain = |n: usize| {
        move |it: &mut Signing| {
            it.version = Version::V02;
            it.leaf().presented = vec![sigstore().root.certificate; n];
        }
    };
    allowed(&bundle(chain(9)));
    denied_as(&bundle(chain(10)), Class::LimitExceeded);
    let names = |length: usize| {
        move |it: &mut Signing| {
            *it.leaf().names() = vec![crate::support::sigstore::x509::uri(&format!("https://{}", "a".repeat(length)))];
        }
    };
    denied(&bundle(names(4096)), "IDENTITY_MISMATCH");
    denied_as(&bundle(names(65536)), Class::LimitExceeded);
    let signatures = |n: usize| {
        move |it: &mut Signing| {
            let log = sigstore().rekor;
            it.entry().edit_note.set(move |note| {
                let text = note.split("\n\n").next().unwrap().to_owned() + "\n";
                note.push_str(&log.note_signature(&text).repeat(n - 1));
            });
        }
    };
    allowed(&bundle(signatures(64)));
    denied_as(&bundle(signatures(65)), Class::LimitExceeded);
    let key = SigningKey::seeded("a key");
    let about = |statement: &serde_json::Value| {
        let candidate = Signing::by_key(&key, Content::statement(statement)).bundle_candidate();
        by_key(&candidate, &key.public(), None, LogRule::WhenPresent)
    };
    let subjects = |n: usize| {
        let subject = statement(&digest())["subject"][0].clone();
        about(&edit(&statement(&digest()), "/subject", json!(vec![subject; n])))
    };
    allowed(&subjects(1024));
    denied_as(&subjects(1025), Class::LimitExceeded);
    let digests = |n: usize| {
        let mut all: serde_json::Map<String, serde_json::Value> =
            (1..n).map(|i| (format!("hash{i}"), json!("00"))).collect();
        all.insert("sha256".to_owned(), json!(digest().hex()));
        about(&edit(&statement(&digest()), "/subject/0/digest", json!(all)))
    };
    allowed(&digests(32));
    denied_as(&digests(33), Class::LimitExceeded);
}

#[test]
fn cry_33_a_certificate_of_an_own_pki_is_for_signing_code() {
    let parts = IdentityParts { subject: Some("dev@acme.test".to_owned()), ..IdentityParts::default() };
    let identities = [IdentityPattern::certificate(parts).unwrap()];
    let answer = |pki: &Pki, change: fn(&mut Signing)| {
        let roots = CertificateRoots::from_pem(&pki.root_pem()).unwrap();
        let signer = SignerDemand::Certificate { roots: &roots, root: None, identities: &identities };
        let signing = pki.signing(email("dev@acme.test"), layer()).with(change);
        ask(&signing.layer_candidate(), signer, LogRule::WhenPresent, at(NOW + 60))
    };
    let plain = Pki::new("own", NOW);
    allowed(&answer(&plain, |_| {}));
    denied(&answer(&plain, |it| it.leaf().profile.extended_key_usage.clear()), "CERTIFICATE_INVALID");
    denied(&answer(&plain, |it| it.leaf().profile.extended_key_usage = vec![SERVER_AUTH]), "CERTIFICATE_INVALID");
    let authority = |usage| Pki::with_intermediate("own", NOW, |it| it.extended_key_usage = vec![usage]);
    allowed(&answer(&authority(CODE_SIGNING), |_| {}));
    denied(&answer(&authority(SERVER_AUTH), |_| {}), "CERTIFICATE_INVALID");
}

#[test]
fn cry_34_another_instance_is_told_as_that() {
    let (a, b) = (sigstore(), Sigstore::new("b"));
    let good = a.keyless(&Identity::github(), envelope());
    for signing in [good.clone(), a.keyless_v2(&Identity::github(), envelope())] {
        allowed(&keyless(&signing.bundle_candidate(), &a.trusted_root().material(), LogRule::Required));
        let answer = keyless(&signing.bundle_candidate(), &b.trusted_root().material(), LogRule::Required);
        denied_as(&answer, Class::TrustRoot);
    }
    // Without a log only the certificate tells.
    let attested = a.github(&Identity::github(), envelope());
    let root = a.github_trusted_root().material();
    allowed(&keyless(&attested.bundle_candidate(), &root, LogRule::WhenPresent));
    let other = b.github_trusted_root().material();
    denied_as(&keyless(&attested.bundle_candidate(), &other, LogRule::WhenPresent), Class::TrustRoot);
    // The authorities of one with the logs of the other are neither.
    let mixed = a.trusted_root().with(|root| root.logs = b.trusted_root().logs).material();
    denied_as(&keyless(&good.bundle_candidate(), &mixed, LogRule::Required), Class::TrustRoot);
}

#[test]
fn cry_35_an_entry_of_rekor_v2_needs_a_timestamp() {
    let root = sigstore().trusted_root().material();
    let good = sigstore().keyless_v2(&Identity::github(), envelope());
    allowed(&keyless(&good.bundle_candidate(), &root, LogRule::Required));
    let bare = good.with(|it| it.timestamps.clear());
    denied(&keyless(&bare.bundle_candidate(), &root, LogRule::Required), "NO_SIGNING_TIME");
}

#[test]
fn cry_37_keys_of_every_kind_are_good_beside_logs_and_timestamps() {
    let root = sigstore().trusted_root().material();
    for scheme in SCHEMES {
        let key = SigningKey::generate(scheme);
        for content in [envelope(), layer()] {
            for entry in [sigstore().entry(), sigstore().entry_v2()] {
                let good = Signing::by_key(&key, content.clone()).with(|it| {
                    it.entries.push(entry.clone());
                    it.timestamps.push(sigstore().timestamp());
                });
                if let Content::Message(_) = content {
                    if entry.log.name == sigstore().rekor.name {
                        let layer = good.layer_candidate();
                        allowed(&by_key(&layer, &key.public(), Some(&root), LogRule::Required));
                    }
                    continue;
                }
                let verified = by_key(&good.bundle_candidate(), &key.public(), Some(&root), LogRule::Required);
                let verified = verified.unwrap_or_else(|e| panic!("{scheme:?}, {}: {e}", entry.log.name));
                assert_eq!(verified.proof().log_entries.len(), 1);
                let stamp = good.with(|it| it.timestamp().over = Some(b"another signature".to_vec()));
                let answer = by_key(&stamp.bundle_candidate(), &key.public(), Some(&root), LogRule::Ignored);
                denied(&answer, "TIMESTAMP_INVALID");
            }
        }
    }
}

#[test]
fn cry_37_every_form_is_good_for_its_signer_and_for_nobody_else() {
    let key = SigningKey::seeded("a key");
    let root = sigstore().trusted_root().material();
    let roots = CertificateRoots::from_pem(&Pki::new("own", NOW).root_pem()).unwrap();
    let parts = IdentityParts { subject: Some("dev@acme.test".to_owned()), ..IdentityParts::default() };
    let own = [IdentityPattern::certificate(parts).unwrap()];
    let identities = github();
    for form in sigstore().every_form(&key, super::MANIFEST) {
        let signers = [
            SignerDemand::Key { key: &key.public(), root: Some(&root) },
            SignerDemand::Keyless { root: &root, identities: &identities },
            SignerDemand::Certificate { roots: &roots, root: Some(&root), identities: &own },
        ];
        let demands = signers.map(|signer| Demand {
            signer,
            log: LogRule::WhenPresent,
            content: ContentDemand::Image { annotations: NO_ANNOTATIONS },
        });
        let answers = verify_each(&form.candidate(), &image(), demands, at(NOW + 60));
        let mine = match (&form.signing.certificate, form.name.contains("own PKI")) {
            (None, _) => 0,
            (Some(_), false) => 1,
            (Some(_), true) => 2,
        };
        for (i, answer) in answers.iter().enumerate() {
            assert_eq!(answer.is_ok(), i == mine, "{}, signer {i}: {answer:?}", form.name);
        }
        let signer = answers[mine].as_ref().map(VerifiedSignature::signer).unwrap();
        assert!(match mine {
            0 => matches!(signer, Signatory::Key(_)),
            1 => matches!(signer, Signatory::Keyless(_)),
            _ => matches!(signer, Signatory::Certificate(_)),
        });
    }
}

#[test]
fn a_statement_is_bounded_before_anybody_builds_it() {
    let key = SigningKey::seeded("a key");
    let good = statement(&digest());
    let answer = |items: usize| {
        let large = edit(&good, "/predicate", json!({"a": vec![0; items]}));
        let candidate = Signing::by_key(&key, Content::statement(&large)).bundle_candidate();
        by_key(&candidate, &key.public(), None, LogRule::WhenPresent)
    };
    allowed(&answer(1 << 19));
    denied(&answer(1 << 20), "SIGNATURE_MALFORMED");
    let is_large: fn(&Rejection) -> bool = |rejection| rejection.to_string().contains("values");
    assert!(answer(1 << 20).is_err_and(|rejection| is_large(&rejection)));
}

#[test]
fn att_03_a_predicate_is_an_object() {
    let key = SigningKey::seeded("a key");
    let answer = |predicate: serde_json::Value| {
        let statement = edit(&statement(&digest()), "/predicate", predicate);
        let candidate = Signing::by_key(&key, Content::statement(&statement)).bundle_candidate();
        by_key(&candidate, &key.public(), None, LogRule::WhenPresent)
    };
    allowed(&answer(json!({})));
    for predicate in [json!(null), json!("{}"), json!([]), json!(1)] {
        denied(&answer(predicate), "SIGNATURE_MALFORMED");
    }
}
