//! What the Sigstore of the tests makes, judged by a verifier that is not ours: each form is right as it is, and wrong after
//! one change.

use ::sigstore::trust_root::TrustedRoot;
use ::sigstore::types::{Bundle, DerPublicKey, Sha256Hash};
use ::sigstore::{PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult, Verifier};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealgate::domain::Digest;
use serde_json::{Value, json};

use crate::support::signer::{CERTIFICATE, SIGNATURE, Scheme, SigningKey, SimpleSigning, statement};
use crate::support::sigstore::signing::{BUNDLE, TIMESTAMP};
use crate::support::sigstore::x509::{SERVER_AUTH, TIME_STAMPING, dns, email, extension, permitted_names, uri};
use crate::support::sigstore::{
    Content, Entry, HashAlgorithm, Identity, Kind, NOW, Profile, Sct, Shape, Signing, Sigstore, Timestamp,
    TimestampAuthority, TrustedLog, TrustedRoot as Root, Version,
};

const MANIFEST: &[u8] = b"an image manifest";

fn image() -> Digest {
    Digest::of(MANIFEST)
}

/// The usual keyless signature of the instance `a`.
fn good() -> Signing {
    Sigstore::new("a").keyless(&Identity::github(), Content::statement(&statement(&image())))
}

/// The answer of the crate under a trusted root.
fn answer(bundle: &Value, root: &Root) -> Result<VerificationResult, String> {
    let root = TrustedRoot::from_json(&root.json().to_string()).map_err(|e| e.to_string())?;
    let verifier = Verifier::new(&root).map_err(|e| e.to_string())?;
    let identity = Identity::github();
    let policy = VerificationPolicy::new(identity.subject.as_str(), identity.issuer.as_str());
    let bundle = Bundle::from_json(&bundle.to_string()).map_err(|e| e.to_string())?;
    let artifact = Sha256Hash::from_hex(&image().hex()).unwrap();
    verifier.verify(artifact, &bundle, &policy).map_err(|e| e.to_string())
}

/// The answer about the usual signature after a change.
fn after(change: impl FnOnce(&mut Signing)) -> Result<VerificationResult, String> {
    answer(&good().with(change).bundle(), &Sigstore::new("a").trusted_root())
}

/// The answer about the usual signature under a changed root.
fn under(change: impl FnOnce(&mut Root)) -> Result<VerificationResult, String> {
    answer(&good().bundle(), &Sigstore::new("a").trusted_root().with(change))
}

#[track_caller]
fn refused(answer: Result<VerificationResult, String>, because: &str) {
    let problem = answer.expect_err("verified");
    assert!(problem.to_lowercase().contains(&because.to_lowercase()), "expected `{because}`: {problem}");
}

#[test]
fn every_form_is_right() {
    let sigstore = Sigstore::new("a");
    let key = SigningKey::seeded("a key");
    let root = TrustedRoot::from_json(&sigstore.trusted_root().json().to_string()).unwrap();
    let verifier = Verifier::new(&root).unwrap();
    let mut seen = 0;
    for form in sigstore.every_form(&key, MANIFEST) {
        if ["own PKI", "early"].iter().any(|it| form.name.contains(it)) || form.signing.entries.is_empty() {
            continue; // the crate knows none of them; keys alone are in the other tests
        }
        let (bundle, artifact) = match form.shape {
            Shape::Bundle => (form.signing.bundle(), MANIFEST.to_vec()),
            Shape::Layer => as_bundle(&form.signing.layer()),
        };
        let bundle = Bundle::from_json(&bundle.to_string()).unwrap_or_else(|e| panic!("{}: {e}", form.name));
        let result = if form.signing.certificate.is_some() {
            let identity = Identity::github();
            let policy = VerificationPolicy::new(identity.subject.as_str(), identity.issuer.as_str());
            verifier.verify(artifact.as_slice(), &bundle, &policy)
        } else {
            let policy = PublicKeyVerificationPolicy::new(DerPublicKey::new(key.spki()));
            verifier.verify(artifact.as_slice(), &bundle, &policy)
        };
        result.unwrap_or_else(|e| panic!("{}: {e}", form.name));
        seen += 1;
    }
    assert!(seen > 15, "only {seen} forms");
}

