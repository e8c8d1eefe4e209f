use super::*;

#[test]
fn reg_22_a_body_must_keep_a_minimum_rate_after_its_first_second() {
    let second = Duration::from_secs(1);
    assert!(!is_too_slow(second, 0), "the first second is free");
    assert!(is_too_slow(second * 2, MINIMUM_RATE - 1));
    assert!(!is_too_slow(second * 2, MINIMUM_RATE));
    assert!(is_too_slow(second * 11, 10 * MINIMUM_RATE - 1));
    assert!(!is_too_slow(second * 11, 10 * MINIMUM_RATE));
}
