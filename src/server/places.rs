//! Places for connections: so many in all, and at most half of them for one peer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places.
#[derive(Clone, Debug)]
pub(super) struct Places {
    all: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    peer: IpAddr,
    taken: Arc<Mutex<Taken>>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All are taken.
    All,
    /// The peer has its half.
    Peer,
}

impl Full {
    /// The word for it in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::All => "connections",
            Self::Peer => "peer-connections",
        }
    }
}

impl Places {
    pub(super) fn new(all: usize) -> Self {
        Self { all, taken: Arc::default() }
    }

    /// Takes a place for a connection from this address.
    pub(super) fn take(&self, peer: IpAddr) -> Result<Place, Full> {
        let mut taken = lock(&self.taken);
        if taken.all >= self.all {
            return Err(Full::All);
        }
        let by_peer = taken.by_peer.get(&peer).copied().unwrap_or(0);
        if by_peer >= self.all.div_ceil(2) {
            return Err(Full::Peer);
        }
        taken.all = taken.all.saturating_add(1);
        taken.by_peer.insert(peer, by_peer.saturating_add(1));
        Ok(Place { peer, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        match taken.by_peer.get_mut(&self.peer) {
            Some(count @ 2..) => *count = count.saturating_sub(1),
            _ => drop(taken.by_peer.remove(&self.peer)),
        }
    }
}

/// Nothing panics while it is held.
fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
