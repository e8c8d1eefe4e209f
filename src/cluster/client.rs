//! The connection to the API server.
//!
//! A stack of our own over kube's layers, for what its default one lacks: the kernel probes each connection, so that one
//! that was cut in silence (a lost NAT entry, a load balancer that failed over) breaks after [`SILENCE`] at most. It has no
//! retries below the callers', and logs nothing by itself.

use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use tokio::time::timeout;
use tower::{BoxError, ServiceBuilder};

use super::watches;
use crate::domain::text::foreign;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be idle before the kernel probes it.
const PROBE_AFTER: Duration = Duration::from_secs(3);
/// How often it probes.
const PROBE_PERIOD: Duration = Duration::from_secs(1);
/// How many probes may stay without an answer.
const PROBES: u32 = 3;
/// How long the other side may acknowledge nothing.
const SILENCE: Duration = Duration::from_secs(6);
/// How long nothing may be read from a connection that is in use: longer than a watch without events.
const READ_TIMEOUT: Duration = Duration::from_secs(watches::TIMEOUT as u64 + 5);

/// How long one request that is not a watch may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig can't be used.
    #[error("kubeconfig {path}: {problem}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Neither inside a cluster nor is there a kubeconfig.
    #[error("no cluster: expected to run in a pod with a service account, or a kubeconfig: {0}")]
    Nowhere(String),
    /// The client can't be made.
    #[error("Kubernetes client: {0}")]
    Client(String),
}

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No answer.
    #[error("the API server did not answer in time")]
    Late,
    /// Another reason.
    #[error("{}", words(.0))]
    Failed(kube::Error),
}

fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("the API server answers {}: {}", status.code, foreign(&status.message)),
        kube::Error::SerdeError(problem) => {
            format!("the answer of the API server can't be read (line {}, column {})", problem.line(), problem.column())
        }
        other => format!("the API server can't be reached: {}", foreign(&root_cause(other))),
    }
}

/// The innermost cause, which names what went wrong and no layers.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

impl RequestError {
    /// The HTTP status, where the API server has answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Failed(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }
}

/// Connects by the kubeconfig where one is given, else as the pod's service account, else by `KUBECONFIG` or
/// `~/.kube/config`. Sends nothing yet.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    let mut config = match kubeconfig {
        Some(path) => from_file(path).await?,
        None => Config::infer().await.map_err(|e| ConnectError::Nowhere(e.to_string()))?,
    };
    config.headers.push((USER_AGENT, HeaderValue::from_static(concat!("sealgate/", env!("CARGO_PKG_VERSION")))));
    client(&config).map_err(|e| ConnectError::Client(e.to_string()))
}

/// Waits for an answer for as long as it may take.
pub async fn request<T>(limit: Duration, call: impl Future<Output = kube::Result<T>>) -> Result<T, RequestError> {
    timeout(limit, call).await.map_or(Err(RequestError::Late), |answer| answer.map_err(RequestError::Failed))
}

fn client(config: &Config) -> kube::Result<Client> {
    if config.proxy_url.is_some() {
        // Says which proxies it can't use.
        return Client::try_from(config.clone());
    }
    if CryptoProvider::get_default().is_none() {
        // Where another thread was faster, its provider is the same.
        let _ = default_provider().install_default();
    }
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp())?);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_read_timeout(Some(READ_TIMEOUT));
    connector.set_reset_reader_on_write(true);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(HttpClient::builder(TokioExecutor::new()).build::<_, Body>(connector));
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).build())
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(PROBE_AFTER));
    tcp.set_keepalive_interval(Some(PROBE_PERIOD));
    tcp.set_keepalive_retries(Some(PROBES));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(SILENCE));
    tcp
}

async fn from_file(path: &Path) -> Result<Config, ConnectError> {
    let problem = |problem: String| ConnectError::Kubeconfig { path: path.display().to_string(), problem };
    let kubeconfig = Kubeconfig::read_from(path).map_err(|e| problem(e.to_string()))?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(|e| problem(e.to_string()))
}
