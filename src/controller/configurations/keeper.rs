//! One configuration: written, put back, reported.

use std::fmt::Debug;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::api::status::Enforcement;
use crate::cluster::FIELD_MANAGER;
use crate::cluster::client::{REQUEST_TIMEOUT, request};
use crate::cluster::watches::WatchFailure;
use crate::telemetry::Metrics;

use super::Wanted;
use super::keep::earliest;
use super::repair_pause::RepairPause;
use super::step::{Configuration, Step, Why, enforcement, exclusions, last_manager, soften, state, step};

/// How soon a failed request is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How long a list that was empty stays with `failurePolicy: Ignore`: longer than a Service and an API server need to
/// learn of the first endpoint and of the list.
pub(super) const SETTLE: Duration = Duration::from_secs(5);
/// How soon an owner that was refused is tried again.
pub(super) const OWNER_RETRY: Duration = Duration::from_mins(10);

/// What keeps one configuration.
pub(super) struct Keeper<'a, C: Configuration> {
    api: Api<C>,
    name: &'a str,
    metrics: &'a Metrics,
    live: Sight<C>,
    /// The list that this replica last found or wrote as it should be.
    settled: Option<Vec<C::Webhook>>,
    /// Until when the list stays soft.
    soft: Option<Instant>,
    /// When to try the owner again.
    owner: Option<Instant>,
    /// Whether this replica has seen or written the reference to the owner.
    owned: bool,
    pause: RepairPause,
    /// Whether the change that is to be put back has been told.
    told: bool,
    said: Vec<String>,
}

/// What the watch has told.
enum Sight<C> {
    Nothing,
    Failure,
    Absent,
    Live(C),
}

/// Why a write did not succeed.
enum Refusal {
    Forbidden(String),
    Other(String),
}

