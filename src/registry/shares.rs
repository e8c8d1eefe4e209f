//! Something scarce that all hosts share: none can use up more than its part of it, and some of it is kept for hosts that use none.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::future::{Either, select};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::settings::Quota;

/// Hosts whose parts are kept before those that nobody waits for or uses are dropped.
const MAX_IDLE_HOSTS: usize = 256;

/// A quota in use. Who comes first is served first; of one host no more wait at once for what all share than its part has room for.
#[derive(Debug)]
pub(super) struct Shares {
    /// What is not kept.
    common: Arc<Semaphore>,
    kept: Arc<Semaphore>,
    part: u32,
    most_of_kept: u32,
    hosts: Mutex<HashMap<String, Weak<Host>>>,
}

#[derive(Debug)]
struct Host {
    part: Arc<Semaphore>,
    /// One: the right to use what is kept.
    first: Arc<Semaphore>,
}

/// What was taken. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    _host: Arc<Host>,
    _permits: [Option<OwnedSemaphorePermit>; 3],
}

impl Shares {
    pub(super) fn new(quota: Quota) -> Self {
        let kept = quota.kept.min(quota.all);
        let common = quota.all.saturating_sub(kept);
        Self {
            common: Arc::new(Semaphore::new(size(common))),
            kept: Arc::new(Semaphore::new(size(kept))),
            part: quota.host.min(common),
            most_of_kept: kept,
            hosts: Mutex::default(),
        }
    }

    /// Waits for so many, at most for the part of one host. The host's own part comes first: whoever has that and waits for
    /// the rest keeps nobody else waiting, and whoever has both waits for nothing more.
    pub(super) async fn take(&self, host: &str, many: u32) -> Share {
        let many = many.min(self.part);
        let host = self.of(host);
        // An error would say that the semaphore is closed, which none ever is.
        let part = host.part.clone().acquire_many_owned(many).await.ok();
        let first = if many <= self.most_of_kept { host.first.clone().try_acquire_owned().ok() } else { None };
        let common = pin!(self.common.clone().acquire_many_owned(many));
        let rest = if first.is_some() {
            let kept = pin!(self.kept.clone().acquire_many_owned(many));
            match select(common, kept).await {
                Either::Left((rest, _)) | Either::Right((rest, _)) => rest,
            }
        } else {
            common.await
        };
        Share { _host: host, _permits: [part, first, rest.ok()] }
    }

    /// Takes so many where there are enough at this moment.
    pub(super) fn try_take(&self, host: &str, many: u32) -> Option<Share> {
        let many = many.min(self.part);
        let host = self.of(host);
        let part = host.part.clone().try_acquire_many_owned(many).ok()?;
        let (first, rest) = if let Ok(common) = self.common.clone().try_acquire_many_owned(many) {
            (None, common)
        } else {
            let first = host.first.clone().try_acquire_owned().ok()?;
            (Some(first), self.kept.clone().try_acquire_many_owned(many).ok()?)
        };
        Some(Share { _host: host, _permits: [Some(part), first, Some(rest)] })
    }

    /// How many a host could take now, beside those that are kept.
    #[cfg(test)]
    pub(super) fn available(&self, host: &str) -> usize {
        self.of(host).part.available_permits().min(self.common.available_permits())
    }

    fn of(&self, host: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(host).and_then(Weak::upgrade) {
            return known;
        }
        if hosts.len() >= MAX_IDLE_HOSTS {
            hosts.retain(|_, host| host.strong_count() > 0);
        }
        let part = Arc::new(Semaphore::new(size(self.part)));
        let new = Arc::new(Host { part, first: Arc::new(Semaphore::new(1)) });
        hosts.insert(host.to_owned(), Arc::downgrade(&new));
        new
    }
}

fn size(many: u32) -> usize {
    usize::try_from(many).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests;
