//! A folder of policies: what is read, what stops a start, and what a reload keeps.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sealgate::files::{Contents, FilesError, Watcher, load};
use sealgate::policy::PolicySet;

const GOOD: &str = include_str!("../fixtures/policies/valid/one-key.yaml");
const SHOP: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels: {tier: front}\n";

#[test]
fn a_folder_gives_its_policies_and_the_labels_of_its_namespaces() {
    let folder = Folder::new("reads");
    folder.write("b.yaml", &format!("# first\n---\n{GOOD}---\n{SHOP}"));
    folder.write("a.yml", &named("other"));
    folder.write("c.json", r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"test","labels":null}}"#);
    folder.write("README.md", "not a policy");
    folder.write(".hidden.yaml", "not: read");
    fs::create_dir(folder.0.join("folder.yaml")).unwrap();

    let set = load(&folder.0).unwrap().policies;
    assert_eq!(names(&set), ["one-key", "other"]);
    assert_eq!(set.labels("shop").unwrap()["tier"], "front");
    assert!(set.labels("test").unwrap().is_empty());
    assert!(set.labels("elsewhere").is_none(), "labels of a namespace that is not described are not made up here");
}

#[test]
fn one_file_can_be_read_alone() {
    let folder = Folder::new("single");
    folder.write("a.yaml", GOOD);
    folder.write("b.yaml", "not: ours");
    assert_eq!(names(&load(&folder.0.join("a.yaml")).unwrap().policies), ["one-key"]);
}

/// `kubectl get csigpol -o yaml`, which denials name.
#[test]
fn a_list_stands_for_its_items() {
    let list = |second: &str| {
        let items = [GOOD, second].map(|text| serde_saphyr::from_str::<serde_json::Value>(text).unwrap());
        serde_json::json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}).to_string()
    };
    let folder = Folder::new("list");
    folder.write("a.yaml", &list(&named("other")));
    assert_eq!(names(&load(&folder.0).unwrap().policies), ["one-key", "other"]);

    folder.write("a.yaml", &list(&named("other").replace("  match:", "  typo: 1\n  match:")));
    let error = load(&folder.0).unwrap_err().to_string();
    assert!(error.contains("document 1, item 2: policy other: spec.typo: unknown field"), "{error}");
    folder.write("a.yaml", "apiVersion: v1\nkind: List\nitems: {}\n");
    assert!(load(&folder.0).is_err());
}

