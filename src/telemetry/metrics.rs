//! Every metric of the product, with its help text, in one place. Labels have few values: never an image or a namespace.

mod leader;
mod roots;
mod watches;
mod webhooks;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use leader::LeaderMetrics;
use roots::RootMetrics;
use watches::WatchMetrics;
use webhooks::WebhookMetrics;

pub use webhooks::ConfigurationState;

/// Handles to all metrics. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    reviews: Family<ReviewLabels, Counter>,
    review_seconds: Family<HookLabels, Histogram>,
    findings: Family<FindingLabels, Counter>,
    static_uses: Counter,
    registry_requests: Family<RegistryLabels, Counter>,
    registry_seconds: Histogram,
    panics: Counter,
    log_lines_dropped: Counter,
    shed: Family<ShedLabels, Counter>,
    unknown_image_fields: Counter,
    certificate_expiry: Gauge,
    leader: LeaderMetrics,
    policies: Family<PolicyLabels, Gauge>,
    policy_reload_failures: Counter,
    webhooks: WebhookMetrics,
    roots: RootMetrics,
    watches: WatchMetrics,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReviewLabels {
    hook: &'static str,
    answer: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HookLabels {
    hook: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FindingLabels {
    hook: &'static str,
    mode: &'static str,
    code: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RegistryLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ShedLabels {
    cause: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PolicyLabels {
    state: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A fresh set with its own registry.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sealgate");
        let reviews = Family::<ReviewLabels, Counter>::default();
        registry.register("reviews", "Admission reviews answered, by webhook and answer", reviews.clone());
        let review_seconds = Family::<HookLabels, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.0005, 2.0, 16))
        });
        registry.register_with_unit(
            "review_duration",
            "Time from the complete request to the answer",
            Unit::Seconds,
            review_seconds.clone(),
        );
        let findings = Family::<FindingLabels, Counter>::default();
        registry.register(
            "findings",
            "Reasons found against images, by webhook, policy mode, code and class",
            findings.clone(),
        );
        let static_uses = Counter::default();
        registry.register("static_allow_uses", "Images admitted by a static Allow authority", static_uses.clone());
        let registry_requests = Family::<RegistryLabels, Counter>::default();
        registry.register("registry_requests", "Requests to registries, by result", registry_requests.clone());
        let registry_seconds = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        registry.register_with_unit(
            "registry_request_duration",
            "Time of one request to a registry",
            Unit::Seconds,
            registry_seconds.clone(),
        );
        let panics = Counter::default();
        registry.register("panics", "Requests whose handler panicked; each was denied", panics.clone());
        let log_lines_dropped = Counter::default();
        registry.register(
            "log_lines_dropped",
            "Log lines that were not written: standard error was not read in time, or could not be written",
            log_lines_dropped.clone(),
        );
        let shed = Family::<ShedLabels, Counter>::default();
        registry.register(
            "shed",
            "Connections and requests refused or ended to protect the process, by cause",
            shed.clone(),
        );
        let unknown_image_fields = Counter::default();
        registry.register(
            "unknown_image_fields",
            "Fields named image or reference in pod specs that this version does not know",
            unknown_image_fields.clone(),
        );
        let certificate_expiry = Gauge::default();
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the serving certificate expires, as a Unix time",
            certificate_expiry.clone(),
        );
        let leader = LeaderMetrics::new(&mut registry);
        let policies = Family::<PolicyLabels, Gauge>::default();
        registry.register("policies", "Policies loaded, by state: valid, broken (what is stored can't be used), and last-good (those of the broken ones whose last good version is in force; the others deny their images)", policies.clone());
        let policy_reload_failures = Counter::default();
        registry.register(
            "policy_reload_failures",
            "Times a changed policy folder could not be read and the last good set was kept",
            policy_reload_failures.clone(),
        );
        let webhooks = WebhookMetrics::new(&mut registry);
        let roots = RootMetrics::new(&mut registry);
        let watches = WatchMetrics::new(&mut registry);
        Self {
            registry: Arc::new(registry),
            reviews,
            review_seconds,
            findings,
            static_uses,
            registry_requests,
            registry_seconds,
            panics,
            log_lines_dropped,
            shed,
            unknown_image_fields,
            certificate_expiry,
            leader,
            policies,
            policy_reload_failures,
            webhooks,
            roots,
            watches,
        }
    }

    /// One review was answered: `answer` is `allowed`, `rejected`, `unavailable` or `malformed`.
    pub fn review(&self, hook: &'static str, answer: &'static str, took: Duration) {
        self.reviews.get_or_create(&ReviewLabels { hook, answer }).inc();
        self.review_seconds.get_or_create(&HookLabels { hook }).observe(took.as_secs_f64());
    }

    /// One reason against one image.
    pub fn finding(&self, hook: &'static str, mode: &'static str, code: &'static str, class: &'static str) {
        self.findings.get_or_create(&FindingLabels { hook, mode, code, class }).inc();
    }

    /// A static Allow authority was used.
    pub fn static_use(&self) {
        self.static_uses.inc();
    }

    /// One request to a registry; `result` is `ok`, `not-found` or the code of an [`crate::domain::Unavailable`].
    pub fn registry_request(&self, result: &'static str, took: Duration) {
        self.registry_requests.get_or_create(&RegistryLabels { result }).inc();
        self.registry_seconds.observe(took.as_secs_f64());
    }

    /// A handler panicked.
    pub fn panic(&self) {
        self.panics.inc();
    }

    /// A line of the log was dropped.
    pub fn log_line_dropped(&self) {
        self.log_lines_dropped.inc();
    }

    /// Something was refused to protect the process: `connections`, `evicted`, `admin-connections`, `admin-evicted`, `peer-reviews`,
    /// `body-budget`, `body-size`, `slow-body`, `handshake`, `client-certificate`.
    pub fn shed(&self, cause: &'static str) {
        self.shed.get_or_create(&ShedLabels { cause }).inc();
    }

    /// A pod spec has an image-like field that is not known.
    pub fn unknown_image_field(&self) {
        self.unknown_image_fields.inc();
    }

    /// The serving certificate now in use expires at this Unix time.
    pub fn certificate_expires(&self, unix_seconds: i64) {
        self.certificate_expiry.set(unix_seconds);
    }

    /// Whether this replica leads.
    pub fn leader(&self, leads: bool) {
        self.leader.leads(leads);
    }

    /// This replica saw a leader at this Unix time.
    pub fn leader_seen(&self, unix_seconds: i64) {
        self.leader.seen(unix_seconds);
    }

    /// How many policies are loaded in each state.
    pub fn policies(&self, states: &[(&'static str, usize)]) {
        for &(state, count) in states {
            self.policies.get_or_create(&PolicyLabels { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// A policy folder could not be read again.
    pub fn policy_reload_failed(&self) {
        self.policy_reload_failures.inc();
    }

    /// A webhook configuration was put back.
    pub fn webhook_repaired(&self) {
        self.webhooks.repaired();
    }

    /// How a webhook configuration stands now, and how many expressions of a platform are in its selectors; `kind` is `mutating` or
    /// `validating`.
    pub fn webhook_configuration(&self, kind: &'static str, now: ConfigurationState, exclusions: usize) {
        self.webhooks.stands(kind, now, exclusions);
    }

    /// This replica leads no more: another one knows how the webhook configurations stand.
    pub fn webhook_configurations_unknown(&self) {
        self.webhooks.clear();
    }

    /// How a trusted root stands: where it comes from, or nothing where there is none that can be used; its age and the
    /// Unix time at which it expires, in seconds.
    pub fn trusted_root(&self, root: &str, source: Option<&'static str>, age: Option<i64>, expires: Option<i64>) {
        self.roots.stands(root, source, age, expires);
    }

    /// There is no trusted root of that name any more.
    pub fn trusted_root_gone(&self, root: &str) {
        self.roots.gone(root);
    }

    /// A trusted root could not be refreshed.
    pub fn trusted_root_refresh_failed(&self, root: &str) {
        self.roots.refresh_failed(root);
    }

    /// Whether a watch fails, and since which Unix time.
    pub fn watch(&self, what: &'static str, failing_since: Option<i64>) {
        self.watches.stands(what, failing_since);
    }

    /// The text that a Prometheus server scrapes (`OpenMetrics` 1.0).
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// The page of the documentation that lists every metric: made from the metrics themselves, with every label in use.
pub fn reference() -> String {
    let metrics = Metrics::new();
    metrics.review("validate", "allowed", Duration::ZERO);
    metrics.finding("validate", "enforce", "NO_SIGNATURE", "unsigned");
    metrics.registry_request("ok", Duration::ZERO);
    metrics.shed("connections");
    metrics.policies(&[("valid", 0)]);
    metrics.webhook_configuration("validating", ConfigurationState::Enforce, 0);
    metrics.trusted_root("sigstore", Some("tuf"), Some(0), Some(0));
    metrics.trusted_root_refresh_failed("sigstore");
    metrics.watch("policies", None);
    let text = metrics.render();
    let lines = |keyword| text.lines().filter_map(move |line: &str| line.strip_prefix(keyword)?.split_once(' '));
    let mut page = String::from(
        "# Metrics\n\nServed at `/metrics` on the admin port, as OpenMetrics. No label ever carries an image, a namespace or a user.\n\n\
         | metric | type | labels | what it counts |\n|---|---|---|---|\n",
    );
    for (name, help) in lines("# HELP ") {
        let kind = lines("# TYPE ").find(|(typed, _)| *typed == name).map_or("", |(_, kind)| kind);
        let suffix = if kind == "counter" { "_total" } else { "" };
        let labels = labels(&text, name);
        // Writing into a String cannot fail.
        let _ = writeln!(page, "| `{name}{suffix}` | {kind} | {labels} | {} |", help.trim_end_matches('.'));
    }
    page
}

/// The names of the labels of a metric, from its first sample.
fn labels(text: &str, name: &str) -> String {
    let sample = text.lines().find(|line| line.starts_with(name) && line.contains('{'));
    let inside = sample.and_then(|line| line.split_once('{')?.1.split_once('}')).map_or("", |(inside, _)| inside);
    let names = inside.split(',').filter_map(|pair| Some(pair.split_once('=')?.0)).filter(|name| *name != "le");
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
