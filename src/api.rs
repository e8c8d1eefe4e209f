//! The custom resources: their types, the CRDs that are made from them, and how the spec of one becomes a policy or the
//! source of a trusted root.
//!
//! A spec comes from the API server or from a file as untyped JSON and is read strictly: the CRD keeps unknown fields, and
//! [`compile`] refuses them. Knows no cluster client and no files; time is an argument.

#[allow(unreachable_pub, reason = "the derive repeats each struct inside a function")]
#[allow(clippy::doc_markdown, reason = "its docs are what `kubectl explain` prints")]
mod attestation;
#[allow(unreachable_pub, reason = "the derive repeats each struct inside a function")]
#[allow(clippy::doc_markdown, reason = "its docs are what `kubectl explain` prints")]
mod authority;
mod compile;
mod crd;
#[allow(unreachable_pub, reason = "the derive repeats each struct inside a function")]
#[allow(clippy::duplicated_attributes, reason = "each printer column has a type of its own")]
#[allow(clippy::doc_markdown, reason = "its docs are what `kubectl explain` prints")]
mod policy;
mod root;
mod rules;
mod schema;
pub mod status;
#[allow(unreachable_pub, reason = "the derive repeats each struct inside a function")]
#[allow(clippy::duplicated_attributes, reason = "each printer column has a type of its own")]
#[allow(clippy::doc_markdown, reason = "its docs are what `kubectl explain` prints")]
mod trusted_root;

pub use attestation::{AttestationSpec, ConditionSpec, LogSpec, MatchingSpec};
pub use authority::{AuthoritySpec, CertificateSpec, ClaimsSpec, IdentitySpec, KeySpec, KeylessSpec, StaticSpec};
pub use compile::compile;
pub use crd::{crd, crds, trusted_root_crd};
pub use policy::{
    ClusterSignaturePolicy, ClusterSignaturePolicySpec, ClusterSignaturePolicyStatus, MatchSpec, ModeSpec,
    OperatorSpec, RequireSpec, RequirementSpec, SelectorSpec, SignatureSpec, StoredPolicy,
};
pub use root::{RootEntry, compile_root};
pub use trusted_root::{TrustedRoot, TrustedRootSpec, TrustedRootStatus, TufSpec};

/// API group of all kinds.
pub const GROUP: &str = "sealgate.dev";
/// API version.
pub const VERSION: &str = "v1alpha1";
/// Group and version, as in the field `apiVersion`.
pub const API_VERSION: &str = "sealgate.dev/v1alpha1";
/// The kind of the policies.
pub const KIND: &str = "ClusterSignaturePolicy";
/// The kind of the trusted roots.
pub const TRUSTED_ROOT_KIND: &str = "TrustedRoot";

#[cfg(test)]
mod tests;
