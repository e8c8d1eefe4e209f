//! Serving a cluster: policies, pull secrets and the certificate from its API, and the leader's work.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::admission::PolicySource;
use crate::cluster::namespaces::{self, ClusterNamespaces, NamespaceLabels};
use crate::cluster::pull_secrets::{ClusterSource, Limits, PullSecrets};
use crate::cluster::removal::Configurations;
use crate::cluster::watches::Watches;
use crate::cluster::{certificates, client, policies, roots as cluster_roots};
use crate::controller::{self, Inputs};

use super::super::wiring;
use super::{Process, roots, stopped};

/// How long a Service may take to forget an address.
const LINGER: Duration = Duration::from_secs(10);
/// How long the leader's writers may take to end.
const GIVE_BACK: Duration = Duration::from_secs(5);

/// The names of what the chart made.
#[derive(Debug, Args)]
#[group(skip)]
#[command(next_help_heading = "Names in the cluster")]
pub(super) struct Arguments {
    /// The release's namespace
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE", hide_env_values = true, default_value = "sealgate")]
    namespace: String,
    /// This replica, as holder of the lease; without it the name of the host and the number of the process
    #[arg(long, value_name = "NAME", env = "POD_NAME", hide_env_values = true)]
    pod_name: Option<String>,
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

pub(super) async fn serve(process: Process, arguments: Arguments, kubeconfig: Option<PathBuf>) -> anyhow::Result<()> {
    let client = client::connect(kubeconfig.as_deref()).await?;
    let watches = Watches::new(process.metrics.clone(), process.health.clone());
    let (stored_sender, stored) = watch::channel(None);
    let (serving_sender, serving) = watch::channel(None);
    let (ca_sender, ca_bundle) = watch::channel(None);
    let (in_use_sender, certificate) = watch::channel(None);
    let certificate_written = Arc::new(Notify::new());
    let pull_secrets =
        PullSecrets::new(ClusterSource::new(client.clone()), wiring::pull_secrets(&process.config), Limits::default());
    let namespaces = NamespaceLabels::new(ClusterNamespaces::new(client.clone()), namespaces::Limits::default());

    let mut followers = JoinSet::new();
    followers.spawn(policies::follow(
        client.clone(),
        watches.clone(),
        policies::Outlets {
            cell: process.policies.clone(),
            stored: stored_sender,
            condition: process.health.condition("policies"),
            metrics: process.metrics.clone(),
        },
    ));
    followers.spawn(certificates::follow(
        client.clone(),
        watches.clone(),
        arguments.namespace.clone(),
        arguments.tls_secret.clone(),
        certificates::Outlets {
            serving: serving_sender,
            ca_bundle: ca_sender,
            in_use: in_use_sender,
            written: certificate_written.clone(),
            condition: process.health.condition("certificate-valid"),
            metrics: process.metrics.clone(),
        },
    ));
    followers.spawn(pull_secrets.clone().refresh());
    let keeping = roots::keep(&process)?;
    let (roots_sender, stored_roots) = watch::channel(None);
    followers.spawn(cluster_roots::follow(client.clone(), watches.clone(), roots_sender));
    followers.spawn(roots::follow_cluster(
        stored_roots.clone(),
        stored.clone(),
        process.policies.clone(),
        keeping.wanted,
    ));

    let inputs = Inputs {
        client,
        watches,
        kinds: Arc::new(wiring::kinds(&process.config)?),
        policies: process.policies.clone(),
        stored,
        roots: stored_roots,
        root_reports: keeping.reports,
        ca_bundle,
        certificate,
        certificate_written,
        health: process.health.clone(),
        metrics: process.metrics.clone(),
    };
    let settings = controller_settings(&process, arguments);
    let controller = tokio::spawn(controller::run(settings, inputs, stopped(process.stop.clone())));

    process.serve(pull_secrets, namespaces, PolicySource::Cluster, serving, LINGER).await?;
    // It stopped with the same signal; what is left is to give the Lease back.
    let _ = tokio::time::timeout(GIVE_BACK, controller).await;
    keeping.task.abort();
    Ok(())
}

fn controller_settings(process: &Process, arguments: Arguments) -> controller::Settings {
    let Arguments { namespace, pod_name, service, service_port, tls_secret, lease, webhook_configuration } = arguments;
    controller::Settings {
        namespace: namespace.clone(),
        lease,
        secret: tls_secret,
        identity: pod_name.unwrap_or_else(process_name),
        names: Configurations { mutating: webhook_configuration.clone(), validating: webhook_configuration },
        webhooks: wiring::webhooks(&process.config, namespace, service, service_port),
        defaults: wiring::defaults(&process.config),
    }
}

/// What no other replica is called: two holders of the same name would both lead.
fn process_name() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("sealgate");
    format!("{host}-{}", process::id())
}
