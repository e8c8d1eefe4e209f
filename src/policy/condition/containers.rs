//! Texts, lists and maps: views of a statement, or made by an expression.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use kube_cel::cel::objects::Key as CelKey;
use serde_json::{Map as JsonMap, Value as Json};

use super::meter::{Halt, Meter, Reservation};
use super::number::Number;
use super::value::{Charged, VALUE, Val};

#[derive(Clone)]
pub(super) enum Text<'a> {
    Given(&'a str),
    Made(Rc<Charged<String>>),
}

#[derive(Clone)]
pub(super) enum List<'a> {
    Given(&'a [Json]),
    Made(Rc<Charged<Vec<Val<'a>>>>),
}

#[derive(Clone)]
pub(super) enum Map<'a> {
    Given(&'a JsonMap<String, Json>),
    Made(Rc<Charged<BTreeMap<Key<'a>, Val<'a>>>>),
}

/// A whole number is the same key whatever its type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    Bool(bool),
    Whole(i128),
    Text(Text<'a>),
}

/// A list that is being made.
pub(super) struct ListBuilder<'a, 'm> {
    items: Vec<Val<'a>>,
    memory: Reservation,
    meter: &'m Meter<'m>,
}

impl<'a, 'm> ListBuilder<'a, 'm> {
    pub(super) fn new(meter: &'m Meter<'_>) -> Result<Self, Halt> {
        Ok(Self { items: Vec::new(), memory: meter.reserve(VALUE)?, meter })
    }

    /// A list that grows may be twice as large as what is in it, and is in two places while it moves.
    pub(super) fn push(&mut self, item: Val<'a>) -> Result<(), Halt> {
        self.meter.steps(1)?;
        self.memory.grow(size_of::<Val<'_>>().saturating_mul(3))?;
        self.items.push(item);
        Ok(())
    }

    pub(super) fn finish(self) -> Val<'a> {
        let bytes = self.items.len().saturating_mul(size_of::<Val<'_>>());
        Val::List(List::Made(Charged::with(self.items, bytes, self.memory)))
    }
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Given(text) => text,
            Self::Made(text) => &text.it,
        }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Given(items) => items.len(),
            Self::Made(items) => items.it.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Val<'a>> {
        match self {
            Self::Given(items) => items.get(index).map(Val::of),
            Self::Made(items) => items.it.get(index).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Val<'a>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'a> Map<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Given(members) => members.len(),
            Self::Made(entries) => entries.it.len(),
        }
    }

    /// Looking for a key compares it with some that are there: each no further than it is long.
    pub(super) fn get(&self, key: &Key<'_>, meter: &Meter<'_>) -> Result<Option<Val<'a>>, Halt> {
        let depth = usize::try_from(self.len().checked_ilog2().unwrap_or_default()).unwrap_or(usize::MAX);
        meter.bytes(key.len().saturating_mul(depth.saturating_add(2)))?;
        Ok(match (self, key) {
            (Self::Given(members), Key::Text(name)) => members.get(name.as_str()).map(Val::of),
            (Self::Given(_), _) => None,
            (Self::Made(entries), key) => entries.it.get(key).cloned(),
        })
    }

    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = (Key<'a>, Val<'a>)> + '_> {
        match self {
            Self::Given(members) => {
                Box::new(members.iter().map(|(name, value)| (Key::Text(Text::Given(name)), Val::of(value))))
            }
            Self::Made(entries) => Box::new(entries.it.iter().map(|(key, value)| (key.clone(), value.clone()))),
        }
    }
}

impl<'a> Key<'a> {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.as_str().len(),
            _ => 16,
        }
    }

    pub(super) fn to_cel(&self) -> CelKey {
        match self {
            Self::Bool(bool) => CelKey::Bool(*bool),
            Self::Whole(whole) => match i64::try_from(*whole) {
                Ok(int) => CelKey::Int(int),
                Err(_) => CelKey::Uint(u64::try_from(*whole).unwrap_or(u64::MAX)),
            },
            Self::Text(text) => text.as_str().into(),
        }
    }

    pub(super) fn value(self) -> Val<'a> {
        match self {
            Self::Bool(bool) => Val::Bool(bool),
            Self::Whole(whole) => Val::Number(match i64::try_from(whole) {
                Ok(int) => Number::Int(int),
                Err(_) => Number::UInt(u64::try_from(whole).unwrap_or(u64::MAX)),
            }),
            Self::Text(text) => Val::Text(text),
        }
    }
}
