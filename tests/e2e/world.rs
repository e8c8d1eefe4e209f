//! A release in the cluster with one gate beside it, and the images that it is asked about.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::{Value, json};

use crate::kubectl::{kubectl, kubectl_with, run};
use crate::support::registry::{Pushed, TestRegistry};
use crate::support::signer::{self, SigningKey};

/// Policies and webhook configurations are the cluster's: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// What every object of these tests that is the cluster's is called first. Others are never touched.
const PREFIX: &str = "sealgate-e2e-";

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A namespace for the release, one for pods, a registry, a key that is trusted, and a running gate.
pub(crate) struct World {
    /// For images.
    pub(crate) registry: TestRegistry,
    /// The key that the policy trusts.
    pub(crate) key: SigningKey,
    name: String,
    gate: Option<Child>,
    files: PathBuf,
    ports: (u16, u16),
    arguments: Vec<String>,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    /// Installs the chart's objects and starts the gate; there is no policy yet.
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, &json!({}))
    }

    /// The same with further settings.
    pub(crate) fn with(name: &str, settings: &Value) -> Self {
        Self::with_arguments(name, settings, &[])
    }

    /// The same with further settings and arguments.
    pub(crate) fn with_arguments(name: &str, settings: &Value, arguments: &[&str]) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        need("kubectl");
        need("helm");
        assert!(env::var_os("KUBECONFIG").is_some(), "missing: KUBECONFIG with a cluster; `make e2e` starts one");
        kubectl(&["version", "--request-timeout=5s"]).expect("missing: an API server that answers at KUBECONFIG");
        refuse_foreign_policies();
        let files = env::temp_dir().join(format!("sealgate-e2e-{name}-{}", std::process::id()));
        fs::create_dir_all(&files).unwrap();
        let mut world = Self {
            registry: TestRegistry::start(),
            key: SigningKey::new(),
            name: name.into(),
            gate: None,
            files,
            ports: (free_port(listen_address()), free_port(IpAddr::V4(Ipv4Addr::LOCALHOST))),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            _turn: turn,
        };
        world.clean();
        world.install(settings);
        world.start();
        world
    }

    /// The release's namespace, and the name of all that the chart makes.
    pub(crate) fn release(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// The namespace for pods.
    pub(crate) fn namespace(&self) -> String {
        format!("{PREFIX}{}-pods", self.name)
    }

    /// The objects of the chart, but for what runs in the cluster.
    pub(crate) fn apply_chart(&self) {
        let release = self.release();
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/sealgate");
        let mut helm = Command::new("helm");
        helm.args(["template", &release]).arg(chart).args(["--namespace", &release, "--no-hooks"]);
        helm.args(["--set", "image.repository=registry.example.com/sealgate"]);
        let manifests = run(&mut helm, "").unwrap();
        let own = ["kind: Deployment", "kind: PodDisruptionBudget", "kind: Service\n"];
        let objects: Vec<_> =
            manifests.split("\n---").filter(|object| !own.iter().any(|kind| object.contains(kind))).collect();
        kubectl_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &objects.join("\n---")).unwrap();
    }

    fn install(&self, settings: &Value) {
        let release = self.release();
        for namespace in [&release, &self.namespace()] {
            apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
            apply(&json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": "default", "namespace": namespace},
            }));
        }
        self.apply_chart();
        for kind in ["clustersignaturepolicies", "trustedroots"] {
            kubectl(&["wait", "--for=condition=Established", &format!("crd/{kind}.sealgate.dev")]).unwrap();
        }
        let host = env::var("SEALGATE_E2E_HOST").unwrap_or_else(|_| "localhost".into());
        apply(&json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": self.service(), "namespace": release},
            "spec": {"type": "ExternalName", "externalName": host, "ports": [{"port": self.ports.0}]},
        }));
        let mut config = json!({
            "registries": [{"host": self.registry.host(), "plainHttp": true, "allowPrivateAddress": true}],
            "log": {"format": "plain"},
        });
        config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        fs::write(self.files.join("config.yaml"), config.to_string()).unwrap();
        self.write_kubeconfig();
    }

    /// The name that the chart gives its objects.
    pub(crate) fn service(&self) -> String {
        self.release()
    }

    /// A kubeconfig as the release's ServiceAccount: the gate may do what the chart allows and nothing else.
    fn write_kubeconfig(&self) {
        let token = kubectl(&["create", "token", &self.service(), "-n", &self.release(), "--duration=1h"]).unwrap();
        let raw = kubectl(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]).unwrap();
        let mut config: Value = serde_json::from_str(&raw).unwrap();
        config["users"][0]["user"] = json!({"token": token.trim()});
        fs::write(self.files.join("kubeconfig"), config.to_string()).unwrap();
    }

    /// Starts the gate and waits until it is ready.
    pub(crate) fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.files.join("log")).unwrap();
        let name = self.service();
        let child = Command::new(env!("CARGO_BIN_EXE_sealgate"))
            .arg("serve")
            .arg("--kubeconfig")
            .arg(self.files.join("kubeconfig"))
            .arg("--config")
            .arg(self.files.join("config.yaml"))
            .args([
                "--namespace",
                &self.release(),
                "--service",
                &name,
                "--lease",
                &name,
                "--webhook-configuration",
                &name,
            ])
            .args(["--tls-secret", &format!("{name}-tls"), "--service-port", &self.ports.0.to_string()])
            .args(["--listen", &SocketAddr::new(listen_address(), self.ports.0).to_string(), "--linger", "0"])
            .args(["--admin-listen", &format!("127.0.0.1:{}", self.ports.1)])
            .args(&self.arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let gate = self.gate.insert(child);
        let began = Instant::now();
        while !ask(self.ports.1, "/readyz").is_some_and(|text| text.contains("200 OK")) {
            let ended = gate.try_wait().unwrap();
            let log = || fs::read_to_string(self.files.join("log")).unwrap_or_default();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "the gate is not ready; its log:\n{}", log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends the gate by a signal that it can't handle.
    pub(crate) fn kill(&mut self) {
        if let Some(mut gate) = self.gate.take() {
            gate.kill().unwrap();
            gate.wait().unwrap();
        }
    }

    /// Asks the gate to end, as the kubelet does, and waits for it.
    pub(crate) fn stop(&mut self) {
        if let Some(mut gate) = self.gate.take() {
            run(Command::new("kill").arg(gate.id().to_string()), "").unwrap();
            gate.wait().unwrap();
        }
    }

    /// Opens the gate as the chart's hook does.
    pub(crate) fn uninstall(&self) {
        let kubeconfig = env::var("KUBECONFIG").unwrap();
        let mut uninstall = Command::new(env!("CARGO_BIN_EXE_sealgate"));
        uninstall.args(["uninstall", "--webhook-configuration", &self.service(), "--kubeconfig", &kubeconfig]);
        run(&mut uninstall, "").unwrap();
    }

    /// What the gate has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.files.join("log")).unwrap_or_default()
    }

    /// A metric of the gate, 0 where it is not there.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = ask(self.ports.1, "/metrics").unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
    }

    /// Waits for something that the cluster does in its own time.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < PATIENCE, "gave up waiting until {what}; the gate's log:\n{}", self.log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// A new image behind the tag, by no one.
    pub(crate) fn unsigned(&self, repository: &str, tag: &str) -> Pushed {
        self.registry.push_image(repository, tag)
    }

    /// A new image behind the tag, signed with the key that the policy trusts.
    pub(crate) fn signed(&self, repository: &str, tag: &str) -> Pushed {
        let image = self.registry.push_image(repository, tag);
        let signature = self.key.simple_signing(&signer::payload(&image.digest));
        self.registry.put(repository, &signer::legacy_tag(&[signature]), Some(&image.signature_tag()));
        image
    }

    /// `host/repository:tag` of this registry.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.registry.host())
    }

    /// The spec of the policy that most tests use: all images of the registry, one key.
    pub(crate) fn policy_spec(&self) -> Value {
        json!({
            "match": {"images": [format!("{}/**", self.registry.host())], "namespaces": [self.namespace()]},
            "authorities": [{"name": "ci", "key": {"publicKey": self.key.pem()}}],
        })
    }

    /// Creates that policy and waits until an unsigned pod is refused.
    pub(crate) fn enforce(&self) {
        self.policy("ci-images", &self.policy_spec()).unwrap();
        self.unsigned("probe", "unsigned");
        let probe = pod("probe", &self.image("probe:unsigned"));
        self.until("the policy is enforced", || self.dry_run(&probe).is_err());
    }

    /// Creates or changes a policy, as a user does.
    pub(crate) fn policy(&self, name: &str, spec: &Value) -> Result<String, String> {
        kubectl_with(&["apply", "-f", "-"], &policy(&self.policy_name(name), spec).to_string())
    }

    /// Creates or changes a trusted root, as a user does who knows of no schema.
    pub(crate) fn trusted_root(&self, name: &str, spec: &Value) -> Result<String, String> {
        let root = json!({
            "apiVersion": "sealgate.dev/v1alpha1", "kind": "TrustedRoot",
            "metadata": {"name": self.policy_name(name)}, "spec": spec,
        });
        kubectl_with(&["apply", "--validate=false", "-f", "-"], &root.to_string())
    }

    /// The name of a policy or a trusted root of this world.
    pub(crate) fn policy_name(&self, name: &str) -> String {
        format!("{PREFIX}{}-{name}", self.name)
    }

    /// A condition of a policy; null where it has none of the type.
    pub(crate) fn condition(&self, policy: &str, type_: &str) -> Value {
        let object = kubectl(&["get", "csigpol", &self.policy_name(policy), "-o", "json"]).unwrap();
        let object: Value = serde_json::from_str(&object).unwrap();
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default()
    }

    /// Creates an object in the namespace for pods.
    pub(crate) fn create(&self, object: &Value) -> Result<Value, String> {
        self.kubectl(&["create", "-o", "json", "-f", "-"], object).map(|text| serde_json::from_str(&text).unwrap())
    }

    /// The same on the server, without keeping it.
    pub(crate) fn dry_run(&self, object: &Value) -> Result<Value, String> {
        self.kubectl(&["create", "--dry-run=server", "-o", "json", "-f", "-"], object)
            .map(|text| serde_json::from_str(&text).unwrap())
    }

    /// kubectl in the namespace for pods, with an object to read.
    pub(crate) fn kubectl(&self, arguments: &[&str], object: &Value) -> Result<String, String> {
        let namespace = self.namespace();
        let input = if object.is_null() { String::new() } else { object.to_string() };
        kubectl_with(&[&["-n", namespace.as_str()], arguments].concat(), &input)
    }

    /// One of the two webhook configurations.
    pub(crate) fn configuration(&self, kind: &str) -> Value {
        serde_json::from_str(&kubectl(&["get", kind, &self.service(), "-o", "json"]).unwrap()).unwrap()
    }

    fn clean(&self) {
        let name = self.service();
        for kind in
            ["validatingwebhookconfiguration", "mutatingwebhookconfiguration", "clusterrole", "clusterrolebinding"]
        {
            let _ = kubectl(&["delete", kind, &name, "--ignore-not-found"]);
        }
        let events = format!("{name}-events");
        let _ = kubectl(&["delete", "role,rolebinding", &events, "-n", "default", "--ignore-not-found"]);
        for kind in ["clustersignaturepolicy", "trustedroot"] {
            for object in names(kind).iter().filter(|name| name.starts_with(PREFIX)) {
                let _ = kubectl(&["delete", kind, object, "--ignore-not-found"]);
            }
        }
        for namespace in [self.namespace(), self.release()] {
            for kinds in ["pods,secrets,deployments,replicasets,cronjobs", "leases,services,configmaps,serviceaccounts"]
            {
                let _ = kubectl(&["delete", kinds, "--all", "-n", &namespace, "--force", "--grace-period=0"]);
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the gate's log:\n{}", self.log());
        }
        self.kill();
        self.clean();
        let _ = fs::remove_dir_all(&self.files);
    }
}

