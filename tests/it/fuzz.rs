//! The fuzz targets over their seeds. `make fuzz` goes on from there.

#[path = "../../fuzz/src/targets.rs"]
#[allow(unreachable_pub, reason = "the fuzz crate exports them")]
mod targets;

use std::fs;
use std::path::Path;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 6] = [
    ("bundle", targets::bundle),
    ("docker_config", targets::docker_config),
    ("pattern", targets::pattern),
    ("policy", targets::policy),
    ("reference", targets::reference),
    ("review", targets::review),
];

#[test]
fn every_seed_is_answered() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
        let seeds: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
        assert!(seeds.len() >= 3, "{name}: {} seeds", seeds.len());
        for seed in seeds {
            target(&seed);
            // Cut anywhere, and with any byte changed, a seed must be answered too.
            for at in 0..seed.len().min(256) {
                target(&seed[..at]);
                let mut changed = seed.clone();
                changed[at] ^= 0x20;
                target(&changed);
            }
        }
    }
}

#[test]
fn every_target_is_in_the_fuzz_crate() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, TARGETS.map(|(name, _)| name));
}
