//! The one integration binary.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    reason = "tests may fail loudly, and so may their helpers"
)]

#[path = "../support.rs"]
mod support;

mod admission;
mod agreement;
mod api;
mod architecture;
mod chart;
mod cli;
mod conditions;
mod conformance;
mod cosign;
mod crd;
mod engine;
mod examples;
mod fields;
mod files;
mod forgeries;
mod fuzz;
mod generator;
mod image;
mod network;
mod policies;
mod questions;
mod references;
mod registry;
mod roots;
mod scoreboard;
mod server;
mod signatures;
mod thresholds;
mod trust;
