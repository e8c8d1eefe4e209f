//! Policies, and what they say about images. Pure: values in, verdicts out.

pub mod cell;
pub mod condition;
pub mod evaluate;
pub mod history;
pub mod model;
pub mod outcome;
pub mod select;
pub mod selector;
pub mod set;
pub mod signers;
pub mod verdict;

#[cfg(test)]
mod testing;

pub use cell::PolicyCell;
pub use condition::{Condition, ConditionError, Facts, Refusal};
pub use evaluate::{evaluate, signed};
pub use history::{History, Version};
pub use model::{
    AttestationDemand, Authority, Defaults, Matching, Mode, Policy, PolicyError, PolicyParts, Reaction, Require,
    StaticAnswer, Trust,
};
pub use outcome::{AttestationOutcome, AuthorityOutcome, Stated};
pub use select::{Governing, LabelsNeeded, Selection, govern, select};
pub use selector::{LabelSelector, Labels, Requirement, SelectorOperator};
pub use set::{BrokenPolicy, Entry, LastGood, PolicySet};
pub use signers::assign;
pub use verdict::{
    Answer, AttestationVerdict, AuthorityVerdict, Basis, Examined, ImageVerdict, PolicyOutcome, PolicyVerdict, Report,
    Unread,
};
