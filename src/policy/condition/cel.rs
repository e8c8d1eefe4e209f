//! Expressions in CEL (cel-spec), with the functions that Kubernetes adds.
//!
//! The interpreter has no budget of its own, so there are three bounds: on the text before it is parsed, on the shape of the
//! expression when the policy is read, and on the work that a statement of this size could cause before it is evaluated
//! ([`super::cost`]).

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::thread;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, ExecutionError, ParseErrors, Program, Value as Cel};
use serde_json::Value;

use super::cost::{self, Shape, Size};
use super::limits::{MAX_COMPREHENSIONS, MAX_DEPTH, PARSER_STACK};
use super::{ConditionError, text};
use crate::domain::text::foreign;

/// What an expression may name.
pub(super) const VARIABLES: [&str; 4] = ["predicate", "statement", "image", "signer"];
/// What an expression may call.
static FUNCTIONS: LazyLock<Context<'static>> = LazyLock::new(|| Context::default().with_all());
/// An expression that was checked.
pub(super) struct Expression {
    program: Program,
    shape: Shape,
}

/// The variables as the interpreter wants them, with the functions.
pub(super) struct Variables {
    /// Nothing where the interpreter does not take them.
    context: Option<Context<'static>>,
    size: Size,
}

impl Expression {
    /// 1. At most 4 KiB, brackets not too deep, and nothing that the parser reads wrongly.
    /// 2. It parses.
    /// 3. Its tree is not too deep.
    /// 4. It names only variables and functions that exist, and its answer can be true or false.
    /// 5. Comprehensions are nested at most twice, patterns are written out, and nothing in it makes large from small.
    pub(super) fn compile(source: &str) -> Result<Self, ConditionError> {
        // 1.
        text::check(source)?;
        // 2. and 3.
        let (program, shape) = parse(source)?;
        // 4. and 5.
        check_shape(source, &shape)?;
        Ok(Self { program, shape })
    }

    /// Whether it looks at this variable.
    pub(super) fn names(&self, variable: &str) -> bool {
        self.shape.variables.contains(variable)
    }

    /// The answer, or why there is none.
    pub(super) fn evaluate(&self, variables: &Variables) -> Result<bool, String> {
        self.shape.affords(variables.size)?;
        let Some(context) = &variables.context else { return Err("the statement can't be read".to_owned()) };
        match catch_unwind(AssertUnwindSafe(|| self.program.execute(context))) {
            Ok(Ok(Cel::Bool(answer))) => Ok(answer),
            Ok(Ok(other)) => Err(format!("it answers a {}, expected true or false", other.type_of())),
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err("it can't be evaluated".to_owned()),
        }
    }
}

/// Parses and checks on a thread of its own: neither the text nor the tree can be too deep for its stack, whatever the check of
/// the text has missed. A tree that leaves it is not too deep for any stack.
pub(super) fn parse(source: &str) -> Result<(Program, Shape), ConditionError> {
    let fail = |problem: &str| ConditionError::at(source, 0, problem);
    thread::scope(|scope| {
        let parser = thread::Builder::new().name("parser".to_owned()).stack_size(PARSER_STACK);
        let parsing = parser.spawn_scoped(scope, || {
            let program = Program::compile(source).map_err(|errors| syntax(&errors))?;
            cost::check_depth(program.expression(), MAX_DEPTH).map_err(|problem| fail(&problem))?;
            let shape = cost::shape(program.expression());
            Ok((program, shape))
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
    if let Some(problem) = shape.unbounded() {
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
    /// Those of the variables that are there. Their size is that of the largest.
    pub(super) fn of<'v>(values: impl IntoIterator<Item = (&'static str, &'v Value)>) -> Self {
        let mut size = Size::default();
        let context = catch_unwind(AssertUnwindSafe(|| {
            let mut context = FUNCTIONS.new_inner_scope();
            for (name, json) in values {
                size = size.or(Size::of(json));
                context.add_variable_from_value(name, value(json));
            }
            context
        }));
        Self { context: context.ok(), size }
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
