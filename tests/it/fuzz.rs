//! The fuzz targets over their seeds and over whatever once broke them. `make fuzz` goes on from there.

mod material;
mod pool;

#[path = "../../fuzz/src/targets.rs"]
#[allow(unreachable_pub, reason = "the fuzz crate exports them")]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use sealgate::config::Config;
use sealgate::files;
use serde_json::Value;

type Target = fn(&[u8]);
type IsGood = fn(&[u8]) -> bool;

/// The bytes of the image that the good signatures are about.
const MANIFEST: &[u8] = b"an image manifest";

const TARGETS: [(&str, Target); 21] = [
    ("annotations", targets::annotations),
    ("bundle", targets::bundle),
    ("certificate", targets::certificate),
    ("checkpoint", targets::checkpoint),
    ("condition", targets::condition),
    ("docker_config", targets::docker_config),
    ("documents", targets::documents),
    ("dsse", targets::dsse),
    ("evidence", targets::evidence),
    ("manifest", targets::manifest),
    ("path", targets::path),
    ("pattern", targets::pattern),
    ("policy", targets::policy),
    ("reference", targets::reference),
    ("review", targets::review),
    ("settings", targets::settings),
    ("statement", targets::statement),
    ("subject", targets::subject),
    ("timestamp", targets::timestamp),
    ("trusted_root", targets::trusted_root),
    ("tuf", targets::tuf),
];
/// The registry of the target `manifest` has one content at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
/// How many places of a seed are changed: the slower a target is, the fewer.
const PLACES: usize = 16;

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(path)
}

/// The content of the files in a folder; none where it is not there.
fn inputs(path: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder(path)).into_iter().flatten();
    entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn dos_10_every_seed_is_answered() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, target) in TARGETS {
        let seeds = inputs(&format!("seeds/{name}"));
        assert!(seeds.len() >= 3, "{name}: {} seeds", seeds.len());
        for seed in seeds {
            target(&seed);
            // Cut anywhere, and with any byte changed, a seed must be answered too.
            for at in (0..seed.len()).step_by(seed.len() / PLACES + 1) {
                target(&seed[..at]);
                let mut changed = seed.clone();
                changed[at] ^= 0x20;
                target(&changed);
            }
        }
    }
}

/// Texts that are deep, long or unfinished in one of the languages that a document may hold: CEL, regular expressions, YAML, JSON,
/// PEM, patterns of images.
fn hostile() -> Vec<String> {
    let repeated =
        ["(", "[", "{", "!", "-", "a.", "((a)|", "\\", "(?:", "x{9}", "*", "- ", "[[a", "a?b:", "'", "\u{e9}", "/a"];
    let brackets = |times| format!("{}true{}", "(".repeat(times), ")".repeat(times));
    let mut texts: Vec<String> =
        repeated.iter().flat_map(|part| [30, 900, 20_000].map(|times| part.repeat(times))).collect();
    texts.extend([
        format!("r'\\' == 'x' || {}", brackets(900)),
        format!("'''{}'''", brackets(900)),
        format!("-----BEGIN CERTIFICATE-----\n{}", "A".repeat(60_000)),
        "-----BEGIN PUBLIC KEY-----\n".repeat(2_000),
        "a".repeat(200_000),
        "\0".to_owned(),
        "(?i:(a+)+)+$".to_owned(),
        "[\\w--[a-c]&&[^\\d]]{1000}".to_owned(),
    ]);
    texts
}

/// The document with one of its texts or names replaced, for each of them.
fn with_each_text_replaced(document: &Value, text: &str) -> Vec<Value> {
    match document {
        Value::String(_) => vec![text.into()],
        Value::Array(items) => {
            let with = |(at, item): (usize, Value)| {
                let mut items = items.clone();
                items[at] = item;
                Value::from(items)
            };
            let replaced = |(at, item)| with_each_text_replaced(item, text).into_iter().map(move |item| (at, item));
            items.iter().enumerate().flat_map(replaced).map(with).collect()
        }
        Value::Object(members) => {
            let with = |name: &str, new_name: &str, member: Value| {
                let mut members = members.clone();
                members.remove(name);
                members.insert(new_name.to_owned(), member);
                Value::from(members)
            };
            let replaced = |(name, member): (&String, &Value)| {
                let inside = with_each_text_replaced(member, text).into_iter().map(|member| with(name, name, member));
                inside.chain([with(name, text, member.clone())]).collect::<Vec<_>>()
            };
            members.iter().flat_map(replaced).collect()
        }
        _ => Vec::new(),
    }
}

