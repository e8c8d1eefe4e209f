//! HTTP/1.1 on one connection of either port: one request after another until it is over, or gives way to another connection.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::ServiceBuilder;

use crate::telemetry::Metrics;

use super::connection_limit::Slot;
use super::limits::HEADER_BYTES;
use super::timeouts::TimedSocket;

/// How the server is leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is not.
    Serve,
    /// Every answer closes its connection.
    Close,
    /// Connections close when they are idle.
    End,
}

/// What all connections of a port share.
#[derive(Clone)]
pub(super) struct Http1 {
    pub(super) router: Router,
    pub(super) metrics: Metrics,
    pub(super) phases: watch::Receiver<Phase>,
}

impl Http1 {
    /// Serves one connection to its end. Every request carries its [`Slot`].
    pub(super) async fn serve(&self, io: impl AsyncRead + AsyncWrite + Unpin, slot: &Arc<Slot>) {
        let io = TokioIo::new(TimedSocket::new(io, Arc::clone(slot.activity())));
        let exchange = Exchange { slot: Arc::clone(slot), phase: self.phases.clone(), metrics: self.metrics.clone() };
        let extension = Arc::clone(slot);
        let service = ServiceBuilder::new()
            .map_request(move |mut request: http::Request<Incoming>| {
                request.extensions_mut().insert(Arc::clone(&extension));
                request.map(Body::new)
            })
            .layer(middleware::from_fn_with_state(exchange, around))
            .service(self.router.clone());
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(HEADER_BYTES)
            .serve_connection(io, TowerToHyperService::new(service));
        let mut connection = pin!(connection);
        let mut phases = self.phases.clone();
        tokio::select! {
            biased;
            () = slot.evicted() => {
                connection.as_mut().graceful_shutdown();
                // An idle one says goodbye if it can do so at once.
                let _ = connection.now_or_never();
                return;
            }
            // An error is the peer's: it broke off, or took too long.
            _ = &mut connection => return,
            _ = phases.wait_for(|phase| *phase == Phase::End) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// What the requests of one connection share.
#[derive(Clone)]
struct Exchange {
    slot: Arc<Slot>,
    phase: watch::Receiver<Phase>,
    metrics: Metrics,
}

/// One request: a panic is an answer too, and the last answer says that it is the last.
async fn around(State(exchange): State<Exchange>, request: Request, next: Next) -> Response {
    let activity = exchange.slot.activity();
    activity.begin();
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| {
        exchange.metrics.panic();
        (StatusCode::INTERNAL_SERVER_ERROR, "internal error; the log has the details").into_response()
    });
    if activity.is_over() || !response.status().is_success() || *exchange.phase.borrow() != Phase::Serve {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    activity.end();
    response
}
