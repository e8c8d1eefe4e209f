//! The pull credentials that the kubelet would use: those that the pod names, or else those of its service account.
//!
//! Secrets and service accounts are read by `get` of one name, only in the namespaces that the settings allow, and only
//! at first sight: what was read stays in memory, is refreshed in the background while it is in use, and is used stale
//! while the API server is away.

mod cache;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::verifier::ports::{Access, Keychain, PullContext, Repository};

pub use cache::Limits;
use cache::{Cache, Known};
pub use source::{ClusterSource, Fault, Object, ObjectKind, Source};

/// How often it is looked whether something is to be read again.
const TICK: Duration = Duration::from_secs(1);

/// How many secrets of one puller are looked at.
pub const MAX_SECRETS: usize = 16;

/// Where secrets may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In all namespaces.
    Cluster,
    /// In these.
    Namespaces(Vec<String>),
}

impl Scope {
    fn allows(&self, namespace: &str) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespaces(names) => names.iter().any(|name| name == namespace),
        }
    }
}

/// Finds pull credentials in the cluster. Clones share the memory.
#[derive(Debug)]
pub struct PullSecrets<S = ClusterSource>(Arc<Inner<S>>);

#[derive(Debug)]
struct Inner<S> {
    scope: Scope,
    cache: Cache<S>,
}

impl<S> Clone for PullSecrets<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Source> PullSecrets<S> {
    /// With an empty memory.
    pub fn new(source: S, scope: Scope, limits: Limits) -> Self {
        Self(Arc::new(Inner { scope, cache: Cache::new(source, limits) }))
    }

    /// Keeps what is in use fresh, for ever.
    pub async fn refresh(self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.0.cache.refresh(Instant::now()).await;
        }
    }

    /// The names of the secrets, as the kubelet has them: a pod that names none has those of its service account.
    async fn names(&self, context: &PullContext, access: &mut Access) -> Vec<String> {
        if !context.image_pull_secrets.is_empty() {
            return context.image_pull_secrets.clone();
        }
        let account = ObjectKind::ServiceAccount.key(&context.namespace, &context.service_account);
        match self.0.cache.look_up(&account).await {
            Known::There(Object::ServiceAccount { image_pull_secrets }) => image_pull_secrets,
            Known::There(_) => Vec::new(),
            Known::Problem(problem) => {
                access.problems.push(problem);
                Vec::new()
            }
        }
    }
}

impl<S: Source> Keychain for PullSecrets<S> {
    async fn access(&self, repository: &Repository, context: &PullContext) -> Access {
        let mut access = Access::default();
        let namespace = &context.namespace;
        if !self.0.scope.allows(namespace) {
            access
                .problems
                .push(format!("secrets in namespace {namespace} may not be read: add it to pullSecrets.namespaces"));
            return access;
        }
        let mut names = self.names(context, &mut access).await;
        if names.len() > MAX_SECRETS {
            access.problems.push(format!("only the first {MAX_SECRETS} pull secrets are used"));
            names.truncate(MAX_SECRETS);
        }
        let keys: Vec<_> = names.iter().map(|name| ObjectKind::Secret.key(namespace, name)).collect();
        // Of a secret that was read, no more is kept for the others than what is of use.
        let found = keys.iter().map(async |key| match self.0.cache.look_up(key).await {
            Known::There(Object::Secret(config)) => (config.credentials(repository), config.problems().to_vec()),
            Known::There(Object::ServiceAccount { .. }) => Default::default(),
            Known::Problem(problem) => (Vec::new(), vec![problem]),
        });
        for (credentials, problems) in futures::future::join_all(found).await {
            access.credentials.extend(credentials);
            access.problems.extend(problems);
        }
        access
    }
}
