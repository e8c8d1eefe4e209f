//! What a mirror, or whoever stands in its place, may try.

use serde_json::{Value, json};

use super::delegations::publish;
use super::*;
use crate::support::registry::{Answer, Body};
use crate::support::tuf::{Signer, envelope, pin, signed};

#[tokio::test]
async fn a_newer_root_is_followed() {
    let mut world = World::fetched().await;
    world.repository.content = new().to_owned();
    let files = world.repository.publish();
    world.mirror.serve(files);
    world.accepted().await;
}

#[tokio::test]
async fn tuf_02_an_older_timestamp_is_refused() {
    let mut world = World::new().await;
    let older = world.repository.clone().publish();
    world.repository.version = 5;
    world.repository.content = new().to_owned();
    world.mirror.serve(world.repository.publish());
    world.refresh().await;
    assert_eq!(world.in_use(), Ok("new"), "the twin is accepted");

    world.mirror.serve(older);
    let problem = world.refused().await;
    assert!(problem.contains("rollback"), "{problem}");
}

#[tokio::test]
async fn tuf_02_an_older_snapshot_or_older_targets_under_a_new_timestamp_are_refused() {
    for (role, file) in [("timestamp", "snapshot.json"), ("snapshot", "targets.json")] {
        let mut world = World::new().await;
        world.repository.version = 5;
        world.mirror.serve(world.repository.publish());
        world.refresh().await;
        let pinned = move |signer: &str, signed: &mut Value| {
            if signer == role {
                signed["meta"][file]["version"] = json!(4);
            }
        };
        world.mirror.serve(world.repository.publish_with(pinned));
        let problem = world.refused().await;
        assert!(problem.contains("rollback") || problem.contains("not found"), "{role}: {problem}");
        world.mirror.serve(world.repository.publish());
        assert_eq!(world.after(7).await.problem, None, "{role}: the twin with the right version is accepted");
    }
}

#[tokio::test]
async fn tuf_02_an_older_root_in_the_place_of_the_next_is_refused() {
    let mut world = World::fetched().await;
    world.repository.rotate(|_| {});
    world.repository.content = new().to_owned();
    let files = world.repository.publish();
    world.mirror.serve(files.clone());
    world.mirror.put("2.root.json", files["1.root.json"].clone());
    let problem = world.refused().await;
    assert!(problem.contains("root"), "{problem}");
    world.mirror.serve(files);
    world.accepted().await;
}

#[tokio::test]
async fn tuf_02_a_root_that_the_one_before_has_not_signed_is_refused() {
    let mut world = World::fetched().await;
    let stranger = Signer::ed25519("stranger");
    let mut honest = world.repository.clone();
    world.repository.rotate_signed_by(&[&stranger, &world.repository.offline[1].clone()]);
    world.mirror.serve(world.repository.publish());
    let problem = world.refused().await;
    assert!(problem.contains("threshold"), "{problem}");

    honest.rotate(|_| {});
    honest.content = new().to_owned();
    world.mirror.serve(honest.publish());
    world.accepted().await;
}

/// Every role in turn is the last that the mirror gives out, again and again.
#[tokio::test]
async fn tuf_02_a_frozen_mirror_is_noticed_when_its_metadata_expire() {
    for role in ["timestamp", "snapshot", "targets"] {
        let mut world = World::new().await;
        let soon = move |signer: &str, signed: &mut Value| {
            if signer == role {
                signed["expires"] = json!("2026-11-02T00:00:00Z");
            }
        };
        world.mirror.serve(world.repository.publish_with(soon));
        assert_eq!(world.refresh().await.problem, None, "{role}: the twin that is asked in time is accepted");
        assert_eq!(world.after(12).await.problem, None, "{role}: and asked again");
        world.now += hours(12);
        let problem = world.refused().await;
        assert!(problem.contains("expired") && problem.contains(role), "{role}: {problem}");
    }
}

#[tokio::test]
async fn tuf_02_files_of_two_versions_do_not_mix() {
    let mut world = World::fetched().await;
    world.repository.content = new().to_owned();
    let second = world.repository.publish();
    let third = world.repository.publish();
    for (file, other) in [("3.snapshot.json", "2.snapshot.json"), ("3.targets.json", "2.targets.json")] {
        world.mirror.serve(third.clone());
        world.mirror.put(file, second[other].clone());
        let problem = world.refused().await;
        assert!(problem.contains("not proven"), "{file}: {problem}");
    }
    world.mirror.serve(third);
    world.accepted().await;
}

