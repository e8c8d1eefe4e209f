//! The reference pages say what the program does.

use std::fs;
use std::path::PathBuf;

use sealgate::domain::reason::CODES;

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(name)
}

#[test]
fn every_code_is_documented_and_no_other() {
    let text = fs::read_to_string(page("codes.md")).unwrap();
    let documented: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let mut codes = CODES.to_vec();
    codes.sort_unstable();
    let mut sorted = documented.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, codes);
    assert_eq!(text.matches("*What to do:*").count(), codes.len());
}
