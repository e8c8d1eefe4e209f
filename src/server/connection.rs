//! One connection: handshake, then one request after another until it is over.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use crate::admission::Reviewer;
use crate::telemetry::Metrics;

use super::body::{BodyError, Budget};
use super::deadline::Deadlines;
use super::patience::{Life, Patient};
use super::routes::{self, Body};

/// For a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(4);
/// Read buffer of a connection; headers must fit into it.
const BUFFER: usize = 64 << 10;

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

/// What all connections share.
pub(super) struct Connections<A> {
    pub(super) tls: TlsAcceptor,
    pub(super) reviewer: Arc<A>,
    pub(super) budget: Budget,
    pub(super) deadlines: Deadlines,
    pub(super) metrics: Metrics,
}

impl<A: Reviewer> Connections<A> {
    /// Serves one connection to its end.
    pub(super) async fn serve(&self, socket: TcpStream, mut phases: watch::Receiver<Phase>) {
        // Answers are small and complete; waiting for more to send would only delay them. Without it they still arrive.
        let _ = socket.set_nodelay(true);
        let Ok(Ok(stream)) = timeout(HANDSHAKE, self.tls.accept(socket)).await else {
            self.metrics.shed("handshake");
            return;
        };
        let life = Life::new();
        let phase = phases.clone();
        let service = service_fn(|request| self.respond(request, &life, &phase));
        let io = TokioIo::new(Patient::new(stream, Arc::clone(&life)));
        let mut connection =
            pin!(http1::Builder::new().header_read_timeout(None).max_buf_size(BUFFER).serve_connection(io, service));
        tokio::select! {
            // An error is the peer's: it broke off, or took too long.
            _ = &mut connection => return,
            _ = phases.wait_for(|phase| *phase == Phase::End) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        life: &Life,
        phase: &watch::Receiver<Phase>,
    ) -> Result<Response<Body>, Infallible> {
        life.begin();
        let answered = AssertUnwindSafe(self.answer(request)).catch_unwind().await;
        let mut response = answered.unwrap_or_else(|_| {
            self.metrics.panic();
            routes::plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error; the log has the details")
        });
        if life.is_over() || !response.status().is_success() || *phase.borrow() != Phase::Serve {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        life.end();
        Ok(response)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let hook = match routes::route(&request) {
            Ok(hook) => hook,
            Err(reason) => return routes::lost(reason),
        };
        let time = self.deadlines.of(request.uri().query());
        let deadline = Instant::now().checked_add(time).unwrap_or_else(Instant::now);
        match self.budget.read(request.into_body(), deadline).await {
            Ok(body) => routes::answered(self.reviewer.review(hook, body, deadline).await),
            Err(error) => {
                match error {
                    BodyError::TooLarge => self.metrics.shed("body-size"),
                    BodyError::Overloaded => self.metrics.shed("body-budget"),
                    BodyError::Slow | BodyError::Broken => {}
                }
                routes::unread(error)
            }
        }
    }
}
