//! From the spec of a policy, as it is stored or written in a file, to a policy that can be asked.
//!
//! 1. The spec is held to the CRD's schema, and refused for a field that the schema does not have.
//! 2. What the CRD's CEL rules demand is demanded here too: a policy may have been stored past them.
//! 3. Patterns, keys and names are parsed, and [`Policy::new`] proves that they fit together.
//!
//! What fails a step becomes a [`BrokenPolicy`], which refuses whatever images it can still be read to be about.

mod demands;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::policy::{ClusterSignaturePolicySpec, ModeSpec, OperatorSpec, RequireSpec, SelectorSpec, SignatureSpec};
use super::schema;
use crate::domain::name::{is_dns_label, is_dns_subdomain};
use crate::domain::text::{foreign, without_types};
use crate::domain::{Pattern, Repository};
use crate::policy::{
    Authority, BrokenPolicy, Entry, LabelSelector, Mode, Policy, PolicyError, PolicyParts, Require, Requirement,
    SelectorOperator,
};

/// Reads the spec of a `ClusterSignaturePolicy`. Unknown fields are refused: a constraint that a typo or an older version
/// would drop in silence makes the policy broken instead. Never fails: what can't be used becomes [`Entry::Broken`].
pub fn compile(name: &str, spec: &Value) -> Entry {
    match read(name, spec) {
        Ok(policy) => Entry::Valid(Arc::new(policy)),
        Err(error) => Entry::Broken(Box::new(salvage(name, spec, error))),
    }
}

fn read(name: &str, spec: &Value) -> Result<Policy, PolicyError> {
    schema::check(schema::spec(), spec, "spec")?;
    let spec = ClusterSignaturePolicySpec::deserialize_from(spec)?;
    let authorities = demands::authorities(spec.authorities)?;
    let attestations = demands::attestations(spec.attestations, &authorities)?;
    let signature = spec.signature.unwrap_or_default();
    Policy::new(PolicyParts {
        name: name.into(),
        mode: mode(spec.mode),
        images: patterns(&spec.matches.images, "spec.match.images")?,
        exclude_images: patterns(&spec.matches.exclude_images, "spec.match.excludeImages")?,
        namespaces: namespaces(spec.matches.namespaces)?,
        namespace_selector: selector(spec.matches.namespace_selector.unwrap_or_default())?,
        require: require(&spec.require.unwrap_or_default(), &authorities)?,
        authorities,
        signature_repository: signature_repository(&signature)?,
        annotations: annotations(signature.annotations)?,
        log: spec.transparency_log.map(demands::log),
        attestations,
    })
}

impl ClusterSignaturePolicySpec {
    /// Cannot fail after [`schema::check`], as long as types and schema say the same; a test holds them together.
    fn deserialize_from(spec: &Value) -> Result<Self, PolicyError> {
        serde::Deserialize::deserialize(spec)
            .map_err(|e| PolicyError::new("spec", foreign(&without_types(&e.to_string()))))
    }
}

fn mode(mode: ModeSpec) -> Mode {
    match mode {
        ModeSpec::Enforce => Mode::Enforce,
        ModeSpec::Warn => Mode::Warn,
        ModeSpec::Audit => Mode::Audit,
    }
}

fn patterns(texts: &[String], path: &str) -> Result<Vec<Pattern>, PolicyError> {
    let parse = |(i, text): (usize, &String)| {
        Pattern::parse(text)
            .map_err(|e| PolicyError::new(format!("{path}[{i}]"), format!("\"{}\": {e}", foreign(text))))
    };
    texts.iter().enumerate().map(parse).collect()
}

fn namespaces(names: Vec<String>) -> Result<Vec<String>, PolicyError> {
    match names.iter().position(|name| !is_dns_label(name)) {
        Some(i) => Err(PolicyError::new(
            format!("spec.match.namespaces[{i}]"),
            "is not the name of a namespace: lower-case letters, digits and -",
        )),
        None => Ok(names),
    }
}

fn selector(spec: SelectorSpec) -> Result<LabelSelector, PolicyError> {
    const PATH: &str = "spec.match.namespaceSelector";
    let mut requirements = Vec::new();
    for (key, value) in spec.match_labels {
        let path = format!("{PATH}.matchLabels[{}]", foreign(&key));
        label_key(&key, &path)?;
        label_value(&value, &path)?;
        requirements.push(Requirement { key, operator: SelectorOperator::In, values: vec![value] });
    }
    for (i, expression) in spec.match_expressions.into_iter().enumerate() {
        let path = format!("{PATH}.matchExpressions[{i}]");
        label_key(&expression.key, &format!("{path}.key"))?;
        let operator = match expression.operator {
            OperatorSpec::In => SelectorOperator::In,
            OperatorSpec::NotIn => SelectorOperator::NotIn,
            OperatorSpec::Exists => SelectorOperator::Exists,
            OperatorSpec::DoesNotExist => SelectorOperator::DoesNotExist,
        };
        for (j, value) in expression.values.iter().enumerate() {
            label_value(value, &format!("{path}.values[{j}]"))?;
        }
        requirements.push(Requirement { key: expression.key, operator, values: expression.values });
    }
    Ok(LabelSelector { requirements })
}

