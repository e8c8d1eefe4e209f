//! The client of sigstore-conformance, called as that suite calls it.

use std::fs;
use std::path::Path;
use std::process::Command;

use sealgate::domain::Digest;

use super::bundles::{BEACON, GITHUB};
use crate::support::corpora::corpora;

#[test]
#[ignore = "needs SEALGATE_CORPORA"]
fn cry_00_the_client_answers_the_suite() {
    let folder = corpora("sigstore-conformance");
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/client.sh");
    let good = corpora("trusted-roots").join("public-good.sigstore-python-4.5.1.json");
    let mut asked = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let or =
            |file: &str, other: &Path| Some(path.join(file)).filter(|own| own.exists()).unwrap_or(other.to_owned());
        let artifact = or("artifact", &folder.join("a.txt"));
        let digest = format!("sha256:{}", Digest::of(&fs::read(&artifact).unwrap()).hex());
        let text = |file: &str, other: &str| {
            fs::read_to_string(path.join(file)).map_or(other.to_owned(), |t| t.trim().to_owned())
        };
        for what in [artifact.to_str().unwrap(), &digest] {
            let mut command = Command::new(&client);
            command.env("SEALGATE", env!("CARGO_BIN_EXE_sealgate")).arg("verify-bundle");
            command.arg("--bundle").arg(path.join("bundle.sigstore.json"));
            command.arg("--trusted-root").arg(or("trusted_root.json", &good));
            match path.join("key.pub") {
                key if key.exists() => command.arg("--key").arg(key),
                _ => command
                    .args(["--certificate-identity", &text("identity", BEACON)])
                    .args(["--certificate-oidc-issuer", &text("issuer", GITHUB)]),
            };
            let output = command.arg(what).output().unwrap();
            let expected = i32::from(name.ends_with("_fail"));
            let said = String::from_utf8_lossy(&output.stdout);
            let complained = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(expected), "{name}, {what}:\n{said}{complained}");
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked}");
}
