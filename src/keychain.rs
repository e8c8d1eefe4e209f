//! Pull credentials that are not in the cluster: a docker config file.
//!
//! What a docker config says and whom it is for is read by [`crate::domain::docker_config`]; this knows where the file lies and
//! when it has changed.

mod file;

pub use file::DockerConfigFile;
