//! The scoreboard: every row that `tests/scoreboard.tsv` claims has tests, and `docs/reference/scoreboard.md` lists them.
//!
//! A Rust test belongs to the row that its name begins with: `ref_01_...` to REF-01. Tests in other forms (scripts, charts)
//! carry a comment: `# row: CFG-12` or `// row: CFG-12 FLT-15`, with words after it where they help.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Row id to tests, each as `file: name`.
type Tests = BTreeMap<String, BTreeSet<String>>;

const CLAIMS: &str = "tests/scoreboard.tsv";
const PAGE: &str = "docs/reference/scoreboard.md";
/// Where tests lie.
const FOLDERS: [&str; 4] = ["src", "tests", "scripts", "charts"];
/// Other people's material, and what is built.
const LEFT_OUT: [&str; 4] = [CLAIMS, "tests/fixtures", "tests/it/scoreboard.rs", "target"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The claimed rows with their titles, in the order of the list.
fn claims() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join(CLAIMS)).unwrap();
    let row = |line: &str| line.split_once('\t').map(|(id, title)| (id.to_owned(), title.to_owned()));
    text.lines().map(|line| row(line).unwrap_or_else(|| panic!("{CLAIMS}: no tab in \"{line}\""))).collect()
}

fn all_tests() -> Tests {
    let mut tests = Tests::new();
    let mut folders: Vec<_> =
        FOLDERS.iter().map(|folder| root().join(folder)).filter(|folder| folder.exists()).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            if LEFT_OUT.contains(&name.as_str()) || name.split('/').any(|part| part.starts_with('.')) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                collect(&name, &text, &mut tests);
            }
        }
    }
    tests
}

/// Adds the tests of one file.
fn collect(file: &str, text: &str, tests: &mut Tests) {
    let mut add = |id: String, name: &str| tests.entry(id).or_default().insert(format!("{file}: {name}"));
    if Path::new(file).extension().is_some_and(|extension| extension == "rs") {
        for (id, name) in rust_tests(text) {
            add(id, name);
        }
    }
    for line in text.lines().map(str::trim_start) {
        let Some(marker) = ["# row: ", "// row: "].iter().find_map(|marker| line.strip_prefix(marker)) else {
            continue;
        };
        let words: Vec<_> = marker.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let ids = words.iter().take_while(|word| is_id(word)).count();
        let name = words[ids..].join(" ");
        for id in &words[..ids] {
            add((*id).to_owned(), if name.is_empty() { "marked" } else { &name });
        }
    }
}

/// What `make test` runs although it is marked as ignored, for whoever has no such folder.
const RECORDED: &str = r#"#[ignore = "needs SEALGATE_CORPORA"]"#;

/// Functions that the test harness runs, with the row that their names begin with. An ignored test is none.
fn rust_tests(text: &str) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    let mut attributes = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            attributes.push_str(if line == RECORDED { "" } else { line });
            continue;
        }
        let is_test = ["#[test]", "#[tokio::test"].iter().any(|mark| attributes.contains(mark));
        let is_run = is_test && !attributes.contains("#[ignore") && !attributes.contains("#[cfg");
        let name = line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
        if let Some((id, name)) = name.filter(|_| is_run).and_then(|name| Some((id_of(name)?, name))) {
            found.push((id, name));
        }
        if !line.is_empty() && !line.starts_with("//") {
            attributes.clear();
        }
    }
    found
}

/// `ref_01_upper_case` is about REF-01.
fn id_of(function: &str) -> Option<String> {
    let (group, rest) = function.split_once('_')?;
    let (number, _) = rest.split_once('_')?;
    let id = format!("{}-{number}", group.to_uppercase());
    is_id(&id).then_some(id)
}

