//! What the release binary does under attack and under faults that take real memory, real time or a whole cluster: `make faults`.
//!
//! `SEALGATE_FAULTS_BINARY` names the program, `SEALGATE_FAULTS_NODE` the address of the node that the cluster's tests run on. The tests
//! run one after another: each has the machine for itself.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    reason = "tests may fail loudly"
)]

#[path = "../support.rs"]
mod support;

mod cluster;
mod memory;
mod peers;
