//! Log, metrics, health: what the process says about itself.

pub mod health;
pub mod log;
pub mod metrics;

pub use health::Health;
pub use metrics::Metrics;
