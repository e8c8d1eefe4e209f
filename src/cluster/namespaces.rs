//! Labels of namespaces that the watch has not shown yet, read from the API server.
//!
//! Asked only where a policy selects by label, and for a moment: as soon as the watch shows the namespace, nobody asks here.
//! Whoever reaches the webhook port can name any namespace, so the API server is asked once for each name, by few at a time
//! and so often a second; beyond that the answer is that it could not be found out.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};

use crate::domain::name::is_dns_label;
use crate::domain::text::foreign;
use crate::verifier::ports::{Labels, Namespaces, Unavailable};

const NO_NAME: &str = "no namespace has such a name";
const ABSENT: &str = "the API server knows no such namespace";
const FORBIDDEN: &str = "sealgate may not get namespaces; look at its ClusterRole";
const FAILED: &str = "the API server could not be asked";
const LATE: &str = "the API server did not answer in time";
const TOO_MANY: &str = "too many namespaces are asked for that are not known; try again";

/// Bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Namespaces that are remembered or asked for.
    pub entries: usize,
    /// Requests to the API server at once.
    pub at_once: usize,
    /// Requests to the API server that begin in one second.
    pub per_second: u32,
    /// How long one request may take, and how long it may wait for its turn.
    pub read: Duration,
    /// How long labels are remembered: as long as the watch may take to show them.
    pub positive: Duration,
    /// How long it is remembered that there were none.
    pub negative: Duration,
    /// How long a request that is refused for its number waits for the watch to show the namespace.
    pub watch: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 1024,
            at_once: 8,
            per_second: 50,
            read: Duration::from_millis(1500),
            positive: Duration::from_secs(2),
            negative: Duration::from_secs(1),
            watch: Duration::from_millis(200),
        }
    }
}

/// Where labels are read.
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// The labels of a namespace now, or why they are not known.
    fn read(&self, namespace: &str) -> impl Future<Output = Answer> + Send;
}

/// Labels, or why they are not known, in words for a message.
pub type Answer = Result<Arc<Labels>, &'static str>;

/// Reads labels, with a short memory.
#[derive(Debug)]
pub struct NamespaceLabels<S = ClusterNamespaces> {
    source: S,
    limits: Limits,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    turns: Semaphore,
    second: Mutex<Second>,
}

/// One namespace. The lock is held while it is asked for, so that many callers ask once.
type Slot = AsyncMutex<Option<Remembered>>;

#[derive(Debug)]
struct Remembered {
    answer: Answer,
    until: Instant,
}

/// How many requests have begun in the second that began then.
#[derive(Debug)]
struct Second {
    began: Instant,
    requests: u32,
}

impl<S: Source> NamespaceLabels<S> {
    /// With an empty memory.
    pub fn new(source: S, limits: Limits) -> Self {
        let second = Mutex::new(Second { began: Instant::now(), requests: 0 });
        Self { source, limits, slots: Mutex::default(), turns: Semaphore::new(limits.at_once), second }
    }

    async fn look_up(&self, namespace: &str) -> Answer {
        // The name becomes part of a request's path.
        if !is_dns_label(namespace) {
            return Err(NO_NAME);
        }
        if let Some(answer) = self.ask_once(namespace).await {
            return answer;
        }
        sleep(self.limits.watch).await;
        Err(TOO_MANY)
    }

    /// From memory, or from the API server; nothing where it may not be asked now.
    async fn ask_once(&self, namespace: &str) -> Option<Answer> {
        let slot = self.slot(namespace)?;
        let mut remembered = slot.lock().await;
        if let Some(known) = remembered.as_ref().filter(|known| Instant::now() < known.until) {
            return Some(known.answer.clone());
        }
        let _turn = self.turn().await?;
        let answer = timeout(self.limits.read, self.source.read(namespace)).await.unwrap_or(Err(LATE));
        let holds = if answer.is_ok() { self.limits.positive } else { self.limits.negative };
        *remembered = Instant::now().checked_add(holds).map(|until| Remembered { answer: answer.clone(), until });
        Some(answer)
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let turn = timeout(self.limits.read, self.turns.acquire()).await.ok()?.ok()?;
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.duration_since(second.began) >= Duration::from_secs(1) {
            *second = Second { began: now, requests: 0 };
        }
        second.requests = second.requests.checked_add(1).filter(|requests| *requests <= self.limits.per_second)?;
        Some(turn)
    }

    /// The slot of a namespace; nothing where there is no place for one more.
    fn slot(&self, namespace: &str) -> Option<Arc<Slot>> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(namespace) {
            return Some(slot.clone());
        }
        if slots.len() >= self.limits.entries {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || is_fresh(slot));
        }
        if slots.len() >= self.limits.entries {
            return None;
        }
        Some(slots.entry(namespace.to_owned()).or_default().clone())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(slot: &Slot) -> bool {
    slot.try_lock().map_or(true, |known| known.as_ref().is_some_and(|known| Instant::now() < known.until))
}

impl<S: Source> Namespaces for NamespaceLabels<S> {
    fn labels<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Arc<Labels>, Unavailable>> {
        let unknown = |problem| Unavailable::NamespaceUnknown { namespace: foreign(namespace), problem };
        self.look_up(namespace).map(move |answer| answer.map_err(unknown)).boxed()
    }
}

/// The API server.
pub struct ClusterNamespaces(Api<Namespace>);

impl ClusterNamespaces {
    /// Asks with this client.
    pub fn new(client: Client) -> Self {
        Self(Api::all(client))
    }
}

impl fmt::Debug for ClusterNamespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterNamespaces")
    }
}

impl Source for ClusterNamespaces {
    async fn read(&self, namespace: &str) -> Answer {
        match self.0.get_metadata(namespace).await {
            Ok(found) => Ok(Arc::new(found.metadata.labels.unwrap_or_default())),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(ABSENT),
            Err(kube::Error::Api(status)) if status.code == 403 => Err(FORBIDDEN),
            Err(_) => Err(FAILED),
        }
    }
}
