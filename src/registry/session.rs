//! Everything that is asked of one repository for one question, with one set of credentials and one budget.

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http::header::{CONTENT_TYPE, LINK};
use url::Url;

use crate::domain::{Digest, Repository, Unavailable};
use crate::telemetry::Metrics;
use crate::verifier::ports::{Access, Held};

use super::auth::{Applicant, Authenticator, Pass};
use super::challenge::Challenge;
use super::failure::{protocol, quoted, too_long};
use super::link;
use super::manifest::{Descriptor, MANIFEST_TYPES, Manifest};
use super::settings::Limits;
use super::transport::{Answer, Budget, Request, Transport, Whole};

/// One repository, one purpose.
#[derive(Debug)]
pub(super) struct Session {
    transport: Arc<Transport>,
    authenticator: Arc<Authenticator>,
    metrics: Metrics,
    applicant: Applicant,
    /// `https://<host>/v2/<path>/`
    repository: Url,
    budget: Budget,
}

/// A complete answer.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) body: Whole,
    pub(super) content_type: Option<String>,
    /// Where the next page is, or what is wrong with that.
    pub(super) next: Result<Option<String>, &'static str>,
    content_digest: Option<String>,
}

/// What is asked for and how much of it is read.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) url: Url,
    pub(super) accept: &'static str,
    pub(super) limit: u64,
    pub(super) what: &'a str,
    /// Statuses that say definitely that it is not there.
    pub(super) absent: &'static [u16],
}

/// 404: what nobody has said to be there is not there.
const NOT_FOUND: &[u16] = &[404];

impl Session {
    pub(super) fn new(
        transport: Arc<Transport>,
        authenticator: Arc<Authenticator>,
        metrics: Metrics,
        repository: &Repository,
        access: &Access,
    ) -> Result<Self, Unavailable> {
        let (base, authority) = transport.base(repository.host())?;
        let plain_http = base.scheme() == "http";
        let url = base
            .join(&format!("{}/", repository.path()))
            .map_err(|_| protocol(repository.host(), repository.path(), "no URL can be made of it"))?;
        let applicant = Applicant::new(
            repository.host(),
            repository.path(),
            (authority, plain_http),
            &access.credentials,
            &access.problems,
        );
        let budget = Budget::new(transport.limits.image_bytes);
        Ok(Self { transport, authenticator, metrics, applicant, repository: url, budget })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.transport.limits
    }

    pub(super) fn host(&self) -> String {
        self.applicant.authority.to_string()
    }

