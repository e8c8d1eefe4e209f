//! What is signed: digests, types, annotations, raw bytes.

use sealgate::domain::{Class, ImageReference, Rejection};
use serde_json::{Value, json};

use super::{MANIFEST, allowed, check, check_annotated, denied, denied_as, digest, image};
use crate::support::signer::{
    CERTIFICATE, SIGNATURE, Scheme, SigningKey, bundle_candidate, edit, payload, remove, statement, verify_by_key,
};

const DIGEST: &str = "/critical/image/docker-manifest-digest";

#[test]
fn cry_01_a_blank_signature_is_no_signature() {
    let key = SigningKey::new();
    let signed = key.simple_signing(&payload(&digest()));
    allowed(&check(&signed.candidate(), &key.public()));
    for blank in [None, Some(""), Some("  \n")] {
        let mut unsigned = signed.clone();
        unsigned.annotations.remove(SIGNATURE);
        unsigned.annotations.extend(blank.map(|b| (SIGNATURE.to_owned(), b.to_owned())));
        denied_as(&check(&unsigned.candidate(), &key.public()), Class::Unsigned);
    }

    let bundle = key.bundle(&statement(&digest()));
    allowed(&check(&bundle_candidate(&bundle), &key.public()));
    for blank in [json!([]), json!([{"sig": ""}])] {
        let unsigned = edit(&bundle, "/dsseEnvelope/signatures", blank);
        denied_as(&check(&bundle_candidate(&unsigned), &key.public()), Class::Unsigned);
    }
    let message = key.message_bundle(MANIFEST);
    allowed(&check(&bundle_candidate(&message), &key.public()));
    let unsigned = edit(&message, "/messageSignature/signature", json!(""));
    denied_as(&check(&bundle_candidate(&unsigned), &key.public()), Class::Unsigned);
}

#[test]
fn cry_02_a_payload_must_name_the_digest_once_in_its_one_spelling() {
    let key = SigningKey::new();
    let good = payload(&digest());
    let answer = |payload: &Value| check(&key.simple_signing(payload).candidate(), &key.public());
    allowed(&answer(&good));

    denied(&answer(&remove(&good, DIGEST)), "SIGNATURE_MALFORMED");
    denied(&answer(&edit(&good, DIGEST, json!(format!("sha256:{}", "0".repeat(64))))), "DIGEST_MISMATCH");
    for odd in [
        json!(digest().to_string().to_uppercase()),
        json!(format!("sha256:{}", digest().hex().to_uppercase())),
        json!(digest().hex()),
        json!(format!("{} ", digest())),
        json!(format!("sha512:{}", digest().hex())),
        json!(""),
        json!(null),
        json!([digest().to_string()]),
    ] {
        denied(&answer(&edit(&good, DIGEST, odd)), "SIGNATURE_MALFORMED");
    }
    let upper_case =
        edit(&remove(&good, DIGEST), "/critical/image/Docker-Manifest-Digest", json!(digest().to_string()));
    denied(&answer(&upper_case), "SIGNATURE_MALFORMED");
    let both_cases = edit(&good, "/critical/image/Docker-Manifest-Digest", json!(digest().to_string()));
    denied(&answer(&both_cases), "SIGNATURE_MALFORMED");
}

#[test]
fn cry_02_two_digests_in_one_payload_are_refused_whichever_comes_first() {
    let key = SigningKey::new();
    let answer = |image: &str| {
        let payload = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"r/a"}},"image":{{{image}}},"type":"cosign container image signature"}},"optional":null}}"#
        );
        check(&key.simple_signing_bytes(payload.as_bytes()).candidate(), &key.public())
    };
    let (ours, other) = (digest().to_string(), format!("sha256:{}", "0".repeat(64)));
    let member = |value: &str| format!(r#""docker-manifest-digest":"{value}""#);
    allowed(&answer(&member(&ours)));
    for (first, second) in [(&ours, &other), (&other, &ours), (&ours, &ours)] {
        denied(&answer(&format!("{},{}", member(first), member(second))), "SIGNATURE_MALFORMED");
    }
    let escaped = r#""docker-manifest-diges\u0074""#;
    denied(&answer(&format!("{},{escaped}:\"{ours}\"", member(&ours))), "SIGNATURE_MALFORMED");
}

