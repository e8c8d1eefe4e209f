//! What was read, kept in memory: read once at first sight, refreshed elsewhere, bounded.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::{Instant, timeout};

use super::source::{Fault, Key, Object, Source};

/// Bounds of the memory and of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Objects that are kept.
    pub entries: usize,
    /// Of these, objects of one namespace: what its pods name pushes out none of another.
    pub entries_per_namespace: usize,
    /// Memory of the content of all, in bytes.
    pub bytes: usize,
    /// Of it, that of objects of one namespace.
    pub bytes_per_namespace: usize,
    /// Objects that are read at once.
    pub reads: usize,
    /// How long one read may take.
    pub read: Duration,
    /// How long an answer without credentials holds before it is asked for again.
    pub negative: Duration,
    /// How long an object is used before it is read again, give or take a quarter.
    pub refresh: Duration,
    /// How long an object is kept fresh after its last use.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 4096,
            entries_per_namespace: 256,
            bytes: 4 << 20,
            bytes_per_namespace: 512 << 10,
            reads: 4,
            read: Duration::from_millis(1500),
            negative: Duration::from_secs(3),
            refresh: Duration::from_secs(30),
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
    reads: Semaphore,
    /// Spreads the refreshes, differently in each replica.
    spread: RandomState,
}

/// One object. The lock of the content is held while it is read, so that many callers read it once.
#[derive(Debug)]
struct Slot {
    content: AsyncMutex<Option<Content>>,
    times: Mutex<Times>,
}

#[derive(Debug)]
struct Content {
    known: Known,
    read: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    used: Instant,
    refreshed: Instant,
    /// Bytes of the content.
    memory: usize,
}

impl<S: Source> Cache<S> {
    pub(super) fn new(source: S, limits: Limits) -> Self {
        let reads = Semaphore::new(limits.reads);
        Self { source, limits, slots: Mutex::default(), reads, spread: RandomState::new() }
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
            && (content.is_there() || now.duration_since(content.read) < self.limits.negative)
        {
            return content.known.clone();
        }
        let known = match self.read(key).await {
            Ok(object) => Known::There(object),
            Err(Fault::Definite(problem) | Fault::Unavailable(problem)) => Known::Problem(problem),
        };
        *content = Some(Content { known: known.clone(), read: Instant::now() });
        drop(content);
        self.note_memory(key, &slot, &known);
        known
    }

