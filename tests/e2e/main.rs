//! The program against a live API server: `make e2e`, or any cluster by `KUBECONFIG`.
//!
//! The gate runs outside the cluster with the ServiceAccount and the objects of the chart, so that RBAC is proven; the
//! API server reaches it through a Service of type `ExternalName`. Without a cluster, each test fails and names what is
//! missing.
//!
//! | variable | what for | default |
//! |---|---|---|
//! | `KUBECONFIG` | the cluster, as an admin; one that has policies of others is refused | |
//! | `SEALGATE_E2E_HOST` | the name by which the API server reaches this machine, such as a container engine's gateway | `localhost` |
//! | `SEALGATE_E2E_CLIENT_CA` | the CA of the certificate that the API server shows to webhooks, for the tests that `--include-ignored` adds | |
//! | `SEALGATE_E2E_LISTEN` | the address on which the gate listens | `SEALGATE_E2E_HOST` where that is an address, else `127.0.0.1` |

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    reason = "tests may fail loudly, and so may their helpers"
)]

#[path = "../support.rs"]
mod support;

mod certificates;
mod client_certificates;
mod keyless;
mod pods;
mod policies;
mod pull_secrets;
mod roots;
mod webhooks;
mod workloads;
mod world;

pub(crate) use support::kubectl;
