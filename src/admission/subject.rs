//! What a review asks about: the images to judge, or the reason why there is nothing to judge.
//!
//! 1. DELETE is allowed, CONNECT is not ours.
//! 2. The kind has a row in the kind table, and that row belongs to the webhook that was called.
//! 3. The object is there, and says that it is of that kind.
//! 4. It says no other namespace than the request.

use crate::domain::Rejection;
use crate::domain::text::foreign;
use crate::domain::workload::{KindTable, ObjectType, Role, Workload};
use crate::verifier::ports::PullContext;

use super::handler::Hook;
use super::images::{self, ImageField};
use super::object::{Metadata, Object, PodSpec};
use super::review::{Operation, Review, User};

/// What one review is about, for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) uid: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    /// The name, or the start of the one that will be made.
    pub(super) name: String,
    pub(super) dry_run: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing here runs an image that did not run before.
    Allow,
    /// Images to judge.
    Judge(Box<Subject>),
    /// The object can't be judged.
    Refuse(Rejection),
    /// The object can't be judged, and could not be before this change either.
    StillUnreadable(Rejection),
}

/// Images to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// A template is not a pod: it is never changed.
    pub(super) role: Role,
    /// The path of object fields to the pod spec.
    pub(super) pod_spec: Vec<String>,
    /// New and changed images.
    pub(super) fields: Vec<ImageField>,
    /// How many images the object has.
    pub(super) total: usize,
    /// Whether it is the mirror of a static pod, made by its node.
    pub(super) mirror: bool,
    /// Who would pull them.
    pub(super) context: PullContext,
    /// Fields of the pod spec that look like images and are not known.
    pub(super) unknown_image_fields: usize,
}

impl Head {
    pub(super) fn of(review: &Review<'_>) -> Self {
        Self {
            uid: review.uid.clone(),
            kind: review.kind.clone(),
            namespace: review.namespace.clone(),
            name: review.name.clone(),
            dry_run: review.dry_run,
        }
    }
}

/// Reads what `review` asks of the webhook `hook`, and fills in the name that only the object knows.
pub(super) fn read(review: &Review<'_>, hook: Hook, kinds: &KindTable, head: &mut Head) -> Reading {
    match review.operation {
        Operation::Delete => return Reading::Allow,
        Operation::Connect => return malformed("CONNECT is not answered here"),
        Operation::Create | Operation::Update => {}
    }
    let asked = ObjectType {
        group: &review.resource.group,
        version: &review.resource.version,
        resource: &review.resource.resource,
        subresource: &review.subresource,
        kind: &review.kind,
    };
    let Some(row) = kinds.find(asked).filter(|row| hook.judges(row.role)) else {
        return Reading::Refuse(Rejection::UnknownKind(asked.to_string()));
    };
    let Some(raw) = review.object else { return malformed("the request has no object") };
    let object = Object::read(raw, &row.pod_spec).and_then(|object| fits(object, review, row));
    let old = match (review.operation, review.old_object) {
        (Operation::Update, Some(raw)) => Some(Object::read(raw, &row.pod_spec).and_then(|old| of_kind(old, row))),
        _ => None,
    };
    match (object, old) {
        (Err(problem), Some(Err(_))) => Reading::StillUnreadable(Rejection::MalformedObject(foreign(&problem))),
        (Err(problem), _) => malformed(&problem),
        (Ok(object), old) => {
            name(head, &object.metadata);
            subject(object, old.and_then(Result::ok), review, row)
        }
    }
}

fn malformed(problem: &str) -> Reading {
    Reading::Refuse(Rejection::MalformedObject(foreign(problem)))
}

/// Checks 3 and 4 of the module.
fn fits(object: Object, review: &Review<'_>, row: &Workload) -> Result<Object, String> {
    let object = of_kind(object, row)?;
    if review.namespace.is_empty() {
        return Err("the request has no namespace".into());
    }
    match object.metadata.namespace.as_deref() {
        None | Some("") => Ok(object),
        Some(own) if own == review.namespace => Ok(object),
        Some(own) => Err(format!("metadata.namespace is {own}, and the request is for {}", review.namespace)),
    }
}

fn of_kind(object: Object, row: &Workload) -> Result<Object, String> {
    match object.kind.as_deref() {
        Some(kind) if kind == row.kind => Ok(object),
        Some(kind) => Err(format!("its kind is {kind}, and the request is for {}", row.kind)),
        None if object.pod_spec.is_some() => Ok(object),
        None => Err(format!("it has neither a kind nor the field {}", row.pod_spec.join("."))),
    }
}

fn name(head: &mut Head, metadata: &Metadata) {
    if head.name.is_empty() {
        head.name = metadata.name.clone().filter(|name| !name.is_empty()).unwrap_or_default();
    }
    if let (true, Some(prefix)) = (head.name.is_empty(), &metadata.generate_name) {
        head.name = format!("{prefix}*");
    }
}

fn subject(object: Object, old: Option<Object>, review: &Review<'_>, row: &Workload) -> Reading {
    let spec = object.pod_spec.unwrap_or_default();
    let total = images::count(&spec);
    if total > images::MAX_FIELDS {
        let rejection = Rejection::TooManyImages { found: total, limit: images::MAX_FIELDS };
        let before = old.and_then(|old| old.pod_spec).map_or(0, |spec| images::count(&spec));
        return if before > images::MAX_FIELDS {
            Reading::StillUnreadable(rejection)
        } else {
            Reading::Refuse(rejection)
        };
    }
    let all = images::images(&spec);
    let mirror = object.metadata.annotations.mirror && is_node_of(&review.user, &spec);
    let mut fields = match old.and_then(|old| old.pod_spec) {
        Some(old) => images::changed(all, &old),
        None => all,
    };
    if mirror || row.role == Role::Template {
        // Nothing is pinned here, so no field gets its old digest back.
        fields.iter_mut().for_each(ImageField::ask_as_written);
    }
    if fields.is_empty() && object.unknown_image_fields == 0 {
        return Reading::Allow;
    }
    Reading::Judge(Box::new(Subject {
        role: row.role,
        pod_spec: row.pod_spec.clone(),
        fields,
        total,
        mirror,
        context: context(&review.namespace, spec),
        unknown_image_fields: object.unknown_image_fields,
    }))
}

/// Whether the user is the node that the pod is bound to. Anyone may write the annotation; only the node's own name and group,
/// which the API server has authenticated, make the pod a mirror.
fn is_node_of(user: &User, spec: &PodSpec) -> bool {
    let node = spec.node_name.as_deref().filter(|node| !node.is_empty());
    node.is_some_and(|node| user.name.strip_prefix("system:node:") == Some(node))
        && user.groups.iter().any(|group| group == "system:nodes")
}

fn context(namespace: &str, spec: PodSpec) -> PullContext {
    let account = spec.service_account_name.filter(|name| !name.is_empty());
    PullContext {
        namespace: namespace.to_owned(),
        service_account: account.unwrap_or_else(|| "default".into()),
        image_pull_secrets: spec.image_pull_secrets.into_iter().filter_map(|secret| secret.name).collect(),
    }
}
