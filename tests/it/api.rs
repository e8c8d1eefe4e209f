//! Policies as they are written: what is read, what is refused with which words, and what a broken one still does.
//!
//! `tests/fixtures/policies/invalid` begins each file with two lines: what reading it answers, and what the API server
//! answers (`stores it` where its rules can't tell); the second is for the tests against a live one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sealgate::api::{self, compile};
use sealgate::domain::ImageReference;
use sealgate::policy::{Entry, Mode, PolicySet, Selection, govern, select};
use serde_json::{Value, json};

const GOOD: &str = "tests/fixtures/policies/valid/one-key.yaml";

#[test]
fn pol_13_policies_that_demand_too_little_are_refused_on_reading() {
    let invalid = policies("tests/fixtures/policies/invalid");
    assert!(invalid.len() > 40, "found only {}", invalid.len());
    let wrong = invalid.iter().filter_map(|(path, text, spec)| {
        let expected = text.lines().find_map(|line| line.strip_prefix("# read: ")).unwrap();
        let found = compile("p", spec).error().map_or("nothing wrong".to_owned(), ToString::to_string);
        (!found.starts_with(expected)).then(|| format!("{}: expected {expected}, found {found}", path.display()))
    });
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn pol_13_their_valid_neighbours_are_accepted() {
    let valid = policies("tests/fixtures/policies/valid");
    assert!(valid.len() > 5);
    for (path, _, spec) in valid {
        if let Entry::Broken(broken) = compile("p", &spec) {
            panic!("{}: {}", path.display(), broken.error);
        }
    }
}

#[test]
fn pol_13_a_policy_that_is_stored_all_the_same_denies_its_images_and_no_others() {
    let mut spec = good();
    assert!(!is_denied(&set(&spec), "shop", "registry.example.com/acme/app:1"), "the twin is accepted");

    spec["require"] = json!({"atLeast": 0});
    let set = set(&spec);
    assert!(is_denied(&set, "shop", "registry.example.com/acme/app:1"));
    assert!(!is_denied(&set, "shop", "registry.example.com/other/app:1"));
}

#[test]
fn flt_22_a_garbage_policy_leaves_the_others_as_they_are() {
    for garbage in [json!(null), json!("spec"), json!([]), json!({"match": 1, "authorities": "all"})] {
        let shop =
            json!({"match": {"images": ["registry.example.com/shop/**"], "namespaces": ["shop"]}, "broken": garbage});
        let set = PolicySet::new(vec![compile("garbage", &shop), compile("good", &good())], BTreeMap::new());
        assert!(is_denied(&set, "shop", "registry.example.com/shop/web:1"));
        assert!(!is_denied(&set, "shop", "registry.example.com/acme/app:1"));
        assert!(!is_denied(&set, "test", "registry.example.com/shop/web:1"));
        assert!(matches!(compile("garbage", &garbage), Entry::Broken(broken) if broken.mode == Mode::Enforce));
    }
}

#[test]
fn pol_14_a_typo_in_any_object_makes_the_policy_unusable() {
    for path in
        ["", "/match", "/match/namespaceSelector", "/authorities/0", "/authorities/0/key", "/require", "/signature"]
    {
        let mut spec = good();
        spec["match"]["namespaceSelector"] = json!({});
        spec["require"] = json!({});
        spec["signature"] = json!({});
        assert!(matches!(compile("p", &spec), Entry::Valid(_)), "the twin of {path} is accepted");

        spec.pointer_mut(path).unwrap()["issuerRegex"] = json!("https://.*");
        let Entry::Broken(broken) = compile("p", &spec) else { panic!("{path}: accepted") };
        assert!(broken.error.path.ends_with(".issuerRegex"), "{}", broken.error);
        assert!(broken.error.problem.starts_with("unknown field"), "{}", broken.error);
        assert!(is_denied(&set(&spec), "shop", "registry.example.com/acme/app:1"));
    }
}

#[test]
fn pol_14_a_field_of_a_newer_version_is_never_ignored() {
    let mut spec = good();
    spec["vulnerabilities"] = json!({"worst": "High"});
    assert!(is_denied(&set(&spec), "shop", "registry.example.com/acme/app:1"));
    spec.as_object_mut().unwrap().remove("vulnerabilities");
    assert!(!is_denied(&set(&spec), "shop", "registry.example.com/acme/app:1"));
}

/// A pattern that can't be read matches nothing; a mode that can't be read enforces; a namespace that can't be read may be any.
#[test]
fn pol_21_a_broken_policy_denies_what_its_readable_parts_are_about_and_no_more() {
    let app = "registry.example.com/acme/app:1";
    let other = "registry.example.com/other/app:1";
    let cases: [(&str, Value, &str, &str, bool); 16] = [
        ("/match/images", json!("registry.example.com/acme/**"), "shop", app, false),
        ("/match/images", json!([]), "shop", app, false),
        ("/match/images", json!(["acme"]), "shop", other, false),
        ("/match/images", json!(["registry.example.com/acme/**", "acme"]), "shop", app, true),
        ("/match/images", json!(["registry.example.com/acme/**", "acme"]), "shop", other, false),
        ("/match/images", json!([1, "registry.example.com/acme/**"]), "shop", app, true),
        ("/match/excludeImages", json!(["Registry.example.com/acme/app"]), "shop", app, true),
        ("/match/excludeImages", json!(["registry.example.com/acme/*", "acme"]), "shop", app, false),
        ("/match", json!(null), "shop", app, false),
        ("", json!(null), "shop", app, false),
        ("/match/namespaces", json!([1, "prod"]), "shop", app, true),
        ("/match/namespaces", json!(["Prod"]), "shop", app, true),
        ("/match/namespaces", json!(["Prod"]), "shop", other, false),
        ("/match/namespaceSelector", json!({"matchLabel": {"tier": "a"}}), "shop", app, true),
        ("/match/namespaceSelector", json!({"matchLabels": {"-": "a"}}), "shop", app, true),
        ("/match/namespaceSelector", json!({"matchLabel": {"tier": "a"}}), "test", app, false),
    ];
    for (path, value, namespace, image, denied) in cases {
        let mut spec = good();
        spec["match"]["namespaces"] = json!(["shop"]);
        spec["match"]["namespaceSelector"] = json!({});
        spec["match"]["excludeImages"] = json!([]);
        spec["typo"] = json!(1);
        *spec.pointer_mut(path).unwrap() = value.clone();
        assert_eq!(is_denied(&set(&spec), namespace, image), denied, "{path} = {value}: {image} in {namespace}");
    }
    let mut spec = good();
    spec["mode"] = json!("audit");
    let Entry::Broken(broken) = compile("p", &spec) else { panic!("accepted") };
    assert_eq!(broken.mode, Mode::Enforce);
    spec["mode"] = json!("Audit");
    spec["typo"] = json!(1);
    let Entry::Broken(broken) = compile("p", &spec) else { panic!("accepted") };
    assert_eq!(broken.mode, Mode::Audit, "a mode that can be read counts");
}

#[test]
fn pol_14_a_broken_policy_stays_inside_what_is_readable() {
    let mut spec = good();
    spec["match"]["namespaces"] = json!(["shop"]);
    spec["match"]["excludeImages"] = json!(["registry.example.com/acme/tools"]);
    spec["typo"] = json!(1);
    let set = set(&spec);
    assert!(is_denied(&set, "shop", "registry.example.com/acme/app:1"));
    assert!(!is_denied(&set, "shop", "registry.example.com/acme/tools:1"));
    assert!(!is_denied(&set, "test", "registry.example.com/acme/app:1"));
}

#[test]
fn hostile_names_do_not_reach_messages_raw() {
    let mut spec = good();
    spec["evil\u{1b}[2J\u{202e}\nname"] = json!(1);
    let Entry::Broken(broken) = compile("p", &spec) else { panic!("accepted") };
    let text = broken.error.to_string();
    assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
}

#[test]
fn api_server_and_reader_agree_on_every_rule_with_a_fixture() {
    let crd = api::crd();
    let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
    let mut messages = Vec::new();
    rules(schema, &mut messages);
    let texts: Vec<_> = policies("tests/fixtures/policies/invalid").into_iter().map(|(_, text, _)| text).collect();
    for message in messages {
        let tested = texts
            .iter()
            .filter_map(|t| t.lines().find_map(|line| line.strip_prefix("# server: ")))
            .any(|server| message.contains(server));
        assert!(tested, "no policy in tests/fixtures/policies/invalid breaks the rule: {message}");
    }
}

#[test]
fn every_object_of_a_spec_keeps_unknown_fields() {
    fn walk(schema: &Value, path: &str) {
        if schema.get("properties").is_some() {
            assert_eq!(schema.get("x-kubernetes-preserve-unknown-fields"), Some(&json!(true)), "{path}");
        }
        for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            assert!(field.get("description").is_some_and(Value::is_string), "{path}.{name} has no docs");
            walk(field, &format!("{path}.{name}"));
        }
        if let Some(items) = schema.get("items") {
            walk(items, &format!("{path}[]"));
        }
    }
    walk(api::crd().pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap(), "spec");
}

