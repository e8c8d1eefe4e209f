//! Events on policies (`events.k8s.io/v1`): in the namespace `default`, as those of all cluster-wide objects.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::warn;

use crate::api::{API_VERSION, KIND};
use crate::cluster::client::{REQUEST_TIMEOUT, request};
use crate::cluster::policies::StoredPolicy;

/// Longest text of an event, in bytes; the API takes 1024.
const NOTE_BYTES: usize = 1000;

/// Writes them.
pub(super) struct Events {
    recorder: Recorder,
}

impl Events {
    /// `identity` is this replica.
    pub(super) fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter { controller: "sealgate.dev/controller".into(), instance: Some(identity.into()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Tells of a condition that has changed. One that can't be written is lost: the condition says the same.
    pub(super) async fn publish(&self, policy: &StoredPolicy, condition: &Condition) {
        let event = Event {
            type_: if condition.status == "True" { EventType::Normal } else { EventType::Warning },
            reason: condition.reason.clone(),
            note: Some(note(&condition.message)),
            action: condition.type_.clone(),
            secondary: None,
        };
        let regarding = ObjectReference {
            api_version: Some(API_VERSION.into()),
            kind: Some(KIND.into()),
            name: Some(policy.name.clone()),
            uid: policy.uid.clone(),
            ..ObjectReference::default()
        };
        if let Err(problem) = request(REQUEST_TIMEOUT, self.recorder.publish(&event, &regarding)).await {
            warn!(policy = policy.name, %problem, "event not written");
        }
    }
}

fn note(message: &str) -> String {
    let ascii = message.chars().map(|c| if c.is_ascii() { c } else { '?' });
    ascii.take(NOTE_BYTES).collect()
}
