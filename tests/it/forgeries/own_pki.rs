//! Paths to roots of an own PKI: followed in the order in which they are presented, each authority held to RFC 5280.

use sealgate::signatures::{CertificateRoots, LogRule, RootsError, SignerDemand};

use super::*;
use crate::support::sigstore::x509::{ANY_USAGE, CODE_SIGNING, SERVER_AUTH, dns, email, extension, permitted_names};
use crate::support::sigstore::{Authority, CodeSigning, Pki, Profile};

const DAY: i64 = 24 * 3600;

fn root(change: impl FnOnce(&mut Profile)) -> Authority {
    let mut profile = Profile::root("own root", NOW);
    change(&mut profile);
    Authority::root(&SigningKey::seeded("own root"), &profile)
}

/// An authority under another, with no limit of its own unless it is given one.
fn under(issuer: &Authority, name: &str, change: impl FnOnce(&mut Profile)) -> Authority {
    let mut profile = Profile { basic_constraints: Some((true, None)), ..Profile::intermediate(name, NOW) };
    change(&mut profile);
    issuer.child(&SigningKey::seeded(name), &profile)
}

/// A signature by a leaf of the first authority, which presents the others behind it.
fn signed_by(issuer: &Authority, presented: &[&Authority]) -> Signing {
    let mut leaf = CodeSigning::own(issuer, vec![email("dev@acme.test")], NOW);
    leaf.presented = presented.iter().map(|authority| authority.certificate.clone()).collect();
    Signing::by_certificate(&SigningKey::seeded("own leaf"), leaf, content())
}

fn ask_at(roots: &[&Authority], signing: &Signing, now: i64) -> Answer {
    let pem: String = roots.iter().map(|root| root.pem()).collect();
    let roots = CertificateRoots::from_pem(&pem).unwrap();
    let identities = named(None, "dev@acme.test");
    let question = Question { log: LogRule::WhenPresent, now, ..Question::new() };
    question.ask(
        &signing.layer_candidate(),
        SignerDemand::Certificate { roots: &roots, root: None, identities: &identities },
    )
}

fn ask(roots: &[&Authority], signing: &Signing) -> Answer {
    ask_at(roots, signing, NOW + 60)
}

#[test]
fn cry_42_an_authority_that_is_presented_may_sign_certificates_for_code() {
    let root = root(|_| ());
    let presented = |change: fn(&mut Profile)| {
        let authority = under(&root, "intermediate", change);
        ask(&[&root], &signed_by(&authority, &[&authority]))
    };
    allowed(&presented(|_| ()));
    allowed(&presented(|it| it.key_usage = None));
    allowed(&presented(|it| it.extended_key_usage = vec![CODE_SIGNING]));
    allowed(&presented(|it| it.extended_key_usage = vec![ANY_USAGE]));
    bad_certificate(&presented(|it| it.extended_key_usage = vec![SERVER_AUTH]));
    bad_certificate(&presented(|it| it.key_usage = Profile::code_signing(NOW, Vec::new()).key_usage));
    bad_certificate(&presented(|it| it.basic_constraints = None));
    bad_certificate(&presented(|it| it.extensions.push(extension("1.2.3.4", true, b"x"))));
}

#[test]
fn cry_42_a_root_that_can_vouch_for_nobody_is_refused_when_it_is_read() {
    let read = |change: fn(&mut Profile)| CertificateRoots::from_pem(&root(change).pem());
    read(|_| ()).unwrap();
    read(|it| it.key_usage = None).unwrap();
    read(|it| it.extended_key_usage = vec![CODE_SIGNING]).unwrap();
    read(|it| it.extensions.push(permitted_names(&[dns("acme.test")]))).unwrap();
    let changes: [fn(&mut Profile); 4] = [
        |it| it.extended_key_usage = vec![SERVER_AUTH],
        |it| it.key_usage = Profile::code_signing(NOW, Vec::new()).key_usage,
        |it| it.extensions.push(extension("1.2.3.4", true, b"x")),
        |it| it.extensions.push(permitted_names(&[email("acme.test")])),
    ];
    for change in changes {
        assert!(matches!(read(change).unwrap_err(), RootsError::Unusable { block: 1, .. }));
    }
}

#[test]
fn cry_42_the_path_length_of_a_root_holds_however_it_is_listed() {
    let limited = |limit: u8| root(|it| it.basic_constraints = Some((true, Some(limit))));
    let path = |root: &Authority| {
        let authority = under(root, "intermediate", |_| ());
        ask(&[root], &signed_by(&authority, &[&authority]))
    };
    allowed(&path(&limited(1)));
    bad_certificate(&path(&limited(0)));
    // An intermediate that is listed is a root with its own limit.
    let root = root(|_| ());
    let listed = under(&root, "listed", |it| it.basic_constraints = Some((true, Some(0))));
    let below = under(&listed, "below", |_| ());
    allowed(&ask(&[&root, &listed], &signed_by(&listed, &[])));
    bad_certificate(&ask(&[&root, &listed], &signed_by(&below, &[&below])));
    bad_certificate(&ask(&[&root, &listed], &signed_by(&below, &[&below, &listed])));
}

