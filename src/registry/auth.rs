//! Credentials, in the order in which they were given, anonymous access last; and the tokens that they buy.
//!
//! Nothing is shown before the registry has asked for it, once for a host; from then on requests are authorised up front. What
//! a registry was shown is remembered for exactly one host, repository and list of credentials, so no tenant profits from
//! another's.

use std::collections::{HashMap, HashSet};
use std::iter;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::domain::{Credential, Digest, Login, Unavailable};

use super::challenge::Challenge;
use super::token::{basic, token};
use super::transport::{Authority, Transport};

/// Sets of credentials for repositories that are remembered at once.
const MAX_SLOTS: usize = 2048;
const MAX_CHALLENGES: usize = 1024;
/// Different logins that are tried at one host for one question. Whoever may name pull secrets is not to try passwords here.
const MAX_LOGINS: usize = 8;

/// What registries want to see and what they have accepted.
#[derive(Debug, Default)]
pub(super) struct Authenticator {
    slots: Mutex<HashMap<Key, Arc<Slot>>>,
    challenges: Mutex<HashMap<String, Arc<Challenge>>>,
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
    /// Which of the logins was let in last. The next request begins with it.
    accepted: AtomicUsize,
    grants: tokio::sync::Mutex<Grants>,
}

/// What logins have bought, in answer to one challenge.
#[derive(Debug, Default)]
struct Grants {
    challenge: Option<Arc<Challenge>>,
    /// By login.
    bought: HashMap<usize, Grant>,
    /// When the token server refused a login.
    refused: HashMap<usize, Instant>,
}

#[derive(Clone, Debug)]
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
    /// Logins beyond [`MAX_LOGINS`].
    left_out: usize,
    problems: &'a [String],
    began: Instant,
}

/// What one request shows. Which logins it has used up is its own affair: another path of the same repository may be open to
/// a login that this one is closed to.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// Nothing, before a challenge is known.
    shown: Option<Shown>,
    spent: HashSet<usize>,
    /// Logins that got a second chance.
    renewed: HashSet<usize>,
}

#[derive(Debug)]
struct Shown {
    login: usize,
    grant: Grant,
    challenge: Arc<Challenge>,
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
        let mut known = HashSet::new();
        let mut own: Vec<&Credential> = credentials
            .iter()
            .filter(|credential| credential.host == host && known.insert(fingerprint(&[credential])))
            .collect();
        let left_out = own.len().saturating_sub(MAX_LOGINS);
        own.truncate(MAX_LOGINS);
        let key = Key { host: host.to_owned(), path: path.to_owned(), credentials: fingerprint(&own) };
        let logins = own.into_iter().map(Some).chain([None]).collect();
        Self { key, authority, plain_http, logins, left_out, problems, began: Instant::now() }
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
        let left_out = (self.left_out > 0)
            .then(|| format!("did not try {} more: {MAX_LOGINS} logins is the limit", self.left_out));
        let tried = iter::once(format!("tried {}", names.join(", ")))
            .chain(left_out)
            .chain(self.problems.iter().cloned())
            .collect::<Vec<_>>()
            .join("; ");
        Unavailable::RegistryUnauthorized { host: self.key.host.clone(), status, what: what.to_owned(), tried }
    }
}

impl Pass {
    /// The `Authorization` header.
    pub(super) fn header(&self) -> Option<&HeaderValue> {
        self.shown.as_ref()?.grant.header.as_ref()
    }
}

impl Authenticator {
    /// What the first try of a request shows.
    pub(super) async fn pass(&self, applicant: &Applicant<'_>, transport: &Transport) -> Result<Pass, Unavailable> {
        let mut pass = Pass::default();
        if let Some(challenge) = self.known(&applicant.key.host) {
            self.slot(&applicant.key).advance(&mut pass, &challenge, applicant, transport).await?;
        }
        Ok(pass)
    }

