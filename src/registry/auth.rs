//! Credentials, in the order in which they were given, anonymous access last; and the tokens that they buy.
//!
//! Nothing is shown before the registry has asked for it, once for a host; from then on requests are authorised up front. What
//! a registry was shown is remembered for exactly one host, repository and list of credentials, so no tenant profits from
//! another's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::domain::{Credential, Digest, Login, Unavailable};

use super::challenge::Challenge;
use super::token::{basic, token};
use super::transport::{Authority, Transport};

/// Sets of credentials for repositories that are remembered at once.
const MAX_SLOTS: usize = 4096;
const MAX_CHALLENGES: usize = 1024;

/// What registries want to see and what they have accepted.
#[derive(Debug, Default)]
pub(super) struct Authenticator {
    slots: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<Slot>>>>,
    challenges: Mutex<HashMap<String, Challenge>>,
}

/// Who asks for what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    host: String,
    path: String,
    credentials: Digest,
}

/// One repository as seen with one list of credentials.
#[derive(Debug, Default)]
struct Slot {
    /// Which of the logins is in use.
    login: usize,
    grant: Option<Grant>,
    /// Changes with every change of the two above.
    generation: u64,
    /// When all logins had been refused.
    exhausted: Option<Instant>,
}

#[derive(Debug)]
struct Grant {
    header: Option<HeaderValue>,
    obtained: Instant,
    expires: Option<Instant>,
}

/// Who is asking, and for which repository.
#[derive(Debug)]
pub(super) struct Applicant<'a> {
    key: Key,
    /// The registry's own address.
    pub(super) authority: Authority,
    pub(super) plain_http: bool,
    /// `None` is anonymous.
    logins: Vec<Option<&'a Credential>>,
    problems: &'a [String],
    began: Instant,
}

/// What one request shows.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) header: Option<HeaderValue>,
    generation: u64,
}

impl<'a> Applicant<'a> {
    /// Credentials for other hosts are left out here and go no further.
    pub(super) fn new(
        host: &str,
        path: &str,
        (authority, plain_http): (Authority, bool),
        credentials: &'a [Credential],
        problems: &'a [String],
    ) -> Self {
        let own: Vec<&Credential> = credentials.iter().filter(|credential| credential.host == host).collect();
        let key = Key { host: host.to_owned(), path: path.to_owned(), credentials: fingerprint(&own) };
        let logins = own.into_iter().map(Some).chain([None]).collect();
        Self { key, authority, plain_http, logins, problems, began: Instant::now() }
    }

    /// The registry, as image names have it.
    pub(super) fn host(&self) -> &str {
        &self.key.host
    }

    /// The repository, below the host.
    pub(super) fn path(&self) -> &str {
        &self.key.path
    }

    /// All logins were refused.
    pub(super) fn refused(&self, status: u16, what: &str) -> Unavailable {
        let names: Vec<&str> = self
            .logins
            .iter()
            .map(|login| login.map_or("anonymous access", |credential| credential.source.as_str()))
            .collect();
        let mut tried = format!("tried {}", names.join(", "));
        for problem in self.problems {
            tried.push_str("; ");
            tried.push_str(problem);
        }
        Unavailable::RegistryUnauthorized { host: self.key.host.clone(), status, what: what.to_owned(), tried }
    }
}

impl Authenticator {
    /// What the first try of a request shows.
    pub(super) async fn pass(&self, applicant: &Applicant<'_>, transport: &Transport) -> Result<Pass, Unavailable> {
        let slot = self.slot(&applicant.key);
        let mut slot = slot.lock().await;
        if slot.grant.as_ref().is_some_and(|grant| grant.expires.is_some_and(|at| at <= Instant::now())) {
            slot.grant = None;
        }
        if slot.grant.is_none()
            && let Some(challenge) = self.known(&applicant.key.host)
        {
            slot.obtain(&challenge, applicant, transport).await?;
        }
        Ok(slot.pass())
    }