#[test]
fn cry_42_a_chain_is_followed_in_its_order() {
    let root = root(|_| ());
    let upper = under(&root, "upper", |_| ());
    let lower = under(&upper, "lower", |_| ());
    allowed(&ask(&[&root], &signed_by(&lower, &[&lower, &upper])));
    // As cosign stores it: the root last.
    allowed(&ask(&[&root], &signed_by(&lower, &[&lower, &upper, &root])));
    untrusted(&ask(&[&root], &signed_by(&lower, &[&upper, &lower])));
    untrusted(&ask(&[&root], &signed_by(&lower, &[&lower])));
    untrusted(&ask(&[&root], &signed_by(&lower, &[&lower, &lower, &upper])));
}

#[test]
fn cry_42_a_path_has_as_many_authorities_as_are_followed() {
    let root = root(|_| ());
    let path = |count: usize| {
        let mut authorities = vec![root.clone()];
        for number in 0..count {
            authorities.push(under(&authorities[number], &format!("authority {number}"), |_| ()));
        }
        let presented: Vec<&Authority> = authorities.iter().skip(1).rev().collect();
        ask(&[&root], &signed_by(&authorities[count], &presented))
    };
    allowed(&path(6));
    untrusted(&path(7));
}

#[test]
fn cry_42_a_root_that_has_ended_gives_way_to_one_that_signed_it_anew() {
    let (old, new) = (root(|it| it.not_after = NOW - DAY), Pki::new("new", NOW).root);
    let crossed =
        new.child(&old.key, &Profile { basic_constraints: Some((true, None)), ..Profile::root("own root", NOW) });
    let signing = signed_by(&old, &[&crossed]);
    allowed(&ask(&[&new], &signing));
    allowed(&ask(&[&old, &new], &signing));
    untrusted(&ask(&[&old], &signing));
}

#[test]
fn cry_43_authorities_of_one_name_are_not_searched() {
    let root = root(|_| ());
    // Nine keys of one name, each certificate with as many extensions as fit.
    let namesake = |number: usize| {
        let mut profile = Profile::root("own root", NOW);
        profile.extensions.extend((0..1000).map(|at| extension(&format!("1.2.3.4.{at}"), false, b"x")));
        Authority::root(&SigningKey::seeded(&format!("namesake {number}")), &profile)
    };
    let namesakes: Vec<Authority> = (0..9).map(namesake).collect();
    let presented: Vec<&Authority> = namesakes.iter().collect();
    allowed(&ask(&[&root], &signed_by(&root, &presented)));
    untrusted(&ask(&[&root], &signed_by(&namesakes[0], &presented)));
    // A keyless signature brings them for nothing.
    let brought = good().with(|it| {
        it.version = crate::support::sigstore::Version::V02;
        it.leaf().presented = namesakes.iter().map(|authority| authority.certificate.clone()).collect();
    });
    allowed(&Question::new().bundle(&brought));
}

#[test]
fn cry_43_a_certificate_has_few_extensions() {
    let root = root(|_| ());
    let with = |count: usize| {
        let signing = signed_by(&root, &[]).with(|it| {
            let extensions = (0..count).map(|at| extension(&format!("1.2.3.4.{at}"), false, b"x"));
            it.leaf().profile.extensions.extend(extensions);
        });
        ask(&[&root], &signing)
    };
    allowed(&with(50));
    denied(&with(100), "SIGNATURE_LIMIT", Class::LimitExceeded);
}

#[test]
fn cry_18_what_is_said_without_a_proven_time_does_not_change_with_the_clock() {
    let root = root(|_| ());
    let signing = signed_by(&root, &[]);
    allowed(&ask_at(&[&root], &signing, NOW + 600));
    let [first, second] = [NOW + 601, NOW + 86_400].map(|now| ask_at(&[&root], &signing, now).unwrap_err());
    assert_eq!(first, second);
    let text = format!("{first:?}");
    assert!(text.contains("nothing proves that it signed while it was"), "{text}");
    let ended = self::root(|it| it.not_after = NOW + 10);
    let [first, second] = [NOW + 60, NOW + 61].map(|now| ask_at(&[&ended], &signed_by(&ended, &[]), now).unwrap_err());
    assert_eq!(first, second);
}
