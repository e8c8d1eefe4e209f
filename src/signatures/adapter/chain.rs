//! The path from a certificate to an authority (RFC 5280, section 6), for the signatures that the crate can't verify whole.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::der::{Any, Encode, Tag};

use crate::signatures::certificate::{ID_KP_CODE_SIGNING, problem};

/// The key (DER of its SPKI) of whoever issued the certificate, when a path leads to one of the authorities.
pub(super) fn issuer(
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    authorities: &[CertificateDer<'_>],
    at: Timestamp,
) -> Result<Vec<u8>, String> {
    let told = |error: webpki::Error| problem(&error);
    let anchors = authorities.iter().map(anchor_from_trusted_cert).collect::<Result<Vec<_>, _>>().map_err(told)?;
    let end_entity = EndEntityCert::try_from(certificate).map_err(told)?;
    let seconds = u64::try_from(at.as_second()).map_err(|_| "a time before 1970".to_owned())?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let usage = KeyUsage::required(ID_KP_CODE_SIGNING.as_bytes());
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let path =
        end_entity.verify_for_usage(algorithms, &anchors, intermediates, time, usage, None, None).map_err(told)?;
    match path.intermediate_certificates().next() {
        Some(issuer) => Ok(issuer.subject_public_key_info().as_ref().to_vec()),
        // An anchor has what is inside of the SEQUENCE only.
        None => Any::new(Tag::Sequence, path.anchor().subject_public_key_info.as_ref())
            .and_then(|spki| spki.to_der())
            .map_err(|e| e.to_string()),
    }
}
