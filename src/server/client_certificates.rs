//! Who may connect to the webhook port: without a setting anybody, else whoever shows a certificate by one of these authorities.
//!
//! The API server shows one where its `AdmissionConfiguration` names it a kubeconfig for this webhook. Everybody else can then not
//! even send a header.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{PrintableStringRef, Utf8StringRef};

/// The object identifier of a common name (X.520).
const COMMON_NAME: &str = "2.5.4.3";

/// Whose certificates are accepted.
#[derive(Clone, Debug)]
pub struct ClientAuthority(pub(super) Arc<dyn ClientCertVerifier>);

/// Why a file of authorities can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientAuthorityError {
    /// Not PEM.
    #[error("expected certificates in PEM: {0}")]
    Pem(String),
    /// There is none.
    #[error("expected certificates in PEM, found none")]
    Empty,
    /// A certificate that can't be an authority.
    #[error("certificate {number} can't be used as an authority: {problem}")]
    Certificate {
        /// Which one, from 1.
        number: usize,
        /// What is wrong.
        problem: String,
    },
}

impl ClientAuthority {
    /// Accepts certificates for clients by one of the authorities in this PEM file; where there are `names`, only those with
    /// one of them as common name, as with the API server's own `--requestheader-allowed-names`.
    pub fn from_pem(pem: &[u8], names: &[String]) -> Result<Self, ClientAuthorityError> {
        let mut roots = RootCertStore::empty();
        for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
            let certificate = certificate.map_err(|error| ClientAuthorityError::Pem(pem_problem(&error).into()))?;
            let unusable =
                |error: rustls::Error| ClientAuthorityError::Certificate { number, problem: error.to_string() };
            roots.add(certificate).map_err(unusable)?;
        }
        let provider = Arc::new(default_provider());
        let chains = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let chains = chains.map_err(|error| match error {
            VerifierBuilderError::NoRootAnchors => ClientAuthorityError::Empty,
            error => ClientAuthorityError::Pem(error.to_string()),
        })?;
        Ok(Self(if names.is_empty() { chains } else { Arc::new(Named { chains, names: names.to_vec() }) }))
    }
}

fn pem_problem(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::IllegalSectionStart { .. } => "a section begins with a line that can't be read",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "it can't be read",
    }
}

/// Of those with a certificate, whoever is called by one of these names.
#[derive(Debug)]
struct Named {
    chains: Arc<dyn ClientCertVerifier>,
    names: Vec<String>,
}

impl ClientCertVerifier for Named {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.chains.verify_client_cert(end_entity, intermediates, now)?;
        match common_name(end_entity) {
            Some(name) if self.names.contains(&name) => Ok(verified),
            _ => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// The common name of a certificate that has exactly one.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let attributes = certificate.tbs_certificate.subject.0.iter().flat_map(|set| set.0.iter());
    let mut names = attributes.filter(|attribute| attribute.oid.to_string() == COMMON_NAME);
    let (name, None) = (names.next()?, names.next()) else { return None };
    let utf8 = name.value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned());
    utf8.or_else(|_| name.value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().to_owned())).ok()
}
