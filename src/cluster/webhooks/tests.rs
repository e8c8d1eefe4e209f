use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::domain::workload::ExtraKind;
use crate::policy::{BrokenPolicy, Defaults, Entry, LabelSelector as Selector, Mode, PolicyError, PolicySet, Reaction};

fn settings() -> Settings {
    Settings {
        namespace: "gate".into(),
        service: "sealgate".into(),
        port: 443,
        excluded_namespaces: vec!["calico-system".into()],
        timeout_seconds: 10,
        templates: Templates::Review,
    }
}

fn rendered(reach: Reach) -> Webhooks {
    render(&KindTable::builtin(), &settings(), reach, "PEM")
}

/// Every combination that the settings allow, as JSON lists.
fn all_renderings() -> Vec<Vec<Value>> {
    let extra = ExtraKind {
        group: "argoproj.io".into(),
        version: "v1alpha1".into(),
        resource: "rollouts".into(),
        kind: "Rollout".into(),
        pod_spec: "spec.template.spec".into(),
    };
    let mut all = Vec::new();
    for kinds in [KindTable::builtin(), KindTable::new(&[extra]).unwrap()] {
        for templates in [Templates::Review, Templates::Ignore] {
            for excluded_namespaces in [vec![], vec!["kube-system".into(), "calico-system".into()]] {
                for reach in [Reach::Observe, Reach::Enforce] {
                    let settings =
                        Settings { templates, excluded_namespaces: excluded_namespaces.clone(), ..settings() };
                    let webhooks = render(&kinds, &settings, reach, "PEM");
                    all.push(list(&webhooks.mutating));
                    all.push(list(&webhooks.validating));
                }
            }
        }
    }
    all
}

fn list(webhooks: &[impl Serialize]) -> Vec<Value> {
    webhooks.iter().map(|webhook| serde_json::to_value(webhook).unwrap()).collect()
}

fn policy(mode: Mode) -> Entry {
    Entry::Broken(Box::new(BrokenPolicy {
        name: "p".into(),
        mode,
        images: Vec::new(),
        exclude_images: Vec::new(),
        namespaces: Some(Vec::new()),
        namespace_selector: Some(Selector::default()),
        error: PolicyError { path: "spec".into(), problem: "broken".into() },
    }))
}

#[test]
fn cfg_08_every_rendering_has_exactly_one_match_condition_and_no_object_selector() {
    for webhook in all_renderings().into_iter().flatten() {
        let name = webhook["name"].as_str().unwrap().to_owned();
        assert_eq!(webhook.get("objectSelector"), None, "{name}");
        let conditions = webhook.get("matchConditions");
        if name == VALIDATE_WORKLOADS {
            assert_eq!(conditions, None, "{name}");
        } else {
            let expected = json!([{"name": "spec-changed", "expression": SPEC_CHANGED}]);
            assert_eq!(conditions, Some(&expected), "{name}");
        }
        let selector = &webhook["namespaceSelector"];
        assert_eq!(selector["matchExpressions"].as_array().unwrap().len(), 1, "{name}");
        assert_eq!(selector["matchExpressions"][0]["key"], "kubernetes.io/metadata.name", "{name}");
        assert_eq!(webhook["sideEffects"], "None", "{name}");
        assert_eq!(webhook["admissionReviewVersions"], json!(["v1"]), "{name}");
    }
}

#[test]
fn cfg_08_the_rules_are_those_of_the_kind_table() {
    let webhooks = rendered(Reach::Enforce);
    insta::assert_yaml_snapshot!("mutating", webhooks.mutating);
    insta::assert_yaml_snapshot!("validating", webhooks.validating);
    let resources = |rules: &[RuleWithOperations]| -> BTreeSet<String> {
        let rules = rules.iter().flat_map(|rule| {
            let group = rule.api_groups.as_ref().unwrap()[0].clone();
            rule.resources.as_ref().unwrap().iter().map(move |resource| format!("{group}/{resource}"))
        });
        rules.collect()
    };
    let table = |wanted: fn(Role) -> bool| -> BTreeSet<String> {
        let kinds = KindTable::builtin();
        let rows = kinds.rows().iter().filter(|row| wanted(row.role));
        rows.map(|row| format!("{}/{}", row.group, row.resource)).collect()
    };
    let pods = table(|role| role != Role::Template);
    let templates = table(|role| role == Role::Template);
    assert_eq!(resources(webhooks.mutating[0].rules.as_ref().unwrap()), pods);
    assert_eq!(resources(webhooks.validating[0].rules.as_ref().unwrap()), pods);
    assert_eq!(resources(webhooks.validating[1].rules.as_ref().unwrap()), templates);
}