fn rules(schema: &Value, messages: &mut Vec<String>) {
    for rule in schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
        messages.push(rule["message"].as_str().unwrap().to_owned());
    }
    schema.get("properties").and_then(Value::as_object).into_iter().flatten().for_each(|(_, s)| rules(s, messages));
    schema.get("items").into_iter().for_each(|s| rules(s, messages));
}

/// Path, text and spec of each policy of a folder.
fn policies(folder: &str) -> Vec<(PathBuf, String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap(), spec_of(&path))).collect()
}

fn spec_of(path: &Path) -> Value {
    let object: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    object["spec"].clone()
}

fn good() -> Value {
    spec_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join(GOOD))
}

fn set(spec: &Value) -> PolicySet {
    PolicySet::new(vec![compile("p", spec)], BTreeMap::new())
}

/// Whether a broken policy speaks against the image.
fn is_denied(set: &PolicySet, namespace: &str, image: &str) -> bool {
    let image = ImageReference::parse(image).unwrap();
    let governing = govern(set, namespace, set.labels(namespace)).unwrap();
    match governing.map(|governing| select(&governing, &image, None)) {
        Some(Selection::Applies(entries) | Selection::Unmatched { broken: entries }) => {
            entries.iter().any(|entry| matches!(entry, Entry::Broken(_)))
        }
        _ => false,
    }
}

