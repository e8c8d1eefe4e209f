//! The admin port: health and metrics, over plain HTTP, for the kubelet and Prometheus. It says nothing about images or namespaces.
//!
//! Whoever reaches it may connect, but can't keep others out ([`connection_limit`](super::connection_limit)): a probe of the kubelet
//! takes the place of whoever has said nothing for longest.

use std::fmt::Write as _;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::telemetry::{Health, Metrics};

use super::accept;
use super::connection_limit::{Causes, ConnectionLimit, Slot};
use super::http1::{Http1, Phase};
use super::limits::{ADMIN_CONNECTIONS, HEADER_TIME};

const CAUSES: Causes = Causes { full: "admin-connections", evicted: "admin-evicted" };
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/healthz`, `/readyz` and `/metrics` until `stop` is there.
pub async fn serve(listener: TcpListener, health: Health, metrics: Metrics, stop: impl Future<Output = ()>) {
    let limit = ConnectionLimit::new(ADMIN_CONNECTIONS, CAUSES, None, metrics.clone());
    // It ends together with this function, and then connections close when they are idle.
    let (_phase, phases) = watch::channel(Phase::Serve);
    let http = Http1 { router: router(health, metrics.clone()), metrics, phases };
    let mut stop = pin!(stop);
    loop {
        let (socket, peer) = tokio::select! {
            () = &mut stop => return,
            accepted = accept(&listener) => accepted,
        };
        let Some(slot) = limit.admit(peer) else { continue };
        let http = http.clone();
        tokio::spawn(serve_one(http, socket, slot));
    }
}

/// Serves one connection to its end. One that is silent costs little more than its socket.
async fn serve_one(http: Http1, socket: TcpStream, slot: Slot) {
    tokio::select! {
        biased;
        () = slot.evicted() => {}
        begun = timeout(HEADER_TIME, socket.readable()) => {
            if let Ok(Ok(())) = begun {
                Box::pin(http.serve(socket, &Arc::new(slot))).await;
            }
        }
    }
}

fn router(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get("ok\n"))
        .route("/readyz", get(async move || readiness(&health)))
        .route("/metrics", get(async move || ([(CONTENT_TYPE, METRICS_TYPE)], metrics.render())))
        .fallback((StatusCode::NOT_FOUND, "no such path: /healthz, /readyz, /metrics\n"))
        .method_not_allowed_fallback((StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n"))
}

/// The first line says whether this replica can answer, the others what it answers by that may be old.
fn readiness(health: &Health) -> (StatusCode, String) {
    let (status, mut text) = match health.unmet().as_slice() {
        [] => (StatusCode::OK, "ready\n".to_owned()),
        unmet => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready, waiting for: {}\n", unmet.join(", "))),
    };
    for (what, since) in health.stale() {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "may be old, not followed since {since:.0}: {what}");
    }
    (status, text)
}
