//! Leadership by a Lease that the chart creates empty: `get` and `patch` of one name, and `create` where it was deleted.
//!
//! As client-go does it: a holder that has not renewed for the lease's duration, measured by this replica's own clock
//! since it last saw a change, has lost it; clocks are never compared between nodes. Every write carries the resource
//! version that was read, so that of two that try, one fails.

mod absence;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::cluster::FIELD_MANAGER;
use crate::cluster::client::request;
use crate::cluster::creation::create_empty;
use crate::cluster::watches::Watches;
use crate::telemetry::Metrics;

use absence::{Absence, LONG};

/// How long a holder may be silent.
const DURATION: Duration = Duration::from_secs(15);
/// How long this replica believes that it holds a lease that it can't renew. Shorter than [`DURATION`] by more than one
/// attempt takes, so that it has stopped writing before another may begin.
const BELIEF: Duration = Duration::from_secs(10);
/// How often the lease is renewed or looked at.
const PERIOD: Duration = Duration::from_secs(3);
/// How soon a failed renewal is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(3);

/// A replica's candidacy.
pub(super) struct Election {
    api: Api<Lease>,
    name: String,
    identity: String,
    leads: watch::Sender<bool>,
    watches: Watches,
    metrics: Metrics,
}

/// What the lease asks of this replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// It holds it: renew.
    Renew,
    /// Nobody holds it any more: take it.
    Take,
    /// Somebody else holds it.
    Wait,
}

/// What one look at the lease has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// This replica holds it.
    Leads,
    /// Another one holds it.
    Follows,
    /// Somebody else has written it at the same time.
    Unclear,
}

/// What was seen of another holder: its last renewal, and when that was first seen here.
struct Sighting {
    version: String,
    since: Instant,
}

