//! Targets that a role below `targets` signs.

use serde_json::{Value, json};

use super::outages::cached;
use super::*;
use crate::support::registry::Answer;
use crate::support::tuf::{FAR, Signer, envelope, pin, signed};

/// The mirror publishes a second version, in which a role signs the target that expires then; the roots it has stay.
fn delegate(world: &World, expires: &str) {
    let key = Signer::ed25519("delegate");
    let mut child = signed("targets", 1);
    child["expires"] = json!(expires);
    child["targets"] = json!({"trusted_root.json": {
        "length": old().len(),
        "hashes": {"sha256": fingerprint(old()).to_string().replace("sha256:", "")},
    }});
    let child = envelope(&child, &[&key]);
    let delegations = json!({
        "keys": {&key.id: key.json()},
        "roles": [{"name": "child", "keyids": [key.id], "threshold": 1, "paths": ["*"], "terminating": false}],
    });
    publish(world, &delegations, &[("child", child)]);
}

/// The mirror publishes a second version, which has no target itself and delegates to these roles.
pub(super) fn publish(world: &World, delegations: &Value, roles: &[(&str, Vec<u8>)]) {
    let online = &world.repository.online;
    let mut targets = signed("targets", 2);
    targets["targets"] = json!({});
    targets["delegations"] = delegations.clone();
    let targets = envelope(&targets, &world.repository.offline.iter().collect::<Vec<_>>());
    let mut snapshot = signed("snapshot", 2);
    snapshot["meta"] = json!({"targets.json": pin(&targets, 2)});
    for (name, file) in roles {
        snapshot["meta"][format!("{name}.json")] = pin(file, 1);
        world.mirror.put(&format!("1.{name}.json"), file.clone());
    }
    let snapshot = envelope(&snapshot, &[online]);
    let mut timestamp = signed("timestamp", 2);
    timestamp["meta"] = json!({"snapshot.json": pin(&snapshot, 2)});
    world.mirror.put("timestamp.json", envelope(&timestamp, &[online]));
    world.mirror.put("2.snapshot.json", snapshot);
    world.mirror.put("2.targets.json", targets);
}

#[tokio::test]
async fn tuf_10_what_a_delegated_role_signs_ends_with_that_role() {
    for expires in ["2026-11-02T00:00:00Z", FAR] {
        let mut world = World::new().await;
        delegate(&world, expires);
        let report = world.refresh().await;
        assert_eq!((report.problem, world.in_use()), (None, Ok("old")));
        let end: Timestamp = expires.parse().unwrap();
        assert_eq!(world.metric("trusted_root_expiry_timestamp_seconds"), Some(end.as_second()));
        let report = world.after(36).await;
        assert_eq!(report.problem.is_some(), expires != FAR);
    }
}

#[tokio::test]
async fn tuf_11_what_a_delegated_role_signs_is_restored_from_the_copy() {
    for edited in [false, true] {
        let folder = Folder::new(if edited { "delegated-edited" } else { "delegated" });
        let mut first = World::with(TufRepository::new(old()), cached(&folder)).await;
        delegate(&first, FAR);
        assert_eq!(first.refresh().await.problem, None);
        if edited {
            let path = folder.0.join("own.json");
            let mut kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            kept["child.json"] = json!("{}");
            std::fs::write(&path, kept.to_string()).unwrap();
        }
        let mut second = World::with(TufRepository::new(old()), cached(&folder)).await;
        second.mirror.server.answer("", Answer::hang_up());
        let source = first.source.clone();
        drop(first);
        second.take(Ok(RootSource::Tuf(source))).await;
        assert_eq!(second.in_use().is_ok(), !edited, "{:?}", second.in_use());
    }
}