#[test]
fn cry_02_a_statement_must_name_the_digest() {
    let key = SigningKey::new();
    let good = statement(&digest());
    let answer = |statement: &Value| check(&bundle_candidate(&key.bundle(statement)), &key.public());
    allowed(&answer(&good));
    let other = json!({"digest": {"sha256": "0".repeat(64)}});
    denied(&answer(&edit(&good, "/subject", json!([other]))), "DIGEST_MISMATCH");
    denied(
        &answer(&edit(&good, "/subject/0/digest/sha256", json!(digest().hex().to_uppercase()))),
        "SIGNATURE_MALFORMED",
    );
    denied(&answer(&edit(&good, "/subject/0/digest/sha256", json!(digest().to_string()))), "SIGNATURE_MALFORMED");
    allowed(&answer(&edit(&good, "/subject/-", other)));
    let twice = good.to_string().replacen(r#""sha256""#, &format!(r#""sha256":"{}","sha256""#, "0".repeat(64)), 1);
    let twice = key.bundle_bytes("application/vnd.in-toto+json", twice.as_bytes());
    denied(&check(&bundle_candidate(&twice), &key.public()), "SIGNATURE_MALFORMED");
}

#[test]
fn cry_03_a_signature_that_was_copied_with_its_image_counts() {
    let key = SigningKey::new();
    let signed = key.simple_signing(&payload(&digest())).candidate();
    let copied = ImageReference::parse("mirror.example:5000/elsewhere/app").unwrap().pin(MANIFEST);
    let other = ImageReference::parse("mirror.example:5000/elsewhere/app").unwrap().pin(b"another manifest");
    let (key, none) = (key.public(), std::collections::BTreeMap::new());
    allowed(&verify_by_key(&signed, &copied, &key, &none));
    denied(&verify_by_key(&signed, &other, &key, &none), "DIGEST_MISMATCH");
}

#[test]
fn cry_09_only_annotations_of_a_good_signature_count() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    let demanded = ("env", "prod");
    let plain = payload(&digest());
    let annotated = edit(&plain, "/optional", json!({"env": "prod", "more": 1}));
    allowed(&check_annotated(&key.simple_signing(&annotated).candidate(), &key.public(), demanded));
    denied(
        &check_annotated(&other.simple_signing(&annotated).candidate(), &key.public(), demanded),
        "SIGNATURE_INVALID",
    );
    for lacking in [json!(null), json!({}), json!({"env": "Prod"}), json!({"env": ["prod"]}), json!({"ENV": "prod"})] {
        let lacking = key.simple_signing(&edit(&plain, "/optional", lacking)).candidate();
        denied(&check_annotated(&lacking, &key.public(), demanded), "ANNOTATION_MISMATCH");
    }
    let mut beside = key.simple_signing(&plain);
    beside.annotations.insert("env".to_owned(), "prod".to_owned());
    denied(&check_annotated(&beside.candidate(), &key.public(), demanded), "ANNOTATION_MISMATCH");
    let numeric = key.simple_signing(&edit(&plain, "/optional", json!({"env": 1}))).candidate();
    denied(&check_annotated(&numeric, &key.public(), ("env", "1")), "ANNOTATION_MISMATCH");
}

#[test]
fn cry_09_only_annotations_of_the_right_subject_count() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    let demanded = ("env", "prod");
    let answer = |key: &SigningKey, statement: &Value| {
        check_annotated(&bundle_candidate(&key.bundle(statement)), &key.public(), demanded)
    };
    let plain = statement(&digest());
    let annotated = edit(&plain, "/subject/0/annotations", json!({"env": "prod"}));
    allowed(&answer(&key, &annotated));
    denied(&answer(&key, &plain), "ANNOTATION_MISMATCH");
    denied(&answer(&key, &remove(&plain, "/subject/0/annotations")), "ANNOTATION_MISMATCH");
    denied(&answer(&key, &edit(&plain, "/predicate/env", json!("prod"))), "ANNOTATION_MISMATCH");
    let elsewhere = json!({"digest": {"sha256": "0".repeat(64)}, "annotations": {"env": "prod"}});
    denied(&answer(&key, &edit(&plain, "/subject/-", elsewhere)), "ANNOTATION_MISMATCH");
    let again = json!({"digest": {"sha256": digest().hex()}, "annotations": {"env": "prod"}});
    allowed(&answer(&key, &edit(&plain, "/subject/-", again)));

    let mut forged = other.bundle(&annotated);
    forged["verificationMaterial"]["publicKey"]["hint"] = json!(key.public().hint());
    denied(&check_annotated(&bundle_candidate(&forged), &key.public(), demanded), "SIGNATURE_INVALID");
}

