//! `make demo`: what sealgate answers, without a cluster.
//!
//! Starts a local registry with images that real cosign signed (`tests/fixtures/images`) and `sealgate serve` with the policy
//! beside this file, then posts admission reviews, as the API server does for `kubectl run`, with curl.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for people")]
#![allow(clippy::indexing_slicing, reason = "a JSON value answers Null")]

mod registry;
mod table;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use self::registry::{Content, Registry};

const REGISTRY: &str = "127.0.0.1:5055";
const WEBHOOK: &str = "127.0.0.1:9443";
const ADMIN: &str = "127.0.0.1:9080";

/// One question.
struct Question {
    /// File name of the review.
    name: &'static str,
    /// What is special about the image.
    title: &'static str,
    /// Repository and tag.
    image: &'static str,
    /// The code of the HTTP status that a denial carries; none for an admission.
    expected: Option<i64>,
}

/// What sealgate said.
struct Answer {
    code: Option<i64>,
    patch: String,
    message: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let stay = std::env::args().any(|argument| argument == "--stay");
    match run(stay).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(stay: bool) -> anyhow::Result<()> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::set_current_dir(project)?;
    let work = PathBuf::from("dist/demo");
    std::fs::create_dir_all(&work)?;

    let content = Content::read(Path::new("tests/fixtures/images"))?;
    let unsigned = content.move_tag_to_untagged("moved", "v1")?;
    let registry = Registry::start(REGISTRY, content.clone()).await?;
    let gate = Gate::start(&work)?;
    println!(
        "A registry at {REGISTRY}, and sealgate at https://{WEBHOOK} with the policy examples/demo/policies:\n\
         images below {REGISTRY} must be signed with one key. Asked for each: may this pod run in the namespace shop?\n"
    );

    print!("{}", table::head(["asked", "answer", "patch", "message"]));
    let mut surprises = 0_u32;
    let mut ask = |question: Question| -> anyhow::Result<()> {
        let answer = question.ask(&work)?;
        surprises = surprises.saturating_add(u32::from(answer.code != question.expected));
        print!("{}", question.row(&answer));
        Ok(())
    };
    ask(Question {
        name: "legacy",
        title: "signed by the right key, in cosign's legacy form",
        image: "legacy:v1",
        expected: None,
    })?;
    print!("{}", table::between());
    ask(Question {
        name: "bundle",
        title: "signed by the right key, in the form of cosign 3",
        image: "bundle:v1",
        expected: None,
    })?;
    print!("{}", table::between());
    ask(Question {
        name: "wrong-key",
        title: "signed, by a key that is not ours",
        image: "wrong-key:v1",
        expected: Some(403),
    })?;
    print!("{}", table::between());
    ask(Question { name: "unsigned", title: "not signed", image: "unsigned:v1", expected: Some(403) })?;
    print!("{}", table::between());
    ask(Question { name: "moved-before", title: "a signed tag", image: "moved:v1", expected: None })?;
    print!("{}", table::between());
    content.move_tag("moved", "v1", unsigned);
    ask(Question {
        name: "moved",
        title: "the same tag, after someone moved it to another digest",
        image: "moved:v1",
        expected: Some(403),
    })?;
    print!("{}", table::between());
    registry.stop().await?;
    ask(Question {
        name: "away",
        title: "signed by the right key, but the registry is away: not \"not signed\"",
        image: "bundle:v1",
        expected: Some(503),
    })?;
    print!("{}", table::foot());

    println!(
        "\nAsk yourself{}, and see the patch:\n",
        if stay { "" } else { " (make demo STAY=1 keeps both servers running)" }
    );
    println!("  {}\n", command(&work, "mutate", "legacy").join(" "));
    println!("or the verdict on the pod as it would be stored:\n");
    println!("  {}\n", command(&work, "validate", "unsigned").join(" "));
    println!("The reviews, answers and the log are in {}.", work.display());
    ensure!(surprises == 0, "{surprises} answers are not what this demo promises");

    if stay {
        let registry = Registry::start(REGISTRY, content).await?;
        println!("\nBoth servers stay until Ctrl-C.");
        tokio::signal::ctrl_c().await?;
        registry.stop().await?;
    }
    drop(gate);
    Ok(())
}

