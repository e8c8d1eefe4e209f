//! Two places that share one limit: neither can crowd out the other, whichever answers first.
//!
//! The first half of each place passes at once. What one place leaves of its half, the other gets as soon as that is known; what
//! both leave, because both hold the same, goes to the first. So what passes depends on what the places hold and not on when.

use std::collections::{HashSet, VecDeque};
use std::future::ready;
use std::hash::Hash;

use futures::stream::{self, Stream, StreamExt};

/// A thing, or what to say instead. The latter passes always.
type Step<T, E> = Result<T, E>;

/// What of both places passes: at most `limit` things, each `key` once, and at the end `excess` if there were more.
pub(super) fn share<'a, T, E, K>(
    limit: usize,
    first: impl Stream<Item = Step<T, E>> + Send + 'a,
    second: impl Stream<Item = Step<T, E>> + Send + 'a,
    key: impl Fn(&T) -> Option<K> + Send + 'a,
    excess: impl Fn() -> E + Send + 'a,
) -> impl Stream<Item = Step<T, E>> + Send + 'a
where
    T: Send + 'a,
    E: Send + 'a,
    K: Clone + Eq + Hash + Send + 'a,
{
    let first = first.map(|step| (Side::First, Some(step))).chain(stream::once(ready((Side::First, None))));
    let second = second.map(|step| (Side::Second, Some(step))).chain(stream::once(ready((Side::Second, None))));
    let mut gate = Gate { limit, passed: 0, keys: HashSet::new(), places: [Place::new(), Place::new()], excess: false };
    stream::select(first, second).flat_map(move |(side, step)| {
        let mut out = Vec::new();
        match step {
            Some(Ok(thing)) => {
                let key = key(&thing);
                out.extend(gate.arrive(side, key, thing).map(Ok));
            }
            Some(Err(instead)) => out.push(Err(instead)),
            None => {
                out.extend(gate.end(side).into_iter().map(Ok));
                if gate.places.iter().all(|place| place.ended) && gate.excess {
                    out.push(Err(excess()));
                }
            }
        }
        stream::iter(out)
    })
}

#[derive(Clone, Copy)]
enum Side {
    First,
    Second,
}

struct Gate<T, K> {
    limit: usize,
    passed: usize,
    /// The keys of what has passed.
    keys: HashSet<K>,
    places: [Place<T, K>; 2],
    excess: bool,
}

struct Place<T, K> {
    keys: HashSet<K>,
    arrived: usize,
    /// Beyond the half, until it is known what the other place leaves.
    held: VecDeque<(Option<K>, T)>,
    ended: bool,
}

impl<T, K> Place<T, K> {
    fn new() -> Self {
        Self { keys: HashSet::new(), arrived: 0, held: VecDeque::new(), ended: false }
    }
}

impl<T, K: Clone + Eq + Hash> Gate<T, K> {
    fn arrive(&mut self, side: Side, key: Option<K>, thing: T) -> Option<T> {
        let (half, limit) = (self.limit / 2, self.limit);
        let (own, other) = self.sides(side);
        if let Some(key) = &key
            && !own.keys.insert(key.clone())
        {
            return None;
        }
        own.arrived = own.arrived.saturating_add(1);
        if own.arrived <= half || (other.ended && other.held.is_empty()) {
            return self.pass(key, thing);
        }
        if own.held.len() < limit {
            own.held.push_back((key, thing));
        } else {
            self.excess = true;
        }
        None
    }

    /// One place has ended: what the other holds back may pass, if it is known how much. When both have, the rest is decided.
    fn end(&mut self, side: Side) -> Vec<T> {
        let (own, other) = self.sides(side);
        own.ended = true;
        if !own.held.is_empty() && !other.ended {
            return Vec::new();
        }
        let [first, second] = &mut self.places;
        let held: Vec<_> = first.held.drain(..).chain(second.held.drain(..)).collect();
        held.into_iter().filter_map(|(key, thing)| self.pass(key, thing)).collect()
    }

    fn pass(&mut self, key: Option<K>, thing: T) -> Option<T> {
        if key.as_ref().is_some_and(|key| self.keys.contains(key)) {
            return None;
        }
        if self.passed >= self.limit {
            self.excess = true;
            return None;
        }
        self.passed = self.passed.saturating_add(1);
        self.keys.extend(key);
        Some(thing)
    }

    fn sides(&mut self, side: Side) -> (&mut Place<T, K>, &mut Place<T, K>) {
        let [first, second] = &mut self.places;
        match side {
            Side::First => (first, second),
            Side::Second => (second, first),
        }
    }
}

#[cfg(test)]
mod tests;
