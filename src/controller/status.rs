//! Policy status: conditions with the generation that they are about, written only where they have changed.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use serde_json::json;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::api::status::conditions;
use crate::cluster::FIELD_MANAGER;
use crate::cluster::client::REQUEST_TIMEOUT;
use crate::cluster::policies::{StoredPolicy, resource};

use super::Inputs;

/// How soon failed writes are tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Goes on for ever.
pub(super) async fn reconcile(inputs: &Inputs) {
    let api = Api::<DynamicObject>::all_with(inputs.client.clone(), &resource());
    let mut stored = inputs.stored.clone();
    // What was written and may not have come back through the watch yet.
    let mut written: BTreeMap<String, Vec<Condition>> = BTreeMap::new();
    loop {
        let policies = stored.borrow_and_update().clone().unwrap_or_else(|| [].into());
        written.retain(|name, _| policies.iter().any(|policy| policy.name == *name));
        let mut failed = false;
        for policy in policies.iter() {
            let before = written.get(&policy.name).unwrap_or(&policy.conditions);
            let wanted = conditions(&policy.entry, Some(policy.generation), before, Timestamp::now());
            if wanted == policy.conditions {
                written.remove(&policy.name);
            } else if wanted != *before {
                failed |= !write(&api, policy, &wanted).await;
                written.insert(policy.name.clone(), wanted);
            }
        }
        if failed {
            written.clear();
            sleep(RETRY).await;
        } else if stored.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn write(api: &Api<DynamicObject>, policy: &StoredPolicy, conditions: &[Condition]) -> bool {
    let patch = json!({ "status": { "conditions": conditions } });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    let problem = match timeout(REQUEST_TIMEOUT, api.patch_status(&policy.name, &params, &Patch::Merge(patch))).await {
        Ok(Ok(_)) => return true,
        // Deleted meanwhile.
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => return true,
        Ok(Err(problem)) => problem.to_string(),
        Err(_) => "the API server did not answer in time".into(),
    };
    warn!(policy = policy.name, problem, "policy status not written");
    false
}