#[test]
fn cry_10_a_certificate_is_no_key() {
    let key = SigningKey::new();
    let signed = key.simple_signing(&payload(&digest()));
    allowed(&check(&signed.candidate(), &key.public()));
    let certificate = rcgen::generate_simple_self_signed(vec!["signer.example".to_owned()]).unwrap().cert.pem();
    for (content, code) in [(certificate, "SIGNER_MISMATCH"), (key.pem(), "SIGNATURE_MALFORMED")] {
        let mut with_certificate = signed.clone();
        with_certificate.annotations.insert(CERTIFICATE.to_owned(), content);
        denied(&check(&with_certificate.candidate(), &key.public()), code);
    }
    let mut blank = signed;
    blank.annotations.insert(CERTIFICATE.to_owned(), String::new());
    allowed(&check(&blank.candidate(), &key.public()));

    let bundle = key.bundle(&statement(&digest()));
    allowed(&check(&bundle_candidate(&bundle), &key.public()));
    let der = base64(&key.spki());
    for material in [
        json!({"certificate": {"rawBytes": der}}),
        json!({"x509CertificateChain": {"certificates": [{"rawBytes": der}]}}),
    ] {
        let made = edit(&bundle, "/verificationMaterial", material);
        denied(&check(&bundle_candidate(&made), &key.public()), "SIGNER_MISMATCH");
    }
    let both = edit(&bundle, "/verificationMaterial/certificate", json!({"rawBytes": der}));
    denied(&check(&bundle_candidate(&both), &key.public()), "SIGNATURE_MALFORMED");
    let neither = remove(&bundle, "/verificationMaterial/publicKey");
    denied(&check(&bundle_candidate(&neither), &key.public()), "SIGNATURE_MALFORMED");
}

#[test]
fn cry_10_a_hint_only_explains() {
    let (key, other) = (SigningKey::new(), SigningKey::new());
    let bundle = key.bundle(&statement(&digest()));
    allowed(&check(&bundle_candidate(&bundle), &key.public()));
    let hint = |hint: Value| bundle_candidate(&edit(&bundle, "/verificationMaterial/publicKey/hint", hint));
    // Clients have their own ways to write it, so it can't be held against a signature that verifies.
    for written in [json!(""), json!(other.public().hint()), json!("SHA256:abc"), json!("release-key")] {
        allowed(&check(&hint(written), &key.public()));
    }
    let answer = check(&bundle_candidate(&other.bundle(&statement(&digest()))), &key.public());
    denied(&answer, "SIGNER_MISMATCH");
    assert!(answer.unwrap_err().to_string().contains(&other.public().hint()));
}

#[test]
fn cry_31_an_empty_list_of_digests_matches_nothing() {
    let key = SigningKey::new();
    let good = statement(&digest());
    let answer = |statement: &Value| check(&bundle_candidate(&key.bundle(statement)), &key.public());
    allowed(&answer(&good));
    for (pointer, value) in [
        ("/subject", json!([])),
        ("/subject", json!([{}])),
        ("/subject", json!(null)),
        ("/subject/0/digest", json!({})),
        ("/subject/0/digest", json!({"sha512": "0".repeat(128)})),
        ("/subject/0/digest", json!({"sha256": ""})),
        ("/subject/0/digest", json!({"SHA256": digest().hex()})),
    ] {
        denied(&answer(&edit(&good, pointer, value)), "SIGNATURE_MALFORMED");
    }
    denied(&answer(&remove(&good, "/subject")), "SIGNATURE_MALFORMED");
}

#[test]
fn cry_32_the_raw_bytes_are_what_is_signed() {
    let key = SigningKey::new();
    let mut layer = key.simple_signing(&payload(&digest()));
    allowed(&check(&layer.candidate(), &key.public()));
    layer.payload = serde_json::to_vec_pretty(&payload(&digest())).unwrap();
    denied(&check(&layer.candidate(), &key.public()), "SIGNATURE_INVALID");

    let bundle = key.bundle(&statement(&digest()));
    let pretty = serde_json::to_vec_pretty(&statement(&digest())).unwrap();
    let spaced = edit(&bundle, "/dsseEnvelope/payload", json!(base64(&pretty)));
    denied(&check(&bundle_candidate(&spaced), &key.public()), "SIGNATURE_INVALID");
    let really = key.bundle_bytes("application/vnd.in-toto+json", &pretty);
    allowed(&check(&bundle_candidate(&really), &key.public()));
}

