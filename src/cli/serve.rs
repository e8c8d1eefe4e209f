//! `sealgate serve`: the admission server, with policies from the cluster or from a folder.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Settings in YAML; without it the defaults count
    #[arg(long, value_name = "FILE", env = "SEALGATE_CONFIG")]
    config: Option<PathBuf>,
    /// Where the API server posts its reviews, over TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where health and metrics are served, over plain http
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    admin_listen: SocketAddr,
    /// A filter such as `info` or `sealgate=debug`, instead of the setting
    #[arg(long, value_name = "FILTER", env = "SEALGATE_LOG")]
    log_level: Option<String>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Seconds to keep serving after the signal to stop, while the cluster learns of it
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    linger: u64,
}

/// Where policies come from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// Read policies from a folder and serve without any cluster
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Read policies from the cluster that this pod runs in
    #[arg(long)]
    in_cluster: bool,
    /// Read policies from the cluster of a kubeconfig
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

/// The names of what the chart made.
#[derive(Debug, Args)]
#[command(next_help_heading = "Names in the cluster")]
struct ClusterArguments {
    /// The release's namespace
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE", default_value = "sealgate")]
    namespace: String,
    /// This replica, as holder of the lease
    #[arg(long, value_name = "NAME", env = "POD_NAME", default_value = "sealgate")]
    pod_name: String,
    /// The Service that the API server calls
    #[arg(long, value_name = "NAME", default_value = "sealgate")]
    service: String,
    /// The port of that Service
    #[arg(long, value_name = "PORT", default_value_t = 443)]
    service_port: u16,
    /// The Secret that keeps the webhook's CA and certificate
    #[arg(long, value_name = "NAME", default_value = "sealgate-tls")]
    tls_secret: String,
    /// The Lease of the leader
    #[arg(long, value_name = "NAME", default_value = "sealgate")]
    lease: String,
    /// The name of both webhook configurations
    #[arg(long, value_name = "NAME", default_value = "sealgate")]
    webhook_configuration: String,
}
