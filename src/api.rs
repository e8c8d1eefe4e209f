//! The custom resources: their types, the CRD that is made from them, and how the spec of one becomes a policy.
//!
//! A spec comes from the API server or from a file as untyped JSON and is read strictly: the CRD keeps unknown fields, and
//! [`compile`] refuses them. Knows no cluster client and no files; time is an argument.

mod compile;
mod crd;
#[allow(unreachable_pub, reason = "the derive repeats each struct inside a function")]
#[allow(clippy::duplicated_attributes, reason = "each printer column has a type of its own")]
#[allow(clippy::doc_markdown, reason = "its docs are what `kubectl explain` prints")]
mod policy;
mod rules;
mod schema;
pub mod status;

pub use compile::compile;
pub use crd::crd;
pub use policy::{
    AuthoritySpec, ClusterSignaturePolicy, ClusterSignaturePolicySpec, ClusterSignaturePolicyStatus, KeySpec,
    MatchSpec, ModeSpec, OperatorSpec, RequireSpec, RequirementSpec, SelectorSpec, SignatureSpec, StaticSpec,
    StoredPolicy,
};

/// API group of all kinds.
pub const GROUP: &str = "sealgate.dev";
/// API version.
pub const VERSION: &str = "v1alpha1";
/// Group and version, as in the field `apiVersion`.
pub const API_VERSION: &str = "sealgate.dev/v1alpha1";
/// The kind of the policies.
pub const KIND: &str = "ClusterSignaturePolicy";

#[cfg(test)]
mod tests;
