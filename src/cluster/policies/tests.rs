use super::inventory::StoredNamespace;
use super::*;
use crate::policy::{BrokenPolicy, Entry, LabelSelector, Mode, PolicyError};

fn policy(name: &str) -> StoredPolicy {
    let broken = BrokenPolicy {
        name: name.into(),
        mode: Mode::Enforce,
        images: Vec::new(),
        exclude_images: Vec::new(),
        namespaces: Some(Vec::new()),
        namespace_selector: Some(LabelSelector::default()),
        error: PolicyError { path: "spec".into(), problem: "broken".into() },
    };
    stored(name, "uid", 1, Entry::Broken(Box::new(broken)))
}

fn stored(name: &str, uid: &str, generation: i64, entry: Entry) -> StoredPolicy {
    StoredPolicy { name: name.into(), uid: Some(uid.into()), generation, conditions: Vec::new(), entry }
}

/// A policy that can be used: it refuses one repository.
fn good(name: &str, uid: &str, generation: i64) -> StoredPolicy {
    let spec = serde_json::json!({
        "match": {"images": ["registry.example/app"]}, "authorities": [{"name": "fixed", "static": "Deny"}],
    });
    stored(name, uid, generation, api::compile(name, &spec))
}

/// The same after an edit that broke it.
fn typo(name: &str, uid: &str, generation: i64) -> StoredPolicy {
    let spec = serde_json::json!({"mod": "Enforce"});
    stored(name, uid, generation, api::compile(name, &spec))
}

/// How many policies are valid, broken, and of the broken ones in force by their last good version.
fn states(inventory: &Inventory) -> [usize; 3] {
    inventory.snapshot().unwrap().0.states().map(|(_, count)| count)
}

fn namespace(name: &str, team: &str) -> StoredNamespace {
    StoredNamespace { name: name.into(), labels: [("team".to_owned(), team.to_owned())].into() }
}

fn names(inventory: &Inventory) -> Option<Vec<String>> {
    inventory.snapshot().map(|(_, stored)| stored.iter().map(|policy| policy.name.clone()).collect())
}

fn listed(policies: &[&str]) -> Inventory {
    let mut inventory = Inventory::default();
    inventory.namespaces(Change::ListBegins);
    inventory.namespaces(Change::Listed(namespace("shop", "a")));
    inventory.namespaces(Change::ListEnds);
    inventory.policies(Change::ListBegins);
    for name in policies {
        inventory.policies(Change::Listed(policy(name)));
    }
    inventory.policies(Change::ListEnds);
    inventory
}

#[test]
fn flt_21_there_is_no_set_before_both_lists_are_complete() {
    let mut inventory = Inventory::default();
    assert!(inventory.snapshot().is_none());
    inventory.policies(Change::ListBegins);
    inventory.policies(Change::Listed(policy("a")));
    inventory.policies(Change::ListEnds);
    assert!(inventory.snapshot().is_none(), "namespaces are not known yet");
    inventory.namespaces(Change::ListBegins);
    inventory.namespaces(Change::Listed(namespace("shop", "a")));
    assert!(inventory.snapshot().is_none(), "namespaces are not complete yet");
    assert!(inventory.namespaces(Change::ListEnds));
    assert_eq!(names(&inventory), Some(vec!["a".into()]));
}

#[test]
fn flt_21_a_change_before_the_list_does_not_make_it_complete() {
    let mut inventory = Inventory::default();
    inventory.namespaces(Change::ListEnds);
    assert!(!inventory.policies(Change::Put(policy("a"))));
    assert!(inventory.snapshot().is_none());
}

#[test]
fn flt_21_no_policies_is_a_set_once_it_is_known() {
    assert_eq!(names(&listed(&[])), Some(vec![]));
}

#[test]
fn a_list_that_begins_again_takes_nothing_away_until_it_ends() {
    let mut inventory = listed(&["a", "b"]);
    assert!(!inventory.policies(Change::ListBegins));
    assert!(!inventory.policies(Change::Listed(policy("b"))));
    assert_eq!(names(&inventory), Some(vec!["a".into(), "b".into()]));
    assert!(inventory.policies(Change::ListEnds));
    assert_eq!(names(&inventory), Some(vec!["b".into()]));
}

#[test]
fn changes_and_deletions_are_taken_in() {
    let mut inventory = listed(&["b"]);
    assert!(inventory.policies(Change::Put(policy("a"))));
    assert_eq!(names(&inventory), Some(vec!["a".into(), "b".into()]));
    assert!(inventory.policies(Change::Remove("b".into())));
    assert!(!inventory.policies(Change::Remove("b".into())));
    assert_eq!(names(&inventory), Some(vec!["a".into()]));
    inventory.namespaces(Change::Put(namespace("shop", "b")));
    let (set, _) = inventory.snapshot().unwrap();
    assert_eq!(set.labels("shop").unwrap()["team"], "b");
    assert_eq!(set.labels("new"), None);
}

#[test]
fn pol_22_an_update_that_breaks_a_policy_leaves_its_last_good_version_in_force() {
    let mut inventory = listed(&[]);
    inventory.policies(Change::Put(good("p", "a", 1)));
    assert_eq!(states(&inventory), [1, 0, 0]);
    inventory.policies(Change::Put(typo("p", "a", 2)));
    assert_eq!(states(&inventory), [0, 1, 1]);
    let (set, stored) = inventory.snapshot().unwrap();
    assert!(set.entries()[0].in_force().is_some());
    assert!(stored[0].entry.error().unwrap().path.starts_with("spec"), "the status can say what is wrong");
    inventory.policies(Change::Put(typo("q", "b", 1)));
    assert_eq!(states(&inventory), [0, 2, 1], "one that was never good has none");
}

#[test]
fn pol_22_the_last_good_version_outlives_a_new_list_and_no_deletion() {
    let list = |inventory: &mut Inventory, policy: Option<StoredPolicy>| {
        inventory.policies(Change::ListBegins);
        if let Some(policy) = policy {
            inventory.policies(Change::Listed(policy));
        }
        inventory.policies(Change::ListEnds);
    };
    let began = || {
        let mut inventory = listed(&[]);
        inventory.policies(Change::Put(good("p", "a", 1)));
        inventory
    };
    let mut inventory = began();
    list(&mut inventory, Some(typo("p", "a", 2)));
    assert_eq!(states(&inventory), [0, 1, 1]);

    let mut deleted = began();
    deleted.policies(Change::Remove("p".into()));
    deleted.policies(Change::Put(typo("p", "a", 2)));
    assert_eq!(states(&deleted), [0, 1, 0]);

    let mut missing = began();
    list(&mut missing, None);
    missing.policies(Change::Put(typo("p", "a", 2)));
    assert_eq!(states(&missing), [0, 1, 0]);

    let mut made_again = began();
    list(&mut made_again, Some(typo("p", "b", 1)));
    assert_eq!(states(&made_again), [0, 1, 0], "deleted and made again while the watch was away");
}
