//! Certificate authorities: chains of trusted roots and of own PKIs.

use sealgate::signatures::{CertificateRoots, LogRule, SignerDemand, TrustMaterial};

use super::*;
use crate::support::sigstore::x509::{SERVER_AUTH, dns, email, extension, permitted_names, uri};
use crate::support::sigstore::{Authority, Pki, Profile};

const DAY: i64 = 24 * 3600;

/// The usual signature, by a certificate of another authority, whose chain is trusted.
fn issued_by(fulcio: &Authority, above: &[&Authority]) -> Answer {
    let signing = good().with(|it| it.leaf().issuer = fulcio.clone());
    let root = sigstore().trusted_root().with(|root| {
        root.certificate_authorities[0].certificates =
            [fulcio].iter().chain(above).map(|authority| authority.certificate.clone()).collect();
        // Another one that is sound keeps the root usable.
        let other = Sigstore::new("b").trusted_root();
        root.certificate_authorities.extend(other.certificate_authorities);
    });
    Question::under(&root).bundle(&signing)
}

/// The same with a changed intermediate under the usual root.
fn intermediate(change: impl FnOnce(&mut Profile)) -> Answer {
    let a = sigstore();
    let mut profile = Profile::intermediate("a intermediate", NOW);
    change(&mut profile);
    issued_by(&a.root.child(&a.fulcio.key, &profile), &[&a.root])
}

/// The same with a changed root over the usual intermediate.
fn root(change: impl FnOnce(&mut Profile)) -> Answer {
    let a = sigstore();
    let mut profile = Profile::root("a root", NOW);
    change(&mut profile);
    let root = Authority::root(&a.root.key, &profile);
    issued_by(&root.child(&a.fulcio.key, &Profile::intermediate("a intermediate", NOW)), &[&root])
}

#[test]
fn cry_17_an_intermediate_of_a_trusted_root_is_held_to_rfc_5280() {
    allowed(&intermediate(|_| ()));
    bad_certificate(&intermediate(|it| it.not_after = NOW - 1));
    bad_certificate(&intermediate(|it| it.not_before = NOW + DAY));
    untrusted(&intermediate(|it| it.basic_constraints = Some((false, None))));
    untrusted(&intermediate(|it| it.basic_constraints = None));
    untrusted(&intermediate(|it| it.key_usage = Profile::code_signing(NOW, Vec::new()).key_usage));
    untrusted(&intermediate(|it| it.extended_key_usage = vec![SERVER_AUTH]));
    untrusted(&intermediate(|it| it.extensions.push(extension("1.2.3.4", true, b"x"))));
    allowed(&intermediate(|it| it.extensions.push(extension("1.2.3.4", false, b"x"))));
}

#[test]
fn cry_17_the_root_of_a_trusted_root_is_held_to_rfc_5280() {
    allowed(&root(|_| ()));
    bad_certificate(&root(|it| it.not_after = NOW - 1));
    bad_certificate(&root(|it| it.not_before = NOW + DAY));
    untrusted(&root(|it| it.basic_constraints = Some((false, None))));
    untrusted(&root(|it| it.basic_constraints = Some((true, Some(0)))));
    allowed(&root(|it| it.basic_constraints = Some((true, Some(1)))));
    untrusted(&root(|it| it.key_usage = Profile::code_signing(NOW, Vec::new()).key_usage));
    untrusted(&root(|it| it.extensions.push(extension("1.2.3.4", true, b"x"))));
}

#[test]
fn cry_17_an_intermediate_must_be_issued_by_the_root_above_it() {
    let (a, b) = (sigstore(), Sigstore::new("b"));
    allowed(&issued_by(&a.fulcio, &[&a.root]));
    allowed(&issued_by(&a.fulcio, &[]));
    untrusted(&issued_by(&a.fulcio, &[&b.root]));
    let namesake = Authority::root(&b.root.key, &Profile::root("a root", NOW));
    untrusted(&issued_by(&a.fulcio, &[&namesake]));
    let below = a.fulcio.child(&SigningKey::seeded("below"), &Profile::intermediate("below", NOW));
    untrusted(&issued_by(&below, &[&a.fulcio, &a.root]));
}

#[test]
fn cry_17_an_intermediate_counts_until_its_last_second() {
    // The certificate signed at NOW + 1 and NOW + 2.
    allowed(&intermediate(|it| it.not_after = NOW + 2));
    bad_certificate(&intermediate(|it| it.not_after = NOW + 1));
    allowed(&intermediate(|it| it.not_before = NOW + 1));
    bad_certificate(&intermediate(|it| it.not_before = NOW + 2));
}

#[test]
fn cry_17_name_constraints_of_authorities_hold() {
    allowed(&intermediate(|it| it.extensions.push(permitted_names(&[dns("acme.test")]))));
    bad_certificate(&intermediate(|it| it.extensions.push(permitted_names(&[uri("other.test")]))));
    untrusted(&root(|it| it.extensions.push(permitted_names(&[uri("other.test")]))));
}

