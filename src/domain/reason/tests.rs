//! Tests that the lists of reasons are closed, and that their codes and classes are what everyone else relies on.

use std::collections::BTreeSet;

use super::*;
use crate::domain::{IdentityParts, IdentityPattern, SignerIdentity, Subject, SubjectKind};

/// A sample of the variant after this one. A new variant does not compile until it has its place here.
fn next_rejection(after: Option<&Rejection>) -> Option<Rejection> {
    use Rejection as R;
    let text = || "x".to_owned();
    Some(match after {
        None => R::AnnotationMismatch { key: text(), expected: text(), found: None },
        Some(R::AnnotationMismatch { .. }) => R::AttestationRefused { name: text(), problem: text() },
        Some(R::AttestationRefused { .. }) => R::AttestationUnjudged { name: text(), problem: text() },
        Some(R::AttestationUnjudged { .. }) => R::BadReference(ReferenceError::Blank),
        Some(R::BadReference(_)) => R::CertificateInvalid(text()),
        Some(R::CertificateInvalid(_)) => R::DigestMismatch { signed: text() },
        Some(R::DigestMismatch { .. }) => R::IdentityMismatch(mismatch()),
        Some(R::IdentityMismatch(_)) => R::ImageNotFound,
        Some(R::ImageNotFound) => R::Internal("x"),
        Some(R::Internal(_)) => R::LogInvalid(text()),
        Some(R::LogInvalid(_)) => R::LogRequired,
        Some(R::LogRequired) => R::MalformedObject(text()),
        Some(R::MalformedObject(_)) => {
            R::NoAttestation { name: text(), predicate_type: text(), signers: text(), looked_at: text() }
        }
        Some(R::NoAttestation { .. }) => R::NoPolicy { governing: text() },
        Some(R::NoPolicy { .. }) => R::NoSigningTime,
        Some(R::NoSigningTime) => R::NoSignature { looked_at: text() },
        Some(R::NoSignature { .. }) => R::NotAnImageSignature { predicate_type: text() },
        Some(R::NotAnImageSignature { .. }) => R::NotPinned { digest: Digest::of(b"x") },
        Some(R::NotPinned { .. }) => R::OtherStatement { expected: text(), found: Some(text()) },
        Some(R::OtherStatement { .. }) => R::PolicyError(text()),
        Some(R::PolicyError(_)) => R::SignerMismatch(text()),
        Some(R::SignerMismatch(_)) => R::SignatureInvalid { key: text() },
        Some(R::SignatureInvalid { .. }) => R::SignatureLimit { what: "x", found: 2, limit: 1 },
        Some(R::SignatureLimit { .. }) => R::SignatureMalformed(text()),
        Some(R::SignatureMalformed(_)) => R::StaticDeny,
        Some(R::StaticDeny) => R::TimestampInvalid(text()),
        Some(R::TimestampInvalid(_)) => R::TooManyImages { found: 65, limit: 64 },
        Some(R::TooManyImages { .. }) => R::TooManySignatures { limit: 64 },
        Some(R::TooManySignatures { .. }) => R::TrustRoot(text()),
        Some(R::TrustRoot(_)) => R::Ungoverned,
        Some(R::Ungoverned) => R::UnknownKind(text()),
        Some(R::UnknownKind(_)) => return None,
    })
}

fn mismatch() -> Mismatch {
    let claims = std::collections::BTreeMap::new();
    let subject = Subject { kind: SubjectKind::Email, value: "b@x.example".to_owned() };
    let parts = IdentityParts { subject: Some("a@x.example".to_owned()), ..IdentityParts::default() };
    let pattern = IdentityPattern::certificate(parts).unwrap();
    pattern.mismatch(&SignerIdentity { issuer: None, subject, claims }).unwrap()
}

fn next_unavailable(after: Option<&Unavailable>) -> Option<Unavailable> {
    use Unavailable as U;
    let host = || "ghcr.io".to_owned();
    let what = || "x".to_owned();
    Some(match after {
        None => U::AddressBlocked { host: host(), address: what() },
        Some(U::AddressBlocked { .. }) => U::DeadlineExceeded { host: host() },
        Some(U::DeadlineExceeded { .. }) => U::DocumentLimit { needed: 3 << 20, limit: 1 << 20 },
        Some(U::DocumentLimit { .. }) => U::Overloaded("x"),
        Some(U::Overloaded(_)) => U::NamespaceUnknown { namespace: what(), problem: "x" },
        Some(U::NamespaceUnknown { .. }) => U::NotReady,
        Some(U::NotReady) => U::RegistryError { host: host(), status: 500, what: what() },
        Some(U::RegistryError { .. }) => U::RegistryLimit { host: host(), limit: 1, what: what() },
        Some(U::RegistryLimit { .. }) => U::RegistryListLimit { host: host(), what: what(), problem: "too much" },
        Some(U::RegistryListLimit { .. }) => U::RegistryProtocol { host: host(), what: what(), problem: what() },
        Some(U::RegistryProtocol { .. }) => U::RegistryRateLimited { host: host(), what: what() },
        Some(U::RegistryRateLimited { .. }) => U::RegistryTimeout { host: host(), what: what() },
        Some(U::RegistryTimeout { .. }) => U::RegistryTls { host: host(), problem: what() },
        Some(U::RegistryTls { .. }) => {
            U::RegistryUnauthorized { host: host(), status: 401, what: what(), problem: what() }
        }
        Some(U::RegistryUnauthorized { .. }) => U::RegistryUnreachable { host: host(), problem: what() },
        Some(U::RegistryUnreachable { .. }) => U::TrustedRoot { name: what(), problem: what() },
        Some(U::TrustedRoot { .. }) => return None,
    })
}

