//! Timestamps as they are written: what is none (RFC 3161, RFC 5652), though the key of an authority signed it, and what is one, though
//! few authorities write it so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cms::signed_data::SignedData;
use sealgate::signatures::TrustMaterial;
use serde_json::json;
use x509_cert::attr::Attribute;
use x509_cert::der::asn1::{Null, OctetString, SetOfVec};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Any, Decode, Encode};
use x509_cert::ext::pkix::{KeyUsage, KeyUsages};

use super::times::stamped;
use super::*;
use crate::support::signer::Scheme;
use crate::support::sigstore::timestamp::{
    CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_CERTIFICATE_V2, Timestamp, TimestampAuthority, attribute, sequence,
};
use crate::support::sigstore::x509::{
    ANY_USAGE, CODE_SIGNING, SERVER_AUTH, TIME_STAMPING, dns, extension, permitted_names,
};
use crate::support::sigstore::{Authority, HashAlgorithm, Profile, TrustedChain};

/// The content type of plain data.
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// RFC 2634, section 5.4.
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");

/// Whatever has a timestamp, after a change of that.
fn changed(change: impl Fn(&mut Timestamp)) -> [Answer; 4] {
    stamped(|it| change(it.timestamp()), |_| ())
}

/// The same after a change of what the authority signs.
fn attributes(change: impl Fn(&mut Vec<Attribute>) + Clone + Send + Sync + 'static) -> [Answer; 4] {
    changed(|it| it.edit_attributes.set(change.clone()))
}

/// The same by another authority, which the root lists.
fn by(authority: &TimestampAuthority, change: impl Fn(&mut Timestamp)) -> [Answer; 4] {
    stamped(
        |it| {
            it.timestamps = vec![Timestamp::new(authority, NOW + 1)];
            change(it.timestamp());
        },
        |root| root.timestamp_authorities[0].certificates = authority.chain(),
    )
}

fn hash_of_certificate(hash: HashAlgorithm) -> Vec<u8> {
    let certificate = sigstore().tsa.signer.der();
    OctetString::new(hash.digest(&certificate)).unwrap().to_der().unwrap()
}

#[test]
fn cry_47_what_is_signed_says_that_it_is_a_timestamp() {
    attributes(|_| ()).iter().for_each(allowed);
    let replaced = |kind: ObjectIdentifier, value: Option<Vec<u8>>| {
        attributes(move |it| {
            it.retain(|attribute| attribute.oid != kind);
            it.extend(value.as_ref().map(|value| attribute(kind, value)));
        })
    };
    // Else whatever the key has signed in this way, such as a mail, is a timestamp.
    replaced(CONTENT_TYPE, None).iter().for_each(bad_time);
    replaced(CONTENT_TYPE, Some(DATA.to_der().unwrap())).iter().for_each(bad_time);
    replaced(CONTENT_TYPE, Some(Null.to_der().unwrap())).iter().for_each(bad_time);
    replaced(MESSAGE_DIGEST, None).iter().for_each(bad_time);
    replaced(MESSAGE_DIGEST, Some(hash_of_certificate(HashAlgorithm::Sha256))).iter().for_each(bad_time);
}

#[test]
fn cry_47_an_attribute_is_there_once_and_has_one_value() {
    let further = |kind: ObjectIdentifier, same: bool| {
        attributes(move |it| {
            let found = it.iter_mut().find(|attribute| attribute.oid == kind).unwrap();
            let other = Any::from_der(&OctetString::new(*b"another").unwrap().to_der().unwrap()).unwrap();
            if same {
                found.values = SetOfVec::from_iter([found.values.get(0).unwrap().clone(), other]).unwrap();
            } else {
                it.push(Attribute { oid: kind, values: SetOfVec::from_iter([other]).unwrap() });
            }
        })
    };
    for kind in [CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_CERTIFICATE_V2] {
        further(kind, true).iter().for_each(bad_time);
        further(kind, false).iter().for_each(bad_time);
    }
    // Any other that is there once means nothing here.
    attributes(|it| it.push(attribute(DATA, &Null.to_der().unwrap()))).iter().for_each(allowed);
}

