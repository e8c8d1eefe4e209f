//! What cosign signs, verified by cosign, by `sealgate verify` and by the engine that the webhook asks: the same answer to every
//! question, and to each with one change. `docs/reference/cosign.md` is the table of this run.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures::StreamExt as _;
use sealgate::api;
use sealgate::domain::Digest;
use sealgate::files;
use sealgate::policy::{Defaults, Mode, PolicyCell};
use sealgate::registry::{Client, HostSettings, Settings};
use sealgate::signatures::{RootsCell, TrustMaterial, TrustedRoots};
use sealgate::telemetry::Metrics;
use sealgate::verifier::Engine;
use serde_json::{Value, json};

use crate::cosign::{Asked, Signed, SignedCase, Signer, signed};
use crate::support::verifier::{NoCredentials, question};

/// One question, and the three answers.
struct Answer {
    cosign: bool,
    command_line: Option<bool>,
    engine: bool,
    told: String,
}

/// The policy that asks what cosign was asked.
fn policy(asked: &Asked) -> Value {
    let root = json!("instance");
    let mut authority = match &asked.signer {
        Signer::Key(pem) => json!({"key": {"publicKey": pem, "trustedRoot": root}}),
        Signer::Keyless { identity, issuer } => json!({
            "keyless": {"trustedRoot": root, "identities": [{"issuer": issuer, "subject": identity}]},
        }),
        Signer::Certificate { root: ca, intermediates, identity } => json!({
            "certificate": {"roots": format!("{ca}\n{intermediates}"), "trustedRoot": root, "identities": [{"subject": identity}]},
        }),
    };
    authority["name"] = json!("signer");
    let mut spec = json!({
        "match": {"images": ["**"]},
        "authorities": [authority],
        "transparencyLog": if asked.log_required { "Required" } else { "WhenPresent" },
    });
    match &asked.predicate {
        None => {
            let annotations: serde_json::Map<_, _> =
                asked.annotations.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            spec["signature"] = json!({ "annotations": annotations });
        }
        Some(predicate) => {
            spec["require"] = json!({"atLeast": 0});
            spec["attestations"] = json!([{"name": "statement", "predicateType": predicate.uri}]);
        }
    }
    spec
}

/// The folder of policies that a person would write.
fn folder(signed: &Signed, name: &str, asked: &Asked) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agreement").join(name);
    fs::create_dir_all(&folder).unwrap();
    let object = |kind: &str, name: &str, spec: Value| {
        json!({"apiVersion": api::API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}).to_string()
    };
    let root = json!({"inline": signed.trusted_root().to_string()});
    fs::write(folder.join("policy.yaml"), object(api::KIND, "asked", policy(asked))).unwrap();
    fs::write(folder.join("root.yaml"), object(api::TRUSTED_ROOT_KIND, "instance", root)).unwrap();
    folder
}

async fn ask(signed: &Signed, name: &str, asked: &Asked, cosign: bool, with_program: bool) -> Answer {
    let folder = folder(signed, name, asked);
    let command_line = with_program.then(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealgate"));
        command.args(["verify", "--allow-http-registry", "--policy"]).arg(&folder).arg(&asked.image);
        let output = command.env("HOME", &folder).output().unwrap();
        match output.status.code() {
            Some(0) => true,
            Some(1) => false,
            code => panic!("{name}: exit code {code:?}\n{}", String::from_utf8_lossy(&output.stdout)),
        }
    });
    let policies = PolicyCell::default();
    policies.store(files::load(&folder.join("policy.yaml")).unwrap().policies);
    let (roots, material) =
        (RootsCell::default(), TrustMaterial::from_json(&signed.trusted_root().to_string()).unwrap());
    roots.store(TrustedRoots::new([("instance".to_owned(), Ok(material.into()))].into()));
    let mut settings = Settings::default();
    for host in signed.registries() {
        let host_settings = HostSettings { plain_http: true, allow_private_address: true, ..HostSettings::default() };
        settings.hosts.insert(host.to_owned(), host_settings);
    }
    let client = Client::new(&settings, Metrics::new()).unwrap();
    let engine = Engine::new(client, NoCredentials, policies, roots, Defaults::default());
    let mut question = question(&[&asked.image]);
    question.now = jiff::Timestamp::now();
    let verdict = engine.verify(&question).await.remove(0);
    let findings = verdict.findings(Mode::Enforce);
    let told = findings.first().map_or_else(|| "accepted".to_owned(), |(_, finding)| finding.code().to_owned());
    Answer { cosign, command_line, engine: findings.is_empty(), told }
}

