//! Docker config files (`.dockerconfigjson`, `.dockercfg`, `config.json`) and the kubelet's rules for matching them.

use secrecy::SecretString;

use super::reference::Repository;

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
    /// An OAuth2 refresh token (`identitytoken`), to be exchanged at the token endpoint.
    IdentityToken(SecretString),
}

/// A parsed docker config.
#[derive(Clone, Debug)]
pub struct DockerConfig {}

/// Why a docker config can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DockerConfigError {}

impl DockerConfig {
    /// Reads `{"auths": {...}}`, or the older form without `auths`. `source` names it in messages.
    pub fn parse(_bytes: &[u8], _source: &str) -> Result<Self, DockerConfigError> {
        todo!()
    }

    /// The credentials for a repository, best match first, each bound to the repository's host.
    pub fn credentials(&self, _repository: &Repository) -> Vec<Credential> {
        todo!()
    }
}
