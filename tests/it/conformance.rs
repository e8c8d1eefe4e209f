//! Real signatures and bundles of other projects, and what must be answered about each: `make conformance` prints them.
//!
//! An expectation is the corpus's own. Where we are right and the corpus records another answer of another program, the reason
//! is in [`Case::note`]; nothing is skipped and nothing is expected to fail.

mod bundles;
mod client;
mod images;
mod legacy;

use jiff::Timestamp;
use sealgate::domain::{Finding, IdentityParts, IdentityPattern};
use sealgate::signatures::TrustMaterial;

use crate::support::corpora::corpora;

/// One question to the verifier.
struct Case {
    corpus: &'static str,
    name: String,
    /// What must be answered.
    accept: bool,
    /// Why that differs from what the corpus records of another program, where it does.
    note: &'static str,
    answer: Result<String, Finding>,
}

impl Case {
    fn is_right(&self) -> bool {
        self.answer.is_ok() == self.accept
    }

    fn row(&self) -> String {
        let Self { corpus, name, accept, note, .. } = self;
        let mark = if self.is_right() { "right" } else { "WRONG" };
        let expected = if *accept { "accept" } else { "reject" };
        let answer = match &self.answer {
            Ok(signer) => signer.clone(),
            Err(finding) => finding.code().to_owned(),
        };
        let note = if note.is_empty() { String::new() } else { format!("  ({note})") };
        format!("{mark}  {corpus:24} {name:90.90} {expected}  {answer}{note}")
    }
}

/// Prints every row, and fails with those that are wrong.
fn judge(cases: &[Case]) {
    assert!(!cases.is_empty(), "the corpus has no case");
    for case in cases {
        println!("{}", case.row());
    }
    let wrong: Vec<String> = cases
        .iter()
        .filter(|case| !case.is_right())
        .map(|case| format!("{}\n    {:?}", case.row(), case.answer))
        .collect();
    println!("{}: {} of {} right", cases[0].corpus, cases.len() - wrong.len(), cases.len());
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The time at which all of them are asked: no certificate that signed is valid any more.
fn now() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

fn root(file: &str) -> TrustMaterial {
    material(&std::fs::read_to_string(corpora("trusted-roots").join(file)).unwrap())
}

fn material(json: &str) -> TrustMaterial {
    TrustMaterial::from_json(json).unwrap()
}

fn public_good() -> TrustMaterial {
    root("public-good.sigstore-python-4.5.1.json")
}

/// The signer; certificates of an own PKI, and some of GitHub's, name no issuer.
fn identity(subject: &str, issuer: Option<&str>) -> Vec<IdentityPattern> {
    let parts = IdentityParts {
        issuer: issuer.map(str::to_owned),
        subject: Some(subject.to_owned()),
        ..IdentityParts::default()
    };
    vec![IdentityPattern::certificate(parts).unwrap()]
}
