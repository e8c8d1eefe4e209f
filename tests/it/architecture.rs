//! The layers of `src/` and the house rules that a compiler does not hold: who may import whom, what the pure core may not
//! name, how long a file may be. ARCHITECTURE.md has the same table in words.

mod paths;

use std::fs;
use std::path::{Path, PathBuf};

use paths::{Code, read};

/// Each module and what it may import. An entry such as `verifier::ports` allows that part alone.
const TABLE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("signatures", &["domain"]),
    ("policy", &["domain", "signatures"]),
    ("convert", &["api", "domain"]),
    ("telemetry", &["domain"]),
    ("verifier", &["domain", "signatures", "policy", "telemetry"]),
    ("registry", &["domain", "verifier::ports", "telemetry"]),
    ("keychain", &["domain", "verifier::ports", "telemetry"]),
    ("keys", &["domain", "verifier::ports", "telemetry"]),
    ("trust", &["domain", "signatures", "verifier::ports", "telemetry"]),
    ("api", &["domain", "signatures", "policy"]),
    ("files", &["domain", "policy", "api"]),
    ("cluster", &["domain", "policy", "api", "verifier::ports", "telemetry"]),
    ("admission", &["domain", "verifier", "telemetry"]),
    ("controller", &["domain", "policy", "api", "cluster", "keys", "trust", "telemetry"]),
    ("server", &["admission", "telemetry", "config"]),
    ("config", &["domain"]),
    (
        "cli",
        &[
            "admission",
            "api",
            "cluster",
            "config",
            "controller",
            "convert",
            "domain",
            "files",
            "keychain",
            "keys",
            "policy",
            "registry",
            "server",
            "signatures",
            "telemetry",
            "trust",
            "verifier",
        ],
    ),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// Modules that take bytes and the time as arguments and know nothing of the outside.
const PURE: &[&str] = &["domain", "signatures", "policy", "convert"];

/// What the pure core may not name: runtimes, clients, files, environment, clocks, sockets.
const IMPURE: &[&str] = &[
    "axum",
    "hyper",
    "hyper_util",
    "k8s_openapi",
    "kube",
    "kube_lease_manager",
    "reqwest",
    "tokio",
    "tokio_rustls",
    "tower",
    "tower_http",
    "std::env",
    "std::fs",
    "std::io::stdin",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
];

const MAX_FILE_LINES: usize = 600;
const MAX_MAIN_LINES: usize = 40;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder of the project, by their path from its root, with their text.
fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

/// The module of a file: `src/policy/select.rs` is `policy::select`.
fn module_of(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix("src").unwrap().with_extension("");
    inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect()
}

fn begins_with(path: &[String], prefix: &str) -> bool {
    let prefix: Vec<_> = prefix.split("::").collect();
    path.len() >= prefix.len() && path.iter().zip(prefix).all(|(part, prefix)| part == prefix)
}

/// What is wrong with one file of `src/`.
fn complaints(file: &Path, text: &str) -> Vec<String> {
    let module = module_of(file);
    let top = module[0].as_str();
    let Code { imports, named, is_unsafe } = read(text, &module);
    let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == top) else {
        return vec![format!("{}: the module `{top}` has no row in the table", file.display())];
    };
    let mut found = Vec::new();
    for import in imports.iter().filter(|import| import.first().is_some_and(|first| first != top)) {
        if !allowed.iter().any(|allowed| begins_with(import, allowed)) {
            found.push(format!("{}: `{top}` may not import `{}`", file.display(), import.join("::")));
        }
    }
    if PURE.contains(&top) && !is_test(file) {
        let is_impure = |name: &&Vec<String>| IMPURE.iter().any(|impure| begins_with(name, impure));
        let is_parser = |name: &[String]| file.ends_with(PARSER) && begins_with(name, "std::thread");
        for name in named.iter().filter(is_impure).filter(|name| !is_parser(name)) {
            found.push(format!("{}: the pure core may not name `{}`", file.display(), name.join("::")));
        }
    }
    if is_unsafe {
        found.push(format!("{}: `unsafe`", file.display()));
    }
    let lines = text.lines().count();
    let limit = if top == "main" { MAX_MAIN_LINES } else { MAX_FILE_LINES };
    if lines > limit && !is_test(file) {
        found.push(format!("{}: {lines} lines; at most {limit}", file.display()));
    }
    if file.ends_with("mod.rs") {
        found.push(format!("{}: a module lies beside its folder, not in it as mod.rs", file.display()));
    }
    found
}

