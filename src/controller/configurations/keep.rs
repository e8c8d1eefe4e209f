//! Both configurations, watched and kept in an order that is safe at every moment.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::api::status::Enforcement;
use crate::cluster::removal::Configurations;
use crate::telemetry::Metrics;

use super::super::Inputs;
use super::Wanted;
use super::keeper::Keeper;

/// Keeps both as they are wanted, for ever, and says in `enforcement` whether pods are refused.
pub(super) async fn keep(
    inputs: &Inputs,
    names: &Configurations,
    mut wanted: watch::Receiver<Option<Arc<Wanted>>>,
    enforcement: &watch::Sender<Option<Enforcement>>,
) {
    let watches = &inputs.watches;
    let mut pair = Pair::new(&inputs.client, names, &inputs.metrics);
    let mut mutating = watches.one(pair.mutating.api().clone(), &names.mutating, "mutating-webhooks").boxed();
    let mut validating = watches.one(pair.validating.api().clone(), &names.validating, "validating-webhooks").boxed();
    let mut again: Option<Instant> = None;
    loop {
        tokio::select! {
            Some(event) = mutating.next() => pair.mutating.see(event),
            Some(event) = validating.next() => pair.validating.see(event),
            Ok(()) = wanted.changed() => {}
            () = until(again), if again.is_some() => {}
            else => std::future::pending().await,
        }
        let current = wanted.borrow_and_update().clone();
        again = match &current {
            Some(current) => pair.reconcile(current).await,
            None => None,
        };
        let next = pair.validating.enforcement(current.as_deref());
        enforcement.send_if_modified(|told| {
            let changed = *told != next;
            *told = next;
            changed
        });
    }
}

/// The two configurations.
pub(super) struct Pair<'a> {
    /// The one that pins.
    pub(super) mutating: Keeper<'a, MutatingWebhookConfiguration>,
    /// The one that denies.
    pub(super) validating: Keeper<'a, ValidatingWebhookConfiguration>,
}

impl<'a> Pair<'a> {
    pub(super) fn new(client: &Client, names: &'a Configurations, metrics: &'a Metrics) -> Self {
        Self {
            mutating: Keeper::new(Api::all(client.clone()), &names.mutating, metrics),
            validating: Keeper::new(Api::all(client.clone()), &names.validating, metrics),
        }
    }

    /// Takes one step with each; when to come again if nothing happens before. The gate closes from the side that pins,
    /// since what denies refuses tags that nobody has pinned, and opens from the other one.
    pub(super) async fn reconcile(&mut self, wanted: &Wanted) -> Option<Instant> {
        if wanted.is_open() {
            let denies = self.validating.reconcile(wanted).await;
            return earliest(denies, self.mutating.reconcile(wanted).await);
        }
        if !self.mutating.has_been_seen() {
            return None;
        }
        let pins = self.mutating.reconcile(wanted).await;
        earliest(pins, self.validating.reconcile(wanted).await)
    }
}

/// The earlier of two times that may not be.
pub(super) fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
