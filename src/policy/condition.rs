//! Conditions on what an attestation says, in CEL with the Kubernetes libraries, or (cargo feature `rego`) in Rego.
//!
//! A condition is read and checked once, when its policy is read, and evaluated for each statement that was verified. The
//! statement was signed by somebody the policy names, and is bounded all the same: a condition that can't be evaluated within
//! its budget fails, and a condition that fails never accepts.

mod builtins;
mod cel;
mod comprehension;
mod containers;
mod functions;
mod interpreter;
mod library;
pub mod limits;
mod meter;
mod number;
mod pattern;
#[cfg(feature = "rego")]
mod rego;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::domain::PinnedImage;
use crate::domain::text::foreign;
use crate::signatures::Signatory;

/// Whether this build reads conditions in Rego.
pub const REGO: bool = cfg!(feature = "rego");

/// One condition, checked and ready. Two are the same when they read the same.
#[derive(Clone)]
pub struct Condition {
    source: Arc<str>,
    message: Option<Arc<str>>,
    program: Program,
}

#[derive(Clone)]
enum Program {
    Cel(Arc<cel::Expression>),
    #[cfg(feature = "rego")]
    Rego(Arc<rego::Module>),
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct ConditionError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What was expected and what was found.
    pub problem: String,
}

/// Why a statement is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The condition does not hold; for people.
    Refused(String),
    /// The condition could not be evaluated: the policy is at fault, or the statement is not what it is written for.
    Failed(String),
}

/// What conditions may look at: `predicate`, `statement`, `image` and `signer`. The statement is not copied: it may be long.
pub struct Facts<'s> {
    statement: &'s Value,
    image: Value,
    signer: Value,
}

impl Condition {
    /// Reads an expression in CEL.
    pub fn cel(expression: &str, message: Option<&str>) -> Result<Self, ConditionError> {
        let program = Program::Cel(Arc::new(cel::Expression::compile(expression)?));
        Ok(Self { source: expression.into(), message: message.map(Into::into), program })
    }

    /// Reads a module in Rego.
    #[cfg(feature = "rego")]
    pub fn rego(module: &str, message: Option<&str>) -> Result<Self, ConditionError> {
        let program = Program::Rego(Arc::new(rego::Module::compile(module)?));
        Ok(Self { source: module.into(), message: message.map(Into::into), program })
    }

    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the condition holds. It is asked now and then whether anybody still waits for the answer.
    pub fn check(&self, facts: &Facts<'_>, is_abandoned: &dyn Fn() -> bool) -> Result<(), Refusal> {
        let said: Vec<String> = match &self.program {
            Program::Cel(expression) => match expression.evaluate(&facts.variables(), is_abandoned) {
                Ok(true) => return Ok(()),
                Ok(false) => Vec::new(),
                Err(problem) => return Err(Refusal::Failed(format!("condition {}: {problem}", self.shown()))),
            },
            #[cfg(feature = "rego")]
            Program::Rego(module) => match module.denials(&facts.document()) {
                Ok(denials) if denials.is_empty() => return Ok(()),
                Ok(denials) => denials,
                Err(problem) => return Err(Refusal::Failed(format!("condition {}: {problem}", self.shown()))),
            },
        };
        let told = match (&self.message, said.as_slice()) {
            (Some(message), _) => foreign(message),
            (None, []) => format!("the condition {} does not hold", self.shown()),
            (None, said) => foreign(&said.join("; ")),
        };
        Err(Refusal::Refused(told))
    }

    fn shown(&self) -> String {
        foreign(self.source.trim())
    }
}

impl<'s> Facts<'s> {
    /// A verified statement about an image, and who made it.
    pub fn new(statement: &'s Value, image: &PinnedImage, signer: &Signatory, authority: &str) -> Self {
        let repository = image.repository();
        let signer = match signer {
            Signatory::Key(key) => json!({"kind": "key", "authority": authority, "key": key}),
            Signatory::Keyless(identity) | Signatory::Certificate(identity) => {
                let claims: BTreeMap<&str, &str> =
                    identity.claims.iter().map(|(claim, value)| (claim.name(), value.as_str())).collect();
                let kind = if matches!(signer, Signatory::Keyless(_)) { "keyless" } else { "certificate" };
                json!({
                    "kind": kind,
                    "authority": authority,
                    "issuer": identity.issuer.as_deref().unwrap_or_default(),
                    "subject": identity.subject.value,
                    "claims": claims,
                })
            }
        };
        let image = json!({
            "registry": repository.host(),
            "repository": repository.to_string(),
            "digest": image.digest().to_string(),
        });
        Self { statement, image, signer }
    }

    fn variables(&self) -> [(&'static str, &Value); cel::VARIABLES.len()] {
        let predicate = self.statement.get("predicate").unwrap_or(&Value::Null);
        let [named_predicate, named_statement, named_image, named_signer] = cel::VARIABLES;
        [
            (named_predicate, predicate),
            (named_statement, self.statement),
            (named_image, &self.image),
            (named_signer, &self.signer),
        ]
    }

    #[cfg(feature = "rego")]
    fn document(&self) -> Value {
        self.variables().into_iter().map(|(variable, value)| (variable.to_owned(), value.clone())).collect()
    }
}

impl ConditionError {
    /// An error at an offset of the source, in bytes.
    fn at(source: &str, offset: usize, problem: impl AsRef<str>) -> Self {
        let before: String = source.char_indices().take_while(|(at, _)| *at < offset).map(|(_, c)| c).collect();
        let line = before.matches('\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
        Self { line, column, problem: foreign(problem.as_ref()) }
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, &self.message) == (&other.source, &other.message)
    }
}

impl Eq for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Facts")
    }
}
