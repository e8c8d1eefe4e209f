//! What the integration and end-to-end tests share.
//!
//! The paths are written out because this file is itself included by path.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "several test binaries share these")]

#[path = "support/builders.rs"]
pub mod builders;
#[path = "support/corpora.rs"]
pub mod corpora;
#[path = "support/kubectl.rs"]
pub mod kubectl;
#[path = "support/layouts.rs"]
pub mod layouts;
#[path = "support/process.rs"]
pub mod process;
#[path = "support/programs.rs"]
pub mod programs;
#[path = "support/registry.rs"]
pub mod registry;
#[path = "support/signer.rs"]
pub mod signer;
#[path = "support/sigstore.rs"]
pub mod sigstore;
#[path = "support/specs.rs"]
pub mod specs;
#[path = "support/tuf.rs"]
pub mod tuf;
#[path = "support/verifier.rs"]
pub mod verifier;
