//! The bytes of signatures: one encoding each, and nothing that only resembles it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::Signature;
use proptest::prelude::*;
use sealgate::signatures::{Candidate, UntrustedContent};
use serde_json::{Value, json};

use super::{Answer, allowed, check, denied, digest};
use crate::support::signer::{
    SCHEMES, SIGNATURE, SigningKey, SimpleSigning, bundle_candidate, edit, payload, statement,
};

/// The group order of P-256 (SP 800-186, section 3.2.1.3).
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const SIG: &str = "/dsseEnvelope/signatures/0/sig";

/// What is done to a signature, as bytes or as text, with a name for it.
type Change<'a, T> = (&'a str, &'a dyn Fn(&T) -> <T as ToOwned>::Owned);

/// A good signature in each form, and the answers to it when its signature text is another one.
struct Signed {
    key: SigningKey,
    layer: SimpleSigning,
    bundle: Value,
}

impl Signed {
    fn new(key: SigningKey) -> Self {
        let layer = key.simple_signing(&payload(&digest()));
        let bundle = key.bundle(&statement(&digest()));
        Self { key, layer, bundle }
    }

    /// The signature bytes in both forms.
    fn signatures(&self) -> [Vec<u8>; 2] {
        [&self.layer.annotations[SIGNATURE], self.bundle.pointer(SIG).unwrap().as_str().unwrap()]
            .map(|text| STANDARD.decode(text).unwrap())
    }

    fn answers(&self, texts: [String; 2]) -> [Answer; 2] {
        let [in_layer, in_bundle] = texts;
        let mut layer = self.layer.clone();
        layer.annotations.insert(SIGNATURE.to_owned(), in_layer);
        let bundle = edit(&self.bundle, SIG, json!(in_bundle));
        [layer.candidate(), bundle_candidate(&bundle)].map(|candidate| check(&candidate, &self.key.public()))
    }

    fn with(&self, change: impl Fn(&[u8]) -> Vec<u8>) -> [Answer; 2] {
        self.answers(self.signatures().map(|signature| STANDARD.encode(change(&signature))))
    }
}

#[test]
fn cry_11_wrong_signature_bytes_never_verify() {
    for scheme in SCHEMES {
        let signed = Signed::new(SigningKey::generate(scheme));
        signed.with(<[u8]>::to_vec).iter().for_each(allowed);
        let wrong: [Change<'_, [u8]>; 4] = [
            ("zeros", &|s| vec![0; s.len()]),
            ("reversed", &|s| s.iter().rev().copied().collect()),
            ("cut", &|s| s[..s.len() - 1].to_vec()),
            ("text", &|_| b"signed".to_vec()),
        ];
        for (_, change) in wrong {
            signed.with(change).iter().for_each(|answer| denied(answer, "SIGNATURE_INVALID"));
        }
        let [signature, _] = signed.signatures();
        for at in (0..signature.len()).step_by(1 + signature.len() / 24) {
            let [in_layer, _] = signed.with(|s| {
                let mut s = s.to_vec();
                if let Some(byte) = s.get_mut(at) {
                    *byte ^= 1;
                }
                s
            });
            denied(&in_layer, "SIGNATURE_INVALID");
        }
    }
}

#[test]
fn cry_12_an_ecdsa_signature_is_strict_der() {
    let signed = Signed::new(SigningKey::new());
    signed.with(|s| encode(&scalars(s))).iter().for_each(allowed);

    let order = hex::decode(ORDER).unwrap();
    let changes: [Change<'_, [u8]>; 11] = [
        ("IEEE P1363", &|s| Signature::from_der(s).unwrap().to_bytes().to_vec()),
        ("trailing byte", &|s| [s, &[0]].concat()),
        ("long form of the length", &|s| [&[s[0], 0x81], &s[1..]].concat()),
        ("indefinite length", &|s| [&[s[0], 0x80], &s[2..], &[0, 0]].concat()),
        ("trailing byte inside", &|s| [&[s[0], s[1] + 1], &s[2..], &[0]].concat()),
        ("leading zero of r", &|s| {
            let [r, s] = scalars(s);
            sequence(&[integer(&[&[0], minimal(&r).as_slice()].concat()), integer(&minimal(&s))])
        }),
        ("r = 0", &|s| encode(&[vec![0], scalars(s)[1].clone()])),
        ("s = 0", &|s| encode(&[scalars(s)[0].clone(), vec![0]])),
        ("r = n", &|s| encode(&[order.clone(), scalars(s)[1].clone()])),
        ("s = n", &|s| encode(&[scalars(s)[0].clone(), order.clone()])),
        ("r + n", &|s| encode(&[add(&scalars(s)[0], &order), scalars(s)[1].clone()])),
    ];
    for (what, change) in changes {
        for answer in signed.with(change) {
            assert!(answer.is_err(), "{what} verified");
            denied(&answer, "SIGNATURE_INVALID");
        }
    }
}

#[test]
fn cry_12_a_malleated_pair_is_the_same_signature() {
    let signed = Signed::new(SigningKey::new());
    let answers = signed.with(|s| {
        let signature = Signature::from_der(s).unwrap();
        let (r, s) = signature.split_scalars();
        Signature::from_scalars(r.to_bytes(), (-s).to_bytes()).unwrap().to_der().as_bytes().to_vec()
    });
    let originals = signed.with(<[u8]>::to_vec);
    assert_eq!(answers, originals);
}

