//! `TrustedRoot`s as they are written: what is read, and what is refused with which words.
//!
//! `tests/fixtures/roots/invalid` begins each file with two lines, as those of policies: what reading it answers, and what
//! the API server answers (`stores it` where its rules can't tell).

use std::fs;
use std::path::{Path, PathBuf};

use sealgate::api::{self, compile_root};
use sealgate::domain::RootSource;
use sealgate::files::{FilesError, load};
use serde_json::{Value, json};

#[test]
fn flt_22_a_root_that_cannot_be_used_is_refused_on_reading() {
    let invalid = fixtures("invalid");
    assert!(invalid.len() > 20, "found only {}", invalid.len());
    for (path, text) in invalid {
        let expected = text.lines().find_map(|line| line.strip_prefix("# read: ")).unwrap();
        match compile_root("r", &spec_of(&text)).source {
            Err(error) => {
                let found = error.to_string();
                assert!(found.starts_with(expected), "{}: expected {expected}, found {found}", path.display());
            }
            Ok(_) => panic!("{}: was accepted", path.display()),
        }
    }
}

#[test]
fn flt_22_its_valid_neighbours_are_accepted() {
    let valid = fixtures("valid");
    assert_eq!(valid.len(), 3);
    for (path, text) in valid {
        if let Err(error) = compile_root("r", &spec_of(&text)).source {
            panic!("{}: {error}", path.display());
        }
    }
}

#[test]
fn tuf_07_a_target_that_leads_out_of_its_folder_is_refused() {
    let text = fs::read_to_string(folder("valid").join("tuf.yaml")).unwrap();
    let target = |target: &str| {
        let mut spec = spec_of(&text);
        spec["tuf"]["target"] = json!(target);
        compile_root("r", &spec).source
    };
    for outside in ["../../etc/x", "a/../../x", "..", ".", "/etc/x", "a//b", "", "http://h/x", "%2e%2e/x", "a\\b", "é"]
    {
        assert!(target(outside).unwrap_err().to_string().contains("spec.tuf.target"), "{outside}");
    }
    for inside in ["trusted_root.json", "etc/x", "a/b.c/d-e_f"] {
        assert!(target(inside).is_ok(), "{inside}");
    }
}

#[test]
fn a_mirror_is_the_folder_that_its_url_names() {
    let text = fs::read_to_string(folder("valid").join("tuf.yaml")).unwrap();
    for (written, read) in [
        ("https://tuf.example.com", "https://tuf.example.com/"),
        ("https://tuf.example.com/a", "https://tuf.example.com/a/"),
        ("https://TUF.example.com:443/a/", "https://tuf.example.com/a/"),
    ] {
        let mut spec = spec_of(&text);
        spec["tuf"]["mirror"] = json!(written);
        let Ok(RootSource::Tuf(source)) = compile_root("r", &spec).source else { panic!("{written}: refused") };
        assert_eq!(source.mirror.as_str(), read);
        assert_eq!(source.target, "trusted_root.json");
    }
}

#[test]
fn api_server_and_reader_agree_on_every_rule_with_a_fixture() {
    let crd = api::trusted_root_crd();
    let mut messages = Vec::new();
    rules(crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap(), &mut messages);
    assert_eq!(messages.len(), 4);
    let texts: Vec<_> = fixtures("invalid").into_iter().map(|(_, text)| text).collect();
    for message in messages {
        let servers = texts.iter().filter_map(|t| t.lines().find_map(|line| line.strip_prefix("# server: ")));
        assert!(servers.into_iter().any(|server| message.contains(server)), "no fixture breaks the rule: {message}");
    }
}

#[test]
fn flt_22_a_folder_with_a_root_that_cannot_be_used_stops_a_start() {
    let roots = load(&folder("valid")).unwrap().roots;
    assert_eq!(roots.keys().collect::<Vec<_>>(), ["inline", "tuf", "tuf-target"]);
    let error = load(&folder("invalid").join("inline-garbage.yaml")).unwrap_err();
    assert!(matches!(&error, FilesError::TrustedRoot { name, .. } if name == "inline-garbage"), "{error}");
    assert!(error.to_string().contains("trusted root inline-garbage: spec.inline: is no trusted root"), "{error}");
}

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/roots").join(kind)
}

fn fixtures(kind: &str) -> Vec<(PathBuf, String)> {
    let mut paths: Vec<_> = fs::read_dir(folder(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

fn spec_of(text: &str) -> Value {
    let object: Value = serde_saphyr::from_str(text).unwrap();
    object["spec"].clone()
}

fn rules(schema: &Value, messages: &mut Vec<String>) {
    for rule in schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
        messages.push(rule["message"].as_str().unwrap().to_owned());
    }
    schema.get("properties").and_then(Value::as_object).into_iter().flatten().for_each(|(_, s)| rules(s, messages));
}
