//! Tests of what is kept of an object.

use serde_json::json;

use super::super::json::MAX_TEXT;
use super::*;
use crate::domain::{ImageReference, ReferenceError};

fn read(text: &str) -> PodSpec {
    let spec = json!({
        "containers": [{"name": text, "image": text}],
        "volumes": [{"name": text, "image": {"reference": text}}],
    });
    let object = json!({"kind": "Pod", "spec": spec}).to_string();
    let raw: &RawValue = serde_json::from_str(&object).unwrap();
    Object::read(raw, &["spec".to_owned()]).unwrap().pod_spec.unwrap()
}

fn texts(spec: PodSpec) -> Vec<String> {
    let containers = spec.containers.into_iter().flat_map(|container| [container.name, container.image]);
    let volumes = spec.volumes.into_iter().flat_map(|volume| [volume.name, volume.image.unwrap().reference]);
    containers.chain(volumes).map(Option::unwrap).collect()
}

#[test]
fn adm_10_a_text_longer_than_any_reference_is_not_kept_whole() {
    let kept = "é".repeat(MAX_TEXT / 2);
    assert_eq!(texts(read(&kept)), [kept.as_str(); 4]);
    let long = "x".repeat(1 << 20);
    let one = texts(read(&long));
    for (text, other) in one.iter().zip(texts(read(&format!("{long}y")))) {
        assert!(text.starts_with("xxx") && text.len() < MAX_TEXT + 100, "{} bytes", text.len());
        assert_ne!(*text, other, "what differs still differs");
        assert_eq!(ImageReference::parse(text), Err(ReferenceError::TooLong));
    }
    assert_eq!(texts(read(&long)), one);
}
