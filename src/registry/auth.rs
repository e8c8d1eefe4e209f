//! Credentials, in the order in which they were given, anonymous access last; and the tokens that they buy.
//!
//! Nothing is shown before the registry has asked for it, once for a repository; from then on requests are authorised up front.
//!
//! What is remembered is what has let a request in: a login and what it bought in answer to a challenge, for exactly one host,
//! repository and list of credentials, so that no tenant profits from another's, nor suffers from it. It is forgotten when it ends
//! or does not let a request in any more, and that request is then asked once with nothing. Nothing but the registry's answer to
//! the request itself makes anyone ask a token server, so what a registry said once can't keep it from being asked again.

use std::collections::{HashMap, HashSet};
use std::iter;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::domain::{Credential, Digest, Login, Unavailable};

use super::challenge::Challenge;
use super::token::{basic, token};
use super::transport::{Authority, Transport};

/// Repositories, each with one list of credentials, that are remembered at once. The one that was asked for least recently is
/// forgotten first.
pub const REMEMBERED_LOGINS: usize = 2048;
/// How long a login that never ends by itself is shown before the registry asks for it.
const LONGEST_MEMORY: Duration = Duration::from_hours(1);
/// Different logins that are tried at one host for one question. Whoever may name pull secrets is not to try passwords here.
const MAX_LOGINS: usize = 8;
/// The same words whether there was any login or none.
const NO_LOGIN: &str = "no pull secret for this registry was accepted; see sealgate's log";

/// What registries have accepted.
#[derive(Debug, Default)]
pub(super) struct Authenticator {
    slots: Mutex<HashMap<Key, Known>>,
}

#[derive(Debug)]
struct Known {
    slot: Arc<Slot>,
    /// When it was asked for last.
    used: Instant,
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
    /// What has let a request in last. The next one shows it before it is asked.
    proven: Mutex<Option<Shown>>,
    /// Which of the logins that was. It is the first to answer a challenge.
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

impl Grant {
    fn is_over(&self) -> bool {
        self.expires.is_some_and(|at| at <= Instant::now())
    }
}

/// Who is asking, and for which repository.
#[derive(Debug)]
pub(super) struct Applicant {
    key: Key,
    /// The registry's own address.
    pub(super) authority: Authority,
    pub(super) plain_http: bool,
    /// `None` is anonymous.
    logins: Vec<Option<Credential>>,
    /// Logins beyond [`MAX_LOGINS`].
    left_out: usize,
    problems: Vec<String>,
    began: Instant,
}

/// What one request shows. Which logins it has used up is its own affair: another path of the same repository may be open to
/// a login that this one is closed to.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// Nothing, before there was a challenge.
    shown: Option<Shown>,
    /// It is shown because it let another request in, and not in answer to a challenge.
    from_memory: bool,
    spent: HashSet<usize>,
    /// Logins that got a second chance.
    renewed: HashSet<usize>,
}

#[derive(Clone, Debug)]
struct Shown {
    login: usize,
    grant: Grant,
    challenge: Arc<Challenge>,
}

impl Applicant {
    /// Credentials for other hosts are left out here and go no further.
    pub(super) fn new(
        host: &str,
        path: &str,
        (authority, plain_http): (Authority, bool),
        credentials: &[Credential],
        problems: &[String],
    ) -> Self {
        let mut known = HashSet::new();
        let mut own: Vec<&Credential> = credentials
            .iter()
            .filter(|credential| credential.host == host && known.insert(fingerprint(&[credential])))
            .collect();
        let left_out = own.len().saturating_sub(MAX_LOGINS);
        own.truncate(MAX_LOGINS);
        let key = Key { host: host.to_owned(), path: path.to_owned(), credentials: fingerprint(&own) };
        let logins = own.into_iter().cloned().map(Some).chain([None]).collect();
        let problems = problems.to_vec();
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

    /// All logins were refused. Which ones they were is said in the log alone: an answer may reach whoever guesses names.
    pub(super) fn refused(&self, status: u16, what: &str) -> Unavailable {
        let names: Vec<&str> = self
            .logins
            .iter()
            .map(|login| login.as_ref().map_or("anonymous access", |credential| credential.source.as_str()))
            .collect();
        let left_out = (self.left_out > 0)
            .then(|| format!("did not try {} more: {MAX_LOGINS} logins is the limit", self.left_out));
        let tried = iter::once(format!("tried {}", names.join(", ")))
            .chain(left_out)
            .chain(self.problems.iter().cloned())
            .collect::<Vec<_>>()
            .join("; ");
        let (host, path) = (&self.key.host, &self.key.path);
        tracing::warn!(host, path, status, tried, "the registry accepts no login");
        let (host, what, problem) = (host.clone(), what.to_owned(), NO_LOGIN.to_owned());
        Unavailable::RegistryUnauthorized { host, status, what, problem }
    }
}

impl Pass {
    /// The `Authorization` header.
    pub(super) fn header(&self) -> Option<&HeaderValue> {
        self.shown.as_ref()?.grant.header.as_ref()
    }

