//! From the `?timeout=` of a webhook call to the moment by which the answer must be written.

use std::time::Duration;

/// Taken off for the way back.
const MARGIN: Duration = Duration::from_millis(500);
/// Taken off where the API server has less time than is configured: it rounds what it has up to whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);
/// There is always this much.
const LEAST: Duration = Duration::from_millis(500);
/// The API server never waits longer.
const MOST: Duration = Duration::from_secs(30);

/// The time that there is for an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    configured: Duration,
}

impl Deadlines {
    /// For webhooks with this `timeoutSeconds`.
    pub(super) fn new(configured: Duration) -> Self {
        Self { configured }
    }

    /// The time for a call with this query. What can't be read counts as not there.
    pub(super) fn of(self, query: Option<&str>) -> Duration {
        let timeout = query.and_then(timeout).unwrap_or(self.configured).min(MOST);
        let rounding = if timeout < self.configured { ROUNDING } else { Duration::ZERO };
        timeout.saturating_sub(MARGIN).saturating_sub(rounding).max(LEAST)
    }
}

/// The parameter `timeout`, as Go writes whole seconds: `10s`, `1m30s`.
fn timeout(query: &str) -> Option<Duration> {
    let text = query.split('&').find_map(|pair| pair.strip_prefix("timeout="))?.strip_suffix('s')?;
    let (minutes, seconds) = text.split_once('m').unwrap_or(("0", text));
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let seconds = number(minutes)?.checked_mul(60)?.checked_add(number(seconds)?)?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
