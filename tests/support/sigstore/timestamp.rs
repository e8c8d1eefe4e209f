//! A timestamp authority (RFC 3161), and timestamps as it answers them.

use std::time::Duration;

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::CmsVersion;
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use x509_cert::Certificate;
use x509_cert::attr::Attribute;
use x509_cert::der::asn1::{GeneralizedTime, Int, OctetString, SetOfVec};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Any, Decode, Encode, Tag};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_tsp::{MessageImprint, TspVersion, TstInfo};

use super::edit::Edit;
use super::hash::HashAlgorithm;
use super::x509::{Authority, Profile, signature_algorithm};
use crate::support::signer::{Scheme, SigningKey};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// What is signed.
pub const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
/// Its hash.
pub const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// By whose certificate.
pub const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// A timestamp authority.
#[derive(Clone)]
pub struct TimestampAuthority {
    /// The leaf.
    pub signer: Authority,
    /// The authorities above it, the root last.
    pub above: Vec<Authority>,
}

impl TimestampAuthority {
    /// A leaf under a root of its own.
    pub fn new(name: &str, now: i64) -> Self {
        Self::with(name, &Profile::time_stamping(&format!("{name} timestamps"), now), now)
    }

    /// The same with another leaf.
    pub fn with(name: &str, profile: &Profile, now: i64) -> Self {
        let root = Authority::root(
            &SigningKey::seeded(&format!("{name}: TSA root")),
            &Profile::root(&format!("{name} TSA root"), now),
        );
        let signer = root.child(&SigningKey::seeded(&format!("{name}: TSA")), profile);
        Self { signer, above: vec![root] }
    }

    /// The chain as a trusted root has it: the leaf first.
    pub fn chain(&self) -> Vec<Certificate> {
        [&self.signer].into_iter().chain(&self.above).map(|authority| authority.certificate.clone()).collect()
    }
}

/// A timestamp. Every field may be changed before it is made.
#[derive(Clone)]
pub struct Timestamp {
    /// Who makes it.
    pub authority: TimestampAuthority,
    /// Its time, in Unix seconds.
    pub time: i64,
    /// The hash algorithm of the imprint.
    pub hash: HashAlgorithm,
    /// The bytes it is about, where those are not the signature beside which it lies.
    pub over: Option<Vec<u8>>,
    /// The nonce of the request, below 128, which the answer repeats.
    pub nonce: Option<u8>,
    /// The certificates that it brings along; by default the leaf.
    pub certificates: Vec<Certificate>,
    /// The hash that is signed, where it is another one than that of the key's scheme.
    pub digest: Option<HashAlgorithm>,
    /// Changes what is signed.
    pub edit_info: Edit<TstInfo>,
    /// Changes it as it is written, without tag and length.
    pub edit_content: Edit<Vec<u8>>,
    /// Changes the attributes that are signed.
    pub edit_attributes: Edit<Vec<Attribute>>,
    /// Changes the signature over it.
    pub edit_signature: Edit<Vec<u8>>,
    /// Changes what the signer says beside it.
    pub edit_signer: Edit<SignerInfo>,
    /// Changes all of it.
    pub edit_data: Edit<SignedData>,
}

impl Timestamp {
    /// A timestamp at this time.
    pub fn new(authority: &TimestampAuthority, time: i64) -> Self {
        Self {
            certificates: vec![authority.signer.certificate.clone()],
            authority: authority.clone(),
            time,
            hash: HashAlgorithm::Sha256,
            over: None,
            nonce: None,
            digest: None,
            edit_info: Edit::default(),
            edit_content: Edit::default(),
            edit_attributes: Edit::default(),
            edit_signature: Edit::default(),
            edit_signer: Edit::default(),
            edit_data: Edit::default(),
        }
    }

    /// The answer about a signature (DER of a `TimeStampResp`).
    pub fn stamp(&self, signature: &[u8]) -> Vec<u8> {
        let bytes = self.over.as_deref().unwrap_or(signature);
        self.answer(MessageImprint {
            hash_algorithm: self.hash.identifier(),
            hashed_message: OctetString::new(self.hash.digest(bytes)).unwrap(),
        })
    }

    /// The answer about an imprint.
    pub fn answer(&self, imprint: MessageImprint) -> Vec<u8> {
        let granted = sequence(&[2, 1, 0]);
        let token =
            sequence(&[SIGNED_DATA.to_der().unwrap(), explicit(&self.signed(imprint).to_der().unwrap())].concat());
        sequence(&[granted, token].concat())
    }

