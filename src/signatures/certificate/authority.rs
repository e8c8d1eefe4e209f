//! A certificate on a path, and whether it may certify others (RFC 5280, section 6). The same for authorities of trusted roots, of
//! own roots, and for those that a signature brings along.

use jiff::Timestamp;
use rustls_pki_types::SignatureVerificationAlgorithm;
use spki::AlgorithmIdentifierOwned;
use spki::der::asn1::ObjectIdentifier;
use spki::der::oid::AssociatedOid;
use spki::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::Certificate;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, ExtendedKeyUsage, KeyUsage, NameConstraints,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::time::Time;

use super::{ID_KP_CODE_SIGNING, ID_KP_TIME_STAMPING};

const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
/// The extensions that may be critical: those that are looked at here or by webpki, and those that restrict nothing.
const KNOWN: [ObjectIdentifier; 8] = [
    AuthorityKeyIdentifier::OID,
    BasicConstraints::OID,
    CertificatePolicies::OID,
    ExtendedKeyUsage::OID,
    KeyUsage::OID,
    NameConstraints::OID,
    SubjectAltName::OID,
    SubjectKeyIdentifier::OID,
];
/// Most bytes and extensions of a certificate that is looked at: several times what authorities have.
const MAX_BYTES: usize = 16 * 1024;
pub(super) const MAX_EXTENSIONS: usize = 64;

/// What an authority certifies keys for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::signatures) enum Purpose {
    /// Signatures.
    CodeSigning,
    /// Timestamps.
    TimeStamping,
}

/// A certificate that can be read.
#[derive(Clone)]
pub(in crate::signatures) struct Authority {
    certificate: Certificate,
    /// What its issuer signed.
    signed: Vec<u8>,
    /// The first moment of its validity.
    pub(super) not_before: Timestamp,
    /// The last moment of its validity.
    pub(super) not_after: Timestamp,
}

impl Authority {
    /// Reads a certificate (DER), unless it is larger than those of authorities are.
    pub(in crate::signatures) fn read(der: &[u8]) -> Option<Self> {
        if der.len() > MAX_BYTES {
            return None;
        }
        let certificate = Certificate::from_der(der).ok()?;
        let signed = SliceReader::new(der).ok()?.sequence(|inner| {
            let signed = inner.tlv_bytes()?.to_vec();
            inner.read_slice(inner.remaining_len())?;
            Ok::<_, spki::der::Error>(signed)
        });
        let time = |time: Time| Timestamp::try_from(time.to_system_time()).ok();
        let validity = certificate.tbs_certificate.validity;
        let (not_before, not_after) = (time(validity.not_before)?, time(validity.not_after)?);
        let read = Self { certificate, signed: signed.ok()?, not_before, not_after };
        (read.extensions().len() <= MAX_EXTENSIONS).then_some(read)
    }

