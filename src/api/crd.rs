//! The `CustomResourceDefinition`s, as the chart installs them.

use kube::CustomResourceExt;
use serde_json::Value;

use super::policy::ClusterSignaturePolicy;
use super::trusted_root::TrustedRoot;

/// The CRD of every kind.
pub fn crds() -> [Value; 2] {
    [crd(), trusted_root_crd()]
}

/// The CRD of `ClusterSignaturePolicy`.
pub fn crd() -> Value {
    of::<ClusterSignaturePolicy>()
}

/// The CRD of `TrustedRoot`.
pub fn trusted_root_crd() -> Value {
    of::<TrustedRoot>()
}

/// Empty lists are left out: the API server does not store them, and a tool that compares would see a difference for ever.
fn of<K: CustomResourceExt>() -> Value {
    // Serialising a CRD has no way to fail; a Null would be caught by the snapshot test.
    let mut crd = serde_json::to_value(K::crd()).unwrap_or_default();
    tidy(&mut crd);
    crd
}

/// Drops empty lists, and the line breaks that doc comments have and `kubectl explain` should not.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, v| !v.as_array().is_some_and(Vec::is_empty));
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
