//! The webhook configurations: filled when the gate can answer, put back, and left alone when removed.

use serde_json::{Value, json};

use crate::kubectl::{kubectl, kubectl_with};
use crate::world::{World, pod};

const VALIDATING: &str = "validatingwebhookconfiguration";
const MUTATING: &str = "mutatingwebhookconfiguration";

fn names(world: &World, kind: &str) -> Vec<String> {
    let configuration = world.configuration(kind);
    let webhooks = configuration["webhooks"].as_array().cloned().unwrap_or_default();
    webhooks.iter().map(|webhook| webhook["name"].as_str().unwrap().to_owned()).collect()
}

fn filled(world: &World) -> bool {
    names(world, VALIDATING) == ["validate.pods.sealgate.dev", "validate.workloads.sealgate.dev"]
        && names(world, MUTATING) == ["mutate.pods.sealgate.dev"]
}

#[test]
fn the_lists_are_filled_when_the_gate_is_ready_and_fail_closed_with_the_first_enforce_policy() {
    let world = World::new("fill");
    world.until("the lists are filled", || filled(&world));
    let failure_policy = || world.configuration(VALIDATING)["webhooks"][0]["failurePolicy"].clone();
    assert_eq!(failure_policy(), "Ignore");
    assert_eq!(world.configuration(VALIDATING)["metadata"]["ownerReferences"][0]["name"], json!(world.release()));
    let mut spec = world.policy_spec();
    spec["mode"] = json!("Audit");
    world.policy("ci-images", &spec).unwrap();
    world.until("the policy is loaded", || world.metric("sealgate_policies{state=\"valid\"}") > 0.5);
    assert_eq!(failure_policy(), "Ignore");
    spec["mode"] = json!("Enforce");
    world.policy("ci-images", &spec).unwrap();
    world.until("the pod webhooks fail closed", || failure_policy() == "Fail");
    assert_eq!(world.configuration(MUTATING)["webhooks"][0]["failurePolicy"], "Fail");
    let state = "sealgate_webhook_configuration{kind=\"validating\",state=\"enforce\"}";
    world.until("the metric says so", || world.metric(state) > 0.5);
    assert_eq!(world.configuration(VALIDATING)["webhooks"][1]["failurePolicy"], "Ignore");
    kubectl(&["delete", "csigpol", &world.policy_name("ci-images")]).unwrap();
    world.until("the gate is open again", || failure_policy() == "Ignore");
}

#[test]
fn cfg_07_foreign_changes_are_put_back_and_counted() {
    let world = World::new("repair");
    world.enforce();
    world.until("the lists are filled", || filled(&world));
    let wanted =
        || (world.configuration(VALIDATING)["webhooks"].clone(), world.configuration(MUTATING)["webhooks"].clone());
    world.until("the pod webhooks fail closed", || {
        wanted().0[0]["failurePolicy"] == "Fail" && wanted().1[0]["failurePolicy"] == "Fail"
    });
    let before = wanted();
    let edits = [
        (VALIDATING, json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}])),
        (MUTATING, json!([{"op": "replace", "path": "/webhooks", "value": []}])),
        (
            VALIDATING,
            json!([{"op": "add", "path": "/webhooks/0/matchConditions/-", "value": {"name": "never", "expression": "false"}}]),
        ),
    ];
    for (repairs, (kind, edit)) in (1..).zip(edits) {
        kubectl(&["patch", kind, &world.service(), "--type=json", "-p", &edit.to_string()]).unwrap();
        world.until("the repair is counted", || {
            world.metric("sealgate_webhook_repairs_total") > f64::from(repairs) - 0.5
        });
        assert_eq!(wanted(), before, "{kind} {edit}");
    }
}

#[test]
fn a_configuration_that_was_removed_stays_empty_and_pods_are_admitted() {
    let mut world = World::new("remove");
    world.enforce();
    world.until("the lists are filled", || filled(&world));
    for _ in 0..2 {
        world.uninstall();
    }
    let unsigned = pod("unsigned", &world.image("probe:unsigned"));
    world.until("the gate is open", || world.dry_run(&unsigned).is_ok());
    world.until("the leader has seen it", || world.log().contains("left alone"));
    assert_eq!(names(&world, VALIDATING), Vec::<String>::new());
    world.stop();
    assert_eq!(holder(&world), Value::Null, "the lease is given back");
}

#[test]
fn cfg_16_a_gate_that_was_removed_closes_again_when_it_is_installed_again() {
    let world = World::new("reinstall");
    world.enforce();
    let closed = || world.configuration(VALIDATING)["webhooks"][0]["failurePolicy"] == "Fail" && filled(&world);
    world.until("the gate is closed", closed);
    world.uninstall();
    let unsigned = pod("unsigned", &world.image("probe:unsigned"));
    world.until("the gate is open", || world.dry_run(&unsigned).is_ok());
    world.until("the policy says so", || reason(&world) == ("False".into(), "WebhooksRemoved".into()));
    assert_eq!(names(&world, VALIDATING), Vec::<String>::new(), "and it stays so");
    world.apply_chart();
    world.until("the gate is closed again", closed);
    world.until("pods are refused", || world.dry_run(&unsigned).is_err());
    world.until("the policy says so", || reason(&world) == ("True".into(), "WebhooksInPlace".into()));
    for kind in [VALIDATING, MUTATING] {
        let annotations = world.configuration(kind)["metadata"]["annotations"].clone();
        assert_eq!(annotations, json!({"sealgate.dev/installed": "true"}), "{kind}");
    }
}

