//! sealgate: a Kubernetes admission controller that lets only signed images run.
//!
//! The modules are layers; `tests/it/architecture.rs` holds them apart.
//!
//! | module | what it is |
//! |---|---|
//! | [`domain`] | vocabulary, pure: image reference, digest, pattern, reasons, workload kinds, docker config |
//! | [`signatures`] | pure: untrusted signature bytes in, a verified signature or a reason out |
//! | [`policy`] | pure: which policies apply to an image, and what they say about what was found |
//! | [`verifier`] | orchestration: select, resolve, fetch, verify, combine, all under one deadline |
//! | [`registry`] | adapter: OCI distribution |
//! | [`keychain`] | adapter: pull credentials that are not in the cluster |
//! | [`trust`] | adapter: trusted roots, built in, inline or from a mirror |
//! | [`api`] | the custom resources and how a spec becomes a policy |
//! | [`files`] | adapter: a folder of policies |
//! | [`cluster`] | adapter: everything that is read from and written to the Kubernetes API |
//! | [`admission`] | AdmissionReview in, AdmissionReview out |
//! | [`controller`] | the leader's reconcilers |
//! | [`server`] | TLS, HTTP, limits, the admin port |
//! | [`telemetry`] | log, metrics, health |
//! | [`config`] | validated settings |
//! | [`cli`] | the commands; the only place where all of the above meet |

pub mod admission;
pub mod api;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod controller;
pub mod domain;
pub mod files;
pub mod keychain;
pub mod policy;
pub mod registry;
pub mod server;
pub mod signatures;
pub mod telemetry;
pub mod trust;
pub mod verifier;
