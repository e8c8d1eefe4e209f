//! CA certificates, from the system or from PEM.

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::settings::SettingsError;

/// The system's store, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name. Single certificates that can't be read are left out,
/// as everywhere; an empty store is an error.
pub(super) fn system_roots() -> Result<RootCertStore, SettingsError> {
    let mut roots = RootCertStore::empty();
    let (usable, _unusable) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 { Err(SettingsError::NoSystemCertificates) } else { Ok(roots) }
}

/// All certificates of a PEM file that somebody named: each must be usable, and there must be one.
pub(super) fn pem_roots(pem: &[u8], host: &str) -> Result<RootCertStore, SettingsError> {
    let fail = |problem: String| SettingsError::Certificates { host: host.to_owned(), problem };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| fail(error.to_string()))?;
        roots.add(certificate).map_err(|error| fail(error.to_string()))?;
    }
    if roots.is_empty() { Err(fail("no PEM certificate in it".to_owned())) } else { Ok(roots) }
}