#[tokio::test]
async fn tuf_02_a_refresh_that_failed_half_way_still_raises_the_floor() {
    let mut world = World::fetched().await;
    let second = world.repository.publish();
    world.repository.content = new().to_owned();
    let third = world.repository.publish();
    world.mirror.serve(third.clone());
    world.mirror.put("3.snapshot.json", "gone");
    world.refused().await;
    world.mirror.serve(second);
    let problem = world.refused().await;
    assert!(problem.contains("rollback"), "the newer timestamp was proven: {problem}");
    world.mirror.serve(third);
    world.accepted().await;
}

/// A repository whose root asks for two signatures and names these keys.
fn with_signers(signers: Vec<Signer>) -> TufRepository {
    let mut repository = TufRepository::new(old());
    repository.offline = signers;
    repository
}

#[tokio::test]
async fn tuf_03_one_key_under_two_ids_does_not_make_two_signatures() {
    let (ed25519, p256) = (Signer::ed25519("first"), Signer::p256("second"));
    for (signers, distinct) in [
        (vec![ed25519.clone(), p256.clone()], true),
        (vec![ed25519.clone(), ed25519.called("another")], false),
        (vec![p256.clone(), p256.called("another")], false),
        (vec![ed25519.called("a"), ed25519.called("b"), p256.clone()], false),
    ] {
        let world = first_root(with_signers(signers)).await;
        if distinct {
            assert_eq!(world.in_use(), Ok("old"), "the twin with two keys is accepted");
        } else {
            let problem = world.in_use().unwrap_err();
            assert!(problem.contains("lists one key under two ids"), "{problem}");
            assert_eq!(world.mirror.asked(), [""; 0], "a root that can't be used is no reason to ask");
        }
    }
    // The same in a root that comes later.
    let mut world = World::fetched().await;
    let twice = world.repository.offline[0].called("another");
    world.repository.rotate(|root| {
        root["keys"]["another"] = twice.json();
        root["roles"]["targets"]["keyids"] = json!(["another", twice_id(root)]);
    });
    world.mirror.serve(world.repository.publish());
    let problem = world.refused().await;
    assert!(problem.contains("the role targets lists one key under two ids"), "{problem}");
}

fn twice_id(root: &Value) -> Value {
    root["roles"]["root"]["keyids"][0].clone()
}

/// A world whose trust begins with the root of that repository as its keys are now.
async fn first_root(mut repository: TufRepository) -> World {
    let root = repository.root(1);
    let signers: Vec<_> = repository.offline.iter().collect();
    let root = envelope(&root, &signers);
    let mut world = World::new().await;
    let mut files = repository.publish();
    files.insert("1.root.json".to_owned(), root.clone());
    world.mirror.serve(files);
    world.source.root = String::from_utf8(root).unwrap().into();
    // Another name, so that nothing is there from before.
    world.keeper.take(&Wanted::default(), world.now).await;
    world.take(Ok(RootSource::Tuf(world.source.clone()))).await;
    world.refresh().await;
    world
}

#[tokio::test]
async fn tuf_03_the_same_signature_twice_counts_once() {
    let mut world = World::fetched().await;
    world.repository.content = new().to_owned();
    let files = world.repository.publish();
    world.mirror.serve(files.clone());
    let mut targets: Value = serde_json::from_slice(&files["2.targets.json"]).unwrap();
    let first = targets["signatures"][0].clone();
    targets["signatures"][1] = first;
    let targets = targets.to_string().into_bytes();
    let mut snapshot = signed("snapshot", 2);
    snapshot["meta"] = json!({"targets.json": pin(&targets, 2)});
    let snapshot = envelope(&snapshot, &[&world.repository.online]);
    let mut timestamp = signed("timestamp", 2);
    timestamp["meta"] = json!({"snapshot.json": pin(&snapshot, 2)});
    world.mirror.put("timestamp.json", envelope(&timestamp, &[&world.repository.online]));
    world.mirror.put("2.snapshot.json", snapshot);
    world.mirror.put("2.targets.json", targets);
    let problem = world.refused().await;
    assert!(problem.contains("signature"), "{problem}");

    world.repository.version = 3;
    let files = world.repository.publish();
    world.mirror.serve(files);
    world.accepted().await;
}

