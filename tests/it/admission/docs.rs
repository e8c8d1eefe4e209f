//! The reference pages say what the program does.

use std::fs;
use std::path::PathBuf;

use sealgate::domain::reason::CODES;

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(name)
}

#[test]
fn every_code_is_documented_and_no_other() {
    let text = fs::read_to_string(page("codes.md")).unwrap();
    let documented: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let mut codes = CODES.to_vec();
    codes.sort_unstable();
    let mut sorted = documented.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, codes);
    assert_eq!(text.matches("*What to do:*").count(), codes.len());
}

#[test]
fn every_page_is_in_the_index() {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs");
    let index = fs::read_to_string(docs.join("README.md")).unwrap();
    for folder in ["tutorials", "how-to", "reference", "explanation", "adr"] {
        for page in fs::read_dir(docs.join(folder)).unwrap() {
            let link = format!("({folder}/{})", page.unwrap().file_name().display());
            assert!(index.contains(&link), "docs/README.md does not link {link}");
        }
    }
    for link in index.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(docs.join(link).exists(), "docs/README.md links {link}, which is not there");
    }
}
