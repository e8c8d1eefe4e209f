//! How many connections a port serves at once, and which one gives way when it is full. Both ports use it.
//!
//! No peer has a fixed share. The API server may be one address for the whole cluster (behind konnectivity, a load balancer, NAT),
//! and then nearly all connections are honest ones of one peer. So nobody is limited while there is room. When a port is full:
//!
//! 1. A new connection takes the place of one on which no review is being answered: of the peer that holds most; there a silent one
//!    (no request yet) before an idle one; of those the one that has waited longest. Peers that hold no more than a 32nd of all
//!    connections count alike, so that a few idle connections of the API server are not worth more to a crowd than its silent ones.
//! 2. A connection gives way to a peer that holds more than its own only after it has waited for a second: a handshake that is
//!    under way is not cut off by whoever crowds the port.
//! 3. Reviews that are being answered are never cut off. Instead one peer may have at most four times as many as there are
//!    connections without one (a dynamic threshold). One peer alone has four fifths of all; two have four ninths each; some are always
//!    left for whoever comes next. A review beyond that waits for its turn, until its deadline.
//! 4. Where anybody may ask, a peer may begin no more reviews than its [rate](super::peer_rate) while reviews of other peers are
//!    being answered. Those beyond it wait too.
//!
//! A peer is an IPv4 address or an IPv6 network of 64 bits: whoever has one address there has all of them. The kubelet is told
//! from others in the same way: its probes come from the address of the node.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::future::pending;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::telemetry::Metrics;

use super::peer_rate::PeerRates;
use super::timeouts::Activity;

/// How long a connection must have waited before it gives way to a peer that holds more.
const GRACE: Duration = Duration::from_secs(1);
/// Peers that hold up to this part of all connections count alike.
const FEW: usize = 32;
/// Reviews of one peer, for each connection that has none.
const REVIEWS_PER_FREE: usize = 4;

/// Who is at the other end, as far as connections and bytes are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// The words for what the limit did, in the metric `shed`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Causes {
    /// A new connection was refused.
    pub(super) full: &'static str,
    /// A connection was closed for a new one.
    pub(super) evicted: &'static str,
}

/// The connections of one port. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct ConnectionLimit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max: usize,
    causes: Causes,
    metrics: Metrics,
    state: Mutex<State>,
    /// A review has been answered.
    answered: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    connections: HashMap<u64, Entry>,
    peers: HashMap<Peer, Held>,
    reviews: usize,
    /// How many reviews each peer may begin, where that is limited.
    rates: Option<PeerRates>,
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    /// How many connections that peer has.
    holds: Arc<AtomicUsize>,
    /// A review is being answered.
    review: bool,
    activity: Arc<Activity>,
    evict: Arc<Notify>,
}

/// What one peer has.
#[derive(Debug, Default)]
struct Held {
    /// Shared with the entries, of which all are looked at when a place is needed. Changes only under the lock.
    connections: Arc<AtomicUsize>,
    reviews: usize,
}

/// One connection; its place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    limit: ConnectionLimit,
    id: u64,
    peer: Peer,
    activity: Arc<Activity>,
    evict: Arc<Notify>,
}

/// The right to be answered, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn(Arc<Slot>);

impl ConnectionLimit {
    /// A port for this many connections.
    pub(super) fn new(max: usize, causes: Causes, rates: Option<PeerRates>, metrics: Metrics) -> Self {
        let state = Mutex::new(State { rates, ..State::default() });
        Self(Arc::new(Shared { max, causes, metrics, state, answered: Notify::new() }))
    }