    /// Whether it may certify a signer for this purpose, with this many authorities in between.
    pub(in crate::signatures) fn may_certify(&self, below: usize, purpose: Purpose) -> Result<(), &'static str> {
        let constraints: BasicConstraints = self.extension()?.ok_or("has no basicConstraints")?;
        if !constraints.ca {
            return Err("is not one of an authority (CA:FALSE)");
        }
        if constraints.path_len_constraint.is_some_and(|limit| usize::from(limit) < below) {
            return Err("has more authorities under it than its path length allows");
        }
        if self.extension::<KeyUsage>()?.is_some_and(|usage| !usage.key_cert_sign()) {
            return Err("may not sign certificates (keyUsage)");
        }
        let (usage, problem) = match purpose {
            Purpose::CodeSigning => (ID_KP_CODE_SIGNING, "is not for signing code (extendedKeyUsage)"),
            Purpose::TimeStamping => (ID_KP_TIME_STAMPING, "is not for timestamps (extendedKeyUsage)"),
        };
        let fits = |listed: &ExtendedKeyUsage| listed.0.contains(&usage) || listed.0.contains(&ANY_USAGE);
        if self.extension()?.is_some_and(|listed| !fits(&listed)) {
            return Err(problem);
        }
        self.check_critical()
    }

    /// Whether it is that of a timestamp authority (RFC 3161, section 2.3). Some are for more than timestamps, or do not say in a
    /// critical way that they are for timestamps; it is the trusted root that names them.
    pub(in crate::signatures) fn may_stamp(&self) -> Result<(), &'static str> {
        if self.extension::<BasicConstraints>()?.is_some_and(|constraints| constraints.ca) {
            return Err("is one that certifies others (CA:TRUE), and these make no timestamps");
        }
        let may_sign = |usage: KeyUsage| usage.digital_signature() || usage.non_repudiation();
        if self.extension()?.is_some_and(|usage| !may_sign(usage)) {
            return Err("may not sign timestamps (keyUsage digitalSignature)");
        }
        if !self.extension()?.is_some_and(|listed: ExtendedKeyUsage| listed.0.contains(&ID_KP_TIME_STAMPING)) {
            return Err("is not for timestamps (extendedKeyUsage timeStamping)");
        }
        self.check_critical()
    }

    fn check_critical(&self) -> Result<(), &'static str> {
        match self.extensions().iter().find(|it| it.critical && !KNOWN.contains(&it.extn_id)) {
            Some(_) => Err("has a critical extension that is not known"),
            None => Ok(()),
        }
    }

    /// Whether it says that this issuer certified it, and the issuer's key signed it.
    pub(in crate::signatures) fn is_issued_by(&self, issuer: &Self) -> bool {
        if self.certificate.tbs_certificate.issuer != issuer.certificate.tbs_certificate.subject
            || self.certificate.tbs_certificate.signature != self.certificate.signature_algorithm
        {
            return false;
        }
        let signature = self.certificate.signature.as_bytes();
        signature.is_some_and(|bytes| issuer.verifies(&self.certificate.signature_algorithm, &self.signed, bytes))
    }

    /// Whether its key made a signature over a message, by this algorithm.
    pub(in crate::signatures) fn verifies(
        &self,
        algorithm: &AlgorithmIdentifierOwned,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let key = &self.certificate.tbs_certificate.subject_public_key_info;
        let identifiers = (contents(&key.algorithm), contents(algorithm));
        let (Some(key), (Some(of_key), Some(of_signature))) = (key.subject_public_key.as_bytes(), identifiers) else {
            return false;
        };
        let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
            algorithm.public_key_alg_id().as_ref() == of_key && algorithm.signature_alg_id().as_ref() == of_signature
        };
        let mut fitting = webpki::ALL_VERIFICATION_ALGS.iter().filter(fits);
        fitting.any(|algorithm| algorithm.verify_signature(key, message, signature).is_ok())
    }

    /// Whether a message names it as its signer's, by issuer (DER) and serial number.
    pub(in crate::signatures) fn is_named(&self, issuer: &[u8], serial: &[u8]) -> bool {
        let certified = &self.certificate.tbs_certificate;
        certified.serial_number.as_bytes() == serial && certified.issuer.to_der().is_ok_and(|name| name == issuer)
    }

    /// The identifier of its key, where it has one.
    pub(in crate::signatures) fn key_id(&self) -> Option<Vec<u8>> {
        let id: SubjectKeyIdentifier = self.extension().ok()??;
        Some(id.0.into_bytes())
    }

    /// The DER of its `SubjectPublicKeyInfo`.
    pub(in crate::signatures) fn spki(&self) -> Vec<u8> {
        self.certificate.tbs_certificate.subject_public_key_info.to_der().unwrap_or_default()
    }

    /// Its subject, for people.
    pub(in crate::signatures) fn name(&self) -> String {
        format!("\"{}\"", self.certificate.tbs_certificate.subject)
    }

    /// The DER of its name constraints.
    pub(in crate::signatures) fn name_constraints(&self) -> Option<&[u8]> {
        let found = self.extensions().iter().find(|extension| extension.extn_id == NameConstraints::OID);
        found.map(|extension| extension.extn_value.as_bytes())
    }

    /// Whether both are one certificate.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.certificate == other.certificate
    }

    fn extension<'a, T: Decode<'a> + AssociatedOid>(&'a self) -> Result<Option<T>, &'static str> {
        let found = self.certificate.tbs_certificate.get::<T>().map_err(|_| "has an unreadable extension")?;
        Ok(found.map(|(_, value)| value))
    }

    fn extensions(&self) -> &[Extension] {
        self.certificate.tbs_certificate.extensions.as_deref().unwrap_or_default()
    }
}

/// The DER of an algorithm identifier without its tag and length, as the algorithms of `rustls` name themselves.
fn contents(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let mut contents = algorithm.oid.to_der().ok()?;
    if let Some(parameters) = &algorithm.parameters {
        contents.extend(parameters.to_der().ok()?);
    }
    Some(contents)
}
