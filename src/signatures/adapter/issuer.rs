//! The authorities of a trusted root, and which of them issued a signer's certificate (RFC 5280, section 6). There is nothing
//! to search for: every authority that counts is in the root, and is held to its own chain when the root is loaded
//! (`authorities`). Those that a signature brings along vouch for nobody.

use ::sigstore::trust_root::TrustedRoot;
use ::sigstore::types::TimeRange;
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::der::{Any, Decode, Encode, Tag};

use crate::signatures::certificate::{ID_KP_CODE_SIGNING, problem};

/// A certificate of an authority, with the window in which the root trusts it.
pub(in crate::signatures) struct Issuer {
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

    /// Whether both are one authority, perhaps with two windows.
    fn is(&self, other: &Self) -> bool {
        self.name == other.name && self.anchor == other.anchor
    }
}

/// Why no authority issued a certificate.
pub(super) enum NotIssued {
    /// It says that somebody else did.
    Foreign,
    /// It says that one did, and that is not so, or the authority may not.
    Refused(String),
}

/// The authority that issued a certificate (DER), whether it counts or not. Whoever signed the certificate is told before anything
/// beside it is looked at: what lies there may be much.
pub(super) fn of<'i>(certificate: &[u8], issuers: &'i [Issuer]) -> Result<&'i Issuer, NotIssued> {
    let told = |error: webpki::Error| NotIssued::Refused(problem(&error));
    let read = Certificate::from_der(certificate).map_err(|_| NotIssued::Foreign)?.tbs_certificate;
    let name = read.issuer.to_der().map_err(|_| NotIssued::Foreign)?;
    let named: Vec<&Issuer> = issuers.iter().filter(|issuer| issuer.name == name).collect();
    if named.is_empty() {
        return Err(NotIssued::Foreign);
    }
    let certificate = CertificateDer::from(certificate);
    let end_entity = EndEntityCert::try_from(&certificate).map_err(told)?;
    // Whether it was valid when it signed is asked elsewhere: here it counts at the first moment that it says.
    let time = UnixTime::since_unix_epoch(read.validity.not_before.to_unix_duration());
    let usage = KeyUsage::required(ID_KP_CODE_SIGNING.as_bytes());
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let mut problem = None;
    for issuer in named {
        let anchors = [issuer.anchor.clone()];
        match end_entity.verify_for_usage(algorithms, &anchors, &[], time, usage, None, None) {
            Ok(_) => return Ok(issuer),
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    Err(problem.map_or(NotIssued::Foreign, told))
}

/// Whether that authority counted at a moment: in one of the windows that the root gives it.
pub(super) fn check(issuer: &Issuer, issuers: &[Issuer], at: Timestamp) -> Result<(), String> {
    if issuers.iter().any(|listed| listed.is(issuer) && listed.counts_at(at)) {
        return Ok(());
    }
    Err(format!("the trusted root did not trust the authority that issued it at {at}"))
}

/// The key of an authority (DER of its SPKI).
pub(super) fn key(issuer: &Issuer) -> Option<Vec<u8>> {
    // An anchor has what is inside of the SEQUENCE only.
    Any::new(Tag::Sequence, issuer.anchor.subject_public_key_info.as_ref()).and_then(|spki| spki.to_der()).ok()
}