impl<'a, C> Keeper<'a, C>
where
    C: Configuration + Resource + Clone + Debug + DeserializeOwned,
{
    pub(super) fn new(api: Api<C>, name: &'a str, metrics: &'a Metrics) -> Self {
        let (live, pause) = (Sight::Nothing, RepairPause::default());
        Self {
            api,
            name,
            metrics,
            live,
            settled: None,
            soft: None,
            owner: None,
            owned: false,
            pause,
            told: false,
            said: Vec::new(),
        }
    }

    pub(super) fn api(&self) -> &Api<C> {
        &self.api
    }

    /// Takes in what the watch says.
    pub(super) fn see(&mut self, event: Result<Option<C>, WatchFailure>) {
        match event {
            Ok(Some(live)) => self.live = Sight::Live(live),
            Ok(None) => {
                self.live = Sight::Absent;
                warn!(
                    name = self.name,
                    kind = C::KIND,
                    "webhook configuration is not there: no pod is looked at; `helm upgrade` creates it again"
                );
            }
            // The watch has said so itself. What was seen stays.
            Err(_) if matches!(self.live, Sight::Nothing) => self.live = Sight::Failure,
            Err(_) => {}
        }
    }

    /// Whether the watch has said anything yet.
    pub(super) fn has_been_seen(&self) -> bool {
        !matches!(self.live, Sight::Nothing)
    }

    /// Takes one step; when to come again if nothing happens before.
    pub(super) async fn reconcile(&mut self, wanted: &Wanted) -> Option<Instant> {
        let again = self.advance(wanted).await;
        let live = match &self.live {
            Sight::Live(live) => Some(live),
            Sight::Absent => None,
            Sight::Nothing | Sight::Failure => return again,
        };
        let list = C::wanted(&wanted.webhooks);
        let state = state(live, list, self.settled.as_deref());
        self.metrics.webhook_configuration(C::KIND, state, exclusions(live, list));
        again
    }

    /// Whether pods are refused as policies demand; nothing where that is not known.
    pub(super) fn enforcement(&self, wanted: Option<&Wanted>) -> Option<Enforcement> {
        let live = match &self.live {
            Sight::Live(live) => Some(live),
            Sight::Absent => None,
            Sight::Nothing | Sight::Failure => return None,
        };
        enforcement(live, wanted.map(|wanted| C::wanted(&wanted.webhooks)), self.settled.as_deref())
    }

    async fn advance(&mut self, wanted: &Wanted) -> Option<Instant> {
        let Sight::Live(live) = &self.live else { return None };
        let now = Instant::now();
        let fresh = live.webhooks().is_empty() && self.settled.is_none();
        let full = C::wanted(&wanted.webhooks);
        let soft = self.soft.filter(|until| now < *until);
        let list = if fresh || soft.is_some() { soften::<C>(full) } else { full.to_vec() };
        let refused = self.owner.filter(|again| now < *again);
        let owner = wanted.owner.as_ref().filter(|_| refused.is_none());
        match step(live, &list, self.settled.as_deref(), owner) {
            Step::Settled { tolerated } => {
                self.settled = Some(list);
                self.owned = owner.is_some();
                self.told = false;
                self.tell(tolerated);
                earliest(soft, refused)
            }
            Step::LeaveAlone => {
                (self.settled, self.soft, self.owned) = (None, None, false);
                self.tell(vec!["marked as removed: left alone".into()]);
                None
            }
            Step::Write { patch, why } => {
                // Without its owner the garbage collector may delete it: that does not wait.
                let disowned = patch.pointer("/metadata/ownerReferences").is_some();
                if disowned && std::mem::take(&mut self.owned) {
                    warn!(
                        name = self.name,
                        kind = C::KIND,
                        by = last_manager(live.metadata()),
                        "the release's namespace was removed from the owners of the webhook configuration: putting it back at once"
                    );
                }
                if let Why::Foreign(what) = &why {
                    if !std::mem::replace(&mut self.told, true) {
                        warn!(
                            name = self.name,
                            kind = C::KIND,
                            what,
                            by = last_manager(live.metadata()),
                            "webhook configuration was changed by somebody else: putting it back within two seconds"
                        );
                    }
                    if let Some(until) = self.pause.until(now).filter(|_| !disowned) {
                        return Some(until);
                    }
                }
                match self.write(&patch).await {
                    Ok(written) => {
                        self.live = Sight::Live(written);
                        self.settled = Some(list);
                        self.owned = owner.is_some();
                        if fresh {
                            self.soft = Instant::now().checked_add(SETTLE);
                        }
                        self.written(&why, now);
                        earliest(self.soft.filter(|until| now < *until), refused)
                    }
                    Err(Refusal::Forbidden(problem)) if disowned => {
                        self.without_owner(&problem, now);
                        Some(now)
                    }
                    Err(Refusal::Forbidden(problem) | Refusal::Other(problem)) => {
                        warn!(name = self.name, kind = C::KIND, problem, "webhook configuration not written");
                        now.checked_add(RETRY)
                    }
                }
            }
        }
    }

    async fn write(&self, patch: &Value) -> Result<C, Refusal> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        request(REQUEST_TIMEOUT, self.api.patch(self.name, &params, &Patch::Merge(patch))).await.map_err(|error| {
            let problem = error.to_string();
            if error.status() == Some(403) { Refusal::Forbidden(problem) } else { Refusal::Other(problem) }
        })
    }

    fn written(&mut self, why: &Why, now: Instant) {
        match why {
            Why::Foreign(_) => {
                self.told = false;
                self.pause.repaired(now);
                self.metrics.webhook_repaired();
            }
            Why::Ours => info!(name = self.name, kind = C::KIND, "webhook configuration written"),
        }
    }

    /// Goes on without the owner for a while: where `OwnerReferencesPermissionEnforcement` is on (`OpenShift`), setting it
    /// takes the right to delete the object, which is more than the gate should have.
    fn without_owner(&mut self, problem: &str, now: Instant) {
        if self.owner.is_none() {
            warn!(
                name = self.name,
                kind = C::KIND,
                problem,
                "the release's namespace may not be set as owner, which here takes the right to delete the object: should the \
                 namespace be deleted while no replica runs, run `sealgate uninstall`"
            );
        }
        self.owner = now.checked_add(OWNER_RETRY);
    }

    /// Says once what is tolerated.
    fn tell(&mut self, notes: Vec<String>) {
        if !notes.is_empty() && self.said != notes {
            let notes = notes.join("; ");
            warn!(name = self.name, kind = C::KIND, notes, "webhook configuration differs from what is wanted");
        }
        self.said = notes;
    }
}