fn require(spec: &RequireSpec, authorities: &[Authority]) -> Result<Require, PolicyError> {
    let of = named(&spec.of, authorities, "spec.require.of")?;
    let at_least = match (spec.all.unwrap_or_default(), spec.at_least) {
        (true, Some(_)) => return Err(PolicyError::new("spec.require", "has either all or atLeast")),
        (true, None) => of.len(),
        (false, None) => 1,
        // Zero, where the number is negative, is refused by `Policy::new`.
        (false, Some(count)) => usize::try_from(count).unwrap_or_default(),
    };
    Ok(Require { at_least, of })
}

/// The indexes of authorities by their names; all of them, where none is named.
fn named(names: &[String], authorities: &[Authority], path: &str) -> Result<Vec<usize>, PolicyError> {
    let index = |(i, name): (usize, &String)| {
        let found = authorities.iter().position(|authority| *authority.name == **name);
        found.ok_or_else(|| {
            PolicyError::new(format!("{path}[{i}]"), format!("\"{}\" is no authority of this policy", foreign(name)))
        })
    };
    match names {
        [] => Ok((0..authorities.len()).collect()),
        names => names.iter().enumerate().map(index).collect(),
    }
}

fn signature_repository(spec: &SignatureSpec) -> Result<Option<Repository>, PolicyError> {
    const PATH: &str = "spec.signature.repository";
    if spec.repository.is_empty() {
        return Ok(None);
    }
    let repository = Repository::parse(&spec.repository).map_err(|e| PolicyError::new(PATH, e.to_string()))?;
    if repository.to_string() == spec.repository {
        return Ok(Some(repository));
    }
    Err(PolicyError::new(PATH, format!("write it in canonical form, with the registry host: {repository}")))
}

fn annotations(annotations: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, PolicyError> {
    if annotations.contains_key("") {
        return Err(PolicyError::new("spec.signature.annotations", "an annotation needs a name"));
    }
    Ok(annotations)
}

/// What can still be read of a policy that can't be used. A pattern that can't be read matches nothing, whether it is one of
/// `images` or of `excludeImages`; names and selectors are read as a whole, or not at all.
fn salvage(name: &str, spec: &Value, error: PolicyError) -> BrokenPolicy {
    let none = Map::new();
    let matches = spec.get("match").and_then(Value::as_object);
    let readable = |field: &str| -> Vec<Pattern> {
        let texts = matches.unwrap_or(&none).get(field).and_then(Value::as_array).into_iter().flatten();
        texts.filter_map(Value::as_str).filter_map(|text| Pattern::parse(text).ok()).collect()
    };
    let names = matches.and_then(|matches| field_or_default::<Vec<String>>(matches, "namespaces"));
    let labels = matches.and_then(|matches| field_or_default::<SelectorSpec>(matches, "namespaceSelector"));
    BrokenPolicy {
        name: name.into(),
        mode: spec.get("mode").and_then(|value| ModeSpec::deserialize(value).ok()).map(mode).unwrap_or_default(),
        images: readable("images"),
        exclude_images: readable("excludeImages"),
        namespaces: names.and_then(|names| namespaces(names).ok()),
        namespace_selector: labels
            .and_then(|labels| selector(labels).ok())
            .filter(|selector| selector.requirements.iter().all(Requirement::is_well_formed)),
        error,
    }
}

/// A field; its default where it is left out, and nothing where it can't be read.
fn field_or_default<T: DeserializeOwned + Default>(object: &Map<String, Value>, field: &str) -> Option<T> {
    object.get(field).map_or_else(|| Some(T::default()), |value| T::deserialize(value).ok())
}

/// A key or value that Kubernetes does not accept on a namespace would select nothing, in silence.
fn label_key(key: &str, path: &str) -> Result<(), PolicyError> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if !name.is_empty() && is_label_word(name) && prefix.is_none_or(is_dns_subdomain) {
        return Ok(());
    }
    Err(PolicyError::new(path, format!("\"{}\" can't be the key of a label", foreign(key))))
}

fn label_value(value: &str, path: &str) -> Result<(), PolicyError> {
    if is_label_word(value) {
        return Ok(());
    }
    Err(PolicyError::new(path, format!("\"{}\" can't be the value of a label", foreign(value))))
}

/// Up to 63 of `[-A-Za-z0-9_.]`, with alphanumeric ends; or nothing.
fn is_label_word(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let ends = |c: Option<u8>| c.is_none_or(|b| b.is_ascii_alphanumeric());
    text.len() <= 63 && text.bytes().all(inner) && ends(text.bytes().next()) && ends(text.bytes().next_back())
}