    /// Whether an answer may be due to what was remembered, so that the registry is to be asked once more without it. It is not
    /// where the registry wants to see the same as before; and too many requests are not made fewer by one more.
    pub(super) fn is_spoilt_by(&self, status: StatusCode, challenge: Option<&Challenge>) -> bool {
        let is_error = status.is_client_error() || status.is_server_error();
        let same = || self.shown.as_ref().is_some_and(|shown| Some(&*shown.challenge) == challenge);
        match status {
            StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS => false,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.from_memory && !same(),
            _ => self.from_memory && is_error,
        }
    }
}

impl Authenticator {
    /// What the first try of a request shows: what let the last one in, or nothing.
    pub(super) fn pass(&self, applicant: &Applicant) -> Pass {
        let shown = lock(&self.slot(&applicant.key).proven).clone().filter(|shown| !shown.grant.is_over());
        Pass { from_memory: shown.is_some(), shown, ..Pass::default() }
    }

    /// What to show after `pass` was refused with a 401 or 403 and this challenge, or none; `None` when there is nothing left.
    pub(super) async fn after(
        &self,
        mut pass: Pass,
        challenge: Option<Challenge>,
        applicant: &Applicant,
        transport: &Transport,
    ) -> Result<Option<Pass>, Unavailable> {
        let answered = || pass.shown.as_ref().map(|shown| shown.challenge.clone());
        let Some(challenge) = challenge.map(Arc::new).or_else(answered) else {
            return Ok(None);
        };
        let slot = self.slot(&applicant.key);
        if let Some(Shown { login, grant, challenge: answered }) = pass.shown.take() {
            // A token from an earlier request may have been withdrawn, and what the registry wants to see may have changed: the
            // same login gets one more chance.
            let stale = matches!(*answered, Challenge::Bearer { .. }) && grant.obtained < applicant.began;
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
    pub(super) fn accepted(&self, pass: &Pass, applicant: &Applicant) {
        if let Some(shown) = &pass.shown {
            let slot = self.slot(&applicant.key);
            slot.accepted.store(shown.login, Ordering::Relaxed);
            *lock(&slot.proven) = Some(shown.clone());
        }
    }

    /// What this showed did not let a request in: it is not remembered any more. Another request may have replaced it meanwhile.
    pub(super) fn forget(&self, pass: &Pass, applicant: &Applicant) {
        let slot = self.slot(&applicant.key);
        let mut proven = lock(&slot.proven);
        let is_same = |shown: &Shown| proven.as_ref().is_some_and(|p| p.grant.obtained == shown.grant.obtained);
        if pass.shown.as_ref().is_some_and(is_same) {
            *proven = None;
        }
    }

    fn slot(&self, key: &Key) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        if slots.len() >= REMEMBERED_LOGINS
            && !slots.contains_key(key)
            && let Some(oldest) = slots.iter().min_by_key(|(_, known)| known.used).map(|(key, _)| key.clone())
        {
            slots.remove(&oldest);
        }
        let used = Instant::now();
        let known = slots.entry(key.clone()).or_insert_with(|| Known { slot: Arc::default(), used });
        known.used = used;
        known.slot.clone()
    }
}

/// Nothing panics while one of these is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    /// Lets the request show the next login that can answer the challenge: the one that was let in last, then the others in
    /// their order. False when none is left.
    async fn advance(
        &self,
        pass: &mut Pass,
        challenge: &Arc<Challenge>,
        applicant: &Applicant,
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
        applicant: &Applicant,
        transport: &Transport,
    ) -> Result<Option<Grant>, Unavailable> {
        let Some(credential) = applicant.logins.get(login) else { return Ok(None) };
        if let Some(grant) = self.bought.get(&login).filter(|grant| !grant.is_over()) {
            return Ok(Some(grant.clone()));
        }
        if self.refused.get(&login).is_some_and(|at| *at >= applicant.began) {
            return Ok(None);
        }
        self.bought.retain(|other, _| *other == accepted && *other != login);
        let grant = answer(challenge, credential.as_ref(), applicant, transport).await?;
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
    applicant: &Applicant,
    transport: &Transport,
) -> Result<Option<Grant>, Unavailable> {
    let obtained = Instant::now();
    let for_long = |header| Grant { header, obtained, expires: obtained.checked_add(LONGEST_MEMORY) };
    match (challenge, login.map(|credential| &credential.login)) {
        (Challenge::Basic, Some(Login::Basic { username, password })) => {
            Ok(Some(for_long(Some(basic(username, password)?))))
        }
        (Challenge::Basic, Some(Login::IdentityToken(_))) => Ok(None),
        (Challenge::Basic, None) => Ok(Some(for_long(None))),
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

#[cfg(test)]
mod tests;
