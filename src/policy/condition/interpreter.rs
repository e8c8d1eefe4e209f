//! Evaluates the tree of an expression (cel-spec, "Evaluation"), and charges each step before it is done.
//!
//! The parser is the `cel` crate's, and so are most functions. Its evaluator is not used: it has no budget and copies whatever it
//! touches, and where it meets a value of a type that an operation is not made for it answers false in places where the language
//! has an error.

use std::cmp::Ordering;

use kube_cel::cel::common::ast::operators as op;
use kube_cel::cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr};
use serde_json::Value as Json;

use super::containers::{ListBuilder, Text};
use super::functions::{self, Function};
use super::library::{self, Work, types};
use super::meter::{Halt, Meter};
use super::number::{Number, Operation};
use super::pattern::Searches;
use super::value::{Charged, Val};
use crate::domain::text::foreign;

/// Names of types, which `type(x) == string` and the like compare with.
pub(super) const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

pub(super) type Answer<'a> = Result<Val<'a>, Halt>;

/// One evaluation.
pub(super) struct Interpreter<'a> {
    pub(super) variables: &'a [(&'static str, &'a Json)],
    pub(super) searches: Searches<'a>,
    pub(super) meter: &'a Meter<'a>,
}

/// The names that comprehensions bind, the innermost first. An error may be bound too: a later element may make up for it.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'a> {
    pub(super) outer: Option<&'s Self>,
    pub(super) name: &'a str,
    pub(super) value: &'s Answer<'a>,
}

impl<'a> Interpreter<'a> {
    pub(super) fn evaluate(&self, expression: &'a IdedExpr, scope: Option<&Scope<'_, 'a>>) -> Answer<'a> {
        self.meter.steps(1)?;
        match &expression.expr {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Ident(name) => self.named(name, scope),
            Expr::Select(select) if select.test => {
                let operand = self.evaluate(&select.operand, scope)?;
                Ok(Val::Bool(self.member_if_present(&operand, &select.field)?.is_some()))
            }
            Expr::Select(select) => {
                let operand = self.evaluate(&select.operand, scope)?;
                self.select(&operand, &select.field)
            }
            Expr::Call(call) => self.call(call, scope),
            Expr::List(list) => self.list(list, scope),
            Expr::Map(map) => self.map(map, scope),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, scope),
            Expr::Struct(_) | Expr::Unspecified => Err(Halt::fault("there are no messages here")),
        }
    }

    fn literal(&self, literal: &'a LiteralValue) -> Answer<'a> {
        Ok(match literal {
            LiteralValue::Boolean(bool) => Val::Bool(*bool.inner()),
            LiteralValue::Int(int) => Val::int(*int.inner()),
            LiteralValue::UInt(uint) => Val::Number(Number::UInt(*uint.inner())),
            LiteralValue::Double(double) => Val::Number(Number::Double(*double.inner())),
            LiteralValue::Null => Val::Null,
            LiteralValue::String(text) => Val::Text(Text::Given(text.inner())),
            LiteralValue::Bytes(bytes) => {
                let bytes = bytes.inner();
                Val::Bytes(Charged::new(bytes.to_vec(), bytes.len(), self.meter)?)
            }
        })
    }

    fn named(&self, name: &str, scope: Option<&Scope<'_, 'a>>) -> Answer<'a> {
        let mut inner = scope;
        while let Some(scope) = inner {
            if scope.name == name {
                return scope.value.clone();
            }
            inner = scope.outer;
        }
        let variable = self.variables.iter().find(|(variable, _)| *variable == name);
        let of_type = || TYPES.into_iter().find(|of_type| *of_type == name).map(Val::Type);
        variable
            .map(|(_, value)| Val::of(value))
            .or_else(of_type)
            .ok_or_else(|| Halt::fault(format!("there is no variable {}", foreign(name))))
    }