/// A layer rewritten as a bundle, and the bytes that it is about.
fn as_bundle(layer: &SimpleSigning) -> (Value, Vec<u8>) {
    let annotation = |name: &str| layer.annotations.get(name).filter(|text| !text.is_empty());
    let mut material = json!({"publicKey": {"hint": ""}});
    if let Some(pem) = annotation(CERTIFICATE) {
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        material = json!({"x509CertificateChain": {"certificates": [{"rawBytes": base64}]}});
    }
    if let Some(bundle) = annotation(BUNDLE) {
        let bundle: Value = serde_json::from_str(bundle).unwrap();
        let logged = &bundle["Payload"];
        let body: Value = serde_json::from_slice(&STANDARD.decode(logged["body"].as_str().unwrap()).unwrap()).unwrap();
        let id = hex::decode(logged["logID"].as_str().unwrap()).unwrap();
        material["tlogEntries"] = json!([{
            "logIndex": logged["logIndex"].to_string(), "logId": {"keyId": STANDARD.encode(id)},
            "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
            "integratedTime": logged["integratedTime"].to_string(),
            "inclusionPromise": {"signedEntryTimestamp": bundle["SignedEntryTimestamp"]},
            "canonicalizedBody": logged["body"],
        }]);
    }
    if let Some(stamp) = annotation(TIMESTAMP) {
        let stamp: Value = serde_json::from_str(stamp).unwrap();
        material["timestampVerificationData"] =
            json!({"rfc3161Timestamps": [{"signedTimestamp": stamp["SignedRFC3161Timestamp"]}]});
    }
    let mut bundle = json!({"mediaType": Version::V01.media_type(), "verificationMaterial": material});
    if let Some(signature) = annotation(SIGNATURE) {
        let digest = STANDARD.encode(Digest::of(&layer.payload).as_bytes());
        bundle["messageSignature"] =
            json!({"messageDigest": {"algorithm": "SHA2_256", "digest": digest}, "signature": signature});
        return (bundle, layer.payload.clone());
    }
    bundle["dsseEnvelope"] = serde_json::from_slice(&layer.payload).unwrap();
    (bundle, MANIFEST.to_vec())
}

#[test]
fn two_runs_give_the_same_bytes_and_two_instances_share_nothing() {
    assert_eq!(good().bundle(), good().bundle());
    let (a, b) = (Sigstore::new("a"), Sigstore::new("b"));
    answer(&good().bundle(), &a.trusted_root().and(&b.trusted_root())).unwrap();
    refused(answer(&good().bundle(), &b.trusted_root()), "");
    for (mine, other) in [(&a.rekor, &b.rekor), (&a.rekor_v2, &b.rekor_v2), (&a.certificate_log, &b.certificate_log)] {
        assert_ne!(mine.id(), other.id());
    }
}

#[test]
fn all_that_was_proven_is_there() {
    let result = answer(&good().bundle(), &Sigstore::new("a").trusted_root()).unwrap();
    assert!(result.sct_verified() && result.tlog_verified() && result.certificate_verified());
    assert_eq!(result.verified_timestamps().len(), 2, "the log's and the authority's");
    let claims = &result.certificate().unwrap().ci_claims;
    assert_eq!(claims.source_repository_uri.as_deref(), Some("https://github.com/acme/app"));
    assert_eq!(claims.build_trigger.as_deref(), Some("push"));
}

#[test]
fn workflows_and_pipelines_have_every_claim() {
    let claims = |identity: Identity| identity.claims.into_keys().filter(|number| *number > 7).collect::<Vec<_>>();
    let all: Vec<u8> = (8..=24).collect();
    assert_eq!(claims(Identity::github()), all);
    assert_eq!(claims(Identity::gitlab()), all);
    assert_eq!(Identity::gitlab().subject, "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main");
}

#[test]
fn github_attests_without_logs() {
    let sigstore = Sigstore::new("github");
    let bundle = sigstore.github(&Identity::github(), Content::statement(&statement(&image()))).bundle();
    let root = TrustedRoot::from_json(&sigstore.github_trusted_root().json().to_string()).unwrap();
    let verifier = Verifier::new(&root).unwrap();
    let policy = VerificationPolicy::any_identity().skip_tlog_unsafe().skip_sct();
    let bundle = Bundle::from_json(&bundle.to_string()).unwrap();
    verifier.verify(Sha256Hash::from_hex(&image().hex()).unwrap(), &bundle, &policy).unwrap();
}

