//! Everything that is read from and written to the Kubernetes API.
//!
//! Knows Kubernetes objects and nothing of registries, reviews or the command line. Policies and namespaces are watched
//! into memory, so that admission does not wait for the API server. The exceptions are pull secrets, and the labels of namespaces
//! that the watch has not shown yet, both at first sight.
//!
//! | module | what it is |
//! |---|---|
//! | [`client`] | the connection |
//! | [`watches`] | what all watches share |
//! | [`policies`] | watches -> [`crate::policy::PolicyCell`] |
//! | [`namespaces`] | labels of namespaces that the watch has not shown yet |
//! | [`roots`] | a watch -> the trusted roots as stored |
//! | [`pull_secrets`] | the pull credentials that the kubelet would use |
//! | [`certificates`] | the webhook's own certificate authority, in a Secret |
//! | [`webhooks`] | the webhook configurations, rendered from the kind table |
//! | [`creation`] | one object of a given name, where it was deleted |
//! | [`removal`] | opening the gate before an uninstall |

pub mod certificates;
pub mod client;
mod collection;
pub mod creation;
pub mod namespaces;
pub mod policies;
pub mod pull_secrets;
pub mod removal;
pub mod roots;
#[cfg(test)]
pub(crate) mod scripted;
pub mod watches;
pub mod webhooks;

/// What writes on behalf of sealgate are filed under in `managedFields`.
pub const FIELD_MANAGER: &str = "sealgate";
