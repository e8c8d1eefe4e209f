use std::sync::{Arc, Mutex};

use http::{Method, StatusCode};
use serde_json::Value;

use super::*;
use crate::cluster::scripted::{client, refusal};

fn held_by(holder: &str, seconds: i32) -> LeaseSpec {
    LeaseSpec { holder_identity: Some(holder.into()), lease_duration_seconds: Some(seconds), ..LeaseSpec::default() }
}

#[test]
fn an_empty_lease_is_taken() {
    assert_eq!(next_move(None, "a", Duration::ZERO), Move::Take);
    assert_eq!(next_move(Some(&LeaseSpec::default()), "a", Duration::ZERO), Move::Take);
    assert_eq!(next_move(Some(&held_by("", 15)), "a", Duration::ZERO), Move::Take);
}

#[test]
fn the_holder_renews_and_others_wait_until_it_has_been_silent() {
    let lease = held_by("a", 15);
    assert_eq!(next_move(Some(&lease), "a", Duration::from_secs(100)), Move::Renew);
    assert_eq!(next_move(Some(&lease), "b", Duration::from_secs(14)), Move::Wait);
    assert_eq!(next_move(Some(&lease), "b", Duration::from_secs(15)), Move::Take);
}

#[test]
fn cfg_17_a_duration_that_nobody_should_claim_is_not_believed() {
    for claimed in [-1, 0, 86_400, i32::MAX] {
        let lease = held_by("a", claimed);
        assert_eq!(next_move(Some(&lease), "b", Duration::from_secs(14)), Move::Wait, "{claimed}");
        assert_eq!(next_move(Some(&lease), "b", Duration::from_secs(15)), Move::Take, "{claimed}");
    }
    assert_eq!(next_move(Some(&held_by("a", 5)), "b", Duration::from_secs(5)), Move::Take, "a shorter one is");
}

#[test]
fn a_holder_that_can_not_renew_stops_before_another_may_begin() {
    assert!(BELIEF + REQUEST + RETRY < DURATION);
}

#[tokio::test]
async fn cfg_19_a_lease_that_was_deleted_is_created_by_one_write_and_taken_by_another() {
    let lease: Arc<Mutex<Option<Value>>> = Arc::default();
    let writes: Arc<Mutex<Vec<String>>> = Arc::default();
    let client = client({
        let (lease, writes) = (lease.clone(), writes.clone());
        move |asked| {
            assert!(asked.path.ends_with("/namespaces/gate/leases/gate"), "{}", asked.path);
            let mut lease = lease.lock().unwrap();
            if asked.method != Method::GET {
                writes.lock().unwrap().push(format!("{} {}", asked.patch, asked.body["spec"]["holderIdentity"]));
            }
            if lease.is_none() && asked.patch == "apply" {
                *lease = Some(json!({"metadata": {"resourceVersion": "1"}}));
            }
            let answer = match lease.as_mut() {
                Some(lease) => {
                    json_patch::merge(lease, &asked.body);
                    (StatusCode::OK, lease.clone())
                }
                None => refusal(StatusCode::NOT_FOUND, "leases \"gate\" not found"),
            };
            std::future::ready(answer)
        }
    });
    let metrics = Metrics::new();
    let election = Election::new(client, "gate", "gate", "a", Watches::new(metrics.clone()), metrics);
    assert!(election.attempt(&mut None).await.unwrap());
    assert_eq!(*writes.lock().unwrap(), ["apply null", "merge \"a\""], "an empty one can't take it from another");
    assert_eq!(lease.lock().unwrap().as_ref().unwrap()["spec"]["holderIdentity"], "a");
}