#[test]
fn each_change_of_the_certificate_shows() {
    let sigstore = Sigstore::new("a");
    let other = sigstore.root.child(&SigningKey::seeded("other"), &Profile::intermediate("a intermediate", NOW));
    refused(after(|it| it.leaf().profile.not_after = NOW + 1), "CertExpired");
    refused(after(|it| it.leaf().profile.extended_key_usage.clear()), "");
    refused(after(|it| it.leaf().profile.extended_key_usage = vec![SERVER_AUTH]), "");
    refused(after(|it| it.leaf().profile.extensions.push(extension("1.2.3.4", true, b"x"))), "");
    refused(after(|it| it.leaf().profile.names = None), "");
    refused(after(|it| *it.leaf().names() = vec![uri("https://other.test")]), "identity");
    refused(after(|it| *it.leaf().names() = vec![email("dev@acme.test")]), "identity");
    refused(after(|it| it.leaf().claims = [(8, "https://other.test".to_owned())].into()), "issuer");
    refused(after(|it| it.leaf().certified = Some(SigningKey::seeded("other").spki())), "signature");
    refused(after(|it| it.leaf().scts.clear()), "SCT");
    refused(after(|it| it.leaf().scts[0].foreign = true), "SCT");
    refused(after(|it| it.leaf().scts[0].issuer = Some(other.clone())), "SCT");
    refused(after(|it| it.leaf().scts = vec![Sct::new(&Sigstore::new("b").certificate_log, NOW)]), "");
    refused(after(|it| it.leaf().issuer = other.clone()), "");
    under(|root| root.certificate_authorities[0].certificates.insert(0, other.certificate.clone())).unwrap();
}

#[test]
fn each_change_of_an_authority_shows() {
    let sigstore = Sigstore::new("a");
    let with = |change: fn(&mut Profile)| {
        let mut profile = Profile::intermediate("a intermediate", NOW);
        change(&mut profile);
        let fulcio = sigstore.root.child(&sigstore.fulcio.key, &profile);
        let signing = good().with(|it| it.leaf().issuer = fulcio.clone());
        let chain = vec![fulcio.certificate, sigstore.root.certificate.clone()];
        let root = sigstore.trusted_root().with(|root| root.certificate_authorities[0].certificates = chain);
        answer(&signing.bundle(), &root)
    };
    with(|_| ()).unwrap();
    with(|profile| profile.extensions.push(permitted_names(&[dns("acme.test")]))).unwrap();
    refused(with(|profile| profile.extensions.push(permitted_names(&[uri("other.test")]))), "");
}

#[test]
fn each_change_of_an_entry_shows() {
    let sigstore = Sigstore::new("a");
    let other = Content::statement(&statement(&Digest::of(b"another image")));
    let foreign = sigstore.keyless(&Identity::github(), other);
    refused(after(|it| it.entry().about = Some(Box::new(foreign))), "");
    refused(after(|it| it.entry().integrated_time = NOW + 3600), "CertExpired");
    refused(after(|it| it.entry().log = Sigstore::new("b").rekor), "");
    refused(after(|it| it.entry().edit_body.set(|body| body["spec"]["payloadHash"]["value"] = json!("00"))), "");
    refused(after(|it| it.entry().edit_promise.set(|payload| payload["integratedTime"] = json!(NOW))), "SET");
    refused(after(|it| it.entry().edit_checkpoint.set(|text| *text = text.replacen("\n8\n", "\n8\nA", 1))), "");
    refused(after(|it| it.entry().edit_note.set(|note| *note = note.replace("\n8\n", "\n9\n"))), "");
    refused(after(|it| it.entry().edit_note.set(|note| *note = note.replace('\n', "\r\n"))), "");
    refused(after(|it| it.entries.clear()), "");
    let entry = "/verificationMaterial/tlogEntries/0/inclusionProof";
    refused(after(|it| it.edit_bundle.set(move |it| it.pointer_mut(entry).unwrap()["hashes"][0] = json!("AAAA"))), "");
    after(|it| it.entry().kind = Some(Kind::Intoto)).unwrap();
    refused(under(|root| root.logs.clear()), "");
    refused(under(|root| root.logs[0].window.end = Some(NOW + 1)), "");
    under(|root| root.logs[0].window.end = Some(NOW + 2)).unwrap();
    let other_log = TrustedLog::new(&Sigstore::new("b").rekor, NOW);
    under(|root| root.logs.push(other_log)).unwrap();
}

