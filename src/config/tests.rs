//! Settings at their bounds, and what is refused with which words.

use super::*;

#[test]
fn nothing_gives_the_defaults_and_they_are_valid() {
    for text in ["", "# only a comment\n", "{}"] {
        assert_eq!(Config::from_yaml(text.as_bytes()), Ok(Config::default()), "{text:?}");
    }
    let written = serde_saphyr::to_string(&Config::default()).unwrap();
    assert_eq!(Config::from_yaml(written.as_bytes()), Ok(Config::default()));
}

#[test]
fn each_fault_is_named_and_its_twin_is_accepted() {
    let rollout = |group: &str, path: &str| {
        format!("extraWorkloads: [{{group: {group}, version: v1, resource: rollouts, kind: Rollout, podSpec: {path}}}]")
    };
    let cases = [
        (
            "webhook: {timeoutSeconds: 2}",
            "webhook: {timeoutSeconds: 1}",
            "webhook.timeoutSeconds: must be from 2 to 30, found 1",
        ),
        ("webhook: {timeoutSeconds: 30}", "webhook: {timeoutSeconds: 31}", "webhook.timeoutSeconds: must be"),
        (
            "limits: {bodyBudgetBytes: 30408704}",
            "limits: {bodyBudgetBytes: 30408703}",
            "limits.bodyBudgetBytes: must be",
        ),
        ("limits: {maxConnections: 1}", "limits: {maxConnections: 0}", "limits.maxConnections: must be"),
        (
            "limits: {attestationBytes: 134217728}",
            "limits: {attestationBytes: 134217729}",
            "limits.attestationBytes: must be from 65536 to 134217728, found 134217729",
        ),
        (
            "limits: {attestationBytes: 65536}",
            "limits: {attestationBytes: 65535}",
            "limits.attestationBytes: must be from 65536",
        ),
        ("log: {level: debug}", "log: {level: ' '}", "log.level: must not be blank"),
        ("excludedNamespaces: [calico-system]", "excludedNamespaces: [a, Calico]", "excludedNamespaces[1]: \"Calico\""),
        ("pullSecrets: {namespaces: [shop]}", "pullSecrets: {namespaces: ['']}", "pullSecrets.namespaces[0]: \"\""),
        (
            "registries: [{host: r.example.com}]",
            "registries: [{host: R.example.com}]",
            "registries[0].host: is no registry host",
        ),
        ("registries: [{host: docker.io}]", "registries: [{host: index.docker.io}]", "registries[0].host: write it as"),
        (
            "registries: [{host: r.example.com}]",
            "registries: [{host: 'r.example.com:443'}]",
            "registries[0].host: write it as",
        ),
        ("registries: [{host: 'localhost:32000'}]", "registries: [{host: ''}]", "registries[0].host: "),
        (
            "registries: [{host: a.test}, {host: b.test}]",
            "registries: [{host: a.test}, {host: a.test}]",
            "registries[1].host: a.test is listed before",
        ),
        (
            "registries: [{host: a.test, caFile: /ca}]",
            "registries: [{host: a.test, caFile: /ca, plainHttp: true}]",
            "registries[0].caFile: has no effect",
        ),
        (
            "registries: [{host: a.test, tokenHosts: [b.test]}]",
            "registries: [{host: a.test, tokenHosts: ['https://b.test']}]",
            "registries[0].tokenHosts[0]: ",
        ),
        (&rollout("argoproj.io", "spec.template.spec"), &rollout("argoproj.io", "spec..spec"), "extraWorkloads: "),
        (&rollout("argoproj.io", "spec.template.spec"), &rollout("Argo", "spec.template.spec"), "extraWorkloads: "),
        ("unmatchedImages: Warn", "unmatchedImages: warn", "unknown variant"),
        ("unmatchedImages: Warn", "unmatchedImage: Warn", "unknown field `unmatchedImage`"),
        ("webhook: {timeoutSeconds: 5}", "webhook: {timeout: 5}", "unknown field `timeout`"),
        ("workloads: Warn", "workloads: Warn\nworkloads: Ignore", "duplicate"),
    ];
    for (good, bad, expected) in cases {
        Config::from_yaml(good.as_bytes()).unwrap_or_else(|e| panic!("{good}: {e}"));
        let error = Config::from_yaml(bad.as_bytes()).expect_err(bad).to_string();
        assert!(error.contains(expected), "{bad}: expected {expected}, found {error}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    assert!(matches!(Config::from_yaml(b"\xff"), Err(ConfigError::Syntax(_))));
    assert!(matches!(Config::from_yaml(&vec![b'#'; (1 << 20) + 1]), Err(ConfigError::Syntax(_))));
    assert!(Config::from_yaml(&vec![b'#'; 1 << 20]).is_ok());
}

/// Helm reads the schema with its own validator, inside the schema of all values.
#[test]
fn the_schema_stands_alone_and_refuses_unknown_settings() {
    let schema = schema();
    let text = schema.to_string();
    assert!(!text.contains("$ref") && !text.contains("$schema"), "{text}");
    let fields = schema["properties"].as_object().unwrap();
    let written = serde_json::to_value(Config::default()).unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), written.as_object().unwrap().keys().collect::<Vec<_>>());
    assert_eq!(schema["additionalProperties"], false);
    assert!(fields.values().all(|field| field["description"].is_string()), "a setting has no docs");
    assert_eq!(fields["webhook"]["properties"]["timeoutSeconds"]["maximum"], 30);
}
