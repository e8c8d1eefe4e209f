//! Expressions in CEL (cel-spec), with the functions that Kubernetes adds.
//!
//! The interpreter has no budget of its own, so there are three bounds: on the text before it is parsed, on the shape of the
//! expression when the policy is read, and on the work that a statement of this size could cause before it is evaluated
//! ([`super::cost`]).

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kube_cel::KubeCelExt as _;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, ExecutionError, Program, Value as Cel};
use serde_json::Value;

use super::cost::{self, Shape};
use super::{ConditionError, MAX_EXPRESSION};
use crate::domain::text::foreign;

/// What an expression may name.
const VARIABLES: [&str; 4] = ["predicate", "statement", "image", "signer"];
/// Deepest nesting of brackets.
const MAX_BRACKETS: usize = 24;
/// Longest run of `!` or `-`: the parser's work doubles with each.
const MAX_SIGNS: usize = 4;
/// Deepest nesting of `all`, `exists`, `map` and their like.
const MAX_COMPREHENSIONS: usize = 2;

/// An expression that was checked.
pub(super) struct Expression {
    program: Program,
    shape: Shape,
}

/// The variables as the interpreter wants them.
pub(super) struct Variables {
    values: Vec<(&'static str, Cel)>,
    /// The most entries of any list or map, and the most bytes of any text.
    largest: usize,
}

impl Expression {
    /// 1. At most 4 KiB, brackets at most 24 deep, no long runs of signs.
    /// 2. It parses.
    /// 3. It names only variables and functions that exist, and its answer can be true or false.
    /// 4. Comprehensions are nested at most twice.
    pub(super) fn compile(source: &str) -> Result<Self, ConditionError> {
        // 1.
        check_text(source)?;
        // 2. A parser that panics on a text does not take the process along.
        let parsed = catch_unwind(|| Program::compile(source));
        let program = match parsed {
            Ok(Ok(program)) => program,
            Ok(Err(errors)) => {
                let (line, column, problem) = errors
                    .errors
                    .first()
                    .map_or((1, 0, String::new()), |error| (error.pos.0, error.pos.1, error.msg.clone()));
                let line = usize::try_from(line).unwrap_or(1).max(1);
                let column = usize::try_from(column).unwrap_or_default().max(1);
                return Err(ConditionError { line, column, problem: format!("is no CEL: {}", foreign(&problem)) });
            }
            Err(_) => return Err(ConditionError::at(source, 0, "can't be parsed")),
        };
        // 3. and 4.
        let shape = cost::shape(program.expression());
        check_shape(source, &shape)?;
        Ok(Self { program, shape })
    }

    /// The answer, or why there is none.
    pub(super) fn evaluate(&self, variables: &Variables) -> Result<bool, String> {
        self.shape.affords(variables.largest)?;
        let mut context = Context::default().with_all();
        for (name, value) in &variables.values {
            context.add_variable_from_value(*name, value.clone());
        }
        let answer = catch_unwind(AssertUnwindSafe(|| self.program.execute(&context)));
        match answer {
            Ok(Ok(Cel::Bool(answer))) => Ok(answer),
            Ok(Ok(other)) => Err(format!("it answers a {}, expected true or false", other.type_of())),
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err("it can't be evaluated".to_owned()),
        }
    }
}

fn check_text(source: &str) -> Result<(), ConditionError> {
    if source.len() > MAX_EXPRESSION {
        let found = source.len();
        let problem = format!("an expression of {found} bytes; at most {MAX_EXPRESSION} are read");
        return Err(ConditionError { line: 1, column: 1, problem });
    }
    if source.trim().is_empty() {
        return Err(ConditionError::at(source, 0, "is blank; expected an expression that is true or false"));
    }
    let (mut depth, mut signs) = (0_usize, 0_usize);
    for (at, byte) in source.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth = depth.saturating_add(1),
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        signs = match byte {
            b'!' | b'-' => signs.saturating_add(1),
            b if b.is_ascii_whitespace() => signs,
            _ => 0,
        };
        if depth > MAX_BRACKETS {
            return Err(ConditionError::at(source, at, format!("brackets are nested more than {MAX_BRACKETS} deep")));
        }
        if signs > MAX_SIGNS {
            return Err(ConditionError::at(source, at, format!("more than {MAX_SIGNS} signs in a row")));
        }
    }
    Ok(())
}

fn check_shape(source: &str, shape: &Shape) -> Result<(), ConditionError> {
    let place = |name: &str| source.find(name).unwrap_or_default();
    if let Some(unknown) = shape.variables.iter().find(|name| !VARIABLES.contains(&name.as_str())) {
        let problem = format!("there is no variable {unknown}; expected {}", VARIABLES.join(", "));
        return Err(ConditionError::at(source, place(unknown), problem));
    }
    if let Some(unknown) = shape.functions.iter().find(|name| !cost::is_function(name)) {
        return Err(ConditionError::at(source, place(unknown), format!("there is no function {unknown}")));
    }
    if shape.comprehensions > MAX_COMPREHENSIONS {
        let problem = format!(
            "all, exists, map and filter are nested {} deep; at most {MAX_COMPREHENSIONS} are evaluated",
            shape.comprehensions
        );
        return Err(ConditionError::at(source, 0, problem));
    }
    if !shape.may_be_boolean {
        return Err(ConditionError::at(source, 0, "the answer can't be true or false; compare it with something"));
    }
    Ok(())
}

fn explain(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(name) => {
            format!("the statement has no field {}; guard it with has(...)", foreign(name))
        }
        error => foreign(&error.to_string()),
    }
}

impl Variables {
    pub(super) fn of(document: &Value) -> Self {
        let value = |name| (name, value(document.get(name).unwrap_or(&Value::Null)));
        Self { values: VARIABLES.into_iter().map(value).collect(), largest: cost::largest(document) }
    }
}

/// JSON as CEL has it: whole numbers are `int`, so that they compare with the numbers that people write.
fn value(json: &Value) -> Cel {
    match json {
        Value::Null => Cel::Null,
        Value::Bool(bool) => Cel::Bool(*bool),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), _, _) => Cel::Int(int),
            (None, Some(uint), _) => Cel::UInt(uint),
            (None, None, float) => Cel::Float(float.unwrap_or_default()),
        },
        Value::String(text) => Cel::String(text.clone().into()),
        Value::Array(items) => Cel::List(items.iter().map(value).collect::<Vec<_>>().into()),
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| (Key::String(name.clone().into()), value(member)));
            Cel::Map(Map { map: members.collect::<HashMap<_, _>>().into() })
        }
    }
}
