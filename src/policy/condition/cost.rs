//! What an expression is made of, and what it could cost.

use std::collections::BTreeSet;

use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, MapExpr, StructExpr};
use serde_json::Value;

/// Most steps of one evaluation, a step being one node of the expression for one element of a list.
const BUDGET: usize = 2_000_000;
/// Most comprehensions and additions of one expression: each may make a list longer.
const MAX_LOOPS: usize = 4;
const MAX_ADDITIONS: usize = 8;
/// Longest regular expression, in bytes.
const MAX_PATTERN: usize = 1024;
/// Functions whose answer may be far larger than what they are given.
const GROWING: [&str; 6] = ["format", "join", "lists.range", "patch", "replace", "strings.quote"];
/// Functions that make a list out of a text.
const SPLITTING: [&str; 2] = ["findAll", "split"];
/// Functions whose last argument is a regular expression.
const MATCHING: [&str; 3] = ["find", "findAll", "matches"];

/// What an expression is made of.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// The variables that it does not bind itself.
    pub(super) variables: BTreeSet<String>,
    pub(super) functions: BTreeSet<String>,
    /// How deep comprehensions are nested.
    pub(super) comprehensions: usize,
    /// Whether the answer may be true or false, as far as that can be told.
    pub(super) may_be_boolean: bool,
    nodes: usize,
    /// The most elements of a list in the expression itself.
    longest: usize,
    /// How many comprehensions there are, nested or not.
    loops: usize,
    /// How many additions there are: they make longer lists and texts.
    additions: usize,
    /// Whether a regular expression is not written out.
    has_open_pattern: bool,
}

/// How large the lists and texts of a statement are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    /// The most entries of any list or map.
    entries: usize,
    /// The most bytes of any text.
    text: usize,
}

impl Shape {
    /// What could make something without end out of little, whatever the statement says.
    pub(super) fn unbounded(&self) -> Option<String> {
        if let Some(name) = self.functions.iter().find(|name| GROWING.contains(&name.as_str())) {
            return Some(format!("{name} is not offered here, since what it makes has no bound"));
        }
        if self.loops > MAX_LOOPS {
            return Some(format!(
                "{} of all, exists, map and filter; at most {MAX_LOOPS} in one condition",
                self.loops
            ));
        }
        if self.additions > MAX_ADDITIONS {
            return Some(format!("{} additions; at most {MAX_ADDITIONS} in one condition", self.additions));
        }
        self.has_open_pattern.then(|| "write the regular expression out, in at most 1024 bytes".to_owned())
    }

    /// Whether the expression may be evaluated over lists and texts of this size.
    pub(super) fn affords(&self, size: Size) -> Result<(), String> {
        let splits = self.functions.iter().any(|name| SPLITTING.contains(&name.as_str()));
        let text = if splits { size.text } else { 0 };
        // Additions may have made the lists longer.
        let growth = self.additions.saturating_add(1).saturating_pow(if self.loops > 0 { 2 } else { 1 });
        let elements = size.entries.max(text).max(self.longest).max(1).saturating_mul(growth);
        let steps = (0..self.comprehensions).fold(self.nodes, |steps, _| steps.saturating_mul(elements));
        if steps <= BUDGET {
            return Ok(());
        }
        Err(format!(
            "it is too expensive for this statement: {} nested over up to {elements} elements, which may take more than \
             {BUDGET} steps",
            self.comprehensions
        ))
    }
}

impl Size {
    pub(super) fn of(document: &Value) -> Self {
        let inside = |sizes: &mut dyn Iterator<Item = Self>, entries| sizes.fold(Self { entries, text: 0 }, Self::or);
        match document {
            Value::Array(items) => inside(&mut items.iter().map(Self::of), items.len()),
            Value::Object(members) => inside(&mut members.values().map(Self::of), members.len()),
            Value::String(text) => Self { entries: 0, text: text.len() },
            _ => Self::default(),
        }
    }

    /// The larger of both.
    pub(super) fn or(self, other: Self) -> Self {
        Self { entries: self.entries.max(other.entries), text: self.text.max(other.text) }
    }
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
    walk(expression, &mut Vec::new(), 0, &mut shape);
    shape
}