/// On the stack of 2 MiB that tests, and the threads of the product, have. The twin is the document as it was.
#[test]
fn dos_14_no_text_of_a_document_ends_the_process() {
    let is_policies = |bytes: &[u8]| files::parse_file(Path::new("seed"), bytes).is_ok();
    let is_settings = |bytes: &[u8]| Config::from_yaml(bytes).is_ok();
    let kinds: [(&str, Target, IsGood); 2] =
        [("documents", targets::documents, is_policies), ("settings", targets::settings, is_settings)];
    for (name, target, is_good) in kinds {
        let seeds = inputs(&format!("seeds/{name}"));
        let good: Vec<_> = seeds.iter().filter(|seed| is_good(seed)).collect();
        assert!(good.len() >= 2, "{name}");
        for seed in good {
            let parsed: Value = serde_saphyr::from_slice(seed).unwrap();
            assert!(is_good(parsed.to_string().as_bytes()), "{name}: {parsed}");
            for text in hostile() {
                for document in with_each_text_replaced(&parsed, &text) {
                    target(document.to_string().as_bytes());
                }
            }
        }
    }
}

/// Nesting without end, in every way that YAML and JSON nest. The twin is a seed.
#[test]
fn dos_14_no_nesting_ends_the_process() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let nesting =
        ["[", "{\"a\":", "[{\"a\":", "- ", "? ", "a: &a [*a, ", "!!map {", "{a: [", "\"\\u0000", "(", "---\n"];
    for (name, target) in TARGETS {
        for part in nesting {
            for times in [100, 5_000, 60_000] {
                target(part.repeat(times).as_bytes());
                target(format!("{{\"spec\": {}", part.repeat(times)).as_bytes());
            }
        }
        target(&inputs(&format!("seeds/{name}"))[0]);
    }
}

/// The process itself, with flags of `verify` that a text can be given to. The twin is a text that is taken.
#[test]
fn dos_14_no_text_of_a_flag_ends_the_process() {
    let run = |flag: &str, text: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealgate"));
        command.args(["verify", "--trusted-root", "/none", "--certificate-oidc-issuer", "https://issuer.example"]);
        if flag != "--certificate-identity-regexp" {
            command.args(["--certificate-identity", "dev@acme.test"]);
        }
        let output = command.arg(format!("{flag}={text}")).arg("127.0.0.1:1/app").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for flag in
        ["--certificate-identity-regexp", "--certificate-claim", "--annotations", "--type", "--signature-repository"]
    {
        let texts = hostile().into_iter().filter(|text| text.len() < 100_000 && !text.contains('\0'));
        for text in texts.step_by(4) {
            let (code, told) = run(flag, &text);
            assert!(matches!(code, Some(2 | 3)), "{flag}: {code:?} {told}");
            assert!(!told.contains("panicked"), "{flag}: {told}");
        }
    }
    let (code, told) = run("--certificate-identity-regexp", ".+@acme[.]test");
    assert!(code == Some(2) && told.contains("/none"), "the flag itself is taken: {code:?} {told}");
}

#[test]
fn dos_10_what_once_broke_a_parser_is_answered() {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let names = TARGETS.map(|(name, _)| name);
    let crashes = fs::read_dir(folder("crashes")).into_iter().flatten();
    for name in crashes.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        assert!(names.contains(&name.as_str()), "fuzz/crashes/{name} belongs to no target");
    }
    for (name, target) in TARGETS {
        for input in inputs(&format!("crashes/{name}")) {
            target(&input);
        }
    }
}

#[test]
fn dos_10_every_target_is_in_the_fuzz_crate() {
    let mut names: Vec<_> = fs::read_dir(folder("fuzz_targets"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, TARGETS.map(|(name, _)| name));
}

/// The fuzz crate has a workspace and a lock file of its own: what it fuzzes is what the product is built from.
#[test]
fn dos_10_the_fuzz_crate_has_the_products_dependencies() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let packages = |text: &str| {
        let package = |text: &str| {
            let field =
                |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
            (field("name = "), field("version = "))
        };
        text.split("[[package]]").skip(1).map(package).collect::<Vec<_>>()
    };
    let (root, fuzz) = (packages(&read("Cargo.lock")), packages(&read("fuzz/Cargo.lock")));
    let own = ["\"arbitrary\"", "\"libfuzzer-sys\"", "\"sealgate-fuzz\""];
    for package in fuzz {
        assert!(
            own.contains(&package.0.as_str()) || root.contains(&package),
            "{package:?}: is `cp Cargo.lock fuzz/` due?"
        );
    }
}