    /// What to show after `pass` was refused with a 401 or 403; `None` when there is nothing left.
    pub(super) async fn after(
        &self,
        mut pass: Pass,
        headers: &HeaderMap,
        applicant: &Applicant<'_>,
        transport: &Transport,
    ) -> Result<Option<Pass>, Unavailable> {
        let Some(challenge) = Challenge::of(headers).map(Arc::new).or_else(|| self.known(&applicant.key.host)) else {
            return Ok(None);
        };
        self.remember(&applicant.key.host, &challenge);
        let slot = self.slot(&applicant.key);
        if let Some(Shown { login, grant, challenge: answered }) = pass.shown.take() {
            // A token from an earlier request may have been withdrawn, and what the registry wants to see may have changed: the
            // same login gets one more chance.
            let stale = grant.expires.is_some() && grant.obtained < applicant.began;
            if (stale || answered != challenge) && pass.renewed.insert(login) {
                slot.forget(login, &grant).await;
            } else {
                pass.spent.insert(login);
            }
        }
        let granted = slot.advance(&mut pass, &challenge, applicant, transport).await?;
        Ok(granted.then_some(pass))
    }

    /// The registry let a request in that showed this.
    pub(super) fn accepted(&self, pass: &Pass, applicant: &Applicant<'_>) {
        if let Some(shown) = &pass.shown {
            self.slot(&applicant.key).accepted.store(shown.login, Ordering::Relaxed);
        }
    }

    fn slot(&self, key: &Key) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_SLOTS && !slots.contains_key(key) {
            slots.clear();
        }
        slots.entry(key.clone()).or_default().clone()
    }

    fn known(&self, host: &str) -> Option<Arc<Challenge>> {
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }

    fn remember(&self, host: &str, challenge: &Arc<Challenge>) {
        let mut challenges = self.challenges.lock().unwrap_or_else(PoisonError::into_inner);
        if challenges.len() >= MAX_CHALLENGES && !challenges.contains_key(host) {
            challenges.clear();
        }
        challenges.insert(host.to_owned(), challenge.clone());
    }
}

impl Slot {
    /// Lets the request show the next login that can answer the challenge: the one that was let in last, then the others in
    /// their order. False when none is left.
    async fn advance(
        &self,
        pass: &mut Pass,
        challenge: &Arc<Challenge>,
        applicant: &Applicant<'_>,
        transport: &Transport,
    ) -> Result<bool, Unavailable> {
        let accepted = self.accepted.load(Ordering::Relaxed);
        let mut grants = self.grants.lock().await;
        grants.answer_to(challenge);
        for login in iter::once(accepted).chain(0..applicant.logins.len()) {
            if pass.spent.contains(&login) {
                continue;
            }
            if let Some(grant) = grants.of(login, accepted, challenge, applicant, transport).await? {
                pass.shown = Some(Shown { login, grant, challenge: challenge.clone() });
                return Ok(true);
            }
            pass.spent.insert(login);
        }
        Ok(false)
    }

    /// Drops a grant, unless another request has replaced it meanwhile.
    async fn forget(&self, login: usize, grant: &Grant) {
        let mut grants = self.grants.lock().await;
        if grants.bought.get(&login).is_some_and(|known| known.obtained == grant.obtained) {
            grants.bought.remove(&login);
        }
    }
}

impl Grants {
    /// What was bought in answer to another challenge is worth nothing.
    fn answer_to(&mut self, challenge: &Arc<Challenge>) {
        if self.challenge.as_ref() != Some(challenge) {
            *self = Self { challenge: Some(challenge.clone()), ..Self::default() };
        }
    }

    /// What the login can show; `None` when that is nothing, or the token server has refused it since the question was asked.
    /// Besides the last one that was bought, only that of the accepted login is kept.
    async fn of(
        &mut self,
        login: usize,
        accepted: usize,
        challenge: &Challenge,
        applicant: &Applicant<'_>,
        transport: &Transport,
    ) -> Result<Option<Grant>, Unavailable> {
        let Some(credential) = applicant.logins.get(login) else { return Ok(None) };
        let now = Instant::now();
        if let Some(grant) = self.bought.get(&login).filter(|grant| grant.expires.is_none_or(|at| at > now)) {
            return Ok(Some(grant.clone()));
        }
        if self.refused.get(&login).is_some_and(|at| *at >= applicant.began) {
            return Ok(None);
        }
        self.bought.retain(|other, _| *other == accepted && *other != login);
        let grant = answer(challenge, *credential, applicant, transport).await?;
        if let Some(grant) = &grant {
            self.bought.insert(login, grant.clone());
        } else {
            self.refused.insert(login, Instant::now());
        }
        Ok(grant)
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
