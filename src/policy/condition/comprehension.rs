//! `all`, `exists`, `exists_one`, `map` and `filter`, as the parser writes them out (cel-spec, "Macros").

use kube_cel::cel::common::ast::operators as op;
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr};

use super::containers::ListBuilder;
use super::interpreter::{Answer, Interpreter, Scope};
use super::meter::Halt;
use super::value::Val;

impl<'a> Interpreter<'a> {
    /// Each element in turn. What has decided ends it.
    pub(super) fn comprehension(&self, it: &'a ComprehensionExpr, scope: Option<&Scope<'_, 'a>>) -> Answer<'a> {
        if it.iter_var2.is_some() {
            return Err(Halt::fault("a comprehension over keys and values is not offered"));
        }
        let range = self.evaluate(&it.iter_range, scope)?;
        let items: Box<dyn Iterator<Item = Val<'a>> + '_> = match &range {
            Val::List(list) => Box::new(list.iter()),
            Val::Map(map) => Box::new(map.iter().map(|(key, _)| key.value())),
            other => return Err(Halt::fault(format!("a {} has no elements", other.type_name()))),
        };
        if let Some(step) = Appending::of(it) {
            let mut made = ListBuilder::new(self.meter)?;
            for item in items {
                self.meter.steps(1)?;
                let scope = Scope { outer: scope, name: &it.iter_var, value: &Ok(item) };
                let keeps = match step.filter {
                    Some(filter) => self.evaluate(filter, Some(&scope))?.as_bool()?,
                    None => true,
                };
                if keeps {
                    made.push(self.evaluate(step.item, Some(&scope))?)?;
                }
            }
            return Ok(made.finish());
        }
        let mut result = Ok(self.evaluate(&it.accu_init, scope)?);
        for item in items {
            let item = Ok(item);
            let so_far = Scope { outer: scope, name: &it.accu_var, value: &result };
            if !self.evaluate(&it.loop_cond, Some(&so_far))?.as_bool()? {
                break;
            }
            let inside = Scope { outer: Some(&so_far), name: &it.iter_var, value: &item };
            result = match self.evaluate(&it.loop_step, Some(&inside)) {
                Err(halt @ (Halt::Expensive(_) | Halt::Abandoned)) => return Err(halt),
                result => result,
            };
        }
        let result = Scope { outer: scope, name: &it.accu_var, value: &result };
        self.evaluate(&it.result, Some(&result))
    }
}

/// A comprehension that makes a list: each step appends to it. To copy what is there in each step would take its square.
struct Appending<'a> {
    filter: Option<&'a IdedExpr>,
    item: &'a IdedExpr,
}

impl<'a> Appending<'a> {
    fn of(it: &'a ComprehensionExpr) -> Option<Self> {
        let is_accumulator =
            |expression: &IdedExpr| matches!(&expression.expr, Expr::Ident(name) if *name == it.accu_var);
        let appended = |expression: &'a IdedExpr| match &expression.expr {
            Expr::Call(CallExpr { func_name, args, .. }) if func_name == op::ADD => match args.as_slice() {
                [so_far, IdedExpr { expr: Expr::List(list), .. }] if is_accumulator(so_far) => {
                    match list.elements.as_slice() {
                        [item] => Some(item),
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        };
        let is_list = matches!(&it.accu_init.expr, Expr::List(list) if list.elements.is_empty());
        if !is_list || !is_accumulator(&it.result) {
            return None;
        }
        match &it.loop_step.expr {
            Expr::Call(CallExpr { func_name, args, .. }) if func_name == op::CONDITIONAL => match args.as_slice() {
                [filter, step, so_far] if is_accumulator(so_far) => {
                    Some(Self { filter: Some(filter), item: appended(step)? })
                }
                _ => None,
            },
            _ => Some(Self { filter: None, item: appended(&it.loop_step)? }),
        }
    }
}
