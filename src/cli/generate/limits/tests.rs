use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::config::LimitsConfig;

/// `resources.limits.memory` of the chart.
fn memory_of_the_chart() -> usize {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/sealgate/values.yaml");
    let values: Value = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let memory = values.pointer("/resources/limits/memory").and_then(Value::as_str).unwrap();
    memory.strip_suffix("Mi").unwrap().parse::<usize>().unwrap() << 20
}

#[test]
fn all_kinds_of_use_at_their_worst_fit_into_the_memory_of_the_chart() {
    let sum: usize = memory().iter().map(|(_, bytes)| bytes).sum();
    let limit = memory_of_the_chart();
    assert!(sum < limit, "{} of {}: {:?}", mebibytes(sum), mebibytes(limit), memory());
}

#[test]
fn the_chart_knows_what_is_needed_beside_reviews() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/sealgate/templates/validate.yaml");
    let template = fs::read_to_string(file).unwrap();
    let number = |after: &str| -> usize {
        let text = template.split(after).nth(1).unwrap();
        text.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty()).unwrap().parse().unwrap()
    };
    assert_eq!(number("\"bodyBudgetBytes\""), server::REVIEWS_BYTES);
    let sum: usize = memory().iter().map(|(_, bytes)| bytes).sum();
    let (beside, needed) = (number("$least := add"), sum.checked_sub(server::REVIEWS_BYTES).unwrap());
    assert!(needed <= beside && beside < needed.saturating_add(8 << 20), "{beside}, needed are {needed}");
}

#[test]
fn what_is_set_where_no_setting_is_is_what_the_page_says() {
    let settings = LimitsConfig::default();
    assert_eq!((settings.max_connections, settings.body_budget_bytes), (server::CONNECTIONS, server::REVIEWS_BYTES));
    assert_eq!(settings.attestation_bytes, registry::Limits::default().attestation_bytes);
}

#[test]
fn numbers_are_written_with_their_units() {
    let written = [bytes(20 << 20), bytes(64 << 10), bytes(1000), bytes(1 << 20), mebibytes(1), mebibytes(25 << 19)];
    assert_eq!(written, ["20 MiB", "64 KiB", "1000 bytes", "1 MiB", "0.1 MiB", "12.5 MiB"]);
    let written = [time(Duration::from_secs(4)), time(Duration::from_mins(2)), time(Duration::from_millis(1500))];
    assert_eq!(written, ["4 s", "2 min", "1500 ms"]);
}
