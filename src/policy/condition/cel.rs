//! Expressions in CEL (cel-spec), with the functions that Kubernetes adds.
//!
//! The interpreter has no budget of its own, so there are three bounds: on the text before it is parsed, on the shape of the
//! expression when the policy is read, and on the work that a statement of this size could cause before it is evaluated
//! ([`super::cost`]).

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, ExecutionError, Program, Value as Cel};
use serde_json::Value;

use super::cost::{self, Shape, Size};
use super::{ConditionError, MAX_EXPRESSION};
use crate::domain::text::foreign;

/// What an expression may name.
pub(super) const VARIABLES: [&str; 4] = ["predicate", "statement", "image", "signer"];
/// What an expression may call.
static FUNCTIONS: LazyLock<Context<'static>> = LazyLock::new(|| Context::default().with_all());
/// Longest run of `!` or `-`: the parser's work doubles with each.
const MAX_SIGNS: usize = 4;
/// Deepest expression: parser and interpreter call themselves for each level, and a stack has an end. Four times as deep
/// works on the smallest stack that they run on.
const MAX_DEPTH: usize = 40;
/// How many levels a pair of brackets costs.
const BRACKET: usize = 4;
/// Deepest nesting of `all`, `exists`, `map` and their like.
const MAX_COMPREHENSIONS: usize = 2;

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
    /// 1. At most 4 KiB, not too deep, no long runs of signs.
    /// 2. It parses.
    /// 3. It names only variables and functions that exist, and its answer can be true or false.
    /// 4. Comprehensions are nested at most twice, patterns are written out, and nothing in it makes large from small.
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

fn check_text(source: &str) -> Result<(), ConditionError> {
    if source.len() > MAX_EXPRESSION {
        let found = source.len();
        let problem = format!("an expression of {found} bytes; at most {MAX_EXPRESSION} are read");
        return Err(ConditionError { line: 1, column: 1, problem });
    }
    if source.trim().is_empty() {
        return Err(ConditionError::at(source, 0, "is blank; expected an expression that is true or false"));
    }
    let mut signs = 0_usize;
    let mut open = vec![Group::default()];
    for (at, byte) in outside_of_text(source) {
        signs = match byte {
            b'!' | b'-' => signs.saturating_add(1),
            b if b.is_ascii_whitespace() => signs,
            _ => 0,
        };
        if signs > MAX_SIGNS {
            return Err(ConditionError::at(source, at, format!("more than {MAX_SIGNS} signs in a row")));
        }
        match byte {
            b'(' | b'[' | b'{' => open.push(Group::default()),
            b')' | b']' | b'}' => {
                let inner = open.pop().unwrap_or_default();
                if let Some(outer) = open.last_mut() {
                    outer.links = outer.links.saturating_add(1);
                    outer.inside = outer.inside.max(inner.depth());
                }
            }
            b'.' | b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'!' | b'&' | b'|' | b'?' | b':' => {
                if let Some(group) = open.last_mut() {
                    group.add(byte);
                }
            }
            _ => {}
        }
        let depth = open.iter().map(Group::own).chain(open.last().map(|group| group.inside)).sum::<usize>();
        if depth > MAX_DEPTH {
            return Err(ConditionError::at(
                source,
                at,
                "the expression is too deep; write shorter chains, or several conditions",
            ));
        }
    }
    Ok(())
}

/// What stands between a pair of brackets, or outside of all.
#[derive(Default)]
struct Group {
    /// Selections and operators since the last `&&` or `||`, and the most of them.
    links: usize,
    most: usize,
    /// Clauses joined by `&&`, `||`, `?` and `:`.
    clauses: usize,
    /// The depth of the deepest group inside.
    inside: usize,
}

impl Group {
    fn add(&mut self, byte: u8) {
        if matches!(byte, b'&' | b'|' | b'?' | b':') {
            self.most = self.most.max(self.links);
            self.links = 0;
            self.clauses = self.clauses.saturating_add(1);
        } else {
            self.links = self.links.saturating_add(1);
        }
    }

    /// The levels that it costs by itself. `&&` and `||` have two characters.
    fn own(&self) -> usize {
        self.most.max(self.links).saturating_add(self.clauses.div_ceil(2)).saturating_add(BRACKET)
    }

    fn depth(&self) -> usize {
        self.own().saturating_add(self.inside)
    }
}

/// The bytes of an expression with their places, without those inside of texts and comments.
fn outside_of_text(source: &str) -> impl Iterator<Item = (usize, u8)> {
    let (mut quote, mut escaped, mut comment, mut previous) = (None, false, false, 0_u8);
    source.bytes().enumerate().filter(move |(_, byte)| {
        let byte = *byte;
        let before = std::mem::replace(&mut previous, byte);
        match quote {
            _ if comment => {
                comment = byte != b'\n';
                false
            }
            Some(open) => {
                let ends = byte == open && !escaped;
                escaped = byte == b'\\' && !escaped;
                if ends {
                    quote = None;
                }
                false
            }
            None if byte == b'"' || byte == b'\'' => {
                quote = Some(byte);
                escaped = false;
                false
            }
            None if byte == b'/' && before == b'/' => {
                comment = true;
                false
            }
            None => true,
        }
    })
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