/// Documents that have a value of a wrong type somewhere, one for each place in the schema and each type.
fn wrong(schema: &Value, wrap: &dyn Fn(Value) -> Value, documents: &mut Vec<Value>) {
    documents.extend([json!(7), json!("x"), json!([]), json!({}), json!(true)].map(wrap));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        wrong(field, &|value| wrap(json!({name: value})), documents);
    }
    if schema["items"].is_object() {
        wrong(&schema["items"], &|value| wrap(json!([value])), documents);
    }
}

#[test]
fn what_is_said_about_a_document_names_no_type_of_the_program() {
    let spec = |crd: &Value| crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone();
    let documents = |schema: &Value| {
        let mut documents = Vec::new();
        wrong(schema, &|value| value, &mut documents);
        assert!(documents.len() > 20, "{}", documents.len());
        documents
    };
    let settings = documents(&sealgate::config::schema());
    let settings = settings.iter().map(|document| {
        sealgate::config::Config::from_yaml(document.to_string().as_bytes()).err().map(|error| error.to_string())
    });
    let policies = documents(&spec(&api::crd()));
    let policies = policies.iter().map(|document| compile("p", document).error().map(ToString::to_string));
    let roots = documents(&spec(&api::trusted_root_crd()));
    let roots =
        roots.iter().map(|document| api::compile_root("r", document).source.err().map(|error| error.to_string()));
    let said: Vec<String> = settings.chain(policies).chain(roots).flatten().collect();
    assert!(said.len() > 300, "{}", said.len());
    assert!(said.iter().any(|message| message.contains("expected a mapping")));
    for message in said {
        let types =
            [" struct ", " enum ", "::", "Spec", "Config", " u8", " u16", " u32", " u64", " usize", " i64", " f64"];
        let names_a_type = types.iter().any(|name| message.contains(name));
        assert!(!names_a_type, "{message}");
    }
}
