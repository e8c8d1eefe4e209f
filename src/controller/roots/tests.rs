use tokio::time::Instant;

use super::*;
use crate::cluster::scripted::Traffic;
use crate::domain::Digest;
use crate::trust::{Contents, InUse, Origin};

fn now() -> Timestamp {
    "2026-11-01T00:00:00.5Z".parse().unwrap()
}

fn report(problem: Option<Problem>) -> Report {
    let contents = Contents { certificate_authorities: 2, logs: 1, timestamp_authorities: 0 };
    let in_use = InUse {
        origin: Origin::Tuf,
        digest: Digest::of(b"root"),
        contents,
        fetched: Some(now()),
        expires: "2026-11-07T00:00:00Z".parse().ok(),
    };
    Report { name: "own".into(), generation: 3, in_use: Some(in_use), problem }
}

#[test]
fn a_root_in_use_says_what_it_has() {
    let status = status(&report(None), &[], now());
    let ready = &status.conditions[0];
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("True", "Loaded"));
    assert_eq!(ready.message, "in use, with 2 certificate authorities, 1 log, no timestamp authority");
    assert_eq!(ready.observed_generation, Some(3));
    assert_eq!(status.source.as_deref(), Some("tuf"));
    assert_eq!(status.fetched_at.unwrap().0.to_string(), "2026-11-01T00:00:00Z", "whole seconds");
}

#[test]
fn flt_22_a_root_that_cannot_be_used_says_why_and_what_stays() {
    let invalid = || Some(Problem::Invalid("spec.inline: is no trusted root".into()));
    let kept = status(&report(invalid()), &[], now());
    assert_eq!((kept.conditions[0].status.as_str(), kept.conditions[0].reason.as_str()), ("False", "Invalid"));
    assert!(kept.conditions[0].message.contains("The last good one stays in use"), "{:?}", kept.conditions);
    assert_eq!(kept.source.as_deref(), Some("tuf"));

    let nothing = status(&Report { in_use: None, ..report(invalid()) }, &[], now());
    assert!(nothing.conditions[0].message.contains("TRUSTED_ROOT_UNAVAILABLE"), "{:?}", nothing.conditions);
    assert_eq!((nothing.source.as_deref(), nothing.digest), (Some("none"), None));
}

#[test]
fn flt_12_a_root_that_cannot_be_renewed_is_ready_and_says_so() {
    let stale = status(&report(Some(Problem::Stale("the mirror: HTTP 503".into()))), &[], now());
    let ready = &stale.conditions[0];
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("True", "RefreshFailing"));
    assert!(ready.message.contains("HTTP 503"));
}

#[test]
fn flt_13_an_expired_root_is_not_in_use_any_more() {
    let expired = status(&report(Some(Problem::Expired("its metadata have expired".into()))), &[], now());
    assert_eq!(expired.conditions[0].reason, "Expired");
    assert_eq!((expired.source.as_deref(), expired.digest), (Some("none"), None));
    assert!(expired.expires_at.is_some(), "when it did");
}

#[test]
fn the_transition_time_moves_only_with_the_status() {
    let first = status(&report(None), &[], now());
    let later = "2026-11-02T00:00:00Z".parse().unwrap();
    let stale = status(&report(Some(Problem::Stale("x".into()))), &first.conditions, later);
    assert_eq!(stale.conditions[0].last_transition_time.0, now());
    let expired = status(&report(Some(Problem::Expired("x".into()))), &stale.conditions, later);
    assert_eq!(expired.conditions[0].last_transition_time.0, later);
}

#[tokio::test(start_paused = true)]
async fn flt_22_status_of_many_roots_is_written_at_once_and_given_up_while_the_api_server_is_away() {
    let due =
        || (0..40).map(|number| (format!("root-{number}"), status(&report(None), &[], now()))).collect::<Vec<_>>();
    for (each, whole, took) in
        [(Duration::from_secs(1), true, Duration::from_secs(5)), (Duration::from_hours(1), false, REQUEST_TIMEOUT)]
    {
        let (traffic, mut written, began) = (Traffic::default(), BTreeMap::new(), Instant::now());
        let api = Api::all_with(traffic.client(each), &resource());
        assert_eq!(write_all(&api, due(), &mut written).await, whole);
        assert_eq!((began.elapsed(), traffic.most()), (took, STATUS_WRITES));
        assert_eq!(written.len(), if whole { 40 } else { 0 });
    }
}