#[test]
fn cry_47_the_certificate_that_is_named_is_that_of_the_authority() {
    let named = |kind: ObjectIdentifier, hash: Vec<u8>| {
        let value = sequence(&sequence(&sequence(&hash)));
        attributes(move |it| {
            it.retain(|attribute| attribute.oid != SIGNING_CERTIFICATE_V2);
            it.push(attribute(kind, &value));
        })
    };
    let other = |hash: HashAlgorithm| OctetString::new(hash.digest(b"other")).unwrap().to_der().unwrap();
    named(SIGNING_CERTIFICATE_V2, hash_of_certificate(HashAlgorithm::Sha256)).iter().for_each(allowed);
    named(SIGNING_CERTIFICATE_V2, other(HashAlgorithm::Sha256)).iter().for_each(bad_time);
    named(SIGNING_CERTIFICATE, hash_of_certificate(HashAlgorithm::Sha1)).iter().for_each(allowed);
    named(SIGNING_CERTIFICATE, other(HashAlgorithm::Sha1)).iter().for_each(bad_time);
    let with_hash = |hash: HashAlgorithm| [hash.identifier().to_der().unwrap(), hash_of_certificate(hash)].concat();
    named(SIGNING_CERTIFICATE_V2, with_hash(HashAlgorithm::Sha512)).iter().for_each(allowed);
    // Which hash it is, is what it says.
    let unnamed = hash_of_certificate(HashAlgorithm::Sha512);
    named(SIGNING_CERTIFICATE_V2, unnamed).iter().for_each(bad_time);
    // Some name none, and then there is only the one that the trusted root lists.
    attributes(|it| it.retain(|attribute| attribute.oid != SIGNING_CERTIFICATE_V2)).iter().for_each(allowed);
}

#[test]
fn cry_47_nothing_in_it_is_critical_and_unknown() {
    let with = |critical: bool| {
        changed(|it| it.edit_info.set(move |info| info.extensions = Some(vec![extension("1.2.3.4", critical, b"x")])))
    };
    with(false).iter().for_each(allowed);
    with(true).iter().for_each(bad_time);
    let version = |version: u8| changed(|it| it.edit_content.set(move |content| content[2] = version));
    version(1).iter().for_each(allowed);
    version(2).iter().for_each(bad_time);
}

#[test]
fn cry_47_the_authority_alone_signed_it_by_one_algorithm() {
    let data = |change: fn(&mut SignedData)| changed(|it| it.edit_data.set(change));
    data(|_| ()).iter().for_each(allowed);
    data(|it| it.signer_infos.0 = SetOfVec::new()).iter().for_each(bad_time);
    data(|it| {
        let mut signers = it.signer_infos.0.clone().into_vec();
        let mut second = signers[0].clone();
        second.unsigned_attrs = Some(SetOfVec::from_iter([attribute(DATA, &Null.to_der().unwrap())]).unwrap());
        signers.push(second);
        it.signer_infos.0 = SetOfVec::try_from(signers).unwrap();
    })
    .iter()
    .for_each(bad_time);
    let algorithm = |oid: &'static str| {
        changed(|it| it.edit_signer.set(move |signer| signer.signature_algorithm.oid = oid.parse().unwrap()))
    };
    algorithm("1.2.840.10045.4.3.2").iter().for_each(allowed);
    // The key alone; then the hash is that of the message.
    algorithm("1.2.840.10045.2.1").iter().for_each(allowed);
    for other in ["1.2.840.10045.4.3.3", "1.2.840.113549.1.1.11", "1.2.840.10045.4.1", "1.3.101.112"] {
        algorithm(other).iter().for_each(bad_time);
    }
    changed(|it| it.edit_signer.set(|signer| signer.signed_attrs = None)).iter().for_each(bad_time);
}

#[test]
fn cry_47_it_is_as_long_as_timestamps_are() {
    let leaf = || sigstore().tsa.signer.certificate;
    let bringing = |count: usize, bytes: usize| {
        let mut certificate = leaf();
        let padding = extension("1.2.3.4", false, &vec![0; bytes]);
        certificate.tbs_certificate.extensions.as_mut().unwrap().push(padding);
        let brought = (0..count).map(|number| {
            let mut other = certificate.clone();
            other.tbs_certificate.serial_number =
                x509_cert::serial_number::SerialNumber::from(u64::try_from(number).unwrap());
            other
        });
        let brought: Vec<_> = brought.collect();
        changed(|it| it.certificates.clone_from(&brought))
    };
    bringing(10, 2000).iter().for_each(allowed);
    bringing(10, 4000).iter().for_each(bad_time);
    bringing(32, 1).iter().for_each(allowed);
    bringing(33, 1).iter().for_each(bad_time);
}

