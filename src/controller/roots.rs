//! Status of trusted roots: how those of this replica stand, written only where it has changed.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use serde_json::json;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::api::TrustedRootStatus;
use crate::api::status::{READY, condition};
use crate::cluster::FIELD_MANAGER;
use crate::cluster::client::REQUEST_TIMEOUT;
use crate::cluster::roots::resource;
use crate::trust::{Problem, Report};

use super::Inputs;

/// How soon failed writes are tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Goes on for ever.
pub(super) async fn reconcile(inputs: &Inputs) {
    let api = Api::<DynamicObject>::all_with(inputs.client.clone(), &resource());
    let (mut stored, mut reports) = (inputs.roots.clone(), inputs.root_reports.clone());
    // What was written and may not have come back through the watch yet.
    let mut written: BTreeMap<String, TrustedRootStatus> = BTreeMap::new();
    loop {
        let roots = stored.borrow_and_update().clone().unwrap_or_else(|| [].into());
        let told = reports.borrow_and_update().clone();
        written.retain(|name, _| roots.iter().any(|root| root.entry.name == *name));
        let mut failed = false;
        for root in roots.iter() {
            let name = &root.entry.name;
            // A change that the keeper has not taken in yet is reported when it has.
            let current = |report: &&Report| report.name == *name && report.generation == root.generation;
            let Some(report) = told.iter().find(current) else { continue };
            let before = written.get(name).unwrap_or(&root.status);
            let wanted = status(report, &before.conditions, Timestamp::now());
            if wanted == root.status {
                written.remove(name);
            } else if wanted != *before {
                failed |= !write(&api, name, &wanted).await;
                written.insert(name.clone(), wanted);
            }
        }
        if failed {
            written.clear();
            sleep(RETRY).await;
            continue;
        }
        tokio::select! {
            Ok(()) = stored.changed() => {}
            Ok(()) = reports.changed() => {}
            else => std::future::pending::<()>().await,
        }
    }
}

/// What is said of a trusted root. Times are whole seconds, as the API server stores them.
fn status(report: &Report, before: &[Condition], now: Timestamp) -> TrustedRootStatus {
    let is_expired = matches!(report.problem, Some(Problem::Expired(_)));
    let in_use = report.in_use.as_ref().filter(|_| !is_expired);
    let has = in_use.map(|in_use| in_use.contents.to_string()).unwrap_or_default();
    let (ready, reason, message) = match &report.problem {
        None => ("True", "Loaded", format!("in use, with {has}")),
        Some(problem @ Problem::Stale(_)) => {
            ("True", problem.reason(), format!("in use, with {has}, but it can't be renewed: {problem}"))
        }
        Some(problem @ Problem::Over(_)) => ("False", problem.reason(), problem.to_string()),
        Some(problem) if in_use.is_some() => {
            ("False", problem.reason(), format!("{problem}. The last good one stays in use, with {has}."))
        }
        Some(problem) => {
            let follows = "Until this is repaired, what needs this root can't be verified (TRUSTED_ROOT_UNAVAILABLE)";
            ("False", problem.reason(), format!("{problem}. {follows}."))
        }
    };
    let time = |time: Option<Timestamp>| time.and_then(|t| Timestamp::from_second(t.as_second()).ok()).map(Time);
    TrustedRootStatus {
        conditions: vec![condition(READY, (ready, reason, message), Some(report.generation), before, now)],
        source: Some(in_use.map_or("none", |in_use| in_use.origin.label()).to_owned()),
        digest: in_use.map(|in_use| in_use.digest.to_string()),
        fetched_at: time(in_use.and_then(|in_use| in_use.fetched)),
        expires_at: time(report.in_use.as_ref().and_then(|in_use| in_use.expires)),
    }
}

async fn write(api: &Api<DynamicObject>, name: &str, status: &TrustedRootStatus) -> bool {
    let TrustedRootStatus { conditions, source, digest, fetched_at, expires_at } = status;
    // What is not said any more is to be gone.
    let patch = json!({ "status": {
        "conditions": conditions,
        "source": source,
        "digest": digest,
        "fetchedAt": fetched_at,
        "expiresAt": expires_at,
    } });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    let problem = match timeout(REQUEST_TIMEOUT, api.patch_status(name, &params, &Patch::Merge(patch))).await {
        Ok(Ok(_)) => return true,
        // Deleted meanwhile.
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => return true,
        Ok(Err(problem)) => problem.to_string(),
        Err(_) => "the API server did not answer in time".into(),
    };
    warn!(root = name, problem, "status of a trusted root not written");
    false
}

#[cfg(test)]
mod tests;
