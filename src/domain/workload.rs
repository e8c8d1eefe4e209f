//! The kind table: every Kubernetes kind that carries images, and where. Webhook rules and image walking both read it, so
//! that nothing is sent that is not looked at, and nothing is looked at that is not sent.
//!
//! The rows are those of the Kubernetes API reference, and those that the admin adds in the settings.

use std::fmt;

use super::text::foreign;

/// Path of the webhook that pins.
pub const MUTATE_PODS_PATH: &str = "/mutate";
/// Path of the webhook that decides.
pub const VALIDATE_PODS_PATH: &str = "/validate";
/// Path of the webhook that looks at templates.
pub const VALIDATE_WORKLOADS_PATH: &str = "/validate-workloads";

/// Longest dotted path in bytes.
const MAX_PATH: usize = 256;
/// Most kinds that an admin may add.
const MAX_EXTRA: usize = 64;

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

/// A kind that the admin adds: a template of pods under a path of object fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraKind {
    /// API group, such as `argoproj.io`.
    pub group: String,
    /// API version, such as `v1alpha1`.
    pub version: String,
    /// Plural resource name, such as `rollouts`.
    pub resource: String,
    /// Kind, such as `Rollout`.
    pub kind: String,
    /// Fields that lead to the pod spec, joined by dots: `spec.template.spec`.
    pub pod_spec: String,
}

/// What an AdmissionReview says that its object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectType<'a> {
    /// API group, empty for core.
    pub group: &'a str,
    /// API version.
    pub version: &'a str,
    /// Plural resource name.
    pub resource: &'a str,
    /// Subresource, empty where there is none.
    pub subresource: &'a str,
    /// Kind.
    pub kind: &'a str,
}

/// The kinds that are known, and those that the admin added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindTable {
    rows: Vec<Workload>,
}

/// Why a kind can't be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    /// The table has a row for it.
    #[error("{resource}.{group}/{version} is already in the table; remove it from extraWorkloads")]
    Duplicate {
        /// API group.
        group: String,
        /// API version.
        version: String,
        /// Resource.
        resource: String,
    },
    /// A name that no Kubernetes API has.
    #[error("\"{found}\" is not {expected}")]
    Name {
        /// What a valid value looks like.
        expected: &'static str,
        /// The value, escaped.
        found: String,
    },
    /// A path that leads to no pod spec.
    #[error("\"{path}\" is not a path to a pod spec: {problem}")]
    Path {
        /// The path, escaped.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More kinds than a table holds.
    #[error("{found} extra workloads; at most {MAX_EXTRA} can be added")]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

impl KindTable {
    /// The kinds of Kubernetes itself.
    pub fn builtin() -> Self {
        Self { rows: BUILT_IN.iter().map(BuiltIn::row).collect() }
    }

    /// The kinds of Kubernetes itself, and these.
    pub fn new(extra: &[ExtraKind]) -> Result<Self, KindError> {
        if extra.len() > MAX_EXTRA {
            return Err(KindError::TooMany { found: extra.len() });
        }
        let mut table = Self::builtin();
        for kind in extra {
            let row = kind.row()?;
            let object = ObjectType {
                group: &row.group,
                version: &row.version,
                resource: &row.resource,
                subresource: "",
                kind: &row.kind,
            };
            if table.rows.iter().any(|known| known.same_resource(object)) {
                let Workload { group, version, resource, .. } = row;
                return Err(KindError::Duplicate { group, version, resource });
            }
            table.rows.push(row);
        }
        Ok(table)
    }

    /// The rows, built-in ones first.
    pub fn rows(&self) -> &[Workload] {
        &self.rows
    }

    /// The row for an object. Group, resource, subresource and kind must all fit. The version of a built-in kind is not
    /// looked at: whatever version the API server delivers, its pod spec lies at the same place.
    pub fn find(&self, object: ObjectType<'_>) -> Option<&Workload> {
        let mut rows = self.rows.iter().enumerate();
        rows.find(|(at, row)| {
            let version_fits = *at < BUILT_IN.len() || row.version == object.version;
            version_fits && row.same_unversioned(object) && row.kind == object.kind
        })
        .map(|(_, row)| row)
    }
}

impl Workload {
    fn same_resource(&self, object: ObjectType<'_>) -> bool {
        self.version == object.version && self.same_unversioned(object)
    }

    fn same_unversioned(&self, object: ObjectType<'_>) -> bool {
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        self.group == object.group && resource == object.resource && subresource == object.subresource
    }
}

impl fmt::Display for ObjectType<'_> {
    /// Names it for a message: `Rollout (argoproj.io/v1alpha1, rollouts)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group_version = [self.group, self.version].join(if self.group.is_empty() { "" } else { "/" });
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        let resource = [self.resource, self.subresource].join(slash);
        write!(f, "{} ({}, {})", foreign(self.kind), foreign(&group_version), foreign(&resource))
    }
}

