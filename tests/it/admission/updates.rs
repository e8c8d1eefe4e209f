//! What an UPDATE judges: what it has changed, and nothing else.

use serde_json::{Value, json};

use crate::support::builders::{Review, containers, pod};

use super::world::{World, digest, pinned};

const SIGNED: &str = "registry.example/signed/app:1";
const OTHER: &str = "registry.example/signed/app:2";
const UNSIGNED: &str = "registry.example/unsigned/app:1";

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object["metadata"][key] = value;
    object
}

#[tokio::test]
async fn k8s_02_a_running_pods_image_is_changed() {
    let world = World::new();
    let old = pod(&[("main", &pinned(SIGNED))]);
    world.admit(&Review::update(&old, &pod(&[("main", UNSIGNED)]))).await.1.denied("NO_SIGNATURE");
    let (stored, outcome) = world.admit(&Review::update(&old, &pod(&[("main", OTHER)]))).await;
    outcome.admitted();
    assert_eq!(stored["spec"]["containers"][0]["image"], pinned(OTHER));
}

#[tokio::test]
async fn k8s_12_scaling_down_excuses_no_change() {
    let world = World::new();
    let scaled = |image: &str, replicas: u32| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": containers(&[("main", image)])}}},
        })
    };
    for replicas in [0, 1] {
        let hook = sealgate::admission::Hook::ValidateWorkloads;
        let attacked = Review::update(&scaled(SIGNED, 3), &scaled(UNSIGNED, replicas));
        world.ask(hook, &attacked).await.denied("NO_SIGNATURE");
        world.ask(hook, &Review::update(&scaled(SIGNED, 3), &scaled(OTHER, replicas))).await.admitted();
        world.ask(hook, &Review::update(&scaled(UNSIGNED, 3), &scaled(UNSIGNED, replicas))).await.admitted();
    }
}

#[tokio::test]
async fn k8s_13_a_pod_that_is_being_deleted_may_not_change_its_image() {
    let world = World::new();
    let old = with(pod(&[("main", &pinned(SIGNED))]), "deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    let changed = |image| with(pod(&[("main", image)]), "deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    world.admit(&Review::update(&old, &changed(UNSIGNED))).await.1.denied("NO_SIGNATURE");
    world.admit(&Review::update(&old, &changed(OTHER))).await.1.admitted();
}

#[tokio::test]
async fn k8s_14_an_update_that_changes_no_image_asks_nobody() {
    let world = World::new();
    let old = with(pod(&[("main", UNSIGNED)]), "finalizers", json!(["a/b"]));
    for new in [
        with(old.clone(), "finalizers", json!([])),
        with(old.clone(), "labels", json!({"x": "y"})),
        with(old.clone(), "ownerReferences", json!([])),
        with(old.clone(), "deletionTimestamp", json!("2026-01-01T00:00:00Z")),
    ] {
        let (stored, outcome) = world.admit(&Review::update(&old, &new)).await;
        outcome.admitted();
        assert_eq!(stored, new);
    }
    world.validate(&Review::delete(&old)).await.admitted();
    assert_eq!(world.calls(), 0);
    world.admit(&Review::create(&old)).await.1.denied("NO_SIGNATURE");
}

#[tokio::test]
async fn k8s_16_a_pod_older_than_the_gate() {
    let world = World::new();
    let old = pod(&[("main", UNSIGNED), ("side", UNSIGNED)]);
    let changed = |image: &str| Review::update(&old, &pod(&[("main", UNSIGNED), ("side", image)]));
    let (_, outcome) = world.admit(&changed("registry.example/unsigned/app:2")).await;
    outcome.denied("NO_SIGNATURE");
    assert_eq!(outcome.fields, ["spec.containers[1].image"]);
    let (stored, outcome) = world.admit(&changed(SIGNED)).await;
    outcome.admitted();
    assert_eq!(stored["spec"]["containers"], containers(&[("main", UNSIGNED), ("side", &pinned(SIGNED))]));
}

#[tokio::test]
async fn k8s_16_the_tag_of_the_old_pinned_value_means_the_old_digest() {
    let world = World::new();
    let running = format!("{SIGNED}@{}", digest(OTHER));
    let old = pod(&[("main", &running)]);
    let (stored, outcome) = world.admit(&Review::update(&old, &pod(&[("main", SIGNED)]))).await;
    outcome.admitted();
    assert_eq!(stored["spec"]["containers"][0]["image"], running, "not what the tag names today");
    // The old digest is verified as any other.
    let unsigned = pod(&[("main", &pinned(UNSIGNED))]);
    world.admit(&Review::update(&unsigned, &pod(&[("main", UNSIGNED)]))).await.1.denied("NO_SIGNATURE");
    // Unpatched, it is still not pinned.
    world.validate(&Review::update(&old, &pod(&[("main", SIGNED)]))).await.denied("NOT_PINNED");
}

#[tokio::test]
async fn adm_11_an_old_object_excuses_only_the_same_field() {
    let world = World::new();
    let excuses = |old: &Value, new: &Value| Review::update(old, new);
    let new = pod(&[("main", UNSIGNED)]);
    // The same image under another name, in another list, twice, or in an old object that is not there.
    let elsewhere = pod(&[("other", UNSIGNED)]);
    world.admit(&excuses(&elsewhere, &new)).await.1.denied("NO_SIGNATURE");
    let mut init = pod(&[]);
    init["spec"]["initContainers"] = containers(&[("main", UNSIGNED)]);
    world.admit(&excuses(&init, &new)).await.1.denied("NO_SIGNATURE");
    let twice = pod(&[("main", UNSIGNED), ("main", SIGNED)]);
    world.admit(&excuses(&twice, &new)).await.1.denied("NO_SIGNATURE");
    world.admit(&excuses(&Value::Null, &new)).await.1.denied("NO_SIGNATURE");
    // A CREATE has no past.
    world.admit(&Review::create(&new).with("oldObject", new.clone())).await.1.denied("NO_SIGNATURE");
    world.admit(&excuses(&new, &new)).await.1.admitted();
}