impl Election {
    pub(super) fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
        watches: Watches,
        metrics: Metrics,
    ) -> Self {
        metrics.leader(false);
        metrics.leader_seen(Timestamp::now().as_second());
        Self {
            api: Api::namespaced(client, namespace),
            name: name.into(),
            identity: identity.into(),
            leads: watch::Sender::new(false),
            watches,
            metrics,
        }
    }

    /// Whether this replica leads.
    pub(super) fn leads(&self) -> watch::Receiver<bool> {
        self.leads.subscribe()
    }

    /// Tries to lead, for ever.
    pub(super) async fn campaign(&self) {
        let mut sighting: Option<Sighting> = None;
        let mut renewed: Option<Instant> = None;
        // What the API server answers instead, or that it answers nothing.
        let mut failing: Option<Option<u16>> = None;
        let mut absence = Absence::new(Instant::now());
        loop {
            let began = Instant::now();
            let pause = match request(REQUEST, self.attempt(&mut sighting)).await {
                Ok(standing) => {
                    let holds = standing == Standing::Leads;
                    renewed = holds.then_some(began);
                    self.set(holds);
                    if failing.take().is_some() {
                        info!(lease = self.name, "lease can be read and renewed again");
                    }
                    if standing != Standing::Unclear {
                        self.seen(&mut absence);
                    }
                    PERIOD
                }
                Err(error) => {
                    let status = error.status();
                    if status.is_none() {
                        self.watches.connection_lost();
                    }
                    if failing.replace(status) != Some(status) {
                        warn!(lease = self.name, problem = %error, "lease not renewed or read");
                    }
                    if renewed.is_none_or(|renewed| renewed.elapsed() >= BELIEF) {
                        self.set(false);
                    }
                    RETRY
                }
            };
            if absence.is_news(Instant::now()) {
                warn!(
                    lease = self.name,
                    seconds = LONG.as_secs(),
                    "no replica leads: reviews are answered as before, but nobody puts webhook configurations back, renews the certificate or \
                     writes status"
                );
            }
            sleep(pause).await;
        }
    }

    /// Gives the lease back, so that another replica need not wait.
    pub(super) async fn resign(&self) {
        let led = *self.leads.borrow();
        self.set(false);
        if !led {
            return;
        }
        let give_back = async {
            let lease = self.api.get(&self.name).await?;
            if holder(lease.spec.as_ref()) == Some(&self.identity) {
                self.patch(&lease, json!({ "holderIdentity": null, "renewTime": null })).await?;
            }
            Ok(())
        };
        if let Err(problem) = request(REQUEST, give_back).await {
            warn!(lease = self.name, %problem, "lease not given back: another replica takes it when it has run out");
        }
    }

    /// One look at the lease, and what follows from it. How it stands afterwards.
    async fn attempt(&self, sighting: &mut Option<Sighting>) -> kube::Result<Standing> {
        let lease = self.read_or_create().await?;
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let silent = match sighting {
            Some(seen) if seen.version == version => seen.since.elapsed(),
            _ => {
                *sighting = Some(Sighting { version, since: Instant::now() });
                Duration::ZERO
            }
        };
        let spec = lease.spec.as_ref();
        let now = MicroTime(Timestamp::now());
        match next_move(spec, &self.identity, silent) {
            Move::Wait => Ok(Standing::Follows),
            Move::Renew => self.patch(&lease, json!({ "renewTime": now })).await,
            Move::Take => {
                let transitions = spec.and_then(|spec| spec.lease_transitions).unwrap_or_default();
                let taken = json!({
                    "holderIdentity": self.identity,
                    "leaseDurationSeconds": DURATION.as_secs(),
                    "acquireTime": now,
                    "renewTime": now,
                    "leaseTransitions": transitions.saturating_add(1),
                });
                self.patch(&lease, taken).await
            }
        }
    }

    /// The Lease. One that was deleted is created again, held by nobody: who takes it is decided as always.
    async fn read_or_create(&self) -> kube::Result<Lease> {
        if let Some(lease) = self.api.get_opt(&self.name).await? {
            return Ok(lease);
        }
        create_empty(&self.api, &self.name).await?;
        warn!(lease = self.name, "the Lease was deleted: created again");
        self.api.get(&self.name).await
    }

    /// Writes the spec unless the lease has changed since it was read.
    async fn patch(&self, read: &Lease, spec: serde_json::Value) -> kube::Result<Standing> {
        let patch = json!({ "metadata": { "resourceVersion": read.metadata.resource_version }, "spec": spec });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        match self.api.patch(&self.name, &params, &Patch::Merge(patch)).await {
            Ok(_) => Ok(Standing::Leads),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Standing::Unclear),
            Err(problem) => Err(problem),
        }
    }

    /// There is a leader.
    fn seen(&self, absence: &mut Absence) {
        self.metrics.leader_seen(Timestamp::now().as_second());
        if absence.end(Instant::now()) {
            info!(lease = self.name, "a replica leads again");
        }
    }

    fn set(&self, leads: bool) {
        let changed = self.leads.send_if_modified(|led| std::mem::replace(led, leads) != leads);
        if changed {
            self.metrics.leader(leads);
            info!(lease = self.name, identity = self.identity, leads, "leadership changed");
        }
    }
}

/// Decides from the lease alone. `silent` is how long it has not changed, as seen from here.
fn next_move(spec: Option<&LeaseSpec>, identity: &str, silent: Duration) -> Move {
    let Some(holder) = holder(spec) else { return Move::Take };
    if holder == identity {
        return Move::Renew;
    }
    // What a stranger claims counts for no longer than what we claim ourselves: one edit must not end leadership.
    let claimed = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|seconds| u64::try_from(seconds).ok());
    let claimed = claimed.filter(|seconds| *seconds > 0).map_or(DURATION, Duration::from_secs);
    if silent >= claimed.min(DURATION) { Move::Take } else { Move::Wait }
}

fn holder(spec: Option<&LeaseSpec>) -> Option<&String> {
    spec?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}
