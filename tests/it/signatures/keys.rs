//! Keys of policies: which are accepted, and that each signs in its own schemes and no others.

use std::fs;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest as hash};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::pkcs8::EncodePublicKey;
use sealgate::signatures::{Form, KeyError, PublicKey};
use serde_json::json;

use super::{MANIFEST, allowed, check, denied, digest};
use crate::support::signer::{
    SCHEMES, SIGNATURE, Scheme, SigningKey, SimpleSigning, bundle_candidate, edit, payload, pem, statement,
};

#[test]
fn every_scheme_verifies_in_both_forms_and_not_with_another_key() {
    for scheme in SCHEMES {
        let (key, other) = (SigningKey::generate(scheme), SigningKey::generate(scheme));
        let layer = key.simple_signing(&payload(&digest())).candidate();
        let verified = check(&layer, &key.public()).unwrap();
        assert_eq!((verified.form(), verified.signer().to_string()), (Form::SimpleSigning, key.public().to_string()));
        assert_eq!(verified.origin(), &layer.origin);
        denied(&check(&layer, &other.public()), "SIGNATURE_INVALID");

        let bundle = key.bundle(&statement(&digest()));
        assert_eq!(check(&bundle_candidate(&bundle), &key.public()).unwrap().form(), Form::Bundle);
        denied(&check(&bundle_candidate(&bundle), &other.public()), "SIGNER_MISMATCH");
        let unnamed = bundle_candidate(&edit(&bundle, "/verificationMaterial/publicKey/hint", json!("")));
        allowed(&check(&unnamed, &key.public()));
        denied(&check(&unnamed, &other.public()), "SIGNATURE_INVALID");
    }
}

#[test]
fn cry_08_a_bare_key_may_sign_in_each_of_its_schemes() {
    for (scheme, other_scheme, pem_of) in [
        (Scheme::RsaPkcs1, Scheme::RsaPss, "RSA 2048"),
        (Scheme::Ed25519, Scheme::Ed25519ph, "Ed25519"),
        (Scheme::P521, Scheme::P521Sha256, "ECDSA P-521"),
    ] {
        for scheme in [scheme, other_scheme] {
            let key = SigningKey::generate(scheme);
            allowed(&check(&key.simple_signing(&payload(&digest())).candidate(), &key.public()));
            assert!(key.public().to_string().starts_with(&format!("{pem_of} key SHA256:")), "{}", key.public());
        }
    }
}

/// The manifest is not at hand, its digest is: enough for a scheme over SHA-256, and for no other.
#[test]
fn a_signature_over_the_manifest_itself_is_checked_by_its_digest() {
    let unnamed = |key: &SigningKey| {
        bundle_candidate(&edit(&key.message_bundle(MANIFEST), "/verificationMaterial/publicKey/hint", json!("")))
    };
    let (key, other) = (SigningKey::generate(Scheme::P256), SigningKey::generate(Scheme::P256));
    allowed(&check(&unnamed(&key), &key.public()));
    denied(&check(&unnamed(&key), &other.public()), "SIGNATURE_INVALID");
    let ed25519 = SigningKey::generate(Scheme::Ed25519);
    denied(&check(&unnamed(&ed25519), &ed25519.public()), "SIGNER_MISMATCH");
}

#[test]
fn cry_08_keys_of_other_algorithms_and_sizes_are_refused() {
    let refused = |name: &str| PublicKey::from_pem(&fixture(&format!("refused/{name}.pem"))).unwrap_err();
    for (name, error) in [
        ("rsa-1024", KeyError::RsaSize(1024)),
        ("rsa-2047", KeyError::RsaSize(2047)),
        ("rsa-pkcs1-block", KeyError::OtherBlock("RSA PUBLIC KEY".to_owned())),
        ("secp256k1", KeyError::Algorithm("ECDSA secp256k1".to_owned())),
        ("p224", KeyError::Algorithm("ECDSA on curve 1.3.132.0.33".to_owned())),
        ("brainpool-p256", KeyError::Algorithm("ECDSA on curve 1.3.36.3.3.2.8.1.1.7".to_owned())),
        ("p256-explicit-parameters", KeyError::Malformed("the curve is not named by an object identifier")),
        ("p256-compressed", KeyError::Malformed("the point is not in uncompressed form")),
        ("ed448", KeyError::Algorithm("object identifier 1.3.101.113".to_owned())),
        ("x25519", KeyError::Algorithm("object identifier 1.3.101.110".to_owned())),
        ("rsa-pss", KeyError::Algorithm("object identifier 1.2.840.113549.1.1.10".to_owned())),
        ("dsa-2048", KeyError::Algorithm("object identifier 1.2.840.10040.4.1".to_owned())),
    ] {
        assert_eq!(refused(name), error, "{name}");
    }
    let large = PublicKey::from_pem(&fixture("accepted/rsa-4096.pem")).unwrap();
    assert!(large.to_string().starts_with("RSA 4096 key SHA256:"));
}

