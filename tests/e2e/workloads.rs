//! Templates of pods: early feedback, and never a change.

use serde_json::{Value, json};

use crate::world::{World, pod};

fn deployment(image: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "app"}},
            "template": {"metadata": {"labels": {"app": "app"}}, "spec": pod("app", image)["spec"]},
        },
    })
}

#[test]
fn k8s_05_a_deployment_of_an_unsigned_image_is_refused_at_apply_and_a_signed_one_unchanged() {
    let world = World::new("deploy");
    world.enforce();
    world.signed("app", "v1");
    let refusal = world.kubectl(&["apply", "-f", "-"], &deployment(&world.image("probe:unsigned"), 1)).unwrap_err();
    assert!(refusal.contains("validate.workloads.sealgate.dev"), "{refusal}");
    let created = world.create(&deployment(&world.image("app:v1"), 1)).unwrap();
    assert_eq!(created["spec"]["template"]["spec"]["containers"][0]["image"], world.image("app:v1"));
}

#[test]
fn k8s_12_scaling_down_excuses_no_changed_image() {
    let world = World::new("scale");
    world.enforce();
    world.signed("app", "v1");
    world.signed("next", "v1");
    world.create(&deployment(&world.image("app:v1"), 2)).unwrap();
    let apply = |image: &str| world.kubectl(&["apply", "-f", "-"], &deployment(image, 0));
    apply(&world.image("probe:unsigned")).unwrap_err();
    apply(&world.image("next:v1")).unwrap();
}
