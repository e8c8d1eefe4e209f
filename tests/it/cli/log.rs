//! The log of the running program, whose reader may be away, and whose fields come from strangers.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::ChildStderr;
use std::thread;

use sealgate::telemetry::log::{MAX_FIELD, MAX_LINE};
use serde_json::Value;

use crate::support::builders::{Review, pod};
use crate::support::process::{Launch, Sealgate};

fn start(test: &str) -> Sealgate {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    Launch::new(env!("CARGO_BIN_EXE_sealgate"), folder, Vec::new()).log_pipe().start()
}

/// A review whose name is as long as this.
fn review(size: usize) -> Vec<u8> {
    let long = "x".repeat(size);
    Review::create(&pod(&[("main", "registry.example/app:1")])).with("name", long).bytes()
}

fn ask(gate: &Sealgate, review: &[u8]) {
    let answer = gate.ask("/validate", review).unwrap();
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
}

fn dropped(gate: &Sealgate) -> usize {
    let (_, metrics) = gate.admin("/metrics").unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("sealgate_log_lines_dropped_total "));
    line.unwrap().parse().unwrap()
}

/// Reads to the end what the program logs.
fn lines(log: ChildStderr) -> Vec<String> {
    BufReader::new(log).lines().map(Result::unwrap).collect()
}

fn decisions(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.contains("\"message\":\"decided\"")).count()
}

#[test]
fn flt_38_dos_19_reviews_and_probes_go_on_while_nobody_reads_the_log() {
    let mut gate = start("log-blocked");
    let review = review(2 * MAX_FIELD);
    let mut asked = 0;
    while dropped(&gate) == 0 {
        ask(&gate, &review);
        asked += 1;
        assert!(asked < 2000, "the queue has no bound");
    }
    for _ in 0..20 {
        ask(&gate, &review);
        asked += 1;
        for path in ["/healthz", "/readyz"] {
            assert_eq!(gate.admin(path).unwrap().0, 200, "{path}");
        }
    }
    let missing = dropped(&gate);
    assert!(missing > 20, "nothing was read meanwhile: {missing}");
    // Once the lines flow again, the log says what is missing.
    let mut log = BufReader::new(gate.log()).lines().map(Result::unwrap);
    let mut lines: Vec<String> = Vec::new();
    while !lines.last().is_some_and(|line| line.contains("log lines were dropped")) {
        lines.push(log.next().expect("it is said before the log ends"));
    }
    let told: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert!(told["message"].as_str().unwrap().starts_with(&format!("{missing} log lines")), "{missing}: {told}");
    // Half of the queue is free now, so that no line is lost at the end. Those that are missing need not all be decisions.
    let rest = thread::spawn(move || log.collect::<Vec<_>>());
    gate.stop();
    lines.extend(rest.join().unwrap());
    assert!(asked - decisions(&lines) <= missing);
    assert!(lines.iter().all(|line| line.len() < MAX_LINE));
}

#[test]
fn flt_38_a_log_that_is_read_has_every_line() {
    let mut gate = start("log-read");
    let log = gate.log();
    let reader = thread::spawn(move || lines(log));
    let review = review(2 * MAX_FIELD);
    (0..200).for_each(|_| ask(&gate, &review));
    assert_eq!(dropped(&gate), 0);
    assert!(gate.stop().success());
    let lines = reader.join().unwrap();
    assert_eq!(decisions(&lines), 200);
    assert!(lines.last().unwrap().contains("\"message\":\"stopped\""), "the last line is written before the end");
}

#[test]
fn flt_38_a_pipe_that_nobody_reads_does_not_keep_the_program_from_ending() {
    let mut gate = start("log-end");
    let review = review(2 * MAX_FIELD);
    while dropped(&gate) == 0 {
        ask(&gate, &review);
    }
    assert!(gate.stop().success());
}

#[test]
fn dos_19_a_name_as_long_as_a_review_gives_a_line_like_others() {
    let mut gate = start("log-long");
    let log = gate.log();
    let reader = thread::spawn(move || lines(log));
    ask(&gate, &review(1 << 20));
    gate.stop();
    let lines = reader.join().unwrap();
    assert!(lines.iter().all(|line| line.len() < MAX_LINE));
    let line: Value = serde_json::from_str(lines.iter().find(|line| line.contains("decided")).unwrap()).unwrap();
    assert!(line["name"].as_str().unwrap().starts_with("xxx") && line["answer"] == "allowed", "{line}");
}
