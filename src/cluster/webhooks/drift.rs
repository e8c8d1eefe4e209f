//! Whether a stored list of webhooks is still the one that was rendered.

use serde::Serialize;
use serde_json::{Map, Value};

/// What managed platforms add to every namespace selector, and add again after each removal, by key and only value of a `NotIn`:
/// the admissions enforcer of AKS (Azure/AKS issue 4002). Nothing else is left: an expression takes namespaces out of the gate.
const PLATFORM_EXPRESSIONS: [(&str, &str); 2] = [("control-plane", "true"), ("kubernetes.azure.com/managedby", "aks")];

/// How a stored list differs from the rendered one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// Not at all.
    Same,
    /// Only by what a managed platform adds: `validate.pods.sealgate.dev: control-plane NotIn [true]`.
    Tolerated(Vec<String>),
    /// Otherwise; the name of the first webhook that differs, or what is wrong with the list.
    Changed(String),
}

/// Compares. Both are lists of `MutatingWebhook` or of `ValidatingWebhook`.
pub fn compare<W: Serialize>(rendered: &[W], stored: &[W]) -> Drift {
    if rendered.len() != stored.len() {
        return Drift::Changed(format!("{} webhooks instead of {}", stored.len(), rendered.len()));
    }
    let mut tolerated = Vec::new();
    for (rendered, stored) in rendered.iter().zip(stored) {
        let (rendered, mut stored) = (normal(rendered), normal(stored));
        let name = stored.get("name").and_then(Value::as_str).unwrap_or("a webhook without a name").to_owned();
        for expression in take_platform_expressions(&rendered, &mut stored) {
            tolerated.push(format!("{name}: {expression}"));
        }
        if rendered != stored {
            return Drift::Changed(name);
        }
    }
    if tolerated.is_empty() { Drift::Same } else { Drift::Tolerated(tolerated) }
}

/// As JSON, without the empty values that the API server adds.
fn normal<W: Serialize>(webhook: &W) -> Value {
    let mut value = serde_json::to_value(webhook).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, field| !is_empty(field));
    }
    value
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Removes from `stored` the expressions that a platform added, and says what they were.
fn take_platform_expressions(rendered: &Value, stored: &mut Value) -> Vec<String> {
    let ours = rendered.pointer("/namespaceSelector/matchExpressions").and_then(Value::as_array);
    let Some(expressions) = stored.pointer_mut("/namespaceSelector/matchExpressions").and_then(Value::as_array_mut)
    else {
        return Vec::new();
    };
    let mut taken = Vec::new();
    expressions.retain(|expression| {
        let added = !ours.is_some_and(|ours| ours.contains(expression));
        match expression.as_object() {
            Some(fields) if added && is_platform_exclusion(fields) => {
                taken.push(describe(fields));
                false
            }
            _ => true,
        }
    });
    taken
}

fn is_platform_exclusion(expression: &Map<String, Value>) -> bool {
    let values = expression.get("values").and_then(Value::as_array).map(Vec::as_slice);
    let is = |(key, value): (&str, &str)| {
        text(expression, "key") == key && matches!(values, Some([only]) if only.as_str() == Some(value))
    };
    text(expression, "operator") == "NotIn" && PLATFORM_EXPRESSIONS.into_iter().any(is)
}

fn describe(expression: &Map<String, Value>) -> String {
    let values: Vec<_> =
        expression.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let what = format!("{} {}", text(expression, "key"), text(expression, "operator"));
    if values.is_empty() { what } else { format!("{what} [{}]", values.join(", ")) }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}