fn is_id(word: &str) -> bool {
    word.split_once('-').is_some_and(|(group, number)| {
        group.len() == 3
            && group.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            && number.len() == 2
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

fn page(claims: &[(String, String)], tests: &Tests) -> String {
    let tested = claims.iter().filter(|(id, _)| tests.contains_key(id)).count();
    let mut page = format!(
        "<!-- Written by `make generate` from {CLAIMS} and the names of the tests. -->\n\n# Scoreboard\n\n\
         What the gate does with hostile input and with faults, each row held by the tests beside it.\n\n\
         {tested} of {} rows are tested.\n\n| row | what holds | tests | state |\n|---|---|---|---|\n",
        claims.len()
    );
    for (id, title) in claims {
        let names: Vec<_> = tests.get(id).into_iter().flatten().map(|name| format!("`{name}`")).collect();
        let state = if names.is_empty() { "missing" } else { "tested" };
        writeln!(page, "| {id} | {title} | {} | {state} |", names.join("<br>")).unwrap();
    }
    page
}

#[test]
fn every_claimed_row_has_a_test() {
    let (claims, tests) = (claims(), all_tests());
    let mut groups = BTreeMap::<&str, (usize, usize)>::new();
    let mut missing = Vec::new();
    for (id, title) in &claims {
        let (tested, all) = groups.entry(&id[..3]).or_default();
        *all += 1;
        if tests.contains_key(id) {
            *tested += 1;
        } else {
            missing.push(format!("{id} has no test: {title}"));
        }
    }
    for (group, (tested, all)) in groups {
        println!("{group} {tested}/{all}");
    }
    assert!(missing.is_empty(), "{} of {} rows\n{}", missing.len(), claims.len(), missing.join("\n"));
}

/// Compares the page; with `SEALGATE_GENERATE` set to a folder, writes it there instead.
#[test]
fn the_page_is_what_make_generate_writes() {
    let fresh = page(&claims(), &all_tests());
    if let Some(folder) = std::env::var_os("SEALGATE_GENERATE") {
        let file = Path::new(&folder).join(PAGE);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        return fs::write(file, fresh).unwrap();
    }
    let stored = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    assert!(stored == fresh, "{PAGE} is not what `make generate` writes");
}

#[test]
fn claims_are_rows_in_order_and_each_once() {
    let claims = claims();
    assert!(claims.iter().all(|(id, title)| is_id(id) && !title.is_empty()));
    let ids: BTreeSet<_> = claims.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), claims.len(), "no row twice");
    for pair in claims.windows(2) {
        assert!(pair[0].0[..3] != pair[1].0[..3] || pair[0].0 < pair[1].0, "{} after {}", pair[1].0, pair[0].0);
    }
}

#[test]
fn only_tests_that_run_are_counted() {
    let rust = r#"
        #[test]
        fn ref_01_counted() {}
        #[tokio::test(flavor = "multi_thread")]
        async fn k8s_02_counted() {}
        #[test]
        #[should_panic]
        // why
        fn net_03_counted() {}
        fn ref_04_no_test() {}
        #[test]
        #[ignore = "slow"]
        fn ref_05_ignored() {}
        #[cfg(windows)]
        #[test]
        fn ref_06_not_everywhere() {}
        #[test]
        fn other_name() {}
        #[test]
        fn ref_7_no_id() {}
        // #[test]
        // fn ref_08_commented_out() {}
    "#;
    let mut tests = Tests::new();
    collect("src/a.rs", rust, &mut tests);
    collect(
        "tests/a.sh",
        "  # row: CFG-12 FLT-15, SUP-02 kills all replicas\necho # row: REF-09\n# row: REF-1",
        &mut tests,
    );
    let ids: Vec<_> = tests.keys().map(String::as_str).collect();
    assert_eq!(ids, ["CFG-12", "FLT-15", "K8S-02", "NET-03", "REF-01", "SUP-02"]);
    assert_eq!(tests["FLT-15"].first().unwrap(), "tests/a.sh: kills all replicas");
    assert_eq!(tests["K8S-02"].first().unwrap(), "src/a.rs: k8s_02_counted");
}

#[test]
fn a_row_without_a_test_shows() {
    let claims = [("REF-01".to_owned(), "one".to_owned()), ("REF-02".to_owned(), "two".to_owned())];
    let tests = Tests::from([("REF-01".to_owned(), BTreeSet::from(["a.rs: ref_01_x".to_owned()]))]);
    let page = page(&claims, &tests);
    assert!(page.contains("1 of 2 rows are tested"));
    assert!(page.ends_with("| REF-01 | one | `a.rs: ref_01_x` | tested |\n| REF-02 | two |  | missing |\n"), "{page}");
}
