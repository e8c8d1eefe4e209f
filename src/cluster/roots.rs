//! `TrustedRoot`s, watched into memory as they are stored.
//!
//! As with policies, nothing is told before the list is complete, and nothing that was told is taken back because a watch
//! fails.

use std::sync::Arc;

use futures::StreamExt;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use crate::api::{self, RootEntry, TrustedRootStatus};

use super::collection::{Change, Collection, Named};
use super::watches::Watches;

/// A trusted root as it is stored.
#[derive(Clone, Debug)]
pub struct StoredRoot {
    /// `metadata.generation`: changes with the spec only.
    pub generation: i64,
    /// `status` as stored; empty where it can't be read.
    pub status: TrustedRootStatus,
    /// Its name and what it says.
    pub entry: RootEntry,
}

/// The custom resource of `TrustedRoot`.
pub fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk(api::GROUP, api::VERSION, api::TRUSTED_ROOT_KIND);
    ApiResource::from_gvk_with_plural(&kind, "trustedroots")
}

/// Watches for ever, and tells all of them after each change.
pub async fn follow(client: Client, watches: Watches, stored: watch::Sender<Option<Arc<[StoredRoot]>>>) {
    let mut events = watches.all(Api::<DynamicObject>::all_with(client, &resource()), "trusted-roots").boxed();
    let mut collection = Collection::default();
    while let Some(event) = events.next().await {
        // The watch has said what it failed with.
        let Ok(event) = event else { continue };
        if collection.take(Change::from(&event, read)) {
            let all = collection.complete().map(|all| all.values().cloned().collect());
            stored.send_replace(all);
        }
    }
}

/// Never fails: what can't be used says why.
fn read(object: &DynamicObject) -> StoredRoot {
    let status = object.data.get("status").and_then(|status| Deserialize::deserialize(status).ok());
    StoredRoot {
        generation: object.metadata.generation.unwrap_or_default(),
        status: status.unwrap_or_default(),
        entry: api::compile_root(&object.name_any(), object.data.get("spec").unwrap_or(&Value::Null)),
    }
}

impl Named for StoredRoot {
    fn name(&self) -> &str {
        &self.entry.name
    }
}