#[test]
fn cry_48_timestamps_by_other_keys_and_hashes_are_read() {
    let broken = |it: &mut Timestamp| it.edit_signature.set(|signature| *signature.last_mut().unwrap() ^= 1);
    let cases = [
        (None, Some(HashAlgorithm::Sha384)),
        (None, Some(HashAlgorithm::Sha512)),
        (Some(Scheme::P384), None),
        (Some(Scheme::P521), None),
        (Some(Scheme::P521Sha256), None),
        (Some(Scheme::RsaPkcs1), None),
        (Some(Scheme::RsaPkcs1), Some(HashAlgorithm::Sha256)),
        (Some(Scheme::RsaPkcs1), Some(HashAlgorithm::Sha384)),
        (Some(Scheme::RsaPkcs1), Some(HashAlgorithm::Sha512)),
    ];
    for (scheme, digest) in cases {
        let mut authority = sigstore().tsa;
        if let Some(scheme) = scheme {
            let profile = Profile::time_stamping("a timestamps", NOW);
            authority.signer = authority.above[0].child(&SigningKey::generate(scheme), &profile);
        }
        by(&authority, |it| it.digest = digest).iter().for_each(allowed);
        by(&authority, |it| {
            it.digest = digest;
            broken(it);
        })
        .iter()
        .for_each(bad_time);
    }
}

/// The content of a `TSTInfo` with another time.
fn timed(content: &[u8], time: &[u8]) -> Vec<u8> {
    let at = content.windows(2).position(|tag| tag == [0x18, 0x0f]).unwrap();
    let (before, after) = content.split_at(at);
    [before, &[0x18, u8::try_from(time.len()).unwrap()], time, &after[17..]].concat()
}

#[test]
fn cry_48_a_timestamp_may_have_a_fraction_of_a_second() {
    let at = |fraction: &'static str| {
        changed(|it| {
            it.edit_content.set(move |content| {
                let at = content.windows(2).position(|tag| tag == [0x18, 0x0f]).unwrap();
                let second = String::from_utf8(content[at + 2..at + 16].to_vec()).unwrap();
                *content = timed(content, format!("{second}{fraction}").as_bytes());
            });
        })
    };
    for honest in ["Z", ".5Z", ".123456789Z", ".50Z"] {
        at(honest).iter().for_each(allowed);
    }
    for other in ["", ".Z", ",5Z", ".5", ".5+0100", ".1234567890Z", ".-5Z", "5Z", ".5ZZ"] {
        at(other).iter().for_each(bad_time);
    }
    let seconds =
        |time: &'static str| changed(|it| it.edit_content.set(|content| *content = timed(content, time.as_bytes())));
    for other in ["19691231235959Z", "00000000000000Z", "20261332250000Z", "+0261127000000Z", "2026 112700000Z"] {
        seconds(other).iter().for_each(bad_time);
    }
}

#[test]
fn cry_48_whatever_else_a_timestamp_says_is_read_over() {
    changed(|it| {
        it.edit_info.set(|info| {
            info.accuracy = Some(x509_tsp::Accuracy { seconds: Some(1), millis: Some(500), micros: Some(1) });
            info.ordering = true;
            info.tsa = Some(dns("tsa.acme.test"));
        });
    })
    .iter()
    .for_each(allowed);
    // The token alone, without the answer around it.
    let bare = |it: &mut Signing| {
        it.edit_bundle.set(|bundle| {
            let stamps = &mut bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
            let answer = STANDARD.decode(stamps[0]["signedTimestamp"].as_str().unwrap()).unwrap();
            let answer = Any::from_der(&answer).unwrap();
            // After the status.
            stamps[0]["signedTimestamp"] = json!(STANDARD.encode(&answer.value()[5..]));
        });
    };
    stamped(bare, |_| ()).iter().for_each(allowed);
}

#[test]
fn cry_48_an_authority_may_be_listed_without_the_one_that_issued_it() {
    let alone = |change: fn(&mut Timestamp)| {
        stamped(|it| change(it.timestamp()), |root| root.timestamp_authorities[0].certificates.truncate(1))
    };
    alone(|_| ()).iter().for_each(allowed);
    alone(|it| it.edit_signature.set(|signature| *signature.last_mut().unwrap() ^= 1)).iter().for_each(bad_time);
    let other = Sigstore::new("b").tsa;
    let by_other = |it: &mut Signing| it.timestamps = vec![Timestamp::new(&other, NOW + 1)];
    stamped(by_other, |root| root.timestamp_authorities[0].certificates.truncate(1)).iter().for_each(bad_time);
}

#[test]
fn cry_17_a_root_whose_timestamp_authority_is_never_valid_in_its_window_is_unusable() {
    let until = |end: i64| {
        let root = sigstore().trusted_root().with(|root| {
            let window = &mut root.timestamp_authorities[0].window;
            (window.start, window.end) = (Some(NOW - 10 * 365 * 24 * 3600), Some(end));
        });
        TrustMaterial::from_json(&root.json().to_string()).map(drop)
    };
    until(NOW).unwrap();
    // Its certificate begins a year before.
    let problem = until(NOW - 2 * 365 * 24 * 3600).unwrap_err().to_string();
    assert!(problem.contains("no timestamp authority is usable"), "{problem}");
}

