//! Regular expressions of a condition: compiled when the policy is read, searched for in time that grows with the text alone.
//!
//! The search is a lazily built automaton. Where a text makes it build states faster than it reads, the search gives up instead
//! of becoming slow: an expression that is not made to do that never does.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use regex_automata::Input;
use regex_automata::hybrid::dfa;
use regex_automata::hybrid::regex::{Cache, Regex};
use regex_automata::nfa::thompson;

use super::limits::{MAX_PATTERN, MAX_PATTERNS, MAX_PROGRAM, PATTERN_CACHE};
use super::meter::{Halt, Meter, Reservation};
use crate::domain::text::foreign;

/// A search gives up when it has filled its cache so often,
const FILLS: usize = 3;
/// and has read less than so many bytes for each state it built.
const BYTES_PER_STATE: usize = 64;

/// The regular expressions of one condition, by their text.
pub(super) struct Patterns(BTreeMap<String, Regex>);

/// What one evaluation keeps for its searches.
pub(super) struct Searches<'p> {
    patterns: &'p Patterns,
    caches: RefCell<HashMap<&'p str, (Cache, Reservation)>>,
}

impl Patterns {
    pub(super) fn compile(sources: &BTreeSet<String>) -> Result<Self, String> {
        if sources.len() > MAX_PATTERNS {
            return Err(format!("{} regular expressions; at most {MAX_PATTERNS} in one condition", sources.len()));
        }
        let compiled = sources.iter().map(|source| Ok((source.clone(), compile(source)?)));
        Ok(Self(compiled.collect::<Result<_, String>>()?))
    }
}

fn compile(source: &str) -> Result<Regex, String> {
    if source.len() > MAX_PATTERN {
        return Err(format!("a regular expression of {} bytes; at most {MAX_PATTERN} are read", source.len()));
    }
    let program = thompson::Config::new().nfa_size_limit(Some(MAX_PROGRAM));
    let search = dfa::Config::new()
        .cache_capacity(PATTERN_CACHE)
        .minimum_cache_clear_count(Some(FILLS))
        .minimum_bytes_per_state(Some(BYTES_PER_STATE))
        .unicode_word_boundary(true);
    Regex::builder()
        .thompson(program)
        .dfa(search)
        .build(source)
        .map_err(|_| format!("'{}' is not a regular expression, or one that is too large", foreign(source)))
}

impl<'p> Searches<'p> {
    pub(super) fn new(patterns: &'p Patterns) -> Self {
        Self { patterns, caches: RefCell::default() }
    }

    /// Whether the text has a match.
    pub(super) fn matches(&self, pattern: &str, text: &str, meter: &Meter<'_>) -> Result<bool, Halt> {
        meter.pairs(text.len(), 1)?;
        self.with(pattern, meter, |regex, cache| {
            let input = Input::new(text).earliest(true);
            regex.forward().try_search_fwd(cache.forward_mut(), &input).map(|end| end.is_some())
        })
    }

    /// The first match from there on.
    pub(super) fn find<'t>(
        &self,
        pattern: &str,
        text: &'t str,
        from: usize,
        meter: &Meter<'_>,
    ) -> Result<Option<(usize, &'t str)>, Halt> {
        // Forward to where it ends, and back to where it begins.
        meter.pairs(text.len().saturating_sub(from), 2)?;
        let found = self
            .with(pattern, meter, |regex, cache| regex.try_search(cache, &Input::new(text).range(from..text.len())))?;
        Ok(found.and_then(|found| Some((found.end(), text.get(found.range())?))))
    }

    fn with<T>(
        &self,
        pattern: &str,
        meter: &Meter<'_>,
        search: impl FnOnce(&Regex, &mut Cache) -> Result<T, regex_automata::MatchError>,
    ) -> Result<T, Halt> {
        let Some((source, regex)) = self.patterns.0.get_key_value(pattern) else {
            return Err(Halt::fault("a regular expression that is not written out"));
        };
        let mut caches = self.caches.borrow_mut();
        if !caches.contains_key(source.as_str()) {
            let memory = meter.reserve(PATTERN_CACHE.saturating_mul(2))?;
            caches.insert(source, (regex.create_cache(), memory));
        }
        let Some((cache, _)) = caches.get_mut(source.as_str()) else { return Err(Halt::fault("no memory to search")) };
        search(regex, cache).map_err(|_| {
            Halt::Expensive(format!(
                "the search for '{}' in a text of the statement takes too much, or its \\b meets letters outside ASCII",
                foreign(source)
            ))
        })
    }
}
