//! Docker config files (`.dockerconfigjson`, `.dockercfg`, `config.json`) and the kubelet's rules for matching them.
//!
//! The content is a tenant's: it is bounded, and an entry that can't be used is left out with a named problem. The rules are
//! those of Kubernetes `pkg/credentialprovider` (`keyring.go`, `config.go`), so that what opens a repository here opens it on
//! the node too. Credential helpers are not run.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::reference::{DEFAULT_HOST, DOCKER_HUB_ALIASES, Repository};
use super::text::{Foreign, glob_matches};

/// Longest config that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 10;
/// Most entries that a config may have.
pub const MAX_ENTRIES: usize = 256;
/// Longest login that is used, user name and password together, and all that one config has for one repository, in bytes. Cloud
/// registries give out tokens of up to 4 KiB, and few servers take a header of more than 8 KiB.
pub const MAX_LOGIN: usize = 8 << 10;
/// What an entry takes beside its texts.
const ENTRY: usize = 256;

/// A credential for one registry host, with the port where the host has one. It is never sent anywhere else.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The host that the credential is for, exactly as [`Repository::host`].
    pub host: String,
    /// What to say.
    pub login: Login,
    /// Where it came from, for messages: `secret shop/regcred`. Never the content.
    pub source: String,
}

/// How to log in.
#[derive(Clone, Debug)]
pub enum Login {
    /// User name and password, by HTTP basic authentication.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// A refresh token of OAuth 2 (`identitytoken`), to be exchanged at the token endpoint.
    IdentityToken(SecretString),
}

impl Login {
    /// Its length in bytes.
    fn length(&self) -> usize {
        match self {
            Self::Basic { username, password } => username.len().saturating_add(password.expose_secret().len()),
            Self::IdentityToken(token) => token.expose_secret().len(),
        }
    }
}

/// A parsed docker config. Clones share it.
#[derive(Clone, Debug)]
pub struct DockerConfig(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    source: String,
    /// Most specific first.
    entries: Vec<Entry>,
    problems: Vec<String>,
    memory: usize,
}

/// Why a docker config can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DockerConfigError {
    /// The text is not JSON, or not of the shape of a docker config. The parser's own words are left out: they may repeat a
    /// secret.
    #[error("{source_name}: not a docker config: expected a JSON object with \"auths\"")]
    Malformed {
        /// Where it came from.
        source_name: String,
    },
    /// Longer than is read.
    #[error("{source_name}: a docker config of {found} bytes; at most {MAX_BYTES} are read")]
    TooLarge {
        /// Where it came from.
        source_name: String,
        /// Its length.
        found: usize,
    },
    /// More entries than are read.
    #[error("{source_name}: a docker config with {found} entries; at most {MAX_ENTRIES} are read")]
    TooManyEntries {
        /// Where it came from.
        source_name: String,
        /// How many there are.
        found: usize,
    },
}

impl DockerConfig {
    /// Reads `{"auths": {...}}`, or the older form without `auths`. `source` names it in messages.
    pub fn parse(bytes: &[u8], source: &str) -> Result<Self, DockerConfigError> {
        let source_name = source.to_owned();
        if bytes.len() > MAX_BYTES {
            return Err(DockerConfigError::TooLarge { source_name, found: bytes.len() });
        }
        let Some(auths) = auths(bytes) else { return Err(DockerConfigError::Malformed { source_name }) };
        if auths.len() > MAX_ENTRIES {
            return Err(DockerConfigError::TooManyEntries { source_name, found: auths.len() });
        }
        let (mut entries, mut problems) = (Vec::new(), Vec::new());
        for (key, entry) in auths {
            match Entry::parse(&key, entry) {
                Ok(entry) => entries.push(entry),
                Err(problem) => {
                    // Before an @ there may be a password.
                    let name = key.rsplit('@').next().unwrap_or_default();
                    problems.push(format!("{source}: entry \"{}\" is ignored: it {problem}", Foreign(name)));
                }
            }
        }
        entries.sort_by(|a, b| b.key.cmp(&a.key));
        // The texts of the entries are no longer than the config.
        let told = problems.iter().map(String::len).fold(bytes.len(), usize::saturating_add);
        let memory = told.saturating_add(entries.len().saturating_add(problems.len()).saturating_mul(ENTRY));
        Ok(Self(Arc::new(Parsed { source: source_name, entries, problems, memory })))
    }

    /// How many bytes of memory it takes.
    pub fn memory(&self) -> usize {
        self.0.memory
    }

    /// The credentials for a repository, best match first, each bound to the repository's host: no more than [`MAX_LOGIN`] in all.
    pub fn credentials(&self, repository: &Repository) -> Vec<Credential> {
        let mut found = self.matching(|key| key.matches(repository), repository);
        if found.is_empty() && repository.host() == DEFAULT_HOST {
            // The kubelet falls back to `index.docker.io` alone. The further names are those under which an image may be
            // written that is the same image here.
            found = DOCKER_HUB_ALIASES
                .iter()
                .flat_map(|alias| self.matching(|key| key.is_whole_host(alias), repository))
                .collect();
        }
        found
    }

    /// Entries that can't be used and why, one line each, without any secret.
    pub fn problems(&self) -> &[String] {
        &self.0.problems
    }

