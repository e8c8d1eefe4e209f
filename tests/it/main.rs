//! The one integration binary.

#[path = "../support.rs"]
mod support;

mod admission;
mod api;
mod architecture;
mod chart;
mod cli;
mod cluster;
mod engine;
mod files;
mod network;
mod policies;
mod references;
mod registry;
mod scoreboard;
mod server;
mod signatures;
