//! Certificates: a [`Profile`] says what one holds, an [`Authority`] signs it.

use std::str::FromStr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use x509_cert::der::asn1::{BitString, GeneralizedTime, Ia5String, Null, OctetString, UtcTime, Utf8StringRef};
use x509_cert::der::oid::{AssociatedOid, ObjectIdentifier};
use x509_cert::der::{Any, Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, NameConstraints, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, TbsCertificate, Version};

use crate::support::signer::{Scheme, SigningKey, pem};

/// `id-kp-codeSigning`.
pub const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
/// `id-kp-timeStamping`.
pub const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// `anyExtendedKeyUsage`.
pub const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
/// `id-kp-serverAuth`: right for neither.
pub const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// Fulcio's `otherName` for user names.
const USER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");

const YEAR: i64 = 365 * 24 * 3600;

/// What a certificate says. Every field may be changed before it is issued.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The subject as in RFC 4514, such as `CN=root,O=acme`; may be empty.
    pub subject: String,
    /// The first second, in Unix time.
    pub not_before: i64,
    /// The last second, in Unix time.
    pub not_after: i64,
    /// Whether it is an authority, and how many may stand under it; `None` leaves the extension out.
    pub basic_constraints: Option<(bool, Option<u8>)>,
    /// `None` leaves the extension out.
    pub key_usage: Option<KeyUsage>,
    /// An empty list leaves the extension out.
    pub extended_key_usage: Vec<ObjectIdentifier>,
    /// The subject alternative names; `None` leaves the extension out, an empty list does not.
    pub names: Option<Vec<GeneralName>>,
    /// Any further extensions, in their order.
    pub extensions: Vec<Extension>,
}

impl Profile {
    /// A root, valid from one year before to nine years after.
    pub fn root(common_name: &str, now: i64) -> Self {
        Self {
            subject: format!("CN={common_name},O=sealgate tests"),
            not_before: now - YEAR,
            not_after: now + 9 * YEAR,
            basic_constraints: Some((true, None)),
            key_usage: Some(KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign)),
            extended_key_usage: Vec::new(),
            names: None,
            extensions: Vec::new(),
        }
    }

    /// An authority under a root, under which only leaves may stand.
    pub fn intermediate(common_name: &str, now: i64) -> Self {
        Self { basic_constraints: Some((true, Some(0))), ..Self::root(common_name, now) }
    }

    /// A leaf for signing code, valid for ten minutes.
    pub fn code_signing(now: i64, names: Vec<GeneralName>) -> Self {
        Self {
            subject: String::new(),
            not_before: now,
            not_after: now + 600,
            basic_constraints: None,
            key_usage: Some(KeyUsage(KeyUsages::DigitalSignature.into())),
            extended_key_usage: vec![CODE_SIGNING],
            names: Some(names),
            extensions: Vec::new(),
        }
    }

    /// The leaf of a timestamp authority, valid as long as a root.
    pub fn time_stamping(common_name: &str, now: i64) -> Self {
        Self {
            basic_constraints: None,
            key_usage: Some(KeyUsage(KeyUsages::DigitalSignature.into())),
            extended_key_usage: vec![TIME_STAMPING],
            ..Self::root(common_name, now)
        }
    }

    fn name(&self) -> Name {
        if self.subject.is_empty() { Name::default() } else { Name::from_str(&self.subject).unwrap() }
    }
}

/// A key with its certificate, that may sign others.
#[derive(Clone)]
pub struct Authority {
    /// The private key.
    pub key: SigningKey,
    /// The certificate.
    pub certificate: Certificate,
}

impl Authority {
    /// A root: signed by itself.
    pub fn root(key: &SigningKey, profile: &Profile) -> Self {
        let tbs = to_be_signed(profile, profile.name(), key, &key.spki());
        Self { key: key.clone(), certificate: sign(tbs, key) }
    }

    /// An authority under this one, or whatever else the profile says.
    pub fn child(&self, key: &SigningKey, profile: &Profile) -> Self {
        Self { key: key.clone(), certificate: self.issue(profile, &key.spki()) }
    }

    /// A certificate for a public key (DER of its SPKI).
    pub fn issue(&self, profile: &Profile, spki: &[u8]) -> Certificate {
        self.sign(self.to_be_signed(profile, spki))
    }

    /// The same, not yet signed.
    pub fn to_be_signed(&self, profile: &Profile, spki: &[u8]) -> TbsCertificate {
        to_be_signed(profile, self.certificate.tbs_certificate.subject.clone(), &self.key, spki)
    }

    /// Signs it, whatever it says.
    pub fn sign(&self, tbs: TbsCertificate) -> Certificate {
        sign(tbs, &self.key)
    }

    /// The DER of the certificate.
    pub fn der(&self) -> Vec<u8> {
        self.certificate.to_der().unwrap()
    }

    /// The PEM of the certificate.
    pub fn pem(&self) -> String {
        certificate_pem(&self.certificate)
    }
}

/// The PEM of a certificate.
pub fn certificate_pem(certificate: &Certificate) -> String {
    pem("CERTIFICATE", &certificate.to_der().unwrap())
}

