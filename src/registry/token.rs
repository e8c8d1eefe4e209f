//! Tokens of the distribution project's "Token Authentication Specification", with its `OAuth2` form for refresh tokens.
//!
//! The scope is ours: one repository, to pull. Credentials go to token servers of the registry's own house only.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::form_urlencoded;

use crate::domain::{Login, Unavailable};

use super::auth::Applicant;
use super::failure::protocol;
use super::realm::token_server;
use super::transport::{Budget, Request, Transport};

/// How long a token is used when its server does not say (distribution project, "Token Authentication Specification").
const DEFAULT_LIFE: Duration = Duration::from_mins(1);
/// How long a token is used at most, whatever its server says.
const LONGEST_LIFE: Duration = Duration::from_hours(1);
const CLIENT_ID: &str = "sealgate";
const WHAT: &str = "a token";

/// Asks the token server; `None` when it refuses this login. With the token comes how long it may be used.
pub(super) async fn token(
    realm: &str,
    service: Option<&str>,
    login: Option<&Login>,
    applicant: &Applicant,
    transport: &Transport,
) -> Result<Option<(HeaderValue, Duration)>, Unavailable> {
    let request = token_request(realm, service, login, applicant, transport)?;
    let answer = transport.send(&request).await?;
    let host = answer.authority.to_string();
    match answer.status().as_u16() {
        200 => {}
        401 | 403 => {
            answer.discard().await;
            return Ok(None);
        }
        429 => return Err(Unavailable::RegistryRateLimited { host, what: WHAT.to_owned() }),
        status @ 201..=399 => {
            return Err(protocol(&host, WHAT, format!("status {status}; redirects of token servers are not followed")));
        }
        status => return Err(Unavailable::RegistryError { host, status, what: WHAT.to_owned() }),
    }
    let limit = transport.limits.token_answer_bytes;
    let body = answer.body(limit, &Budget::new(limit), WHAT).await?;
    let answer: TokenAnswer =
        serde_json::from_slice(&body.bytes).map_err(|_| protocol(&host, WHAT, "the answer can't be read"))?;
    let life = life(&answer.expires_in);
    let token = answer.usable(transport.limits.token_bytes).map_err(|problem| protocol(&host, WHAT, problem))?;
    Ok(Some((secret_header(&format!("Bearer {token}"))?, life)))
}

/// The `Authorization` header of HTTP basic authentication.
pub(super) fn basic(username: &str, password: &SecretString) -> Result<HeaderValue, Unavailable> {
    let encoded = STANDARD.encode(format!("{username}:{}", password.expose_secret()));
    secret_header(&format!("Basic {encoded}"))
}

fn secret_header(text: &str) -> Result<HeaderValue, Unavailable> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Unavailable::Overloaded("a credential is longer than a header can be"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A GET with the password, or for a refresh token a POST.
fn token_request<'a>(
    realm: &str,
    service: Option<&str>,
    login: Option<&Login>,
    applicant: &'a Applicant,
    transport: &Transport,
) -> Result<Request<'a>, Unavailable> {
    let origin = &applicant.authority;
    let mut url =
        token_server(realm, origin, applicant.plain_http, transport.token_hosts(origin)).map_err(|problem| {
            Unavailable::RegistryUnauthorized {
                host: applicant.host().to_owned(),
                status: 401,
                what: WHAT.to_owned(),
                problem: format!("nothing was sent to the token server that it names: {problem}"),
            }
        })?;
    url.set_fragment(None);
    let mut fields: Vec<(&str, String)> = vec![("scope", format!("repository:{}:pull", applicant.path()))];
    fields.extend(service.map(|service| ("service", service.to_owned())));
    let mut authorization = None;
    let mut form = None;
    if let Some(Login::IdentityToken(refresh)) = login {
        fields.push(("grant_type", "refresh_token".to_owned()));
        fields.push(("client_id", CLIENT_ID.to_owned()));
        fields.push(("refresh_token", refresh.expose_secret().to_owned()));
        form = Some(form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish());
    } else {
        url.query_pairs_mut().extend_pairs(fields);
    }
    if let Some(Login::Basic { username, password }) = login {
        authorization = Some(basic(username, password)?);
    }
    Ok(Request { url, origin, accept: "application/json", authorization, form, what: WHAT })
}

/// What a token server answers. `token` and `access_token` are two names of the same thing; servers that fill one of them may
/// send the other one empty, as Harbor does.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    #[serde(default)]
    expires_in: serde_json::Value,
}

impl TokenAnswer {
    fn usable(self, limit: usize) -> Result<String, &'static str> {
        let filled = |token: &String| !token.is_empty();
        let token = match (self.token.filter(filled), self.access_token.filter(filled)) {
            (Some(a), Some(b)) if a != b => return Err("two tokens in one answer"),
            (Some(token), _) | (None, Some(token)) => token,
            (None, None) => return Err("there is no token in the answer"),
        };
        if token.len() > limit || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("the token is too long, or has characters that no token has");
        }
        Ok(token)
    }
}

/// How long the token is used: nine tenths of what the server says, within bounds.
fn life(expires_in: &serde_json::Value) -> Duration {
    let says = match expires_in.as_f64() {
        Some(seconds) if seconds >= 0.0 => Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIFE),
        Some(_) => Duration::ZERO,
        None => DEFAULT_LIFE,
    };
    says.min(LONGEST_LIFE).mul_f64(0.9)
}
