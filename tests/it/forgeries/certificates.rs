//! Certificates of signers, and what a certificate log says of them.

use x509_cert::der::asn1::{ObjectIdentifier, OctetString};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;

use super::*;
use crate::support::sigstore::identity::raw_claim;
use crate::support::sigstore::x509::{SERVER_AUTH, dns, email, extension, uri, user_name, utf8_string};
use crate::support::sigstore::{Profile, Sct, TrustedLog};

const OTHER_ISSUER: &str = "https://other.test";

#[test]
fn cry_23_the_receipt_of_the_certificate_log_is_demanded_and_verified() {
    let (a, b) = (sigstore(), Sigstore::new("b"));
    allowed(&after(&good(), |_| ()));
    bad_certificate(&after(&good(), |it| it.leaf().scts.clear()));
    bad_certificate(&after(&good(), |it| it.leaf().scts = vec![Sct::new(&b.certificate_log, NOW)]));
    bad_certificate(&after(&good(), |it| it.leaf().scts[0].foreign = true));
    bad_certificate(&after(&good(), |it| it.leaf().scts[0].issuer = Some(b.fulcio.clone())));
    bad_certificate(&after(&good(), |it| it.leaf().scts[0].log_id = Some(b.certificate_log.id())));
    let unknown_key = TrustedLog { id: a.certificate_log.id(), ..TrustedLog::new(&b.certificate_log, NOW - 1) };
    bad_certificate(&under(&good(), |root| root.certificate_logs = vec![unknown_key]));
}

#[test]
fn cry_23_a_log_that_was_retired_before_vouches_for_nothing() {
    bad_certificate(&under(&good(), |root| root.certificate_logs[0].window.end = Some(NOW - 1)));
    allowed(&under(&good(), |root| root.certificate_logs[0].window.end = Some(NOW)));
    bad_certificate(&under(&good(), |root| root.certificate_logs[0].window.start = Some(NOW + 1)));
    allowed(&under(&good(), |root| root.certificate_logs[0].window.start = Some(NOW)));
}

#[test]
fn cry_23_a_receipt_of_a_time_to_come_is_refused() {
    allowed(&after(&good(), |it| it.leaf().scts[0].time = LATER));
    bad_certificate(&after(&good(), |it| it.leaf().scts[0].time = LATER + 1));
}

#[test]
fn cry_23_two_intermediates_of_one_name_are_told_apart_by_their_keys() {
    let a = sigstore();
    let namesake = a.root.child(&SigningKey::seeded("other"), &Profile::intermediate("a intermediate", NOW));
    let with = |signing: &Signing| {
        under(signing, |root| {
            let mut chain = root.certificate_authorities[0].clone();
            chain.certificates[0] = namesake.certificate.clone();
            root.certificate_authorities.insert(0, chain);
        })
    };
    allowed(&with(&good()));
    allowed(&with(&good().with(|it| it.leaf().issuer = namesake.clone())));
    bad_certificate(&with(&good().with(|it| it.leaf().scts[0].issuer = Some(namesake.clone()))));
}

#[test]
fn cry_26_claims_of_a_certificate_are_read_in_one_way() {
    allowed(&after(&good(), |_| ()));
    let replace = |number: u8, value: &[u8]| {
        let extension = raw_claim(number, value);
        after(&good(), |it| {
            it.leaf().claims.remove(&number);
            it.leaf().profile.extensions.push(extension);
        })
    };
    let issuer = Identity::github().issuer;
    allowed(&replace(1, issuer.as_bytes()));
    allowed(&replace(8, &utf8_string(&issuer)));
    bad_certificate(&replace(1, OTHER_ISSUER.as_bytes()));
    bad_certificate(&replace(8, &utf8_string(OTHER_ISSUER)));
    bad_certificate(&replace(1, b"https://\xff"));
    bad_certificate(&replace(8, issuer.as_bytes()));
    bad_certificate(&replace(8, b"\x0c\x02\xff\xff"));
    bad_certificate(&replace(8, b"\x0c\x7f"));
    bad_certificate(&replace(9, b"no DER"));
    for number in [1, 8, 9] {
        let value = Identity::github().claims[&number].clone();
        let twice = crate::support::sigstore::identity::claim(number, &value);
        bad_certificate(&after(&good(), |it| it.leaf().profile.extensions.push(twice)));
    }
}

#[test]
fn cry_26_an_issuer_that_is_named_once_is_enough() {
    allowed(&after(&good(), |it| drop(it.leaf().claims.remove(&1))));
    allowed(&after(&good(), |it| drop(it.leaf().claims.remove(&8))));
    let none = after(&good(), |it| it.leaf().claims.retain(|number, _| ![1, 8].contains(number)));
    denied(&none, "IDENTITY_MISMATCH", Class::IdentityMismatch);
}

#[test]
fn cry_33_a_signer_must_be_one_that_may_sign_code() {
    allowed(&after(&good(), |_| ()));
    bad_certificate(&after(&good(), |it| it.leaf().profile.extended_key_usage.clear()));
    bad_certificate(&after(&good(), |it| it.leaf().profile.extended_key_usage = vec![SERVER_AUTH]));
    bad_certificate(&after(&good(), |it| it.leaf().profile.key_usage = None));
    bad_certificate(&after(&good(), |it| it.leaf().profile.key_usage = Profile::root("x", NOW).key_usage));
    bad_certificate(&after(&good(), |it| it.leaf().profile.basic_constraints = Some((true, None))));
    bad_certificate(&after(&good(), |it| it.leaf().profile.extensions.push(extension("1.2.3.4", true, b"x"))));
    allowed(&after(&good(), |it| it.leaf().profile.extensions.push(extension("1.2.3.4", false, b"x"))));
}

