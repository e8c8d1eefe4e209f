//! Policy status: conditions with the generation that they are about, written only where they have changed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use crate::api::status::{Enforcement, conditions, enforced, news};
use crate::cluster::FIELD_MANAGER;
use crate::cluster::client::{REQUEST_TIMEOUT, RequestError, request};
use crate::cluster::policies::{StoredPolicy, resource};

use super::events::Events;
use super::{Inputs, STATUS_WRITES};

/// How soon failed writes are tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Goes on for ever.
pub(super) async fn reconcile(inputs: &Inputs, mut enforcement: watch::Receiver<Option<Enforcement>>, events: &Events) {
    let api = Api::<DynamicObject>::all_with(inputs.client.clone(), &resource());
    let mut stored = inputs.stored.clone();
    // What was written and may not have come back through the watch yet.
    let mut written: BTreeMap<String, Vec<Condition>> = BTreeMap::new();
    loop {
        let policies = stored.borrow_and_update().clone().unwrap_or_else(|| [].into());
        let gate = enforcement.borrow_and_update().clone();
        written.retain(|name, _| policies.iter().any(|policy| policy.name == *name));
        let due = due(&policies, gate.as_ref(), &mut written);
        if !write_all(&api, events, due, &mut written).await {
            sleep(RETRY).await;
            continue;
        }
        tokio::select! {
            Ok(()) = stored.changed() => {}
            Ok(()) = enforcement.changed() => {}
            else => std::future::pending::<()>().await,
        }
    }
}

/// A policy whose status is to be written.
struct Due<'a> {
    policy: &'a StoredPolicy,
    before: Vec<Condition>,
    wanted: Vec<Condition>,
}

/// What differs from what is stored and from what was written.
fn due<'a>(
    policies: &'a [StoredPolicy],
    gate: Option<&Enforcement>,
    written: &mut BTreeMap<String, Vec<Condition>>,
) -> Vec<Due<'a>> {
    let mut due = Vec::new();
    for policy in policies {
        let before = written.get(&policy.name).unwrap_or(&policy.conditions);
        let wanted = wanted(policy, gate, before, Timestamp::now());
        if wanted == policy.conditions {
            written.remove(&policy.name);
        } else if wanted != *before {
            due.push(Due { policy, before: before.clone(), wanted });
        }
    }
    due
}

/// Writes some at once; whether all succeeded. Those that are left while the API server is away would wait for it in vain.
async fn write_all(
    api: &Api<DynamicObject>,
    events: &Events,
    due: Vec<Due<'_>>,
    written: &mut BTreeMap<String, Vec<Condition>>,
) -> bool {
    let mut whole = true;
    // All futures are made before: a closure in the stream would borrow for longer than the compiler can tell.
    let writes: Vec<_> = due.into_iter().map(|due| write(api, events, due)).collect();
    let mut writes = stream::iter(writes).buffer_unordered(STATUS_WRITES);
    while let Some((Due { policy, wanted, .. }, answer)) = writes.next().await {
        let Err(error) = answer else {
            written.insert(policy.name.clone(), wanted);
            continue;
        };
        warn!(policy = policy.name, problem = %error, "policy status not written");
        written.remove(&policy.name);
        whole = false;
        if error.status().is_none() {
            break;
        }
    }
    whole
}

/// All conditions of a policy, Ready first.
fn wanted(policy: &StoredPolicy, gate: Option<&Enforcement>, before: &[Condition], now: Timestamp) -> Vec<Condition> {
    let generation = Some(policy.generation);
    let mut all = conditions(&policy.entry, generation, before, now);
    let at = all.len().min(1);
    all.splice(at..at, enforced(&policy.entry, generation, gate, before, now));
    all
}

/// Writes the conditions of one, and tells of what is news.
async fn write<'a>(api: &Api<DynamicObject>, events: &Events, due: Due<'a>) -> (Due<'a>, Result<(), RequestError>) {
    let patch = json!({ "status": { "conditions": due.wanted } });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    match request(REQUEST_TIMEOUT, api.patch_status(&due.policy.name, &params, &Patch::Merge(patch))).await {
        Ok(_) => {}
        // Deleted meanwhile.
        Err(error) if error.status() == Some(404) => {}
        Err(error) => return (due, Err(error)),
    }
    if let Some(condition) = news(&due.before, &due.wanted) {
        events.publish(due.policy, condition).await;
    }
    (due, Ok(()))
}

#[cfg(test)]
mod tests;
