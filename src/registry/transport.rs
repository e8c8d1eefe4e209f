//! One request, wherever it leads: which HTTP client, which addresses, which redirects, how long, how much.
//!
//! A host and port that has settings of its own has an HTTP client of its own, so that neither its CA nor its leave to lie at
//! a private address ever serves another host.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Frame;
use reqwest::{Body, Client, Response};
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use crate::domain::Unavailable;
use crate::domain::address::is_public;
use crate::domain::minimum_rate::is_too_slow;
use crate::verifier::ports::Held;

use super::clients::{Clients, Template};
use super::failure::{blocked, closed_before_answer, protocol, too_long, unavailable};
use super::lists::Lists;
use super::resolver::{Guard, Reach, Resolver};
use super::settings::{HostSettings, Limits, SMALL_BODY_BYTES, Settings, SettingsError, Timeouts};
use super::shares::{Share, Shares};
use super::trust::{pem_roots, system_roots};

/// Docker Hub's registry lies behind another name.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");
/// How much of an error's body is read, so that its connection can be used again. It is never shown.
const ERROR_BYTES: u64 = 8 << 10;
/// The unit in which room for bodies is given out, in bytes.
const ROOM: u64 = 1 << 10;

/// All HTTP clients.
#[derive(Debug)]
pub(super) struct Transport {
    everyone: Clients,
    hosts: HashMap<Authority, ConfiguredHost>,
    plain: HashSet<String>,
    pub(super) limits: Limits,
    timeouts: Timeouts,
    requests: Shares,
    /// Room for bodies, in [`ROOM`].
    pub(super) room: Arc<Shares>,
    /// Memory for lists.
    pub(super) lists: Lists,
}

#[derive(Debug)]
struct ConfiguredHost {
    client: Client,
    settings: HostSettings,
}

/// A host and its port: what a credential and a setting are bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Authority {
    host: String,
    port: u16,
}

/// What is asked of a host.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Where.
    pub(super) url: Url,
    /// The registry on whose behalf: what it may reach decides what a redirect or a token server may be.
    pub(super) origin: &'a Authority,
    /// The `Accept` header.
    pub(super) accept: &'static str,
    /// The `Authorization` header, for the first host only.
    pub(super) authorization: Option<HeaderValue>,
    /// A form to post. Without one it is a GET.
    pub(super) form: Option<String>,
    /// What it is, for messages.
    pub(super) what: &'a str,
}

/// The head of an answer; the body is still to be read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) authority: Authority,
    timeouts: Timeouts,
    /// For the request, until its connection has done with it.
    place: Share,
    room: Arc<Shares>,
}

/// A complete body. As long as it is here, it takes up room that others wait for, unless it is small.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    room: Option<Share>,
}

impl Whole {
    /// The bytes, and the room that they take up as long as it is kept.
    pub(super) fn into_parts(self) -> (Vec<u8>, Held) {
        (self.bytes, self.room.map_or_else(Held::default, Held::new))
    }
}

/// How many bytes may still be read while one image is looked at.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    left: AtomicU64,
}

impl Transport {
    pub(super) fn new(settings: &Settings, resolver: &Arc<dyn Resolver>) -> Result<Self, SettingsError> {
        let roots = Arc::new(match &settings.roots {
            super::Roots::System => system_roots()?,
            super::Roots::Pem(pem) => pem_roots(pem, "all registries")?,
        });
        let template = |roots, addresses| Template::new(settings, roots, Guard::new(resolver.clone(), addresses));
        let everyone = Clients::new(template(roots.clone(), Reach::Public)?);
        let mut hosts = HashMap::new();
        let mut plain = HashSet::new();
        for (name, host) in &settings.hosts {
            let authority = Authority::of_registry(name, host.plain_http)?;
            let roots = match &host.ca {
                Some(pem) => Arc::new(pem_roots(pem, name)?),
                None => roots.clone(),
            };
            let addresses = if host.allow_private_address { Reach::Any } else { Reach::Public };
            let client = template(roots, addresses)?.client()?;
            if host.plain_http {
                plain.insert(name.clone());
            }
            hosts.insert(authority, ConfiguredHost { client, settings: host.clone() });
        }
        let limits = settings.limits.clone();
        let requests = Shares::new(limits.requests);
        let room = Arc::new(Shares::new(limits.bodies));
        let lists = Lists::new(limits.lists);
        Ok(Self { everyone, hosts, plain, limits, timeouts: settings.timeouts, requests, room, lists })
    }

