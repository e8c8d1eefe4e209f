//! Trusted roots at the API server: refused where its rules can tell, and with a status that says how they stand.

use std::fs;
use std::path::Path;

use sealgate::trust::BUILT_IN;
use serde_json::{Value, json};

use crate::kubectl::{kubectl, kubectl_with};
use crate::world::World;

#[test]
fn flt_22_the_server_says_of_each_root_what_is_written_there() {
    let _world = World::new("root-fixtures");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/roots");
    for kind in ["valid", "invalid"] {
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
        }
    }
}

#[test]
fn flt_22_a_root_is_ready_or_says_why_not_and_the_last_good_one_stays() {
    let world = World::new("roots");
    world.trusted_root("own", &json!({"inline": BUILT_IN[0].json()})).unwrap();
    world.until("the root is ready", || ready(&world, "own")["status"] == "True");
    assert_eq!(ready(&world, "own")["reason"], "Loaded");
    assert_eq!(ready(&world, "own")["observedGeneration"], 1);
    let digest = status(&world, "own")["digest"].clone();
    let table = kubectl(&["get", "troot", &world.policy_name("own")]).unwrap();
    assert!(table.contains("READY") && table.contains("True") && table.contains("inline"), "{table}");

    let garbage = json!({"inline": r#"{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1""#});
    world.trusted_root("own", &garbage).unwrap();
    world.until("the status says so", || ready(&world, "own")["status"] == "False");
    let condition = ready(&world, "own");
    assert_eq!((&condition["reason"], &condition["observedGeneration"]), (&json!("Invalid"), &json!(2)));
    let message = condition["message"].as_str().unwrap();
    assert!(message.contains("spec.inline: is no trusted root") && message.contains("stays in use"), "{message}");
    assert_eq!(status(&world, "own")["digest"], digest);

    world.trusted_root("new", &garbage).unwrap();
    world.until("the other says so", || ready(&world, "new")["status"] == "False");
    assert_eq!(status(&world, "new")["source"], "none");
    assert!(ready(&world, "new")["message"].as_str().unwrap().contains("TRUSTED_ROOT_UNAVAILABLE"));

    world.trusted_root("own", &json!({"inline": BUILT_IN[1].json()})).unwrap();
    world.until("it is repaired", || ready(&world, "own")["status"] == "True");
    assert_ne!(status(&world, "own")["digest"], digest);
}

#[test]
fn flt_11_a_mirror_that_is_away_keeps_nobody_waiting() {
    let mut world = World::new("root-away");
    let bootstrap = String::from_utf8(BUILT_IN[0].repository().unwrap().root.as_bytes().to_vec()).unwrap();
    world.trusted_root("away", &json!({"tuf": {"mirror": "https://127.0.0.1:9", "root": bootstrap}})).unwrap();
    world.until("the status says so", || ready(&world, "away")["reason"] == "NotFetched");
    world.kill();
    world.start();
    assert!(world.metric("sealgate_trusted_root_source{root=\"sigstore\",source=\"built-in\"}") > 0.0);
    let away = format!("sealgate_trusted_root_source{{root=\"{}\",source=\"none\"}}", world.policy_name("away"));
    assert!(world.metric(&away) > 0.0);
}

fn status(world: &World, root: &str) -> Value {
    let object = kubectl(&["get", "troot", &world.policy_name(root), "-o", "json"]).unwrap();
    serde_json::from_str::<Value>(&object).unwrap()["status"].clone()
}

fn ready(world: &World, root: &str) -> Value {
    let conditions = status(world, root)["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
}
