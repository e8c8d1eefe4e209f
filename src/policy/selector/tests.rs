use super::*;
use crate::policy::testing::requirement;
use SelectorOperator::{DoesNotExist, Exists, In, NotIn};

fn matches(key: &str, operator: SelectorOperator, values: &[&str], labels: &Labels) -> bool {
    selects(&[requirement(key, operator, values)], Some(labels)).unwrap()
}

fn selects(requirements: &[Requirement], labels: Option<&Labels>) -> Option<bool> {
    LabelSelector { requirements: requirements.to_vec() }.selects("shop", labels)
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[test]
fn operators_mean_what_they_mean_in_kubernetes() {
    let prod = labels(&[("env", "prod")]);
    let none = Labels::new();
    for (operator, values, with, without) in [
        (In, &["prod", "stage"][..], true, false),
        (In, &["stage"], false, false),
        (NotIn, &["stage"], true, true),
        (NotIn, &["prod", "stage"], false, true),
        (Exists, &[], true, false),
        (DoesNotExist, &[], false, true),
    ] {
        assert_eq!(matches("env", operator, values, &prod), with, "{operator:?} {values:?} with the label");
        assert_eq!(matches("env", operator, values, &none), without, "{operator:?} {values:?} without it");
    }
}

#[test]
fn all_requirements_must_hold_and_none_holds_always() {
    let both = [requirement("a", Exists, &[]), requirement("b", Exists, &[])];
    assert_eq!(selects(&both, Some(&labels(&[("a", ""), ("b", "")]))), Some(true));
    assert_eq!(selects(&both, Some(&labels(&[("a", "")]))), Some(false));
    assert_eq!(selects(&[], Some(&Labels::new())), Some(true));
}

#[test]
fn cfg_03_unknown_labels_are_neither_a_yes_nor_a_no() {
    let env = || requirement("env", In, &["prod"]);
    let name = |value| requirement("kubernetes.io/metadata.name", In, &[value]);
    for operator in [In, NotIn] {
        assert_eq!(selects(&[requirement("env", operator, &["prod"])], None), None, "{operator:?}");
    }
    for operator in [Exists, DoesNotExist] {
        assert_eq!(selects(&[requirement("env", operator, &[])], None), None, "{operator:?}");
    }
    assert_eq!(selects(&[], None), Some(true));
    assert_eq!(selects(&[name("shop")], None), Some(true), "the name is known");
    assert_eq!(selects(&[name("shop"), env()], None), None);
    assert_eq!(selects(&[env(), name("elsewhere")], None), Some(false), "the name decides, whatever the labels are");
}

#[test]
fn cfg_02_the_name_label_is_the_name_whatever_the_labels_say() {
    let forged = labels(&[("kubernetes.io/metadata.name", "elsewhere")]);
    for labels in [&forged, &Labels::new()] {
        assert!(matches("kubernetes.io/metadata.name", In, &["shop"], labels));
        assert!(!matches("kubernetes.io/metadata.name", In, &["elsewhere"], labels));
    }
}

#[test]
fn cfg_02_a_selector_says_whether_its_labels_can_be_changed() {
    let by = |key| LabelSelector { requirements: vec![requirement(key, Exists, &[])] }.selects_by_mutable_label();
    assert!(by("env"));
    assert!(!by("kubernetes.io/metadata.name"));
    assert!(!LabelSelector::default().selects_by_mutable_label());
}

#[test]
fn what_kubernetes_would_not_accept_is_not_well_formed() {
    for (operator, values) in [(In, &[][..]), (NotIn, &[]), (Exists, &["x"]), (DoesNotExist, &["x"])] {
        assert!(!requirement("env", operator, values).is_well_formed());
    }
    for (operator, values) in [(In, &["x"][..]), (NotIn, &["x"]), (Exists, &[]), (DoesNotExist, &[])] {
        assert!(requirement("env", operator, values).is_well_formed());
    }
}