/// `sealgate serve`, until dropped.
struct Gate(Child);

impl Gate {
    fn start(work: &Path) -> anyhow::Result<Self> {
        let example = std::env::current_exe()?;
        let programs = example.parent().and_then(Path::parent).context("an example lies two folders down")?;
        let log = work.join("sealgate.log");
        let child = Command::new(programs.join("sealgate"))
            .args(["serve", "--policies", "examples/demo/policies", "--config", "examples/demo/config.yaml"])
            .args(["--listen", WEBHOOK, "--admin-listen", ADMIN, "--self-signed"])
            .arg(work)
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?)
            .spawn()
            .with_context(|| format!("{} does not start", programs.join("sealgate").display()))?;
        let mut gate = Self(child);
        let began = Instant::now();
        while !Self::is_ready()? {
            if let Some(status) = gate.0.try_wait()? {
                bail!("sealgate ended with {status}: {}", std::fs::read_to_string(&log)?);
            }
            ensure!(
                began.elapsed() < Duration::from_secs(20),
                "sealgate is not ready after 20 s; see {}",
                log.display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(gate)
    }

    fn is_ready() -> anyhow::Result<bool> {
        let url = format!("http://{ADMIN}/readyz");
        Ok(Command::new("curl").args(["--silent", "--fail", "--output", "/dev/null", &url]).status()?.success())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Question {
    /// Asks as the API server does: first what to change, then whether the changed pod may run.
    fn ask(&self, work: &Path) -> anyhow::Result<Answer> {
        let mut review: Value = serde_json::from_str(include_str!("review.json"))?;
        *review.pointer_mut("/request/object/spec/containers/0/image").context("a container")? =
            format!("{REGISTRY}/{}", self.image).into();
        let mutated = post(work, "mutate", self.name, &review)?;
        let mut patch = Vec::new();
        if let Some(encoded) = mutated["patch"].as_str() {
            let operations: json_patch::Patch = serde_json::from_slice(&STANDARD.decode(encoded)?)?;
            json_patch::patch(review.pointer_mut("/request/object").context("an object")?, &operations)?;
            for operation in serde_json::to_value(&operations)?.as_array().context("a patch is a list")? {
                patch.push(format!("{} {}", text(&operation["op"]), text(&operation["path"])));
                patch.push(text(&operation["value"]).to_owned());
            }
        }
        let validated = post(work, "validate", self.name, &review)?;
        let code =
            if validated["allowed"] == true { None } else { Some(validated["status"]["code"].as_i64().unwrap_or(0)) };
        Ok(Answer { code, patch: patch.join("\n"), message: text(&validated["status"]["message"]).to_owned() })
    }

    fn row(&self, answer: &Answer) -> String {
        let verdict = answer.code.map_or("ADMITTED".to_owned(), |code| format!("REFUSED {code}"));
        let asked = format!("{}\n{REGISTRY}/{}", self.title, self.image);
        table::row([&asked, &verdict, &answer.patch, &answer.message])
    }
}

/// Posts a review with the very command that is shown; keeps question and answer.
fn post(work: &Path, webhook: &str, name: &str, review: &Value) -> anyhow::Result<Value> {
    std::fs::write(work.join(format!("{webhook}-{name}.json")), serde_json::to_vec_pretty(review)?)?;
    let command = command(work, webhook, name);
    let (program, arguments) = command.split_first().context("a command")?;
    let output = Command::new(program).args(arguments.iter().map(|argument| argument.trim_matches('\''))).output()?;
    ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(work.join(format!("{webhook}-{name}.answer.json")), &output.stdout)?;
    let answer: Value = serde_json::from_slice(&output.stdout).context("the answer is no AdmissionReview")?;
    Ok(answer["response"].clone())
}

fn command(work: &Path, webhook: &str, name: &str) -> Vec<String> {
    let work = work.display();
    let words = format!(
        "curl -sS --cacert {work}/ca.crt -H 'Content-Type:application/json' --data @{work}/{webhook}-{name}.json https://{WEBHOOK}/{webhook}?timeout=10s"
    );
    words.split(' ').map(str::to_owned).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
