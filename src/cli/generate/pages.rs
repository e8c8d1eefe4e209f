//! Pages of the reference that are made from the code: fields from the schemas that editors and `kubectl explain` have, the
//! command line from its own help.

use std::fmt::Write as _;

use serde_json::Value;

use crate::api::{self, API_VERSION, KIND, TRUSTED_ROOT_KIND};
use crate::config;

/// Fields of a `ClusterSignaturePolicy`.
pub(super) fn policy() -> String {
    let mut page = format!(
        "# {KIND}\n\n`apiVersion: {API_VERSION}`, cluster-scoped, short name `csigpol`, category `sealgate`.\n\n\
         A field that is not listed here is refused when the policy is read: the policy is then not Ready, and its images are\n\
         not accepted. The same holds for a policy that was stored past the rules below.\n"
    );
    sections(&api::crd(), &mut page);
    page
}

/// Fields of a `TrustedRoot`.
pub(super) fn trusted_root() -> String {
    let mut page = format!(
        "# {TRUSTED_ROOT_KIND}\n\n`apiVersion: {API_VERSION}`, cluster-scoped, short name `troot`, category `sealgate`.\n\n\
         What it is for and how it is kept: [Trusted roots](trusted-roots.md). A field that is not listed here is refused when it\n\
         is read, and the last good root of that name stays in use.\n"
    );
    sections(&api::trusted_root_crd(), &mut page);
    page
}

fn sections(crd: &Value, page: &mut String) {
    for (field, title) in [("spec", "Spec"), ("status", "Status")] {
        let pointer = format!("/spec/versions/0/schema/openAPIV3Schema/properties/{field}");
        let schema = crd.pointer(&pointer).unwrap_or(&Value::Null);
        section(schema, field, title, page);
    }
}

/// Fields of the settings.
pub(super) fn configuration() -> String {
    let mut page = String::from(
        "# Settings\n\nThe YAML file that `sealgate serve --config FILE` reads, and the value `config` of the chart. Every field has a\n\
         default; an unknown field is refused, and so is a value that could not have its effect.\n",
    );
    let schema = config::schema();
    let fields = schema.get("properties").and_then(Value::as_object);
    let _ = write!(page, "\n| field | type | what it is |\n|---|---|---|\n");
    for (name, field) in fields.into_iter().flatten() {
        let mut table = Table::default();
        table.walk(field, name, false);
        page.push_str(&table.fields.concat());
    }
    page
}

/// The command line, from the help of every command.
pub(super) fn command_line() -> String {
    let mut page = String::from("# The command line\n");
    let mut command = crate::cli::command().term_width(100);
    command.build();
    help(&mut command, "sealgate", &mut page);
    page
}

fn help(command: &mut clap::Command, path: &str, page: &mut String) {
    let text = command.render_long_help().to_string();
    // Writing into a String cannot fail, here and below.
    let _ = write!(page, "\n## {path}\n\n```text\n{}\n```\n", text.trim_end());
    for child in command.get_subcommands_mut() {
        let path = format!("{path} {}", child.get_name());
        help(child, &path, page);
    }
}

fn section(schema: &Value, field: &str, title: &str, page: &mut String) {
    let mut table = Table::default();
    table.walk(schema, field, field == "spec");
    let _ = write!(page, "\n## {title}\n\n| field | type | what it is |\n|---|---|---|\n{}", table.fields.concat());
    if !table.rules.is_empty() {
        let _ = write!(page, "\n### Rules\n\n| field | rule |\n|---|---|\n{}", table.rules.concat());
    }
}

/// Rows made from a JSON schema.
#[derive(Default)]
struct Table {
    fields: Vec<String>,
    rules: Vec<String>,
}

impl Table {
    fn walk(&mut self, schema: &Value, path: &str, required: bool) {
        let needed = if required { ", required" } else { "" };
        let default = match schema.get("default") {
            Some(Value::String(text)) if text.is_empty() => String::new(),
            Some(Value::String(text)) => format!(" Default: `{text}`."),
            Some(Value::Object(_) | Value::Null) | None => String::new(),
            Some(value) => format!(" Default: `{value}`."),
        };
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let description = description.replace('\n', " ").replace('|', "\\|");
        self.fields.push(format!("| `{path}` | {}{needed} | {description}{default} |\n", kind(schema)));
        self.rule(schema, path);
        let Some(items) = schema.get("items") else { return self.inside(schema, path) };
        let path = format!("{path}[]");
        self.rule(items, &path);
        self.inside(items, &path);
    }

    fn inside(&mut self, schema: &Value, path: &str) {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let required: Vec<_> = required.filter_map(Value::as_str).collect();
        for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            self.walk(field, &format!("{path}.{name}"), required.contains(&name.as_str()));
        }
    }

    fn rule(&mut self, schema: &Value, path: &str) {
        for rule in schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
            let message = rule.get("message").and_then(Value::as_str).unwrap_or_default();
            self.rules.push(format!("| `{path}` | {message} |\n"));
        }
    }
}

fn kind(schema: &Value) -> String {
    let members = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
    let alternatives: Vec<&Value> = members("oneOf").chain(members("anyOf")).collect();
    let words: Vec<&str> = members("enum")
        .chain(alternatives.iter().filter_map(|alternative| alternative.get("const")))
        .chain(alternatives.iter().filter_map(|alternative| alternative.pointer("/enum/0")))
        .filter_map(Value::as_str)
        .collect();
    if !words.is_empty() {
        return words.join(" \\| ");
    }
    let name = match schema.get("type") {
        Some(Value::String(name)) => name,
        // What may be absent is also nullable.
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|n| *n != "null").unwrap_or("object"),
        _ => "object",
    };
    match (name, schema.get("items"), schema.get("additionalProperties").filter(|values| values.is_object())) {
        ("array", Some(items), _) => format!("list of {}", kind(items)),
        ("object", _, Some(values)) => format!("map of {}", kind(values)),
        _ => name.to_owned(),
    }
}
