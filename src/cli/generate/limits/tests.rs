use super::*;
use crate::config::LimitsConfig;

#[test]
fn what_is_set_where_no_setting_is_is_what_the_page_says() {
    let settings = LimitsConfig::default();
    assert_eq!((settings.max_connections, settings.body_budget_bytes), (server::CONNECTIONS, server::REVIEWS_BYTES));
    assert_eq!(settings.attestation_bytes, registry::Limits::default().attestation_bytes);
}

#[test]
fn numbers_are_written_with_their_units() {
    let written = [bytes(20 << 20), bytes(64 << 10), bytes(1000), bytes(1 << 20)];
    assert_eq!(written, ["20 MiB", "64 KiB", "1000 bytes", "1 MiB"]);
    let written = [time(Duration::from_secs(4)), time(Duration::from_mins(2)), time(Duration::from_millis(1500))];
    assert_eq!(written, ["4 s", "2 min", "1500 ms"]);
}
