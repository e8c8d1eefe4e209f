//! Modules in Rego (Open Policy Agent), by the `regorus` interpreter: `data.sealgate.deny` is the set of reasons not to accept.
//!
//! No functions that reach out (`http.send`, `opa.runtime`) are built in. An evaluation is bounded in its time, not in its memory:
//! Rego is for people who write their own policies, and is off by default.

use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value as Rego};
use serde_json::Value;

use super::ConditionError;
use crate::domain::text::foreign;

/// Longest evaluation.
const MAX_TIME: Duration = Duration::from_millis(500);
/// After how many steps the interpreter looks at the clock.
const STEPS_BETWEEN_LOOKS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1000);
/// Longest module, in bytes.
const MAX_MODULE: usize = 64 * 1024;
/// What is asked for.
const DENY: &str = "data.sealgate.deny";

/// A module that was checked.
pub(super) struct Module {
    engine: Engine,
}

impl Module {
    /// A module without a `package` is in `sealgate`, and without an import of `rego.v1` it has that too.
    pub(super) fn compile(source: &str) -> Result<Self, ConditionError> {
        let fail = |problem: String| ConditionError { line: 1, column: 1, problem };
        if source.len() > MAX_MODULE {
            return Err(fail(format!("a module of {} bytes; at most {MAX_MODULE} are read", source.len())));
        }
        let has_package = source.lines().any(|line| line.trim_start().starts_with("package "));
        let module =
            if has_package { source.to_owned() } else { format!("package sealgate\nimport rego.v1\n{source}") };
        let mut engine = Engine::new();
        engine
            .set_execution_timer_config(ExecutionTimerConfig { limit: MAX_TIME, check_interval: STEPS_BETWEEN_LOOKS });
        let package = catch_unwind(AssertUnwindSafe(|| engine.add_policy("condition.rego".to_owned(), module)))
            .map_err(|_| fail("can't be parsed".to_owned()))?
            .map_err(|e| fail(foreign(&e.to_string())))?;
        if package != "data.sealgate" {
            return Err(fail(format!("is in package {}; expected package sealgate", foreign(&package))));
        }
        Ok(Self { engine })
    }

    /// Why the document is not accepted; nothing where it is.
    pub(super) fn denials(&self, document: &Value) -> Result<Vec<String>, String> {
        let mut engine = self.engine.clone();
        engine.set_input(Rego::from(document.clone()));
        let answer = catch_unwind(AssertUnwindSafe(move || engine.eval_rule(DENY.to_owned())));
        match answer {
            Ok(Ok(Rego::Set(reasons))) => Ok(reasons.iter().map(told).collect()),
            Ok(Ok(Rego::Array(reasons))) => Ok(reasons.iter().map(told).collect()),
            Ok(Ok(_)) => Err(format!("{DENY} is no set of reasons")),
            Ok(Err(error)) => Err(foreign(&error.to_string())),
            Err(_) => Err("it can't be evaluated".to_owned()),
        }
    }
}

fn told(reason: &Rego) -> String {
    match reason {
        Rego::String(text) => text.to_string(),
        other => other.to_string(),
    }
}
