//! Strict JSON in one pass that keeps only the fields it was asked for.
//!
//! Refused anywhere: the same key twice (readers differ on which one counts), lone surrogates, more than 128 levels. Refused
//! where a field is read: its name in another case, and a value of another type. What is not kept costs eight bytes a key.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::domain::Digest;
use crate::domain::text::Foreign;

/// Most elements of a list that are kept; Kubernetes can't store a pod with that many.
const MAX_KEPT: usize = 8192;
/// Longest text that is kept whole, in bytes. No name and no reference is as long.
pub(super) const MAX_TEXT: usize = 1024;

/// An object of which some fields are kept.
pub(super) trait Fields<'de>: Default {
    /// The names of the fields that [`Self::read`] takes.
    const KNOWN: &'static [&'static str];

    /// Takes the value of a known field from `map`. Called at most once a field.
    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A, notes: Notes<'_>) -> Result<(), A::Error>;
}

/// What is counted while reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notes<'n> {
    image_like: Option<&'n Cell<usize>>,
}

impl<'n> Notes<'n> {
    /// Counts nothing.
    pub(super) const NONE: Notes<'static> = Notes { image_like: None };

    /// Counts skipped fields named `image` or `reference`.
    pub(super) fn counting(counter: &'n Cell<usize>) -> Self {
        Self { image_like: Some(counter) }
    }

    fn skipped(self, key: &str) {
        if let Some(counter) = self.image_like
            && matches!(key, "image" | "reference")
        {
            counter.set(counter.get().saturating_add(1));
        }
    }
}

/// Reads a whole document that must be an object.
pub(super) fn document<'de, T: Fields<'de>>(bytes: &'de [u8]) -> Result<T, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = RequiredObject(PhantomData).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// The next value as an object; `null` is an empty one, as the API server reads it.
pub(super) fn object<'de, T: Fields<'de>, A: MapAccess<'de>>(map: &mut A, notes: Notes<'_>) -> Result<T, A::Error> {
    Ok(map.next_value_seed(OptionalObject::new(notes))?.unwrap_or_default())
}

/// The next value as a list of objects; `null` is an empty one.
pub(super) fn list<'de, T: Fields<'de>, A: MapAccess<'de>>(map: &mut A, notes: Notes<'_>) -> Result<Vec<T>, A::Error> {
    map.next_value_seed(List(PhantomData, notes))
}

/// The next value as a string; `null` is an absent one. Of one that is too long its beginning and its hash are kept: different texts
/// stay different, and what is made of them later stays small.
pub(super) fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<String>, A::Error> {
    let text: Option<String> = map.next_value()?;
    Ok(text.map(|text| {
        if text.len() <= MAX_TEXT {
            return text;
        }
        let beginning = text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default();
        format!("{beginning}… {}", Digest::of(text.as_bytes()))
    }))
}

/// Skips the next value, looking only for what is refused anywhere.
pub(super) fn skip<'de, A: MapAccess<'de>>(map: &mut A, notes: Notes<'_>) -> Result<(), A::Error> {
    map.next_value_seed(Skip(notes))
}

/// Goes through the fields of an object: `field` takes the values of those that are `known`, the others are skipped.
pub(super) fn each_field<'de, A: MapAccess<'de>>(
    mut map: A,
    known: &[&str],
    notes: Notes<'_>,
    mut field: impl FnMut(&str, &mut A) -> Result<(), A::Error>,
) -> Result<(), A::Error> {
    let mut keys = Keys::default();
    while let Some(Key(key)) = map.next_key()? {
        keys.insert(&key);
        if known.contains(&key.as_ref()) {
            field(&key, &mut map)?;
        } else if let Some(meant) = known.iter().find(|name| name.eq_ignore_ascii_case(&key) && !name.contains('/')) {
            // Annotations, whose names have a slash, are no fields: there the case is the user's.
            return Err(A::Error::custom(format_args!("the field {meant} is written as {}", Foreign(&key))));
        } else {
            notes.skipped(&key);
            skip(&mut map, notes)?;
        }
    }
    if keys.repeat() { Err(A::Error::custom("an object has the same key twice")) } else { Ok(()) }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The keys of one object, as keyed hashes: eight bytes each, whatever an attacker writes. Two keys with the same hash count as
/// a repeat, which happens by chance once in 10^13 reviews and is on the safe side.
#[derive(Default)]
struct Keys(Vec<u64>);

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Keys {
    fn insert(&mut self, key: &str) {
        self.0.push(HASHER.hash_one(key));
    }

    fn repeat(mut self) -> bool {
        self.0.sort_unstable();
        self.0.array_windows().any(|[a, b]| a == b)
    }
}

struct Skip<'n>(Notes<'n>);

impl<'de> DeserializeSeed<'de> for Skip<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Skip(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        each_field(map, &[], self.0, |_, _| Ok(()))
    }
}

/// An object; `null` is refused.
struct RequiredObject<T>(PhantomData<T>);

impl<'de, T: Fields<'de>> DeserializeSeed<'de> for RequiredObject<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Fields<'de>> Visitor<'de> for RequiredObject<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        read_fields(map, Notes::NONE)
    }
}

/// An object, or nothing for `null`.
pub(super) struct OptionalObject<'n, T> {
    notes: Notes<'n>,
    read: PhantomData<T>,
}

impl<'n, T> OptionalObject<'n, T> {
    /// A reader of the next value.
    pub(super) fn new(notes: Notes<'n>) -> Self {
        Self { notes, read: PhantomData }
    }
}

impl<'de, T: Fields<'de>> DeserializeSeed<'de> for OptionalObject<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Fields<'de>> Visitor<'de> for OptionalObject<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        read_fields(map, self.notes).map(Some)
    }
}

fn read_fields<'de, T: Fields<'de>, A: MapAccess<'de>>(map: A, notes: Notes<'_>) -> Result<T, A::Error> {
    let mut value = T::default();
    each_field(map, T::KNOWN, notes, |key, map| value.read(key, map, notes))?;
    Ok(value)
}

struct List<'n, T>(PhantomData<T>, Notes<'n>);

impl<'de, T: Fields<'de>> DeserializeSeed<'de> for List<'_, T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Fields<'de>> Visitor<'de> for List<'_, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut kept = Vec::new();
        while let Some(value) = seq.next_element_seed(OptionalObject::new(self.1))? {
            if kept.len() == MAX_KEPT {
                return Err(A::Error::custom(format_args!("a list has more than {MAX_KEPT} elements")));
            }
            kept.push(value.unwrap_or_default());
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests;
