//! Where images hide, and ways round the webhook.

use sealgate::admission::{Hook, MirrorPods, Settings, Workloads};
use sealgate::policy::Defaults;
use serde_json::{Value, json};

use crate::support::builders::{Review, containers, deployment, pod};

use super::world::{World, digest, pinned, settings};

const SIGNED: &str = "registry.example/signed/app:1";
const UNSIGNED: &str = "registry.example/unsigned/app:1";

/// The pod with a value at a JSON pointer.
fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[key] = value;
    object
}

#[tokio::test]
async fn k8s_01_one_unsigned_image_at_any_place_of_a_list() {
    let world = World::new();
    for list in ["containers", "initContainers"] {
        for unsigned in 0..20 {
            let at = |image| (0..20).map(move |n| (format!("c{n}"), if n == unsigned { image } else { SIGNED }));
            let list_of =
                |image| -> Value { at(image).map(|(name, image)| json!({"name": name, "image": image})).collect() };
            let attacked = with(pod(&[("main", SIGNED)]), &format!("/spec/{list}"), list_of(UNSIGNED));
            let (_, outcome) = world.admit(&Review::create(&attacked)).await;
            outcome.denied("NO_SIGNATURE");
            assert_eq!(outcome.fields, [format!("spec.{list}[{unsigned}].image")]);
            assert!(outcome.message.contains(&format!("container \"c{unsigned}\"")), "{}", outcome.message);
        }
        let twin =
            with(pod(&[("main", SIGNED)]), &format!("/spec/{list}"), containers(&[("c0", SIGNED), ("c1", SIGNED)]));
        let (stored, outcome) = world.admit(&Review::create(&twin)).await;
        outcome.admitted();
        assert_eq!(stored["spec"][list][1]["image"], pinned(SIGNED));
    }
}

#[tokio::test]
async fn k8s_03_a_debug_container_is_judged_alone() {
    let world = World::new();
    let old = pod(&[("main", UNSIGNED)]);
    for (image, signed) in [(UNSIGNED, false), (SIGNED, true)] {
        let new = with(old.clone(), "/spec/ephemeralContainers", containers(&[("debugger", image)]));
        let review = Review::update(&old, &new).with("subResource", "ephemeralcontainers");
        let (stored, outcome) = world.admit(&review).await;
        if signed {
            outcome.admitted();
            assert_eq!(stored["spec"]["ephemeralContainers"][0]["image"], pinned(SIGNED));
            assert_eq!(stored["spec"]["containers"], old["spec"]["containers"]);
        } else {
            outcome.denied("NO_SIGNATURE");
            assert_eq!(outcome.fields, ["spec.ephemeralContainers[0].image"]);
        }
    }
}

#[tokio::test]
async fn k8s_04_an_image_volume_is_an_image() {
    let world = World::new();
    let volume = |reference: Value| {
        let volumes = json!([{"name": "tmp", "emptyDir": {}}, {"name": "model", "image": {"reference": reference}}]);
        Review::create(&with(pod(&[("main", SIGNED)]), "/spec/volumes", volumes))
    };
    let (_, outcome) = world.admit(&volume(json!(UNSIGNED))).await;
    outcome.denied("NO_SIGNATURE");
    assert_eq!(outcome.fields, ["spec.volumes[1].image.reference"]);
    assert!(outcome.message.contains("image volume \"model\""));
    world.admit(&volume(json!(""))).await.1.denied("BAD_REFERENCE");
    world.admit(&volume(Value::Null)).await.1.denied("BAD_REFERENCE");
    let (stored, outcome) = world.admit(&volume(json!(SIGNED))).await;
    outcome.admitted();
    assert_eq!(stored["spec"]["volumes"][1]["image"]["reference"], pinned(SIGNED));

    let blank =
        with(deployment(&[("main", SIGNED)]), "/spec/template/spec/volumes", json!([{"name": "m", "image": {}}]));
    let outcome = world.ask(Hook::ValidateWorkloads, &Review::create(&blank)).await;
    outcome.admitted();
    assert_eq!(outcome.warnings.len(), 1);
}

