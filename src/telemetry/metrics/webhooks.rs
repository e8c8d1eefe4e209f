//! The metrics of the webhook configurations, as the leader sees them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Handles to them. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct WebhookMetrics {
    repairs: Counter,
    states: Family<StateLabels, Gauge>,
    exclusions: Family<KindLabels, Gauge>,
}

/// How a webhook configuration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationState {
    /// Filled: pods are refused while the gate does not answer.
    Enforce,
    /// Filled: pods are admitted while the gate does not answer.
    Observe,
    /// Empty, and meant to be: sealgate is being uninstalled.
    Removed,
    /// Not there.
    Absent,
    /// Not as sealgate wants it, and not yet put back.
    Foreign,
}

impl ConfigurationState {
    const ALL: [Self; 5] = [Self::Enforce, Self::Observe, Self::Removed, Self::Absent, Self::Foreign];

    fn label(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
            Self::Removed => "removed",
            Self::Absent => "absent",
            Self::Foreign => "foreign",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    kind: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

impl WebhookMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let repairs = Counter::default();
        registry.register(
            "webhook_repairs",
            "Times a webhook configuration was put back after a foreign change",
            repairs.clone(),
        );
        let states = Family::default();
        registry.register(
            "webhook_configuration",
            "1 for the state of each webhook configuration as the leader sees it: enforce, observe, removed, absent, foreign",
            states.clone(),
        );
        let exclusions = Family::default();
        registry.register(
            "webhook_platform_exclusions",
            "Expressions in the namespace selectors of each webhook configuration that a managed platform has added and sealgate \
             tolerates: each takes namespaces out of the gate",
            exclusions.clone(),
        );
        Self { repairs, states, exclusions }
    }

    pub(super) fn repaired(&self) {
        self.repairs.inc();
    }

    pub(super) fn stands(&self, kind: &'static str, now: ConfigurationState, exclusions: usize) {
        for state in ConfigurationState::ALL {
            let labels = StateLabels { kind, state: state.label() };
            self.states.get_or_create(&labels).set(i64::from(state == now));
        }
        let exclusions = i64::try_from(exclusions).unwrap_or(i64::MAX);
        self.exclusions.get_or_create(&KindLabels { kind }).set(exclusions);
    }

    pub(super) fn clear(&self) {
        self.states.clear();
        self.exclusions.clear();
    }
}
