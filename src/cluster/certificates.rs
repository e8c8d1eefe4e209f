//! The webhook's own certificate authority and serving certificate, kept in one Secret.
//!
//! The leader makes and renews them ([`plan()`], [`Material`]); every replica reads the Secret and hands the certificate to
//! the server through a watch channel, so that a renewal needs no restart. The same reader serves where cert-manager
//! fills the Secret.

mod follow;
mod handover;
mod material;
mod mint;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

pub use follow::{Outlets, explain, follow, load, store};
pub use material::Material;
pub use plan::{Action, Reason, plan};

/// Key of the Secret with the authorities to trust, PEM.
pub const CA_CERTIFICATES: &str = "ca.crt";
/// Key of the Secret with the private key of the authority that signs, PEM.
pub const CA_KEY: &str = "ca.key";
/// Key of the Secret with the serving certificate, PEM.
pub const CERTIFICATE: &str = "tls.crt";
/// Key of the Secret with the private key of the serving certificate, PEM.
pub const KEY: &str = "tls.key";

/// What a server needs to answer, and a client to trust it.
#[derive(Clone, Debug)]
pub struct Serving {
    /// For the server.
    pub key: Arc<CertifiedKey>,
    /// For `caBundle`, PEM.
    pub ca_bundle: String,
    /// When the certificate expires.
    pub expires: Timestamp,
}

/// Why a certificate can't be made or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Something is not there yet.
    #[error("{0} is missing or empty")]
    Missing(&'static str),
    /// Something is there and is not what it should be.
    #[error("{what}: expected {expected}")]
    Invalid {
        /// The key of the Secret.
        what: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// A certificate can't be made for these names.
    #[error("making a certificate: {0}")]
    Mint(String),
}

/// The names by which the API server calls a Service.
pub fn service_names(service: &str, namespace: &str) -> Vec<String> {
    vec![format!("{service}.{namespace}.svc"), format!("{service}.{namespace}.svc.cluster.local")]
}

/// A certificate for a server without a cluster: valid for `localhost`, `127.0.0.1`, `::1` and the given names, by an
/// authority made for it alone, whose key is forgotten at once.
pub fn self_signed(names: &[String], now: Timestamp) -> Result<Serving, CertificateError> {
    let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
    all.extend(names.iter().filter(|name| !all.contains(name)).cloned().collect::<Vec<_>>());
    Material::create(&all, now)?.serving()
}

impl Material {
    /// What a server needs. An expired certificate is handed out as any other, since there is no better one; whoever
    /// uses it looks at [`Serving::expires`] and says so.
    pub fn serving(&self) -> Result<Serving, CertificateError> {
        let ca_bundle = present(CA_CERTIFICATES, &self.ca_certificates)?;
        if mint::certificates(ca_bundle).is_empty() {
            return Err(CertificateError::Invalid { what: CA_CERTIFICATES, expected: "PEM certificates" });
        }
        let chain: Vec<CertificateDer<'static>> = mint::certificates(present(CERTIFICATE, &self.certificate)?);
        let leaf = chain
            .first()
            .and_then(mint::Validity::of)
            .ok_or(CertificateError::Invalid { what: CERTIFICATE, expected: "PEM certificates" })?;
        let key = PrivateKeyDer::from_pem_slice(present(KEY, &self.key)?.as_bytes())
            .map_err(|_| CertificateError::Invalid { what: KEY, expected: "a PEM private key" })?;
        let key = CertifiedKey::from_der(chain, key, &default_provider())
            .map_err(|_| CertificateError::Invalid { what: KEY, expected: "the private key of tls.crt" })?;
        Ok(Serving { key: Arc::new(key), ca_bundle: ca_bundle.to_owned(), expires: leaf.not_after })
    }
}

fn present<'a>(what: &'static str, text: &'a str) -> Result<&'a str, CertificateError> {
    if text.trim().is_empty() { Err(CertificateError::Missing(what)) } else { Ok(text) }
}