    fn matching(&self, fits: impl Fn(&Key) -> bool, repository: &Repository) -> Vec<Credential> {
        let entries = self.0.entries.iter().filter(|entry| fits(&entry.key));
        let mut bytes = 0_usize;
        entries
            .flat_map(|entry| &entry.logins)
            .take_while(|login| {
                bytes = bytes.saturating_add(login.length());
                bytes <= MAX_LOGIN
            })
            .map(|login| Credential {
                host: repository.host().to_owned(),
                login: login.clone(),
                source: self.0.source.clone(),
            })
            .collect()
    }
}

fn auths(bytes: &[u8]) -> Option<Map<String, Value>> {
    let Ok(Value::Object(mut config)) = serde_json::from_slice(bytes) else { return None };
    match config.remove("auths") {
        Some(Value::Object(auths)) => Some(auths),
        Some(Value::Null) => Some(Map::new()),
        Some(_) => None,
        None if config.contains_key("credHelpers") || config.contains_key("credsStore") => Some(Map::new()),
        None => Some(config),
    }
}

#[derive(Clone, Debug)]
struct Entry {
    key: Key,
    logins: Vec<Login>,
}

impl Entry {
    fn parse(key: &str, entry: Value) -> Result<Self, &'static str> {
        let key = Key::parse(key)?;
        let Value::Object(mut fields) = entry else { return Err("is not an object") };
        let mut text = |field| match fields.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(SecretString::from(text)).filter(|t| !t.expose_secret().is_empty())),
            Some(_) => Err("has a field that is not a string"),
        };
        let (auth, username, password) = (text("auth")?, text("username")?, text("password")?);
        let identity_token = text("identitytoken")?;
        // As in the kubelet, `auth` wins over the two fields that it joins.
        let basic = match (auth, username, password) {
            (Some(auth), _, _) => Some(decode_auth(&auth)?),
            (None, Some(username), Some(password)) => Some((username, password)),
            (None, ..) => None,
        };
        // Beside an identity token, `auth` is only a user name: the password is empty.
        let basic = basic.filter(|(_, password)| !password.expose_secret().is_empty() || identity_token.is_none());
        let basic =
            basic.map(|(username, password)| Login::Basic { username: username.expose_secret().to_owned(), password });
        let logins: Vec<_> = basic.into_iter().chain(identity_token.map(Login::IdentityToken)).collect();
        if logins.is_empty() {
            Err("has no auth, user name and password, or identitytoken")
        } else if logins.iter().any(|login| login.length() > MAX_LOGIN) {
            Err("has a login of more than 8 KiB")
        } else {
            Ok(Self { key, logins })
        }
    }
}

/// `base64(username:password)`, with or without padding, as the kubelet takes it.
fn decode_auth(auth: &SecretString) -> Result<(SecretString, SecretString), &'static str> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    const PROBLEM: &str = "has an auth field that is not base64 of user:password";
    let text = Zeroizing::new(auth.expose_secret().replace(['\r', '\n'], ""));
    let decoded = Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(|_| PROBLEM)?);
    let decoded = std::str::from_utf8(&decoded).map_err(|_| PROBLEM)?;
    let (username, password) = decoded.split_once(':').ok_or(PROBLEM)?;
    Ok((SecretString::from(username), SecretString::from(password)))
}

/// Where an entry counts. Ordered as the kubelet orders its keys: by their text, so that a longer path comes after a shorter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Host and path as text, which is the order.
    text: String,
    /// Host name; each label may have wildcards.
    name: String,
    /// Nothing for 443.
    port: Option<String>,
    /// Empty, or with its leading slash: a prefix of repository paths.
    path: String,
}

impl Key {
    fn parse(key: &str) -> Result<Self, &'static str> {
        let address = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        let (host, path) = match address.find('/') {
            Some(at) => address.split_at(at),
            None => (address, ""),
        };
        // Registries of old are named by their API's address.
        let path =
            ["/v1/", "/v2/"].iter().find_map(|api| path.starts_with(api).then(|| path.split_at(3).1)).unwrap_or(path);
        let path = if path == "/" { "" } else { path };
        let (name, port) = match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        };
        let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.*".contains(&b);
        if name.is_empty() || !name.bytes().all(known) {
            return Err("is not named after a registry: a host name, in which * is a wildcard");
        }
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err("has no valid port in its name");
        }
        if !path.bytes().all(|b| b.is_ascii_graphic() && b != b'*') {
            return Err("has a wildcard or a blank in the path of its name; only host names have wildcards");
        }
        Ok(Self {
            text: format!("{host}{path}"),
            name: name.to_owned(),
            port: port.filter(|&port| port != "443").map(str::to_owned),
            path: path.to_owned(),
        })
    }

    /// The kubelet's `URLsMatch`: equal port, as many labels, each label matching, the path a prefix.
    fn matches(&self, repository: &Repository) -> bool {
        let (name, port) = match repository.host().split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (repository.host(), None),
        };
        let path_fits = self.path.strip_prefix('/').is_none_or(|prefix| repository.path().starts_with(prefix));
        let mut labels = name.split('.');
        self.port.as_deref() == port
            && path_fits
            && self.name.split('.').all(|glob| labels.next().is_some_and(|label| glob_matches(glob, label)))
            && labels.next().is_none()
    }

    fn is_whole_host(&self, name: &str) -> bool {
        self.name == name && self.port.is_none() && self.path.is_empty()
    }
}

#[cfg(test)]
mod tests;
