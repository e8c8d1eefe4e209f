//! The authorities of a trusted root, and which of them issued a signer's certificate (RFC 5280, section 6). There is nothing
//! to search for: every authority that counts is in the root, and is held to its own chain when the root is loaded
//! (`authorities`). Those that a signature brings along vouch for nobody.

use std::time::Duration;

use ::sigstore::trust_root::TrustedRoot;
use ::sigstore::types::TimeRange;
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::der::{Any, Decode, Encode, Tag};

use crate::signatures::certificate::{ID_KP_CODE_SIGNING, problem};

/// A certificate of an authority, with the window in which the root trusts it.
pub(super) struct Issuer {
    /// Its subject, DER.
    name: Vec<u8>,
    anchor: TrustAnchor<'static>,
    window: Option<TimeRange>,
}

impl Issuer {
    /// All authorities of a root.
    pub(super) fn all(root: &TrustedRoot) -> Vec<Self> {
        let authorities = root.certificate_authorities.iter();
        let listed =
            authorities.flat_map(|ca| ca.cert_chain.certificates.iter().map(|it| (&it.raw_bytes, ca.valid_for)));
        listed.filter_map(|(der, window)| Self::read(der.as_bytes(), window)).collect()
    }

    fn read(der: &[u8], window: Option<TimeRange>) -> Option<Self> {
        let name = Certificate::from_der(der).ok()?.tbs_certificate.subject.to_der().ok()?;
        let anchor = anchor_from_trusted_cert(&CertificateDer::from(der)).ok()?.to_owned();
        Some(Self { name, anchor, window })
    }

    fn counts_at(&self, moment: Timestamp) -> bool {
        self.window.is_none_or(|window| window.contains(moment))
    }
}

/// Whether a certificate (DER) says that one of the authorities issued it.
pub(super) fn is_named(certificate: &[u8], issuers: &[Issuer]) -> bool {
    name(certificate).is_some_and(|name| issuers.iter().any(|issuer| issuer.name == name))
}

/// The key (DER of its SPKI) of the authority that issued the certificate, one that counts at this moment.
pub(super) fn key(certificate: &[u8], issuers: &[Issuer], at: Timestamp) -> Result<Vec<u8>, String> {
    let told = |error: webpki::Error| problem(&error);
    let name = name(certificate);
    let counting = issuers.iter().filter(|issuer| Some(&issuer.name) == name.as_ref() && issuer.counts_at(at));
    let anchors: Vec<_> = counting.map(|issuer| issuer.anchor.clone()).collect();
    if anchors.is_empty() {
        return Err(format!("the trusted root did not trust the authority that issued it at {at}"));
    }
    let certificate = CertificateDer::from(certificate);
    let end_entity = EndEntityCert::try_from(&certificate).map_err(told)?;
    let seconds = u64::try_from(at.as_second()).map_err(|_| "a time before 1970".to_owned())?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let usage = KeyUsage::required(ID_KP_CODE_SIGNING.as_bytes());
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let path = end_entity.verify_for_usage(algorithms, &anchors, &[], time, usage, None, None).map_err(told)?;
    // An anchor has what is inside of the SEQUENCE only.
    let spki = Any::new(Tag::Sequence, path.anchor().subject_public_key_info.as_ref()).and_then(|spki| spki.to_der());
    spki.map_err(|_| "the key of its authority can't be read".to_owned())
}

/// Who issued a certificate, as it says.
fn name(certificate: &[u8]) -> Option<Vec<u8>> {
    Certificate::from_der(certificate).ok()?.tbs_certificate.issuer.to_der().ok()
}
