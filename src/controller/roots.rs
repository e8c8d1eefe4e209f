//! Status of trusted roots: how those of this replica stand, written only where it has changed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::DynamicObject;
use serde_json::json;
use tokio::time::sleep;
use tracing::warn;

use crate::api::TrustedRootStatus;
use crate::api::status::{READY, condition};
use crate::cluster::FIELD_MANAGER;
use crate::cluster::client::{REQUEST_TIMEOUT, RequestError, request};
use crate::cluster::roots::{StoredRoot, resource};
use crate::trust::{Problem, Report};

use super::{Inputs, STATUS_WRITES};

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
        let due = due(&roots, &told, &mut written);
        if !write_all(&api, due, &mut written).await {
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

/// The status of each root that differs from what is stored and from what was written.
fn due(
    roots: &[StoredRoot],
    told: &[Report],
    written: &mut BTreeMap<String, TrustedRootStatus>,
) -> Vec<(String, TrustedRootStatus)> {
    let mut due = Vec::new();
    for root in roots {
        let name = &root.entry.name;
        // A change that the keeper has not taken in yet is reported when it has.
        let current = |report: &&Report| report.name == *name && report.generation == root.generation;
        let Some(report) = told.iter().find(current) else { continue };
        let before = written.get(name).unwrap_or(&root.status);
        let wanted = status(report, &before.conditions, Timestamp::now());
        if wanted == root.status {
            written.remove(name);
        } else if wanted != *before {
            due.push((name.clone(), wanted));
        }
    }
    due
}

/// Writes some at once; whether all succeeded. Those that are left while the API server is away would wait for it in vain.
async fn write_all(
    api: &Api<DynamicObject>,
    due: Vec<(String, TrustedRootStatus)>,
    written: &mut BTreeMap<String, TrustedRootStatus>,
) -> bool {
    let mut whole = true;
    // All futures are made before: a closure in the stream would borrow for longer than the compiler can tell.
    let writes: Vec<_> = due.into_iter().map(|(name, status)| write(api, name, status)).collect();
    let mut writes = stream::iter(writes).buffer_unordered(STATUS_WRITES);
    while let Some((name, status, answer)) = writes.next().await {
        let Err(error) = answer else {
            written.insert(name, status);
            continue;
        };
        warn!(root = name, problem = %error, "status of a trusted root not written");
        whole = false;
        if error.status().is_none() {
            break;
        }
    }
    whole
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

async fn write(
    api: &Api<DynamicObject>,
    name: String,
    status: TrustedRootStatus,
) -> (String, TrustedRootStatus, Result<(), RequestError>) {
    let TrustedRootStatus { conditions, source, digest, fetched_at, expires_at } = &status;
    // What is not said any more is to be gone.
    let patch = json!({ "status": {
        "conditions": conditions,
        "source": source,
        "digest": digest,
        "fetchedAt": fetched_at,
        "expiresAt": expires_at,
    } });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    let answer = match request(REQUEST_TIMEOUT, api.patch_status(&name, &params, &Patch::Merge(patch))).await {
        // Deleted meanwhile.
        Err(error) if error.status() == Some(404) => Ok(()),
        answer => answer.map(|_| ()),
    };
    (name, status, answer)
}

#[cfg(test)]
mod tests;
