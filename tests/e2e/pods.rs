//! Pods: refused, admitted and pinned, by a real API server.

use serde_json::{Value, json};

use crate::kubectl::{kubectl, kubectl_with};
use crate::support::registry::Pushed;
use crate::world::{World, pod};

fn pinned(image: &Pushed) -> String {
    format!("{}/{}:v1@{}", image.host, image.repository, image.digest)
}

fn main_image(pod: &Value) -> &str {
    pod["spec"]["containers"][0]["image"].as_str().unwrap()
}

#[test]
fn an_unsigned_pod_is_refused_and_a_signed_one_runs_by_its_digest() {
    let world = World::new("pods");
    world.enforce();
    world.unsigned("app", "unsigned");
    let signed = world.signed("app", "v1");
    let refusal = world.create(&pod("unsigned", &world.image("app:unsigned"))).unwrap_err();
    assert!(refusal.contains("validate.pods.sealgate.dev") && refusal.contains("main"), "{refusal}");
    assert!(refusal.contains(&world.policy_name("ci-images")), "{refusal}");
    let created = world.create(&pod("signed", &world.image("app:v1"))).unwrap();
    assert_eq!(main_image(&created), pinned(&signed));
}

#[test]
fn k8s_02_a_changed_image_is_verified_however_it_is_changed() {
    let world = World::new("update");
    world.enforce();
    world.unsigned("app", "unsigned");
    world.signed("app", "v1");
    let next = world.signed("next", "v1");
    world.create(&pod("app", &world.image("app:v1"))).unwrap();
    let bad = world.image("app:unsigned");
    let edits = |image: &str| {
        let strategic = json!({"spec": {"containers": [{"name": "main", "image": image}]}});
        let json_patch = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": image}]);
        [("strategic", strategic.to_string()), ("json", json_patch.to_string())]
    };
    for (kind, patch) in edits(&bad) {
        let kind = format!("--type={kind}");
        world.kubectl(&["patch", "pod", "app", &kind, "-p", &patch], &Value::Null).expect_err(&patch);
    }
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    world.kubectl(&apply, &pod("app", &bad)).unwrap_err();
    let (_, good) = &edits(&world.image("next:v1"))[0];
    world.kubectl(&["patch", "pod", "app", "--type=strategic", "-p", good], &Value::Null).unwrap();
    let stored: Value =
        serde_json::from_str(&world.kubectl(&["get", "pod", "app", "-o", "json"], &Value::Null).unwrap()).unwrap();
    assert_eq!(main_image(&stored), pinned(&next));
}

#[test]
fn k8s_03_an_unsigned_debug_container_is_refused_and_a_signed_one_pinned() {
    let world = World::new("debug");
    world.enforce();
    world.unsigned("debug", "unsigned");
    world.signed("app", "v1");
    let tool = world.signed("debug", "v1");
    world.create(&pod("app", &world.image("app:v1"))).unwrap();
    let debug = |image: &str, name: &str| {
        let (image, name) = (format!("--image={image}"), format!("--container={name}"));
        world.kubectl(&["debug", "app", &image, &name, "--profile=general", "--attach=false"], &Value::Null)
    };
    let refusal = debug(&world.image("debug:unsigned"), "bad").unwrap_err();
    assert!(refusal.contains("validate.pods.sealgate.dev"), "{refusal}");
    debug(&world.image("debug:v1"), "good").unwrap();
    let stored = world.kubectl(&["get", "pod", "app", "-o", "json"], &Value::Null).unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored["spec"]["ephemeralContainers"].as_array().unwrap().len(), 1);
    assert_eq!(stored["spec"]["ephemeralContainers"][0]["image"], pinned(&tool));
}

#[test]
fn k8s_04_an_unsigned_image_volume_is_refused_and_a_signed_one_pinned() {
    let world = World::new("volume");
    world.enforce();
    world.unsigned("data", "unsigned");
    world.signed("app", "v1");
    let data = world.signed("data", "v1");
    let with_volume = |image: &str| {
        let mut pod = pod("app", &world.image("app:v1"));
        pod["spec"]["volumes"] = json!([{"name": "data", "image": {"reference": image}}]);
        pod
    };
    let refusal = world.dry_run(&with_volume(&world.image("data:unsigned"))).unwrap_err();
    assert!(refusal.contains("data"), "{refusal}");
    let admitted = world.dry_run(&with_volume(&world.image("data:v1"))).unwrap();
    assert_eq!(admitted["spec"]["volumes"][0]["image"]["reference"], pinned(&data));
}

