//! What reading a policy refuses in `match` and `mode`, the CRD refuses too, and no more: its schema and its CEL rules, evaluated
//! here. The tests against a live API server ask it the same.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kube_cel::KubeCelExt as _;
use kube_cel::cel::{Context, Program, Value as Cel};
use proptest::prelude::*;
use regex::Regex;
use sealgate::api;
use serde_json::{Value, json};

use crate::support::specs::spec;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pol_23_the_crd_refuses_what_reading_refuses(spec in spec()) {
        let read = api::compile("p", &spec).error().map(ToString::to_string);
        let stored = refusal(schema(), &spec, "spec");
        prop_assert_eq!(read.is_none(), stored.is_none(), "reading: {:?}, the CRD: {:?}, of {}", read, stored, spec);
    }
}

#[test]
fn pol_23_typos_in_patterns_are_refused_with_advice() {
    let good = json!({"match": {"images": ["ghcr.io/acme/**"]}, "authorities": [{"name": "fixed", "static": "Deny"}]});
    assert_eq!(refusal(schema(), &good, "spec"), None);
    for (pattern, advice) in [
        ("ghcr.io/MyOrg/**", "lower case"),
        ("ghcr.io/acme-*/**", "a wildcard stands alone"),
        ("docker.io/nginx", "docker.io/NAMESPACE/NAME"),
        ("ghcr.io:99999/acme/**", "the port is 1 to 65535"),
        ("ghcr.io/acme/**/**", "path segments"),
    ] {
        let mut bad = good.clone();
        bad["match"]["images"] = json!([pattern]);
        let refusal = refusal(schema(), &bad, "spec").unwrap_or_else(|| panic!("{pattern} is accepted"));
        assert!(refusal.contains(advice), "{pattern}: {refusal}");
    }
}

fn schema() -> &'static Value {
    static SCHEMA: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| {
        let crd = api::crd();
        crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap().clone()
    });
    &SCHEMA
}

/// Why the API server would refuse a value: the first reason.
fn refusal(schema: &Value, value: &Value, path: &str) -> Option<String> {
    let number = |name: &str| schema[name].as_u64().and_then(|n| usize::try_from(n).ok());
    let outside = |size: usize, what: &str| {
        number(&format!("min{what}")).is_some_and(|least| size < least)
            || number(&format!("max{what}")).is_some_and(|most| size > most)
    };
    let fail = |why: &str| Some(format!("{path}: {why}"));
    match (schema["type"].as_str().unwrap(), value) {
        ("string", Value::String(text)) => {
            if outside(text.chars().count(), "Length") {
                return fail("length");
            }
            if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
                return fail("enum");
            }
            if schema["pattern"].as_str().is_some_and(|pattern| !Regex::new(pattern).unwrap().is_match(text)) {
                return fail("pattern");
            }
        }
        ("array", Value::Array(items)) => {
            if outside(items.len(), "Items") {
                return fail("items");
            }
            let mut inner = items.iter().enumerate();
            if let Some(found) = inner.find_map(|(i, item)| refusal(&schema["items"], item, &format!("{path}[{i}]"))) {
                return Some(found);
            }
        }
        ("object", Value::Object(fields)) => {
            if outside(fields.len(), "Properties") {
                return fail("properties");
            }
            let of = |name: &str| schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            let mut inner = fields.iter().filter_map(|(name, field)| Some((name, of(name)?, field)));
            let found = inner.find_map(|(name, schema, field)| refusal(schema, field, &format!("{path}.{name}")));
            if found.is_some() {
                return found;
            }
        }
        (kind, _) => return fail(kind),
    }
    let mut rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules.find(|rule| !holds(rule["rule"].as_str().unwrap(), value)).map(|rule| format!("{path}: {}", rule["message"]))
}

fn holds(rule: &str, value: &Value) -> bool {
    let mut context = Context::default().with_all();
    context.add_variable("self", value.clone()).unwrap();
    let program = Program::compile(rule).unwrap_or_else(|e| panic!("{rule}: {e:?}"));
    match catch_unwind(AssertUnwindSafe(|| program.execute(&context))) {
        Ok(Ok(Cel::Bool(answer))) => answer,
        other => panic!("{rule} of {value}: {other:?}"),
    }
}
