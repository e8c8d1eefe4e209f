//! Tests of the kind table.

use super::*;

fn object<'a>(
    group: &'a str,
    version: &'a str,
    resource: &'a str,
    subresource: &'a str,
    kind: &'a str,
) -> ObjectType<'a> {
    ObjectType { group, version, resource, subresource, kind }
}

fn rollout() -> ExtraKind {
    ExtraKind {
        group: "argoproj.io".into(),
        version: "v1alpha1".into(),
        resource: "rollouts".into(),
        kind: "Rollout".into(),
        pod_spec: "spec.template.spec".into(),
    }
}

#[test]
fn k8s_05_every_kind_of_kubernetes_with_a_pod_spec_has_a_row() {
    let table = KindTable::builtin();
    for (group, resource, kind, path) in [
        ("", "pods", "Pod", "spec"),
        ("apps", "deployments", "Deployment", "spec.template.spec"),
        ("apps", "statefulsets", "StatefulSet", "spec.template.spec"),
        ("apps", "daemonsets", "DaemonSet", "spec.template.spec"),
        ("apps", "replicasets", "ReplicaSet", "spec.template.spec"),
        ("", "replicationcontrollers", "ReplicationController", "spec.template.spec"),
        ("batch", "jobs", "Job", "spec.template.spec"),
        ("batch", "cronjobs", "CronJob", "spec.jobTemplate.spec.template.spec"),
        ("", "podtemplates", "PodTemplate", "template.spec"),
    ] {
        let row = table.find(object(group, "v1", resource, "", kind)).unwrap_or_else(|| panic!("{kind}"));
        assert_eq!(row.pod_spec.join("."), path, "{kind}");
        assert_eq!(row.role, if kind == "Pod" { Role::Pod } else { Role::Template }, "{kind}");
    }
    let debug = table.find(object("", "v1", "pods", "ephemeralcontainers", "Pod")).unwrap();
    assert_eq!((debug.role, debug.pod_spec.join(".").as_str()), (Role::EphemeralContainers, "spec"));
    assert_eq!(table.rows().len(), 10);
}

#[test]
fn k8s_18_a_built_in_kind_is_known_in_every_version() {
    let table = KindTable::builtin();
    for version in ["v1", "v1beta1", "v2"] {
        assert!(table.find(object("batch", version, "cronjobs", "", "CronJob")).is_some(), "{version}");
        assert!(table.find(object("", version, "pods", "", "Pod")).is_some(), "{version}");
    }
}

#[test]
fn adm_06_what_is_not_in_the_table_is_not_known() {
    let table = KindTable::builtin();
    for unknown in [
        object("", "v1", "pods", "", "Deployment"),
        object("", "v1", "pods", "", "pod"),
        object("", "v1", "Pods", "", "Pod"),
        object("apps", "v1", "pods", "", "Pod"),
        object("", "v1", "pods", "status", "Pod"),
        object("", "v1", "pods", "exec", "PodExecOptions"),
        object("", "v1", "pods/ephemeralcontainers", "", "Pod"),
        object("apps", "v1", "deployments", "scale", "Scale"),
        object("extensions", "v1beta1", "deployments", "", "Deployment"),
        object("", "", "", "", ""),
    ] {
        assert_eq!(table.find(unknown), None, "{unknown}");
    }
}

#[test]
fn an_added_kind_is_a_template_of_exactly_its_version() {
    let table = KindTable::new(&[rollout()]).unwrap();
    let row = table.find(object("argoproj.io", "v1alpha1", "rollouts", "", "Rollout")).unwrap();
    assert_eq!((row.role, row.pod_spec.join(".").as_str()), (Role::Template, "spec.template.spec"));
    assert_eq!(table.find(object("argoproj.io", "v1", "rollouts", "", "Rollout")), None);
    assert_eq!(table.find(object("argoproj.io", "v1alpha1", "rollouts", "status", "Rollout")), None);
    assert_eq!(table.rows().last(), Some(row));
    let both = [rollout(), ExtraKind { version: "v1".into(), pod_spec: "spec.pod".into(), ..rollout() }];
    let table = KindTable::new(&both).unwrap();
    let newer = table.find(object("argoproj.io", "v1", "rollouts", "", "Rollout")).unwrap();
    assert_eq!(newer.pod_spec.join("."), "spec.pod");
}