#[test]
fn k8s_26_a_selector_of_a_platform_is_left_counted_and_seen_on_the_policy() {
    let world = World::new("platform");
    world.enforce();
    world.until("the policy is enforced", || reason(&world) == ("True".into(), "WebhooksInPlace".into()));
    let count = || world.metric("sealgate_webhook_platform_exclusions{kind=\"validating\"}");
    assert!(count() < 0.5);
    let add = |value: &str| {
        let expression = json!({"key": "control-plane", "operator": "NotIn", "values": [value]});
        let at = "/webhooks/0/namespaceSelector/matchExpressions/-";
        let patch = json!([{"op": "add", "path": at, "value": expression}]).to_string();
        kubectl(&["patch", VALIDATING, &world.service(), "--type=json", "-p", &patch]).unwrap();
    };
    add("true");
    world.until("it is counted", || count() > 0.5);
    assert!(world.metric("sealgate_webhook_configuration{kind=\"validating\",state=\"enforce\"}") > 0.5);
    let message = || world.condition("ci-images", "Enforced")["message"].as_str().unwrap_or_default().to_owned();
    world.until("the policy says so", || message().contains("control-plane NotIn [true]"));
    add("web");
    world.until("one that no platform adds is put back", || world.metric("sealgate_webhook_repairs_total") > 0.5);
}

/// Status and reason of the condition Enforced.
fn reason(world: &World) -> (String, String) {
    let condition = world.condition("ci-images", "Enforced");
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

#[test]
fn flt_47_an_open_gate_is_seen_on_the_policy_and_told_by_one_event() {
    let world = World::new("enforced");
    world.enforce();
    let mut trial = world.policy_spec();
    trial["mode"] = json!("Audit");
    world.policy("trial", &trial).unwrap();
    let in_place = ("True".into(), "WebhooksInPlace".into());
    world.until("the policy is enforced", || reason(&world) == in_place);
    // A list that was empty admits pods for five seconds while the gate is silent, which may have been told.
    let before = told(&world, "WebhooksInPlace");
    assert_eq!(told(&world, "WebhooksAbsent"), 0);
    let columns = || kubectl(&["get", "csigpol", &world.policy_name("ci-images")]).unwrap();
    assert!(columns().contains("ENFORCED"), "{}", columns());

    kubectl(&["delete", VALIDATING, &world.service()]).unwrap();
    world.until("the policy is not enforced", || reason(&world) == ("False".into(), "WebhooksAbsent".into()));
    let message = world.condition("ci-images", "Enforced")["message"].clone();
    assert!(message.as_str().unwrap().contains("helm upgrade"), "{message}");
    assert_eq!(world.condition("ci-images", "Ready")["status"], "True", "it can be used all the same");
    world.until("an event tells it", || told(&world, "WebhooksAbsent") == 1);
    assert_eq!(world.condition("trial", "Enforced"), Value::Null, "it would refuse nothing");

    world.apply_chart();
    world.until("the policy is enforced again", || reason(&world) == in_place);
    world.until("an event tells it", || told(&world, "WebhooksInPlace") == before + 1);
    assert_eq!(told(&world, "WebhooksAbsent"), 1, "once");
}

#[test]
fn the_gate_opens_when_the_namespace_of_the_release_is_being_deleted() {
    let world = World::new("namespace");
    world.enforce();
    world.until("the lists are filled", || filled(&world));
    let unsigned = pod("unsigned", &world.image("probe:unsigned"));
    world.dry_run(&unsigned).unwrap_err();
    // Held by a finalizer, so that nothing but the leader can have emptied the lists.
    let hold = |finalizers: Value| {
        let patch = json!({"metadata": {"finalizers": finalizers}}).to_string();
        kubectl(&["patch", "namespace", &world.release(), "--type=merge", "-p", &patch]).unwrap();
    };
    hold(json!(["sealgate.dev/test"]));
    kubectl(&["delete", "namespace", &world.release(), "--wait=false"]).unwrap();
    world.until("the gate is open", || world.dry_run(&unsigned).is_ok());
    world.until("both lists are empty", || names(&world, VALIDATING).is_empty() && names(&world, MUTATING).is_empty());
    hold(json!([]));
    // Where no controller runs that would do it.
    let path = format!("/api/v1/namespaces/{}/finalize", world.release());
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.release()}});
    let _ = kubectl_with(&["replace", "--raw", &path, "-f", "-"], &namespace.to_string());
}

fn holder(world: &World) -> Value {
    let lease = kubectl(&["get", "lease", &world.service(), "-n", &world.release(), "-o", "json"]).unwrap();
    serde_json::from_str::<Value>(&lease).unwrap()["spec"]["holderIdentity"].clone()
}

/// How often an event of this reason about the policy was told.
fn told(world: &World, reason: &str) -> u64 {
    let policy = kubectl(&["get", "csigpol", &world.policy_name("ci-images"), "-o", "json"]).unwrap();
    let uid = serde_json::from_str::<Value>(&policy).unwrap()["metadata"]["uid"].clone();
    let all = kubectl(&["get", "events.events.k8s.io", "-n", "default", "-o", "json"]).unwrap();
    let all: Value = serde_json::from_str(&all).unwrap();
    let events = all["items"].as_array().unwrap().iter();
    let events = events.filter(|event| event["regarding"]["uid"] == uid && event["reason"] == reason);
    events.map(|event| event["series"]["count"].as_u64().unwrap_or(1)).sum()
}
