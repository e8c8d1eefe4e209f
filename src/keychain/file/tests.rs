use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use secrecy::ExposeSecret;

use super::DockerConfigFile;
use crate::domain::{Login, Repository};
use crate::verifier::ports::{Access, Keychain, PullContext};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("sealgate-keychain-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("config.json")
    }

    /// Writes the file with a modification time of its own, as if `seconds` had passed.
    fn write(&self, content: &str, seconds: u64) {
        fs::write(self.file(), content).unwrap();
        let file = fs::File::options().write(true).open(self.file()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap()).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn config(password: &str) -> String {
    serde_json::json!({ "auths": { "registry.test": { "username": "u", "password": password } } }).to_string()
}

async fn ask(keychain: &DockerConfigFile, repository: &str) -> Access {
    keychain.access(&Repository::parse(repository).unwrap(), &PullContext::default()).await
}

fn passwords(access: &Access) -> Vec<&str> {
    access
        .credentials
        .iter()
        .map(|credential| match &credential.login {
            Login::Basic { password, .. } => password.expose_secret(),
            Login::IdentityToken(token) => token.expose_secret(),
        })
        .collect()
}

#[tokio::test]
async fn the_file_is_read_again_when_it_has_changed() {
    let folder = Folder::new();
    let keychain = DockerConfigFile::new(folder.file());

    let missing = ask(&keychain, "registry.test/app").await;
    assert!(missing.credentials.is_empty());
    assert!(missing.problems[0].contains("config.json"), "{:?}", missing.problems);

    folder.write(&config("first"), 1);
    assert_eq!(passwords(&ask(&keychain, "registry.test/app").await), ["first"]);

    folder.write(&config("third"), 2);
    assert_eq!(passwords(&ask(&keychain, "registry.test/app").await), ["third"], "same length, later");

    folder.write("{", 3);
    let broken = ask(&keychain, "registry.test/app").await;
    assert!(broken.credentials.is_empty());
    assert_eq!(broken.problems.len(), 1);

    folder.write(&" ".repeat(2 << 20), 4);
    assert_eq!(ask(&keychain, "registry.test/app").await.problems.len(), 1, "too long");
}

#[tokio::test]
async fn net_05_a_file_credential_serves_its_own_host_only() {
    let folder = Folder::new();
    folder.write(&config("secret"), 1);
    let keychain = DockerConfigFile::new(folder.file());
    assert_eq!(passwords(&ask(&keychain, "registry.test/app").await), ["secret"]);
    for other in ["registry.test.evil.test/app", "evilregistry.test/app", "registry.test:8443/app"] {
        assert!(ask(&keychain, other).await.credentials.is_empty(), "{other}");
    }
}
