//! The AdmissionReview protocol: what is read, what is refused, and what every answer looks like.

use std::time::Duration;

use proptest::prelude::*;
use sealgate::admission::{Hook, Reviewer};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::builders::{Review, deployment, pod};

use super::world::{World, pinned};

const SIGNED: &str = "registry.example/signed/app:1";
const UNSIGNED: &str = "registry.example/unsigned/app:1";

/// Posts bytes, and takes the HTTP status and the answer, which must not allow anything.
async fn refused(world: &World, body: impl Into<Vec<u8>>) -> (u16, Value) {
    let deadline = Instant::now() + Duration::from_secs(5);
    let answer = world.admission.review(Hook::ValidatePods, body.into(), deadline).await;
    let review: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    assert_ne!(review["response"]["allowed"], true);
    (answer.status, review)
}

#[tokio::test]
async fn adm_01_what_is_no_review_is_refused() {
    let world = World::new();
    let review = Review::create(&pod(&[("main", &pinned(SIGNED))]));
    world.validate(&review).await.admitted();
    world.validate(&review.clone().with("uid", "u".repeat(255))).await.admitted();
    for uid in [Value::Null, json!(""), json!("u".repeat(256)), json!("a\nb"), json!(7)] {
        let (status, answer) = refused(&world, review.clone().with("uid", uid).bytes()).await;
        assert_eq!((status, answer), (400, Value::Null));
    }
    for (field, value) in [("apiVersion", "admission.k8s.io/v1beta1"), ("apiVersion", ""), ("kind", "Pod")] {
        let mut other = review.clone();
        other.0[field] = json!(value);
        let (status, answer) = refused(&world, other.bytes()).await;
        assert_eq!(status, 400);
        assert_eq!(answer["response"]["uid"], review.0["request"]["uid"], "the uid is echoed");
    }
    for body in ["", " ", "null", "[]", "{}", "{", "\"x\"", "1", "{\"kind\":\"AdmissionReview\"}"] {
        assert_eq!(refused(&world, body).await.0, 400, "{body}");
    }
    assert_eq!(refused(&world, [review.bytes(), b"{}".to_vec()].concat()).await.0, 400, "something behind it");
}

#[tokio::test]
async fn adm_02_null_requests_and_objects() {
    let world = World::new();
    let good = pod(&[("main", &pinned(SIGNED))]);
    let mut null = Review::create(&good);
    null.0["request"] = Value::Null;
    assert_eq!(refused(&world, null.bytes()).await.0, 400);
    for operation in ["CREATE", "UPDATE"] {
        let empty = Review::create(&good).with("operation", operation).object(Value::Null);
        world.validate(&empty).await.denied("MALFORMED_OBJECT");
    }
    world.validate(&Review::create(&good).with("operation", "CONNECT")).await.denied("MALFORMED_OBJECT");
    assert_eq!(refused(&world, Review::create(&good).with("operation", "PATCH").bytes()).await.0, 400);
    world.validate(&Review::delete(&pod(&[("main", UNSIGNED)]))).await.admitted();
    world.validate(&Review::create(&good)).await.admitted();
}

#[tokio::test]
async fn adm_03_a_patch_comes_from_the_mutating_webhook_alone() {
    // `Outcome::read` holds every answer of every test in this folder to the rules.
    let world = World::new();
    let review = Review::create(&pod(&[("main", SIGNED)]));
    assert!(world.ask(Hook::Mutate, &review).await.patch.is_some());
    assert!(world.validate(&review).await.patch.is_none());
    assert!(world.ask(Hook::ValidateWorkloads, &Review::create(&deployment(&[("a", SIGNED)]))).await.patch.is_none());
}

#[tokio::test]
async fn adm_06_what_is_no_pod_is_never_admitted() {
    let world = World::new();
    let pod_with = |pointer: &str, value: Value| {
        let mut object = pod(&[("main", &pinned(SIGNED))]);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[key] = value;
        Review::create(&object)
    };
    let wrong = [
        ("/spec/containers", json!({})),
        ("/spec/containers", json!("x")),
        ("/spec/containers", json!([1])),
        ("/spec/containers", json!([{"name": "a", "image": ["x"]}])),
        ("/spec/containers", json!([{"name": "a", "image": {"x": 1}}])),
        ("/spec/initContainers", json!(true)),
        ("/spec/ephemeralContainers", json!(1)),
        ("/spec/volumes", json!([{"name": "a", "image": "x"}])),
        ("/spec", json!([])),
        ("/metadata", json!("x")),
    ];
    for (pointer, value) in wrong {
        for hook in [Hook::Mutate, Hook::ValidatePods] {
            world.ask(hook, &pod_with(pointer, value.clone())).await.denied("MALFORMED_OBJECT");
        }
    }
    world.validate(&Review::create(&json!({"msg": "Expecting a Pod?"}))).await.denied("MALFORMED_OBJECT");
    world.validate(&pod_with("/spec/volumes", json!([{"name": "a", "emptyDir": {}}]))).await.admitted();
}

