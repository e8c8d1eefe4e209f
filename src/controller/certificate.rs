//! Makes and renews the certificate in the chart's Secret.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::cluster::certificates::{Action, explain, load, plan, service_names, store};

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
        let pause = match step(&api, &settings.secret, &names).await {
            Ok(Action::Keep) => PERIOD,
            Ok(action) => {
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

async fn step(api: &Api<Secret>, secret: &str, names: &[String]) -> Result<Action, String> {
    let (stored, version) = load(api, secret).await.map_err(|error| explain(&error))?;
    let now = Timestamp::now();
    let action = plan(&stored, names, now);
    if action != Action::Keep {
        let renewed = stored.apply(action, names, now).map_err(|problem| problem.to_string())?;
        store(api, secret, &renewed, &version).await.map_err(|error| explain(&error))?;
    }
    Ok(action)
}