#[tokio::test]
async fn tuf_04_garbage_in_the_place_of_any_file_is_refused() {
    for garbage in [&b""[..], b"{", b"null", b"{}", b"{\"signed\":{},\"signatures\":[]}", b"\xff\xfe\x00", b"<html>"] {
        let mut world = World::fetched().await;
        world.repository.rotate(|_| {});
        world.repository.content = new().to_owned();
        let files = world.repository.publish();
        for name in files.keys().filter(|name| **name != "1.root.json") {
            world.mirror.serve(files.clone());
            world.mirror.put(name, garbage);
            world.refused().await;
        }
        world.mirror.serve(files);
        world.accepted().await;
    }
}

#[tokio::test]
async fn tuf_04_a_threshold_of_nothing_is_refused() {
    let mut world = World::fetched().await;
    world.repository.rotate(|root| root["roles"]["timestamp"]["threshold"] = json!(0));
    world.mirror.serve(world.repository.publish());
    let problem = world.refused().await;
    assert!(problem.contains("threshold 0"), "{problem}");
}

#[tokio::test]
async fn tuf_04_delegations_in_a_circle_end() {
    let mut world = World::fetched().await;
    let key = Signer::ed25519("delegate");
    let delegations = json!({
        "keys": {&key.id: key.json()},
        "roles": [
            {"name": "a", "keyids": [key.id], "threshold": 1, "paths": ["*"], "terminating": false},
            {"name": "b", "keyids": [key.id], "threshold": 1, "paths": ["*"], "terminating": false},
            {"name": "targets", "keyids": [key.id], "threshold": 1, "paths": ["*"], "terminating": false},
        ],
    });
    let mut delegate = signed("targets", 1);
    delegate["targets"] = json!({});
    delegate["delegations"] = delegations.clone();
    let delegate = envelope(&delegate, &[&key]);
    publish(&world, &delegations, &[("a", delegate.clone()), ("b", delegate)]);
    world.mirror.server.clear_requests();
    let problem = world.refused().await;
    assert!(problem.contains("trusted_root.json"), "{problem}");
    assert!(world.mirror.asked().len() <= 6, "{:?}", world.mirror.asked());
}

#[tokio::test]
async fn tuf_04_ten_thousand_roots_are_not_followed_in_one_go() {
    let mut world = World::fetched().await;
    let repository = world.repository.clone();
    world.mirror.server.rule(".root.json", move |request, _, _| {
        let version: u64 = request.target[1..].split('.').next().unwrap().parse().unwrap();
        if version > 10_000 {
            return Answer::status(404);
        }
        let root = repository.root(version);
        Answer::ok("application/json", envelope(&root, &repository.offline.iter().collect::<Vec<_>>()))
    });
    world.mirror.server.clear_requests();
    let problem = world.refused().await;
    assert!(problem.contains("256 root rotations"), "{problem}");
    assert_eq!(world.mirror.server.count(".root.json"), 256);

    // Those that were proven are not asked for again: a repository that is far ahead is reached in the end.
    world.mirror.server.clear_requests();
    world.refused().await;
    assert_eq!(world.mirror.asked()[0], "/258.root.json");
}

#[tokio::test]
async fn tuf_04_a_target_of_a_gibibyte_is_not_asked_for() {
    let mut world = World::fetched().await;
    let huge = |role: &str, signed: &mut Value| {
        if role == "targets" {
            signed["targets"]["trusted_root.json"]["length"] = json!(1_u64 << 30);
        }
    };
    world.repository.content = new().to_owned();
    world.mirror.serve(world.repository.publish_with(huge));
    world.mirror.server.clear_requests();
    let problem = world.refused().await;
    assert!(problem.contains("exceeds"), "{problem}");
    assert_eq!(world.mirror.server.count("/targets/"), 0);
}