#[test]
fn cry_12_base64_has_one_spelling() {
    let signed = Signed::new(SigningKey::new());
    let texts = || signed.signatures().map(|s| STANDARD.encode(s));
    signed.answers(texts()).iter().for_each(allowed);
    let changes: [Change<'_, str>; 6] = [
        ("newline at the end", &|t| format!("{t}\n")),
        ("newline inside", &|t| format!("{}\n{}", &t[..8], &t[8..])),
        ("blank before", &|t| format!(" {t}")),
        ("padding inside", &|t| format!("{}={}", &t[..8], &t[8..])),
        ("two texts", &|t| format!("{t}{t}=")),
        ("another alphabet", &|t| format!("!{}", &t[1..])),
    ];
    for (what, change) in changes {
        for answer in signed.answers(texts().map(|t| change(&t))) {
            assert_eq!(answer.unwrap_err().code(), "SIGNATURE_MALFORMED", "{what}");
        }
    }
}

#[test]
fn cry_12_stray_bits_after_the_last_byte_are_refused() {
    // A key whose signature leaves bits in the last base64 digit: Ed25519's 64 bytes do, always.
    let signed = Signed::new(SigningKey::generate(crate::support::signer::Scheme::Ed25519ph));
    let texts = signed.signatures().map(|s| STANDARD.encode(s));
    assert!(texts[0].ends_with("=="));
    signed.answers(texts.clone()).iter().for_each(allowed);
    let stray = texts.map(|text| {
        let mut digits: Vec<char> = text.chars().collect();
        let at = digits.len() - 3;
        digits[at] = char::from(u8::try_from(digits[at]).unwrap() + 1);
        digits.into_iter().collect()
    });
    signed.answers(stray).iter().for_each(|answer| denied(answer, "SIGNATURE_MALFORMED"));
}

#[test]
fn deep_and_long_documents_are_refused_without_harm() {
    let key = SigningKey::new();
    let deep = |open: &str| open.repeat(200_000);
    for text in [deep("["), deep(r#"{"a":"#), deep(r#"{"dsseEnvelope":["#), format!("[{}0]", "0,".repeat(500_000))] {
        let bundle = Candidate {
            content: UntrustedContent::Bundle(text.clone().into_bytes()),
            ..bundle_candidate(&key.bundle(&statement(&digest())))
        };
        denied(&check(&bundle, &key.public()), "SIGNATURE_MALFORMED");
        denied(&check(&key.simple_signing_bytes(text.as_bytes()).candidate(), &key.public()), "SIGNATURE_MALFORMED");
        let inside = key.bundle_bytes("application/vnd.in-toto+json", text.as_bytes());
        denied(&check(&bundle_candidate(&inside), &key.public()), "SIGNATURE_MALFORMED");
    }
}

#[test]
fn messages_repeat_foreign_text_escaped_and_cut() {
    let key = SigningKey::new();
    let hostile = format!("evil\u{202e}\n\u{1b}[31m{}", "x".repeat(10_000));
    let typed = edit(&statement(&digest()), "/predicateType", json!(hostile));
    let subject = edit(&payload(&digest()), "/critical/type", json!(hostile));
    let bundle = key.bundle(&statement(&digest()));
    let foreign = SigningKey::new().bundle(&statement(&digest()));
    let hinted = edit(&foreign, "/verificationMaterial/publicKey/hint", json!(hostile));
    for candidate in [
        bundle_candidate(&key.bundle(&typed)),
        key.simple_signing(&subject).candidate(),
        bundle_candidate(&edit(&bundle, "/mediaType", json!(hostile))),
        bundle_candidate(&hinted),
    ] {
        let message = check(&candidate, &key.public()).unwrap_err().to_string();
        assert!(message.len() < 800 && message.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{message}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, text: String, signature: Vec<u8>) {
        let key = SigningKey::new();
        let annotations = [(SIGNATURE.to_owned(), STANDARD.encode(&signature))].into();
        let layer = SimpleSigning { payload: bytes.clone(), annotations };
        prop_assert!(check(&layer.candidate(), &key.public()).is_err());
        let bundle = key.bundle_bytes(&text, &bytes);
        prop_assert!(check(&bundle_candidate(&bundle), &key.public()).is_err());
        let raw = Candidate { content: UntrustedContent::Bundle(bytes), ..layer.candidate() };
        prop_assert!(check(&raw, &key.public()).is_err());
        prop_assert!(!key.public().verifies(b"message", &signature));
    }
}

/// `r` and `s`, 32 bytes each.
fn scalars(der: &[u8]) -> [Vec<u8>; 2] {
    let signature = Signature::from_der(der).unwrap();
    let (r, s) = signature.split_bytes();
    [r.to_vec(), s.to_vec()]
}

fn encode([r, s]: &[Vec<u8>; 2]) -> Vec<u8> {
    sequence(&[integer(&minimal(r)), integer(&minimal(s))])
}

/// The shortest two's complement of a positive number.
fn minimal(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|b| *b != 0).unwrap_or(number.len() - 1);
    let digits = &number[start..];
    if digits[0] >= 0x80 { [&[0], digits].concat() } else { digits.to_vec() }
}

fn integer(content: &[u8]) -> Vec<u8> {
    [&[0x02, u8::try_from(content.len()).unwrap()], content].concat()
}

fn sequence(items: &[Vec<u8>]) -> Vec<u8> {
    let content = items.concat();
    [&[0x30, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
}

/// The sum of two numbers of the same length.
fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut sum: Vec<u8> = Vec::new();
    let mut carry = 0_u16;
    for (a, b) in a.iter().zip(b).rev() {
        carry += u16::from(*a) + u16::from(*b);
        sum.push(carry.to_le_bytes()[0]);
        carry >>= 8;
    }
    sum.push(carry.to_le_bytes()[0]);
    sum.reverse();
    sum
}