/// A pod with one container.
pub(crate) fn pod(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": image}]},
    })
}

/// A policy.
pub(crate) fn policy(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "sealgate.dev/v1alpha1", "kind": "ClusterSignaturePolicy",
        "metadata": {"name": name}, "spec": spec,
    })
}

fn apply(object: &Value) {
    kubectl_with(&["apply", "-f", "-"], &object.to_string()).unwrap();
}

/// Asks the gate's admin port.
fn ask(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

fn need(program: &str) {
    let found = Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(found.is_ok(), "missing: {program} in PATH; `make e2e` brings its own");
}

/// Where the gate listens: where it was told, else at the address at which the API server was told to reach it.
fn listen_address() -> IpAddr {
    let told = |name| env::var(name).ok().and_then(|address| address.parse().ok());
    told("SEALGATE_E2E_LISTEN").or_else(|| told("SEALGATE_E2E_HOST")).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// The names of all objects of a kind; none where the kind is not known.
fn names(kind: &str) -> Vec<String> {
    let names = kubectl(&["get", kind, "-o", "jsonpath={.items[*].metadata.name}"]);
    names.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// Policies are the cluster's: with those of others in force no test would mean anything, and they are not ours to delete.
fn refuse_foreign_policies() {
    let foreign: Vec<_> =
        names("clustersignaturepolicies").into_iter().filter(|policy| !policy.starts_with(PREFIX)).collect();
    assert!(foreign.is_empty(), "the cluster at KUBECONFIG has policies that are not of these tests: {foreign:?}");
}

fn free_port(address: IpAddr) -> u16 {
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port()
}
