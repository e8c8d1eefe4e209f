//! A TUF mirror over HTTP: https unless a setting says otherwise, public addresses unless a setting says otherwise, no
//! redirect, no proxy, bounded in bytes and in time.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Response, StatusCode, redirect};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sigstore_tuf::transport::FetchFuture;
use sigstore_tuf::{Error, Repository};
use tokio::net::lookup_host;
use tokio::time::Instant;
use url::{Host, Url};

use crate::domain::address::is_public;
use crate::domain::minimum_rate::{MINIMUM_RATE, is_too_slow};

use super::sound;

/// Name resolution, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer.
const IDLE: Duration = Duration::from_secs(10);
/// All that one refresh reads, in bytes.
const REFRESH_BYTES: u64 = 16 << 20;

/// A host with settings of its own, at this port and no other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// The host, with its port where that is not the usual one.
    pub host: String,
    /// It may be asked over plain http. What it has is signed; who watches or holds up the traffic is not kept out.
    pub plain_http: bool,
    /// PEM certificates of the CAs that may sign its certificate, instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// It may lie at a private, loopback or link-local address.
    pub allow_private_address: bool,
}

/// Why mirrors can't be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A PEM file without a usable certificate.
    #[error("the CA certificates for the mirror {host} can't be used: {problem}")]
    Certificates {
        /// The host.
        host: String,
        /// What is wrong.
        problem: String,
    },
    /// The HTTP client refused its settings.
    #[error("the HTTP client for mirrors can't be made: {0}")]
    Http(String),
}

/// The HTTP clients: one for each host that has settings, one for all others.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    everyone: Client,
    hosts: HashMap<String, (HostSettings, Client)>,
}

/// One repository, for one refresh.
#[derive(Debug)]
pub(super) struct Mirror {
    client: Client,
    base: Url,
    left: AtomicU64,
}

impl Clients {
    pub(super) fn new(hosts: &[HostSettings]) -> Result<Self, SettingsError> {
        let system = Arc::new(system_roots());
        let everyone = client(system.clone(), Guard { public_only: true })?;
        let mut own = HashMap::new();
        for settings in hosts {
            let roots = match &settings.ca {
                Some(pem) => Arc::new(pem_roots(pem, &settings.host)?),
                None => system.clone(),
            };
            let client = client(roots, Guard { public_only: !settings.allow_private_address })?;
            own.insert(settings.host.clone(), (settings.clone(), client));
        }
        Ok(Self { everyone, hosts: own })
    }

    /// A mirror, if it may be asked.
    pub(super) fn mirror(&self, base: &Url) -> Result<Mirror, String> {
        let host = base.host_str().unwrap_or_default();
        let authority = base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let own = self.hosts.get(&authority);
        if base.scheme() != "https" && !own.is_some_and(|(settings, _)| settings.plain_http) {
            return Err(format!("{authority} is not asked over plain http: use https, or set plainHttp for this host"));
        }
        let literal: Option<IpAddr> = match base.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        };
        let private_allowed = own.is_some_and(|(settings, _)| settings.allow_private_address);
        if literal.is_some_and(|address| !private_allowed && !is_public(address)) {
            return Err(format!("{authority} is not a public address; set allowPrivateAddress for this host"));
        }
        let client = own.map_or(&self.everyone, |(_, client)| client).clone();
        Ok(Mirror { client, base: base.clone(), left: AtomicU64::new(REFRESH_BYTES) })
    }
}

impl Mirror {
    async fn get(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let url = self.below(path)?;
        let request = self.client.get(url).header(ACCEPT_ENCODING, "identity");
        let failed = |e: reqwest::Error| Error::transport_with_source(format!("GET {path}"), e.without_url());
        self.read(request.send().await.map_err(failed)?, path, limit).await
    }

