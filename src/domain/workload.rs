//! The kind table: every Kubernetes kind that carries images, and where. Webhook rules and image walking both read it.

/// What kind of object a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A pod: pinned and enforced.
    Pod,
    /// The `ephemeralcontainers` subresource of a pod: pinned and enforced.
    EphemeralContainers,
    /// A template of pods: early feedback only, never changed.
    Template,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// API group, empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Resource, with a subresource after a slash.
    pub resource: String,
    /// Kind.
    pub kind: String,
    /// Path of object fields to the pod spec, such as `spec.template.spec`.
    pub pod_spec: Vec<String>,
    /// What it is.
    pub role: Role,
}

/// The kinds that are known, and those that the admin added.
#[derive(Clone, Debug)]
pub struct KindTable {
    rows: Vec<Workload>,
}

impl KindTable {
    /// The rows, built-in ones first.
    pub fn rows(&self) -> &[Workload] {
        &self.rows
    }
}