    /// What to show after `pass` was refused with a 401 or 403; `None` when there is nothing left.
    pub(super) async fn after(
        &self,
        refused: &Pass,
        headers: &HeaderMap,
        applicant: &Applicant<'_>,
        transport: &Transport,
    ) -> Result<Option<Pass>, Unavailable> {
        let slot = self.slot(&applicant.key);
        let mut slot = slot.lock().await;
        if slot.exhausted.is_some_and(|at| at >= applicant.began) {
            return Ok(None);
        }
        if slot.generation != refused.generation {
            // Another request of the same kind went through this meanwhile.
            return Ok(Some(slot.pass()));
        }
        let Some(challenge) = Challenge::of(headers).or_else(|| self.known(&applicant.key.host)) else {
            return Ok(None);
        };
        self.remember(&applicant.key.host, &challenge);
        if let Some(grant) = slot.grant.take() {
            // A token from an earlier request may have been withdrawn: the same login gets one more chance.
            let stale = grant.expires.is_some() && grant.obtained < applicant.began;
            if !stale {
                slot.login = slot.login.saturating_add(1);
            }
        }
        let granted = slot.obtain(&challenge, applicant, transport).await?;
        Ok(granted.then(|| slot.pass()))
    }

    fn slot(&self, key: &Key) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_SLOTS && !slots.contains_key(key) {
            slots.clear();
        }
        slots.entry(key.clone()).or_default().clone()
    }

    fn known(&self, host: &str) -> Option<Challenge> {
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    fn remember(&self, host: &str, challenge: &Challenge) {
        let mut challenges = self.challenges.lock().unwrap_or_else(PoisonError::into_inner);
        if challenges.len() >= MAX_CHALLENGES && !challenges.contains_key(host) {
            challenges.clear();
        }
        challenges.insert(host.to_owned(), challenge.clone());
    }
}

impl Slot {
    fn pass(&self) -> Pass {
        Pass { header: self.grant.as_ref().and_then(|grant| grant.header.clone()), generation: self.generation }
    }

    /// Answers the challenge with the first login, from the current one on, that can. False when none is left; then the next
    /// request begins again with the first.
    async fn obtain(
        &mut self,
        challenge: &Challenge,
        applicant: &Applicant<'_>,
        transport: &Transport,
    ) -> Result<bool, Unavailable> {
        self.generation = self.generation.wrapping_add(1);
        while let Some(login) = applicant.logins.get(self.login) {
            if let Some(grant) = answer(challenge, *login, applicant, transport).await? {
                self.grant = Some(grant);
                return Ok(true);
            }
            self.login = self.login.saturating_add(1);
        }
        self.login = 0;
        self.grant = None;
        self.exhausted = Some(Instant::now());
        Ok(false)
    }
}

/// What a login says to a challenge; `None` when it has nothing to say, or the token server refused it.
async fn answer(
    challenge: &Challenge,
    login: Option<&Credential>,
    applicant: &Applicant<'_>,
    transport: &Transport,
) -> Result<Option<Grant>, Unavailable> {
    let obtained = Instant::now();
    match (challenge, login.map(|credential| &credential.login)) {
        (Challenge::Basic, Some(Login::Basic { username, password })) => {
            Ok(Some(Grant { header: Some(basic(username, password)?), obtained, expires: None }))
        }
        (Challenge::Basic, Some(Login::IdentityToken(_))) => Ok(None),
        (Challenge::Basic, None) => Ok(Some(Grant { header: None, obtained, expires: None })),
        (Challenge::Bearer { realm, service }, login) => {
            let Some((header, life)) = token(realm, service.as_deref(), login, applicant, transport).await? else {
                return Ok(None);
            };
            Ok(Some(Grant { header: Some(header), obtained, expires: obtained.checked_add(life) }))
        }
    }
}

/// Equal lists of credentials have equal fingerprints, and no others.
fn fingerprint(credentials: &[&Credential]) -> Digest {
    let mut bytes = Vec::new();
    let mut field = |text: &str| {
        bytes.extend_from_slice(&text.len().to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    for credential in credentials {
        match &credential.login {
            Login::Basic { username, password } => {
                field("basic");
                field(username);
                field(password.expose_secret());
            }
            Login::IdentityToken(token) => {
                field("identity");
                field(token.expose_secret());
            }
        }
    }
    Digest::of(&bytes)
}
