//! How fast an answer must come: one that hardly does holds places and memory that others wait for.

use std::time::Duration;

/// In bytes a second, after the first second.
pub const MINIMUM_RATE: u64 = 16 << 10;

/// Whether so many bytes are too few for the time that was spent waiting for them.
pub fn is_too_slow(waited: Duration, bytes: u64) -> bool {
    let due = waited.saturating_sub(Duration::from_secs(1)).as_millis().saturating_mul(u128::from(MINIMUM_RATE));
    u128::from(bytes).saturating_mul(1000) < due
}

#[cfg(test)]
mod tests;