    /// `https://<host>/v2/`, for a registry host as in canonical image names.
    pub(super) fn base(&self, registry: &str) -> Result<(Url, Authority), Unavailable> {
        let scheme = if self.plain.contains(registry) { "http" } else { "https" };
        let endpoint = if registry == DOCKER_HUB.0 { DOCKER_HUB.1 } else { registry };
        Url::parse(&format!("{scheme}://{endpoint}/v2/"))
            .ok()
            .and_then(|url| Authority::of(&url).map(|authority| (url, authority)))
            .ok_or_else(|| protocol(registry, "its address", "no URL can be made of it"))
    }

    /// Extra hosts whose token server may see the credentials for `authority`.
    pub(super) fn token_hosts(&self, authority: &Authority) -> &[String] {
        self.hosts.get(authority).map_or(&[], |host| &host.settings.token_hosts)
    }

    /// Asks, and follows redirects: at most [`Limits::redirects`], to https only, and with no authorization once the scheme,
    /// host or port has changed.
    pub(super) async fn follow(&self, mut request: Request<'_>) -> Result<Answer, Unavailable> {
        for _ in 0..=self.limits.redirects {
            let answer = self.send(&request).await?;
            if !answer.is_redirect() {
                return Ok(answer);
            }
            let next = redirect_target(&answer, &request)?;
            if (next.scheme(), next.host(), next.port_or_known_default())
                != (request.url.scheme(), request.url.host(), request.url.port_or_known_default())
            {
                request.authorization = None;
            }
            request.url = next;
            answer.discard().await;
        }
        let problem = format!("more than {} redirects", self.limits.redirects);
        Err(protocol(&request.origin.to_string(), request.what, problem))
    }

    /// Asks once, as soon as there is a place for one more request. A connection that the peer closed before it answered anything
    /// is tried a second time, no more.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Answer, Unavailable> {
        let authority = Authority::of(&request.url)
            .ok_or_else(|| protocol(&request.origin.to_string(), request.what, "a URL without host or port"))?;
        let client = self.client_for(&authority, request)?;
        let place = self.requests.take(&authority.to_string(), 1).await;
        let fail = |error: &reqwest::Error| unavailable(error, &authority.to_string(), request.what);
        let response = match self.attempt(&client, request, &authority).await? {
            Err(error) if closed_before_answer(&error) => {
                self.attempt(&client, request, &authority).await?.map_err(|error| fail(&error))?
            }
            other => other.map_err(|error| fail(&error))?,
        };
        Ok(Answer { response, authority, timeouts: self.timeouts, place, room: self.room.clone() })
    }

    async fn attempt(
        &self,
        client: &Client,
        request: &Request<'_>,
        authority: &Authority,
    ) -> Result<Result<Response, reqwest::Error>, Unavailable> {
        let mut http = http::Request::new(Body::from(request.form.clone().unwrap_or_default()));
        if request.form.is_some() {
            *http.method_mut() = Method::POST;
            http.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        *http.uri_mut() = request
            .url
            .as_str()
            .parse()
            .map_err(|_| protocol(&authority.to_string(), request.what, "a URL that can't be asked for"))?;
        http.headers_mut().insert(ACCEPT, HeaderValue::from_static(request.accept));
        http.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(value) = &request.authorization {
            http.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        let http = match http.try_into() {
            Ok(http) => http,
            Err(error) => return Ok(Err(error)),
        };
        // An answer that is there counts, however late it is looked at.
        timeout(self.timeouts.first_byte, client.execute(http))
            .await
            .map_err(|_| Unavailable::RegistryTimeout { host: authority.to_string(), what: request.what.to_owned() })
    }

    /// The client for the host, after its address, if it is one, was looked at. The leave to lie at a private address
    /// holds for what the registry itself refers to only if the registry has it too.
    fn client_for(&self, authority: &Authority, request: &Request<'_>) -> Result<Client, Unavailable> {
        let private = |authority| self.hosts.get(authority).is_some_and(|host| host.settings.allow_private_address);
        let host = self.hosts.get(authority).filter(|_| !private(authority) || private(request.origin));
        let addresses = if host.is_some() && private(authority) { Reach::Any } else { Reach::Public };
        let literal = match request.url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        };
        match literal {
            Some(address) if addresses == Reach::Public && !is_public(address) => {
                Err(blocked(&authority.to_string(), address.to_string()))
            }
            _ => match host {
                Some(host) => Ok(host.client.clone()),
                None => self.everyone.of(authority),
            },
        }
    }
}

impl Authority {
    pub(super) fn of(url: &Url) -> Option<Self> {
        Some(Self { host: url.host_str()?.to_owned(), port: url.port_or_known_default()? })
    }

