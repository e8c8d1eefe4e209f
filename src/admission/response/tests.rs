//! Tests of what can't be written.

use super::*;

#[test]
fn adm_12_a_patch_that_is_too_large_is_not_written() {
    let replacing = |bytes| {
        let patch = vec![Replacement::new("/spec/containers/0/image".into(), "x".repeat(bytes))];
        Response { patch, ..Response::allow() }.write("uid")
    };
    assert_eq!(replacing(MAX_PATCH), None);
    assert!(replacing(MAX_PATCH - 1000).is_some());
}
