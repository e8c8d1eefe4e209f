//! From the spec of a `TrustedRoot`, as it is stored or written in a file, to what can be loaded.
//!
//! As for policies: held to the CRD's schema, then to what its CEL rules demand, then parsed. A TUF repository is only named
//! here; what it holds is proven by whoever asks it.

use serde::Deserialize as _;
use serde_json::Value;
use url::Url;

use crate::domain::text::{foreign, without_types};
use crate::domain::{RootSource, TufSource};
use crate::policy::PolicyError;
use crate::signatures::TrustMaterial;

use super::schema;
use super::trusted_root::{TrustedRootSpec, TufSpec};

/// A `TrustedRoot` that was read, or why it can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootEntry {
    /// Its name.
    pub name: String,
    /// What it says.
    pub source: Result<RootSource, PolicyError>,
}

/// Reads the spec of a `TrustedRoot`, refusing unknown fields.
pub fn compile_root(name: &str, spec: &Value) -> RootEntry {
    RootEntry { name: name.to_owned(), source: read(spec) }
}

fn read(spec: &Value) -> Result<RootSource, PolicyError> {
    schema::check(schema::trusted_root_spec(), spec, "spec")?;
    let spec = TrustedRootSpec::deserialize(spec)
        .map_err(|e| PolicyError::new("spec", foreign(&without_types(&e.to_string()))))?;
    match (spec.inline, spec.tuf) {
        (Some(text), None) => {
            TrustMaterial::from_json(&text).map_err(|e| PolicyError::new("spec.inline", e.to_string()))?;
            Ok(RootSource::Inline(text.into()))
        }
        (None, Some(tuf)) => Ok(RootSource::Tuf(repository(tuf)?)),
        _ => Err(PolicyError::new("spec", "a trusted root has exactly one of inline and tuf")),
    }
}

fn repository(spec: TufSpec) -> Result<TufSource, PolicyError> {
    if !is_target(&spec.target) {
        return Err(PolicyError::new("spec.tuf.target", "is not the name of a file, such as trusted_root.json"));
    }
    let root: Value = serde_json::from_str(&spec.root)
        .map_err(|e| PolicyError::new("spec.tuf.root", format!("is not JSON: {}", foreign(&e.to_string()))))?;
    if root.pointer("/signed/_type").and_then(Value::as_str) != Some("root") {
        return Err(PolicyError::new("spec.tuf.root", "is not the root.json of a TUF repository"));
    }
    Ok(TufSource { mirror: mirror(&spec.mirror)?, root: spec.root.into(), target: spec.target })
}

fn mirror(text: &str) -> Result<Url, PolicyError> {
    let fail = |problem: &str| Err(PolicyError::new("spec.tuf.mirror", problem));
    let Ok(mut url) = Url::parse(text) else { return fail("is not a URL") };
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return fail("is not an https URL");
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return fail("must not have a user, a query or a fragment");
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// As [`super::rules::TARGET`] says: segments of `[A-Za-z0-9._-]` that don't begin with a dot.
fn is_target(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    name.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed))
}
