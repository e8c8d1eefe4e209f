//! How cosign is called.

use std::path::Path;
use std::process::Command;

use super::keys::KeyKind;
use super::recipes::{By, Recipe};
use super::world::{Material, World};
use super::{Asked, AskedOfFile, Form, Log, Signer, Store, Verdict};
use crate::support::programs::program;

/// The command that signs an image, or attests something of it.
pub(super) fn sign(world: &World, recipe: &Recipe, image: &str) -> Command {
    let mut command = cosign(world.service.folder());
    match recipe.predicate {
        None => command.arg("sign"),
        Some(predicate) => {
            command.args(["attest", "--type", predicate.name, "--predicate"]).arg(world.predicate(predicate))
        }
    };
    add_signer(&mut command, world, recipe.by);
    for (name, value) in &recipe.annotations {
        command.arg("-a").arg(format!("{name}={value}"));
    }
    match recipe.form.store {
        Store::Tag | Store::LayerInReferrer => add_urls(&mut command, world, recipe.form),
        Store::Bundle | Store::File => add_config(&mut command, world, recipe.by, recipe.form.log),
    }
    if recipe.form.store == Store::LayerInReferrer {
        command.env("COSIGN_EXPERIMENTAL", "1").arg("--registry-referrers-mode=oci-1-1");
    }
    if recipe.intoto {
        command.arg("--rekor-entry-type=intoto");
    }
    command.arg(image);
    command
}

/// The command that signs a file, or attests something of it, and writes a bundle.
pub(super) fn sign_file(world: &World, recipe: &Recipe, artifact: &Path, bundle: &Path) -> Command {
    let mut command = cosign(world.service.folder());
    match recipe.predicate {
        None => command.arg("sign-blob"),
        Some(predicate) => {
            command.args(["attest-blob", "--type", predicate.name, "--predicate"]).arg(world.predicate(predicate))
        }
    };
    add_signer(&mut command, world, recipe.by);
    add_config(&mut command, world, recipe.by, recipe.form.log);
    command.arg("--bundle").arg(bundle).arg(artifact);
    command
}

/// The command that asks for a signature of an image in a form.
pub(super) fn verify(world: &World, form: Form, by: By, asked: &Asked) -> Command {
    let mut command = cosign(world.service.folder());
    match asked.predicate {
        None => command.arg("verify"),
        Some(predicate) => command.args(["verify-attestation", "--type", predicate.name]),
    };
    add_trust(&mut command, world, &asked.signer);
    if form.store != Store::Bundle {
        command.args(["--new-bundle-format=false", "--offline"]);
    }
    if form.store == Store::LayerInReferrer {
        command.env("COSIGN_EXPERIMENTAL", "1").arg("--experimental-oci11");
    }
    match by {
        By::Key(KeyKind::P384) => command.arg("--signature-digest-algorithm=sha384"),
        By::Key(KeyKind::P521) => command.arg("--signature-digest-algorithm=sha512"),
        _ => &mut command,
    };
    add_evidence(&mut command, form, by, asked.log_required);
    for (name, value) in &asked.annotations {
        command.arg("-a").arg(format!("{name}={value}"));
    }
    command.arg(&asked.image);
    command
}

/// The command that asks for a bundle's signature of a file.
pub(super) fn verify_file(world: &World, recipe: &Recipe, bundle: &Path, asked: &AskedOfFile) -> Command {
    let mut command = cosign(world.service.folder());
    match recipe.predicate {
        None => command.arg("verify-blob"),
        Some(predicate) => command.args(["verify-blob-attestation", "--type", predicate.name]),
    };
    add_trust(&mut command, world, &asked.signer);
    add_evidence(&mut command, recipe.form, recipe.by, recipe.form.log != Log::None);
    command.arg("--bundle").arg(bundle).arg(&asked.artifact);
    command
}

fn add_signer(command: &mut Command, world: &World, by: By) {
    command.arg("--yes");
    match world.material(by) {
        Material::Key(key) => command.arg("--key").arg(key),
        Material::Token(token) => command.arg("--identity-token").arg(token),
        Material::Certified { key, certificate, chain } => {
            command.arg("--key").arg(key).arg("--certificate").arg(certificate).arg("--certificate-chain").arg(chain)
        }
    };
}

/// The services for layers.
fn add_urls(command: &mut Command, world: &World, form: Form) {
    let service = &world.service;
    command.args(["--new-bundle-format=false", "--use-signing-config=false"]).envs(service.environment());
    if form.log == Log::None {
        command.arg("--tlog-upload=false");
    } else {
        command.args(["--rekor-url", &service.rekor_url(), "--fulcio-url", &service.fulcio_url()]);
    }
    if form.timestamp {
        command.args(["--timestamp-server-url", &service.tsa_url()]);
    }
}

/// The services for bundles. With a trusted root cosign verifies what it has made, which it can't for every kind of key.
fn add_config(command: &mut Command, world: &World, by: By, log: Log) {
    let service = &world.service;
    command.arg("--signing-config").arg(match log {
        Log::None => service.no_services(),
        Log::RekorV1 => service.signing_config(),
        Log::RekorV2 => service.signing_config_v2(),
    });
    if !matches!(by, By::Key(_)) {
        command.arg("--trusted-root").arg(service.trusted_root());
    }
}

fn add_trust(command: &mut Command, world: &World, signer: &Signer) {
    let root = world.service.trusted_root();
    match signer {
        Signer::Key(pem) => command.arg("--key").arg(world.file("key.pub", pem)).arg("--trusted-root").arg(root),
        Signer::Keyless { identity, issuer } => command
            .args(["--certificate-identity", identity, "--certificate-oidc-issuer", issuer, "--trusted-root"])
            .arg(root),
        Signer::Certificate { root, intermediates, identity } => command
            .args(["--certificate-identity", identity, "--certificate-oidc-issuer-regexp", ".*"])
            .arg("--insecure-ignore-sct")
            .arg("--ca-roots")
            .arg(world.file("root.pem", root))
            .arg("--ca-intermediates")
            .arg(world.file("intermediates.pem", intermediates)),
    };
}

fn add_evidence(command: &mut Command, form: Form, by: By, log_required: bool) {
    if form.timestamp && !matches!(by, By::Key(_)) {
        command.arg("--use-signed-timestamps");
    }
    if !log_required {
        command.arg("--insecure-ignore-tlog");
    }
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