/// A template of each kind, with its containers at the right place.
fn templates(image: &str) -> Vec<(&'static str, &'static str, Value)> {
    let spec = json!({"containers": [{"name": "main", "image": image}]});
    let template = json!({"template": {"spec": spec}});
    let object = |api: &str, kind: &str, body: Value| json!({"apiVersion": api, "kind": kind, "metadata": {"name": "x", "namespace": "shop"}, "spec": body});
    let mut pod_template = object("v1", "PodTemplate", Value::Null);
    pod_template["template"] = json!({"spec": spec});
    vec![
        ("deployments", "spec.template.spec", object("apps/v1", "Deployment", template.clone())),
        ("statefulsets", "spec.template.spec", object("apps/v1", "StatefulSet", template.clone())),
        ("daemonsets", "spec.template.spec", object("apps/v1", "DaemonSet", template.clone())),
        ("replicasets", "spec.template.spec", object("apps/v1", "ReplicaSet", template.clone())),
        ("replicationcontrollers", "spec.template.spec", object("v1", "ReplicationController", template.clone())),
        ("jobs", "spec.template.spec", object("batch/v1", "Job", template.clone())),
        (
            "cronjobs",
            "spec.jobTemplate.spec.template.spec",
            object("batch/v1", "CronJob", json!({"jobTemplate": {"spec": template}})),
        ),
        ("podtemplates", "template.spec", pod_template),
    ]
}

#[tokio::test]
async fn k8s_05_templates_are_refused_or_warned_about_by_setting() {
    for workloads in [Workloads::Deny, Workloads::Warn, Workloads::Ignore] {
        let world = World::with(Settings { workloads, ..settings() }, Defaults::default());
        for (_, path, object) in templates(UNSIGNED) {
            let outcome = world.ask(Hook::ValidateWorkloads, &Review::create(&object)).await;
            match workloads {
                Workloads::Deny => {
                    outcome.denied("NO_SIGNATURE");
                    assert_eq!(outcome.fields, [format!("{path}.containers[0].image")]);
                }
                Workloads::Warn => assert_eq!(outcome.admitted().warnings.len(), 1),
                Workloads::Ignore => assert!(outcome.admitted().warnings.is_empty()),
            }
        }
        for (_, _, object) in templates(SIGNED) {
            let outcome = world.ask(Hook::ValidateWorkloads, &Review::create(&object)).await;
            assert!(outcome.admitted().warnings.is_empty() && outcome.patch.is_none());
        }
        let asked = world.calls();
        assert_eq!(asked == 0, workloads == Workloads::Ignore);
    }
}

#[tokio::test]
async fn k8s_05_what_could_not_be_found_out_only_warns_of_a_template() {
    let world = World::new();
    let outcome =
        world.ask(Hook::ValidateWorkloads, &Review::create(&deployment(&[("a", "r.example/down/a:1")]))).await;
    assert!(outcome.admitted().warnings[0].contains("REGISTRY_UNREACHABLE"), "{:?}", outcome.warnings);
    world.validate(&Review::create(&pod(&[("a", "r.example/down/a:1")]))).await.denied("REGISTRY_UNREACHABLE");
}

#[tokio::test]
async fn k8s_06_a_pod_of_any_custom_kind_is_a_pod() {
    let world = World::new();
    for (kind, api) in
        [("Workflow", "argoproj.io/v1alpha1"), ("TaskRun", "tekton.dev/v1"), ("JobSet", "jobset.x-k8s.io/v1alpha2")]
    {
        let owner = json!([{"apiVersion": api, "kind": kind, "name": "x", "uid": "1", "controller": true}]);
        let pod_of = |image| with(pod(&[("main", image)]), "/metadata/ownerReferences", owner.clone());
        world.admit(&Review::create(&pod_of(UNSIGNED))).await.1.denied("NO_SIGNATURE");
        world.admit(&Review::create(&pod_of(SIGNED))).await.1.admitted();
    }
}

