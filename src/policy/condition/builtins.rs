//! The functions that look at large values without a copy of them.

use std::rc::Rc;

use super::containers::{List, ListBuilder, Text};
use super::functions::Ours;
use super::interpreter::Interpreter;
use super::library::types;
use super::meter::{Halt, Meter};
use super::value::Val;

impl<'a> Interpreter<'a> {
    /// Calls one. Most are called as methods, and some as functions too: then the first argument is the target.
    pub(super) fn ours(
        &self,
        ours: Ours,
        name: &str,
        target: Option<Val<'a>>,
        arguments: Vec<Val<'a>>,
    ) -> Result<Val<'a>, Halt> {
        let values: Vec<Val<'a>> = target.into_iter().chain(arguments).collect();
        let meter = self.meter;
        match (ours, values.as_slice()) {
            (Ours::Size, [Val::Text(text)]) => {
                meter.bytes(text.as_str().len())?;
                Ok(Val::count(text.as_str().chars().count()))
            }
            (Ours::Size, [Val::Bytes(bytes)]) => Ok(Val::count(bytes.it.len())),
            (Ours::Size, [Val::List(list)]) => Ok(Val::count(list.len())),
            (Ours::Size, [Val::Map(map)]) => Ok(Val::count(map.len())),
            (Ours::Contains, [Val::Text(text), Val::Text(part)]) => {
                // Its search takes linear time.
                meter.bytes(text.as_str().len().saturating_add(part.as_str().len()).saturating_mul(4))?;
                Ok(Val::Bool(text.as_str().contains(part.as_str())))
            }
            (Ours::Contains, [container @ (Val::List(_) | Val::Map(_)), element]) => {
                self.contains(container, element).map(Val::Bool)
            }
            (Ours::StartsWith, [Val::Text(text), Val::Text(part)]) => {
                meter.bytes(part.as_str().len())?;
                Ok(Val::Bool(text.as_str().starts_with(part.as_str())))
            }
            (Ours::EndsWith, [Val::Text(text), Val::Text(part)]) => {
                meter.bytes(part.as_str().len())?;
                Ok(Val::Bool(text.as_str().ends_with(part.as_str())))
            }
            (Ours::Matches, [Val::Text(text), Val::Text(pattern)]) => {
                self.searches.matches(pattern.as_str(), text.as_str(), meter).map(Val::Bool)
            }
            (Ours::Find, [Val::Text(text), Val::Text(pattern)]) => {
                let found = self.searches.find(pattern.as_str(), text.as_str(), 0, meter)?;
                Val::copy(found.map_or("", |(_, found)| found), meter)
            }
            (Ours::FindAll, [Val::Text(text), Val::Text(pattern)]) => self.find_all(text, pattern, usize::MAX),
            (Ours::FindAll, [Val::Text(text), Val::Text(pattern), Val::Number(most)]) => {
                // A negative number is no limit.
                let most = most.whole().and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
                self.find_all(text, pattern, most)
            }
            (Ours::Join, [Val::List(list)]) => join(list, "", meter),
            (Ours::Join, [Val::List(list), Val::Text(separator)]) => join(list, separator.as_str(), meter),
            (Ours::First, [Val::List(list)]) => Ok(Val::Optional(list.get(0).map(Rc::new))),
            (Ours::Last, [Val::List(list)]) => {
                Ok(Val::Optional(list.len().checked_sub(1).and_then(|last| list.get(last)).map(Rc::new)))
            }
            (Ours::Dyn, [value]) => Ok(value.clone()),
            (Ours::Type, [value]) => Ok(Val::Type(value.type_name())),
            (Ours::OptionalNone, []) => Ok(Val::Optional(None)),
            (Ours::OptionalOf, [value]) => Ok(Val::some(value.clone())),
            (Ours::OptionalOfNonZero, [value]) => {
                Ok(if is_zero(value) { Val::Optional(None) } else { Val::some(value.clone()) })
            }
            (Ours::HasValue, [Val::Optional(value)]) => Ok(Val::Bool(value.is_some())),
            (Ours::Value, [Val::Optional(Some(value))]) => Ok((**value).clone()),
            (Ours::Value, [Val::Optional(None)]) => {
                Err(Halt::fault("an optional value is not there; use orValue(...)"))
            }
            (Ours::Or, [Val::Optional(Some(value)), Val::Optional(_)]) => Ok(Val::Optional(Some(value.clone()))),
            (Ours::Or, [Val::Optional(None), other @ Val::Optional(_)]) => Ok(other.clone()),
            (Ours::OrValue, [Val::Optional(value), other]) => {
                Ok(value.as_ref().map_or_else(|| other.clone(), |value| (**value).clone()))
            }
            (_, values) => {
                Err(Halt::fault(format!("{name} does not take {}", types(&values.iter().collect::<Vec<_>>()))))
            }
        }
    }

    fn find_all(&self, text: &Text<'a>, pattern: &Text<'a>, most: usize) -> Result<Val<'a>, Halt> {
        let (text, mut found) = (text.as_str(), ListBuilder::new(self.meter)?);
        let (mut from, mut count) = (0_usize, 0_usize);
        while count < most && from <= text.len() {
            let Some((end, piece)) = self.searches.find(pattern.as_str(), text, from, self.meter)? else { break };
            found.push(Val::copy(piece, self.meter)?)?;
            count = count.saturating_add(1);
            // An empty match is not found again.
            let next = text.get(end..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
            from = if piece.is_empty() { end.saturating_add(next) } else { end };
        }
        Ok(found.finish())
    }
}

/// Joins texts, with another between them.
fn join<'a>(list: &List<'a>, separator: &str, meter: &Meter<'_>) -> Result<Val<'a>, Halt> {
    let mut bytes = 0_usize;
    for item in list.iter() {
        meter.steps(1)?;
        let Val::Text(text) = &item else {
            return Err(Halt::fault(format!("join takes texts, found a {}", item.type_name())));
        };
        bytes = bytes.saturating_add(text.as_str().len()).saturating_add(separator.len());
    }
    drop(meter.reserve(bytes)?);
    let mut joined = String::with_capacity(bytes);
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            joined.push_str(separator);
        }
        if let Val::Text(text) = &item {
            joined.push_str(text.as_str());
        }
    }
    Val::text(joined, meter)
}

fn is_zero(value: &Val<'_>) -> bool {
    match value {
        Val::Null | Val::Bool(false) => true,
        Val::Number(number) => number.whole() == Some(0),
        Val::Text(text) => text.as_str().is_empty(),
        Val::Bytes(bytes) => bytes.it.is_empty(),
        Val::List(list) => list.len() == 0,
        Val::Map(map) => map.len() == 0,
        Val::Bool(true) | Val::Optional(_) | Val::Type(_) | Val::Library(_) => false,
    }
}
