//! The paths of the webhook port, and the plain answers of HTTP.

use http::header::{ALLOW, CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};

use crate::admission::{Answer, Hook};

use super::body::BodyError;

/// The type of an answer's body.
pub(super) type Body = Full<Bytes>;

/// Why a request is for no webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    Path,
    Method,
    ContentType,
}

/// The webhook that a request is for.
pub(super) fn route(request: &Request<Incoming>) -> Result<Hook, NoRoute> {
    let hook = match request.uri().path() {
        "/mutate" => Hook::Mutate,
        "/validate" => Hook::ValidatePods,
        "/validate-workloads" => Hook::ValidateWorkloads,
        _ => return Err(NoRoute::Path),
    };
    if request.method() != Method::POST {
        return Err(NoRoute::Method);
    }
    if is_json(request.headers()) { Ok(hook) } else { Err(NoRoute::ContentType) }
}

fn is_json(headers: &HeaderMap) -> bool {
    let types = headers.get_all(CONTENT_TYPE);
    let mut types = types.iter().map(|value| value.to_str().unwrap_or_default());
    let (first, second) = (types.next().unwrap_or_default(), types.next());
    let essence = first.split(';').next().unwrap_or_default().trim();
    second.is_none() && essence.eq_ignore_ascii_case("application/json")
}

/// The answer to a request that is for no webhook.
pub(super) fn lost(reason: NoRoute) -> Response<Body> {
    match reason {
        NoRoute::Path => plain(StatusCode::NOT_FOUND, "no such path: /mutate, /validate, /validate-workloads"),
        NoRoute::Method => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "post an AdmissionReview");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            response
        }
        NoRoute::ContentType => plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json"),
    }
}

/// The handler's answer.
pub(super) fn answered(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    response
}

/// The answer where there was no body to give to the handler. Never with `Retry-After`: the API server would obey it.
pub(super) fn unread(error: BodyError) -> Response<Body> {
    match error {
        BodyError::TooLarge => plain(StatusCode::PAYLOAD_TOO_LARGE, "a review has at most 24 MiB"),
        BodyError::Overloaded => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "sealgate is overloaded: too many large reviews at once; try again, or raise limits.bodyBudgetBytes",
        ),
        BodyError::Slow => plain(StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 10 seconds"),
        BodyError::Broken => plain(StatusCode::BAD_REQUEST, "the body is broken off"),
    }
}

/// A sentence with a status.
pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
