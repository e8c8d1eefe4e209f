//! Makes and renews the certificate in the chart's Secret, and that Secret where it was deleted.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::cluster::certificates::{Action, Material, explain, load, plan, service_names, store};
use crate::cluster::client::{REQUEST_TIMEOUT, RequestError, request};
use crate::cluster::creation::create_empty;

use super::{Inputs, Settings};

/// How often the plan is made again.
const PERIOD: Duration = Duration::from_secs(10);
/// How soon after a step or a failure.
const SOON: Duration = Duration::from_secs(2);

/// Goes on for ever.
pub(super) async fn reconcile(settings: &Settings, inputs: &Inputs) {
    let api = Api::<Secret>::namespaced(inputs.client.clone(), &settings.namespace);
    let names = service_names(&settings.webhooks.service, &settings.namespace);
    loop {
        let in_use = inputs.certificate.borrow().clone();
        let pause = match step(&api, &settings.secret, &names, in_use.as_deref()).await {
            Ok(Action::Keep) => PERIOD,
            Ok(action) => {
                inputs.certificate_written.notify_one();
                info!(secret = settings.secret, ?action, "certificate renewed");
                SOON
            }
            Err(problem) => {
                warn!(secret = settings.secret, problem, "certificate not renewed");
                SOON
            }
        };
        sleep(pause).await;
    }
}

async fn step(api: &Api<Secret>, secret: &str, names: &[String], in_use: Option<&Material>) -> Result<Action, String> {
    let (stored, version) = load_or_create(api, secret).await?;
    let now = Timestamp::now();
    let action = plan(&stored, names, now);
    if action != Action::Keep {
        let renewed = match action {
            Action::Create(_) => stored.begin_anew(in_use, names, now),
            _ => stored.apply(action, names, now),
        };
        let renewed = renewed.map_err(|problem| problem.to_string())?;
        store(api, secret, &renewed, &version).await.map_err(|error| explain(&error))?;
    }
    Ok(action)
}

/// What the Secret holds. One that was deleted is created again, empty: as long as pods run that have a certificate nobody
/// notices, but the next that starts would have none.
async fn load_or_create(api: &Api<Secret>, secret: &str) -> Result<(Material, String), String> {
    match load(api, secret).await {
        Err(error) if error.status() == Some(404) => {}
        answer => return answer.map_err(|error| explain(&error)),
    }
    request(REQUEST_TIMEOUT, create_empty(api, secret)).await.map_err(|error| not_created(&error))?;
    warn!(secret, "the Secret was deleted: created again");
    load(api, secret).await.map_err(|error| explain(&error))
}

fn not_created(error: &RequestError) -> String {
    match error.status() {
        Some(403) => {
            format!("the Secret is not there and may not be created, until `helm upgrade` gives the right to: {error}")
        }
        _ => format!("the Secret is not there and can't be created: {error}"),
    }
}

#[cfg(test)]
mod tests;
