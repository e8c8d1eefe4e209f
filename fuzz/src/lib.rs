//! What each fuzz target does with its input. It panics where a promise is broken.
//!
//! `tests/it/fuzz.rs` runs the same functions over `fuzz/seeds`, in every `make test`.

mod targets;

pub use targets::*;