    /// The memory of all that is kept.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        memory(&self.slots(), None)
    }

    /// Reads again what is in use and due, and forgets what is not in use. What can't be read now stays as it was; what
    /// is gone is gone. A negative answer is not refreshed: whoever needs it asks again.
    pub(super) async fn refresh(&self, now: Instant) {
        futures::stream::iter(self.due(now))
            .for_each_concurrent(self.limits.reads, |(key, slot)| async move {
                let known = match self.read(&key).await {
                    Ok(object) => Known::There(object),
                    Err(Fault::Definite(problem)) => Known::Problem(problem),
                    Err(Fault::Unavailable(_)) => return,
                };
                *slot.content.lock().await = Some(Content { known: known.clone(), read: Instant::now() });
                self.note_memory(&key, &slot, &known);
            })
            .await;
    }

    fn due(&self, now: Instant) -> Vec<(Key, Arc<Slot>)> {
        let mut slots = self.slots();
        slots.retain(|_, slot| {
            let idle = if slot.is_negative() { self.limits.refresh } else { self.limits.idle };
            now.duration_since(slot.times().used) < idle
        });
        let due = slots.iter().filter(|(key, slot)| {
            !slot.is_negative() && now.duration_since(slot.times().refreshed) >= self.period(key)
        });
        let due: Vec<_> = due.map(|(key, slot)| (key.clone(), slot.clone())).collect();
        for (_, slot) in &due {
            slot.set_times(|times| times.refreshed = now);
        }
        due
    }

    /// How long this object is used before it is read again: not all in the same moment.
    fn period(&self, key: &Key) -> Duration {
        let part = u16::try_from(self.spread.hash_one(key) % 512).unwrap_or_default();
        self.limits.refresh.mul_f64(0.75 + f64::from(part) / 1024.0)
    }

    async fn read(&self, key: &Key) -> Result<Object, Fault> {
        let read = async {
            // An error would say that the semaphore is closed, which it never is.
            let _turn = self.reads.acquire().await.ok();
            self.source.read(key).await
        };
        timeout(self.limits.read, read).await.unwrap_or_else(|_| Err(Fault::Unavailable(late(key))))
    }

    /// The slot of an object; where there is no place for it, another one goes.
    fn slot(&self, key: &Key, now: Instant) -> Arc<Slot> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(key) {
            slot.set_times(|times| times.used = now);
            return slot.clone();
        }
        let own = of(&slots, Some(&key.namespace)).count();
        let victim = if own >= self.limits.entries_per_namespace {
            last(&slots, Some(&key.namespace))
        } else if slots.len() >= self.limits.entries {
            last(&slots, None)
        } else {
            None
        };
        if let Some(victim) = victim {
            slots.remove(&victim);
        }
        let times = Mutex::new(Times { used: now, refreshed: now, memory: 0 });
        let slot = Arc::new(Slot { content: AsyncMutex::default(), times });
        slots.insert(key.clone(), slot.clone());
        slot
    }

    /// Notes what the content of a slot takes. Where that is too much, others go, and this one if it takes too much alone.
    fn note_memory(&self, key: &Key, slot: &Slot, known: &Known) {
        let mut slots = self.slots();
        slot.set_times(|times| times.memory = if let Known::There(object) = known { object.memory() } else { 0 });
        for (namespace, limit) in
            [(Some(key.namespace.as_str()), self.limits.bytes_per_namespace), (None, self.limits.bytes)]
        {
            while memory(&slots, namespace) > limit {
                let held = of(&slots, namespace).filter(|(_, slot)| slot.times().memory > 0);
                let Some(victim) = held.min_by_key(|(_, slot)| slot.times().used).map(|(key, _)| key.clone()) else {
                    break;
                };
                slots.remove(&victim);
            }
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Key, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slots of one namespace or all.
fn of<'a>(
    slots: &'a HashMap<Key, Arc<Slot>>,
    namespace: Option<&'a str>,
) -> impl Iterator<Item = (&'a Key, &'a Arc<Slot>)> {
    slots.iter().filter(move |(key, _)| namespace.is_none_or(|namespace| key.namespace == namespace))
}

/// The memory of their content.
fn memory(slots: &HashMap<Key, Arc<Slot>>, namespace: Option<&str>) -> usize {
    of(slots, namespace).fold(0, |bytes: usize, (_, slot)| bytes.saturating_add(slot.times().memory))
}

/// The object that is missed least, of one namespace or of all: one without credentials, then that which was not used for
/// longest.
fn last(slots: &HashMap<Key, Arc<Slot>>, namespace: Option<&str>) -> Option<Key> {
    let missed = |slot: &Slot| (!slot.is_negative(), slot.times().used);
    of(slots, namespace).min_by_key(|(_, slot)| missed(slot)).map(|(key, _)| key.clone())
}

impl Slot {
    /// Whether there is nothing of worth: no credentials, or none yet.
    fn is_negative(&self) -> bool {
        self.content.try_lock().map_or(true, |content| !content.as_ref().is_some_and(Content::is_there))
    }

    fn times(&self) -> Times {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_times(&self, change: impl FnOnce(&mut Times)) {
        change(&mut self.times.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Content {
    fn is_there(&self) -> bool {
        matches!(self.known, Known::There(_))
    }
}

fn late(key: &Key) -> String {
    format!("{key}: could not be read: the API server did not answer in time")
}