#[test]
fn cry_17_a_root_of_which_no_authority_is_left_is_unusable() {
    let a = sigstore();
    let good = a.trusted_root();
    assert!(TrustMaterial::from_json(&good.json().to_string()).is_ok());
    let mut profile = Profile::intermediate("a intermediate", NOW);
    profile.basic_constraints = None;
    let broken = good.with(|root| {
        root.certificate_authorities[0].certificates[0] = a.root.child(&a.fulcio.key, &profile).certificate;
    });
    let problem = TrustMaterial::from_json(&broken.json().to_string()).unwrap_err().to_string();
    assert!(problem.contains("basicConstraints"), "{problem}");
}

/// A signature by a certificate of an own PKI, with no evidence beside it.
fn own(pki: &Pki, change: impl FnOnce(&mut Signing)) -> Answer {
    let signing = pki.signing(email("dev@acme.test"), content()).with(change);
    let roots = CertificateRoots::from_pem(&(pki.intermediates_pem() + &pki.root_pem()));
    let roots = roots.or_else(|_| CertificateRoots::from_pem(&pki.root_pem())).unwrap();
    let identities = named(None, "dev@acme.test");
    let question = Question { log: LogRule::WhenPresent, now: NOW + 1, ..Question::new() };
    let signer = SignerDemand::Certificate { roots: &roots, root: None, identities: &identities };
    question.ask(&signing.layer_candidate(), signer)
}

/// The same with a changed intermediate, which the signature presents and the policy does not name.
fn own_intermediate(change: impl FnOnce(&mut Profile)) -> Answer {
    let pki = Pki::with_intermediate("own", NOW, change);
    let signing = pki.signing(email("dev@acme.test"), content());
    let roots = CertificateRoots::from_pem(&pki.root_pem()).unwrap();
    let identities = named(None, "dev@acme.test");
    let question = Question { log: LogRule::WhenPresent, now: NOW + 1, ..Question::new() };
    let signer = SignerDemand::Certificate { roots: &roots, root: None, identities: &identities };
    question.ask(&signing.layer_candidate(), signer)
}

#[test]
fn cry_17_a_chain_to_an_own_root_is_held_to_rfc_5280() {
    allowed(&own_intermediate(|_| ()));
    bad_certificate(&own_intermediate(|it| it.not_after = NOW));
    bad_certificate(&own_intermediate(|it| it.not_before = NOW + DAY));
    bad_certificate(&own_intermediate(|it| it.basic_constraints = Some((false, None))));
    bad_certificate(&own_intermediate(|it| it.basic_constraints = None));
    bad_certificate(&own_intermediate(|it| it.extended_key_usage = vec![SERVER_AUTH]));
    bad_certificate(&own_intermediate(|it| it.extensions.push(extension("1.2.3.4", true, b"x"))));
    bad_certificate(&own_intermediate(|it| it.extensions.push(permitted_names(&[email("other.test")]))));
    allowed(&own_intermediate(|it| it.extensions.push(permitted_names(&[dns("acme.test")]))));
}

#[test]
fn cry_17_a_path_to_an_own_root_is_no_longer_than_allowed() {
    let chain = |limit: Option<u8>| {
        let mut pki = Pki::with_intermediate("own", NOW, |it| it.basic_constraints = Some((true, limit)));
        let profile = Profile::intermediate("lower", NOW);
        pki.intermediates.push(pki.intermediates[0].child(&SigningKey::seeded("lower"), &profile));
        let signing = pki.signing(email("dev@acme.test"), content());
        let roots = CertificateRoots::from_pem(&pki.root_pem()).unwrap();
        let identities = named(None, "dev@acme.test");
        let question = Question { log: LogRule::WhenPresent, now: NOW + 1, ..Question::new() };
        question.ask(
            &signing.layer_candidate(),
            SignerDemand::Certificate { roots: &roots, root: None, identities: &identities },
        )
    };
    allowed(&chain(None));
    allowed(&chain(Some(1)));
    bad_certificate(&chain(Some(0)));
}

#[test]
fn cry_17_the_certificate_of_an_own_pki_is_held_to_its_profile() {
    let pki = Pki::new("own", NOW);
    allowed(&own(&pki, |_| ()));
    bad_certificate(&own(&pki, |it| it.leaf().profile.extended_key_usage = vec![SERVER_AUTH]));
    bad_certificate(&own(&pki, |it| it.leaf().profile.extended_key_usage.clear()));
    bad_certificate(&own(&pki, |it| it.leaf().profile.key_usage = Profile::root("x", NOW).key_usage));
    bad_certificate(&own(&pki, |it| it.leaf().profile.not_after = NOW));
    bad_certificate(&own(&pki, |it| it.leaf().profile.not_before = NOW + 2));
    bad_certificate(&own(&pki, |it| it.leaf().names().push(email("other@acme.test"))));
    untrusted(&own(&pki, |it| it.leaf().issuer = Pki::new("other", NOW).root));
}