#[test]
fn a_payload_of_another_type_is_no_image_signature() {
    let key = SigningKey::new();
    let simple = |kind: &str| {
        let payload = edit(&payload(&digest()), "/critical/type", json!(kind));
        check(&key.simple_signing(&payload).candidate(), &key.public())
    };
    allowed(&simple("cosign container image signature"));
    denied(&simple("atomic container signature"), "SIGNATURE_MALFORMED");
    denied(&simple(""), "SIGNATURE_MALFORMED");

    let typed = |pointer: &str, value: &str| {
        check(&bundle_candidate(&key.bundle(&edit(&statement(&digest()), pointer, json!(value)))), &key.public())
    };
    allowed(&typed("/_type", "https://in-toto.io/Statement/v0.1"));
    denied(&typed("/_type", "https://in-toto.io/Statement/v2"), "SIGNATURE_MALFORMED");
    let sbom = typed("/predicateType", "https://spdx.dev/Document");
    denied_as(&sbom, Class::Unsigned);
    assert_eq!(
        sbom.unwrap_err(),
        Rejection::NotAnImageSignature { predicate_type: "https://spdx.dev/Document".to_owned() }
    );
    let other_type = key.bundle_bytes("application/json", statement(&digest()).to_string().as_bytes());
    denied(&check(&bundle_candidate(&other_type), &key.public()), "SIGNATURE_MALFORMED");
}

#[test]
fn a_bundle_holds_one_signature_over_one_thing() {
    let key = SigningKey::new();
    let bundle = key.bundle(&statement(&digest()));
    let message = key.message_bundle(MANIFEST);
    let answer = |bundle: &Value| check(&bundle_candidate(bundle), &key.public());
    allowed(&answer(&bundle));
    allowed(&answer(&message));
    let both = edit(&bundle, "/messageSignature", message["messageSignature"].clone());
    denied(&answer(&both), "SIGNATURE_MALFORMED");
    denied(&answer(&remove(&bundle, "/dsseEnvelope")), "SIGNATURE_MALFORMED");
    let signature = bundle["dsseEnvelope"]["signatures"][0].clone();
    denied(&answer(&edit(&bundle, "/dsseEnvelope/signatures/-", signature)), "SIGNATURE_MALFORMED");
    for (media_type, reads) in [
        ("application/vnd.dev.sigstore.bundle+json;version=0.1", true),
        ("application/vnd.dev.sigstore.bundle+json;version=0.2", true),
        ("application/vnd.dev.sigstore.bundle+json;version=0.3", true),
        ("application/vnd.dev.sigstore.bundle.v0.4+json", false),
        ("", false),
    ] {
        assert_eq!(answer(&edit(&bundle, "/mediaType", json!(media_type))).is_ok(), reads, "{media_type}");
    }
    denied(&answer(&remove(&bundle, "/mediaType")), "SIGNATURE_MALFORMED");
    let text = bundle.to_string();
    let twice = text.replacen(r#""dsseEnvelope""#, r#""dsseEnvelope":{},"dsseEnvelope""#, 1);
    let candidate = sealgate::signatures::Candidate {
        content: sealgate::signatures::UntrustedContent::Bundle(twice.into_bytes()),
        ..bundle_candidate(&bundle)
    };
    denied(&check(&candidate, &key.public()), "SIGNATURE_MALFORMED");
}

#[test]
fn a_signature_over_the_manifest_counts_where_its_digest_is_enough() {
    for scheme in [Scheme::P256, Scheme::P521Sha256, Scheme::RsaPkcs1, Scheme::RsaPss] {
        let (key, other) = (SigningKey::generate(scheme), SigningKey::generate(scheme));
        let bundle = edit(&key.message_bundle(MANIFEST), "/verificationMaterial/publicKey/hint", json!(""));
        allowed(&check(&bundle_candidate(&bundle), &key.public()));
        assert!(check(&bundle_candidate(&bundle), &other.public()).is_err(), "{scheme:?}");
        denied(&check_annotated(&bundle_candidate(&bundle), &key.public(), ("env", "prod")), "ANNOTATION_MISMATCH");
        let elsewhere = key.message_bundle(b"another manifest");
        denied(&check(&bundle_candidate(&elsewhere), &key.public()), "DIGEST_MISMATCH");
        let digest = base64(digest().as_bytes());
        let relabelled = edit(&elsewhere, "/messageSignature/messageDigest/digest", json!(digest));
        assert!(check(&bundle_candidate(&relabelled), &key.public()).is_err(), "{scheme:?}");
    }
    for scheme in [Scheme::P384, Scheme::P521, Scheme::Ed25519, Scheme::Ed25519ph] {
        let key = SigningKey::generate(scheme);
        let answer = check(&bundle_candidate(&key.message_bundle(MANIFEST)), &key.public());
        denied(&answer, "SIGNER_MISMATCH");
        assert!(answer.unwrap_err().to_string().contains("cosign sign"));
    }
    assert_eq!(image().digest(), &digest());
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