fn walk<'e>(expression: &'e IdedExpr, bound: &mut Vec<&'e str>, depth: usize, shape: &mut Shape) {
    shape.nodes = shape.nodes.saturating_add(1);
    shape.comprehensions = shape.comprehensions.max(depth);
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) => {}
        Expr::Ident(name) => {
            if !bound.contains(&name.as_str()) && !is_type(name) {
                shape.variables.insert(name.clone());
            }
        }
        Expr::Select(select) => walk(&select.operand, bound, depth, shape),
        Expr::Call(call) => {
            let namespaced = call.target.as_ref().and_then(|target| match &target.expr {
                Expr::Ident(space) => Some(format!("{space}.{}", call.func_name)).filter(|name| is_function(name)),
                _ => None,
            });
            if let (None, Some(target)) = (&namespaced, &call.target) {
                walk(target, bound, depth, shape);
            }
            if call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                shape.functions.insert(namespaced.unwrap_or_else(|| call.func_name.clone()));
            }
            if call.func_name == "_+_" {
                shape.additions = shape.additions.saturating_add(1);
            }
            if MATCHING.contains(&call.func_name.as_str()) {
                shape.has_open_pattern |= !call.args.iter().any(is_pattern);
            }
            call.args.iter().for_each(|argument| walk(argument, bound, depth, shape));
        }
        Expr::List(list) => {
            shape.longest = shape.longest.max(list.elements.len());
            list.elements.iter().for_each(|element| walk(element, bound, depth, shape));
        }
        Expr::Map(_) | Expr::Struct(_) => {
            for part in children(&expression.expr) {
                walk(part, bound, depth, shape);
            }
        }
        Expr::Comprehension(comprehension) => {
            shape.loops = shape.loops.saturating_add(1);
            walk(&comprehension.iter_range, bound, depth, shape);
            walk(&comprehension.accu_init, bound, depth, shape);
            let before = bound.len();
            bound.extend([comprehension.iter_var.as_str(), comprehension.accu_var.as_str()]);
            bound.extend(comprehension.iter_var2.as_deref());
            let inside = depth.saturating_add(1);
            for part in [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result] {
                walk(part, bound, inside, shape);
            }
            bound.truncate(before);
        }
    }
}

/// A text that is written out.
fn is_pattern(argument: &IdedExpr) -> bool {
    matches!(&argument.expr, Expr::Literal(LiteralValue::String(text)) if text.inner().len() <= MAX_PATTERN)
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

/// Names of types, which `type(x) == string` and the like compare with.
fn is_type(name: &str) -> bool {
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"].contains(&name)
}

/// Whether the interpreter has a function of that name.
pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.binary_search(&name).is_ok()
}

/// Those of CEL and those that Kubernetes adds; sorted.
const FUNCTIONS: &[&str] = &[
    "add",
    "asApproximateFloat",
    "asInteger",
    "base64.decode",
    "base64.encode",
    "bytes",
    "charAt",
    "cidr",
    "compareTo",
    "contains",
    "containsCIDR",
    "containsIP",
    "distinct",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "family",
    "find",
    "findAll",
    "first",
    "flatten",
    "format",
    "format.byte",
    "format.date",
    "format.datetime",
    "format.dns1035Label",
    "format.dns1035LabelPrefix",
    "format.dns1123Label",
    "format.dns1123LabelPrefix",
    "format.dns1123Subdomain",
    "format.dns1123SubdomainPrefix",
    "format.labelValue",
    "format.named",
    "format.qualifiedName",
    "format.uri",
    "format.uuid",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getEscapedPath",
    "getFullYear",
    "getHost",
    "getHostname",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getPort",
    "getQuery",
    "getScheme",
    "getSeconds",
    "hasValue",
    "indexOf",
    "int",
    "ip",
    "ip.isCanonical",
    "isCIDR",
    "isCIDRv4",
    "isCIDRv6",
    "isGlobalUnicast",
    "isGreaterThan",
    "isIP",
    "isIPv4",
    "isIPv6",
    "isInteger",
    "isLessThan",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isLoopback",
    "isQuantity",
    "isSemver",
    "isSorted",
    "isURL",
    "isUnspecified",
    "join",
    "jsonpatch.escapeKey",
    "last",
    "lastIndexOf",
    "lists.range",
    "lowerAscii",
    "major",
    "masked",
    "matches",
    "math.abs",
    "math.bitAnd",
    "math.bitNot",
    "math.bitOr",
    "math.bitShiftLeft",
    "math.bitShiftRight",
    "math.bitXor",
    "math.ceil",
    "math.floor",
    "math.greatest",
    "math.isFinite",
    "math.isInf",
    "math.isNaN",
    "math.least",
    "math.round",
    "math.sign",
    "math.sqrt",
    "math.trunc",
    "max",
    "min",
    "minor",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "or",
    "orValue",
    "patch",
    "prefixLength",
    "quantity",
    "replace",
    "reverse",
    "semver",
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "sign",
    "size",
    "slice",
    "sort",
    "split",
    "startsWith",
    "string",
    "strings.quote",
    "sub",
    "substring",
    "sum",
    "timestamp",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "url",
    "validate",
    "value",
];