/// Every case with its changes, two at a time. The program itself is asked about each case and one of its changes.
async fn answers(signed: &'static Signed) -> Vec<(&'static SignedCase, Answer, Vec<(String, Answer)>)> {
    let asked = signed.cases.iter().enumerate().map(|(n, case)| async move {
        let right = ask(signed, &format!("{n}"), &case.asked, case.cosign.accepted, true).await;
        let mut twins = Vec::new();
        for (i, twin) in case.twins.iter().enumerate() {
            let name = format!("{n}-{i}");
            let answer = ask(signed, &name, &twin.asked, twin.cosign.accepted, i == n % case.twins.len()).await;
            twins.push((format!("{:?}", twin.change), answer));
        }
        (case, right, twins)
    });
    futures::stream::iter(asked).buffered(2).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn we_answer_as_cosign_does_about_what_cosign_signed() {
    let signed = tokio::task::spawn_blocking(signed).await.unwrap();
    assert!(signed.cases.len() > 50 && Digest::parse(signed.cases[0].asked.image.split_once('@').unwrap().1).is_ok());
    let (mut wrong, mut table) = (Vec::new(), String::new());
    for (case, right, twins) in answers(signed).await {
        // Where cosign refuses what it has signed itself, we accept: the signature is good.
        let expected = right.cosign || case.limit.is_some();
        let all = std::iter::once(("as signed".to_owned(), &right, expected))
            .chain(twins.iter().map(|(change, answer)| (change.clone(), answer, answer.cosign)));
        for (change, answer, expected) in all {
            if answer.engine != expected || answer.command_line.is_some_and(|answer| answer != expected) {
                wrong.push(format!(
                    "{}, {change}: expected {expected}, engine {} ({}), command line {:?}",
                    case.name, answer.engine, answer.told, answer.command_line
                ));
            }
        }
        row(&mut table, case, &right, &twins);
    }
    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    let page = format!("{HEAD}{table}");
    let path = "docs/reference/cosign.md";
    if let Some(folder) = std::env::var_os("SEALGATE_GENERATE") {
        fs::write(Path::new(&folder).join(path), &page).unwrap();
    }
    let written = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default();
    assert!(written == page || std::env::var_os("SEALGATE_GENERATE").is_some(), "{path} is old: make generate-cosign");
}

const HEAD: &str = "\
# What cosign writes, and what is answered about it

Real cosign 3.1.3 signs images in each form, against a Sigstore instance of the tests and a real registry, with and without the
referrers API. `cosign verify`, `sealgate verify` and the engine behind the webhook then answer the same questions: about the
image as it was signed, and after one change of the question at a time. This table is written by that test
(`make generate-cosign`).

Where cosign refuses what it has signed itself, the signature is good and sealgate accepts it; the reason is in the last column.

| signed | cosign | sealgate | changes, each refused by both (code of sealgate) | note |
|---|---|---|---|---|
";

fn row(table: &mut String, case: &SignedCase, right: &Answer, twins: &[(String, Answer)]) {
    let word = |accepted: bool| if accepted { "accepts" } else { "refuses" };
    let changes: Vec<_> = twins.iter().map(|(change, answer)| format!("{change}: {}", answer.told)).collect();
    let note = case.limit.unwrap_or_default();
    let (cosign, ours) = (word(right.cosign), word(right.engine));
    writeln!(table, "| {} | {cosign} | {ours} | {} | {note} |", case.name, changes.join(", ")).unwrap();
}