#[tokio::test]
async fn tuf_04_an_answer_without_end_is_left_at_its_limit() {
    for (file, limit) in [("/timestamp.json", 16_384), ("/2.snapshot.json", 2_000_000), ("/2.targets.json", 5_000_000)]
    {
        let mut world = World::fetched().await;
        world.repository.content = new().to_owned();
        let files = world.repository.publish();
        world.mirror.serve(files);
        world.mirror.server.answer(file, Answer::status(200).body(Body::Endless(vec![b' '; 1 << 16])));
        let problem = world.refused().await;
        assert!(problem.contains(&format!("longer than {limit} bytes")), "{problem}");
        let told = Answer::status(200).length(1 << 40).body(Body::Bytes(b"{}".to_vec()));
        world.mirror.server.answer(file, told);
        assert!(world.refused().await.contains("longer than"), "by its own word");
        world.mirror.obey();
        world.accepted().await;
    }
}

#[tokio::test]
async fn tuf_07_no_name_in_metadata_leads_out_of_the_mirror() {
    for (name, is_inside) in [
        ("etc/x.json", true),
        ("../../etc/x", false),
        ("a/../../../etc/x", false),
        ("%2e%2e/etc/x", false),
        ("..\\..\\etc\\x", false),
        ("/etc/x", true),
        ("http://127.0.0.1:1/x", true),
    ] {
        let mut world = World::fetched().await;
        world.repository.target = name.to_owned();
        world.repository.content = new().to_owned();
        world.mirror.serve(world.repository.publish());
        world.source.target = name.to_owned();
        world.take(Ok(RootSource::Tuf(world.source.clone()))).await;
        world.mirror.server.clear_requests();
        if is_inside {
            world.accepted().await;
        } else {
            let problem = world.refused().await;
            assert!(problem.contains("is not the name of a file of the repository"), "{name}: {problem}");
        }
        let asked = world.mirror.asked();
        let targets: Vec<_> = asked.iter().filter(|path| !path.contains(".json") || path.contains("etc")).collect();
        assert!(targets.iter().all(|path| path.starts_with("/targets/")), "{name}: {asked:?}");
    }
}

/// As in February 2025, when the public-good instance changed how it computes the ids of its keys.
#[tokio::test]
async fn tuf_08_an_id_is_whatever_the_metadata_call_a_key() {
    let mut world = World::fetched().await;
    let [first, second] = [0, 1].map(|i| world.repository.offline[i].clone());
    let renamed = [first.called("an id by another rule"), second.called(&"0".repeat(64))];
    let mut repository = world.repository.clone();
    let mut root = repository.root(2);
    for (old, new) in [&first, &second].into_iter().zip(&renamed) {
        root["keys"].as_object_mut().unwrap().remove(&old.id);
        root["keys"][&new.id] = new.json();
    }
    for role in ["root", "targets"] {
        root["roles"][role]["keyids"] = json!([renamed[0].id, renamed[1].id]);
    }
    // Signed by the ids that the root before knows, and by those that this one does.
    let root = envelope(&root, &[&first, &second, &renamed[0], &renamed[1]]);
    repository.offline = renamed.to_vec();
    repository.content = new().to_owned();
    let mut files = repository.publish();
    files.insert("2.root.json".to_owned(), root.clone());
    world.mirror.serve(files.clone());
    // Signed by the new ids alone: nobody that is trusted has signed.
    let mut unsigned: Value = serde_json::from_slice(&root).unwrap();
    unsigned["signatures"].as_array_mut().unwrap().drain(..2);
    world.mirror.put("2.root.json", unsigned.to_string());
    let problem = world.refused().await;
    assert!(problem.contains("threshold"), "{problem}");
    assert_eq!(world.metric("trusted_root_refresh_failures_total"), Some(1), "the alarm");

    world.mirror.serve(files);
    world.accepted().await;
}

#[tokio::test]
async fn metadata_that_take_much_memory_are_refused_before_they_are_read() {
    let many = format!("{{\"signed\":{{\"x\":[{}0]}},\"signatures\":[]}}", "{\"a\":0},".repeat(20_000));
    let mut world = World::fetched().await;
    world.repository.rotate(|_| {});
    world.repository.content = new().to_owned();
    let files = world.repository.publish();
    world.mirror.serve(files.clone());
    // As many bytes, and few values.
    world.mirror.put("2.root.json", format!("{{\"x\":\"{}\"}}", "x".repeat(many.len())));
    let problem = world.refused().await;
    assert!(!problem.contains("MiB of memory"), "{problem}");
    world.mirror.put("2.root.json", many);
    let problem = world.refused().await;
    assert!(problem.contains("MiB of memory"), "{problem}");
    world.mirror.serve(files);
    world.accepted().await;
}
