//! What a trusted root has, and whether anything could be verified with it now.
//!
//! 1. It is a `trusted_root.json`, and every key in it can be used.
//! 2. It has a transparency log or a timestamp authority: else nothing could ever prove when a signature was made.
//! 3. If it has certificate authorities, one of them is valid now. A root that fails only this still verifies what was signed
//!    in time, so it is used where there is nothing better.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use sigstore_trust_root::{CertificateAuthority, TrustedRoot};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::domain::text::{foreign, without_types};
use crate::signatures::TrustMaterial;

/// A trusted root that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inspected {
    pub(super) material: Arc<TrustMaterial>,
    pub(super) contents: Contents,
    /// Nothing can be signed any more that this root would verify.
    pub(super) is_over: bool,
}

/// What a trusted root has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Certificate authorities (Fulcio).
    pub certificate_authorities: usize,
    /// Transparency logs (Rekor).
    pub logs: usize,
    /// Timestamp authorities (RFC 3161).
    pub timestamp_authorities: usize,
}

/// Reads a `trusted_root.json`.
pub(super) fn inspect(text: &str, now: Timestamp) -> Result<Inspected, String> {
    // 1
    let material = TrustMaterial::from_json(text).map_err(|e| e.to_string())?;
    let root = TrustedRoot::from_json(text).map_err(|e| foreign(&without_types(&e.to_string())))?;
    let (certificate_authorities, logs, timestamp_authorities) = material.counts();
    let contents = Contents { certificate_authorities, logs, timestamp_authorities };
    // 2
    if contents.logs == 0 && contents.timestamp_authorities == 0 {
        return Err(format!(
            "can't be used: it has {contents}, and without a log or a timestamp authority nothing proves when a signature was made"
        ));
    }
    // 3
    let authorities = &root.certificate_authorities;
    let is_over = !authorities.is_empty() && !authorities.iter().any(|authority| is_valid(authority, now));
    Ok(Inspected { material: Arc::new(material), contents, is_over })
}

fn is_valid(authority: &CertificateAuthority, now: Timestamp) -> bool {
    let in_window = authority.valid_for.as_ref().is_none_or(|window| window.contains(now));
    in_window && authority.cert_chain.certificates.iter().all(|entry| ends_after(entry.raw_bytes.as_bytes(), now))
}

fn ends_after(certificate: &[u8], now: Timestamp) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration().as_secs();
    i64::try_from(end).is_ok_and(|end| end >= now.as_second())
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: usize, one: &str, many: &str| match n {
            0 => format!("no {one}"),
            1 => format!("1 {one}"),
            n => format!("{n} {many}"),
        };
        write!(
            f,
            "{}, {}, {}",
            count(self.certificate_authorities, "certificate authority", "certificate authorities"),
            count(self.logs, "log", "logs"),
            count(self.timestamp_authorities, "timestamp authority", "timestamp authorities"),
        )
    }
}

#[cfg(test)]
mod tests;
