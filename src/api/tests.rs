//! The CRD that is made from the types.

use super::*;

#[test]
fn the_crd_is_as_reviewed() {
    insta::assert_yaml_snapshot!(crd());
}

#[test]
fn the_crd_of_trusted_roots_is_as_reviewed() {
    insta::assert_yaml_snapshot!(trusted_root_crd());
}