    fn of_registry(name: &str, plain_http: bool) -> Result<Self, SettingsError> {
        let scheme = if plain_http { "http" } else { "https" };
        let endpoint = if name == DOCKER_HUB.0 { DOCKER_HUB.1 } else { name };
        Url::parse(&format!("{scheme}://{endpoint}/"))
            .ok()
            .filter(|url| url.path() == "/" && url.username().is_empty() && url.query().is_none())
            .and_then(|url| Self::of(&url))
            .ok_or_else(|| SettingsError::Host(name.to_owned()))
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

/// As in image names: the port is left out where it is 443.
impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            443 => f.write_str(&self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The first header of that name, as text.
    pub(super) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The whole body, if it has at most `limit` bytes and the budget still has them, and there is room for it. One that goes
    /// on in trailers is refused: what they say could be taken for what the head said.
    pub(super) async fn body(self, limit: u64, budget: &Budget, what: &str) -> Result<Whole, Unavailable> {
        let host = self.authority.to_string();
        if let Some(encoding) = self.response.headers().get(CONTENT_ENCODING)
            && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            return Err(protocol(&host, what, "the answer is compressed, which was not asked for"));
        }
        let announced = self.response.content_length();
        if announced.is_some_and(|announced| announced > limit) {
            return Err(too_long(&host, what, limit));
        }
        let places = Arc::clone(&self.room);
        let mut room = None;
        let mut pieces = self.pieces();
        let mut bytes = Vec::new();
        let mut reading = Duration::ZERO;
        loop {
            let began = Instant::now();
            let Some(piece) = pieces.next(what).await? else { break };
            reading = reading.saturating_add(began.elapsed());
            let Ok(piece) = piece.into_data() else {
                return Err(protocol(&host, what, "the answer has trailers"));
            };
            let read = length(&bytes).saturating_add(length(&piece));
            if is_too_slow(reading, read) {
                return Err(Unavailable::RegistryTimeout { host, what: what.to_owned() });
            }
            if room.is_none() && read > SMALL_BODY_BYTES {
                room = Some(places.take(&host, rooms(announced.unwrap_or(limit))).await);
            }
            bytes.extend_from_slice(&piece);
            if length(&bytes) > limit {
                return Err(too_long(&host, what, limit));
            }
            budget.take(length(&piece)).map_err(|all| too_long(&host, "everything about one image", all))?;
        }
        Ok(Whole { bytes, room })
    }

    /// Reads the rest of an error, so that the connection can be used again, if it is short and comes at once.
    pub(super) async fn discard(self) {
        let idle = self.timeouts.idle;
        let mut pieces = self.pieces();
        let rest = async {
            let mut read = 0_u64;
            while let Ok(Some(piece)) = pieces.next("").await {
                read = read.saturating_add(piece.data_ref().map_or(0, |piece| length(piece)));
                if read > ERROR_BYTES {
                    break;
                }
            }
        };
        // Whether all of it came does not matter.
        let _ = timeout(idle, rest).await;
    }

    fn pieces(self) -> Pieces {
        let (host, idle) = (self.authority.to_string(), self.timeouts.idle);
        Pieces { body: Body::from(self.response), host, idle, _place: self.place }
    }

    fn is_redirect(&self) -> bool {
        matches!(self.status().as_u16(), 301 | 302 | 303 | 307 | 308)
    }
}

/// A body as it comes in.
struct Pieces {
    body: Body,
    host: String,
    idle: Duration,
    _place: Share,
}

impl Pieces {
    async fn next(&mut self, what: &str) -> Result<Option<Frame<Bytes>>, Unavailable> {
        match timeout(self.idle, self.body.frame()).await {
            Ok(piece) => piece.transpose().map_err(|error| unavailable(&error, &self.host, what)),
            Err(_) => Err(Unavailable::RegistryTimeout { host: self.host.clone(), what: what.to_owned() }),
        }
    }
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, left: AtomicU64::new(limit) }
    }

    fn take(&self, bytes: u64) -> Result<(), u64> {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
            .map(|_| ())
            .map_err(|_| self.limit)
    }
}

/// The room that so many bytes take up; nothing takes up none.
fn rooms(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(ROOM).max(1)).unwrap_or(u32::MAX)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Where a redirect leads, if it may: https, or plain http as long as nothing but configured plain http was used so far.
fn redirect_target(answer: &Answer, request: &Request<'_>) -> Result<Url, Unavailable> {
    let refuse = |problem: &str| Err(protocol(&answer.authority.to_string(), request.what, problem));
    let Some(location) = answer.header(LOCATION) else {
        return refuse("a redirect that does not say where to");
    };
    let Ok(next) = request.url.join(location) else {
        return refuse("a redirect to something that is no URL");
    };
    if !next.username().is_empty() || next.password().is_some() {
        return refuse("a redirect to a URL with a user name in it");
    }
    match next.scheme() {
        "https" => Ok(next),
        "http" if request.url.scheme() == "http" && Authority::of(&next).as_ref() == Some(&answer.authority) => {
            Ok(next)
        }
        _ => refuse("a redirect to something other than https"),
    }
}

#[cfg(test)]
mod tests;
