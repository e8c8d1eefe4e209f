//! Holds an untyped spec to the schema of the CRD: types, bounds, and no field that the schema does not have.
//!
//! One reading of one schema for both ways in: what the API server would refuse in a stored policy is refused in a file, with
//! the same field path.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::domain::text::foreign;
use crate::policy::PolicyError;

/// Names nearer than this (Jaro-Winkler, 0 to 1) are suggested for an unknown field.
const NEAR: f64 = 0.75;

/// The schema of the spec of a `ClusterSignaturePolicy`.
pub(super) fn spec() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| of(super::crd()));
    &SCHEMA
}

/// The schema of the spec of a `TrustedRoot`.
pub(super) fn trusted_root_spec() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| of(super::trusted_root_crd()));
    &SCHEMA
}

fn of(mut crd: Value) -> Value {
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    crd.pointer_mut(spec).map(Value::take).unwrap_or_default()
}

/// Checks a value; the first fault in document order of the schema is reported.
pub(super) fn check(schema: &Value, value: &Value, path: &str) -> Result<(), PolicyError> {
    let fail = |problem: String| Err(PolicyError { path: path.to_owned(), problem });
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or("object");
    match (kind, value) {
        ("object", Value::Object(fields)) => object(schema, fields, path),
        ("array", Value::Array(items)) => {
            size(schema, items.len(), "Items", "entries", path)?;
            let inner = schema.get("items").unwrap_or(&Value::Null);
            items.iter().enumerate().try_for_each(|(i, item)| check(inner, item, &format!("{path}[{i}]")))
        }
        ("string", Value::String(text)) => {
            size(schema, text.chars().count(), "Length", "characters", path)?;
            match schema.get("enum").and_then(Value::as_array) {
                Some(words) if !words.contains(value) => {
                    let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
                    fail(format!("expected {}, found \"{}\"", words.join(", "), foreign(text)))
                }
                _ => Ok(()),
            }
        }
        ("integer", Value::Number(number)) => {
            let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
            match number.as_i64() {
                None => fail(format!("expected a whole number, found {number}")),
                Some(_) if bound("minimum").is_some_and(|least| number.as_f64() < Some(least)) => {
                    fail(format!("must be at least {}, found {number}", bound("minimum").unwrap_or_default()))
                }
                Some(_) if bound("maximum").is_some_and(|most| number.as_f64() > Some(most)) => {
                    fail(format!("must be at most {}, found {number}", bound("maximum").unwrap_or_default()))
                }
                Some(_) => Ok(()),
            }
        }
        ("boolean", Value::Bool(_)) => Ok(()),
        (_, found) => fail(format!("expected {}, found {}", with_article(kind), type_of(found))),
    }
}

fn object(schema: &Value, fields: &Map<String, Value>, path: &str) -> Result<(), PolicyError> {
    let Some(known) = schema.get("properties").and_then(Value::as_object) else {
        size(schema, fields.len(), "Properties", "entries", path)?;
        let inner = schema.get("additionalProperties").unwrap_or(&Value::Null);
        return fields.iter().try_for_each(|(key, v)| check(inner, v, &format!("{path}[{}]", foreign(key))));
    };
    if let Some(field) = fields.keys().find(|field| !known.contains_key(*field)) {
        return Err(unknown(field, known, path));
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for field in required {
        if !fields.contains_key(field) {
            return Err(PolicyError { path: format!("{path}.{field}"), problem: "is required".into() });
        }
    }
    known
        .iter()
        .filter_map(|(field, schema)| fields.get(field).map(|v| (field, schema, v)))
        .try_for_each(|(field, schema, v)| check(schema, v, &format!("{path}.{field}")))
}

fn unknown(field: &str, known: &Map<String, Value>, path: &str) -> PolicyError {
    let near = known
        .keys()
        .map(|name| (likeness(&name.to_lowercase(), &field.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let names = || known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let hint = match near {
        Some((_, name)) => format!("did you mean {name}?"),
        None => format!("known here: {}", names()),
    };
    PolicyError {
        path: format!("{path}.{}", foreign(field)),
        problem: format!("unknown field; {hint} (a field of a newer version is not ignored either)"),
    }
}

/// How much an unknown field is like a known one, 0 to 1; one that was cut short or carried on is that one.
fn likeness(known: &str, unknown: &str) -> f64 {
    let continued = unknown.len() > 3 && (known.starts_with(unknown) || unknown.starts_with(known));
    if continued { 1.0 } else { strsim::jaro_winkler(known, unknown) }
}

/// The bounds `min<What>` and `max<What>`.
fn size(schema: &Value, found: usize, what: &str, unit: &str, path: &str) -> Result<(), PolicyError> {
    let bound = |side: &str| schema.get(format!("{side}{what}")).and_then(Value::as_u64);
    let found = found as u64;
    let problem = match (bound("min"), bound("max")) {
        (Some(1), _) if found == 0 => "must not be empty".to_owned(),
        (Some(least), _) if found < least => format!("has {found} {unit}, at least {least} are needed"),
        (_, Some(most)) if found > most => format!("has {found} {unit}, at most {most} are accepted"),
        _ => return Ok(()),
    };
    Err(PolicyError { path: path.to_owned(), problem })
}

fn with_article(kind: &str) -> &'static str {
    match kind {
        "array" => "a list",
        "string" => "a text",
        "integer" => "a whole number",
        "boolean" => "true or false",
        _ => "a mapping of fields",
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping of fields",
    }
}
