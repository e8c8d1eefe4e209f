//! Real objects of others: every image is found, compared with a walk that knows no kind table.

use std::collections::BTreeSet;
use std::fs;

use sealgate::admission::{Hook, Reviewer};
use sealgate::domain::workload::{KindTable, Role};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::world::World;
use crate::support::corpora::corpora;

/// Every image under a pod spec, found by names alone.
fn images_in(spec: &Value) -> BTreeSet<String> {
    let containers = ["containers", "initContainers", "ephemeralContainers"].into_iter();
    let containers = containers.flat_map(|list| spec[list].as_array().into_iter().flatten());
    let images = containers.map(|c| c["image"].as_str().unwrap_or_default().to_owned());
    let volumes = spec["volumes"].as_array().into_iter().flatten().filter(|v| v["image"].is_object());
    images.chain(volumes.map(|v| v["image"]["reference"].as_str().unwrap_or_default().to_owned())).collect()
}

/// The images that an unsigned world objects to, by its audit annotations and notes.
async fn found(world: &World, object: &Value, row: &sealgate::domain::workload::Workload) -> usize {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "CREATE", "namespace": "shop", "object": object,
            "kind": {"group": row.group, "version": row.version, "kind": row.kind},
            "resource": {"group": row.group, "version": row.version, "resource": row.resource},
        },
    });
    let hook = if row.role == Role::Template { Hook::ValidateWorkloads } else { Hook::ValidatePods };
    let deadline = Instant::now() + std::time::Duration::from_secs(5);
    let body = serde_json::to_vec(&review).unwrap();
    let answer = world.admission.review(hook, body, deadline).await;
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let response = &answer["response"];
    let count = |list: &Value| list.as_array().map_or(0, Vec::len);
    count(&response["status"]["details"]["causes"]) + count(&response["warnings"])
}

#[tokio::test]
#[ignore = "needs SEALGATE_CORPORA"]
async fn every_image_of_real_workloads_is_found() {
    let world = World::new();
    let table = KindTable::builtin();
    let mut seen = 0;
    for folder in fs::read_dir(corpora("workloads")).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_dir())
    {
        for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let Ok(mut object) = serde_saphyr::from_str::<Value>(&fs::read_to_string(&file).unwrap()) else { continue };
            let row = table.rows().iter().find(|row| {
                let api =
                    if row.group.is_empty() { row.version.clone() } else { format!("{}/{}", row.group, row.version) };
                object["kind"] == row.kind && object["apiVersion"] == api && row.role != Role::EphemeralContainers
            });
            let Some(row) = row else { continue };
            if object["metadata"].is_object() {
                object["metadata"]["namespace"] = json!("shop");
            }
            let spec = row.pod_spec.iter().fold(&object, |value, key| &value[key]);
            let expected = images_in(spec);
            // One objection or note an image; several containers may share one, and 16 warnings are the most.
            let told = found(&world, &object, row).await;
            assert!(told >= expected.len().min(16), "{}: {told} of {expected:?}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} manifests of known kinds");
}

#[tokio::test]
#[ignore = "needs SEALGATE_CORPORA"]
async fn real_admission_requests_are_read() {
    let world = World::new();
    let mut read = 0;
    for file in fs::read_dir(corpora("admission-requests")).unwrap().map(|entry| entry.unwrap().path()) {
        let body = fs::read(&file).unwrap();
        let Ok(review) = serde_json::from_slice::<Value>(&body) else { continue };
        let deadline = Instant::now() + std::time::Duration::from_secs(5);
        let pod = review["request"]["kind"]["kind"] == "Pod";
        let hook = if pod { Hook::ValidatePods } else { Hook::ValidateWorkloads };
        let answer = world.admission.review(hook, body, deadline).await;
        let answered: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let current = review["apiVersion"] == "admission.k8s.io/v1";
        if review["request"]["uid"].is_null() || !current {
            assert_eq!(answer.status, 400, "{}", file.display());
        } else {
            assert_eq!(answer.status, 200, "{}: {}", file.display(), String::from_utf8_lossy(&answer.body));
            assert_eq!(answered["response"]["uid"], review["request"]["uid"]);
            read += 1;
        }
    }
    assert!(read >= 8, "only {read} reviews");
}
