//! The certificate authorities of a trusted root, held to RFC 5280 when the root is loaded.
//!
//! The crate takes every certificate of a chain for an anchor, so that nothing above the signer's is looked at any more when a
//! signature is verified. What is wrong there is found here, once: a chain that is broken is left out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::SignatureVerificationAlgorithm;
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, ExtendedKeyUsage, KeyUsage, NameConstraints,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::spki::AlgorithmIdentifierOwned;

const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
/// The extensions that may be critical: those that are looked at here or by the crate, and those that restrict nothing.
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
/// Most certificates of a chain.
const MAX_CERTIFICATES: usize = 10;

/// A certificate of an authority.
struct Authority {
    certificate: Certificate,
    /// What its issuer signed.
    signed: Vec<u8>,
}

/// Leaves only sound authorities in a trusted root. Answers what was wrong with the last one that was left out, where none is
/// left.
pub(super) fn keep_sound(root: &mut Value) -> Result<(), String> {
    let Some(authorities) = root.get_mut("certificateAuthorities").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    let mut problem = None;
    authorities.retain(|authority| match check(authority) {
        Ok(()) => true,
        Err(reason) => {
            problem = Some(reason);
            false
        }
    });
    match problem {
        Some(problem) if authorities.is_empty() => Err(format!("no certificate authority is usable: {problem}")),
        _ => Ok(()),
    }
}

/// Whether the chain of an authority holds, from the one that issues to the last:
///
/// 1. each certificate may certify others, as many as stand under it;
/// 2. each is issued and signed by the next; the last one is what is trusted.
///
/// When they are valid is looked at elsewhere.
fn check(authority: &Value) -> Result<(), String> {
    let listed = authority.pointer("/certChain/certificates").and_then(Value::as_array);
    let listed = listed.map(Vec::as_slice).unwrap_or_default();
    if listed.is_empty() || listed.len() > MAX_CERTIFICATES {
        return Err(format!("its chain has {} certificates, expected 1 to {MAX_CERTIFICATES}", listed.len()));
    }
    let chain = listed.iter().map(Authority::read).collect::<Option<Vec<_>>>();
    let chain = chain.ok_or("its chain has a certificate that can't be read")?;
    // 1.
    for (below, authority) in chain.iter().enumerate() {
        authority.may_certify(below).map_err(|problem| format!("the certificate of {} {problem}", authority.name()))?;
    }
    // 2.
    for (certificate, issuer) in chain.iter().zip(chain.iter().skip(1)) {
        if !certificate.is_issued_by(issuer) {
            return Err(format!("{} did not issue the certificate of {}", issuer.name(), certificate.name()));
        }
        // The crate looks at those of the authority that issues, and at none above it.
        if issuer.name_constraints() != certificate.name_constraints() && issuer.name_constraints().is_some() {
            return Err(format!("{} does not repeat the name constraints of its issuer", certificate.name()));
        }
    }
    Ok(())
}

impl Authority {
    fn read(listed: &Value) -> Option<Self> {
        let der = STANDARD.decode(listed.get("rawBytes")?.as_str()?).ok()?;
        let certificate = Certificate::from_der(&der).ok()?;
        let signed = SliceReader::new(&der).ok()?.sequence(|inner| {
            let signed = inner.tlv_bytes()?.to_vec();
            inner.read_slice(inner.remaining_len())?;
            Ok::<_, x509_cert::der::Error>(signed)
        });
        Some(Self { certificate, signed: signed.ok()? })
    }

    /// Whether it may certify a signer with this many authorities in between.
    fn may_certify(&self, below: usize) -> Result<(), &'static str> {
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
        let may_sign_code = |usage: &ExtendedKeyUsage| usage.0.contains(&CODE_SIGNING) || usage.0.contains(&ANY_USAGE);
        if self.extension()?.is_some_and(|usage| !may_sign_code(&usage)) {
            return Err("is not for signing code (extendedKeyUsage)");
        }
        match self.extensions().iter().find(|it| it.critical && !KNOWN.contains(&it.extn_id)) {
            Some(_) => Err("has a critical extension that is not known"),
            None => Ok(()),
        }
    }

    fn is_issued_by(&self, issuer: &Self) -> bool {
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
        self.certificate.tbs_certificate.signature == self.certificate.signature_algorithm
            && self.certificate.tbs_certificate.issuer == issuer.certificate.tbs_certificate.subject
            && algorithms
                .iter()
                .filter(fits)
                .any(|algorithm| algorithm.verify_signature(key, &self.signed, signature).is_ok())
    }

    fn name(&self) -> String {
        format!("\"{}\"", self.certificate.tbs_certificate.subject)
    }

    fn name_constraints(&self) -> Option<&[u8]> {
        let found = self.extensions().iter().find(|extension| extension.extn_id == NameConstraints::OID);
        found.map(|extension| extension.extn_value.as_bytes())
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
