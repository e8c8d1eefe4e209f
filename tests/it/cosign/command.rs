//! How cosign is called.

use std::path::Path;
use std::process::Command;

use super::keys::KeyKind;
use super::recipes::{By, Recipe};
use super::world::{Material, World};
use super::{Asked, Form, Log, Signer, Store, Verdict};
use crate::support::programs::program;

/// The command that makes a signature.
pub(super) fn sign(world: &World, recipe: &Recipe, image: &str) -> Command {
    let service = &world.service;
    let Form { store, log, timestamp, .. } = recipe.form;
    let mut command = cosign(service.folder());
    match recipe.predicate {
        None => command.arg("sign"),
        Some(predicate) => {
            command.args(["attest", "--type", predicate.name, "--predicate"]).arg(world.predicate(predicate))
        }
    };
    command.arg("--yes");
    match world.material(recipe.by) {
        Material::Key(key) => command.arg("--key").arg(key),
        Material::Token(token) => command.arg("--identity-token").arg(token),
        Material::Certified { key, certificate, chain } => {
            command.arg("--key").arg(key).arg("--certificate").arg(certificate).arg("--certificate-chain").arg(chain)
        }
    };
    for (name, value) in &recipe.annotations {
        command.arg("-a").arg(format!("{name}={value}"));
    }
    if store == Store::Bundle {
        let config = match log {
            Log::None => service.no_services(),
            Log::RekorV1 => service.signing_config(),
            Log::RekorV2 => service.signing_config_v2(),
        };
        command.arg("--signing-config").arg(config);
        if !matches!(recipe.by, By::Key(_)) {
            command.arg("--trusted-root").arg(service.trusted_root());
        }
    } else {
        command.args(["--new-bundle-format=false", "--use-signing-config=false"]).envs(service.environment());
        if log == Log::None {
            command.arg("--tlog-upload=false");
        } else {
            command.args(["--rekor-url", &service.rekor_url(), "--fulcio-url", &service.fulcio_url()]);
        }
        if timestamp {
            command.args(["--timestamp-server-url", &service.tsa_url()]);
        }
    }
    if store == Store::LayerInReferrer {
        command.env("COSIGN_EXPERIMENTAL", "1").arg("--registry-referrers-mode=oci-1-1");
    }
    if recipe.intoto {
        command.arg("--rekor-entry-type=intoto");
    }
    command.arg(image);
    command
}

/// The command that asks for a signature in a form.
pub(super) fn verify(world: &World, form: Form, by: By, asked: &Asked) -> Command {
    let service = &world.service;
    let mut command = cosign(service.folder());
    match asked.predicate {
        None => command.arg("verify"),
        Some(predicate) => command.args(["verify-attestation", "--type", predicate.name]),
    };
    match &asked.signer {
        Signer::Key(pem) => {
            command.arg("--key").arg(world.file("key.pub", pem)).arg("--trusted-root").arg(service.trusted_root())
        }
        Signer::Keyless { identity, issuer } => command
            .args(["--certificate-identity", identity, "--certificate-oidc-issuer", issuer, "--trusted-root"])
            .arg(service.trusted_root()),
        Signer::Certificate { root, intermediates, identity } => command
            .args(["--certificate-identity", identity, "--certificate-oidc-issuer-regexp", ".*"])
            .arg("--insecure-ignore-sct")
            .arg("--ca-roots")
            .arg(world.file("root.pem", root))
            .arg("--ca-intermediates")
            .arg(world.file("intermediates.pem", intermediates)),
    };
    if form.store != Store::Bundle {
        command.args(["--new-bundle-format=false", "--offline"]);
    }
    if form.store == Store::LayerInReferrer {
        command.env("COSIGN_EXPERIMENTAL", "1").arg("--experimental-oci11");
    }
    match by {
        By::Key(KeyKind::P384) => command.arg("--signature-digest-algorithm=sha384"),
        By::Key(KeyKind::P521) => command.arg("--signature-digest-algorithm=sha512"),
        By::Email | By::GitHub | By::GitLab if form.timestamp => command.arg("--use-signed-timestamps"),
        _ => &mut command,
    };
    if !asked.log_required {
        command.arg("--insecure-ignore-tlog");
    }
    for (name, value) in &asked.annotations {
        command.arg("-a").arg(format!("{name}={value}"));
    }
    command.arg(&asked.image);
    command
}

/// The command that makes a private key (PEM of PKCS #8) into one of cosign's: `<prefix>.key` and `<prefix>.pub`.
pub(super) fn import(folder: &Path, key: &Path, prefix: &Path) -> Command {
    let mut command = cosign(folder);
    command.args(["import-key-pair", "--yes", "--key"]).arg(key).arg("--output-key-prefix").arg(prefix);
    command
}

/// Runs it to its end.
pub(super) fn run(mut command: Command) -> Verdict {
    let output = command.output().unwrap();
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    Verdict {
        accepted: output.status.success(),
        command: format!("cosign {}", arguments.join(" ")),
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// With a home of its own, and no way to anything but loopback.
fn cosign(home: &Path) -> Command {
    const NOWHERE: &str = "http://127.0.0.1:1";
    let mut command = Command::new(program("cosign"));
    command.current_dir(home).env("HOME", home).env("COSIGN_PASSWORD", "");
    command.env("HTTP_PROXY", NOWHERE).env("HTTPS_PROXY", NOWHERE).env("NO_PROXY", "127.0.0.1");
    command
}
