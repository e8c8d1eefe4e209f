//! The leader's reconcilers: certificate, webhook configurations, status of policies and trusted roots.
//!
//! Each reads what is there, decides in a pure function what should be, and writes the difference with the resource
//! version that it has read. Only the holder of the Lease writes, and admission depends on none of it: without a leader
//! every replica goes on answering with what it has.

mod certificate;
mod configurations;
mod enforcement;
mod events;
mod leader;
mod roots;
mod status;

use std::future::Future;
use std::sync::Arc;

use kube::Client;
use tokio::sync::{Notify, watch};

use crate::cluster::certificates::Material;
use crate::cluster::policies::StoredPolicy;
use crate::cluster::removal::Configurations;
use crate::cluster::roots::StoredRoot;
use crate::cluster::watches::Watches;
use crate::cluster::webhooks;
use crate::domain::workload::KindTable;
use crate::policy::{Defaults, PolicyCell};
use crate::telemetry::{Health, Metrics};
use crate::trust::Report;

use events::Events;
use leader::Election;

/// How many writes of status are on their way at once.
const STATUS_WRITES: usize = 8;

/// What the controller is told at the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of the release: of the Lease, the Secret and the Service.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Name of the Secret with the certificate.
    pub secret: String,
    /// Who this replica is: the pod's name.
    pub identity: String,
    /// Names of the webhook configurations.
    pub names: Configurations,
    /// What the webhooks depend on.
    pub webhooks: webhooks::Settings,
    /// What happens where no policy decides.
    pub defaults: Defaults,
}

/// What the controller reads while it runs.
#[derive(Clone)]
pub struct Inputs {
    /// The connection.
    pub client: Client,
    /// What all watches share.
    pub watches: Watches,
    /// The kinds that the webhooks are for.
    pub kinds: Arc<KindTable>,
    /// The current policies.
    pub policies: PolicyCell,
    /// The policies as stored, from [`crate::cluster::policies::follow`].
    pub stored: watch::Receiver<Option<Arc<[StoredPolicy]>>>,
    /// The trusted roots as stored, from [`crate::cluster::roots::follow`].
    pub roots: watch::Receiver<Option<Arc<[StoredRoot]>>>,
    /// How this replica's trusted roots stand, from [`crate::trust::Keeper::run`].
    pub root_reports: watch::Receiver<Arc<[Report]>>,
    /// The authorities to trust, from [`crate::cluster::certificates::follow`].
    pub ca_bundle: watch::Receiver<Option<Arc<str>>>,
    /// What this replica shows to clients, from the same.
    pub certificate: watch::Receiver<Option<Arc<Material>>>,
    /// To the same: the Secret was written.
    pub certificate_written: Arc<Notify>,
    /// Whether this replica is ready to answer.
    pub health: Health,
    /// For leadership and repairs.
    pub metrics: Metrics,
}

/// Campaigns for the Lease and reconciles while this replica holds it, until `shutdown`; then gives the Lease back.
pub async fn run(settings: Settings, inputs: Inputs, shutdown: impl Future<Output = ()> + Send) {
    let election = Election::new(
        inputs.client.clone(),
        &settings.namespace,
        &settings.lease,
        &settings.identity,
        inputs.watches.clone(),
        inputs.metrics.clone(),
    );
    let leads = election.leads();
    tokio::select! {
        () = election.campaign() => {}
        () = while_leading(leads, &settings, &inputs) => {}
        () = shutdown => {}
    }
    election.resign().await;
}

/// Runs the writers while the Lease is held, and drops them where it is lost.
async fn while_leading(mut leads: watch::Receiver<bool>, settings: &Settings, inputs: &Inputs) {
    while leads.wait_for(|leads| *leads).await.is_ok() {
        tokio::select! {
            _ = leads.wait_for(|leads| !*leads) => {}
            () = write(settings, inputs) => {}
        }
        inputs.metrics.webhook_configurations_unknown();
    }
}

async fn write(settings: &Settings, inputs: &Inputs) {
    let (seen, told) = (watch::Sender::new(None), watch::Sender::new(None));
    let events = Events::new(inputs.client.clone(), &settings.identity);
    tokio::join!(
        certificate::reconcile(settings, inputs),
        configurations::reconcile(settings, inputs, &seen),
        enforcement::tell(seen.subscribe(), &told),
        status::reconcile(inputs, told.subscribe(), &events),
        roots::reconcile(inputs),
    );
}
