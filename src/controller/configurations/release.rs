//! The release's namespace: it owns the configurations, and opens the gate when it goes.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tracing::warn;

use crate::cluster::watches::Watches;

/// How the namespace stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Release {
    /// It is there: the reference to it.
    Here(OwnerReference),
    /// It is being deleted, and this replica with it.
    Going,
}

/// Watches for ever. What was seen last stays while the API server is away.
pub(super) async fn follow(
    client: &Client,
    watches: &Watches,
    namespace: &str,
    release: &watch::Sender<Option<Release>>,
) {
    let mut events = watches.one(Api::<Namespace>::all(client.clone()), namespace, "release-namespace").boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(Some(found)) => publish(release, read(&found)),
            Ok(None) => warn!(namespace, "the release's namespace is not there"),
            // The watch has said so itself.
            Err(_) => {}
        }
    }
}

/// Reads the object.
pub(super) fn read(namespace: &Namespace) -> Release {
    if namespace.metadata.deletion_timestamp.is_some() {
        return Release::Going;
    }
    Release::Here(OwnerReference {
        api_version: "v1".into(),
        kind: "Namespace".into(),
        name: namespace.name_any(),
        uid: namespace.uid().unwrap_or_default(),
        ..OwnerReference::default()
    })
}

fn publish(release: &watch::Sender<Option<Release>>, next: Release) {
    release.send_if_modified(|release| {
        let changed = release.as_ref() != Some(&next);
        if changed {
            if next == Release::Going {
                warn!("the release's namespace is being deleted: emptying the webhook configurations");
            }
            *release = Some(next);
        }
        changed
    });
}