    /// The body of an answer; nothing where there is no such file.
    async fn read(&self, mut answer: Response, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let failed = |e: reqwest::Error| Error::transport_with_source(format!("GET {path}"), e.without_url());
        match answer.status() {
            StatusCode::OK => {}
            // Object stores that may not be listed answer 403 for what is not there.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => return Ok(None),
            status if status.is_redirection() => {
                return Err(Error::transport(format!("GET {path}: a redirect, which is not followed")));
            }
            status => return Err(Error::transport(format!("GET {path}: HTTP {}", status.as_u16()))),
        }
        if answer.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(Error::transport(format!("GET {path}: a compressed answer, which was not asked for")));
        }
        let too_long = || Error::transport(format!("GET {path}: longer than {limit} bytes"));
        if answer.content_length().is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        let mut bytes = Vec::new();
        let mut waited = Duration::ZERO;
        loop {
            let began = Instant::now();
            let Some(piece) = answer.chunk().await.map_err(failed)? else { break };
            waited = waited.saturating_add(began.elapsed());
            self.charge(piece.len())?;
            bytes.extend_from_slice(&piece);
            if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
                return Err(too_long());
            }
            if is_too_slow(waited, u64::try_from(bytes.len()).unwrap_or(u64::MAX)) {
                let problem = format!("GET {path}: slower than {} KiB a second", MINIMUM_RATE >> 10);
                return Err(Error::transport(problem));
            }
        }
        Ok(Some(bytes))
    }

    /// The URL of a file, which can't be anywhere but below the base: names come from metadata, and from whoever wrote them.
    fn below(&self, path: &str) -> Result<Url, Error> {
        let outside = || Error::Malformed(format!("{path:?} is not the name of a file of the repository"));
        let url = self.base.join(path).map_err(|_| outside())?;
        let is_inside = url.as_str().strip_prefix(self.base.as_str()).is_some_and(|rest| rest == path);
        if is_inside { Ok(url) } else { Err(outside()) }
    }

    fn charge(&self, bytes: usize) -> Result<(), Error> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let take = |left: u64| left.checked_sub(bytes);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::transport(format!("more than {} MiB in one refresh", REFRESH_BYTES >> 20))),
        }
    }
}

impl Repository for Mirror {
    fn fetch_metadata<'a>(&'a self, name: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(async move {
            let bytes = self.get(name, max_length).await?;
            if let Some(bytes) = &bytes {
                sound::check(name, bytes)?;
            }
            Ok(bytes)
        })
    }

    fn fetch_target<'a>(&'a self, path: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(async move { self.get(&format!("targets/{path}"), max_length).await })
    }
}

/// Looks at every address before it is connected to.
#[derive(Clone, Copy, Debug)]
struct Guard {
    public_only: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let public_only = self.public_only;
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            match addresses.iter().find(|address| public_only && !is_public(address.ip())) {
                Some(_) => Err("its address is not public; set allowPrivateAddress for this host".into()),
                None => Ok(Box::new(addresses.into_iter()) as Addrs),
            }
        })
    }
}

fn client(roots: Arc<RootCertStore>, guard: Guard) -> Result<Client, SettingsError> {
    let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| SettingsError::Http(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // As with registries: not HTTP/2, and no tickets.
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    tls.resumption = Resumption::disabled();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(guard)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT)
        .read_timeout(IDLE)
        .pool_max_idle_per_host(1)
        .http1_only()
        .user_agent(concat!("sealgate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| SettingsError::Http(e.to_string()))
}

/// The system's store. Where it is empty no https mirror can be trusted, which is said when one is asked.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn pem_roots(pem: &[u8], host: &str) -> Result<RootCertStore, SettingsError> {
    let fail = |problem: String| SettingsError::Certificates { host: host.to_owned(), problem };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|e| fail(e.to_string()))?;
        roots.add(certificate).map_err(|e| fail(e.to_string()))?;
    }
    if roots.is_empty() { Err(fail("no PEM certificate in it".to_owned())) } else { Ok(roots) }
}

#[cfg(test)]
mod tests;
