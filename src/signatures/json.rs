//! JSON as signed documents need it: a member that occurs twice is refused, because two readers may see two different
//! documents in the same signed bytes. Depth is bounded by `serde_json` (128), and the number of values here.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Most values of one document. A value takes up to fifty times the memory of its text.
const MAX_VALUES: usize = 1 << 16;
/// Most values of a statement that was verified: a list of what is inside a large image has this many.
const MAX_STATEMENT_VALUES: usize = 1 << 20;

/// Most objects of such a statement. An object takes the memory of twenty other values.
const MAX_STATEMENT_OBJECTS: usize = 1 << 18;

/// Reads one JSON document and nothing after it.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    parse_within(MAX_VALUES, bytes)
}

/// The same for the statement of an attestation, whose signer is known by then.
pub(super) fn parse_large(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    parse_within(MAX_STATEMENT_VALUES, bytes)
}

/// Walks through a statement without building it, and refuses what [`parse_large`] would: whoever then reads it, the
/// `sigstore` crate among them, takes a bounded amount of memory.
pub(super) fn check_large(bytes: &[u8]) -> Result<(), serde_json::Error> {
    let (values, objects) = (Cell::new(MAX_STATEMENT_VALUES), Cell::new(MAX_STATEMENT_OBJECTS));
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Walk { values: &values, objects: &objects }.deserialize(&mut deserializer)?;
    deserializer.end()
}

fn parse_within(limit: usize, bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let left = Cell::new(limit);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { limit, left: &left }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict<'l> {
    /// How many values a document may have.
    limit: usize,
    /// How many values the document may still have.
    left: &'l Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(D::Error::custom(format_args!("it has more than {} values", self.limit))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member \"{name}\" occurs twice")));
            }
            let value = map.next_value_seed(self)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[derive(Clone, Copy)]
struct Walk<'l> {
    /// How many values the document may still have.
    values: &'l Cell<usize>,
    /// How many of them may be objects.
    objects: &'l Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.values.get().checked_sub(1) {
            Some(left) => self.values.set(left),
            None => return Err(D::Error::custom(format_args!("it has more than {MAX_STATEMENT_VALUES} values"))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
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
        while seq.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self.objects.get().checked_sub(1) {
            Some(left) => self.objects.set(left),
            None => return Err(A::Error::custom(format_args!("it has more than {MAX_STATEMENT_OBJECTS} objects"))),
        }
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) {
                return Err(A::Error::custom(format_args!("the member \"{name}\" occurs twice")));
            }
            names.insert(name);
            map.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
