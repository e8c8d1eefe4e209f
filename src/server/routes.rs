//! The paths of the webhook port, and the plain answers of HTTP.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, post};
use axum::{Extension, Router};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::admission::{Answer, Hook, Reviewer, overloaded};
use crate::telemetry::Metrics;

use super::body::{self, BodyError, Budget};
use super::connection_limit::Slot;
use super::deadline::Deadlines;
use super::limits::REVIEW_BYTES;

/// What the answers to all requests come from.
pub(super) struct Reviews<A> {
    pub(super) reviewer: Arc<A>,
    pub(super) budget: Budget,
    pub(super) deadlines: Deadlines,
    pub(super) metrics: Metrics,
}

/// The webhooks.
pub(super) fn router<A: Reviewer>(reviews: Reviews<A>) -> Router {
    let hooks = [Hook::Mutate, Hook::ValidatePods, Hook::ValidateWorkloads];
    let lost = format!("no such path: {}", hooks.map(Hook::path).join(", "));
    let router = hooks.into_iter().fold(Router::new(), |router, hook| router.route(hook.path(), webhook(hook)));
    router
        .fallback((StatusCode::NOT_FOUND, lost))
        .method_not_allowed_fallback((StatusCode::METHOD_NOT_ALLOWED, "post an AdmissionReview"))
        .with_state(Arc::new(reviews))
}

fn webhook<A: Reviewer>(hook: Hook) -> MethodRouter<Arc<Reviews<A>>> {
    post(
        async move |State(reviews): State<Arc<Reviews<A>>>, Extension(slot): Extension<Arc<Slot>>, request: Request| {
            reviews.answer(hook, &slot, request).await
        },
    )
}

impl<A: Reviewer> Reviews<A> {
    async fn answer(&self, hook: Hook, slot: &Arc<Slot>, request: Request) -> Response {
        if !is_json(request.headers()) {
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json").into_response();
        }
        let time = self.deadlines.of(request.uri().query());
        let deadline = Instant::now().checked_add(time).unwrap_or_else(Instant::now);
        let Ok(_turn) = timeout_at(deadline, slot.turn()).await else {
            self.metrics.shed("peer-reviews");
            return self.unread(hook, &body::refused(request.into_body(), Vec::new()).await);
        };
        match self.budget.read(request.into_body(), slot.peer(), deadline).await {
            Ok(body) => answered(self.reviewer.review(hook, body, deadline).await),
            Err(error) => self.unread(hook, &error),
        }
    }

    /// The answer where there was no body to give to the handler. Never with `Retry-After`: the API server would obey it.
    fn unread(&self, hook: Hook, error: &BodyError) -> Response {
        match error {
            BodyError::TooLarge => {
                self.metrics.shed("body-size");
                (StatusCode::PAYLOAD_TOO_LARGE, format!("a review has at most {} MiB", REVIEW_BYTES >> 20))
                    .into_response()
            }
            BodyError::Overloaded { start } => {
                self.metrics.shed("body-budget");
                answered(overloaded(hook, start))
            }
            BodyError::Slow => {
                self.metrics.shed("slow-body");
                (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time").into_response()
            }
            BodyError::Broken => (StatusCode::BAD_REQUEST, "the body is broken off").into_response(),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let types = headers.get_all(CONTENT_TYPE);
    let mut types = types.iter().map(|value| value.to_str().unwrap_or_default());
    let (first, second) = (types.next().unwrap_or_default(), types.next());
    let essence = first.split(';').next().unwrap_or_default().trim();
    second.is_none() && essence.eq_ignore_ascii_case("application/json")
}

/// The handler's answer.
fn answered(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    response
}

#[cfg(test)]
mod tests;