fn rejections() -> Vec<Rejection> {
    std::iter::successors(next_rejection(None), |last| next_rejection(Some(last))).collect()
}

fn unavailables() -> Vec<Unavailable> {
    std::iter::successors(next_unavailable(None), |last| next_unavailable(Some(last))).collect()
}

#[test]
fn net_07_a_blocked_address_is_told_by_its_kind_only() {
    for (address, kind) in [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("10.1.2.3", "private"),
        ("172.16.9.9", "private"),
        ("192.168.7.7", "private"),
        ("fd00:ec2::254", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("::ffff:10.1.2.3", "private"),
        ("224.0.0.1", "multicast"),
        ("100.64.0.1", "special-purpose"),
        ("no address", "special-purpose"),
    ] {
        let host = "registry.example".to_owned();
        let cause = Unavailable::AddressBlocked { host, address: address.to_owned() };
        assert_eq!(cause.detail(), Some(address), "which is for the log");
        let told = cause.to_string();
        assert!(told.starts_with(&format!("registry.example has a {kind} address, not a public one")), "{told}");
        assert!(!told.contains(address), "{told}");
    }
}

#[test]
fn the_list_of_codes_is_exactly_what_the_reasons_say() {
    let said: BTreeSet<_> =
        rejections().iter().map(Rejection::code).chain(unavailables().iter().map(Unavailable::code)).collect();
    let listed: BTreeSet<_> = CODES.into_iter().collect();
    assert_eq!(said, listed);
    assert_eq!(listed.len(), CODES.len(), "no code twice");
    assert!(CODES.is_sorted());
}

#[test]
fn codes_are_words_for_labels() {
    for code in CODES {
        assert!(code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{code}");
    }
}

#[test]
fn no_code_means_both_not_signed_and_could_not_find_out() {
    let definite: BTreeSet<_> = rejections().iter().map(Rejection::code).collect();
    assert!(unavailables().iter().all(|unavailable| !definite.contains(unavailable.code())));
    let unsigned = [Class::Unsigned, Class::BadSignature, Class::NotFound];
    assert!(unavailables().iter().all(|unavailable| !unsigned.contains(&unavailable.class())));
}

#[test]
fn one_code_has_one_class() {
    let mut classes = std::collections::BTreeMap::new();
    let all = rejections()
        .iter()
        .map(|r| (r.code(), r.class()))
        .chain(unavailables().iter().map(|u| (u.code(), u.class())))
        .collect::<Vec<_>>();
    for (code, class) in all {
        assert_eq!(*classes.entry(code).or_insert(class), class, "{code}");
    }
}

#[test]
fn every_message_is_one_line() {
    let messages = rejections()
        .iter()
        .map(ToString::to_string)
        .chain(unavailables().iter().map(ToString::to_string))
        .collect::<Vec<_>>();
    for message in messages {
        assert!(!message.is_empty() && message.chars().all(|c| c == ' ' || c.is_ascii_graphic()), "{message:?}");
    }
}

#[test]
fn the_nearest_of_several_bad_signatures_is_told_by_rank() {
    let mut ranked = rejections();
    ranked.sort_by_key(|rejection| std::cmp::Reverse(rejection.nearness()));
    let codes: Vec<_> = ranked.iter().take(15).map(Rejection::code).collect();
    assert_eq!(
        codes,
        [
            "ATTESTATION_REFUSED",
            "POLICY_ERROR",
            "ANNOTATION_MISMATCH",
            "IDENTITY_MISMATCH",
            "DIGEST_MISMATCH",
            "LOG_REQUIRED",
            "NO_SIGNING_TIME",
            "LOG_INVALID",
            "TIMESTAMP_INVALID",
            "TRUST_ROOT_MISMATCH",
            "SIGNATURE_INVALID",
            "SIGNER_MISMATCH",
            "CERTIFICATE_INVALID",
            "SIGNATURE_LIMIT",
            "SIGNATURE_MALFORMED"
        ]
    );
}
