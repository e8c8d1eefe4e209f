//! A server on loopback, and a client that writes what it likes.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use sealgate::admission::Reviewer;
use sealgate::server::{Certificate, Server, Settings};
use sealgate::telemetry::{Health, Metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) roots: RootCertStore,
    pub(crate) certificate: watch::Sender<Certificate>,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<()>,
}

/// A certificate for `localhost`, and what trusts it.
pub(crate) fn certificate() -> (Arc<CertifiedKey>, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let der = made.cert.der().clone();
    (Arc::new(CertifiedKey::new(vec![der.clone()], any_supported_type(&key).unwrap())), der)
}

/// Starts a server that has a certificate.
pub(crate) async fn start<A: Reviewer>(reviewer: A, settings: Settings) -> Running {
    let (key, der) = certificate();
    let mut roots = RootCertStore::empty();
    roots.add(der).unwrap();
    let (certificate, shown) = watch::channel(Some(key));
    let (metrics, health) = (Metrics::new(), Health::default());
    let server = Server::new(Arc::new(reviewer), settings, shown, metrics.clone(), health.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.run(listener, async {
        let _ = stopped.await;
    }));
    Running { address, roots, certificate, metrics, health, stop: Some(stop), task }
}

impl Running {
    /// A connection that offers these protocols.
    pub(crate) async fn try_connect(&self, alpn: &[&str]) -> std::io::Result<Client> {
        self.try_connect_from([127, 0, 0, 1], alpn).await
    }

    /// A connection from this address, which is one of this machine.
    pub(crate) async fn try_connect_from(&self, peer: [u8; 4], alpn: &[&str]) -> std::io::Result<Client> {
        let mut config = self.client_config().with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        self.try_connect_with(peer, config).await
    }

    /// What trusts the server.
    pub(crate) fn client_config(&self) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        config.with_safe_default_protocol_versions().unwrap().with_root_certificates(self.roots.clone())
    }

    /// A connection from this address with these settings.
    pub(crate) async fn try_connect_with(&self, peer: [u8; 4], config: ClientConfig) -> std::io::Result<Client> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((peer, 0).into())?;
        let socket = socket.connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        Ok(Client(TlsConnector::from(Arc::new(config)).connect(name, socket).await?))
    }

    /// A connection.
    pub(crate) async fn connect(&self) -> Client {
        self.try_connect(&["http/1.1"]).await.unwrap()
    }

    /// One request on a connection of its own.
    pub(crate) async fn post(&self, path: &str, body: &[u8]) -> Response {
        let mut client = self.connect().await;
        client.send(&post(path, body)).await;
        client.response().await.unwrap()
    }

    /// Tells it to stop.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }
}

/// The bytes of a request.
pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A connection.
pub(crate) struct Client(pub(crate) TlsStream<TcpStream>);

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Lines in lower case.
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// Writes bytes; whether they were taken is seen in the answer.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
    }

    /// Reads one answer; nothing when the connection ends without one.
    pub(crate) async fn response(&mut self) -> Option<Response> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let status = head.split(' ').nth(1)?.parse().unwrap();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.ok()?;
        Some(Response { status, headers: head, body })
    }
}

impl Response {
    /// Whether the server closes the connection after it.
    pub(crate) fn closes(&self) -> bool {
        self.headers.contains("connection: close")
    }
}