#[tokio::test]
async fn adm_06_an_unknown_kind_is_refused_where_it_counts() {
    let world = World::new();
    for hook in [Hook::Mutate, Hook::ValidatePods] {
        world.ask(hook, &Review::create(&deployment(&[("a", SIGNED)]))).await.denied("UNKNOWN_KIND");
        let status = Review::create(&pod(&[("a", &pinned(SIGNED))])).with("subResource", "status");
        world.ask(hook, &status).await.denied("UNKNOWN_KIND");
        let disguised = Review::create(&pod(&[("a", &pinned(SIGNED))])).object(deployment(&[("a", UNSIGNED)]));
        world.ask(hook, &disguised).await.denied("MALFORMED_OBJECT");
    }
    let set = json!({"apiVersion": "apps/v1", "kind": "Carousel", "metadata": {}, "spec": {}});
    world.ask(Hook::ValidateWorkloads, &Review::create(&set)).await.denied("UNKNOWN_KIND");
    world.validate(&Review::create(&pod(&[("a", &pinned(SIGNED))]))).await.admitted();
}

#[tokio::test]
async fn adm_07_what_two_readers_read_differently_is_refused() {
    let world = World::new();
    let good = String::from_utf8(Review::create(&pod(&[("main", &pinned(SIGNED))])).bytes()).unwrap();
    let image = format!("\"image\":\"{}\"", pinned(SIGNED));
    assert!(good.contains(&image));
    let post = async |body: String| {
        let deadline = Instant::now() + Duration::from_secs(5);
        let answer = world.admission.review(Hook::ValidatePods, body.into_bytes(), deadline).await;
        let review: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer.status, review["response"]["allowed"] == true)
    };
    assert_eq!(post(good.clone()).await, (200, true));
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let attacks = [
        good.replace(&image, &format!("{image},\"image\":\"{UNSIGNED}\"")),
        good.replace(&image, &format!("{image},\"Image\":\"{UNSIGNED}\"")),
        good.replace(&image, &format!("\"IMAGE\":\"{UNSIGNED}\"")),
        good.replace("\"spec\":", "\"Spec\":"),
        good.replace("\"containers\":", "\"initcontainers\":"),
        good.replace("\"spec\":", "\"spec\":{},\"spec\":"),
        good.replace("\"object\":", "\"Object\":null,\"object\":"),
        good.replace("\"uid\":", "\"uid\":\"x\",\"uid\":"),
        good.replace(&image, &format!("{image},\"env\":[{{\"a\":1,\"a\":2}}]")),
        good.replace(&image, &format!("{image},\"env\":{}", deep(200))),
        good.replace(&image, &format!("{image},\"env\":\"\\ud800\"")),
        good.replace(&image, "\"image\":\"\\ud800\""),
        good.replace("\"options\":", &format!("\"x\":{},\"options\":", deep(100_000))),
    ];
    for attack in attacks {
        assert_ne!(attack, good, "the attack changes something");
        let (status, allowed) = post(attack.clone()).await;
        assert!(!allowed && matches!(status, 200 | 400), "{attack}");
    }
    let twins = [
        good.replace(&image, &format!("{image},\"env\":{}", deep(20))),
        good.replace("\"metadata\":{", "\"metadata\":{\"labels\":{\"Image\":\"a\",\"image\":\"b\",\"spec\":\"c\"},"),
        good.replace("\"metadata\":{", "\"metadata\":{\"annotations\":{\"KUBERNETES.io/config.mirror\":\"a\"},"),
        good.replace(&image, &format!("{image},\"env\":[{{\"name\":\"\\ud83d\\ude00\"}}]")),
    ];
    for twin in twins {
        assert_eq!(post(twin.clone()).await, (200, true), "{twin}");
    }
}

