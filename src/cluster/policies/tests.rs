use super::inventory::StoredNamespace;
use super::*;
use crate::policy::{BrokenPolicy, LabelSelector, Mode, PolicyError};

fn policy(name: &str) -> StoredPolicy {
    let broken = BrokenPolicy {
        name: name.into(),
        mode: Mode::Enforce,
        images: None,
        exclude_images: Vec::new(),
        namespaces: Vec::new(),
        namespace_selector: LabelSelector::default(),
        error: PolicyError { path: "spec".into(), problem: "broken".into() },
    };
    StoredPolicy { name: name.into(), generation: 1, conditions: Vec::new(), entry: Entry::Broken(Box::new(broken)) }
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
