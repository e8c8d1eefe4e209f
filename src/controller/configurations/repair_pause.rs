//! Pauses between repairs while somebody keeps changing the object: short, because the gate may be open meanwhile.

use std::time::Duration;

use tokio::time::Instant;

/// Longest pause between two repairs. A change that opens the gate may stand for two seconds, however often it comes; the rest of them
/// is for the repair itself.
const LONGEST_PAUSE: Duration = Duration::from_millis(1500);
/// After this long without a repair the next one is immediate again.
const PEACE: Duration = Duration::from_mins(5);

/// The repairs of late.
#[derive(Debug, Default)]
pub(super) struct RepairPause {
    repairs: u32,
    last: Option<Instant>,
}

impl RepairPause {
    /// Until when to wait before the next repair; nothing when it may be done now.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        let last = self.last?;
        if self.repairs <= 1 || now.duration_since(last) >= PEACE {
            return None;
        }
        let pause = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(self.repairs.saturating_sub(2)));
        last.checked_add(pause.min(LONGEST_PAUSE)).filter(|until| *until > now)
    }

    /// A repair was done.
    pub(super) fn repaired(&mut self, now: Instant) {
        let peace = self.last.is_some_and(|last| now.duration_since(last) >= PEACE);
        self.repairs = if peace { 1 } else { self.repairs.saturating_add(1) };
        self.last = Some(now);
    }
}
