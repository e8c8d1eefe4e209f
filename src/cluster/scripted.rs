//! An API server for tests: a function from requests to answers.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::sleep;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Of a patch: `merge` or `apply`; else empty.
    pub(crate) patch: &'static str,
    pub(crate) body: Value,
}

/// A client of this API server.
pub(crate) fn client<F, A>(answer: F) -> Client
where
    F: Fn(Asked) -> A + Send + Sync + 'static,
    A: Future<Output = (StatusCode, Value)> + Send + 'static,
{
    let answer = Arc::new(answer);
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = answer.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let kind = head.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let patch = match kind.unwrap_or_default() {
                kind if kind.contains("merge-patch") => "merge",
                kind if kind.contains("apply-patch") => "apply",
                _ => "",
            };
            // Nothing changes nothing, where it is merged.
            let body = serde_json::from_slice(&body).unwrap_or_else(|_| json!({}));
            let asked = Asked { method: head.method, path: head.uri.path().to_owned(), patch, body };
            let (status, object) = answer(asked).await;
            let mut response = Response::new(Body::from(object.to_string().into_bytes()));
            *response.status_mut() = status;
            Ok::<_, tower::BoxError>(response)
        }
    });
    Client::new(service, "default")
}

/// A refusal, as an API server words it.
pub(crate) fn refusal(status: StatusCode, message: &str) -> (StatusCode, Value) {
    let (code, reason) = (status.as_u16(), status.canonical_reason().unwrap_or_default().replace(' ', ""));
    let failure = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure"});
    let mut body = json!({"message": message, "reason": reason, "code": code});
    json_patch::merge(&mut body, &failure);
    (status, body)
}

/// How many requests were begun, are on their way, and were at once at most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic(Arc<[AtomicUsize; 3]>);

impl Traffic {
    /// A client of an API server that takes so long for each answer, which is the object that was sent.
    pub(crate) fn client(&self, each: Duration) -> Client {
        let traffic = self.clone();
        client(move |asked| {
            let traffic = traffic.clone();
            async move {
                let [begun, now, most] = &*traffic.0;
                begun.fetch_add(1, Relaxed);
                now.fetch_add(1, Relaxed);
                most.fetch_max(now.load(Relaxed), Relaxed);
                sleep(each).await;
                now.fetch_sub(1, Relaxed);
                (StatusCode::OK, asked.body)
            }
        })
    }

    /// How many were begun.
    pub(crate) fn begun(&self) -> usize {
        self.0[0].load(Relaxed)
    }

    /// How many were on their way at once, at most.
    pub(crate) fn most(&self) -> usize {
        self.0[2].load(Relaxed)
    }
}
