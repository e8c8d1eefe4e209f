//! What an expression is made of.

use std::collections::BTreeSet;

use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, StructExpr};

use super::functions;
use super::interpreter::TYPES;

/// Functions that take a regular expression, after the text that is searched.
const MATCHING: [&str; 3] = ["find", "findAll", "matches"];

/// What an expression is made of.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// The variables that it does not bind itself.
    pub(super) variables: BTreeSet<String>,
    pub(super) functions: BTreeSet<String>,
    /// The regular expressions that are written out.
    pub(super) patterns: BTreeSet<String>,
    /// Whether a regular expression is not written out.
    pub(super) has_open_pattern: bool,
    /// Whether it makes a message, as `Type{field: value}`.
    pub(super) has_message: bool,
    /// Whether the answer may be true or false, as far as that can be told.
    pub(super) may_be_boolean: bool,
}

/// An expression is a tree. Call it where the stack is large enough for whatever the parser makes.
pub(super) fn check_depth(expression: &IdedExpr, most: usize) -> Result<(), String> {
    let Some(left) = most.checked_sub(1) else {
        return Err("the expression is too deep; write shorter chains, or several conditions".to_owned());
    };
    children(&expression.expr).into_iter().try_for_each(|child| check_depth(child, left))
}

fn children(expression: &Expr) -> Vec<&IdedExpr> {
    match expression {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Select(select) => vec![&*select.operand],
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(MapExpr { entries }) | Expr::Struct(StructExpr { entries, .. }) => {
            entries.iter().flat_map(|entry| parts(&entry.expr)).collect()
        }
        Expr::Comprehension(all) => {
            vec![&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result]
        }
    }
}

fn parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

pub(super) fn shape(expression: &IdedExpr) -> Shape {
    let mut shape = Shape { may_be_boolean: may_be_boolean(&expression.expr), ..Shape::default() };
    walk(expression, &mut Vec::new(), &mut shape);
    shape
}

fn walk<'e>(expression: &'e IdedExpr, bound: &mut Vec<&'e str>, shape: &mut Shape) {
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) => {}
        Expr::Ident(name) => {
            if !bound.contains(&name.as_str()) && !TYPES.contains(&name.as_str()) {
                shape.variables.insert(name.clone());
            }
        }
        Expr::Call(call) => {
            let spaced = functions::spaced(call);
            if let (None, Some(target)) = (&spaced, &call.target) {
                walk(target, bound, shape);
            }
            if call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let name =
                    spaced.map_or_else(|| call.func_name.clone(), |(space, _)| format!("{space}.{}", call.func_name));
                shape.functions.insert(name);
            }
            if MATCHING.contains(&call.func_name.as_str()) {
                let pattern = call.args.get(usize::from(call.target.is_none()));
                match pattern.map(|pattern| &pattern.expr) {
                    Some(Expr::Literal(LiteralValue::String(text))) => {
                        shape.patterns.insert(text.inner().to_owned());
                    }
                    _ => shape.has_open_pattern = true,
                }
            }
            call.args.iter().for_each(|argument| walk(argument, bound, shape));
        }
        Expr::Select(_) | Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => {
            shape.has_message |= matches!(expression.expr, Expr::Struct(_));
            for part in children(&expression.expr) {
                walk(part, bound, shape);
            }
        }
        Expr::Comprehension(comprehension) => {
            walk(&comprehension.iter_range, bound, shape);
            walk(&comprehension.accu_init, bound, shape);
            let before = bound.len();
            bound.extend([comprehension.iter_var.as_str(), comprehension.accu_var.as_str()]);
            bound.extend(comprehension.iter_var2.as_deref());
            for part in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result] {
                walk(part, bound, shape);
            }
            bound.truncate(before);
        }
    }
}

fn may_be_boolean(expression: &Expr) -> bool {
    const NUMBERS: [&str; 11] = ["_+_", "_-_", "_*_", "_/_", "_%_", "-_", "size", "int", "uint", "double", "string"];
    match expression {
        Expr::Literal(literal) => matches!(literal, LiteralValue::Boolean(_)),
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => false,
        Expr::Call(call) => !NUMBERS.contains(&call.func_name.as_str()),
        _ => true,
    }
}
