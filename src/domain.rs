//! The vocabulary of the product. Pure: knows no clock, network, file system or Kubernetes client.

pub mod address;
pub mod digest;
pub mod docker_config;
pub mod identity;
pub mod json_size;
pub mod minimum_rate;
pub mod name;
pub mod pattern;
pub mod predicate;
pub mod reason;
pub mod reference;
pub mod text;
pub mod trusted_root;
pub mod workload;

pub use digest::Digest;
pub use docker_config::{Credential, DockerConfig, DockerConfigError, Login};
pub use identity::{
    Claim, IdentityError, IdentityField, IdentityParts, IdentityPattern, Mismatch, RegExpError, SignerIdentity,
    Subject, SubjectKind, SubjectPattern, SubjectRegExp,
};
pub use pattern::{Pattern, PatternError};
pub use reason::{Class, Finding, Rejection, Unavailable};
pub use reference::{ImageReference, PinnedImage, ReferenceError, Repository};
pub use trusted_root::{BUILT_IN_ROOTS, RootSource, TufSource};
pub use workload::{ExtraKind, KindError, KindTable, ObjectType, Role, Workload};