#[test]
fn cry_08_a_key_under_the_label_of_another_curve_is_refused() {
    let key = SigningKey::generate(Scheme::P256).spki();
    assert!(PublicKey::from_pem(&pem("PUBLIC KEY", &key)).is_ok());
    // The same key, its curve renamed from P-256 to P-384 and the lengths put right.
    let (p256, p384) = (hex::decode("06082a8648ce3d030107").unwrap(), hex::decode("06052b81040022").unwrap());
    let at = key.windows(p256.len()).position(|w| w == p256).unwrap();
    let mut relabelled = [&key[..at], &p384, &key[at + p256.len()..]].concat();
    relabelled[1] -= 3;
    relabelled[3] -= 3;
    let error = PublicKey::from_pem(&pem("PUBLIC KEY", &relabelled)).unwrap_err();
    assert_eq!(error, KeyError::Malformed("it is not a valid key"));
}

#[test]
fn cry_08_points_off_the_curve_and_of_small_order_are_refused() {
    let mut off_curve = SigningKey::generate(Scheme::P256).spki();
    *off_curve.last_mut().unwrap() ^= 1;
    let mut small_order = SigningKey::generate(Scheme::Ed25519).spki();
    let at = small_order.len() - 32;
    assert!(PublicKey::from_pem(&pem("PUBLIC KEY", &small_order)).is_ok());
    small_order[at..].fill(0);
    small_order[at] = 1;
    for der in [off_curve, small_order] {
        let error = PublicKey::from_pem(&pem("PUBLIC KEY", &der)).unwrap_err();
        assert_eq!(error, KeyError::Malformed("it is not a valid key"));
    }
}

/// RFC 8017, appendix A.1: NULL; RFC 8410, section 3: none.
#[test]
fn cry_08_parameters_that_an_algorithm_does_not_have_are_refused() {
    let bad = KeyError::Malformed("the algorithm has parameters that it can't have");
    let rsa = SigningKey::generate(Scheme::RsaPkcs1).spki();
    assert!(PublicKey::from_pem(&pem("PUBLIC KEY", &rsa)).is_ok());
    let null = rsa.windows(2).position(|pair| pair == [0x05, 0x00]).unwrap();
    let mut octets = rsa;
    octets[null] = 0x04;
    assert_eq!(PublicKey::from_pem(&pem("PUBLIC KEY", &octets)), Err(bad.clone()));

    let ed25519 = SigningKey::generate(Scheme::Ed25519).spki();
    assert!(PublicKey::from_pem(&pem("PUBLIC KEY", &ed25519)).is_ok());
    let with_null = [&[0x30, 0x2c, 0x30, 0x07], &ed25519[4..9], &[0x05, 0x00], &ed25519[9..]].concat();
    assert_eq!(PublicKey::from_pem(&pem("PUBLIC KEY", &with_null)), Err(bad));
}

#[test]
fn cry_08_an_rsa_key_with_a_useless_exponent_is_refused() {
    let good = SigningKey::generate(Scheme::RsaPkcs1).spki();
    assert!(PublicKey::from_pem(&pem("PUBLIC KEY", &good)).is_ok());
    assert_eq!(good[good.len() - 5..], [2, 3, 1, 0, 1], "exponent 65537");
    for exponent in [[0, 0, 1], [1, 0, 0]] {
        let mut bad = good.clone();
        let at = bad.len() - 3;
        bad[at..].copy_from_slice(&exponent);
        assert!(PublicKey::from_pem(&pem("PUBLIC KEY", &bad)).is_err(), "{exponent:?}");
    }
}

#[test]
fn cry_08_sha_1_is_no_hash() {
    let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let public =
        PublicKey::from_pem(&pem("PUBLIC KEY", key.verifying_key().to_public_key_der().unwrap().as_bytes())).unwrap();
    let payload = payload(&digest()).to_string().into_bytes();
    let signed = |prehash: &[u8]| {
        let signature: p256::ecdsa::Signature = key.sign_prehash(prehash).unwrap();
        let text = STANDARD.encode(signature.to_der().as_bytes());
        SimpleSigning { payload: payload.clone(), annotations: [(SIGNATURE.to_owned(), text)].into() }.candidate()
    };
    allowed(&check(&signed(hash(&aws_lc_rs::digest::SHA256, &payload).as_ref()), &public));
    denied(&check(&signed(hash(&SHA1_FOR_LEGACY_USE_ONLY, &payload).as_ref()), &public), "SIGNATURE_INVALID");
    denied(&check(&signed(hash(&aws_lc_rs::digest::SHA384, &payload).as_ref()), &public), "SIGNATURE_INVALID");
}

#[test]
fn cry_08_a_digest_under_the_label_of_another_hash_is_refused() {
    let key = SigningKey::new();
    let bundle = key.message_bundle(MANIFEST);
    let labelled = |label: &str| {
        let bundle = edit(&bundle, "/messageSignature/messageDigest/algorithm", json!(label));
        check(&bundle_candidate(&bundle), &key.public())
    };
    allowed(&labelled("SHA2_256"));
    for label in ["SHA2_384", "SHA2_512", "SHA1", "HASH_ALGORITHM_UNSPECIFIED", ""] {
        denied(&labelled(label), "SIGNATURE_MALFORMED");
    }
}

fn fixture(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/signatures/keys");
    fs::read_to_string(folder.join(name)).unwrap()
}
