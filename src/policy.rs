//! Policies, and what they say about images. Pure: values in, verdicts out.

pub mod cell;
pub mod evaluate;
pub mod model;
pub mod outcome;
pub mod select;
pub mod verdict;

pub use cell::PolicyCell;
pub use model::{
    Authority, BrokenPolicy, Defaults, Entry, LabelSelector, Labels, Mode, Policy, PolicyError, PolicyParts, PolicySet,
    Reaction, Require, Requirement, SelectorOperator, StaticAnswer, Trust,
};
pub use outcome::AuthorityOutcome;
pub use select::{Selection, select};
pub use verdict::{Basis, Finding, ImageVerdict, PolicyOutcome, PolicyVerdict};
