//! One configuration: watched, written, put back.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use crate::cluster::FIELD_MANAGER;
use crate::cluster::client::REQUEST_TIMEOUT;
use crate::cluster::webhooks::Webhooks;
use crate::telemetry::Metrics;

use super::RETRY;
use super::step::{Configuration, Step, Why, step};

/// Longest pause between two repairs.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// After this long without a repair the next one is immediate again.
const PEACE: Duration = Duration::from_mins(5);

/// Keeps the configuration as it is wanted, for ever.
pub(super) async fn keep<C>(
    api: &Api<C>,
    name: &str,
    owner: &OwnerReference,
    mut wanted: watch::Receiver<Option<Arc<Webhooks>>>,
    metrics: &Metrics,
) where
    C: Configuration + Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut events = watch_object(api.clone(), name).default_backoff().boxed();
    let mut keeper =
        Keeper { api, name, owner, metrics, live: None, settled: None, truce: Truce::default(), said: None };
    let mut again: Option<Instant> = None;
    loop {
        tokio::select! {
            Some(event) = events.next() => match event {
                Ok(Some(live)) => keeper.live = Some(live),
                Ok(None) => {
                    keeper.live = None;
                    warn!(name, "webhook configuration is not there: no pod is looked at; the chart creates it");
                }
                Err(problem) => warn!(name, %problem, "watch of the webhook configuration failed"),
            },
            Ok(()) = wanted.changed() => {}
            () = until(again), if again.is_some() => {}
            else => std::future::pending().await,
        }
        let rendered = wanted.borrow_and_update().clone();
        again = match rendered {
            Some(rendered) => keeper.reconcile(&rendered).await,
            None => None,
        };
    }
}

struct Keeper<'a, C: Configuration> {
    api: &'a Api<C>,
    name: &'a str,
    owner: &'a OwnerReference,
    metrics: &'a Metrics,
    live: Option<C>,
    settled: Option<Vec<C::Webhook>>,
    truce: Truce,
    said: Option<Vec<String>>,
}

impl<C> Keeper<'_, C>
where
    C: Configuration + Resource + Clone + Debug + DeserializeOwned,
{
    /// Takes one step; when to try again if nothing happens before.
    async fn reconcile(&mut self, rendered: &Webhooks) -> Option<Instant> {
        let wanted = C::wanted(rendered);
        let live = self.live.as_ref()?;
        match step(live, wanted, self.settled.as_deref(), self.owner) {
            Step::Settled { tolerated } => {
                self.settled = Some(wanted.to_vec());
                self.tell(tolerated);
                None
            }
            Step::LeaveAlone => {
                self.settled = None;
                self.tell(vec!["marked as removed: left alone".into()]);
                None
            }
            Step::Write { patch, why } => {
                let now = Instant::now();
                if let Why::Foreign(what) = &why {
                    if let Some(until) = self.truce.until(now) {
                        return Some(until);
                    }
                    warn!(
                        name = self.name,
                        what, "webhook configuration was changed by somebody else: putting it back"
                    );
                }
                match self.write(&patch).await {
                    Ok(written) => {
                        self.live = Some(written);
                        self.settled = Some(wanted.to_vec());
                        match why {
                            Why::Foreign(_) => {
                                self.truce.repaired(now);
                                self.metrics.webhook_repaired();
                            }
                            Why::Ours => {
                                info!(name = self.name, webhooks = wanted.len(), "webhook configuration written");
                            }
                        }
                        None
                    }
                    Err(problem) => {
                        warn!(name = self.name, problem, "webhook configuration not written");
                        now.checked_add(RETRY)
                    }
                }
            }
        }
    }

    async fn write(&self, patch: &serde_json::Value) -> Result<C, String> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        match timeout(REQUEST_TIMEOUT, self.api.patch(self.name, &params, &Patch::Merge(patch))).await {
            Ok(Ok(written)) => Ok(written),
            Ok(Err(problem)) => Err(problem.to_string()),
            Err(_) => Err("the API server did not answer in time".into()),
        }
    }

    /// Says once what is tolerated.
    fn tell(&mut self, notes: Vec<String>) {
        if !notes.is_empty() && self.said.as_ref() != Some(&notes) {
            warn!(name = self.name, notes = notes.join("; "), "webhook configuration differs from what is wanted");
        }
        self.said = Some(notes);
    }
}

/// Pauses between repairs that grow while somebody keeps changing the object.
#[derive(Debug, Default)]
pub(super) struct Truce {
    repairs: u32,
    last: Option<Instant>,
}

impl Truce {
    /// Until when to wait before the next repair; nothing when it may be done now.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        let last = self.last?;
        if self.repairs <= 1 || now.duration_since(last) >= PEACE {
            return None;
        }
        let pause = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(self.repairs.saturating_sub(2)));
        last.checked_add(pause.min(LONGEST_PAUSE)).filter(|until| *until > now)
    }

    /// A repair was done.
    pub(super) fn repaired(&mut self, now: Instant) {
        let peace = self.last.is_some_and(|last| now.duration_since(last) >= PEACE);
        self.repairs = if peace { 1 } else { self.repairs.saturating_add(1) };
        self.last = Some(now);
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
