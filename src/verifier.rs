//! Orchestration: from the images of an object to a verdict about each, under one deadline.

pub mod engine;
pub mod ports;

pub use crate::domain::Finding;
pub use crate::policy::{
    Answer, AttestationOutcome, AttestationVerdict, AuthorityOutcome, AuthorityVerdict, Basis, Defaults, Examined,
    ImageVerdict, Mode, PolicyCell, PolicyOutcome, PolicySet, PolicyVerdict, Reaction, Report, Unread,
};
pub use engine::{Engine, MAX_IMAGES, Question};