#[test]
fn k8s_10_an_owner_that_is_claimed_excuses_nothing() {
    let world = World::new("owner");
    world.enforce();
    world.signed("app", "v1");
    let owned = |image: &str| {
        let mut pod = pod("app", image);
        pod["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "none", "uid": "0", "controller": true}]);
        pod
    };
    world.dry_run(&owned(&world.image("probe:unsigned"))).unwrap_err();
    world.dry_run(&owned(&world.image("app:v1"))).unwrap();
}

#[test]
fn k8s_13_a_pod_that_is_being_deleted_takes_no_unsigned_image() {
    let world = World::new("deleting");
    world.enforce();
    world.signed("app", "v1");
    world.signed("next", "v1");
    let mut held = pod("app", &world.image("app:v1"));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create(&held).unwrap();
    world.kubectl(&["delete", "pod", "app", "--wait=false"], &Value::Null).unwrap();
    let set = |image: &str| {
        let patch = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": image}]);
        world.kubectl(&["patch", "pod", "app", "--type=json", "-p", &patch.to_string()], &Value::Null)
    };
    set(&world.image("probe:unsigned")).unwrap_err();
    set(&world.image("next:v1")).unwrap();
    let release = json!([{"op": "remove", "path": "/metadata/finalizers"}]);
    world.kubectl(&["patch", "pod", "app", "--type=json", "-p", &release.to_string()], &Value::Null).unwrap();
}

#[test]
fn k8s_16_a_pod_older_than_the_gate_lives_on_unpatched_and_only_what_changes_is_judged() {
    let world = World::new("older");
    world.unsigned("old", "v1");
    let old = world.image("old:v1");
    world.until("the pod is admitted", || world.create(&pod("old", &old)).is_ok());
    world.enforce();
    world.signed("debug", "v1");
    let next = world.signed("next", "v1");
    world.kubectl(&["label", "pod", "old", "team=a"], &Value::Null).unwrap();
    let image = format!("--image={}", world.image("debug:v1"));
    world.kubectl(&["debug", "old", &image, "--profile=general", "--attach=false"], &Value::Null).unwrap();
    let stored = || -> Value {
        serde_json::from_str(&world.kubectl(&["get", "pod", "old", "-o", "json"], &Value::Null).unwrap()).unwrap()
    };
    assert_eq!(main_image(&stored()), old);
    let set = |image: &str| {
        let patch = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": image}]);
        world.kubectl(&["patch", "pod", "old", "--type=json", "-p", &patch.to_string()], &Value::Null)
    };
    set(&world.image("probe:unsigned")).unwrap_err();
    set(&world.image("next:v1")).unwrap();
    assert_eq!(main_image(&stored()), pinned(&next));
}

#[test]
fn adm_04_pods_near_the_limit_of_the_api_server_are_judged() {
    let world = World::new("big");
    world.enforce();
    world.signed("app", "v1");
    world.signed("next", "v1");
    let big = |image: &str| {
        let mut pod = pod("app", image);
        pod["spec"]["containers"][0]["env"] = json!([{"name": "FILL", "value": "<".repeat(1_200_000)}]);
        pod
    };
    // kubectl itself would escape each character and exceed the API server's limit of 3 MiB.
    let path = format!("/api/v1/namespaces/{}/pods", world.namespace());
    let create = |pod: &Value| kubectl_with(&["create", "--raw", &path, "-f", "-"], &pod.to_string());
    let refusal = create(&big(&world.image("probe:unsigned"))).unwrap_err();
    assert!(refusal.contains("validate.pods.sealgate.dev"), "{refusal}");
    create(&big(&world.image("app:v1"))).unwrap();
    let set = |image: &str| {
        let edit = json!([{"op": "replace", "path": "/spec/containers/0/image", "value": image}]);
        world.kubectl(&["patch", "pod", "app", "--type=json", "-p", &edit.to_string()], &Value::Null)
    };
    let refusal = set(&world.image("probe:unsigned")).unwrap_err();
    assert!(refusal.contains("validate.pods.sealgate.dev"), "{refusal}");
    set(&world.image("next:v1")).unwrap();
}

#[test]
fn toc_05_flt_41_without_the_mutating_webhook_a_tag_is_not_admitted_and_a_digest_is() {
    let mut world = World::new("unpinned");
    world.enforce();
    let signed = world.signed("app", "v1");
    // Without its writers, the gate answers all the same.
    let lease = json!({"spec": {"holderIdentity": "somebody-else", "leaseDurationSeconds": 3600, "renewTime": "2050-01-01T00:00:00.000000Z"}});
    let name = world.service();
    kubectl(&["patch", "lease", &name, "-n", &world.release(), "--type=merge", "-p", &lease.to_string()]).unwrap();
    world.until("the leader has stopped", || world.metric("sealgate_leader ") < 0.5);
    let empty = json!({"webhooks": []});
    kubectl(&["patch", "mutatingwebhookconfiguration", &name, "--type=merge", "-p", &empty.to_string()]).unwrap();
    let tagged = pod("app", &world.image("app:v1"));
    world.until("the tag is refused", || {
        world.dry_run(&tagged).is_err_and(|refusal| refusal.contains("arrived without its digest"))
    });
    let by_digest = |image: &Pushed| format!("{}/{}@{}", image.host, image.repository, image.digest);
    world.dry_run(&pod("app", &by_digest(&signed))).unwrap();
    let unsigned = world.unsigned("app", "unsigned");
    world.dry_run(&pod("app", &by_digest(&unsigned))).unwrap_err();
    world.kill();
}
