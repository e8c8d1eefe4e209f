//! `docs/explanation/yes-no-unknown.md`: every row says what an answer is, and names tests that exist and run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = "docs/explanation/yes-no-unknown.md";

#[test]
fn every_answer_in_the_table_has_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    collect(&root.join("src"), &mut tests);
    collect(&root.join("tests"), &mut tests);
    let page = fs::read_to_string(root.join(PAGE)).unwrap();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 30, "{} rows", rows.len());
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, answer, kind, proofs] = cells[..] else { panic!("{} cells: {row}", cells.len()) };
        assert!(!answer.is_empty() && !kind.is_empty(), "{row}");
        let names: Vec<_> = proofs.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            assert!(tests.contains(name), "no test {name}: {row}");
        }
    }
}

/// The names of all functions below a folder that the test harness runs.
fn collect(folder: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut attributes = String::new();
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[") {
                    attributes.push_str(line);
                    continue;
                }
                let runs = ["#[test]", "#[tokio::test"].iter().any(|mark| attributes.contains(mark));
                let name =
                    line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
                if let Some(name) = name.filter(|_| runs && !attributes.contains("#[ignore")) {
                    tests.insert(name.to_owned());
                }
                if !line.is_empty() && !line.starts_with("//") {
                    attributes.clear();
                }
            }
        }
    }
}
