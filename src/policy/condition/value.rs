//! Values of CEL. What comes from a statement is read where it is; the memory of what an expression makes is charged.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use kube_cel::cel::Value as Cel;
use kube_cel::cel::objects::Map as CelMap;
use serde_json::Value as Json;

use super::containers::{Key, List, ListBuilder, Map, Text};
use super::meter::{Halt, Meter, Reservation};
use super::number::Number;

/// A value, or a view of one.
#[derive(Clone)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text<'a>),
    Bytes(Rc<Charged<Vec<u8>>>),
    List(List<'a>),
    Map(Map<'a>),
    Optional(Option<Rc<Self>>),
    /// What `type(x)` answers, by its name.
    Type(&'static str),
    /// A value of the libraries: a time, an address, a version and the like. It is no larger than what it was made of.
    Library(Rc<Charged<Cel>>),
}

/// Something that was made, with its memory.
pub(super) struct Charged<T> {
    pub(super) it: T,
    bytes: usize,
    _memory: Reservation,
}

/// What a value takes in any form, without what is inside it, in bytes.
pub(super) const VALUE: usize = 64;

impl<T> Charged<T> {
    pub(super) fn new(it: T, bytes: usize, meter: &Meter<'_>) -> Result<Rc<Self>, Halt> {
        let bytes = bytes.saturating_add(VALUE);
        Ok(Self::with(it, bytes, meter.reserve(bytes)?))
    }

    /// In memory that was charged before.
    pub(super) fn with(it: T, bytes: usize, memory: Reservation) -> Rc<Self> {
        Rc::new(Self { it, bytes, _memory: memory })
    }
}

impl<'a> Val<'a> {
    pub(super) fn of(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(bool) => Self::Bool(*bool),
            Json::Number(number) => Self::Number(Number::of(number)),
            Json::String(text) => Self::Text(Text::Given(text)),
            Json::Array(items) => Self::List(List::Given(items)),
            Json::Object(members) => Self::Map(Map::Given(members)),
        }
    }

    pub(super) fn int(int: i64) -> Self {
        Self::Number(Number::Int(int))
    }

    pub(super) fn count(count: usize) -> Self {
        Self::int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// A text that was made, in memory that was charged before.
    pub(super) fn text(text: String, meter: &Meter<'_>) -> Result<Self, Halt> {
        let bytes = text.len();
        Ok(Self::Text(Text::Made(Charged::new(text, bytes, meter)?)))
    }

    /// A copy of a part of a text.
    pub(super) fn copy(text: &str, meter: &Meter<'_>) -> Result<Self, Halt> {
        drop(meter.reserve(text.len())?);
        Self::text(text.to_owned(), meter)
    }

    pub(super) fn some(value: Self) -> Self {
        Self::Optional(Some(Rc::new(value)))
    }

    /// The type, as `type(x)` names it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Number(number) => number.type_name(),
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Library(library) => match library.it {
                Cel::Timestamp(_) => "google.protobuf.Timestamp",
                Cel::Duration(_) => "google.protobuf.Duration",
                _ => "value of a library",
            },
        }
    }

    pub(super) fn as_bool(&self) -> Result<bool, Halt> {
        match self {
            Self::Bool(bool) => Ok(*bool),
            other => Err(Halt::fault(format!("expected true or false, found a {}", other.type_name()))),
        }
    }

    /// Values of different types differ, except numbers of the same worth.
    pub(super) fn equals(&self, other: &Self, meter: &Meter<'_>) -> Result<bool, Halt> {
        meter.steps(1)?;
        Ok(match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a.order(*b) == Some(Ordering::Equal),
            (Self::Text(a), Self::Text(b)) => {
                let (a, b) = (a.as_str(), b.as_str());
                a.len() == b.len() && meter.bytes(a.len()).map(|()| a == b)?
            }
            (Self::Bytes(a), Self::Bytes(b)) => {
                a.it.len() == b.it.len() && meter.bytes(a.it.len()).map(|()| a.it == b.it)?
            }
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && every(a.iter().zip(b.iter()), |(a, b)| a.equals(&b, meter))?
            }
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len()
                    && every(a.iter(), |(key, value)| match b.get(&key, meter)? {
                        Some(other) => value.equals(&other, meter),
                        None => Ok(false),
                    })?
            }
            (Self::Optional(a), Self::Optional(b)) => match (a, b) {
                (Some(a), Some(b)) => a.equals(b, meter)?,
                (None, None) => true,
                _ => false,
            },
            (Self::Type(a), Self::Type(b)) => a == b,
            (Self::Library(a), Self::Library(b)) => {
                meter.bytes(a.bytes.min(b.bytes))?;
                a.it == b.it
            }
            _ => false,
        })
    }

    /// The order of two values that have one.
    pub(super) fn compare(&self, other: &Self, meter: &Meter<'_>) -> Result<Ordering, Halt> {
        let order = match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => a.order(*b),
            (Self::Text(a), Self::Text(b)) => {
                meter.bytes(a.as_str().len().min(b.as_str().len()))?;
                Some(a.cmp(b))
            }
            (Self::Bytes(a), Self::Bytes(b)) => {
                meter.bytes(a.it.len().min(b.it.len()))?;
                Some(a.it.cmp(&b.it))
            }
            (Self::Library(a), Self::Library(b)) => match (&a.it, &b.it) {
                (Cel::Timestamp(a), Cel::Timestamp(b)) => Some(a.cmp(b)),
                (Cel::Duration(a), Cel::Duration(b)) => Some(a.cmp(b)),
                _ => None,
            },
            _ => None,
        };
        order.ok_or_else(|| Halt::fault(format!("a {} and a {} have no order", self.type_name(), other.type_name())))
    }

    /// What a copy for the libraries takes, in bytes, with all that is inside. The walk is charged.
    pub(super) fn weight(&self, meter: &Meter<'_>) -> Result<usize, Halt> {
        meter.steps(1)?;
        let inside = match self {
            Self::Text(text) => text.as_str().len(),
            Self::Bytes(bytes) => bytes.it.len(),
            Self::List(list) => sum(list.iter().map(|item| item.weight(meter)))?,
            Self::Map(map) => {
                sum(map.iter().flat_map(|(key, value)| [key.value().weight(meter), value.weight(meter)]))?
            }
            Self::Library(library) => library.bytes,
            _ => 0,
        };
        Ok(inside.saturating_add(VALUE))
    }

    /// A copy for the libraries. The memory and the work are charged by the caller: see [`Val::weight`].
    pub(super) fn to_cel(&self) -> Result<Cel, Halt> {
        Ok(match self {
            Self::Null => Cel::Null,
            Self::Bool(bool) => Cel::Bool(*bool),
            Self::Number(Number::Int(int)) => Cel::Int(*int),
            Self::Number(Number::UInt(uint)) => Cel::UInt(*uint),
            Self::Number(Number::Double(double)) => Cel::Float(*double),
            Self::Text(text) => text.as_str().into(),
            Self::Bytes(bytes) => bytes.it.clone().into(),
            Self::List(list) => Cel::List(list.iter().map(|item| item.to_cel()).collect::<Result<Vec<_>, _>>()?.into()),
            Self::Map(map) => {
                let entries = map.iter().map(|(key, value)| Ok((key.to_cel(), value.to_cel()?)));
                Cel::Map(CelMap { map: entries.collect::<Result<HashMap<_, _>, Halt>>()?.into() })
            }
            Self::Library(library) => library.it.clone(),
            Self::Optional(_) | Self::Type(_) => {
                return Err(Halt::fault(format!("a {} can't be given to this function", self.type_name())));
            }
        })
    }

    /// What the libraries answer. A value of theirs is no larger than `bytes`.
    pub(super) fn from_cel(value: Cel, bytes: usize, meter: &Meter<'_>) -> Result<Self, Halt> {
        meter.steps(1)?;
        Ok(match value {
            Cel::Null => Self::Null,
            Cel::Bool(bool) => Self::Bool(bool),
            Cel::Int(int) => Self::int(int),
            Cel::UInt(uint) => Self::Number(Number::UInt(uint)),
            Cel::Float(double) => Self::Number(Number::Double(double)),
            Cel::String(text) => Self::copy(&text, meter)?,
            Cel::Bytes(bytes) => Self::Bytes(Charged::new(bytes.to_vec(), bytes.len(), meter)?),
            Cel::List(items) => {
                let mut list = ListBuilder::new(meter)?;
                for item in items.iter() {
                    list.push(Self::from_cel(item.clone(), bytes, meter)?)?;
                }
                list.finish()
            }
            value @ (Cel::Timestamp(_) | Cel::Duration(_) | Cel::Opaque(_)) => {
                Self::Library(Charged::new(value, bytes, meter)?)
            }
            Cel::Map(_) | Cel::Function(..) => {
                return Err(Halt::fault("the function answers nothing that can be used"));
            }
        })
    }

    pub(super) fn map(entries: Vec<(Key<'a>, Self)>, meter: &Meter<'_>) -> Result<Self, Halt> {
        let each = VALUE.saturating_mul(4);
        let bytes = entries.len().saturating_mul(each);
        Ok(Self::Map(Map::Made(Charged::new(entries.into_iter().collect(), bytes, meter)?)))
    }

    /// As a key of a map.
    pub(super) fn key(&self) -> Result<Key<'a>, Halt> {
        match self {
            Self::Bool(bool) => Ok(Key::Bool(*bool)),
            Self::Text(text) => Ok(Key::Text(text.clone())),
            Self::Number(number) => number
                .whole()
                .map(Key::Whole)
                .ok_or_else(|| Halt::fault("a number that is not whole is not a key of a map")),
            other => Err(Halt::fault(format!("a {} is not a key of a map", other.type_name()))),
        }
    }
}

/// Whether it holds of all.
fn every<T>(items: impl IntoIterator<Item = T>, mut holds: impl FnMut(T) -> Result<bool, Halt>) -> Result<bool, Halt> {
    for item in items {
        if !holds(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn sum(mut sizes: impl Iterator<Item = Result<usize, Halt>>) -> Result<usize, Halt> {
    sizes.try_fold(0, |sum: usize, size| Ok(sum.saturating_add(size?)))
}
