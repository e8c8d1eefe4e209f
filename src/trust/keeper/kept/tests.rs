use super::*;

fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    start.checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

#[test]
fn flt_12_trouble_is_said_at_once_and_then_every_hour() {
    let mut kept = Kept::new("own");
    let said: Vec<i64> = (0..=180).filter(|minute| kept.is_to_be_said(true, at(*minute))).collect();
    assert_eq!(said, [0, 60, 120, 180]);
    assert!(!kept.is_to_be_said(false, at(181)));
    assert!(kept.is_to_be_said(true, at(182)), "new trouble is new");
}

#[test]
fn flt_12_a_failed_refresh_is_tried_again_later_each_time_and_at_least_hourly() {
    let minutes: Vec<i64> = (1..=9).map(|failures| back_off(failures).as_secs() / 60).collect();
    assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(back_off(u32::MAX), RETRY_AT_MOST);
    let hour = SignedDuration::from_hours(1);
    for _ in 0..100 {
        let pause = jittered(hour);
        assert!(pause <= hour && pause >= SignedDuration::from_mins(54), "{pause}");
    }
}

#[test]
fn flt_13_what_lives_short_is_renewed_half_way_and_not_every_second() {
    let interval = SignedDuration::from_hours(6);
    assert!(next_refresh(interval, SignedDuration::from_hours(7 * 24)) > SignedDuration::from_hours(5));
    assert_eq!(next_refresh(interval, SignedDuration::from_hours(2)), SignedDuration::from_hours(1));
    assert_eq!(next_refresh(interval, SignedDuration::from_secs(10)), RETRY);
    assert_eq!(next_refresh(interval, SignedDuration::from_hours(-5)), RETRY);
}
