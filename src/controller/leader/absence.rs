//! How long this replica has seen no leader, neither itself nor another.

use std::time::Duration;

use tokio::time::Instant;

/// After so long it is told: longer than taking over from a leader that was killed.
pub(super) const LONG: Duration = Duration::from_mins(1);

/// The absence of a leader.
pub(super) struct Absence {
    since: Instant,
    told: bool,
}

impl Absence {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, told: false }
    }

    /// A leader was seen; whether it had been told that there was none.
    pub(super) fn end(&mut self, now: Instant) -> bool {
        self.since = now;
        std::mem::take(&mut self.told)
    }

    /// Whether it is to be told now that there is none: once.
    pub(super) fn is_news(&mut self, now: Instant) -> bool {
        let long = now.duration_since(self.since) >= LONG;
        let news = long && !self.told;
        self.told = long;
        news
    }
}