#[test]
fn cfg_09_every_webhook_matches_equivalent_versions() {
    for webhook in all_renderings().into_iter().flatten() {
        assert_eq!(webhook["matchPolicy"], "Equivalent", "{}", webhook["name"]);
    }
    assert!(rendered(Reach::Enforce).mutating.iter().all(|w| w.reinvocation_policy.as_deref() == Some("IfNeeded")));
}

#[test]
fn k8s_03_ephemeral_containers_are_in_both_rendered_lists() {
    let webhooks = rendered(Reach::Enforce);
    for rules in [&webhooks.mutating[0].rules, &webhooks.validating[0].rules] {
        let rules = rules.as_ref().unwrap();
        let covers = |resource: &str, operation: &str| {
            rules.iter().any(|rule| {
                rule.resources.as_ref().unwrap().iter().any(|r| r == resource)
                    && rule.operations.as_ref().unwrap().iter().any(|o| o == operation)
            })
        };
        assert!(covers("pods/ephemeralcontainers", "UPDATE"));
        assert!(covers("pods", "CREATE"));
        assert!(covers("pods", "UPDATE"));
    }
}

#[test]
fn the_gate_reaches_as_far_as_the_policies_do() {
    let set = |entries| PolicySet::new(entries, BTreeMap::new());
    let allow = Defaults::default();
    let deny = Defaults { ungoverned: Reaction::Deny, ..allow };
    assert_eq!(reach(&set(vec![]), allow), Reach::Observe);
    assert_eq!(reach(&set(vec![policy(Mode::Audit), policy(Mode::Warn)]), allow), Reach::Observe);
    assert_eq!(reach(&set(vec![policy(Mode::Audit), policy(Mode::Enforce)]), allow), Reach::Enforce);
    assert_eq!(reach(&set(vec![]), deny), Reach::Enforce);
}

#[test]
fn the_failure_policy_follows_the_reach_but_templates_never_stop_anyone() {
    for (reach, expected) in [(Reach::Observe, "Ignore"), (Reach::Enforce, "Fail")] {
        let webhooks = rendered(reach);
        assert_eq!(webhooks.mutating[0].failure_policy.as_deref(), Some(expected));
        assert_eq!(webhooks.validating[0].failure_policy.as_deref(), Some(expected));
        assert_eq!(webhooks.validating[1].failure_policy.as_deref(), Some("Ignore"));
    }
}

#[test]
fn without_template_review_there_are_only_the_pod_webhooks() {
    let settings = Settings { templates: Templates::Ignore, ..settings() };
    let webhooks = render(&KindTable::builtin(), &settings, Reach::Enforce, "PEM");
    let names: Vec<_> = webhooks.validating.iter().map(|webhook| webhook.name.as_str()).collect();
    assert_eq!(names, [VALIDATE_PODS]);
}

#[test]
fn excluded_namespaces_are_left_out_by_name_and_once() {
    let settings =
        Settings { excluded_namespaces: vec!["kube-system".into(), "cni".into(), "cni".into()], ..settings() };
    let webhooks = render(&KindTable::builtin(), &settings, Reach::Enforce, "PEM");
    let expressions = webhooks.mutating[0].namespace_selector.clone().unwrap().match_expressions.unwrap();
    assert_eq!(expressions[0].operator, "NotIn");
    assert_eq!(expressions[0].values.as_deref().unwrap(), ["kube-system", "gate", "cni"]);
}

#[test]
fn what_the_api_server_adds_is_no_drift() {
    let wanted = rendered(Reach::Enforce).validating;
    let mut stored = wanted.clone();
    for webhook in &mut stored {
        webhook.object_selector = Some(LabelSelector::default());
        webhook.match_conditions.get_or_insert_default();
    }
    assert_eq!(compare(&wanted, &stored), Drift::Same);
}

