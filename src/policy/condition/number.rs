//! Numbers of CEL: three types, which are compared by what they are worth (cel-spec, "Numeric Values").

use std::cmp::Ordering;

use serde_json::Number as Json;

use super::meter::Halt;

#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    UInt(u64),
    Double(f64),
}

/// An operation on two numbers of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Number {
    /// Whole numbers of JSON are `int`, so that they can be reckoned with as people write them.
    pub(super) fn of(number: &Json) -> Self {
        match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), _, _) => Self::Int(int),
            (None, Some(uint), _) => Self::UInt(uint),
            (None, None, double) => Self::Double(double.unwrap_or(f64::NAN)),
        }
    }

    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Double(_) => "double",
        }
    }

    /// What it is, if it is whole.
    pub(super) fn whole(self) -> Option<i128> {
        match self {
            Self::Int(int) => Some(int.into()),
            Self::UInt(uint) => Some(uint.into()),
            Self::Double(double) => truncated(double).filter(|_| double.fract() == 0.0),
        }
    }

    /// By what they are worth, exactly. What is not a number has no order.
    pub(super) fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(&b),
            (Self::Double(a), b) => b.order(Self::Double(a)).map(Ordering::reverse),
            (a, Self::Double(b)) if b.is_nan() => a.whole().and(None),
            (a, Self::Double(b)) => {
                let Some(whole) = truncated(b) else {
                    return Some(if b > 0.0 { Ordering::Less } else { Ordering::Greater });
                };
                Some(a.whole()?.cmp(&whole).then(0.0_f64.partial_cmp(&b.fract())?))
            }
            (a, b) => Some(a.whole()?.cmp(&b.whole()?)),
        }
    }

    pub(super) fn reckon(self, operation: Operation, other: Self) -> Result<Self, Halt> {
        use Operation::{Add, Divide, Multiply, Remainder, Subtract};
        let is_zero = matches!(other, Self::Int(0) | Self::UInt(0));
        if is_zero && matches!(operation, Divide | Remainder) {
            return Err(Halt::fault("a division by zero"));
        }
        let result = match (self, other) {
            (Self::Int(a), Self::Int(b)) => match operation {
                Add => a.checked_add(b),
                Subtract => a.checked_sub(b),
                Multiply => a.checked_mul(b),
                Divide => a.checked_div(b),
                Remainder => a.checked_rem(b),
            }
            .map(Self::Int),
            (Self::UInt(a), Self::UInt(b)) => match operation {
                Add => a.checked_add(b),
                Subtract => a.checked_sub(b),
                Multiply => a.checked_mul(b),
                Divide => a.checked_div(b),
                Remainder => a.checked_rem(b),
            }
            .map(Self::UInt),
            (Self::Double(a), Self::Double(b)) => match operation {
                Add => Some(a + b),
                Subtract => Some(a - b),
                Multiply => Some(a * b),
                Divide => Some(a / b),
                Remainder => None,
            }
            .map(Self::Double),
            (a, b) => {
                let (a, b) = (a.type_name(), b.type_name());
                return Err(Halt::fault(format!("a {a} can't be combined with a {b}; convert one of them")));
            }
        };
        result.ok_or_else(|| Halt::fault(format!("the result is not a {}", self.type_name())))
    }

    pub(super) fn negate(self) -> Result<Self, Halt> {
        match self {
            Self::Int(int) => int.checked_neg().map(Self::Int),
            Self::Double(double) => Some(Self::Double(-double)),
            Self::UInt(_) => None,
        }
        .ok_or_else(|| Halt::fault("there is no negative of this number"))
    }
}

/// Without its fraction, where that can be a number of any of the types.
fn truncated(double: f64) -> Option<i128> {
    const BOUND: f64 = 1e20;
    #[expect(clippy::cast_possible_truncation, reason = "it is within the bound and has no fraction")]
    (double.abs() < BOUND).then(|| double.trunc() as i128)
}
