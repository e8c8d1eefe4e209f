//! Policies at the API server: refused where they are bad, read strictly where they are stored, with a status.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use sealgate::api::compile;
use serde_json::{Value, json};

use crate::kubectl::{kubectl, kubectl_partly, kubectl_with};
use crate::support::specs::specs;
use crate::world::{World, pod, policy};

#[test]
fn pol_13_bad_policies_are_refused_with_a_clear_message() {
    let world = World::new("refuse");
    assert!(world.policy("good", &world.policy_spec()).is_ok());
    let bad: [(&str, Value, &str); 5] = [
        ("/authorities", json!([]), "authorities"),
        ("/require", json!({"atLeast": 2}), "atLeast"),
        ("/require", json!({"atLeast": 0}), "atLeast"),
        ("/authorities/0/key/publicKey", json!(""), "publicKey"),
        ("/authorities/0", json!({"name": "ci"}), "authorities"),
    ];
    for (path, value, named) in bad {
        let mut spec = world.policy_spec();
        match spec.pointer_mut(path) {
            Some(place) => *place = value.clone(),
            None => spec[path.trim_start_matches('/')] = value.clone(),
        }
        let refusal = world.policy("bad", &spec).expect_err(&format!("{path} = {value}"));
        assert!(refusal.contains(named), "{path} = {value}: {refusal}");
    }
}

#[test]
fn pol_13_the_server_says_of_each_fixture_what_is_written_there() {
    let _world = World::new("fixtures");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/policies");
    let mut judged = [0, 0];
    for (kind, count) in ["valid", "invalid"].into_iter().zip(&mut judged) {
        for file in fs::read_dir(folder.join(kind)).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let expected = text.lines().find_map(|line| line.strip_prefix("# server: "));
            let answer = kubectl_with(&["create", "--dry-run=server", "--validate=false", "-f", "-"], &text);
            let path = path.display();
            match expected.filter(|expected| *expected != "stores it") {
                None => assert!(answer.is_ok(), "{path}: {answer:?}"),
                Some(expected) => {
                    let refusal = answer.expect_err(&path.to_string());
                    assert!(refusal.contains(expected), "{path}: expected {expected}: {refusal}");
                }
            }
            *count += 1;
        }
    }
    assert!(judged[0] > 5 && judged[1] > 40, "{judged:?}");
}

/// The rules of the CRD, as the API server evaluates them, against what reading a policy refuses.
#[test]
fn pol_23_the_server_stores_what_reading_accepts_and_nothing_else() {
    let _world = World::new("agree");
    let specs = specs(600);
    let items: Vec<_> = specs.iter().enumerate().map(|(i, spec)| policy(&format!("spec-{i}"), spec)).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let (stored, complaints) =
        kubectl_partly(&["create", "--dry-run=server", "--validate=false", "-o", "name", "-f", "-"], &list);
    let stored: HashSet<&str> = stored.lines().filter_map(|line| line.rsplit('/').next()).collect();
    let accepted = |i: usize| stored.contains(format!("spec-{i}").as_str());
    for (i, spec) in specs.iter().enumerate() {
        let problem = compile("p", spec).error().map(ToString::to_string);
        let complaint = complaints.lines().find(|line| line.contains(&format!("\"spec-{i}\""))).unwrap_or_default();
        assert_eq!(problem.is_none(), accepted(i), "{spec}: reading says {problem:?}, the server {complaint}");
    }
    assert!((50..550).contains(&stored.len()), "{} of {} are stored", stored.len(), specs.len());
}

#[test]
fn pol_14_an_unknown_field_is_kept_and_makes_the_policy_deny_its_images_and_no_others() {
    let world = World::new("unknown");
    let mut spec = world.policy_spec();
    spec["match"]["images"] = json!([format!("{}/broken/**", world.registry.host())]);
    spec["authorities"][0]["issuerRegex"] = json!(".*");
    let arguments = ["create", "--validate=false", "-o", "json", "-f", "-"];
    let stored = world.kubectl(&arguments, &policy(&world.policy_name("typo"), &spec)).unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored["spec"]["authorities"][0]["issuerRegex"], ".*");
    world.enforce();
    world.signed("broken/app", "v1");
    world.signed("good/app", "v1");
    let refusal = world.dry_run(&pod("app", &world.image("broken/app:v1"))).unwrap_err();
    assert!(refusal.contains("issuerRegex"), "{refusal}");
    world.dry_run(&pod("app", &world.image("good/app:v1"))).unwrap();
    let ready = || world.condition("typo", "Ready");
    world.until("the status says so", || ready()["status"] == "False");
    assert_eq!(ready()["reason"], "Invalid");
    assert!(ready()["message"].as_str().unwrap().contains("issuerRegex"));
}

#[test]
fn the_status_follows_the_generation_and_the_columns_show_it() {
    let world = World::new("status");
    world.policy("ci-images", &world.policy_spec()).unwrap();
    world.until("the policy is ready", || world.condition("ci-images", "Ready")["status"] == "True");
    assert_eq!(world.condition("ci-images", "Ready")["observedGeneration"], 1);
    let mut spec = world.policy_spec();
    spec["mode"] = json!("Warn");
    world.policy("ci-images", &spec).unwrap();
    world.until("the status has followed", || world.condition("ci-images", "Ready")["observedGeneration"] == 2);
    let table = kubectl(&["get", "csigpol", &world.policy_name("ci-images")]).unwrap();
    assert!(table.contains("MODE") && table.contains("Warn") && table.contains("True"), "{table}");
}

#[test]
fn pol_17_a_deleted_policy_leaves_its_images_to_the_others() {
    let world = World::new("delete");
    world.enforce();
    let unsigned = pod("unsigned", &world.image("probe:unsigned"));
    assert!(world.dry_run(&unsigned).is_err());
    kubectl(&["delete", "csigpol", &world.policy_name("ci-images")]).unwrap();
    world.until("the pod is admitted", || world.dry_run(&unsigned).is_ok());
}