impl ExtraKind {
    fn row(&self) -> Result<Workload, KindError> {
        let name = |found: &str, fits: bool, expected| {
            if fits { Ok(found.to_owned()) } else { Err(KindError::Name { expected, found: foreign(found) }) }
        };
        Ok(Workload {
            group: name(&self.group, is_group(&self.group), "an API group such as argoproj.io")?,
            version: name(&self.version, is_version(&self.version), "an API version such as v1alpha1")?,
            resource: name(&self.resource, is_resource(&self.resource), "a plural resource name such as rollouts")?,
            kind: name(&self.kind, is_kind(&self.kind), "a kind such as Rollout")?,
            pod_spec: pod_spec_path(&self.pod_spec)
                .map_err(|problem| KindError::Path { path: foreign(&self.pod_spec), problem })?,
            role: Role::Template,
        })
    }
}

/// RFC 1123 subdomain with a dot in it; the groups without a dot belong to Kubernetes, where the table is complete, apart
/// from the old group `extensions`, which no supported version serves.
fn is_group(text: &str) -> bool {
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

fn is_resource(text: &str) -> bool {
    is_label(text) && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
}

/// RFC 1123 label.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// `v`, a number, and perhaps `alpha` or `beta` with a number of its own.
fn is_version(text: &str) -> bool {
    let number = |n: &str| (1..=9).contains(&n.len()) && !n.starts_with('0') && n.bytes().all(|b| b.is_ascii_digit());
    let Some(rest) = text.strip_prefix('v') else { return false };
    match rest.split_once("alpha").or_else(|| rest.split_once("beta")) {
        Some((major, minor)) => number(major) && number(minor),
        None => number(rest),
    }
}

fn is_kind(text: &str) -> bool {
    text.len() <= 63
        && text.bytes().next().is_some_and(|b| b.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn pod_spec_path(text: &str) -> Result<Vec<String>, &'static str> {
    if text.len() > MAX_PATH {
        return Err("it is longer than 256 characters");
    }
    if text.is_empty() {
        return Err("it is empty; write the fields that lead to the pod spec, such as spec.template.spec");
    }
    if text.contains(['[', ']', '*']) {
        return Err("it goes through a list; only fields of objects can be followed");
    }
    if text.starts_with(['.', '$', '/']) || text.contains('/') {
        return Err("write field names joined by dots, such as spec.template.spec");
    }
    let field = |f: &str| {
        f.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && f.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    if !text.split('.').all(field) {
        return Err("a field name has letters, digits, - and _, and begins with a letter");
    }
    if ["apiVersion", "kind", "metadata", "status"].contains(&text.split('.').next().unwrap_or_default()) {
        return Err("no pod spec lies there; it is somewhere under spec or template");
    }
    Ok(text.split('.').map(str::to_owned).collect())
}

struct BuiltIn {
    group: &'static str,
    resource: &'static str,
    kind: &'static str,
    pod_spec: &'static [&'static str],
    role: Role,
}

impl BuiltIn {
    const fn template(group: &'static str, resource: &'static str, kind: &'static str) -> Self {
        Self { group, resource, kind, pod_spec: &["spec", "template", "spec"], role: Role::Template }
    }

    fn row(&self) -> Workload {
        Workload {
            group: self.group.to_owned(),
            version: "v1".to_owned(),
            resource: self.resource.to_owned(),
            kind: self.kind.to_owned(),
            pod_spec: self.pod_spec.iter().map(|&field| field.to_owned()).collect(),
            role: self.role,
        }
    }
}

/// All are served as `v1` by every supported Kubernetes.
const BUILT_IN: [BuiltIn; 10] = [
    BuiltIn { group: "", resource: "pods", kind: "Pod", pod_spec: &["spec"], role: Role::Pod },
    BuiltIn {
        group: "",
        resource: "pods/ephemeralcontainers",
        kind: "Pod",
        pod_spec: &["spec"],
        role: Role::EphemeralContainers,
    },
    BuiltIn::template("apps", "deployments", "Deployment"),
    BuiltIn::template("apps", "statefulsets", "StatefulSet"),
    BuiltIn::template("apps", "daemonsets", "DaemonSet"),
    BuiltIn::template("apps", "replicasets", "ReplicaSet"),
    BuiltIn::template("", "replicationcontrollers", "ReplicationController"),
    BuiltIn::template("batch", "jobs", "Job"),
    BuiltIn {
        group: "batch",
        resource: "cronjobs",
        kind: "CronJob",
        pod_spec: &["spec", "jobTemplate", "spec", "template", "spec"],
        role: Role::Template,
    },
    BuiltIn {
        group: "",
        resource: "podtemplates",
        kind: "PodTemplate",
        pod_spec: &["template", "spec"],
        role: Role::Template,
    },
];

#[cfg(test)]
mod tests;
