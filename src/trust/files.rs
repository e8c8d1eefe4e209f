//! The metadata of one repository that was proven, in memory, and the last complete set of it in one file.
//!
//! What is in memory is also the floor below which no version is accepted any more, even after a refresh that failed half
//! way. What comes from the file is as foreign as what comes from the mirror: it is proven again, from the same root.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sigstore_tuf::{Error, MetadataStore};

use super::sound;

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// File names and contents. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(Arc<Mutex<BTreeMap<String, String>>>);

impl Files {
    /// Reads a complete set. Nothing in it is believed.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
            return Err(io::Error::other(format!("larger than {} MiB", MAX_FILE >> 20)));
        }
        let files = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
        Ok(Self(Arc::new(Mutex::new(files))))
    }

    /// Writes the set, so that a reader finds the one before or this one, whole.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(&*self.lock())?;
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MetadataStore for Files {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        // The library keeps delegated roles without the version that it fetched them by, and asks by it again.
        let files = self.lock();
        let found = files.get(name).or_else(|| files.get(sound::unversioned(name))).cloned();
        drop(files);
        let Some(text) = found else { return Ok(None) };
        sound::check(name, text.as_bytes())?;
        Ok(Some(text.into_bytes()))
    }

    fn store(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        // Second copies under another name, of which every version would stay.
        let is_copy = name == "root.json" || (name != "snapshot.json" && sound::unversioned(name) == "snapshot.json");
        if !is_copy {
            let text = str::from_utf8(bytes).map_err(|e| Error::Malformed(e.to_string()))?;
            self.lock().insert(name.to_owned(), text.to_owned());
        }
        Ok(())
    }
}
