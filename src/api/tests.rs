//! The CRD and the page that are made from the types.

use super::*;

#[test]
fn the_crd_is_as_reviewed() {
    insta::assert_yaml_snapshot!(crd());
}

#[test]
fn the_reference_is_as_reviewed() {
    insta::assert_snapshot!(reference());
}
