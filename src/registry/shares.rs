//! Something scarce that all hosts share: no host can use up more than its part of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hosts whose semaphores are kept before those that nobody waits for or uses are dropped.
const MAX_IDLE_HOSTS: usize = 256;

/// So many for all, of which one host has at most its part. Who comes first is served first.
#[derive(Debug)]
pub(super) struct Shares {
    all: Arc<Semaphore>,
    part: u32,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// What was taken. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    _permits: [Option<OwnedSemaphorePermit>; 2],
}

impl Shares {
    pub(super) fn new(all: u32, part: u32) -> Self {
        Self { all: Arc::new(Semaphore::new(size(all))), part: part.min(all), hosts: Mutex::default() }
    }

    /// Waits for so many, at most for the part of one host. The host's own part comes first: whoever has that and waits for
    /// the rest keeps nobody else waiting, and whoever has both waits for nothing more.
    pub(super) async fn take(&self, host: &str, many: u32) -> Share {
        let many = many.min(self.part);
        let own = self.of(host).acquire_many_owned(many).await;
        let all = self.all.clone().acquire_many_owned(many).await;
        // An error would say that the semaphore is closed, which it never is.
        Share { _permits: [own.ok(), all.ok()] }
    }

    /// How many a host could take now.
    #[cfg(test)]
    pub(super) fn available(&self, host: &str) -> usize {
        self.of(host).available_permits()
    }

    fn of(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(host).and_then(Weak::upgrade) {
            return known;
        }
        if hosts.len() >= MAX_IDLE_HOSTS {
            hosts.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let new = Arc::new(Semaphore::new(size(self.part)));
        hosts.insert(host.to_owned(), Arc::downgrade(&new));
        new
    }
}

fn size(many: u32) -> usize {
    usize::try_from(many).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests;
