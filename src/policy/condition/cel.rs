//! Expressions in CEL (cel-spec), with the functions that Kubernetes adds: read and checked when a policy is read, evaluated by
//! [`super::interpreter`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use kube_cel::cel::parser::Parser;
use kube_cel::cel::{IdedExpr, ParseErrors};
use serde_json::Value;

use super::interpreter::Interpreter;
use super::limits::{MAX_DEPTH, PARSER_STACK};
use super::meter::{Halt, Meter};
use super::pattern::{Patterns, Searches};
use super::shape::{self, Shape};
use super::{ConditionError, functions, text};
use crate::domain::text::foreign;

/// What an expression may name.
pub(super) const VARIABLES: [&str; 4] = ["predicate", "statement", "image", "signer"];

/// An expression that was checked.
pub(super) struct Expression {
    tree: IdedExpr,
    patterns: Patterns,
}

impl Expression {
    /// 1. At most 4 KiB, brackets not too deep, and nothing that the parser reads wrongly.
    /// 2. It parses.
    /// 3. Its tree is not too deep.
    /// 4. It names only variables and functions that exist, and its answer can be true or false.
    /// 5. Regular expressions are written out, and not too large.
    pub(super) fn compile(source: &str) -> Result<Self, ConditionError> {
        // 1.
        text::check(source)?;
        // 2. and 3.
        let (tree, shape) = parse(source)?;
        // 4.
        check_shape(source, &shape)?;
        // 5.
        if shape.has_open_pattern {
            return Err(ConditionError::at(source, 0, "a regular expression is not written out as a text"));
        }
        let patterns = Patterns::compile(&shape.patterns).map_err(|problem| ConditionError::at(source, 0, problem))?;
        Ok(Self { tree, patterns })
    }

    /// The answer, or why there is none.
    pub(super) fn evaluate(
        &self,
        variables: &[(&'static str, &Value)],
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<bool, String> {
        let meter = Meter::new(is_abandoned);
        let interpreter = Interpreter { variables, searches: Searches::new(&self.patterns), meter: &meter };
        let answer = catch_unwind(AssertUnwindSafe(|| interpreter.evaluate(&self.tree, None)?.as_bool()));
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Halt::Fault(problem))) => Err(problem),
            Ok(Err(Halt::Expensive(problem))) => Err(format!("it is too expensive: {problem}")),
            Ok(Err(Halt::Abandoned)) => Err("it was stopped, since nobody waits for the answer any more".to_owned()),
            Err(_) => Err("it can't be evaluated".to_owned()),
        }
    }
}

/// Parses and checks on a thread of its own: neither the text nor the tree can be too deep for its stack, whatever the check of
/// the text has missed. A tree that leaves it is not too deep for any stack.
pub(super) fn parse(source: &str) -> Result<(IdedExpr, Shape), ConditionError> {
    let fail = |problem: &str| ConditionError::at(source, 0, problem);
    thread::scope(|scope| {
        let parser = thread::Builder::new().name("parser".to_owned()).stack_size(PARSER_STACK);
        let parsing = parser.spawn_scoped(scope, || {
            let parser = Parser::new().enable_optional_syntax(true);
            let tree = parser.parse(source).map_err(|errors| syntax(&errors))?;
            shape::check_depth(&tree, MAX_DEPTH).map_err(|problem| fail(&problem))?;
            let shape = shape::shape(&tree);
            Ok((tree, shape))
        });
        // A parser that panics on a text does not take the process along.
        parsing
            .map_err(|_| fail("can't be parsed now: no thread can be started"))?
            .join()
            .map_err(|_| fail("can't be parsed"))?
    })
}

fn syntax(errors: &ParseErrors) -> ConditionError {
    let first = errors.errors.first();
    let (line, column, problem) =
        first.map_or((1, 0, String::new()), |error| (error.pos.0, error.pos.1, error.msg.clone()));
    let line = usize::try_from(line).unwrap_or(1).max(1);
    let column = usize::try_from(column).unwrap_or_default().max(1);
    ConditionError { line, column, problem: format!("is no CEL: {}", foreign(&problem)) }
}

fn check_shape(source: &str, shape: &Shape) -> Result<(), ConditionError> {
    let place = |name: &str| source.find(name).unwrap_or_default();
    if let Some(unknown) = shape.variables.iter().find(|name| !VARIABLES.contains(&name.as_str())) {
        let problem = format!("there is no variable {unknown}; expected {}", VARIABLES.join(", "));
        return Err(ConditionError::at(source, place(unknown), problem));
    }
    if let Some(unknown) = shape.functions.iter().find(|name| functions::find(name).is_none()) {
        return Err(ConditionError::at(source, place(unknown), format!("there is no function {unknown}")));
    }
    if shape.has_message {
        return Err(ConditionError::at(source, place("{"), "messages can't be made here; write a map in braces"));
    }
    if !shape.may_be_boolean {
        return Err(ConditionError::at(source, 0, "the answer can't be true or false; compare it with something"));
    }
    Ok(())
}
