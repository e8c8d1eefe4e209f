use std::sync::{Arc, Mutex};

use http::{Method, StatusCode};
use serde_json::Value;

use super::*;
use crate::cluster::scripted::{client, refusal};
use crate::telemetry::Health;

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
    let election =
        Election::new(client, "gate", "gate", "a", Watches::new(metrics.clone(), Health::default()), metrics);
    assert_eq!(election.attempt(&mut None).await.unwrap(), Standing::Leads);
    assert_eq!(*writes.lock().unwrap(), ["apply null", "merge \"a\""], "an empty one can't take it from another");
    assert_eq!(lease.lock().unwrap().as_ref().unwrap()["spec"]["holderIdentity"], "a");
}

#[test]
fn flt_48_a_leader_that_is_missing_for_a_minute_is_told_once_and_so_is_its_return() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut absence = Absence::new(start);
    assert!(!absence.is_news(at(59)));
    assert!(absence.is_news(at(60)));
    assert!(!absence.is_news(at(120)), "once");
    assert!(absence.end(at(130)));
    assert!(!absence.end(at(133)), "once");
    assert!(!absence.is_news(at(192)));
    assert!(absence.is_news(at(193)), "and again the next time");
}

/// The election of a replica whose API server answers a look at the lease and a write as told.
fn election(lease: Value, written: StatusCode) -> (Election, Metrics) {
    let metrics = Metrics::new();
    let client = client(move |asked| {
        let answer = match (asked.method == Method::GET, written.is_success()) {
            (false, false) => refusal(written, "no"),
            _ => (StatusCode::OK, lease.clone()),
        };
        std::future::ready(answer)
    });
    (
        Election::new(client, "gate", "gate", "a", Watches::new(metrics.clone(), Health::default()), metrics.clone()),
        metrics,
    )
}

#[tokio::test(start_paused = true)]
async fn flt_48_only_a_leader_that_was_seen_counts_as_one() {
    let held = |holder: &str| json!({"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": holder}});
    for (lease, written, seen) in [
        (held("a"), StatusCode::OK, true),
        (held("b"), StatusCode::OK, true),
        (held(""), StatusCode::OK, true),
        (held(""), StatusCode::CONFLICT, false),
        (held(""), StatusCode::FORBIDDEN, false),
    ] {
        let (election, metrics) = election(lease.clone(), written);
        metrics.leader_seen(0);
        let _ = tokio::time::timeout(Duration::from_secs(1), election.campaign()).await;
        let never = metrics.render().contains("sealgate_leader_last_seen_timestamp_seconds 0");
        assert_eq!(!never, seen, "{lease} {written}");
    }
}
