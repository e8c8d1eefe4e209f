//! Opening the gate before an uninstall: the configurations are marked, so that a leader that still runs leaves them
//! alone, and emptied in the same write.

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::FIELD_MANAGER;
use super::client::{REQUEST_TIMEOUT, request};

/// The annotation of a configuration that was removed on purpose: the leader leaves it alone, unless [`INSTALLED`] is there too.
pub const REMOVED: &str = "sealgate.dev/removed";
/// The annotation that installing sets, by Helm or `kubectl apply`, and removing takes away: whoever installs again means it,
/// and finds the gate closed.
pub const INSTALLED: &str = "sealgate.dev/installed";

/// Names of the two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configurations {
    /// Of the `MutatingWebhookConfiguration`.
    pub mutating: String,
    /// Of the `ValidatingWebhookConfiguration`.
    pub validating: String,
}

/// What was found and done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It has no webhooks any more.
    Emptied,
    /// There was none.
    Absent,
}

/// Why the gate could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("webhook configuration {name}: {problem}")]
pub struct RemovalError {
    /// Of the configuration.
    pub name: String,
    /// What the API server said.
    pub problem: String,
}

/// Marks and empties both configurations. May be repeated; what isn't there counts as done. The validating one, which
/// denies, goes first. Both are tried even where one fails.
pub async fn open_the_gate(client: &Client, names: &Configurations) -> Result<[Opened; 2], RemovalError> {
    let validating = Api::<ValidatingWebhookConfiguration>::all(client.clone());
    let mutating = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let validating = empty(&validating, &names.validating).await;
    let mutating = empty(&mutating, &names.mutating).await;
    Ok([validating?, mutating?])
}

async fn empty<K>(api: &Api<K>, name: &str) -> Result<Opened, RemovalError>
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned,
{
    let annotations = json!({ REMOVED: "true", INSTALLED: null });
    let patch = json!({ "metadata": { "annotations": annotations }, "webhooks": [] });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    match request(REQUEST_TIMEOUT, api.patch(name, &params, &Patch::Merge(patch))).await {
        Ok(_) => Ok(Opened::Emptied),
        Err(error) if error.status() == Some(404) => Ok(Opened::Absent),
        Err(error) => Err(RemovalError { name: name.into(), problem: error.to_string() }),
    }
}