#[tokio::test]
async fn k8s_07_a_pod_without_a_name_yet() {
    let world = World::new();
    let generated = |image| {
        let object = with(pod(&[("main", image)]), "/metadata", json!({"generateName": "web-"}));
        Review::create(&object).with("name", "")
    };
    let (_, outcome) = world.admit(&generated(UNSIGNED)).await;
    outcome.denied("NO_SIGNATURE");
    assert!(!outcome.message.contains("web-"), "a generated name keeps events from aggregating: {}", outcome.message);
    world.admit(&generated(SIGNED)).await.1.admitted();
}

fn mirror(image: &str) -> Review {
    let mut object = pod(&[("main", image)]);
    object["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "abc"});
    object["spec"]["nodeName"] = json!("node-1");
    let user = json!({"username": "system:node:node-1", "groups": ["system:nodes", "system:authenticated"]});
    Review::create(&object).with("userInfo", user)
}

#[tokio::test]
async fn k8s_08_a_mirror_pod_is_never_patched_and_judged_by_setting() {
    for mirror_pods in [MirrorPods::Warn, MirrorPods::Deny] {
        let world = World::with(Settings { mirror_pods, ..settings() }, Defaults::default());
        let (stored, outcome) = world.admit(&mirror(UNSIGNED)).await;
        assert_eq!(stored["spec"]["containers"][0]["image"], UNSIGNED);
        if mirror_pods == MirrorPods::Warn {
            assert!(outcome.admitted().warnings[0].contains("NO_SIGNATURE"));
        } else {
            outcome.denied("NO_SIGNATURE");
        }
        assert!(world.metrics.render().contains("code=\"NO_SIGNATURE\""));
        let (stored, outcome) = world.admit(&mirror(SIGNED)).await;
        assert_eq!(stored["spec"]["containers"][0]["image"], SIGNED, "and a signed one is not NOT_PINNED");
        assert!(outcome.admitted().warnings.is_empty());
    }
}

#[tokio::test]
async fn k8s_09_the_mirror_annotation_of_anyone_else_means_nothing() {
    let world = World::new();
    let users = [
        json!({"username": "ada", "groups": ["system:nodes"]}),
        json!({"username": "system:node:node-2", "groups": ["system:nodes"]}),
        json!({"username": "system:node:node-1", "groups": ["developers"]}),
        json!({"username": "system:node:", "groups": ["system:nodes"]}),
    ];
    for user in users {
        world.admit(&mirror(UNSIGNED).with("userInfo", user.clone())).await.1.denied("NO_SIGNATURE");
        let (stored, outcome) = world.admit(&mirror(SIGNED).with("userInfo", user)).await;
        outcome.admitted();
        assert_eq!(stored["spec"]["containers"][0]["image"], pinned(SIGNED));
    }
    let mut unbound = mirror(UNSIGNED).0;
    unbound["request"]["object"]["spec"]["nodeName"] = json!("");
    unbound["request"]["userInfo"]["username"] = json!("system:node:");
    world.admit(&Review(unbound)).await.1.denied("NO_SIGNATURE");
}

#[tokio::test]
async fn k8s_10_owners_excuse_nothing() {
    let world = World::new();
    for owner in ["Deployment", "ReplicaSet", "Node"] {
        let owners =
            json!([{"apiVersion": "apps/v1", "kind": owner, "name": "made-up", "uid": "1", "controller": true}]);
        let owned = |image| with(pod(&[("main", image)]), "/metadata/ownerReferences", owners.clone());
        world.admit(&Review::create(&owned(UNSIGNED))).await.1.denied("NO_SIGNATURE");
        world.admit(&Review::create(&owned(SIGNED))).await.1.admitted();
    }
}

#[tokio::test]
async fn k8s_11_blank_missing_and_too_many_images() {
    let world = World::new();
    for image in [
        json!({"name": "c", "image": ""}),
        json!({"name": "c"}),
        json!({"name": "c", "image": null}),
        json!({"name": "c", "image": " "}),
    ] {
        let object = with(pod(&[]), "/spec/containers", json!([image]));
        world.admit(&Review::create(&object)).await.1.denied("BAD_REFERENCE");
        let template = with(deployment(&[]), "/spec/template/spec/containers", json!([image]));
        let outcome = world.ask(Hook::ValidateWorkloads, &Review::create(&template)).await;
        assert_eq!(outcome.admitted().warnings.len(), 1);
    }
    for spec in [json!({"containers": []}), json!({"containers": null}), Value::Null, json!({})] {
        let review = Review::create(&with(pod(&[]), "/spec", spec));
        assert!(world.ask(Hook::Mutate, &review).await.patch.is_none());
        world.validate(&review).await.admitted();
    }
    let many = |images: usize| {
        let list: Value = (0..500)
            .map(|n| json!({"name": format!("c{n}"), "image": format!("r.example/signed/app:{}", n % images)}))
            .collect();
        Review::create(&with(pod(&[]), "/spec/containers", list))
    };
    let (_, outcome) = world.admit(&many(500)).await;
    outcome.denied("TOO_MANY_IMAGES");
    assert_eq!(outcome.codes.len(), 1, "one reason for the whole object: {:?}", outcome.codes);
    let (stored, outcome) = world.admit(&many(64)).await;
    outcome.admitted();
    assert_eq!(stored["spec"]["containers"][499]["image"], pinned("r.example/signed/app:51"));
}

#[tokio::test]
async fn k8s_11_more_than_a_thousand_image_fields_are_refused_unread() {
    let world = World::new();
    let spec = |each: usize| {
        let list = |kind: &str| -> Value {
            (0..each).map(|n| json!({"name": format!("{kind}{n}"), "image": "r.example/signed/app:1"})).collect()
        };
        json!({"containers": list("c"), "initContainers": list("i"), "volumes": [{"name": "data", "emptyDir": {}}]})
    };
    let of_pod = |each| with(pod(&[]), "/spec", spec(each));
    let of_template = |each| with(deployment(&[]), "/spec/template/spec", spec(each));
    for (hook, review) in [
        (Hook::Mutate, Review::create(&of_pod(501))),
        (Hook::ValidatePods, Review::create(&of_pod(501))),
        (Hook::ValidateWorkloads, Review::create(&of_template(501))),
        (Hook::ValidateWorkloads, Review::update(&of_template(500), &of_template(501))),
    ] {
        world.ask(hook, &review).await.denied("TOO_MANY_IMAGES");
    }
    assert_eq!(world.calls(), 0);
    world.admit(&Review::create(&of_pod(500))).await.1.admitted();
    world.ask(Hook::ValidateWorkloads, &Review::create(&of_template(500))).await.admitted();
    // Whoever takes a finalizer from a template that has always been so is not to blame.
    let unchanged = Review::update(&of_template(501), &of_template(501));
    assert_eq!(world.ask(Hook::ValidateWorkloads, &unchanged).await.admitted().warnings.len(), 1);
}

#[tokio::test]
async fn k8s_20_auto_is_a_placeholder_in_a_template_and_an_image_in_a_pod() {
    let world = World::new();
    let outcome = world.ask(Hook::ValidateWorkloads, &Review::create(&deployment(&[("istio-proxy", "auto")]))).await;
    assert_eq!(outcome.admitted().warnings.len(), 1);
    world.validate(&Review::create(&pod(&[("istio-proxy", "auto")]))).await.denied("NO_SIGNATURE");
    world.admit(&Review::create(&pod(&[("istio-proxy", SIGNED)]))).await.1.admitted();
}

#[tokio::test]
async fn k8s_21_unknown_image_fields_are_counted() {
    let world = World::new();
    let mut object = pod(&[("main", SIGNED)]);
    object["spec"]["sidecars"] = json!([{"image": UNSIGNED}]);
    object["spec"]["containers"][0]["checkpoint"] = json!({"reference": UNSIGNED});
    object["spec"]["volumes"] = json!([{"name": "ceph", "rbd": {"image": "disk", "monitors": []}}]);
    world.admit(&Review::create(&object)).await.1.admitted();
    assert!(world.metrics.render().contains("sealgate_unknown_image_fields_total 2"), "{}", world.metrics.render());
    let known = World::new();
    known.admit(&Review::create(&pod(&[("main", SIGNED)]))).await.1.admitted();
    assert!(known.metrics.render().contains("sealgate_unknown_image_fields_total 0"));
}

#[tokio::test]
async fn k8s_22_no_guessing_about_platforms() {
    let world = World::new();
    for (key, value) in [
        ("os", json!({"name": "windows"})),
        ("runtimeClassName", json!("gvisor")),
        ("nodeSelector", json!({"kubernetes.io/arch": "arm64"})),
    ] {
        let on = |image| Review::create(&with(pod(&[("main", image)]), &format!("/spec/{key}"), value.clone()));
        world.admit(&on(UNSIGNED)).await.1.denied("NO_SIGNATURE");
        world.admit(&on(SIGNED)).await.1.admitted();
    }
}

#[tokio::test]
async fn k8s_15_an_image_that_a_later_webhook_puts_in_is_judged() {
    let world = World::new();
    let review = Review::create(&pod(&[("main", SIGNED)]));
    let injected = |image: &str| {
        let mut object = pod(&[("main", &pinned(SIGNED))]);
        object["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "sidecar", "image": image}));
        review.clone().object(object)
    };
    world.validate(&injected(UNSIGNED)).await.denied("NO_SIGNATURE");
    // Reinvoked, the first webhook pins what the later one put in.
    let (stored, outcome) = world.admit(&injected(SIGNED)).await;
    outcome.admitted();
    assert_eq!(stored["spec"]["containers"][1]["image"], pinned(SIGNED));
}

#[tokio::test]
async fn k8s_19_what_is_stored_names_the_digest_whatever_the_pull_policy() {
    let world = World::new();
    for policy in ["Never", "IfNotPresent", "Always"] {
        let cached = |image| with(pod(&[("main", image)]), "/spec/containers/0/imagePullPolicy", json!(policy));
        let (stored, outcome) = world.admit(&Review::create(&cached(SIGNED))).await;
        outcome.admitted();
        assert_eq!(stored["spec"]["containers"][0]["image"], pinned(SIGNED));
        world.admit(&Review::create(&cached(UNSIGNED))).await.1.denied("NO_SIGNATURE");
    }
}

#[tokio::test]
async fn toc_05_flt_41_a_signed_tag_that_arrives_unpinned_is_refused() {
    let world = World::new();
    let outcome = world.validate(&Review::create(&pod(&[("main", SIGNED)]))).await;
    outcome.denied("NOT_PINNED");
    assert!(outcome.message.contains("try again") && outcome.message.contains(&digest(SIGNED).to_string()));
    world.validate(&Review::create(&pod(&[("main", UNSIGNED)]))).await.denied("NO_SIGNATURE");
    world.validate(&Review::create(&pod(&[("main", &pinned(SIGNED))]))).await.admitted();
}

#[tokio::test]
async fn flt_41_without_the_mutating_webhook_only_digests_run() {
    let world = World::new();
    world.validate(&Review::create(&pod(&[("main", SIGNED)]))).await.denied("NOT_PINNED");
    world.validate(&Review::create(&pod(&[("main", &pinned(UNSIGNED))]))).await.denied("NO_SIGNATURE");
    world.validate(&Review::create(&pod(&[("main", &pinned(SIGNED))]))).await.admitted();
}

#[tokio::test]
async fn toc_08_annotations_and_labels_of_a_pod_decide_nothing() {
    let world = World::new();
    let marks = json!({
        "sealgate.dev/verified": "true",
        "sealgate.dev/removed": "true",
        "kyverno.io/verify-images": "{\"registry.example/unsigned/app:1\":\"pass\"}",
        "policy.sigstore.dev/include": "false",
        "policies.kyverno.io/exclude": "true",
    });
    for place in ["annotations", "labels"] {
        let marked = |image| with(pod(&[("main", image)]), &format!("/metadata/{place}"), marks.clone());
        world.admit(&Review::create(&marked(UNSIGNED))).await.1.denied("NO_SIGNATURE");
        world.admit(&Review::create(&marked(SIGNED))).await.1.admitted();
    }
}
