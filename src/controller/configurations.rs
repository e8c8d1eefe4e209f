//! Fills the two webhook configurations when this replica is ready to answer, and puts them back after foreign changes.

mod keep;
mod step;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::cluster::client::REQUEST_TIMEOUT;
use crate::cluster::webhooks::{Webhooks, reach, render};

use super::{Inputs, Settings};

/// How often readiness is looked at.
const READY_POLL: Duration = Duration::from_millis(250);
/// How soon a failed request is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Goes on for ever.
pub(super) async fn reconcile(settings: &Settings, inputs: &Inputs) {
    let owner = owner(&inputs.client, &settings.namespace).await;
    ready(inputs).await;
    let wanted = watch::Sender::new(None);
    let validating = Api::<ValidatingWebhookConfiguration>::all(inputs.client.clone());
    let mutating = Api::<MutatingWebhookConfiguration>::all(inputs.client.clone());
    tokio::join!(
        keep::keep(&mutating, &settings.names.mutating, &owner, wanted.subscribe(), &inputs.metrics),
        keep::keep(&validating, &settings.names.validating, &owner, wanted.subscribe(), &inputs.metrics),
        want(settings, inputs, &wanted),
    );
}

/// The reference that lets the configurations go with the release's namespace, so that its deletion opens the gate.
async fn owner(client: &Client, namespace: &str) -> OwnerReference {
    let api = Api::<Namespace>::all(client.clone());
    loop {
        let problem = match timeout(REQUEST_TIMEOUT, api.get_metadata(namespace)).await {
            Ok(Ok(found)) => {
                return OwnerReference {
                    api_version: "v1".into(),
                    kind: "Namespace".into(),
                    name: namespace.into(),
                    uid: found.uid().unwrap_or_default(),
                    ..OwnerReference::default()
                };
            }
            Ok(Err(problem)) => problem.to_string(),
            Err(_) => "the API server did not answer in time".into(),
        };
        warn!(namespace, problem, "release namespace not read");
        sleep(RETRY).await;
    }
}

/// Waits until this replica could answer what it asks the API server to send.
async fn ready(inputs: &Inputs) {
    loop {
        let unmet = inputs.health.unmet();
        if unmet.is_empty() {
            return;
        }
        sleep(READY_POLL).await;
    }
}

/// Renders the lists anew whenever policies or authorities change.
async fn want(settings: &Settings, inputs: &Inputs, wanted: &watch::Sender<Option<Arc<Webhooks>>>) {
    let (mut stored, mut ca_bundle) = (inputs.stored.clone(), inputs.ca_bundle.clone());
    loop {
        let bundle = ca_bundle.borrow_and_update().clone();
        stored.mark_unchanged();
        if let (Some(set), Some(bundle)) = (inputs.policies.load(), bundle) {
            let reach = reach(&set, settings.defaults);
            let rendered = render(&inputs.kinds, &settings.webhooks, reach, &bundle);
            wanted.send_if_modified(|wanted| {
                let changed = wanted.as_deref() != Some(&rendered);
                if changed {
                    info!(?reach, "webhooks rendered");
                    *wanted = Some(Arc::new(rendered));
                }
                changed
            });
        }
        tokio::select! {
            Ok(()) = stored.changed() => {}
            Ok(()) = ca_bundle.changed() => {}
            else => std::future::pending().await,
        }
    }
}
