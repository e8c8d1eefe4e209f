//! Room for bodies, taken as their bytes arrive: who has sent nothing holds nothing.
//!
//! Bodies that have half arrived and wait for the room that the others hold would wait for ever. So room is only given where, after
//! it, all who hold some can still be completed one after another (the banker's algorithm). The same counts within what one peer
//! may hold.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::connection_limit::Peer;

/// So many bytes of room.
#[derive(Debug)]
pub(super) struct Lane {
    all: usize,
    /// Of them, what one peer may hold.
    peer: usize,
    bodies: Mutex<Bodies>,
    /// Some room was given back, or is not needed any more.
    freed: Notify,
    /// How many wait for room.
    waiting: watch::Sender<usize>,
}

/// The bodies that hold room.
#[derive(Debug, Default)]
struct Bodies {
    next: u64,
    holding: HashMap<u64, Holding>,
}

#[derive(Clone, Copy, Debug)]
struct Holding {
    peer: Peer,
    held: usize,
    /// What it may still ask for.
    rest: usize,
}

/// The room that one body holds until this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    lane: Arc<Lane>,
    id: u64,
    body: Holding,
}

impl Lane {
    /// A lane for bodies of at most `largest` bytes, which has at least room for one. One peer may hold half of it, or one such body.
    pub(super) fn new(all: usize, largest: usize) -> Arc<Self> {
        let all = all.max(largest);
        Arc::new(Self {
            all,
            peer: all.div_euclid(2).max(largest),
            bodies: Mutex::default(),
            freed: Notify::new(),
            waiting: watch::Sender::new(0),
        })
    }

    /// The room for a body of at most this many bytes; none of it is taken yet.
    pub(super) fn room(self: &Arc<Self>, peer: Peer, expected: usize) -> Room {
        let mut bodies = self.lock();
        bodies.next = bodies.next.wrapping_add(1);
        Room { lane: Arc::clone(self), id: bodies.next, body: Holding { peer, held: 0, rest: expected } }
    }

    /// Ready while anyone waits for room.
    pub(super) async fn contended(&self) {
        // The sender lives as long as this.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await;
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Takes room for so many more bytes, as soon as there is some. May be cancelled at any time.
    pub(super) async fn take(&mut self, bytes: usize) {
        if self.try_take(bytes) {
            return;
        }
        let lane = Arc::clone(&self.lane);
        let _waiting = Waiting::new(&lane.waiting);
        loop {
            let mut freed = pin!(lane.freed.notified());
            freed.as_mut().enable();
            if self.try_take(bytes) {
                return;
            }
            freed.await;
        }
    }

    fn try_take(&mut self, bytes: usize) -> bool {
        let held = self.body.held.saturating_add(bytes);
        let asked = Holding { held, rest: self.body.rest.saturating_sub(bytes), ..self.body };
        let mut bodies = self.lane.lock();
        let others = || bodies.holding.iter().filter(|(id, _)| **id != self.id).map(|(_, body)| *body);
        let of_peer = others().filter(|body| body.peer == asked.peer);
        if !completes(self.lane.all, others(), asked) || !completes(self.lane.peer, of_peer, asked) {
            return false;
        }
        bodies.holding.insert(self.id, asked);
        self.body = asked;
        true
    }

    /// The body is complete.
    pub(super) fn complete(&mut self) {
        self.body.rest = 0;
        self.lane.lock().holding.insert(self.id, self.body);
        self.lane.freed.notify_waiters();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.lane.lock().holding.remove(&self.id).is_some() {
            self.lane.freed.notify_waiters();
        }
    }
}

/// Counts as waiting until this is dropped.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|n| *n = n.saturating_add(1));
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n = n.saturating_sub(1));
    }
}

/// Whether all these bodies can be completed one after another: each gives back what it held to the next.
fn completes(all: usize, others: impl Iterator<Item = Holding>, asked: Holding) -> bool {
    let mut bodies: Vec<_> = others.chain([asked]).collect();
    let held = bodies.iter().fold(0_usize, |sum, body| sum.saturating_add(body.held));
    let Some(mut free) = all.checked_sub(held) else { return false };
    bodies.sort_unstable_by_key(|body| body.rest);
    bodies.iter().all(|body| {
        let fits = body.rest <= free;
        free = free.saturating_add(body.held);
        fits
    })
}

#[cfg(test)]
mod tests;
