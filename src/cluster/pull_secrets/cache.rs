//! What was read, kept in memory: read once at first sight, refreshed elsewhere, bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout};

use super::source::{Fault, Key, Object, Source};

/// Bounds of the memory and of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Objects that are kept.
    pub entries: usize,
    /// How long one read on the admission path may take.
    pub read: Duration,
    /// How long an answer without credentials holds before it is asked for again.
    pub negative: Duration,
    /// How long an object is kept fresh after its last use.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 4096,
            read: Duration::from_millis(1500),
            negative: Duration::from_secs(3),
            idle: Duration::from_hours(1),
        }
    }
}

/// What is known about an object.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// Its content, perhaps stale.
    There(Object),
    /// Why there is none, in words for a message.
    Problem(String),
}

/// The memory in front of a source.
#[derive(Debug)]
pub(super) struct Cache<S> {
    source: S,
    limits: Limits,
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
}

/// One object. The lock is held while it is read, so that many callers read it once.
#[derive(Debug)]
struct Slot {
    content: AsyncMutex<Option<Content>>,
    used: Mutex<Instant>,
}

#[derive(Debug)]
struct Content {
    known: Known,
    read: Instant,
}

impl<S: Source> Cache<S> {
    pub(super) fn new(source: S, limits: Limits) -> Self {
        Self { source, limits, slots: Mutex::default() }
    }

    /// From memory; from the source at first sight, and again when the last answer was negative and is not fresh.
    pub(super) async fn look_up(&self, key: &Key) -> Known {
        if !key.is_valid() {
            return Known::Problem(format!("{key}: not a name that an object can have"));
        }
        let now = Instant::now();
        let slot = self.slot(key, now);
        let Ok(mut content) = timeout(self.limits.read, slot.content.lock()).await else {
            return Known::Problem(late(key));
        };
        if let Some(content) = &*content
            && (matches!(content.known, Known::There(_)) || now.duration_since(content.read) < self.limits.negative)
        {
            return content.known.clone();
        }
        let known = match self.read(key).await {
            Ok(object) => Known::There(object),
            Err(Fault::Definite(problem) | Fault::Unavailable(problem)) => Known::Problem(problem),
        };
        *content = Some(Content { known: known.clone(), read: Instant::now() });
        known
    }

    /// Reads again what is in use and forgets what is not. What can't be read now stays as it was; what is gone is gone.
    pub(super) async fn refresh(&self, now: Instant) {
        let in_use: Vec<_> = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.retain(|_, slot| now.duration_since(slot.last_used()) < self.limits.idle);
            slots.iter().map(|(key, slot)| (key.clone(), slot.clone())).collect()
        };
        for (key, slot) in in_use {
            let known = match self.read(&key).await {
                Ok(object) => Known::There(object),
                Err(Fault::Definite(problem)) => Known::Problem(problem),
                Err(Fault::Unavailable(_)) => continue,
            };
            *slot.content.lock().await = Some(Content { known, read: Instant::now() });
        }
    }

    async fn read(&self, key: &Key) -> Result<Object, Fault> {
        let late = || Fault::Unavailable(late(key));
        timeout(self.limits.read, self.source.read(key)).await.unwrap_or_else(|_| Err(late()))
    }

    /// The slot of an object; where the memory is full, that of the object that was not used for longest goes.
    fn slot(&self, key: &Key, now: Instant) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(key) {
            slot.use_at(now);
            return slot.clone();
        }
        if slots.len() >= self.limits.entries {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.last_used()).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                slots.remove(&oldest);
            }
        }
        let slot = Arc::new(Slot { content: AsyncMutex::default(), used: Mutex::new(now) });
        slots.insert(key.clone(), slot.clone());
        slot
    }
}

impl Slot {
    fn last_used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn use_at(&self, now: Instant) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

fn late(key: &Key) -> String {
    format!("{key}: could not be read: the API server did not answer in time")
}
