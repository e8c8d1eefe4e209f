use super::*;

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