    fn signed(&self, imprint: MessageImprint) -> SignedData {
        let mut info = TstInfo {
            version: TspVersion::V1,
            policy: "1.3.6.1.4.1.57264.2".parse().unwrap(),
            message_imprint: imprint,
            serial_number: Int::new(&[0x0a, 0x51, 0x67]).unwrap(),
            gen_time: GeneralizedTime::from_unix_duration(Duration::from_secs(self.time.try_into().unwrap())).unwrap(),
            accuracy: None,
            ordering: false,
            nonce: self.nonce.map(|nonce| Int::new(&nonce.to_be_bytes()).unwrap()),
            tsa: None,
            extensions: None,
        };
        self.edit_info.apply(&mut info);
        let mut info = Any::from_der(&info.to_der().unwrap()).unwrap().value().to_vec();
        self.edit_content.apply(&mut info);
        let info = sequence(&info);
        let digest = self.digest.unwrap_or(HashAlgorithm::of(self.authority.signer.key.scheme()));
        let certificates = self.certificates.iter().cloned().map(CertificateChoices::Certificate);
        let mut data = SignedData {
            version: CmsVersion::V3,
            digest_algorithms: SetOfVec::from_iter([digest.identifier()]).unwrap(),
            certificates: (!self.certificates.is_empty())
                .then(|| CertificateSet(SetOfVec::from_iter(certificates).unwrap())),
            crls: None,
            signer_infos: SignerInfos(SetOfVec::from_iter([self.signer_info(&info, digest)]).unwrap()),
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: TST_INFO,
                econtent: Some(Any::new(Tag::OctetString, info).unwrap()),
            },
        };
        self.edit_data.apply(&mut data);
        data
    }

    fn signer_info(&self, info: &[u8], digest: HashAlgorithm) -> SignerInfo {
        let Authority { key, certificate } = &self.authority.signer;
        let certificate_hash = OctetString::new(HashAlgorithm::Sha256.digest(&certificate.to_der().unwrap())).unwrap();
        // RFC 5816: the list of one ESSCertIDv2 with the default algorithm.
        let signing_certificate = sequence(&sequence(&sequence(&certificate_hash.to_der().unwrap())));
        let mut attributes = vec![
            attribute(CONTENT_TYPE, &TST_INFO.to_der().unwrap()),
            attribute(MESSAGE_DIGEST, &OctetString::new(digest.digest(info)).unwrap().to_der().unwrap()),
            attribute(SIGNING_CERTIFICATE_V2, &signing_certificate),
        ];
        self.edit_attributes.apply(&mut attributes);
        let attributes = SetOfVec::try_from(attributes).unwrap();
        let message = attributes.to_der().unwrap();
        let mut signature = self.digest.map_or_else(|| key.sign(&message), |hash| key.sign_over(hash, &message));
        self.edit_signature.apply(&mut signature);
        let mut signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: certificate.tbs_certificate.issuer.clone(),
                serial_number: certificate.tbs_certificate.serial_number.clone(),
            }),
            digest_alg: digest.identifier(),
            signed_attrs: Some(attributes),
            signature_algorithm: self.digest.map_or_else(|| signature_algorithm(key), |hash| over(key, hash)),
            signature: OctetString::new(signature).unwrap(),
            unsigned_attrs: None,
        };
        self.edit_signer.apply(&mut signer);
        signer
    }
}

/// The signature algorithm of a key over a hash; of an RSA key, as most write it, without the hash.
fn over(key: &SigningKey, hash: HashAlgorithm) -> AlgorithmIdentifierOwned {
    let (oid, parameters) = match (key.scheme(), hash) {
        (Scheme::RsaPkcs1 | Scheme::RsaPss, _) => ("1.2.840.113549.1.1.1", Some(Any::null())),
        (_, HashAlgorithm::Sha384) => ("1.2.840.10045.4.3.3", None),
        (_, HashAlgorithm::Sha512) => ("1.2.840.10045.4.3.4", None),
        _ => ("1.2.840.10045.4.3.2", None),
    };
    AlgorithmIdentifierOwned { oid: oid.parse().unwrap(), parameters }
}

/// An attribute with one value (DER).
pub fn attribute(oid: ObjectIdentifier, value: &[u8]) -> Attribute {
    Attribute { oid, values: SetOfVec::from_iter([Any::from_der(value).unwrap()]).unwrap() }
}

/// A SEQUENCE of what is written there.
pub fn sequence(content: &[u8]) -> Vec<u8> {
    Any::new(Tag::Sequence, content).unwrap().to_der().unwrap()
}

/// The tag `[0] EXPLICIT`.
fn explicit(content: &[u8]) -> Vec<u8> {
    let mut der = sequence(content);
    der[0] = 0xa0;
    der
}