/// An e-mail address as a subject alternative name.
pub fn email(address: &str) -> GeneralName {
    GeneralName::Rfc822Name(Ia5String::new(address).unwrap())
}

/// A URI as a subject alternative name.
pub fn uri(uri: &str) -> GeneralName {
    GeneralName::UniformResourceIdentifier(Ia5String::new(uri).unwrap())
}

/// A DNS name as a subject alternative name.
pub fn dns(name: &str) -> GeneralName {
    GeneralName::DnsName(Ia5String::new(name).unwrap())
}

/// A user name as a subject alternative name, in the form of Fulcio.
pub fn user_name(name: &str) -> GeneralName {
    let value = Any::from_der(&utf8_string(name)).unwrap();
    GeneralName::OtherName(OtherName { type_id: USER_NAME, value })
}

/// Any extension.
pub fn extension(oid: &str, critical: bool, value: &[u8]) -> Extension {
    Extension { extn_id: oid.parse().unwrap(), critical, extn_value: OctetString::new(value).unwrap() }
}

/// A critical extension by which only such names may stand under an authority.
pub fn permitted_names(names: &[GeneralName]) -> Extension {
    let subtree = |name: &GeneralName| GeneralSubtree { base: name.clone(), minimum: 0, maximum: None };
    let permitted = names.iter().map(subtree).collect();
    standard(&NameConstraints { permitted_subtrees: Some(permitted), excluded_subtrees: None }, true)
}

/// The DER of a `UTF8String`.
pub fn utf8_string(text: &str) -> Vec<u8> {
    Utf8StringRef::new(text).unwrap().to_der().unwrap()
}

/// The algorithm identifier with which a key signs.
pub fn signature_algorithm(key: &SigningKey) -> AlgorithmIdentifierOwned {
    let (oid, parameters) = match key.scheme() {
        Scheme::P256 | Scheme::P521Sha256 => ("1.2.840.10045.4.3.2", None),
        Scheme::P384 => ("1.2.840.10045.4.3.3", None),
        Scheme::P521 => ("1.2.840.10045.4.3.4", None),
        Scheme::RsaPkcs1 | Scheme::RsaPss => ("1.2.840.113549.1.1.11", Some(Any::from(Null))),
        Scheme::Ed25519 | Scheme::Ed25519ph => ("1.3.101.112", None),
    };
    AlgorithmIdentifierOwned { oid: oid.parse().unwrap(), parameters }
}

fn to_be_signed(profile: &Profile, issuer: Name, issuer_key: &SigningKey, spki: &[u8]) -> TbsCertificate {
    let subject = profile.name();
    let mut extensions = Vec::new();
    if let Some(usage) = &profile.key_usage {
        extensions.push(standard(usage, true));
    }
    if !profile.extended_key_usage.is_empty() {
        let critical = profile.extended_key_usage == [TIME_STAMPING]; // RFC 3161, section 2.3
        extensions.push(standard(&ExtendedKeyUsage(profile.extended_key_usage.clone()), critical));
    }
    if let Some((ca, path_len_constraint)) = profile.basic_constraints {
        extensions.push(standard(&BasicConstraints { ca, path_len_constraint }, true));
    }
    extensions.push(standard(&SubjectKeyIdentifier(key_identifier(spki)), false));
    let key_identifier = Some(key_identifier(&issuer_key.spki()));
    extensions.push(standard(&AuthorityKeyIdentifier { key_identifier, ..Default::default() }, false));
    if let Some(names) = &profile.names {
        extensions.push(standard(&SubjectAltName(names.clone()), subject.is_empty()));
    }
    extensions.extend(profile.extensions.iter().cloned());
    let mut tbs = TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&[1]).unwrap(),
        signature: signature_algorithm(issuer_key),
        issuer,
        validity: Validity { not_before: time(profile.not_before), not_after: time(profile.not_after) },
        subject,
        subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(spki).unwrap(),
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions),
    };
    // Another number for each certificate, the same in each run.
    let mut serial: [u8; 16] = Sha256::digest(tbs.to_der().unwrap())[..16].try_into().unwrap();
    serial[0] = serial[0] & 0x7f | 0x40;
    tbs.serial_number = SerialNumber::new(&serial).unwrap();
    tbs
}

fn sign(tbs: TbsCertificate, key: &SigningKey) -> Certificate {
    let signature = BitString::from_bytes(&key.sign(&tbs.to_der().unwrap())).unwrap();
    Certificate { signature_algorithm: tbs.signature.clone(), tbs_certificate: tbs, signature }
}

fn standard<T: Encode + AssociatedOid>(value: &T, critical: bool) -> Extension {
    Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der().unwrap()).unwrap() }
}

fn key_identifier(spki: &[u8]) -> OctetString {
    OctetString::new(&Sha256::digest(spki)[..20]).unwrap()
}

/// RFC 5280, section 4.1.2.5: two digits of a year until 2049.
fn time(seconds: i64) -> Time {
    let since = Duration::from_secs(seconds.try_into().unwrap());
    UtcTime::from_unix_duration(since)
        .map_or_else(|_| Time::GeneralTime(GeneralizedTime::from_unix_duration(since).unwrap()), Time::UtcTime)
}
