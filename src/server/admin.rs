//! The admin port: health and metrics, over plain HTTP, for the kubelet and Prometheus. It says nothing about images or namespaces.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::telemetry::{Health, Metrics};

/// Connections at once.
const MAX_CONNECTIONS: usize = 64;
/// For a header, and between two requests.
const HEADER: Duration = Duration::from_secs(5);
/// For a whole connection; kubelet and Prometheus open another one.
const LIFE: Duration = Duration::from_mins(2);
/// Pause after a failed `accept`.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// Serves `/healthz`, `/readyz` and `/metrics` until `stop` is there.
pub async fn serve(listener: TcpListener, health: Health, metrics: Metrics, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            metrics.shed("admin-connections");
            continue;
        };
        let (health, metrics) = (health.clone(), metrics.clone());
        tokio::spawn(async move {
            connection(socket, &health, &metrics).await;
            drop(place);
        });
    }
}

async fn connection(socket: TcpStream, health: &Health, metrics: &Metrics) {
    let service = service_fn(async |request| Ok::<_, Infallible>(respond(&request, health, metrics)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .serve_connection(TokioIo::new(socket), service);
    // Whatever went wrong is the peer's affair.
    let _ = timeout(LIFE, connection).await;
}

fn respond(request: &Request<Incoming>, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return answer(StatusCode::METHOD_NOT_ALLOWED, TEXT_TYPE, "only GET and HEAD\n".into());
    }
    match request.uri().path() {
        "/healthz" => answer(StatusCode::OK, TEXT_TYPE, "ok\n".into()),
        "/readyz" => readiness(&health.unmet()),
        "/metrics" => answer(StatusCode::OK, METRICS_TYPE, metrics.render()),
        _ => answer(StatusCode::NOT_FOUND, TEXT_TYPE, "no such path: /healthz, /readyz, /metrics\n".into()),
    }
}

fn readiness(unmet: &[&str]) -> Response<Full<Bytes>> {
    match unmet {
        [] => answer(StatusCode::OK, TEXT_TYPE, "ready\n".into()),
        unmet => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            TEXT_TYPE,
            format!("not ready, waiting for: {}\n", unmet.join(", ")),
        ),
    }
}

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
