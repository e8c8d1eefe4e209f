//! Fills the two webhook configurations when this replica is ready to answer, puts them back after foreign changes, and
//! empties them when the release's namespace is being deleted.

mod keep;
mod keeper;
mod release;
mod repair_pause;
mod step;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::info;

use crate::api::status::Enforcement;
use crate::cluster::webhooks::{Webhooks, reach, render};

use super::{Inputs, Settings};

use release::Release;

/// How often readiness is looked at.
const READY_POLL: Duration = Duration::from_millis(250);

/// What the two configurations should be.
#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    /// Their lists.
    webhooks: Webhooks,
    /// The reference that has them collected with the release's namespace; none once that is being deleted.
    owner: Option<OwnerReference>,
}

impl Wanted {
    /// Without any webhook: the gate stands open.
    fn open() -> Self {
        Self { webhooks: Webhooks { mutating: Vec::new(), validating: Vec::new() }, owner: None }
    }

    fn is_open(&self) -> bool {
        self.webhooks.mutating.is_empty() && self.webhooks.validating.is_empty()
    }
}

/// Goes on for ever. `enforcement` is told whether pods are refused as policies demand.
pub(super) async fn reconcile(settings: &Settings, inputs: &Inputs, enforcement: &watch::Sender<Option<Enforcement>>) {
    let release = watch::Sender::new(None);
    let wanted = watch::Sender::new(None);
    tokio::join!(
        release::follow(&inputs.client, &inputs.watches, &settings.namespace, &release),
        want(settings, inputs, release.subscribe(), &wanted),
        keep::keep(inputs, &settings.names, wanted.subscribe(), enforcement),
    );
}

/// Renders the lists anew whenever policies or authorities change, from when this replica can answer; empties them when
/// the release's namespace goes.
async fn want(
    settings: &Settings,
    inputs: &Inputs,
    mut release: watch::Receiver<Option<Release>>,
    wanted: &watch::Sender<Option<Arc<Wanted>>>,
) {
    let (mut stored, mut ca_bundle) = (inputs.stored.clone(), inputs.ca_bundle.clone());
    let mut ready = false;
    loop {
        let bundle = ca_bundle.borrow_and_update().clone();
        stored.mark_unchanged();
        let found = release.borrow_and_update().clone();
        let next = match (found, inputs.policies.load(), bundle) {
            (Some(Release::Going), ..) => Some(Wanted::open()),
            (Some(Release::Here(owner)), Some(set), Some(bundle)) if ready => {
                let reach = reach(&set, settings.defaults);
                let webhooks = render(&inputs.kinds, &settings.webhooks, reach, &bundle);
                Some(Wanted { webhooks, owner: Some(owner) })
            }
            _ => None,
        };
        if let Some(next) = next {
            publish(wanted, next);
        }
        tokio::select! {
            Ok(()) = release.changed() => {}
            Ok(()) = stored.changed() => {}
            Ok(()) = ca_bundle.changed() => {}
            () = until_ready(inputs), if !ready => ready = true,
            else => std::future::pending().await,
        }
    }
}

fn publish(wanted: &watch::Sender<Option<Arc<Wanted>>>, next: Wanted) {
    wanted.send_if_modified(|wanted| {
        let changed = wanted.as_deref() != Some(&next);
        if changed {
            let fails = next.webhooks.validating.iter().any(|hook| hook.failure_policy.as_deref() == Some("Fail"));
            info!(webhooks = next.webhooks.validating.len(), fails, "webhooks rendered");
            *wanted = Some(Arc::new(next));
        }
        changed
    });
}

/// Waits until this replica could answer what it asks the API server to send.
async fn until_ready(inputs: &Inputs) {
    while !inputs.health.unmet().is_empty() {
        sleep(READY_POLL).await;
    }
}