    fn select(&self, operand: &Val<'a>, field: &str) -> Answer<'a> {
        match operand {
            // Once optional, always optional.
            Val::Optional(_) => self.select_optional(operand, field),
            value => self.member(value, field)?.ok_or_else(|| {
                Halt::fault(format!("the statement has no field {}; guard it with has(...)", foreign(field)))
            }),
        }
    }

    fn select_optional(&self, operand: &Val<'a>, field: &str) -> Answer<'a> {
        Ok(Val::Optional(self.member_if_present(operand, field)?.map(Into::into)))
    }

    /// What a map has by that name, or an optional map that is there.
    fn member_if_present(&self, value: &Val<'a>, field: &str) -> Result<Option<Val<'a>>, Halt> {
        match value {
            Val::Optional(None) => Ok(None),
            Val::Optional(Some(value)) => self.member(value, field),
            value => self.member(value, field),
        }
    }

    /// What a map has by that name. What is not a map has no fields, and is not without the field either.
    fn member(&self, value: &Val<'a>, field: &str) -> Result<Option<Val<'a>>, Halt> {
        match value {
            Val::Map(map) => map.get(&Val::Text(Text::Given(field)).key()?, self.meter),
            other => {
                let found = other.type_name();
                Err(Halt::fault(format!("the field {} is asked of a {found}, which has no fields", foreign(field))))
            }
        }
    }

    fn index(&self, container: &Val<'a>, index: &Val<'a>) -> Result<Option<Val<'a>>, Halt> {
        match (container, index) {
            (Val::List(list), Val::Number(number)) => {
                let whole = number.whole().ok_or_else(|| Halt::fault("an index of a list is a whole number"))?;
                Ok(usize::try_from(whole).ok().and_then(|index| list.get(index)))
            }
            (Val::Map(map), key) => map.get(&key.key()?, self.meter),
            (container, index) => {
                Err(Halt::fault(format!("a {} has no element at a {}", container.type_name(), index.type_name())))
            }
        }
    }

    fn list(&self, list: &'a ListExpr, scope: Option<&Scope<'_, 'a>>) -> Answer<'a> {
        let mut made = ListBuilder::new(self.meter)?;
        for (at, element) in list.elements.iter().enumerate() {
            let value = self.evaluate(element, scope)?;
            if let Some(value) = present(value, list.optional_indices.contains(&at))? {
                made.push(value)?;
            }
        }
        Ok(made.finish())
    }

    fn map(&self, map: &'a MapExpr, scope: Option<&Scope<'_, 'a>>) -> Answer<'a> {
        let mut entries = Vec::new();
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { return Err(Halt::fault("there are no messages here")) };
            let key = self.evaluate(&entry.key, scope)?.key()?;
            let value = self.evaluate(&entry.value, scope)?;
            if entries.iter().any(|(other, _)| *other == key) {
                return Err(Halt::fault("a key is twice in a map"));
            }
            if let Some(value) = present(value, entry.optional)? {
                entries.push((key, value));
            }
        }
        Val::map(entries, self.meter)
    }

    fn call(&self, call: &'a CallExpr, scope: Option<&Scope<'_, 'a>>) -> Answer<'a> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (op::CONDITIONAL, [test, then, otherwise]) => {
                let test = self.evaluate(test, scope)?.as_bool()?;
                self.evaluate(if test { then } else { otherwise }, scope)
            }
            (op::LOGICAL_AND, [one, other]) => self.either(false, one, other, scope),
            (op::LOGICAL_OR, [one, other]) => self.either(true, one, other, scope),
            (op::NOT_STRICTLY_FALSE, [value]) => match self.evaluate(value, scope) {
                Ok(Val::Bool(false)) => Ok(Val::Bool(false)),
                Ok(_) | Err(Halt::Fault(_)) => Ok(Val::Bool(true)),
                Err(halt) => Err(halt),
            },
            (op::LOGICAL_NOT, [value]) => Ok(Val::Bool(!self.evaluate(value, scope)?.as_bool()?)),
            (op::NEGATE, [value]) => match self.evaluate(value, scope)? {
                Val::Number(number) => Ok(Val::Number(number.negate()?)),
                other => Err(Halt::fault(format!("there is no negative of a {}", other.type_name()))),
            },
            (operator, [one, other]) if call.target.is_none() && !operator.starts_with(char::is_alphabetic) => {
                let (one, other) = (self.evaluate(one, scope)?, self.evaluate(other, scope)?);
                self.operate(operator, &one, &other)
            }
            _ => self.function(call, scope),
        }
    }

    /// `||` where `decisive` is true, `&&` where it is false: one operand that is decisive decides, whatever the other is.
    fn either(
        &self,
        decisive: bool,
        one: &'a IdedExpr,
        other: &'a IdedExpr,
        scope: Option<&Scope<'_, 'a>>,
    ) -> Answer<'a> {
        let truth = |expression| self.evaluate(expression, scope)?.as_bool();
        let fault = match truth(one) {
            Ok(bool) if bool == decisive => return Ok(Val::Bool(decisive)),
            Ok(_) => None,
            Err(Halt::Fault(fault)) => Some(fault),
            Err(halt) => return Err(halt),
        };
        match (truth(other)?, fault) {
            (bool, _) if bool == decisive => Ok(Val::Bool(decisive)),
            (_, Some(fault)) => Err(Halt::Fault(fault)),
            (bool, None) => Ok(Val::Bool(bool)),
        }
    }

    fn operate(&self, operator: &str, one: &Val<'a>, other: &Val<'a>) -> Answer<'a> {
        let ordered = |wanted: fn(Ordering) -> bool| one.compare(other, self.meter).map(wanted).map(Val::Bool);
        match operator {
            op::EQUALS => one.equals(other, self.meter).map(Val::Bool),
            op::NOT_EQUALS => one.equals(other, self.meter).map(|equal| Val::Bool(!equal)),
            op::LESS => ordered(Ordering::is_lt),
            op::LESS_EQUALS => ordered(Ordering::is_le),
            op::GREATER => ordered(Ordering::is_gt),
            op::GREATER_EQUALS => ordered(Ordering::is_ge),
            op::IN => self.contains(other, one).map(Val::Bool),
            op::ADD => self.add(one, other),
            op::SUBSTRACT => self.reckon(Operation::Subtract, operator, one, other),
            op::MULTIPLY => self.reckon(Operation::Multiply, operator, one, other),
            op::DIVIDE => self.reckon(Operation::Divide, operator, one, other),
            op::MODULO => self.reckon(Operation::Remainder, operator, one, other),
            op::INDEX if matches!(one, Val::Optional(_)) => self.index_optional(one, other),
            op::INDEX => self.index(one, other)?.ok_or_else(|| {
                Halt::fault("the statement has no element at this index; guard it with size(...) or in")
            }),
            op::OPT_INDEX => self.index_optional(one, other),
            op::OPT_SELECT => match other {
                Val::Text(field) => self.select_optional(one, field.as_str()),
                _ => Err(Halt::fault("a field is named by a text")),
            },
            _ => Err(Halt::fault(format!("there is no operator {}", foreign(operator)))),
        }
    }

    fn index_optional(&self, container: &Val<'a>, index: &Val<'a>) -> Answer<'a> {
        let found = match container {
            Val::Optional(None) => None,
            Val::Optional(Some(value)) => self.index(value, index)?,
            value => self.index(value, index)?,
        };
        Ok(Val::Optional(found.map(Into::into)))
    }

