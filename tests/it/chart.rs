//! The chart as Helm 3 and Helm 4 render it. What a cluster makes of it is shown by `tests/cluster/chart-test.sh`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::support::programs::program;

const HELMS: [&str; 2] = ["helm", "helm4"];

/// Values that switch on all that can be switched on.
const EVERYTHING: &str = r#"
webhookPort: 9443
config:
  unmatchedImages: Warn
  excludedNamespaces: [calico-system]
  registries: [{host: "registry.example.com:5000", caFile: /etc/sealgate/ca/example.pem, allowPrivateAddress: true}]
pullSecrets: {namespaces: [apps, shop], cluster: true}
registryCAs: {example.pem: "-----BEGIN CERTIFICATE-----"}
dockerConfigSecret: regcred
webhook: {clientCA: {configMap: api-server-clients, key: clients.pem}, clientNames: [kube-apiserver]}
trustedRootCache: {emptyDir: {sizeLimit: 64Mi}}
image: {digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000", pullSecrets: [{name: own}]}
replicas: 3
tolerations: [{key: dedicated, operator: Exists}]
affinity: {nodeAffinity: {}}
podLabels: {team: platform}
podAnnotations: {example.com/note: here}
serviceAccount: {annotations: {example.com/role: none}}
networkPolicy: {enabled: true, metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
"#;

/// Combinations of values that the promises below hold for.
const COMBINATIONS: &[&str] = &[
    "{}",
    EVERYTHING,
    "config: {ungovernedNamespaces: Deny}",
    "config: {workloads: Ignore, webhook: {timeoutSeconds: 30}}",
    "config: {excludedNamespaces: [a, b, c]}",
    "crds: {enabled: false}",
    "crds: {keep: false}",
    "pullSecrets: {cluster: true}",
    "pullSecrets: {namespaces: [apps]}",
    "{trustedRootCache: {emptyDir: {}}, config: {trustedRoots: {refresh: false}}}",
    "networkPolicy: {enabled: true}",
    "webhook: {clientCA: {secret: api-server-clients}}",
    "config: null",
    "priorityClassName: my-own",
    "{replicas: 1, podDisruptionBudget: {enabled: false}, topologySpread: false}",
];

#[test]
fn cfg_08_no_values_render_webhooks_or_an_object_selector() {
    for values in COMBINATIONS {
        for object in rendered_by_both(values) {
            if !kind(&object).ends_with("WebhookConfiguration") {
                continue;
            }
            assert_eq!(
                fields(&object),
                ["apiVersion", "kind", "metadata"],
                "{values}: the field webhooks is the leader's alone"
            );
            assert!(!object.to_string().contains("objectSelector"), "{values}");
            // What takes the mark of an uninstall away.
            assert_eq!(object["metadata"]["annotations"]["sealgate.dev/installed"], "true", "{values}");
        }
        let kinds: Vec<String> = rendered_by_both(values).iter().map(|object| kind(object).to_owned()).collect();
        for expected in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
            assert_eq!(kinds.iter().filter(|kind| *kind == expected).count(), 1, "{values}: one {expected}");
        }
    }
}

#[test]
fn cfg_12_no_rule_is_wider_than_it_must_be() {
    for values in COMBINATIONS {
        for object in rendered_by_both(values).iter().filter(|object| kind(object).ends_with("Role")) {
            for rule in object["rules"].as_array().unwrap() {
                let text = rule.to_string();
                assert!(!text.contains('*'), "{values}: wildcard in {text}");
                let resources = strings(&rule["resources"]);
                if resources == ["events"] {
                    assert_eq!(strings(&rule["verbs"]), ["create", "patch"], "{values}");
                    assert_eq!(object["metadata"]["namespace"], "default", "{values}: where events of policies lie");
                    continue;
                }
                for verb in strings(&rule["verbs"]) {
                    // What was deleted is made again, by its name: docs/adr/0014-what-sealgate-may-create.md.
                    let own = verb == "create"
                        && object["metadata"]["namespace"] == "sealgate"
                        && [vec!["sealgate-tls"], vec!["sealgate"]].contains(&strings(&rule["resourceNames"]))
                        && (resources == ["secrets"] || resources == ["leases"]);
                    assert!(own || ["get", "list", "watch", "patch"].contains(&verb), "{values}: {verb} in {text}");
                }
                if resources.contains(&"secrets") {
                    assert!(
                        !strings(&rule["verbs"]).iter().any(|verb| ["list", "watch"].contains(verb)),
                        "{values}: {text}"
                    );
                }
                if strings(&rule["verbs"]).contains(&"patch") {
                    let named = !strings(&rule["resourceNames"]).is_empty();
                    assert!(
                        named || resources.iter().all(|resource| resource.ends_with("/status")),
                        "{values}: patch of any name in {text}"
                    );
                }
            }
        }
    }
}

#[test]
fn cfg_12_secrets_of_others_are_read_only_where_the_values_say() {
    // By default: one Secret, by name, in the release's own namespace.
    assert_eq!(secret_rules("{}"), ["Role sealgate/sealgate [\"sealgate-tls\"] [\"get\",\"patch\",\"create\"]"]);
    // A Role for each namespace that is listed.
    assert_eq!(
        secret_rules("pullSecrets: {namespaces: [apps]}"),
        [
            "Role apps/sealgate-pull-secrets null [\"get\"]",
            "Role sealgate/sealgate [\"sealgate-tls\"] [\"get\",\"patch\",\"create\"]"
        ]
    );
    // All namespaces only when asked for.
    assert_eq!(
        secret_rules("pullSecrets: {cluster: true}"),
        [
            "ClusterRole /sealgate null [\"get\"]",
            "Role sealgate/sealgate [\"sealgate-tls\"] [\"get\",\"patch\",\"create\"]"
        ]
    );
}

#[test]
fn cfg_13_every_pod_fits_the_security_level_restricted() {
    for values in COMBINATIONS {
        let mut pods = 0;
        for object in rendered_by_both(values) {
            let Some(pod) = pod_spec(&object) else { continue };
            pods += 1;
            let name = format!("{values}: {} {}", kind(&object), object["metadata"]["name"]);
            let security = &pod["securityContext"];
            assert_eq!(security["runAsNonRoot"], true, "{name}");
            assert_eq!((&security["runAsUser"], &security["runAsGroup"]), (&65532.into(), &65532.into()), "{name}");
            assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{name}");
            assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
            for field in ["hostNetwork", "hostPID", "hostIPC"] {
                assert!(pod[field].as_bool() != Some(true), "{name}: {field}");
            }
            for volume in pod["volumes"].as_array().into_iter().flatten() {
                let cache = volume["name"] == "trusted-roots" && volume["emptyDir"].is_object();
                assert!(volume["projected"].is_object() || cache, "{name}: volume {volume}");
            }
            for container in pod["containers"].as_array().unwrap() {
                let security = &container["securityContext"];
                assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
                assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
                assert_eq!(security["capabilities"], serde_json::json!({"drop": ["ALL"]}), "{name}");
                let resources = &container["resources"];
                assert_eq!(resources["requests"]["memory"], resources["limits"]["memory"], "{name}");
                assert!(resources["limits"]["ephemeral-storage"].is_string(), "{name}: a log without a limit");
                assert!(resources["limits"]["cpu"].is_null(), "{name}: throttling would cost answers in time");
            }
        }
        assert_eq!(pods, 3, "{values}: the gate, the uninstall hook and the helm test");
    }
}

#[test]
fn cfg_13_the_token_is_bound_and_short_lived() {
    for object in rendered_by_both("{}").iter().filter(|object| kind(object) != "Pod") {
        let Some(pod) = pod_spec(object) else { continue };
        let sources = pod["volumes"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|volume| volume["projected"]["sources"].as_array().unwrap());
        let lifetimes: Vec<&Value> = sources
            .map(|source| &source["serviceAccountToken"]["expirationSeconds"])
            .filter(|seconds| !seconds.is_null())
            .collect();
        assert_eq!(lifetimes, [&Value::from(3600)]);
    }
}

#[test]
fn net_16_client_certificates_are_demanded_where_the_values_say() {
    let demands = |values: &str| -> (Vec<String>, Value) {
        let pod = &gate(values)["template"]["spec"];
        let arguments = strings(&pod["containers"][0]["args"]).into_iter();
        let arguments = arguments.filter(|argument| argument.starts_with("--client-")).map(str::to_owned).collect();
        let mut sources = pod["volumes"][0]["projected"]["sources"].as_array().unwrap().iter();
        let source = sources.find(|source| source.to_string().contains("client-ca"));
        (arguments, source.cloned().unwrap_or_default())
    };
    assert_eq!(demands("{}"), (vec![], Value::Null));
    let file = "--client-ca=/etc/sealgate/client-ca/ca.crt".to_owned();
    for kind in ["configMap", "secret"] {
        let (arguments, source) = demands(&format!("webhook: {{clientCA: {{{kind}: clients}}}}"));
        assert_eq!(arguments, std::slice::from_ref(&file));
        let items = serde_json::json!([{"key": "ca.crt", "path": "client-ca/ca.crt"}]);
        assert_eq!(source, serde_json::json!({kind: {"name": "clients", "items": items}}));
    }
    let (arguments, source) = demands(EVERYTHING);
    assert_eq!(arguments, [file, "--client-name=kube-apiserver".into()]);
    assert_eq!(source["configMap"]["items"][0]["key"], "clients.pem");
}

#[test]
fn shared_namespaces_are_refused() {
    for helm in HELMS {
        for namespace in ["default", "kube-public", "kube-system"] {
            let output = template(helm, namespace, "{}");
            assert!(!output.status.success(), "{helm} installs into {namespace}");
            let message = String::from_utf8_lossy(&output.stderr);
            assert!(message.contains("a namespace of its own"), "{helm}: {message}");
        }
        assert!(template(helm, "sealgate", "{}").status.success());
    }
}

#[test]
fn values_that_could_not_have_their_effect_are_refused_in_words() {
    for (wrong, words, right) in [
        ("image: {repository: ''}", "image.repository is not set", "image: {repository: registry.example.com/own}"),
        ("config: {pullSecrets: {cluster: true}}", "set the value pullSecrets", "pullSecrets: {cluster: true}"),
        (
            "webhook: {clientCA: {configMap: a, secret: b}}",
            "set configMap or secret, not both",
            "webhook: {clientCA: {configMap: a}}",
        ),
        (
            "webhook: {clientNames: [a]}",
            "no effect without webhook.clientCA",
            "webhook: {clientNames: [a], clientCA: {secret: b}}",
        ),
        ("config: {dockerConfigFile: /x}", "set the value dockerConfigSecret", "dockerConfigSecret: x"),
        (
            "config: {trustedRoots: {cacheDir: /x}}",
            "set the value trustedRootCache",
            "{trustedRootCache: {emptyDir: {}}, config: {trustedRoots: {graceHours: 0}}}",
        ),
        ("resources: {limits: {memory: 223Mi}}", "must be at least 224 MiB", "resources: {limits: {memory: 0.22Gi}}"),
        (
            "config: {limits: {bodyBudgetBytes: 33554433}}",
            "must be at least 224 MiB",
            "config: {limits: {bodyBudgetBytes: 33554432}}",
        ),
        (
            "resources: {limits: {memory: plenty}}",
            "is not a quantity of memory",
            "resources: {limits: {memory: 234881024}}",
        ),
        ("webhookPort: 8080", "must differ", "webhookPort: 8081"),
        (
            "{hostNetwork: true, networkPolicy: {enabled: true}}",
            "no effect with hostNetwork",
            "{hostNetwork: true, networkPolicy: {enabled: false}}",
        ),
    ] {
        for helm in HELMS {
            let refused = template(helm, "sealgate", wrong);
            let message = String::from_utf8_lossy(&refused.stderr);
            assert!(!refused.status.success() && message.contains(words), "{helm}, {wrong}: {message}");
            assert!(template(helm, "sealgate", right).status.success(), "{helm} refuses {right}");
        }
    }
}

#[test]
fn the_values_files_of_the_chart_render() {
    for (name, replicas) in [("values.yaml", 2), ("values-microk8s.yaml", 1), ("values-ha.yaml", 3)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/sealgate").join(name);
        let values =
            std::fs::read_to_string(path).unwrap().replace("repository: \"\"", "repository: registry.example.com/own");
        assert_eq!(gate(&values)["replicas"], replicas, "{name}");
    }
}

#[test]
fn in_the_network_of_the_node_a_rollout_needs_no_second_port() {
    let pods = gate("{}");
    assert_eq!(pods["template"]["spec"]["hostNetwork"], false);
    assert_eq!(pods["strategy"]["rollingUpdate"], serde_json::json!({"maxUnavailable": 0, "maxSurge": 1}));
    let node = gate("{hostNetwork: true, webhookPort: 9443}");
    let pod = &node["template"]["spec"];
    assert_eq!((&pod["hostNetwork"], &pod["dnsPolicy"]), (&true.into(), &"ClusterFirstWithHostNet".into()));
    assert_eq!(pod["containers"][0]["ports"][0]["containerPort"], 9443);
    assert!(strings(&pod["containers"][0]["args"]).contains(&"--listen=0.0.0.0:9443"));
    assert_eq!(node["strategy"]["rollingUpdate"], serde_json::json!({"maxUnavailable": 1, "maxSurge": 0}));
}

#[test]
fn a_system_priority_class_comes_with_a_quota_that_names_it() {
    let classes = |values: &str| -> Vec<Value> {
        let quotas = rendered_by_both(values).into_iter().filter(|object| kind(object) == "ResourceQuota");
        quotas.map(|quota| quota["spec"]["scopeSelector"]["matchExpressions"][0]["values"].clone()).collect()
    };
    assert_eq!(classes("{}"), [serde_json::json!(["system-cluster-critical"])]);
    assert_eq!(classes("priorityClassName: system-node-critical"), [serde_json::json!(["system-node-critical"])]);
    assert_eq!(classes("priorityClassName: my-own"), [Value::Null; 0]);
    // The way out must not depend on it.
    let objects = rendered_by_both("{}");
    let hook = objects.iter().find(|object| kind(object) == "Job").unwrap();
    assert!(hook["spec"]["template"]["spec"]["priorityClassName"].is_null());
}

#[test]
fn values_that_do_not_exist_are_refused() {
    for helm in HELMS {
        for (wrong, right) in [
            ("replica: 2", "replicas: 2"),
            ("config: {unmatchedImage: Warn}", "config: {unmatchedImages: Warn}"),
            ("config: {unmatchedImages: warn}", "config: {unmatchedImages: Warn}"),
            ("image: {digest: abc}", "image: {tag: abc}"),
            ("webhookPort: 443", "webhookPort: 1443"),
        ] {
            assert!(!template(helm, "sealgate", wrong).status.success(), "{helm} takes {wrong}");
            assert!(template(helm, "sealgate", right).status.success(), "{helm} refuses {right}");
        }
    }
}

#[test]
fn what_sealgate_fills_in_is_rendered_empty() {
    for values in COMBINATIONS {
        for object in rendered_by_both(values) {
            match kind(&object) {
                "Secret" => assert_eq!(fields(&object), ["apiVersion", "kind", "metadata", "type"], "{values}"),
                "Lease" => assert_eq!(fields(&object), ["apiVersion", "kind", "metadata"], "{values}"),
                _ => {}
            }
        }
    }
}

#[test]
fn policies_survive_an_uninstall_unless_the_values_say_otherwise() {
    let kept = |values: &str| -> Vec<bool> {
        let definitions =
            rendered_by_both(values).into_iter().filter(|object| kind(object) == "CustomResourceDefinition");
        definitions.map(|object| object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep").collect()
    };
    assert_eq!(kept("{}"), [true; 2]);
    assert_eq!(kept("crds: {keep: false}"), [false; 2]);
    assert_eq!(kept("crds: {enabled: false}"), [false; 0]);
}

#[test]
fn the_configuration_file_is_what_the_values_say() {
    let config = |values: &str| -> sealgate::config::Config {
        let objects = rendered_by_both(values);
        let map = objects
            .iter()
            .find(|object| kind(object) == "ConfigMap" && object["metadata"]["name"] == "sealgate")
            .unwrap();
        serde_saphyr::from_str(map["data"]["config.yaml"].as_str().unwrap()).unwrap()
    };
    assert_eq!(config("{}"), sealgate::config::Config::default());
    let everything = config(EVERYTHING);
    assert_eq!(everything.excluded_namespaces, ["calico-system"]);
    assert_eq!(everything.pull_secrets.namespaces, ["apps", "shop"]);
    assert!(everything.pull_secrets.cluster);
    assert_eq!(everything.docker_config_file.as_deref(), Some(Path::new("/etc/sealgate/docker/config.json")));
    assert_eq!(everything.trusted_roots.cache_dir.as_deref(), Some(Path::new("/var/cache/sealgate")));
    let cached = config("{trustedRootCache: {emptyDir: {}}, config: {trustedRoots: {refresh: false}}}");
    assert!(!cached.trusted_roots.refresh && cached.trusted_roots.cache_dir.is_some(), "one does not undo the other");
}

#[test]
fn the_rendered_chart_is_reviewed() {
    let objects: Vec<Value> =
        rendered_by_both(EVERYTHING).into_iter().filter(|object| kind(object) != "CustomResourceDefinition").collect();
    insta::assert_yaml_snapshot!("everything", objects);
}

/// The objects that both Helms render, sorted; they must agree. Each combination of values is rendered once.
fn rendered_by_both(values: &str) -> Vec<Value> {
    static RENDERED: Mutex<BTreeMap<String, Vec<Value>>> = Mutex::new(BTreeMap::new());
    let mut rendered = RENDERED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(objects) = rendered.get(values) {
        return objects.clone();
    }
    let [three, four] = HELMS.map(|helm| {
        let output = template(helm, "sealgate", values);
        assert!(output.status.success(), "{helm}, {values}: {}", String::from_utf8_lossy(&output.stderr));
        let mut objects = documents(&String::from_utf8(output.stdout).unwrap());
        objects.sort_by_cached_key(|object| {
            format!("{} {} {}", kind(object), object["metadata"]["namespace"], object["metadata"]["name"])
        });
        objects
    });
    assert_eq!(three, four, "Helm 3 and Helm 4 disagree on {values}");
    rendered.insert(values.to_owned(), three.clone());
    three
}

fn template(helm: &str, namespace: &str, values: &str) -> Output {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/sealgate");
    let file = std::env::temp_dir().join(format!(
        "sealgate-values-{}-{:?}.yaml",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&file, values).unwrap();
    let mut command = Command::new(program(helm));
    command.args(["template", "sealgate"]).arg(chart).args(["--namespace", namespace, "--values"]).arg(&file);
    if !values.contains("repository:") {
        command.args(["--set", "image.repository=registry.example.com/sealgate"]);
    }
    let output = command.output().unwrap();
    std::fs::remove_file(&file).unwrap();
    output
}

fn documents(yaml: &str) -> Vec<Value> {
    let documents = yaml.split("\n---\n").map(|document| document.trim_start_matches("---\n"));
    let values = documents.map(|document| {
        serde_saphyr::from_str::<Value>(document).unwrap_or_else(|error| panic!("{error}\n{document}"))
    });
    values.filter(|value| !value.is_null()).collect()
}

fn secret_rules(values: &str) -> Vec<String> {
    let mut found = Vec::new();
    for object in rendered_by_both(values).iter().filter(|object| kind(object).ends_with("Role")) {
        for rule in
            object["rules"].as_array().unwrap().iter().filter(|rule| strings(&rule["resources"]).contains(&"secrets"))
        {
            let metadata = &object["metadata"];
            let namespace = metadata["namespace"].as_str().unwrap_or_default();
            let name = metadata["name"].as_str().unwrap();
            found.push(format!("{} {namespace}/{name} {} {}", kind(object), rule["resourceNames"], rule["verbs"]));
        }
    }
    found
}

fn pod_spec(object: &Value) -> Option<&Value> {
    match kind(object) {
        "Deployment" | "Job" => Some(&object["spec"]["template"]["spec"]),
        "Pod" => Some(&object["spec"]),
        _ => None,
    }
}

/// The spec of the Deployment.
fn gate(values: &str) -> Value {
    let objects = rendered_by_both(values);
    objects.iter().find(|object| kind(object) == "Deployment").unwrap()["spec"].clone()
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

fn fields(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
