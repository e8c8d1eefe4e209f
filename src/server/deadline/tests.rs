//! Tests of deadlines.

use super::*;

#[test]
fn adm_14_time_is_taken_off_for_the_way_back_and_for_rounding() {
    let deadlines = Deadlines::new(Duration::from_secs(10));
    for (query, millis) in [
        (Some("timeout=1s"), 500),
        (Some("timeout=2s"), 500),
        (Some("timeout=3s"), 1500),
        (Some("timeout=10s"), 9500),
        (Some("timeout=30s"), 29_500),
        (Some("timeout=1m30s"), 29_500),
        (Some("a=b&timeout=2s"), 500),
        (None, 9500),
        (Some(""), 9500),
        (Some("timeout=0s"), 9500),
        (Some("timeout=-1s"), 9500),
        (Some("timeout=1.5s"), 9500),
        (Some("timeout=10"), 9500),
        (Some("timeout=99999999999999999999s"), 9500),
        (Some("timeout=18446744073709551615m1s"), 9500),
        (Some("xtimeout=1s"), 9500),
    ] {
        assert_eq!(deadlines.of(query), Duration::from_millis(millis), "{query:?}");
    }
}