#[test]
fn a_kind_is_added_once() {
    let error = KindTable::new(&[rollout(), rollout()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rollouts.argoproj.io/v1alpha1 is already in the table; remove it from extraWorkloads"
    );
}

#[test]
fn kinds_of_kubernetes_can_not_be_added_or_redefined() {
    for (group, resource, kind) in
        [("", "pods", "Pod"), ("apps", "deployments", "Deployment"), ("batch", "jobs", "Job")]
    {
        let kind = ExtraKind { group: group.into(), resource: resource.into(), kind: kind.into(), ..rollout() };
        assert!(matches!(KindTable::new(&[kind]), Err(KindError::Name { .. })), "{resource}");
    }
}

#[test]
fn names_are_those_of_kubernetes_apis() {
    for (group, fits) in [
        ("argoproj.io", true),
        ("a-b.example.com", true),
        ("*", false),
        ("Argoproj.io", false),
        ("argoproj.io.", false),
        ("argoproj.io/v1", false),
    ] {
        assert_eq!(KindTable::new(&[ExtraKind { group: group.into(), ..rollout() }]).is_ok(), fits, "{group}");
    }
    for (version, fits) in [
        ("v1", true),
        ("v12beta3", true),
        ("v1alpha", false),
        ("v0", false),
        ("1", false),
        ("v1alpha1beta1", false),
        ("*", false),
        ("", false),
    ] {
        assert_eq!(KindTable::new(&[ExtraKind { version: version.into(), ..rollout() }]).is_ok(), fits, "{version}");
    }
    for (resource, fits) in
        [("rollouts", true), ("rollouts/scale", false), ("*", false), ("Rollouts", false), ("", false)]
    {
        assert_eq!(KindTable::new(&[ExtraKind { resource: resource.into(), ..rollout() }]).is_ok(), fits, "{resource}");
    }
    for (kind, fits) in [("Rollout", true), ("rollout", false), ("Roll out", false), ("", false)] {
        assert_eq!(KindTable::new(&[ExtraKind { kind: kind.into(), ..rollout() }]).is_ok(), fits, "{kind}");
    }
}

#[test]
fn a_bad_path_says_what_to_write() {
    for (path, says) in [
        ("", "it is empty"),
        (".spec.template.spec", "joined by dots"),
        ("/spec/template/spec", "joined by dots"),
        ("spec/template/spec", "joined by dots"),
        ("$.spec", "joined by dots"),
        ("spec..spec", "a field name has"),
        ("spec.", "a field name has"),
        ("spec. template", "a field name has"),
        ("spec.1", "a field name has"),
        ("spec.jobs[0].template", "through a list"),
        ("spec.*.spec", "through a list"),
        ("metadata.annotations", "no pod spec lies there"),
        ("status.template", "no pod spec lies there"),
    ] {
        let error = KindTable::new(&[ExtraKind { pod_spec: path.into(), ..rollout() }]).unwrap_err().to_string();
        assert!(error.contains(says), "{path}: {error}");
    }
    for path in ["spec", "spec.template.spec", "spec.pod_spec", "spec.pod-spec", "specification.a1"] {
        assert!(KindTable::new(&[ExtraKind { pod_spec: path.into(), ..rollout() }]).is_ok(), "{path}");
    }
    let long = format!("spec.{}", "a".repeat(252));
    assert!(KindTable::new(&[ExtraKind { pod_spec: long.clone(), ..rollout() }]).is_err());
    assert!(KindTable::new(&[ExtraKind { pod_spec: long[..256].into(), ..rollout() }]).is_ok());
}

#[test]
fn the_table_is_bounded() {
    let kinds = |n: usize| (0..n).map(|i| ExtraKind { resource: format!("r{i}"), ..rollout() }).collect::<Vec<_>>();
    assert_eq!(KindTable::new(&kinds(MAX_EXTRA)).unwrap().rows().len(), BUILT_IN.len() + MAX_EXTRA);
    assert_eq!(KindTable::new(&kinds(MAX_EXTRA + 1)), Err(KindError::TooMany { found: MAX_EXTRA + 1 }));
}

#[test]
fn an_object_type_reads_well_and_escapes() {
    assert_eq!(
        object("", "v1", "pods", "ephemeralcontainers", "Pod").to_string(),
        "Pod (v1, pods/ephemeralcontainers)"
    );
    assert_eq!(
        object("argoproj.io", "v1alpha1", "rollouts", "", "Rollout").to_string(),
        "Rollout (argoproj.io/v1alpha1, rollouts)"
    );
    assert_eq!(object("", "v1", "pods", "", "P\nod").to_string(), "P\\nod (v1, pods)");
}
