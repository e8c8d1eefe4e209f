//! One connection: handshake, then one request after another until it is over.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

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
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceBuilder;

use crate::telemetry::Metrics;

use super::patience::{Life, Patient};

/// For a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(4);
/// Read buffer of a connection; headers must fit into it.
const BUFFER: usize = 16 << 10;

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

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// What all connections share.
pub(super) struct Connections {
    pub(super) tls: TlsAcceptor,
    pub(super) router: Router,
    pub(super) metrics: Metrics,
}

impl Connections {
    /// Serves one connection to its end.
    pub(super) async fn serve(&self, socket: TcpStream, peer: Peer, mut phases: watch::Receiver<Phase>) {
        // Answers are small and complete; waiting for more to send would only delay them. Without it they still arrive.
        let _ = socket.set_nodelay(true);
        let Ok(Ok(stream)) = timeout(HANDSHAKE, self.tls.accept(socket)).await else {
            self.metrics.shed("handshake");
            return;
        };
        let life = Life::new();
        let io = TokioIo::new(Patient::new(stream, Arc::clone(&life)));
        let exchange = Exchange { life, phase: phases.clone(), metrics: self.metrics.clone() };
        let service = ServiceBuilder::new()
            .map_request(move |mut request: http::Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request.map(Body::new)
            })
            .layer(middleware::from_fn_with_state(exchange, around))
            .service(self.router.clone());
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(BUFFER)
            .serve_connection(io, TowerToHyperService::new(service));
        let mut connection = pin!(connection);
        tokio::select! {
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
    life: Arc<Life>,
    phase: watch::Receiver<Phase>,
    metrics: Metrics,
}

/// One request: a panic is an answer too, and the last answer says that it is the last.
async fn around(State(exchange): State<Exchange>, request: Request, next: Next) -> Response {
    exchange.life.begin();
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| {
        exchange.metrics.panic();
        (StatusCode::INTERNAL_SERVER_ERROR, "internal error; the log has the details").into_response()
    });
    if exchange.life.is_over() || !response.status().is_success() || *exchange.phase.borrow() != Phase::Serve {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    exchange.life.end();
    response
}