/// A root with an authority for timestamps that is changed.
fn root_with(
    change: impl Fn(&mut Profile),
    chain: impl Fn(&TimestampAuthority) -> Vec<x509_cert::Certificate>,
) -> TrustedRoot {
    let mut profile = Profile::time_stamping("a timestamps", NOW);
    change(&mut profile);
    let authority = TimestampAuthority::with("a", &profile, NOW);
    sigstore().trusted_root().with(|root| root.timestamp_authorities[0].certificates = chain(&authority))
}

/// A change of a certificate.
type Change = fn(&mut Profile);

#[test]
fn cry_17_a_root_whose_timestamps_could_never_count_is_unusable() {
    let whole = TimestampAuthority::chain;
    let read = |root: &TrustedRoot| TrustMaterial::from_json(&root.json().to_string()).map(drop);
    let usages: [Change; 4] = [
        |_| (),
        |it| it.key_usage = None,
        |it| it.key_usage = Some(KeyUsage(KeyUsages::NonRepudiation.into())),
        |it| it.extended_key_usage = vec![TIME_STAMPING, CODE_SIGNING],
    ];
    for usable in usages {
        read(&root_with(usable, whole)).unwrap();
    }
    // Nothing stands above it but the one who lists it.
    read(&root_with(|_| (), |authority| vec![authority.signer.certificate.clone()])).unwrap();
    let refused = |root: &TrustedRoot, word: &str| {
        let problem = read(root).unwrap_err().to_string();
        assert!(problem.contains("no timestamp authority is usable") && problem.contains(word), "{problem}");
        // Beside one that is usable it is left out.
        let usable = sigstore().trusted_root().timestamp_authorities.remove(0);
        let both = root.with(|root| root.timestamp_authorities.push(usable.clone()));
        allowed(&Question::under(&both).bundle(&good()));
    };
    let profiles: [(Change, &str); 7] = [
        (|it| it.extended_key_usage = Vec::new(), "extendedKeyUsage"),
        (|it| it.extended_key_usage = vec![SERVER_AUTH], "extendedKeyUsage"),
        (|it| it.extended_key_usage = vec![CODE_SIGNING], "extendedKeyUsage"),
        (|it| it.extended_key_usage = vec![ANY_USAGE], "extendedKeyUsage"),
        (|it| it.key_usage = Some(KeyUsage(KeyUsages::KeyCertSign.into())), "keyUsage"),
        (|it| it.basic_constraints = Some((true, None)), "CA:TRUE"),
        (|it| it.extensions.push(extension("1.2.3.4", true, b"x")), "critical"),
    ];
    for (change, word) in profiles {
        refused(&root_with(change, whole), word);
    }
    let reversed = |authority: &TimestampAuthority| authority.chain().into_iter().rev().collect();
    refused(&root_with(|_| (), reversed), "CA:TRUE");
    let orphaned = |authority: &TimestampAuthority| {
        let other = Authority::root(&SigningKey::seeded("other"), &Profile::root("a TSA root", NOW));
        vec![authority.signer.certificate.clone(), other.certificate]
    };
    refused(&root_with(|_| (), orphaned), "did not issue");
    let ed25519 = |authority: &TimestampAuthority| {
        let profile = Profile::time_stamping("a timestamps", NOW);
        let signer = authority.above[0].child(&SigningKey::seeded_ed25519("a"), &profile);
        vec![signer.certificate, authority.above[0].certificate.clone()]
    };
    refused(&root_with(|_| (), ed25519), "Ed25519");
    let constrained = |constraints: &[x509_cert::ext::Extension]| {
        let mut root = Profile::root("a TSA root", NOW);
        root.extensions = constraints.to_vec();
        let a = sigstore().tsa;
        let root = Authority::root(&a.above[0].key, &root);
        let signer = root.child(&a.signer.key, &Profile::time_stamping("a timestamps", NOW));
        root_with(|_| (), move |_| vec![signer.certificate.clone(), root.certificate.clone()])
    };
    read(&constrained(&[])).unwrap();
    refused(&constrained(&[permitted_names(&[dns("acme.test")])]), "name constraints");
    let none = sigstore().trusted_root().with(|root| root.timestamp_authorities[0].certificates.clear());
    refused(&none, "0 certificates");
    let unlisted: Vec<TrustedChain> = Vec::new();
    read(&sigstore().trusted_root().with(|root| root.timestamp_authorities.clone_from(&unlisted))).unwrap();
}