#[test]
fn each_change_of_an_entry_of_the_second_generation_shows() {
    let sigstore = Sigstore::new("a");
    let content = Content::statement(&statement(&image()));
    let good = sigstore.keyless_v2(&Identity::github(), content.clone());
    let after = |change: &dyn Fn(&mut Signing)| answer(&good.with(change).bundle(), &sigstore.trusted_root());
    after(&|_| ()).unwrap();
    refused(after(&|it| it.timestamps.clear()), "");
    refused(after(&|it| it.entry().log = Sigstore::new("b").rekor_v2), "");
    refused(after(&|it| it.entry().proof = false), "");
    refused(after(&|it| it.entry().checkpoint = false), "");
    refused(after(&|it| it.entry().edit_checkpoint.set(|text| *text = text.replacen("\n8\n", "\n8\nA", 1))), "");
    refused(after(&|it| it.entry().edit_note.set(|note| *note = note.replace('\u{2014}', "-"))), "");
    refused(after(&|it| it.entry().kind = Some(Kind::DsseV2)), "");
    let other = sigstore.keyless_v2(&Identity::gitlab(), content);
    refused(after(&|it| it.entry().about = Some(Box::new(other.clone()))), "");
    let witness = Sigstore::new("witness").rekor_v2;
    after(&|it| {
        let witness = witness.clone();
        it.entry().edit_note.set(move |note| {
            let text = note.split_once("\n\n").unwrap().0.to_owned() + "\n";
            note.push_str(&witness.note_signature(&text));
        });
    })
    .unwrap();
}

#[test]
fn several_entries_and_timestamps_lie_side_by_side() {
    let sigstore = Sigstore::new("a");
    let bundle = good().with(|it| {
        it.entries.push(Entry { position: 6, ..sigstore.entry() });
        it.timestamps.extend((2..5).map(|seconds| Timestamp::new(&sigstore.tsa, NOW + seconds)));
    });
    let material = &bundle.bundle()["verificationMaterial"];
    let entries = material["tlogEntries"].as_array().unwrap();
    assert_eq!(entries.iter().map(|entry| entry["logIndex"].as_str().unwrap()).collect::<Vec<_>>(), ["1005", "1006"]);
    assert_eq!(material["timestampVerificationData"]["rfc3161Timestamps"].as_array().unwrap().len(), 4);
}

#[test]
fn rekor_v1_records_keys_of_each_kind() {
    let sigstore = Sigstore::new("a");
    let root = TrustedRoot::from_json(&sigstore.trusted_root().json().to_string()).unwrap();
    let verifier = Verifier::new(&root).unwrap();
    for scheme in [Scheme::P256, Scheme::P384, Scheme::RsaPkcs1] {
        let key = SigningKey::generate(scheme);
        let policy = PublicKeyVerificationPolicy::new(DerPublicKey::new(key.spki()));
        let mut contents = vec![Content::statement(&statement(&image()))];
        if HashAlgorithm::of(scheme) == HashAlgorithm::Sha256 {
            contents.push(Content::Message(MANIFEST.to_vec())); // the crate reads no other hash in `hashedrekord`
        }
        for content in contents {
            let signing = Signing::by_key(&key, content).with(|it| it.entries.push(sigstore.entry()));
            let bundle = Bundle::from_json(&signing.bundle().to_string()).unwrap();
            verifier.verify(MANIFEST, &bundle, &policy).unwrap_or_else(|e| panic!("{scheme:?}: {e}"));
        }
    }
}

#[test]
fn each_change_of_a_timestamp_shows() {
    let authority = |change: fn(&mut Profile)| {
        let mut profile = Profile::time_stamping("a timestamps", NOW);
        change(&mut profile);
        let tsa = TimestampAuthority::with("a", &profile, NOW);
        let signing = good().with(|it| it.timestamps = vec![Timestamp::new(&tsa, NOW + 1)]);
        let root = Sigstore::new("a").trusted_root().with(|root| {
            root.timestamp_authorities[0].certificates = tsa.chain();
        });
        answer(&signing.bundle(), &root)
    };
    authority(|_| ()).unwrap();
    authority(|profile| profile.extended_key_usage = vec![TIME_STAMPING]).unwrap();
    refused(authority(|profile| profile.extended_key_usage = vec![SERVER_AUTH]), "");
    refused(authority(|profile| profile.not_after = NOW), "");
    refused(after(|it| it.timestamp().over = Some(b"other bytes".to_vec())), "");
    refused(after(|it| it.timestamp().time = NOW + 3600), "");
    refused(after(|it| it.timestamp().edit_signature.set(|signature| signature[9] ^= 1)), "");
    refused(after(|it| it.timestamp().authority = Sigstore::new("b").tsa), "");
    after(|it| it.timestamp().hash = HashAlgorithm::Sha512).unwrap();
    after(|it| it.timestamp().nonce = Some(7)).unwrap();
    after(|it| it.timestamp().certificates.clear()).unwrap();
    after(|it| it.timestamps.push(Sigstore::new("a").timestamp())).unwrap();
    refused(under(|root| root.timestamp_authorities[0].window.end = Some(NOW)), "");
}

#[test]
fn each_change_of_the_signature_shows() {
    refused(after(|it| it.edit_signature.set(|signature| signature[9] ^= 1)), "");
    refused(after(|it| it.content = Content::statement(&statement(&Digest::of(b"another image")))), "");
}
