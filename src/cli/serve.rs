//! `sealgate serve`: the admission server, with policies from the cluster or from a folder.

mod clients;
mod cluster;
mod folder;
mod roots;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::info;

use crate::admission::{self, Admission, PolicySource};
use crate::config::{Config, LogFormat};
use crate::keychain::DockerConfigFile;
use crate::policy::PolicyCell;
use crate::registry;
use crate::server::{self, Certificate, ClientAuthority, Server, admin};
use crate::signatures::RootsCell;
use crate::telemetry::health::Condition;
use crate::telemetry::log::Log;
use crate::telemetry::{Health, Metrics, log};
use crate::verifier::Engine;
use crate::verifier::ports::{Keychain, Namespaces};

use super::{ACCEPTED, wiring};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Settings in YAML; without it the defaults count
    #[arg(long, value_name = "FILE", env = "SEALGATE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Where the API server posts its reviews, over TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where health and metrics are served, over plain http
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    admin_listen: SocketAddr,
    /// A filter such as `info` or `sealgate=debug`, instead of the setting
    #[arg(long, value_name = "FILTER", env = "SEALGATE_LOG", hide_env_values = true)]
    log_level: Option<String>,
    /// Seconds to keep serving after the signal to stop, while the cluster learns of it; 0 without a cluster
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=60))]
    linger: Option<u64>,
    #[command(flatten)]
    clients: clients::Arguments,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    folder: folder::Arguments,
    #[command(flatten)]
    cluster: cluster::Arguments,
}

/// Where policies come from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// Read policies from a folder and serve without any cluster, with a self-signed certificate
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Read policies from the cluster that this pod runs in
    #[arg(long)]
    in_cluster: bool,
    /// Read policies from the cluster of a kubeconfig
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

/// What both kinds of service share.
struct Process {
    config: Config,
    metrics: Metrics,
    health: Health,
    /// Met when every other condition of readiness is known.
    started: Condition,
    policies: PolicyCell,
    roots: RootsCell,
    listener: TcpListener,
    clients: Option<watch::Receiver<ClientAuthority>>,
    linger: Option<u64>,
    stop: watch::Receiver<bool>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let Arguments { config, listen, admin_listen, log_level, linger, clients, source, folder, cluster } = arguments;
    let config = wiring::config(config.as_deref())?;
    let (metrics, health) = (Metrics::new(), Health::default());
    let _log = start_log(&config, log_level.as_deref(), metrics.clone())?;
    warn_of_plain_http(&config);
    let stop = stop_signal()?;
    let clients = clients::follow(clients)?;
    let started = health.condition("starting");
    let listener = bind(listen).await?;
    let admin = admin::serve(bind(admin_listen).await?, health.clone(), metrics.clone(), std::future::pending());
    info!(version = env!("CARGO_PKG_VERSION"), webhook = %listen, admin = %admin_listen, "starting");
    let (policies, roots) = (PolicyCell::default(), RootsCell::default());
    let process = Process { config, metrics, health, started, policies, roots, listener, clients, linger, stop };
    let service = async move {
        match source.policies {
            Some(path) => folder::serve(process, folder, path).await,
            None => cluster::serve(process, cluster, source.kubeconfig).await,
        }
    };
    // The admin port answers for as long as the service does.
    tokio::select! {
        served = service => served?,
        () = admin => {}
    }
    info!("stopped");
    Ok(ACCEPTED)
}

impl Process {
    /// Answers reviews until it is told to stop.
    async fn serve<K: Keychain>(
        self,
        keychain: K,
        namespaces: impl Namespaces,
        source: PolicySource,
        certificate: watch::Receiver<Certificate>,
        linger: Duration,
    ) -> anyhow::Result<()> {
        let registry = registry::Client::new(&wiring::registry(&self.config)?, self.metrics.clone())?;
        let file = self.config.docker_config_file.clone().map(DockerConfigFile::new);
        let engine = Engine::new(registry, (keychain, file), self.policies, self.roots, wiring::defaults(&self.config))
            .with_namespaces(namespaces);
        let settings = admission::Settings {
            kinds: wiring::kinds(&self.config)?,
            workloads: wiring::workloads(&self.config),
            mirror_pods: wiring::mirror_pods(&self.config),
            policies: source,
            plain_http: plain_http(&self.config).map(str::to_owned).collect(),
        };
        let admission = Arc::new(Admission::new(engine, settings, self.metrics.clone()));
        let settings = server::Settings {
            max_connections: self.config.limits.max_connections,
            body_budget: self.config.limits.body_budget_bytes,
            timeout: Duration::from_secs(self.config.webhook.timeout_seconds.into()),
            clients: self.clients,
            linger: self.linger.map_or(linger, Duration::from_secs),
            ..server::Settings::default()
        };
        let server = Server::new(admission, settings, certificate, self.metrics, self.health)
            .context("the TLS settings can't be used")?;
        // In this order: the server names its own conditions before the last of ours is met.
        tokio::join!(biased; server.run(self.listener, stopped(self.stop)), async { self.started.met() });
        Ok(())
    }
}

fn start_log(config: &Config, level: Option<&str>, metrics: Metrics) -> anyhow::Result<Log> {
    let format = match config.log.format {
        LogFormat::Json => log::Format::Json,
        LogFormat::Plain => log::Format::Plain,
    };
    Ok(log::init(level.unwrap_or(&config.log.level), format, metrics)?)
}

fn warn_of_plain_http(config: &Config) {
    for host in plain_http(config) {
        tracing::warn!(host, "this registry is asked over plain http: anyone on the network can answer in its place");
    }
}

fn plain_http(config: &Config) -> impl Iterator<Item = &str> {
    config.registries.iter().filter(|registry| registry.plain_http).map(|registry| registry.host.as_str())
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))
}

/// True from the first SIGTERM or SIGINT on; the second one ends the process at once.
fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate()).context("signals can't be received")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals can't be received")?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if sender.send_replace(true) {
                process::exit(130);
            }
        }
    });
    Ok(receiver)
}

/// Ready when the process is told to stop.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender lives as long as the process.
    let _ = stop.wait_for(|stop| *stop).await;
}
