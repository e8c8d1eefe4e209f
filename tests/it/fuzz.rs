//! The fuzz targets over their seeds and over whatever once broke them. `make fuzz` goes on from there.

mod material;

#[path = "../../fuzz/src/targets.rs"]
#[allow(unreachable_pub, reason = "the fuzz crate exports them")]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 17] = [
    ("annotations", targets::annotations),
    ("bundle", targets::bundle),
    ("certificate", targets::certificate),
    ("checkpoint", targets::checkpoint),
    ("condition", targets::condition),
    ("docker_config", targets::docker_config),
    ("dsse", targets::dsse),
    ("manifest", targets::manifest),
    ("pattern", targets::pattern),
    ("policy", targets::policy),
    ("reference", targets::reference),
    ("review", targets::review),
    ("statement", targets::statement),
    ("subject", targets::subject),
    ("timestamp", targets::timestamp),
    ("trusted_root", targets::trusted_root),
    ("tuf", targets::tuf),
];
/// How many places of a seed are changed: the slower a target is, the fewer.
const PLACES: usize = 16;

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(path)
}

/// The files in a folder; none where it is not there.
fn files(path: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder(path)).into_iter().flatten();
    entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn dos_10_every_seed_is_answered() {
    for (name, target) in TARGETS {
        let seeds = files(&format!("seeds/{name}"));
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

#[test]
fn dos_10_what_once_broke_a_parser_is_answered() {
    let names = TARGETS.map(|(name, _)| name);
    let crashes = fs::read_dir(folder("crashes")).into_iter().flatten();
    for name in crashes.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        assert!(names.contains(&name.as_str()), "fuzz/crashes/{name} belongs to no target");
    }
    for (name, target) in TARGETS {
        for input in files(&format!("crashes/{name}")) {
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
