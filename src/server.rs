//! TLS, HTTP and their limits: what stands between the network and [`admission`](crate::admission).
//!
//! The webhook port speaks HTTP/1.1 over TLS and knows three paths. Every caller is treated as hostile: connections, handshakes,
//! headers, bodies and writes are bounded in number, size and time. HTTP/2 is not offered: the API server does not use it for
//! Services. The admin port ([`admin`]) is another one, without TLS.
//!
//! Leaving: 1. not ready any more, and serving on, while Services forget the address. 2. Every answer closes its connection, and idle
//! ones may still bring a last request. 3. No new connections; those that are left end after the request that they are in.

pub mod admin;
mod body;
mod client_certificates;
mod connection;
mod connection_limit;
mod deadline;
mod http1;
mod lane;
pub mod limits;
mod peer_rate;
mod routes;
mod timeouts;
mod tls;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::admission::Reviewer;
use crate::telemetry::Health;
use crate::telemetry::Metrics;

pub use client_certificates::{ClientAuthority, ClientAuthorityError};
pub use tls::Certificate;

use body::Budget;
use connection::Connections;
use connection_limit::{Causes, ConnectionLimit, Peer, Slot};
use deadline::Deadlines;
use http1::{Http1, Phase};
use peer_rate::PeerRates;
use routes::Reviews;
use tls::Tls;

const CAUSES: Causes = Causes { full: "connections", evicted: "evicted" };
/// Pause after a failed `accept`, such as when all file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Of the time for draining, what is kept for connections that did not end by themselves.
const LAST_CALL: Duration = Duration::from_secs(2);

/// The settings of the webhook port.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections that are served at once. Which one gives way when there are more, [`connection_limit`] says.
    pub max_connections: usize,
    /// Bytes of review bodies that are held at once: a sixth for those up to 1 MiB, the rest for larger ones, and there is always
    /// room for one of the largest size. One address may hold half of each part, or one review of its largest size.
    pub body_budget: usize,
    /// `timeoutSeconds` of the webhooks.
    pub timeout: Duration,
    /// Who may connect; nothing, and anybody may.
    pub clients: Option<watch::Receiver<ClientAuthority>>,
    /// Whether TLS 1.2 is spoken too, with AEAD ciphers only.
    pub tls12: bool,
    /// How long the server goes on after it was told to stop, so that no Service names it any more.
    pub linger: Duration,
    /// How long it then waits for connections to end.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: limits::CONNECTIONS,
            body_budget: limits::REVIEWS_BYTES,
            timeout: Duration::from_secs(10),
            clients: None,
            tls12: false,
            linger: Duration::from_secs(10),
            drain: Duration::from_secs(12),
        }
    }
}

/// The webhook server.
pub struct Server {
    connections: Arc<Connections>,
    limit: ConnectionLimit,
    phase: watch::Sender<Phase>,
    settings: Settings,
    certificate: watch::Receiver<Certificate>,
    health: Health,
}

impl Server {
    /// A server that shows the certificate that `certificate` holds at the time of each handshake; none, and handshakes fail.
    pub fn new<A: Reviewer>(
        reviewer: Arc<A>,
        settings: Settings,
        certificate: watch::Receiver<Certificate>,
        metrics: Metrics,
        health: Health,
    ) -> Result<Self, rustls::Error> {
        let reviews = Reviews {
            reviewer,
            budget: Budget::new(settings.body_budget),
            deadlines: Deadlines::new(settings.timeout),
            metrics: metrics.clone(),
        };
        let tls = Tls::new(certificate.clone(), settings.clients.clone(), settings.tls12)?;
        // Whoever has a certificate is not a stranger.
        let rates = settings.clients.is_none().then(PeerRates::default);
        let limit = ConnectionLimit::new(settings.max_connections, CAUSES, rates, metrics.clone());
        let (phase, phases) = watch::channel(Phase::Serve);
        let http = Http1 { router: routes::router(reviews), metrics, phases };
        let connections = Arc::new(Connections { tls, http });
        Ok(Self { connections, limit, phase, settings, certificate, health })
    }

    /// Serves until `stop` is there, then leaves as the module says, and returns when all connections have ended.
    pub async fn run(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let serving = self.health.condition("serving");
        let certified = self.health.condition("certificate");
        let mut certificate = self.certificate.clone();
        let mut stop = pin!(async {
            let watched = async {
                // Ends only with its sender; then the last certificate stays.
                while certificate.wait_for(Option::is_some).await.is_ok() {
                    certified.met();
                    if certificate.changed().await.is_err() {
                        break;
                    }
                }
                std::future::pending::<()>().await;
            };
            serving.met();
            tokio::select! {
                () = stop => serving.unmet(),
                () = watched => {}
            }
        });
        let phase = self.phase;
        let mut accepting =
            Accepting { listener, limit: self.limit, tasks: JoinSet::new(), connections: self.connections };
        accepting.until(&mut stop).await;
        tracing::info!(seconds = self.settings.linger.as_secs(), "stopping: not ready any more, still serving");
        accepting.until(sleep(self.settings.linger)).await;
        let end = Instant::now().checked_add(self.settings.drain).unwrap_or_else(Instant::now);
        phase.send_replace(Phase::Close);
        accepting.until_idle(end.checked_sub(LAST_CALL).unwrap_or(end)).await;
        phase.send_replace(Phase::End);
        accepting.finish(end).await;
    }
}

/// The listener with its connections.
struct Accepting {
    listener: TcpListener,
    limit: ConnectionLimit,
    tasks: JoinSet<()>,
    connections: Arc<Connections>,
}

impl Accepting {
    async fn until(&mut self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                () = self.next() => {}
            }
        }
    }

    /// Goes on until no connection is left, but not after `end`.
    async fn until_idle(&mut self, end: Instant) {
        let mut end = pin!(sleep_until(end));
        while !self.tasks.is_empty() {
            tokio::select! {
                () = &mut end => return,
                () = self.next() => {}
            }
        }
    }

    /// Accepts nothing more and waits for what is left.
    async fn finish(mut self, end: Instant) {
        drop(self.listener);
        while let Ok(Some(_)) = timeout_at(end, self.tasks.join_next()).await {}
        if !self.tasks.is_empty() {
            tracing::warn!(connections = self.tasks.len(), "stopped with connections that did not end");
        }
    }

    /// Waits for the next connection to come or to end. May be cancelled at any time.
    async fn next(&mut self) {
        tokio::select! {
            (socket, peer) = accept(&self.listener) => {
                if let Some(slot) = self.limit.admit(peer) {
                    self.begin(socket, slot);
                }
            }
            Some(_) = self.tasks.join_next() => {}
        }
    }

    fn begin(&mut self, socket: TcpStream, slot: Slot) {
        let connections = Arc::clone(&self.connections);
        self.tasks.spawn(async move { connections.serve(socket, slot).await });
    }
}

/// The next connection, and whose it is. May be cancelled at any time.
async fn accept(listener: &TcpListener) -> (TcpStream, Peer) {
    loop {
        match listener.accept().await {
            Ok((socket, address)) => return (socket, address.ip().into()),
            Err(error) => {
                tracing::warn!(%error, "can't accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