type Weaken = fn(&mut ValidatingWebhook);

#[test]
fn what_weakens_the_gate_is_drift() {
    let wanted = rendered(Reach::Enforce).validating;
    let weakened: [(&str, Weaken); 8] = [
        ("failure policy", |w| w.failure_policy = Some("Ignore".into())),
        ("rules", |w| w.rules = Some(Vec::new())),
        ("a match condition", |w| {
            let condition = MatchCondition { expression: "false".into(), name: "never".into() };
            w.match_conditions.get_or_insert_default().push(condition);
        }),
        ("an object selector", |w| {
            let labels = [("skip".to_owned(), "no".to_owned())].into();
            w.object_selector = Some(LabelSelector { match_labels: Some(labels), match_expressions: None });
        }),
        ("a namespace", |w| {
            let expressions = w.namespace_selector.as_mut().unwrap().match_expressions.as_mut().unwrap();
            expressions[0].values.as_mut().unwrap().push("shop".into());
        }),
        ("a selector by label", |w| expression(w, "skip", "DoesNotExist")),
        ("a selector that demands a platform's label", |w| expression(w, "control-plane", "Exists")),
        ("authorities", |w| w.client_config.ca_bundle = Some(ByteString(b"other".to_vec()))),
    ];
    for (what, weaken) in weakened {
        let mut stored = wanted.clone();
        weaken(&mut stored[0]);
        assert_eq!(compare(&wanted, &stored), Drift::Changed(VALIDATE_PODS.into()), "{what}");
    }
    assert_eq!(compare(&wanted, &[]), Drift::Changed("0 webhooks instead of 2".into()));
}

#[test]
fn cfg_18_what_a_managed_platform_excludes_is_tolerated_and_named() {
    let wanted = rendered(Reach::Enforce).mutating;
    let mut stored = wanted.clone();
    let expressions = stored[0].namespace_selector.as_mut().unwrap().match_expressions.as_mut().unwrap();
    expressions.push(LabelSelectorRequirement {
        key: "control-plane".into(),
        operator: "NotIn".into(),
        values: Some(vec!["true".into()]),
    });
    expressions.push(LabelSelectorRequirement {
        key: "kubernetes.azure.com/managedby".into(),
        operator: "NotIn".into(),
        values: Some(vec!["aks".into()]),
    });
    let expected = [
        "mutate.pods.sealgate.dev: control-plane NotIn [true]",
        "mutate.pods.sealgate.dev: kubernetes.azure.com/managedby NotIn [aks]",
    ];
    assert_eq!(compare(&wanted, &stored), Drift::Tolerated(expected.map(String::from).to_vec()));
}

#[test]
fn cfg_18_what_only_looks_like_a_platforms_exclusion_is_drift() {
    let wanted = rendered(Reach::Enforce).validating;
    for (key, operator, values) in [
        ("control-plane", "DoesNotExist", None),
        ("control-plane", "NotIn", Some(vec!["true", "controller-manager"])),
        ("control-plane", "NotIn", Some(vec!["false"])),
        ("kubernetes.azure.com/anything", "DoesNotExist", None),
        ("kubernetes.azure.com/anything", "NotIn", Some(vec!["aks"])),
        ("kubernetes.azure.com/managedby", "In", Some(vec!["aks"])),
    ] {
        let mut stored = wanted.clone();
        let expressions = stored[0].namespace_selector.as_mut().unwrap().match_expressions.as_mut().unwrap();
        expressions.push(LabelSelectorRequirement {
            key: key.into(),
            operator: operator.into(),
            values: values.map(|values| values.into_iter().map(str::to_owned).collect()),
        });
        assert_eq!(compare(&wanted, &stored), Drift::Changed(VALIDATE_PODS.into()), "{key} {operator}");
    }
}

fn expression(webhook: &mut ValidatingWebhook, key: &str, operator: &str) {
    let expressions = webhook.namespace_selector.as_mut().unwrap().match_expressions.as_mut().unwrap();
    expressions.push(LabelSelectorRequirement { key: key.into(), operator: operator.into(), values: None });
}
