//! Several places that share one limit: none can crowd out another, whichever answers first.
//!
//! An equal share of each place passes at once. What the others leave of theirs, the last one that has not ended gets as soon as
//! that is known; what is still held back when all have ended passes in the order of the places. So what passes depends on what
//! the places hold and not on when.

use std::collections::{HashSet, VecDeque};
use std::future::ready;
use std::hash::Hash;

use futures::stream::{self, BoxStream, Stream, StreamExt};

/// A thing, or what to say instead. The latter passes always.
type Step<T, E> = Result<T, E>;

/// What of all places passes: at most `limit` things, each `key` once, and at the end `excess` if there were more.
pub(super) fn share<'a, T, E, K>(
    limit: usize,
    places: Vec<BoxStream<'a, Step<T, E>>>,
    key: impl Fn(&T) -> Option<K> + Send + 'a,
    excess: impl Fn() -> E + Send + 'a,
) -> impl Stream<Item = Step<T, E>> + Send + 'a
where
    T: Send + 'a,
    E: Send + 'a,
    K: Clone + Eq + Hash + Send + 'a,
{
    let mut gate = Gate::new(limit, places.len());
    let arriving = places.into_iter().enumerate().map(|(place, steps)| {
        steps.map(move |step| (place, Some(step))).chain(stream::once(ready((place, None)))).boxed()
    });
    stream::select_all(arriving).flat_map(move |(place, step)| {
        let mut out = Vec::new();
        match step {
            Some(Ok(thing)) => {
                let key = key(&thing);
                out.extend(gate.arrive(place, key, thing).map(Ok));
            }
            Some(Err(instead)) => out.push(Err(instead)),
            None => {
                out.extend(gate.end(place).into_iter().map(Ok));
                if gate.places.iter().all(|place| place.ended) && gate.excess {
                    out.push(Err(excess()));
                }
            }
        }
        stream::iter(out)
    })
}

struct Gate<T, K> {
    limit: usize,
    /// What of each place passes at once.
    share: usize,
    passed: usize,
    /// The keys of what has passed.
    keys: HashSet<K>,
    places: Vec<Place<T, K>>,
    excess: bool,
}

struct Place<T, K> {
    keys: HashSet<K>,
    arrived: usize,
    /// Beyond the share, until it is known what the other places leave.
    held: VecDeque<(Option<K>, T)>,
    ended: bool,
}

impl<T, K> Place<T, K> {
    fn new() -> Self {
        Self { keys: HashSet::new(), arrived: 0, held: VecDeque::new(), ended: false }
    }

    /// Whether it will never want more than has passed.
    fn is_done(&self) -> bool {
        self.ended && self.held.is_empty()
    }
}

impl<T, K: Clone + Eq + Hash> Gate<T, K> {
    fn new(limit: usize, places: usize) -> Self {
        let share = limit.checked_div(places).unwrap_or(limit);
        let places = (0..places).map(|_| Place::new()).collect();
        Self { limit, share, passed: 0, keys: HashSet::new(), places, excess: false }
    }

    fn arrive(&mut self, at: usize, key: Option<K>, thing: T) -> Option<T> {
        let (share, limit) = (self.share, self.limit);
        let is_last = self.places.iter().enumerate().all(|(other, place)| other == at || place.is_done());
        let own = self.places.get_mut(at)?;
        if let Some(key) = &key
            && !own.keys.insert(key.clone())
        {
            return None;
        }
        own.arrived = own.arrived.saturating_add(1);
        if own.arrived <= share || is_last {
            return self.pass(key, thing);
        }
        if own.held.len() < limit {
            own.held.push_back((key, thing));
        } else {
            self.excess = true;
        }
        None
    }

    /// One place has ended: what the others hold back may pass, if it is known how much.
    fn end(&mut self, at: usize) -> Vec<T> {
        if let Some(own) = self.places.get_mut(at) {
            own.ended = true;
        }
        let open = self.places.iter().filter(|place| !place.ended).count();
        let wanting = self.places.iter().filter(|place| !place.is_done()).count();
        if open > 1 || (open == 1 && wanting > 1) {
            return Vec::new();
        }
        let held: Vec<_> = self.places.iter_mut().flat_map(|place| place.held.drain(..)).collect();
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
}

#[cfg(test)]
mod tests;
