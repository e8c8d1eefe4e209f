//! Calls of the libraries' functions (the `cel` and `kube-cel` crates).
//!
//! Their arguments are copied, and they count no work: both are charged before, by the sizes of the arguments.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::common::ast::{CallExpr, Expr, IdedExpr};
use kube_cel::cel::{Context, ExecutionError, Value as Cel};

use super::meter::{Halt, Meter};
use super::value::Val;
use crate::domain::text::foreign;

/// The libraries' functions.
static LIBRARIES: LazyLock<Context<'static>> = LazyLock::new(|| Context::default().with_all());
/// How often the libraries copy what they are given.
const COPIES: usize = 4;
/// What a call takes beside its arguments, in steps.
const CALL: u64 = 64;
/// What a piece of a text takes as a text of its own, in bytes.
const PIECE: usize = 128;

/// What a function of the libraries does with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Reads each argument a few times, and answers with no more.
    Linear,
    /// The same, and takes single values only, not lists or maps.
    Single,
    /// Looks for one text in another at each place, or for a value in a list.
    Search,
    /// Compares each element with each.
    Pairs,
    /// Brings the elements into an order.
    Sort,
    /// Makes a value of each piece of a text.
    Split,
    /// Writes one text into another, perhaps between all its characters.
    Replace,
    /// Makes as many values as it is told.
    Range,
}

/// Calls a function of the libraries. A call that is not a method has no target; `space` is that of `space.name(...)`.
pub(super) fn call<'a>(
    space: Option<&str>,
    name: &str,
    work: Work,
    target: Option<&Val<'a>>,
    arguments: &[Val<'a>],
    meter: &Meter<'_>,
) -> Result<Val<'a>, Halt> {
    let all: Vec<&Val<'a>> = target.into_iter().chain(arguments).collect();
    let weights = all.iter().map(|value| value.weight(meter)).collect::<Result<Vec<_>, _>>()?;
    let weight = weights.iter().fold(0_usize, |sum, weight| sum.saturating_add(*weight));
    meter.steps(CALL)?;
    meter.bytes(weight.saturating_mul(COPIES))?;
    let memory = meter.reserve(weight.saturating_mul(COPIES))?;
    let answer = charge(work, &all, weight, meter)?;
    let growth = meter.reserve(answer)?;

    let mut context = LIBRARIES.new_inner_scope();
    let mut names = (0_usize..).map(|index| format!("@{index}"));
    let mut pass = |value: &Val<'a>| {
        let (name, value) = (names.next().unwrap_or_default(), value.to_cel()?);
        context.add_variable_from_value(name.clone(), value);
        Ok(IdedExpr { id: 0, expr: Expr::Ident(name) })
    };
    let target = match (space, target) {
        (Some(space), _) => Some(Box::new(IdedExpr { id: 0, expr: Expr::Ident(space.to_owned()) })),
        (None, Some(target)) => Some(Box::new(pass(target)?)),
        (None, None) => None,
    };
    let args = arguments.iter().map(pass).collect::<Result<Vec<_>, Halt>>()?;
    let call = IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: name.to_owned(), target, args }) };
    let result = catch_unwind(AssertUnwindSafe(|| Cel::resolve(&call, &context)));
    let answer = match result {
        Ok(Ok(value)) => Val::from_cel(value, weight, meter),
        Ok(Err(error)) => Err(Halt::Fault(explain(name, &all, error))),
        Err(_) => Err(Halt::Fault(format!("{name} can't be evaluated for {}", types(&all)))),
    };
    drop((memory, growth));
    answer
}

/// Charges the work, and answers how many bytes the answer may take beyond what the arguments take.
fn charge(work: Work, values: &[&Val<'_>], weight: usize, meter: &Meter<'_>) -> Result<usize, Halt> {
    let text = |at: usize| match values.get(at) {
        Some(Val::Text(text)) => text.as_str().len(),
        _ => 0,
    };
    let len = |value: &&Val<'_>| match value {
        Val::List(list) => list.len(),
        _ => 1,
    };
    match work {
        Work::Linear => Ok(0),
        Work::Single => match values.iter().find(|value| matches!(value, Val::List(_) | Val::Map(_) | Val::Null)) {
            Some(value) => Err(Halt::fault(format!("a {} can't be converted", value.type_name()))),
            None => Ok(0),
        },
        Work::Search => {
            meter.pairs(text(0), text(1))?;
            meter.bytes(weight).map(|()| 0)
        }
        Work::Pairs => {
            let most = values.iter().map(len).max().unwrap_or_default();
            // Each is compared with each, no further than it is long itself.
            meter.pairs(most, most.saturating_mul(2))?;
            meter.bytes(weight.saturating_mul(most)).map(|()| 0)
        }
        Work::Sort => {
            let most = values.iter().map(len).max().unwrap_or_default();
            let rounds = usize::try_from(most.checked_ilog2().unwrap_or_default()).unwrap_or(usize::MAX);
            meter.bytes(weight.saturating_mul(rounds.saturating_add(2)).saturating_mul(2)).map(|()| 0)
        }
        Work::Split => Ok(text(0).saturating_add(1).saturating_mul(PIECE)),
        Work::Replace => Ok(text(0).saturating_add(1).saturating_mul(text(2))),
        Work::Range => match values.first() {
            Some(Val::Number(number)) => {
                let many = number.whole().and_then(|many| usize::try_from(many.max(0)).ok()).unwrap_or(usize::MAX);
                Ok(many.saturating_mul(PIECE))
            }
            _ => Ok(0),
        },
    }
}

/// Without the values: they are long, and not ours to repeat.
fn explain(name: &str, values: &[&Val<'_>], error: ExecutionError) -> String {
    match error {
        ExecutionError::FunctionError { message, .. } => format!("{name}: {}", foreign(&message)),
        ExecutionError::UndeclaredReference(_) => format!("there is no function {name}"),
        ExecutionError::Overflow(..) => format!("{name}: the result is out of range"),
        _ => format!("{name} does not take {}", types(values)),
    }
}

/// `(string, int)`
pub(super) fn types(values: &[&Val<'_>]) -> String {
    let types: Vec<&str> = values.iter().map(|value| value.type_name()).collect();
    format!("({})", types.join(", "))
}