#[test]
fn cry_33_a_signer_has_one_name() {
    let subject = Identity::github().subject;
    allowed(&after(&good(), |it| *it.leaf().names() = vec![uri(&subject)]));
    bad_certificate(&after(&good(), |it| *it.leaf().names() = vec![uri(&subject), uri(&subject)]));
    bad_certificate(&after(&good(), |it| *it.leaf().names() = vec![uri(&subject), email("dev@acme.test")]));
    bad_certificate(&after(&good(), |it| *it.leaf().names() = Vec::new()));
    bad_certificate(&after(&good(), |it| it.leaf().profile.names = None));
    bad_certificate(&after(&good(), |it| *it.leaf().names() = vec![uri("")]));
    bad_certificate(&after(&good(), |it| *it.leaf().names() = vec![email(&subject)]));
    let dns = after(&good(), |it| *it.leaf().names() = vec![dns("github.com")]);
    denied(&dns, "IDENTITY_MISMATCH", Class::IdentityMismatch);
    let address = |name| {
        let signing = good().with(|it| *it.leaf().names() = vec![name]);
        let question = Question::new();
        let identities = named(Some(&Identity::github().issuer), "dev@acme.test");
        question
            .ask(&signing.bundle_candidate(), SignerDemand::Keyless { root: &question.root, identities: &identities })
    };
    allowed(&address(email("dev@acme.test")));
    bad_certificate(&address(uri("dev@acme.test")));
}

#[test]
fn cry_34_another_instance_is_not_trusted() {
    let b = Sigstore::new("b");
    let foreign = b.keyless(&Identity::github(), content());
    allowed(&Question::under(&b.trusted_root()).bundle(&foreign));
    for signing in [&foreign, &b.keyless_v2(&Identity::github(), content())] {
        untrusted(&Question::new().bundle(signing));
    }
    untrusted(&Question::new().layer(&foreign));
    // Each part of the other instance alone.
    untrusted(&after(&good(), |it| {
        it.leaf().issuer = b.fulcio.clone();
    }));
    untrusted(&after(&good(), |it| it.entry().log = b.rekor.clone()));
    untrusted(&after(&good_v2(), |it| it.entry().log = b.rekor_v2.clone()));
    bad_time(&after(&good(), |it| it.timestamp().authority = b.tsa.clone()));
}

#[test]
fn cry_10_certificates_and_keys_are_not_taken_for_each_other() {
    let question = Question::new();
    allowed(&question.keyless(&good().bundle_candidate()));
    denied(&question.by_key(&good().bundle_candidate()), "SIGNER_MISMATCH", Class::BadSignature);
    allowed(&question.by_key(&good_key().bundle_candidate()));
    denied(&question.keyless(&good_key().bundle_candidate()), "SIGNER_MISMATCH", Class::BadSignature);
    // A certificate that certifies another key than the one that signed.
    let other = SigningKey::seeded("other").spki();
    denied(&after(&good(), |it| it.leaf().certified = Some(other)), "SIGNATURE_INVALID", Class::BadSignature);
}

#[test]
fn cry_45_a_name_is_of_the_kind_that_its_form_says() {
    let named = |name: GeneralName, subject: &str| {
        let signing = good().with(|it| *it.leaf().names() = vec![name]);
        let question = Question::new();
        let identities = named(Some(&Identity::github().issuer), subject);
        question
            .ask(&signing.bundle_candidate(), SignerDemand::Keyless { root: &question.root, identities: &identities })
    };
    let address = "https://ci.acme.test";
    for (right, wrong, subject) in [
        (uri(address), dns(address), address),
        (uri(address), user_name(address), address),
        (email("dev@acme.test"), dns("dev@acme.test"), "dev@acme.test"),
        (email("dev@acme.test"), uri("x:dev@acme.test"), "x:dev@acme.test"),
        (dns("acme.test"), user_name("acme.test"), "acme.test"),
        (user_name("dev!acme.test"), dns("dev!acme.test"), "dev!acme.test"),
        (uri("urn:acme:ci!x"), user_name("urn:acme:ci!x"), "urn:acme:ci!x"),
    ] {
        let of_right = if subject.starts_with("x:") { "dev@acme.test" } else { subject };
        allowed(&named(right, of_right));
        bad_certificate(&named(wrong, subject));
    }
}

#[test]
fn cry_46_an_extension_has_one_spelling() {
    let with = |id: &[u8]| {
        let extension = Extension {
            extn_id: ObjectIdentifier::from_bytes(id).unwrap(),
            critical: false,
            extn_value: OctetString::new(utf8_string(OTHER_ISSUER)).unwrap(),
        };
        Question::new().bundle(&good().with(|it| it.leaf().profile.extensions.push(extension)))
    };
    // 1.3.6.1.4.1.57264.1 and a number of its own, then the issuer's (8) with a zero before it.
    let fulcio = [0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1];
    allowed(&with(&[&fulcio[..], &[0x63]].concat()));
    bad_certificate(&with(&[&fulcio[..], &[8]].concat()));
    bad_certificate(&with(&[&fulcio[..], &[0x80, 8]].concat()));
    bad_certificate(&with(&[&fulcio[..], &[0x80, 0x63]].concat()));
}
