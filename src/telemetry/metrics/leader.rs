//! The metrics of leadership.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Handles to them. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct LeaderMetrics {
    leads: Gauge,
    seen: Gauge,
}

impl LeaderMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let leads = Gauge::default();
        registry.register("leader", "1 while this replica holds the lease", leads.clone());
        let seen = Gauge::default();
        registry.register(
            "leader_last_seen_timestamp_seconds",
            "Unix time at which this replica last saw a leader, itself or another that renews the lease",
            seen.clone(),
        );
        Self { leads, seen }
    }

    pub(super) fn leads(&self, leads: bool) {
        self.leads.set(i64::from(leads));
    }

    pub(super) fn seen(&self, unix_seconds: i64) {
        self.seen.set(unix_seconds);
    }
}
