//! A docker `config.json` on disk, read again when it has changed.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use tokio::io::AsyncReadExt;

use crate::domain::DockerConfig;
use crate::domain::docker_config::MAX_BYTES;
use crate::verifier::ports::{Access, Keychain, PullContext, Repository};

const LONGEST_READ: u64 = MAX_BYTES as u64 + 1;

/// The credentials of one docker config file, for every namespace.
///
/// The file is looked at for each question and read when its time or length has changed, so that a mounted Secret or a
/// credential helper's output is followed without a restart. While it can't be read, there are no credentials, and the reason
/// goes into the message of a refusal.
#[derive(Debug)]
pub struct DockerConfigFile {
    path: PathBuf,
    last: Mutex<Option<Read>>,
}

/// What the file held when it looked like this.
#[derive(Clone, Debug)]
struct Read {
    stamp: Stamp,
    config: Result<DockerConfig, String>,
}

type Stamp = (Option<SystemTime>, u64);

impl DockerConfigFile {
    /// The file at `path`, which may appear later.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), last: Mutex::default() }
    }

    async fn config(&self) -> Result<DockerConfig, String> {
        let metadata = tokio::fs::metadata(&self.path).await.map_err(|error| self.cannot_read(&error))?;
        let stamp = (metadata.modified().ok(), metadata.len());
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(read) = known.filter(|read| read.stamp == stamp) {
            return read.config;
        }
        let bytes = self.bytes().await.map_err(|error| self.cannot_read(&error))?;
        let config = DockerConfig::parse(&bytes, &self.source()).map_err(|error| error.to_string());
        let read = Read { stamp, config: config.clone() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        config
    }

    async fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = tokio::fs::File::open(&self.path).await?;
        // One byte more than is accepted, so that a longer file is refused and not cut.
        file.take(LONGEST_READ).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    fn cannot_read(&self, error: &io::Error) -> String {
        format!("{} can't be read: {}", self.source(), error.kind())
    }

    fn source(&self) -> String {
        format!("file {}", self.path.display())
    }
}

impl Keychain for DockerConfigFile {
    async fn access(&self, repository: &Repository, _context: &PullContext) -> Access {
        match self.config().await {
            Ok(config) => Access { credentials: config.credentials(repository), problems: config.problems().to_vec() },
            Err(problem) => Access { credentials: Vec::new(), problems: vec![problem] },
        }
    }
}

#[cfg(test)]
mod tests;
