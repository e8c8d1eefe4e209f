use super::*;
use crate::policy::testing::requirement;
use SelectorOperator::{DoesNotExist, Exists, In, NotIn};

fn matches(key: &str, operator: SelectorOperator, values: &[&str], labels: Option<&Labels>) -> bool {
    LabelSelector { requirements: vec![requirement(key, operator, values)] }.matches("shop", labels)
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
        assert_eq!(matches("env", operator, values, Some(&prod)), with, "{operator:?} {values:?} with the label");
        assert_eq!(matches("env", operator, values, Some(&none)), without, "{operator:?} {values:?} without it");
    }
}

#[test]
fn all_requirements_must_hold_and_none_holds_always() {
    let both = LabelSelector { requirements: vec![requirement("a", Exists, &[]), requirement("b", Exists, &[])] };
    assert!(both.matches("shop", Some(&labels(&[("a", ""), ("b", "")]))));
    assert!(!both.matches("shop", Some(&labels(&[("a", "")]))));
    assert!(LabelSelector::default().matches("shop", Some(&Labels::new())));
}

#[test]
fn cfg_03_unknown_labels_match_every_selector() {
    assert!(matches("env", In, &["prod"], None));
    assert!(!matches("env", In, &["prod"], Some(&Labels::new())), "known to be without it");
}

#[test]
fn cfg_02_the_name_label_is_the_name_whatever_the_labels_say() {
    let forged = labels(&[("kubernetes.io/metadata.name", "elsewhere")]);
    for labels in [&forged, &Labels::new()] {
        assert!(matches("kubernetes.io/metadata.name", In, &["shop"], Some(labels)));
        assert!(!matches("kubernetes.io/metadata.name", In, &["elsewhere"], Some(labels)));
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
fn what_kubernetes_would_not_accept_narrows_nothing() {
    for (operator, values) in [(In, &[][..]), (NotIn, &[]), (Exists, &["x"]), (DoesNotExist, &["x"])] {
        assert!(!requirement("env", operator, values).is_well_formed());
        assert!(matches("env", operator, values, Some(&labels(&[("env", "y")]))), "{operator:?}");
        assert!(matches("env", operator, values, Some(&Labels::new())), "{operator:?}");
    }
}
