//! Certificates as bytes: made with rcgen, read with x509-cert, checked with what the server itself checks with.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use x509_cert::der::pem::{LineEnding, encode_string};
use x509_cert::der::{Decode, Encode};

use super::CertificateError;

/// How long an authority is valid.
const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How long a serving certificate is valid.
const SERVING_LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How far back validity begins, for clocks that are behind.
pub(super) const BACKDATE: SignedDuration = SignedDuration::from_hours(1);

/// Subject of every authority of ours. Verifiers tell them apart by key identifier.
const AUTHORITY_NAME: &str = "sealgate webhook authority";

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    /// From.
    pub(super) not_before: Timestamp,
    /// Until.
    pub(super) not_after: Timestamp,
}

impl Validity {
    /// Reads it; nothing where the bytes are no certificate.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = x509_cert::Certificate::from_der(certificate).ok()?;
        let validity = parsed.tbs_certificate.validity;
        Some(Self {
            not_before: timestamp(validity.not_before.to_unix_duration())?,
            not_after: timestamp(validity.not_after.to_unix_duration())?,
        })
    }

    /// Two thirds of the way from beginning to end.
    pub(super) fn renewal(self) -> Timestamp {
        let third = self.not_after.duration_since(self.not_before).checked_div(3).unwrap_or_default();
        self.not_after.checked_sub(third).unwrap_or(self.not_before)
    }

    /// Whether it has ended.
    pub(super) fn has_ended(self, now: Timestamp) -> bool {
        now >= self.not_after
    }
}

/// A new authority: certificate and private key.
pub(super) fn authority(now: Timestamp) -> Result<(CertificateDer<'static>, KeyPair), CertificateError> {
    let key = KeyPair::generate().map_err(mint_error)?;
    let mut params = authority_params();
    valid(&mut params, now, now.checked_add(AUTHORITY_LIFE).unwrap_or(now));
    let certificate = params.self_signed(&key).map_err(mint_error)?;
    Ok((certificate.der().clone(), key))
}

/// A new serving certificate and its private key, both PEM. It ends no later than `limit`.
pub(super) fn serving(
    names: &[String],
    authority_key: KeyPair,
    now: Timestamp,
    limit: Timestamp,
) -> Result<(String, String), CertificateError> {
    let key = KeyPair::generate().map_err(mint_error)?;
    let mut params = CertificateParams::new(names).map_err(mint_error)?;
    if let Some(first) = names.first() {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, first.as_str());
    }
    valid(&mut params, now, now.checked_add(SERVING_LIFE).unwrap_or(now).min(limit));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let issuer = Issuer::new(authority_params(), authority_key);
    let certificate = params.signed_by(&key, &issuer).map_err(mint_error)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// The certificates in a PEM text, in order; what is no certificate is left out.
pub(super) fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).collect()
}

/// The PEM text of certificates.
pub(super) fn pem<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> String {
    let encode = |der: &CertificateDer<'static>| encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default();
    certificates.into_iter().map(encode).collect()
}

/// Whether the certificate belongs to the private key.
pub(super) fn has_key(certificate: &CertificateDer<'_>, key: &KeyPair) -> bool {
    let Ok(parsed) = x509_cert::Certificate::from_der(certificate) else { return false };
    parsed.tbs_certificate.subject_public_key_info.to_der().is_ok_and(|spki| spki == key.subject_public_key_info())
}

/// Whether a client that trusts the authority alone accepts the serving certificate for all names now.
pub(super) fn verifies(
    serving: &CertificateDer<'_>,
    authority: &CertificateDer<'static>,
    names: &[String],
    now: Timestamp,
) -> bool {
    let Ok(serving) = ParsedCertificate::try_from(serving) else { return false };
    let mut roots = RootCertStore::empty();
    if roots.add(authority.clone()).is_err() {
        return false;
    }
    let algorithms = default_provider().signature_verification_algorithms.all;
    let now = UnixTime::since_unix_epoch(unix(now));
    verify_server_cert_signed_by_trust_anchor(&serving, &roots, &[], now, algorithms).is_ok()
        && names.iter().all(|name| {
            ServerName::try_from(name.as_str()).is_ok_and(|name| verify_server_name(&serving, &name).is_ok())
        })
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn valid(params: &mut CertificateParams, now: Timestamp, until: Timestamp) {
    let epoch = date_time_ymd(1970, 1, 1);
    let from = now.checked_sub(BACKDATE).unwrap_or(now);
    params.not_before = epoch.checked_add(unix(from).try_into().unwrap_or_default()).unwrap_or(epoch);
    params.not_after = epoch.checked_add(unix(until).try_into().unwrap_or_default()).unwrap_or(epoch);
}

fn unix(at: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default())
}

fn timestamp(since_epoch: Duration) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(since_epoch.as_secs()).ok()?).ok()
}

#[expect(clippy::needless_pass_by_value, reason = "reads well in map_err")]
fn mint_error(error: rcgen::Error) -> CertificateError {
    CertificateError::Mint(error.to_string())
}
