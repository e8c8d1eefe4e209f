//! AdmissionReview in, AdmissionReview out.
//!
//! A review is read strictly ([`review`]), its object reduced to the images that a pod would run ([`images`]), the verifier asked
//! about those that are new or changed, and the verdicts become a patch ([`patch`]) or a denial that a person can act on
//! ([`message`]). Nothing here knows sockets, registries or the Kubernetes API.

mod decision;
pub mod handler;
pub mod images;
mod json;
pub mod message;
mod object;
mod overload;
pub mod patch;
pub mod response;
pub mod review;
mod subject;

pub use handler::{Admission, Hook, MirrorPods, PolicySource, Reviewer, Settings, Workloads};
pub use overload::overloaded;
pub use response::Answer;
