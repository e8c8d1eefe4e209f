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

use super::ID_KP_CODE_SIGNING;

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

    /// Whether it may certify a signer with this many authorities in between.
    pub(in crate::signatures) fn may_certify(&self, below: usize) -> Result<(), &'static str> {
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
        let may_sign_code =
            |usage: &ExtendedKeyUsage| usage.0.contains(&ID_KP_CODE_SIGNING) || usage.0.contains(&ANY_USAGE);
        if self.extension()?.is_some_and(|usage| !may_sign_code(&usage)) {
            return Err("is not for signing code (extendedKeyUsage)");
        }
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
        let key = &issuer.certificate.tbs_certificate.subject_public_key_info;
        let bits = (key.subject_public_key.as_bytes(), self.certificate.signature.as_bytes());
        let identifiers = (contents(&key.algorithm), contents(&self.certificate.signature_algorithm));
        let ((Some(key), Some(signature)), (Some(of_key), Some(of_signature))) = (bits, identifiers) else {
            return false;
        };
        let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
            algorithm.public_key_alg_id().as_ref() == of_key && algorithm.signature_alg_id().as_ref() == of_signature
        };
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
        let mut fitting = algorithms.iter().filter(fits);
        fitting.any(|algorithm| algorithm.verify_signature(key, &self.signed, signature).is_ok())
    }

    /// The DER of its `SubjectPublicKeyInfo`.
    pub(super) fn spki(&self) -> Vec<u8> {
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
