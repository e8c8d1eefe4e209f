//! Policy status: conditions with the generation that they are about, written only where they have changed.

use std::collections::BTreeMap;
use std::time::Duration;

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

use super::Inputs;
use super::events::Events;

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
        let mut failed = false;
        for policy in policies.iter() {
            let before = written.get(&policy.name).unwrap_or(&policy.conditions);
            let wanted = wanted(policy, gate.as_ref(), before, Timestamp::now());
            if wanted == policy.conditions {
                written.remove(&policy.name);
            } else if wanted != *before {
                match write(&api, policy, &wanted).await {
                    Ok(()) => {
                        if let Some(condition) = news(before, &wanted) {
                            events.publish(policy, condition).await;
                        }
                        written.insert(policy.name.clone(), wanted);
                    }
                    Err(error) => {
                        warn!(policy = policy.name, problem = %error, "policy status not written");
                        written.remove(&policy.name);
                        failed = true;
                        if error.status().is_none() {
                            // The API server is away: the others would wait for it in vain too.
                            break;
                        }
                    }
                }
            }
        }
        if failed {
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

/// All conditions of a policy, Ready first.
fn wanted(policy: &StoredPolicy, gate: Option<&Enforcement>, before: &[Condition], now: Timestamp) -> Vec<Condition> {
    let generation = Some(policy.generation);
    let mut all = conditions(&policy.entry, generation, before, now);
    let at = all.len().min(1);
    all.splice(at..at, enforced(&policy.entry, generation, gate, before, now));
    all
}

async fn write(api: &Api<DynamicObject>, policy: &StoredPolicy, conditions: &[Condition]) -> Result<(), RequestError> {
    let patch = json!({ "status": { "conditions": conditions } });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    match request(REQUEST_TIMEOUT, api.patch_status(&policy.name, &params, &Patch::Merge(patch))).await {
        // Deleted meanwhile.
        Err(error) if error.status() == Some(404) => Ok(()),
        answer => answer.map(|_| ()),
    }
}
