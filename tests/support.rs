//! What the integration and end-to-end tests share.
//!
//! The paths are written out because this file is itself included by path.
#![allow(unreachable_pub, reason = "several test binaries share these")]

#[path = "support/builders.rs"]
pub mod builders;
#[path = "support/registry.rs"]
pub mod registry;
#[path = "support/signer.rs"]
pub mod signer;
#[path = "support/verifier.rs"]
pub mod verifier;
