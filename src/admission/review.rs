//! AdmissionReview v1, read strictly from bytes.
//!
//! 1. JSON as `json` reads it: no key twice, no field in another case.
//! 2. `apiVersion` and `kind` are exact.
//! 3. The uid has 1 to 255 characters, none of them a control character.
//! 4. The operation is known.
//!
//! What fails here is no review, and is answered with HTTP 400.

use std::fmt;

use serde::de::MapAccess;
use serde_json::value::RawValue;

use crate::domain::text::{foreign, without_types};

use super::json::{self, Fields, Notes};

/// What the API server calls a webhook with.
pub const API_VERSION: &str = "admission.k8s.io/v1";
/// The kind of question and answer.
pub const KIND: &str = "AdmissionReview";
/// The uid is shorter than this many bytes; the API server's are 36.
const UID_LIMIT: usize = 256;

/// One request. Objects are still bytes: how they are read depends on their kind.
#[derive(Debug)]
pub struct Review<'a> {
    /// Echoed in the answer.
    pub uid: String,
    /// The kind of the object.
    pub kind: String,
    /// The resource that is called.
    pub resource: Resource,
    /// Its subresource; empty where there is none.
    pub subresource: String,
    /// The object's name; empty while it is not known.
    pub name: String,
    /// The namespace that decides.
    pub namespace: String,
    /// What is done.
    pub operation: Operation,
    /// Who does it.
    pub user: User,
    /// The API server keeps nothing of this.
    pub dry_run: bool,
    /// The object as it would be stored.
    pub object: Option<&'a RawValue>,
    /// The object as it is stored.
    pub old_object: Option<&'a RawValue>,
}

/// What is done with the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is removed.
    Delete,
    /// Something is opened to it.
    Connect,
}

/// Group, version and resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// API group, empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural resource name.
    pub resource: String,
}

/// The user, as the API server has authenticated it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The groups that it is in.
    pub groups: Vec<String>,
}

/// Why something is no AdmissionReview that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The uid, where it could be read, so that the answer can name it.
    pub uid: Option<String>,
    /// What was expected and what was found.
    pub problem: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an {KIND} of {API_VERSION}: {}", self.problem)
    }
}

impl<'a> Review<'a> {
    /// Reads one review.
    pub fn read(body: &'a [u8]) -> Result<Self, Refusal> {
        let envelope: Envelope<'a> = json::document(body)
            .map_err(|e| Refusal { uid: None, problem: foreign(&without_types(&e.to_string())) })?;
        let uid = valid_uid(envelope.request.as_ref().and_then(|r| r.uid.as_deref()));
        let refuse = |problem: String| Refusal { uid: uid.clone(), problem };
        for (field, found, expected) in
            [("apiVersion", &envelope.api_version, API_VERSION), ("kind", &envelope.kind, KIND)]
        {
            if found.as_deref() != Some(expected) {
                let found = found.as_deref().map_or_else(|| "is missing".into(), |f| format!("is {}", foreign(f)));
                return Err(refuse(format!("{field} {found}")));
            }
        }
        let request = envelope.request.ok_or_else(|| refuse("request is missing".into()))?;
        let uid = uid.clone().ok_or_else(|| refuse("request.uid needs 1 to 255 plain characters".into()))?;
        let operation = request.operation.unwrap_or_default();
        let operation = Operation::parse(&operation).ok_or_else(|| Refusal {
            uid: Some(uid.clone()),
            problem: format!("request.operation is \"{}\"", foreign(&operation)),
        })?;
        Ok(Self {
            uid,
            kind: request.kind.kind.unwrap_or_default(),
            resource: request.resource,
            subresource: request.subresource.unwrap_or_default(),
            name: request.name.unwrap_or_default(),
            namespace: request.namespace.unwrap_or_default(),
            operation,
            user: request.user,
            dry_run: request.dry_run,
            object: request.object,
            old_object: request.old_object,
        })
    }
}

fn valid_uid(uid: Option<&str>) -> Option<String> {
    let fits = |uid: &&str| !uid.is_empty() && uid.len() < UID_LIMIT && !uid.chars().any(char::is_control);
    uid.filter(fits).map(str::to_owned)
}

impl Operation {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "CREATE" => Some(Self::Create),
            "UPDATE" => Some(Self::Update),
            "DELETE" => Some(Self::Delete),
            "CONNECT" => Some(Self::Connect),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Envelope<'a> {
    api_version: Option<String>,
    kind: Option<String>,
    request: Option<Request<'a>>,
}

impl<'de> Fields<'de> for Envelope<'de> {
    const KNOWN: &'static [&'static str] = &["apiVersion", "kind", "request"];

    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A, notes: Notes<'_>) -> Result<(), A::Error> {
        match key {
            "apiVersion" => self.api_version = json::text(map)?,
            "kind" => self.kind = json::text(map)?,
            _ => self.request = map.next_value_seed(json::OptionalObject::new(notes))?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct Request<'a> {
    uid: Option<String>,
    kind: Kind,
    resource: Resource,
    subresource: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    operation: Option<String>,
    user: User,
    dry_run: bool,
    object: Option<&'a RawValue>,
    old_object: Option<&'a RawValue>,
}

impl<'de> Fields<'de> for Request<'de> {
    const KNOWN: &'static [&'static str] = &[
        "uid",
        "kind",
        "resource",
        "subResource",
        "name",
        "namespace",
        "operation",
        "userInfo",
        "dryRun",
        "object",
        "oldObject",
    ];

    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A, notes: Notes<'_>) -> Result<(), A::Error> {
        match key {
            "uid" => self.uid = json::text(map)?,
            "kind" => self.kind = json::object(map, notes)?,
            "resource" => self.resource = json::object(map, notes)?,
            "subResource" => self.subresource = json::text(map)?,
            "name" => self.name = json::text(map)?,
            "namespace" => self.namespace = json::text(map)?,
            "operation" => self.operation = json::text(map)?,
            "userInfo" => self.user = json::object(map, notes)?,
            "dryRun" => self.dry_run = map.next_value::<Option<bool>>()?.unwrap_or_default(),
            "object" => self.object = map.next_value()?,
            _ => self.old_object = map.next_value()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct Kind {
    kind: Option<String>,
}

impl<'de> Fields<'de> for Kind {
    const KNOWN: &'static [&'static str] = &["kind"];

    fn read<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A, _: Notes<'_>) -> Result<(), A::Error> {
        self.kind = json::text(map)?;
        Ok(())
    }
}

impl<'de> Fields<'de> for Resource {
    const KNOWN: &'static [&'static str] = &["group", "version", "resource"];

    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A, _: Notes<'_>) -> Result<(), A::Error> {
        let value = json::text(map)?.unwrap_or_default();
        match key {
            "group" => self.group = value,
            "version" => self.version = value,
            _ => self.resource = value,
        }
        Ok(())
    }
}

impl<'de> Fields<'de> for User {
    const KNOWN: &'static [&'static str] = &["username", "groups"];

    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A, _: Notes<'_>) -> Result<(), A::Error> {
        match key {
            "username" => self.name = json::text(map)?.unwrap_or_default(),
            _ => self.groups = map.next_value::<Option<_>>()?.unwrap_or_default(),
        }
        Ok(())
    }
}
