//! Tests of pointers and operations.

use super::*;

#[test]
fn adm_08_pointers_escape_what_rfc_6901_says() {
    assert_eq!(pointer(["spec", "containers", "0", "image"]), "/spec/containers/0/image");
    assert_eq!(pointer(["a/b", "~", "~1", ""]), "/a~1b/~0/~01/");
}

#[test]
fn adm_08_an_operation_is_written_as_rfc_6902_says() {
    let written = serde_json::to_string(&Replacement::new("/spec".into(), "x".into())).unwrap();
    assert_eq!(written, r#"{"op":"replace","path":"/spec","value":"x"}"#);
}
