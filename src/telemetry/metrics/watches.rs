//! The metrics of watches.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Handles to them. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct WatchMetrics {
    failing: Family<Labels, Gauge>,
    since: Family<Labels, Gauge>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    what: &'static str,
}

impl WatchMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let failing = Family::default();
        registry.register(
            "watch_failing",
            "1 while a watch fails and what it last told stays in use: policies, namespaces, trusted-roots, release-namespace, \
             and of the leader mutating-webhooks, validating-webhooks",
            failing.clone(),
        );
        let since = Family::default();
        registry.register(
            "watch_failing_since_timestamp_seconds",
            "Unix time since which a watch fails, and what it told may be old; 0 while it is whole",
            since.clone(),
        );
        Self { failing, since }
    }

    pub(super) fn stands(&self, what: &'static str, failing_since: Option<i64>) {
        let labels = Labels { what };
        self.failing.get_or_create(&labels).set(i64::from(failing_since.is_some()));
        self.since.get_or_create(&labels).set(failing_since.unwrap_or_default());
    }
}
