//! The connection to the API server.

use std::path::Path;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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

/// Connects by the kubeconfig where one is given, else as the pod's service account, else by `KUBECONFIG` or
/// `~/.kube/config`. Sends nothing yet.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    let mut config = match kubeconfig {
        Some(path) => from_file(path).await?,
        None => Config::infer().await.map_err(|e| ConnectError::Nowhere(e.to_string()))?,
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.headers.push((USER_AGENT, HeaderValue::from_static(concat!("sealgate/", env!("CARGO_PKG_VERSION")))));
    Client::try_from(config).map_err(|e| ConnectError::Client(e.to_string()))
}

async fn from_file(path: &Path) -> Result<Config, ConnectError> {
    let problem = |problem: String| ConnectError::Kubeconfig { path: path.display().to_string(), problem };
    let kubeconfig = Kubeconfig::read_from(path).map_err(|e| problem(e.to_string()))?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(|e| problem(e.to_string()))
}
