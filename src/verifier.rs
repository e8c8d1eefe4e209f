//! Orchestration: from the images of an object to a verdict about each, under one deadline.

pub mod engine;
pub mod ports;

pub use crate::policy::{
    AuthorityOutcome, Basis, Defaults, Finding, ImageVerdict, Mode, PolicyCell, PolicyOutcome, PolicySet,
    PolicyVerdict, Reaction,
};
pub use engine::{Engine, Question};