#[tokio::test]
async fn adm_08_the_patched_object_is_the_expected_one() {
    let world = World::new();
    let names = ["a/b", "~", "~1", "ü", "c"];
    let images: Vec<_> = (0..500).map(|n| format!("r.example/signed/{n}:v1")).collect();
    let object = |image: &dyn Fn(usize) -> String| {
        let list: Value = (0..500).map(|n| json!({"name": names[n % 5], "image": image(n % 60), "a/b~c": n})).collect();
        let mut object = pod(&[]);
        object["spec"]["containers"] = list;
        object["spec"]["volumes"] = json!([{"name": "x/~y", "image": {"reference": image(61)}}]);
        object
    };
    let (stored, outcome) = world.admit(&Review::create(&object(&|n| images[n].clone()))).await;
    outcome.admitted();
    assert_eq!(stored, object(&|n| pinned(&images[n])));
    let again = world.ask(Hook::Mutate, &Review::create(&stored)).await;
    assert!(again.patch.is_none(), "pinning twice changes nothing");
}

#[tokio::test]
async fn adm_09_a_dry_run_gets_the_same_verdict() {
    let world = World::new();
    for image in [SIGNED, UNSIGNED] {
        let review = Review::create(&pod(&[("main", image)]));
        let (stored, outcome) = world.admit(&review).await;
        let (dry_stored, dry) = world.admit(&review.with("dryRun", true)).await;
        assert_eq!((stored, outcome.allowed, outcome.message), (dry_stored, dry.allowed, dry.message));
    }
}

#[tokio::test]
async fn adm_10_foreign_text_is_escaped_and_cut() {
    let world = World::new();
    let hostile =
        ["a\nb", "\u{1b}[31mred", "<script>alert(1)</script>", "%s%n", "x\u{202e}y", "a'b", "$(reboot)", ";reboot"];
    for image in hostile.map(String::from).into_iter().chain(["x".repeat(10 << 10), "é".repeat(300)]) {
        let mut object = pod(&[("main", &image)]);
        object["spec"]["containers"][0]["name"] = json!(image);
        let outcome = world.validate(&Review::create(&object)).await;
        outcome.denied("BAD_REFERENCE");
        let printable = |c: char| c == ' ' || c == '…' || c.is_ascii_graphic() || c.is_alphanumeric();
        assert!(outcome.message.chars().all(printable), "{}", outcome.message);
        assert!(outcome.message.chars().count() < 3 * 256 + 700, "{}", outcome.message);
    }
    let outcome = world.validate(&Review::create(&pod(&[("main", "registry.example/noisy/app:1")]))).await;
    outcome.denied("REGISTRY_UNREACHABLE");
    assert_eq!(outcome.status, 503);
    let many: Vec<_> = (0..60).map(|n| (format!("c{n}"), format!("registry.example/noisy/app:{n}"))).collect();
    let many: Vec<_> = many.iter().map(|(name, image)| (name.as_str(), image.as_str())).collect();
    let outcome = world.validate(&Review::create(&pod(&many))).await;
    assert!(outcome.message.contains(" more"), "{}", outcome.message);
    let template = world.ask(Hook::ValidateWorkloads, &Review::create(&deployment(&many))).await;
    assert_eq!(template.admitted().warnings.len(), 16);
}

#[tokio::test]
async fn adm_12_an_answer_that_is_too_large_is_a_denial() {
    let world = World::new();
    let long = |n: usize| format!("registry.example/signed/{}:{n}", "a".repeat(200));
    let pod_of = |containers: usize| {
        let list: Value = (0..containers).map(|n| json!({"name": format!("c{n}"), "image": long(n % 60)})).collect();
        let mut object = pod(&[]);
        object["spec"]["containers"] = list;
        Review::create(&object)
    };
    world.ask(Hook::Mutate, &pod_of(1001)).await.denied("TOO_MANY_IMAGES");
    world.admit(&pod_of(1000)).await.1.admitted();
}

#[tokio::test]
async fn adm_15_the_namespace_of_the_request_decides() {
    let world = World::new();
    let in_namespace = |object: Value, request: &str| {
        let mut review = Review::create(&pod(&[("main", &pinned(SIGNED))])).with("namespace", request);
        review.0["request"]["object"]["metadata"]["namespace"] = object;
        review
    };
    world.validate(&in_namespace(json!("elsewhere"), "shop")).await.denied("MALFORMED_OBJECT");
    world.validate(&in_namespace(json!("shop"), "elsewhere")).await.denied("MALFORMED_OBJECT");
    world.validate(&in_namespace(Value::Null, "")).await.denied("MALFORMED_OBJECT");
    for same in [json!("shop"), json!(""), Value::Null] {
        world.validate(&in_namespace(same, "shop")).await.admitted();
    }
    let unsigned = Review::create(&pod(&[("main", UNSIGNED)]));
    let mut nameless = unsigned.clone();
    nameless.0["request"]["object"]["metadata"]["namespace"] = Value::Null;
    world.validate(&nameless).await.denied("NO_SIGNATURE");
}

