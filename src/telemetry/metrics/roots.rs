//! The metrics of trusted roots.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Every value of the label `source`.
const SOURCES: [&str; 5] = ["built-in", "inline", "cache", "tuf", NONE];
const NONE: &str = "none";

/// Handles to them. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct RootMetrics {
    source: Family<SourceLabels, Gauge>,
    age: Family<Labels, Gauge>,
    expiry: Family<Labels, Gauge>,
    refresh_failures: Family<Labels, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    root: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SourceLabels {
    root: String,
    source: &'static str,
}

impl RootMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let source = Family::default();
        registry.register(
            "trusted_root_source",
            "1 for where each trusted root in use comes from: built-in, inline, cache, tuf, none",
            source.clone(),
        );
        let age = Family::default();
        registry.register_with_unit(
            "trusted_root_age",
            "Time since each trusted root in use was proven by its mirror, copied into the program, or read from its resource",
            Unit::Seconds,
            age.clone(),
        );
        let expiry = Family::default();
        registry.register_with_unit(
            "trusted_root_expiry_timestamp",
            "Unix time at which the metadata that prove each trusted root expire; the grace comes on top",
            Unit::Seconds,
            expiry.clone(),
        );
        let refresh_failures = Family::default();
        registry.register(
            "trusted_root_refresh_failures",
            "Refreshes of trusted roots that failed; the last good root stays in use",
            refresh_failures.clone(),
        );
        Self { source, age, expiry, refresh_failures }
    }

    pub(super) fn stands(&self, root: &str, source: Option<&'static str>, age: Option<i64>, expires: Option<i64>) {
        for known in SOURCES {
            let labels = SourceLabels { root: root.to_owned(), source: known };
            self.source.get_or_create(&labels).set(i64::from(known == source.unwrap_or(NONE)));
        }
        let labels = Labels { root: root.to_owned() };
        for (family, value) in [(&self.age, age), (&self.expiry, expires)] {
            if let Some(value) = value {
                family.get_or_create(&labels).set(value);
            } else {
                family.remove(&labels);
            }
        }
    }

    pub(super) fn gone(&self, root: &str) {
        for source in SOURCES {
            self.source.remove(&SourceLabels { root: root.to_owned(), source });
        }
        let labels = Labels { root: root.to_owned() };
        self.age.remove(&labels);
        self.expiry.remove(&labels);
        self.refresh_failures.remove(&labels);
    }

    pub(super) fn refresh_failed(&self, root: &str) {
        self.refresh_failures.get_or_create(&Labels { root: root.to_owned() }).inc();
    }
}
