//! The programs that `tests/cluster/build.sh` builds.

use std::env;
use std::path::PathBuf;

/// Where one of them is. Whoever needs it fails, in one line, when it is not there.
pub fn program(name: &str) -> PathBuf {
    let program = programs().join(name);
    assert!(program.exists(), "{} is missing: run tests/cluster/build.sh unit", program.display());
    program
}

/// `bin` in `SEALGATE_CLUSTER_HOME`, as `tests/cluster/env.sh` has it.
fn programs() -> PathBuf {
    let from = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = from("SEALGATE_CLUSTER_HOME").unwrap_or_else(|| {
        let cache = from("XDG_CACHE_HOME").unwrap_or_else(|| from("HOME").expect("HOME is set").join(".cache"));
        cache.join("sealgate/cluster")
    });
    home.join("bin")
}
