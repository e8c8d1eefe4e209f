//! The recorded test material of others, which is not part of the project: `SEALGATE_CORPORA` names its folder.
//!
//! Tests that need it are marked `#[ignore = "needs SEALGATE_CORPORA"]`; `make test` runs them wherever the folder is.

use std::path::PathBuf;

/// A file or folder of the material.
pub fn corpora(name: &str) -> PathBuf {
    let root = std::env::var_os("SEALGATE_CORPORA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"), PathBuf::from);
    let path = root.join(name);
    assert!(
        path.exists(),
        "{} is not there: set SEALGATE_CORPORA to the folder with the recorded test material",
        path.display()
    );
    path
}
