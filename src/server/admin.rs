//! The admin port: health and metrics, over plain HTTP, for the kubelet and Prometheus. It says nothing about images or namespaces.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
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

/// Serves `/healthz`, `/readyz` and `/metrics` until `stop` is there.
pub async fn serve(listener: TcpListener, health: Health, metrics: Metrics, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let router = router(health, metrics.clone());
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
        let router = router.clone();
        tokio::spawn(async move {
            connection(socket, router).await;
            drop(place);
        });
    }
}

async fn connection(socket: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    // Whatever went wrong is the peer's affair.
    let _ = timeout(LIFE, connection).await;
}

fn router(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get("ok\n"))
        .route("/readyz", get(async move || readiness(&health.unmet())))
        .route("/metrics", get(async move || ([(CONTENT_TYPE, METRICS_TYPE)], metrics.render())))
        .fallback((StatusCode::NOT_FOUND, "no such path: /healthz, /readyz, /metrics\n"))
        .method_not_allowed_fallback((StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n"))
}

fn readiness(unmet: &[&str]) -> (StatusCode, String) {
    match unmet {
        [] => (StatusCode::OK, "ready\n".into()),
        unmet => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready, waiting for: {}\n", unmet.join(", "))),
    }
}