    /// Takes the memory of a list, until what is returned is dropped.
    pub(super) fn keep<'a>(&self, list: impl Iterator<Item = &'a Descriptor>) -> Result<Held, Unavailable> {
        self.transport.lists.keep(&self.host(), list)
    }

    /// A URL below the repository.
    pub(super) fn url(&self, path: &str) -> Result<Url, Unavailable> {
        self.repository.join(path).map_err(|_| protocol(&self.host(), path, "no URL can be made of it"))
    }

    /// The manifest that a tag names now, with its bytes.
    pub(super) async fn manifest_of_tag(
        &self,
        tag: &str,
        what: &str,
    ) -> Result<Option<(Manifest, Vec<u8>)>, Unavailable> {
        self.manifest(tag, self.limits().manifest_bytes, what).await
    }

    /// The manifest of a digest.
    pub(super) async fn manifest_of_digest(
        &self,
        digest: &Digest,
        what: &str,
    ) -> Result<Option<(Manifest, Vec<u8>)>, Unavailable> {
        let found = self.manifest(&digest.to_string(), self.limits().manifest_bytes, what).await?;
        if let Some((_, body)) = &found {
            self.check_digest(body, digest, what)?;
        }
        Ok(found)
    }

    /// The manifest of a descriptor: its size and its digest are checked.
    pub(super) async fn manifest_of(&self, descriptor: &Descriptor, what: &str) -> Result<Manifest, Unavailable> {
        let digest = descriptor.digest().map_err(|problem| protocol(&self.host(), what, problem))?;
        let limit = self.declared(descriptor, self.limits().manifest_bytes, what)?;
        let found = self.manifest(&digest.to_string(), limit, what).await?;
        let (manifest, body) = found.ok_or_else(|| self.gone(what))?;
        self.check_size(&body, descriptor, what)?;
        self.check_digest(&body, &digest, what)?;
        Ok(manifest)
    }

    /// The blob of a descriptor, at most `limit` bytes: its size is looked at before anything is asked for, and its size and
    /// digest are checked. With it comes the room that it takes up.
    pub(super) async fn blob(
        &self,
        descriptor: &Descriptor,
        limit: u64,
        what: &str,
    ) -> Result<(Vec<u8>, Held), Unavailable> {
        let digest = descriptor.digest().map_err(|problem| protocol(&self.host(), what, problem))?;
        let limit = self.declared(descriptor, limit, what)?;
        let url = self.url(&format!("blobs/{digest}"))?;
        let wanted = Wanted { url, accept: "*/*", limit, what, absent: NOT_FOUND };
        let Document { body, .. } = self.fetch(wanted).await?.ok_or_else(|| self.gone(what))?;
        self.check_size(&body.bytes, descriptor, what)?;
        self.check_digest(&body.bytes, &digest, what)?;
        Ok(body.into_parts())
    }

    /// Fetches one thing; `None` when the registry says that it is not there. Counted.
    pub(super) async fn fetch(&self, wanted: Wanted<'_>) -> Result<Option<Document>, Unavailable> {
        let began = Instant::now();
        let found = self.fetch_uncounted(wanted).await;
        let result = match &found {
            Ok(Some(_)) => "ok",
            Ok(None) => "not-found",
            Err(cause) => cause.code(),
        };
        self.metrics.registry_request(result, began.elapsed());
        found
    }

    async fn manifest(
        &self,
        reference: &str,
        limit: u64,
        what: &str,
    ) -> Result<Option<(Manifest, Vec<u8>)>, Unavailable> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let wanted = Wanted { url, accept: MANIFEST_TYPES, limit, what, absent: NOT_FOUND };
        let Some(document) = self.fetch(wanted).await? else {
            return Ok(None);
        };
        let manifest = Manifest::parse(document.content_type.as_deref(), &document.body.bytes)
            .map_err(|unfit| unfit.of(&self.host(), what))?;
        if let Some(claimed) = document.content_digest.as_deref().and_then(|text| Digest::parse(text).ok()) {
            self.check_digest(&document.body.bytes, &claimed, what)?;
        }
        Ok(Some((manifest, document.body.bytes)))
    }

    async fn fetch_uncounted(&self, wanted: Wanted<'_>) -> Result<Option<Document>, Unavailable> {
        let answer = self.authorized(&wanted).await?;
        let status = answer.status();
        if status != StatusCode::OK {
            let host = answer.authority.to_string();
            answer.discard().await;
            return match status.as_u16() {
                status if wanted.absent.contains(&status) => Ok(None),
                status => Err(self.bad_status(status, host, wanted.what)),
            };
        }
        let header = |name| answer.header(name).map(str::to_owned);
        let content_type = header(CONTENT_TYPE.as_str());
        let next = link::next(answer.response.headers().get_all(LINK));
        let content_digest = header("docker-content-digest");
        let body = answer.body(wanted.limit, &self.budget, wanted.what).await?;
        Ok(Some(Document { body, content_type, next, content_digest }))
    }

    /// Asks with what let the last request in, else with nothing and then with each login in turn until one is let in.
    async fn authorized(&self, wanted: &Wanted<'_>) -> Result<Answer, Unavailable> {
        let mut pass = self.authenticator.pass(&self.applicant);
        loop {
            let request = Request {
                url: wanted.url.clone(),
                origin: &self.applicant.authority,
                accept: wanted.accept,
                authorization: pass.header().cloned(),
                form: None,
                what: wanted.what,
            };
            let answer = self.transport.follow(request).await?;
            let status = answer.status();
            if status == StatusCode::OK || status == StatusCode::NOT_FOUND {
                self.authenticator.accepted(&pass, &self.applicant);
                return Ok(answer);
            }
            // Another host than the registry has no say in what it is shown.
            if answer.authority != self.applicant.authority {
                return Ok(answer);
            }
            let challenge = Challenge::of(answer.response.headers());
            if pass.is_spoilt_by(status, challenge.as_ref()) {
                self.authenticator.forget(&pass, &self.applicant);
                pass = Pass::default();
                answer.discard().await;
                continue;
            }
            if !matches!(status.as_u16(), 401 | 403) {
                return Ok(answer);
            }
            self.authenticator.forget(&pass, &self.applicant);
            // Its place is given back before a token server is asked, which may need one of the same host.
            answer.discard().await;
            match self.authenticator.after(pass, challenge, &self.applicant, &self.transport).await? {
                Some(next) => pass = next,
                None => return Err(self.applicant.refused(status.as_u16(), wanted.what)),
            }
        }
    }

    fn bad_status(&self, status: u16, host: String, what: &str) -> Unavailable {
        let what = what.to_owned();
        match status {
            401 | 403 => self.applicant.refused(status, &what),
            429 => Unavailable::RegistryRateLimited { host, what },
            200..=399 => protocol(&host, &what, format!("status {status} where 200 was expected")),
            _ => Unavailable::RegistryError { host, status, what },
        }
    }

    /// The registry lists it and says that it is not there: it may have been lost on the way, and what it holds is not known.
    fn gone(&self, what: &str) -> Unavailable {
        protocol(&self.host(), what, "it is listed, and answered with 404")
    }

    /// How much of what a descriptor names is read: its size, if that is within the limit.
    fn declared(&self, descriptor: &Descriptor, limit: u64, what: &str) -> Result<u64, Unavailable> {
        if descriptor.size > limit {
            return Err(too_long(&self.host(), what, limit));
        }
        Ok(descriptor.size)
    }

    fn check_size(&self, body: &[u8], descriptor: &Descriptor, what: &str) -> Result<(), Unavailable> {
        if u64::try_from(body.len()) == Ok(descriptor.size) {
            return Ok(());
        }
        let problem = format!("{} bytes where its descriptor says {}", body.len(), descriptor.size);
        Err(protocol(&self.host(), what, problem))
    }

    fn check_digest(&self, body: &[u8], expected: &Digest, what: &str) -> Result<(), Unavailable> {
        let found = Digest::of(body);
        if found == *expected {
            return Ok(());
        }
        let problem = format!("content of digest {} where {} was expected", quoted(&found.to_string()), expected);
        Err(protocol(&self.host(), what, problem))
    }
}