#[tokio::test]
async fn flt_05_a_registry_that_hangs_gets_our_own_answer_in_time() {
    let world = World::new();
    let review = Review::create(&pod(&[("main", "registry.example/hangs/app:1"), ("side", UNSIGNED)]));
    let only = Review::create(&pod(&[("main", "registry.example/hangs/app:1")]));
    for (review, status) in [(review, 403), (only, 503)] {
        let deadline = Instant::now() + Duration::from_millis(100);
        let answer = world.admission.review(Hook::ValidatePods, review.bytes(), deadline).await;
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["response"]["status"]["code"], status);
        assert!(answer["response"]["status"]["message"].as_str().unwrap().contains("DEADLINE_EXCEEDED"));
    }
    world.admit(&Review::create(&pod(&[("main", SIGNED)]))).await.1.admitted();
}

// row: DOS-10 flt_34_a_panic_denies_one_request_and_no_other
#[tokio::test]
async fn flt_34_a_panic_denies_one_request_and_no_other() {
    let world = World::new();
    let outcome = world.validate(&Review::create(&pod(&[("main", "registry.example/panics/app:1")]))).await;
    outcome.denied("INTERNAL_ERROR");
    assert!(world.metrics.render().contains("sealgate_panics_total 1"), "{}", world.metrics.render());
    world.admit(&Review::create(&pod(&[("main", SIGNED)]))).await.1.admitted();
}

#[tokio::test]
async fn pol_18_a_static_allow_is_counted_and_audited() {
    let world = World::new();
    let vendor = json!({
        "match": {"images": ["registry.example/vendor/app"], "namespaces": ["shop"]},
        "authorities": [{"name": "vendor", "static": "Allow"}],
    });
    world.policies(&[("vendor", vendor)]);
    let (stored, outcome) = world.admit(&Review::create(&pod(&[("main", "registry.example/vendor/app:1")]))).await;
    outcome.admitted();
    assert_eq!(stored["spec"]["containers"][0]["image"], "registry.example/vendor/app:1", "not pinned");
    assert_eq!(outcome.audit["static-allow"], "registry.example/vendor/app:1");
    assert!(world.metrics.render().contains("sealgate_static_allow_uses_total 1"));
    assert_eq!(world.calls(), 0);
    world.admit(&Review::create(&pod(&[("main", "registry.example/vendor/app2:1")]))).await.1.denied("NO_POLICY");
}

/// Any JSON, with the words of pods as keys and images as strings.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "containers",
        "initContainers",
        "ephemeralContainers",
        "volumes",
        "image",
        "reference",
        "name",
        "spec",
        "x",
        "Image",
    ]);
    let text = prop::sample::select(vec!["", "a", UNSIGNED, "registry.example/signed/app:1", "auto", "\n", "A/b", "@"]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Value>()),
        ]
    })
}

/// What Kubernetes would read as an image of a pod spec, if it would read it at all.
fn names_an_image(spec: &Value) -> bool {
    let list = |key: &str| spec[key].as_array().cloned().unwrap_or_default();
    let containers = ["containers", "initContainers", "ephemeralContainers"].into_iter().flat_map(list);
    containers.count() > 0 || list("volumes").iter().any(|v| !v["image"].is_null())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn adm_17_no_pod_with_an_image_gets_past_a_registry_without_signatures(spec in any_json(), extra in any_json()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            // A key that signed nothing here.
            let other = World::new();
            world.policies(&[("ci-images", other.policy())]);
            let mut object = pod(&[("main", UNSIGNED)]);
            object["spec"]["containers"][0]["extra"] = extra.clone();
            prop_assert!(!world.validate(&Review::create(&object)).await.allowed);
            object["spec"] = spec.clone();
            let outcome = world.validate(&Review::create(&object)).await;
            prop_assert!(!outcome.allowed || !names_an_image(&spec), "{spec}");
            Ok(())
        })?;
    }
}
