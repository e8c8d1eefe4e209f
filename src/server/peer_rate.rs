//! How many reviews a peer may begin while reviews of others are being answered: a token bucket for each peer (the generic cell
//! rate algorithm, which keeps one time a peer).
//!
//! It limits nobody who is alone, and refuses nothing: a review beyond the rate waits for its token, or until no other peer's review
//! is being answered. So an API server that is one address for a whole cluster has all of sealgate as long as nobody else asks, and
//! whoever else asks can't have more of it than this.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::connection_limit::Peer;
use super::limits::{PEER_BURST, PEER_RATE, PEERS};

/// Between two tokens.
const PERIOD: Duration = Duration::from_micros(1_000_000 / PEER_RATE as u64);
/// In which an empty bucket becomes full.
const FULL: Duration = PERIOD.saturating_mul(PEER_BURST);

/// The buckets of all peers that are not full.
#[derive(Debug, Default)]
pub(super) struct PeerRates {
    /// When each will be full.
    full_at: HashMap<Peer, Instant>,
}

impl PeerRates {
    /// Nothing where the peer has a token, else when it will have one.
    pub(super) fn wait(&self, peer: Peer, now: Instant) -> Option<Instant> {
        let full_at = self.full_at.get(&peer)?;
        let token_at = full_at.checked_sub(FULL.saturating_sub(PERIOD))?;
        (token_at > now).then_some(token_at)
    }

    /// Takes a token, where there is one: who was alone has no debts.
    pub(super) fn take(&mut self, peer: Peer, now: Instant) {
        if self.full_at.len() >= PEERS && !self.full_at.contains_key(&peer) {
            self.make_room(now);
        }
        let full_at = self.full_at.entry(peer).or_insert(now);
        let (after, empty) = ((*full_at).max(now).checked_add(PERIOD), now.checked_add(FULL));
        *full_at = after.into_iter().chain(empty).min().unwrap_or(now);
    }

    /// Forgets who has a full bucket, and if that is nobody, who has the fullest.
    fn make_room(&mut self, now: Instant) {
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() >= PEERS
            && let Some((&fullest, _)) = self.full_at.iter().min_by_key(|(_, full_at)| **full_at)
        {
            self.full_at.remove(&fullest);
        }
    }
}

#[cfg(test)]
mod tests;
