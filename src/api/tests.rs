//! The CRD and the page that are made from the types.

use super::*;

#[test]
fn the_crd_is_as_reviewed() {
    insta::assert_yaml_snapshot!(crd());
}

#[test]
fn the_reference_page_is_up_to_date() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/policy.md");
    let written = std::fs::read_to_string(page).unwrap();
    assert!(written == reference(), "{page} is old: make generate");
}