#[test]
fn what_cannot_be_read_stops_a_start_and_is_named() {
    let unknown_field = GOOD.replace("  match:", "  matches: {}\n  match:");
    let cases: [(&str, &str, &str); 16] = [
        (
            "kind: ConfigMap\napiVersion: v1\nmetadata: {name: x}\n",
            "document 1: expected a ClusterSignaturePolicy",
            "other kinds",
        ),
        (&GOOD.replace("v1alpha1", "v1"), "found kind ClusterSignaturePolicy (sealgate.dev/v1)", "other versions"),
        ("- a\n- b\n", "document 1: expected a ClusterSignaturePolicy", "a list"),
        (&format!("{GOOD}---\njust text\n"), "document 2: expected", "a text as the second document"),
        (&GOOD.replace("  name: one-key", "  labels: {}"), "metadata.name: is required", "no name"),
        (&named("One_Key"), "metadata.name: \"One_Key\" is not a valid name", "a bad name"),
        (&GOOD.replace("spec:", "specs:"), "unknown field specs", "a typo at the top"),
        (&unknown_field, "policy one-key: spec.matches: unknown field; did you mean match?", "an unknown field"),
        (
            &format!("{GOOD}---\n{GOOD}"),
            "document 2: ClusterSignaturePolicy one-key is also in",
            "the same policy twice",
        ),
        (&format!("{SHOP}---\n{SHOP}"), "document 2: Namespace shop is also in", "the same namespace twice"),
        (&SHOP.replace("front", "[front]"), "metadata.labels:", "labels that are no texts"),
        ("spec: [\n", "not valid YAML", "broken YAML"),
        (&GOOD.replace("  match:", "  mode: Audit\n  mode: Enforce\n  match:"), "not valid YAML", "a key twice"),
        (&GOOD.replace("spec:", "spec: !custom"), "not valid YAML", "an unknown tag"),
        (&bomb(), "not valid YAML", "an alias bomb"),
        (&GOOD.replace("kind: ", "kind: \u{1}"), "not valid YAML", "control characters"),
    ];
    for (text, expected, what) in cases {
        let folder = Folder::new("stops");
        folder.write("good.yaml", &named("good"));
        assert!(load(&folder.0).is_ok(), "the twin of {what} is read");
        folder.write("bad.yaml", text);
        let error = load(&folder.0).expect_err(what).to_string();
        assert!(error.contains("bad.yaml: ") && error.contains(expected), "{what}: expected {expected}, found {error}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
}

#[test]
fn files_that_are_not_text_too_large_or_dangling_stop_a_start() {
    let folder = Folder::new("unreadable");
    let path = folder.0.join("bad.yaml");
    fs::write(&path, b"\xff\xfe").unwrap();
    assert!(matches!(load(&folder.0), Err(FilesError::Syntax { .. })));
    fs::write(&path, vec![b'#'; (4 << 20) + 1]).unwrap();
    assert!(matches!(load(&folder.0), Err(FilesError::TooLarge { .. })));
    fs::write(&path, vec![b'#'; 4 << 20]).unwrap();
    assert!(load(&folder.0).is_ok(), "the twin at the limit is read");
    fs::remove_file(&path).unwrap();
    symlink("nowhere.yaml", &path).unwrap();
    assert!(matches!(load(&folder.0), Err(FilesError::Unreadable { .. })));
    assert!(matches!(load(&folder.0.join("nowhere")), Err(FilesError::Unreadable { .. })));
}

#[test]
fn a_change_is_taken_when_it_has_settled() {
    let folder = Folder::new("settles");
    folder.write("a.yaml", GOOD);
    let (mut watcher, set) = Watcher::start(&folder.0).unwrap();
    assert_eq!(names(&set.policies), ["one-key"]);
    assert!(watcher.poll().is_none());

    folder.write("b.yaml", &named("half-"));
    assert!(watcher.poll().is_none(), "seen once: perhaps still being written");
    folder.write("b.yaml", &named("whole"));
    assert!(watcher.poll().is_none());
    assert_eq!(names(&watcher.poll().unwrap().unwrap().policies), ["one-key", "whole"]);
    assert!(watcher.poll().is_none());

    fs::remove_file(folder.0.join("a.yaml")).unwrap();
    assert!(watcher.poll().is_none());
    assert_eq!(names(&watcher.poll().unwrap().unwrap().policies), ["whole"]);
}

/// The content is the same length and may carry the same time stamp: neither hides it.
#[test]
fn a_change_of_one_letter_is_seen() {
    let folder = Folder::new("letter");
    folder.write("a.yaml", &named("aaa"));
    let (mut watcher, _) = Watcher::start(&folder.0).unwrap();
    folder.write("a.yaml", &named("aab"));
    assert!(watcher.poll().is_none());
    assert_eq!(names(&watcher.poll().unwrap().unwrap().policies), ["aab"]);
}

#[test]
fn a_reload_that_fails_is_said_once_and_the_next_good_one_is_taken() {
    let folder = Folder::new("fails");
    folder.write("a.yaml", GOOD);
    let (mut watcher, _) = Watcher::start(&folder.0).unwrap();

    folder.write("a.yaml", &GOOD.replace("  match:", "  match: 1\n  match:"));
    assert!(watcher.poll().is_none());
    assert!(matches!(watcher.poll(), Some(Err(FilesError::Syntax { .. }))));
    assert!(watcher.poll().is_none(), "the same error is not said again");

    folder.write("a.yaml", &named("repaired"));
    assert!(watcher.poll().is_none());
    assert_eq!(names(&watcher.poll().unwrap().unwrap().policies), ["repaired"]);

    fs::rename(&folder.0, folder.0.with_extension("away")).unwrap();
    assert!(watcher.poll().is_none());
    assert!(matches!(watcher.poll(), Some(Err(FilesError::Unreadable { .. }))));
    fs::rename(folder.0.with_extension("away"), &folder.0).unwrap();
    assert!(watcher.poll().is_none());
    assert_eq!(names(&watcher.poll().unwrap().unwrap().policies), ["repaired"]);
}

/// A typo in one file keeps that policy as it was, and keeps no change of another file from counting.
#[test]
fn pol_22_a_file_with_a_broken_policy_leaves_its_last_good_version_and_the_other_files() {
    let folder = Folder::new("last-good");
    let typo = |name: &str| named(name).replace("  match:", "  typo: 1\n  match:");
    folder.write("a.yaml", &named("a"));
    folder.write("b.yaml", &named("b"));
    let (mut watcher, contents) = Watcher::start(&folder.0).unwrap();
    assert_eq!(states(&contents), [2, 0, 0]);

    folder.write("a.yaml", &typo("a"));
    folder.write("b.yaml", &named("c"));
    assert!(watcher.poll().is_none());
    let contents = watcher.poll().unwrap().unwrap();
    assert_eq!(names(&contents.policies), ["a", "c"]);
    assert_eq!(states(&contents), [1, 1, 1]);
    let [problem] = &contents.broken[..] else { panic!("{:?}", contents.broken) };
    assert!(problem.to_string().contains("a.yaml: document 1: policy a: spec.typo: unknown field"), "{problem}");
    assert!(watcher.poll().is_none(), "the same error is not said again");

    fs::remove_file(folder.0.join("a.yaml")).unwrap();
    assert!(watcher.poll().is_none());
    assert_eq!(states(&watcher.poll().unwrap().unwrap()), [1, 0, 0]);
    folder.write("a.yaml", &typo("a"));
    assert!(watcher.poll().is_none());
    assert_eq!(states(&watcher.poll().unwrap().unwrap()), [1, 1, 0], "what was removed does not come back");
    assert!(matches!(load(&folder.0), Err(FilesError::Policy { .. })), "and it stops a start");
}

/// A mounted `ConfigMap`: `a.yaml` -> `..data/a.yaml`, `..data` -> `..2026_1`; an update swaps `..data`.
#[test]
fn a_mounted_config_map_is_read_and_its_swap_is_seen() {
    let folder = Folder::new("configmap");
    for (version, name) in [("..2026_1", "before"), ("..2026_2", "after")] {
        fs::create_dir(folder.0.join(version)).unwrap();
        folder.write(&format!("{version}/a.yaml"), &named(name));
    }
    symlink("..2026_1", folder.0.join("..data")).unwrap();
    symlink("..data/a.yaml", folder.0.join("a.yaml")).unwrap();
    let (mut watcher, set) = Watcher::start(&folder.0).unwrap();
    assert_eq!(names(&set.policies), ["before"]);

    symlink("..2026_2", folder.0.join("..data_tmp")).unwrap();
    fs::rename(folder.0.join("..data_tmp"), folder.0.join("..data")).unwrap();
    assert!(watcher.poll().is_none());
    assert_eq!(names(&watcher.poll().unwrap().unwrap().policies), ["after"]);
}

#[test]
fn the_example_policies_are_valid() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies");
    assert_eq!(
        names(&load(&examples).unwrap().policies),
        [
            "attested-by-github",
            "built-on-github",
            "built-on-gitlab",
            "development",
            "gitlab-images",
            "no-docker-hub",
            "production",
            "released-images",
            "signed-by-our-pki",
            "trial",
            "two-of-three",
            "vendor-images",
            "with-provenance",
        ]
    );
}

fn named(name: &str) -> String {
    GOOD.replace("one-key", name)
}

fn names(set: &PolicySet) -> Vec<String> {
    set.entries().iter().map(|entry| entry.name().to_string()).collect()
}

/// How many policies are valid, broken, and of the broken ones in force by their last good version.
fn states(contents: &Contents) -> [usize; 3] {
    contents.policies.states().map(|(_, count)| count)
}

fn bomb() -> String {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..8 {
        let inner = vec![format!("*a{}", i - 1); 10].join(", ");
        writeln!(text, "a{i}: &a{i} [{inner}]").unwrap();
    }
    text
}

/// A folder that is removed with its value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