    /// `element in container`
    pub(super) fn contains(&self, container: &Val<'a>, element: &Val<'a>) -> Result<bool, Halt> {
        match container {
            Val::List(list) => {
                for item in list.iter() {
                    if item.equals(element, self.meter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Val::Map(map) => match element {
                Val::Number(number) if number.whole().is_none() => Ok(false),
                key => Ok(map.get(&key.key()?, self.meter)?.is_some()),
            },
            other => Err(Halt::fault(format!("a {} has no elements", other.type_name()))),
        }
    }

    fn add(&self, one: &Val<'a>, other: &Val<'a>) -> Answer<'a> {
        match (one, other) {
            (Val::Text(a), Val::Text(b)) => {
                let (a, b) = (a.as_str(), b.as_str());
                drop(self.meter.reserve(a.len().saturating_add(b.len()))?);
                Val::text([a, b].concat(), self.meter)
            }
            (Val::Bytes(a), Val::Bytes(b)) => {
                let len = a.it.len().saturating_add(b.it.len());
                drop(self.meter.reserve(len)?);
                Ok(Val::Bytes(Charged::new([a.it.as_slice(), b.it.as_slice()].concat(), len, self.meter)?))
            }
            (Val::List(a), Val::List(b)) => {
                let mut made = ListBuilder::new(self.meter)?;
                a.iter().chain(b.iter()).try_for_each(|item| made.push(item))?;
                Ok(made.finish())
            }
            _ => self.reckon(Operation::Add, op::ADD, one, other),
        }
    }

    /// With numbers, times and durations.
    fn reckon(&self, operation: Operation, operator: &str, one: &Val<'a>, other: &Val<'a>) -> Answer<'a> {
        match (one, other) {
            (Val::Number(a), Val::Number(b)) => a.reckon(operation, *b).map(Val::Number),
            (Val::Library(_), Val::Library(_)) => {
                library::call(None, operator, Work::Linear, None, &[one.clone(), other.clone()], self.meter)
            }
            _ => Err(Halt::fault(format!("there is no operator {operator} for {}", types(&[one, other])))),
        }
    }

    fn function(&self, call: &'a CallExpr, scope: Option<&Scope<'_, 'a>>) -> Answer<'a> {
        let name = call.func_name.as_str();
        let spaced = functions::spaced(call);
        let target = match (&spaced, call.target.as_deref()) {
            (None, Some(target)) => Some(self.evaluate(target, scope)?),
            _ => None,
        };
        let arguments =
            call.args.iter().map(|argument| self.evaluate(argument, scope)).collect::<Result<Vec<_>, _>>()?;
        let function = spaced.as_ref().map(|(_, function)| *function).or_else(|| functions::find(name));
        match function {
            Some(Function::Ours(ours)) => self.ours(ours, name, target, arguments),
            Some(Function::Library(work)) => {
                let space = spaced.map(|(space, _)| space);
                library::call(space, name, work, target.as_ref(), &arguments, self.meter)
            }
            None => Err(Halt::fault(format!("there is no function {}", foreign(name)))),
        }
    }
}

/// The value of an element or entry; nothing for an optional one that is not there.
fn present(value: Val<'_>, is_optional: bool) -> Result<Option<Val<'_>>, Halt> {
    match value {
        Val::Optional(value) if is_optional => Ok(value.map(|value| (*value).clone())),
        other if is_optional => Err(Halt::fault(format!("expected an optional value, found a {}", other.type_name()))),
        value => Ok(Some(value)),
    }
}