    /// A place for a connection from this address, which may be that of another connection; nothing where none can give way.
    pub(super) fn admit(&self, peer: Peer) -> Option<Slot> {
        let mut state = self.lock();
        if state.connections.len() >= self.0.max {
            let Some(victim) = state.victim(peer, self.0.max) else {
                self.0.metrics.shed(self.0.causes.full);
                return None;
            };
            if let Some(entry) = state.remove(victim) {
                entry.evict.notify_one();
                self.0.metrics.shed(self.0.causes.evicted);
            }
        }
        let (activity, evict) = (Arc::new(Activity::new()), Arc::new(Notify::new()));
        state.next = state.next.wrapping_add(1);
        let id = state.next;
        let holds = Arc::clone(&state.peers.entry(peer).or_default().connections);
        holds.fetch_add(1, Ordering::Relaxed);
        let entry = Entry { peer, holds, review: false, activity: Arc::clone(&activity), evict: Arc::clone(&evict) };
        state.connections.insert(id, entry);
        drop(state);
        Some(Slot { limit: self.clone(), id, peer, activity, evict })
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The connection that gives way to a new one of this peer.
    fn victim(&self, peer: Peer, max: usize) -> Option<u64> {
        let few = max.div_ceil(FEW);
        let now = Instant::now();
        let held = self.peers.get(&peer).map_or(0, |held| held.connections.load(Ordering::Relaxed));
        let new = held.saturating_add(1).max(few);
        let waiting = self.connections.iter().filter(|(_, entry)| !entry.review).filter_map(|(id, entry)| {
            let own = usize::from(entry.peer == peer);
            let holds = entry.holds.load(Ordering::Relaxed).saturating_add(own).max(few);
            let since = entry.activity.since();
            let may = holds >= new || now.saturating_duration_since(since) >= GRACE;
            may.then(|| ((Reverse(holds), !entry.activity.is_silent(), since), *id))
        });
        waiting.min().map(|(_, id)| id)
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.connections.remove(&id)?;
        entry.holds.fetch_sub(1, Ordering::Relaxed);
        self.forget(entry.peer);
        Some(entry)
    }

    fn reviews_of(&self, peer: Peer) -> usize {
        self.peers.get(&peer).map_or(0, |held| held.reviews)
    }

    fn change_reviews(&mut self, peer: Peer, change: impl FnOnce(usize) -> usize) {
        if let Some(held) = self.peers.get_mut(&peer) {
            held.reviews = change(held.reviews);
        }
        self.forget(peer);
    }

    /// Forgets a peer that has nothing any more.
    fn forget(&mut self, peer: Peer) {
        let is_gone = |held: &Held| held.connections.load(Ordering::Relaxed) == 0 && held.reviews == 0;
        if self.peers.get(&peer).is_some_and(is_gone) {
            self.peers.remove(&peer);
        }
    }
}

impl Slot {
    /// Whose connection it is.
    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    /// What the connection is doing.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Ready when another connection has taken this place.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }

    /// Waits until a review of this connection may be answered. May be cancelled at any time.
    pub(super) async fn turn(self: &Arc<Self>) -> Turn {
        loop {
            let mut answered = pin!(self.limit.0.answered.notified());
            answered.as_mut().enable();
            let token_at = match self.try_turn() {
                Ok(turn) => return turn,
                Err(token_at) => token_at,
            };
            let token = async {
                match token_at {
                    Some(time) => sleep_until(time).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = answered => {}
                () = token => {}
            }
        }
    }

    /// Fails until another review has been answered, or with the time at which the peer has a token again.
    fn try_turn(self: &Arc<Self>) -> Result<Turn, Option<Instant>> {
        let mut state = self.limit.lock();
        let (now, own) = (Instant::now(), state.reviews_of(self.peer));
        let free = self.limit.0.max.saturating_sub(state.reviews);
        if own >= free.saturating_mul(REVIEWS_PER_FREE) {
            return Err(None);
        }
        let is_alone = state.reviews == own;
        if let Some(token_at) = state.rates.as_ref().and_then(|rates| rates.wait(self.peer, now))
            && !is_alone
        {
            return Err(Some(token_at));
        }
        // A connection that was evicted meanwhile ends before it is asked again.
        state.connections.get_mut(&self.id).ok_or(None)?.review = true;
        state.reviews = state.reviews.saturating_add(1);
        state.change_reviews(self.peer, |reviews| reviews.saturating_add(1));
        if let Some(rates) = &mut state.rates {
            rates.take(self.peer, now);
        }
        Ok(Turn(Arc::clone(self)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.limit.lock();
        let Some(entry) = state.connections.get_mut(&self.0.id) else { return };
        entry.review = false;
        state.reviews = state.reviews.saturating_sub(1);
        state.change_reviews(self.0.peer, |reviews| reviews.saturating_sub(1));
        drop(state);
        self.0.limit.0.answered.notify_waiters();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.limit.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests;