/// It calls itself for each level of a text, on a thread whose stack is large enough for any.
const PARSER: &str = "policy/condition/cel.rs";

/// Unit tests may read files, and be long.
fn is_test(file: &Path) -> bool {
    file.iter().any(|part| part == "tests.rs" || part == "tests")
}

#[test]
fn every_import_is_in_the_table_and_every_file_in_its_bounds() {
    let files = rust_files("src");
    assert!(files.len() > 20, "{} files", files.len());
    let found: Vec<_> = files.iter().flat_map(|(file, text)| complaints(file, text)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_forbidden_import_is_seen_however_it_is_written() {
    let seen = |file: &str, text: &str| complaints(Path::new(file), text);
    for text in [
        "use crate::registry::Client;",
        "use crate::{domain::Digest, registry};",
        "use crate::{domain::{Digest, text}, registry::{self, Client}};",
        "use super::super::registry::Client;",
        "use {crate::registry::Client, std::fmt};",
        "pub use crate::registry as other;",
        "use sealgate::registry;",
        "use ::sealgate::registry;",
        "fn f() { let x = crate::registry::Client::new(); }",
        "fn f() { assert!(matches!(x, crate::registry::Kind::A)); }",
        "fn f() -> Vec<crate::registry::Client> { vec![] }",
        "mod inner { use super::super::super::registry::Client; }",
        "mod inner { use super::super::{super::registry}; }",
    ] {
        assert!(!seen("src/policy/select.rs", text).is_empty(), "{text}");
    }
    for text in [
        "// use crate::registry::Client;",
        "/// See [`crate::registry`].\nfn f() {}",
        "const X: &str = \"crate::registry\";",
        "const X: &str = r#\"use crate::registry::Client;\"#;",
        "use crate::domain::Digest;",
        "use super::model::Policy;",
        "use super::super::signatures::PublicKey;",
        "pub(crate) fn f() {}",
        "mod registry { } use registry::X;",
        "use crate::policy::model;",
    ] {
        assert_eq!(seen("src/policy/select.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn only_the_ports_of_the_verifier_are_open_to_adapters() {
    let seen = |file: &str, text: &str| complaints(Path::new(file), text).len();
    for adapter in ["src/registry.rs", "src/registry/auth.rs", "src/keychain/file.rs", "src/cluster/secrets.rs"] {
        assert_eq!(seen(adapter, "use crate::verifier::ports::{Access, Keychain};"), 0);
        assert_eq!(seen(adapter, "use crate::verifier::Engine;"), 1);
        assert_eq!(seen(adapter, "use crate::verifier;"), 1);
        assert_eq!(seen(adapter, "use crate::verifier::{ports::Access, engine};"), 1);
    }
    assert_eq!(seen("src/registry.rs", "use crate::keychain::File;"), 1, "adapters never import each other");
    assert_eq!(seen("src/admission.rs", "use crate::cli::run;"), 1, "nothing imports the command line");
    assert_eq!(seen("src/main.rs", "fn main() { sealgate::cli::run(); }"), 0);
    assert_eq!(seen("src/main.rs", "fn main() { sealgate::server::run(); }"), 1);
    assert_eq!(seen("src/policy.rs", "use crate::*;"), 1);
    assert_eq!(seen("src/unheard_of.rs", ""), 1, "a new module needs a row");
}

#[test]
fn the_pure_core_may_not_reach_outside() {
    let seen = |file: &str, text: &str| complaints(Path::new(file), text).len();
    for text in [
        "use std::fs;",
        "use std::{fmt, fs::File};",
        "fn f() { std::env::var(\"HOME\"); }",
        "use ::std::time::SystemTime;",
        "fn f() { let now = Timestamp::now(); }",
        "use tokio::sync::Mutex;",
        "use std::net::{IpAddr, TcpStream};",
    ] {
        assert_eq!(seen("src/domain/digest.rs", text), 1, "{text}");
        assert_eq!(seen("src/registry/client.rs", text), 0, "{text}");
        assert_eq!(seen("src/domain/digest/tests.rs", text), 0, "{text}");
    }
    assert_eq!(seen("src/domain/digest.rs", "use std::{fmt, net::Ipv4Addr, time::Duration};"), 0);
}

#[test]
fn long_files_are_seen() {
    let lines = |n: usize| "//\n".repeat(n);
    let seen = |file: &str, n: usize| complaints(Path::new(file), &lines(n)).len();
    assert_eq!((seen("src/policy.rs", 600), seen("src/policy.rs", 601)), (0, 1));
    assert_eq!((seen("src/main.rs", 40), seen("src/main.rs", 41)), (0, 1));
    assert_eq!(seen("src/policy/tests.rs", 601), 0);
    assert_eq!(seen("src/policy/mod.rs", 1), 1);
}

/// Names and versions in a lock file.
fn locked(lock: &str) -> Vec<(&str, &str)> {
    let value = |package: &'_ str, key: &str| -> Option<(usize, usize)> {
        let start = package.find(&format!("\n{key} = \""))? + key.len() + 5;
        Some((start, start + package[start..].find('"')?))
    };
    let packages = lock.split("[[package]]").skip(1);
    packages
        .map(|package| {
            let (name, version) = (value(package, "name").unwrap(), value(package, "version").unwrap());
            (&package[name.0..name.1], &package[version.0..version.1])
        })
        .collect()
}

/// The parsers of hostile bytes that there may be only one of.
const ONCE: [&str; 5] = ["der", "http", "hyper", "rustls", "spki"];
/// What must not come in by any way.
const BANNED: [&str; 3] = ["native-tls", "openssl", "openssl-sys"];

fn dependencies_at_fault(lock: &str) -> Vec<String> {
    let packages = locked(lock);
    let versions = |name: &str| packages.iter().filter(|(found, _)| *found == name).count();
    let several = ONCE.iter().filter(|name| versions(name) > 1).map(|name| format!("{name} in several versions"));
    let banned = BANNED.iter().filter(|name| versions(name) > 0).map(|name| format!("{name} is banned"));
    several.chain(banned).collect()
}

#[test]
fn sup_03_dependencies_are_bounded_and_checked_by_lint() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    assert!(locked(&lock).len() > 100);
    assert_eq!(dependencies_at_fault(&lock), [""; 0]);
    let twice = lock.replace("name = \"httparse\"", "name = \"hyper\"");
    assert_eq!(dependencies_at_fault(&twice), ["hyper in several versions"]);
    let openssl = lock.replace("name = \"httparse\"", "name = \"openssl\"");
    assert_eq!(dependencies_at_fault(&openssl), ["openssl is banned"]);
    // Licences and sources are for `cargo deny`, and so is `ring`, which stands in the lock file without being built.
    let lint = fs::read_to_string(root().join("scripts/lint.sh")).unwrap();
    assert!(lint.contains("check bans licenses sources"));
    let deny = fs::read_to_string(root().join("deny.toml")).unwrap();
    assert!(["ring", "openssl"].iter().all(|name| deny.contains(&format!("crate = \"{name}\""))));
}

#[test]
fn sup_04_unsafe_code_is_forbidden() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let lints = manifest.split("[lints.rust]").nth(1).unwrap().split("\n[").next().unwrap();
    assert!(lints.lines().any(|line| line == "unsafe_code = \"forbid\""), "{lints}");
    for folder in ["src", "tests"] {
        for (file, text) in rust_files(folder) {
            assert!(!read(&text, &["any".to_owned()]).is_unsafe, "{}", file.display());
        }
    }
    assert!(read("fn f() { unsafe { g() } }", &["any".to_owned()]).is_unsafe);
    assert!(!read("// unsafe\nfn f() { let s = \"unsafe\"; }", &["any".to_owned()]).is_unsafe);
}
