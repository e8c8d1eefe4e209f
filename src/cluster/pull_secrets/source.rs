//! One object by name, from the API server.

use std::fmt;
use std::future::Future;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{LocalObjectReference, Secret, ServiceAccount};
use kube::{Api, Client};

use crate::domain::DockerConfig;
use crate::domain::text::Foreign;

use super::MAX_SECRETS;

/// Longest name of an object.
const MAX_NAME: usize = 253;
/// What a name takes beside its text.
const NAME: usize = 48;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The two kinds that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A pull secret.
    Secret,
    /// A service account, which may name pull secrets.
    ServiceAccount,
}

impl ObjectKind {
    /// One object of the kind.
    pub fn key(self, namespace: &str, name: &str) -> Key {
        Key { kind: self, namespace: namespace.into(), name: name.into() }
    }
}

impl Key {
    /// Whether both names can be those of objects (DNS subdomains). Pods may name secrets that can't exist, and a name
    /// becomes part of a request's path.
    pub fn is_valid(&self) -> bool {
        is_object_name(&self.namespace) && is_object_name(&self.name)
    }
}

fn is_object_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(allowed) && !name.split('.').any(str::is_empty)
}

/// As messages name it: `secret shop/regcred`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ObjectKind::Secret => "secret",
            ObjectKind::ServiceAccount => "service account",
        };
        write!(f, "{kind} {}/{}", Foreign(&self.namespace), Foreign(&self.name))
    }
}

/// What was read.
#[derive(Clone, Debug)]
pub enum Object {
    /// Credentials.
    Secret(DockerConfig),
    /// Names of secrets.
    ServiceAccount {
        /// `imagePullSecrets`.
        image_pull_secrets: Vec<String>,
    },
}

impl Object {
    /// How many bytes of memory it takes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Secret(config) => config.memory(),
            Self::ServiceAccount { image_pull_secrets } => image_pull_secrets
                .iter()
                .fold(0, |bytes: usize, name| bytes.saturating_add(name.len()).saturating_add(NAME)),
        }
    }
}

/// Why nothing was read, with the object's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The API server says so: it is not there, may not be read, or holds no docker config.
    Definite(String),
    /// The API server could not be asked.
    Unavailable(String),
}

/// Reads one object.
pub trait Source: Send + Sync + 'static {
    /// By name.
    fn read(&self, key: &Key) -> impl Future<Output = Result<Object, Fault>> + Send;
}

/// The API server.
#[derive(Clone)]
pub struct ClusterSource(Client);

impl ClusterSource {
    /// By this connection.
    pub fn new(client: Client) -> Self {
        Self(client)
    }
}

impl fmt::Debug for ClusterSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSource")
    }
}

impl Source for ClusterSource {
    async fn read(&self, key: &Key) -> Result<Object, Fault> {
        match key.kind {
            ObjectKind::Secret => {
                let api = Api::<Secret>::namespaced(self.0.clone(), &key.namespace);
                let secret = api.get(&key.name).await.map_err(|problem| fault(key, &problem))?;
                docker_config(&secret, key).map(Object::Secret)
            }
            ObjectKind::ServiceAccount => {
                let api = Api::<ServiceAccount>::namespaced(self.0.clone(), &key.namespace);
                let account = api.get(&key.name).await.map_err(|problem| fault(key, &problem))?;
                let image_pull_secrets = account.image_pull_secrets.unwrap_or_default();
                Ok(Object::ServiceAccount { image_pull_secrets: first(image_pull_secrets) })
            }
        }
    }
}

/// The names that are of use, and one more where there are more. A longer name is that of no object.
pub(super) fn first(references: Vec<LocalObjectReference>) -> Vec<String> {
    let names = references.into_iter().map(|secret| secret.name);
    names.filter(|name| !name.is_empty() && name.len() <= MAX_NAME).take(MAX_SECRETS.saturating_add(1)).collect()
}

/// The docker config in a secret, by its type, as the kubelet reads it.
pub(super) fn docker_config(secret: &Secret, key: &Key) -> Result<DockerConfig, Fault> {
    let field = match secret.type_.as_deref() {
        Some("kubernetes.io/dockerconfigjson") => ".dockerconfigjson",
        Some("kubernetes.io/dockercfg") => ".dockercfg",
        _ => {
            let expected = "kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg";
            return Err(Fault::Definite(format!("{key}: expected type {expected}")));
        }
    };
    let ByteString(bytes) = secret
        .data
        .as_ref()
        .and_then(|data| data.get(field))
        .ok_or_else(|| Fault::Definite(format!("{key}: expected the key {field}")))?;
    DockerConfig::parse(bytes, &key.to_string()).map_err(|problem| Fault::Definite(problem.to_string()))
}

fn fault(key: &Key, problem: &kube::Error) -> Fault {
    match problem {
        kube::Error::Api(status) if status.code == 404 => Fault::Definite(format!("{key}: not found")),
        kube::Error::Api(status) if status.code == 403 => Fault::Definite(format!(
            "{key}: may not be read: add {} to pullSecrets.namespaces",
            Foreign(&key.namespace)
        )),
        kube::Error::Api(status) => {
            Fault::Unavailable(format!("{key}: could not be read: the API server answered {}", status.code))
        }
        _ => Fault::Unavailable(format!("{key}: could not be read: the API server could not be reached")),
    }
}
