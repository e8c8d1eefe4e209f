//! The TLS side of the webhook port: one certificate, and who may connect. Both can be replaced at any time.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::client_certificates::ClientAuthority;

/// The certificate that is shown, once there is one.
pub type Certificate = Option<Arc<CertifiedKey>>;

/// What all handshakes share.
pub(super) struct Tls {
    certificate: watch::Receiver<Certificate>,
    tls12: bool,
    current: Mutex<Current>,
}

struct Current {
    clients: Option<watch::Receiver<ClientAuthority>>,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Shows the certificate that the channel holds at the time of a handshake. With `clients`, only those are let in whom the
    /// authority in that channel accepts at that time.
    pub(super) fn new(
        certificate: watch::Receiver<Certificate>,
        mut clients: Option<watch::Receiver<ClientAuthority>>,
        tls12: bool,
    ) -> Result<Self, rustls::Error> {
        let authority = clients.as_mut().map(|clients| clients.borrow_and_update().clone());
        let acceptor = acceptor(certificate.clone(), authority, tls12)?;
        Ok(Self { certificate, tls12, current: Mutex::new(Current { clients, acceptor }) })
    }

    /// For the next handshake. Another authority begins without the sessions that the last one has let in.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, rustls::Error> {
        // Nothing panics while it is held.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = current.clients.as_mut().filter(|clients| clients.has_changed().unwrap_or(false));
        if let Some(authority) = changed.map(|clients| clients.borrow_and_update().clone()) {
            current.acceptor = acceptor(self.certificate.clone(), Some(authority), self.tls12)?;
        }
        Ok(current.acceptor.clone())
    }
}

fn acceptor(
    certificate: watch::Receiver<Certificate>,
    clients: Option<ClientAuthority>,
    tls12: bool,
) -> Result<TlsAcceptor, rustls::Error> {
    let versions: &[_] = if tls12 { &[&TLS13, &TLS12] } else { &[&TLS13] };
    let clients = clients.map_or_else(|| Arc::new(NoClientAuth) as Arc<dyn ClientCertVerifier>, |clients| clients.0);
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(Shown(certificate)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[derive(Debug)]
struct Shown(watch::Receiver<Certificate>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().clone()
    }
}
