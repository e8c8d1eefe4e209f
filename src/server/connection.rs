//! One connection of the webhook port: the handshake, then HTTP.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connection_limit::Slot;
use super::http1::Http1;

/// For a TLS handshake, from the moment that the connection is there.
const HANDSHAKE: Duration = Duration::from_secs(4);

/// What all connections share.
pub(super) struct Connections {
    pub(super) tls: TlsAcceptor,
    pub(super) http: Http1,
}

impl Connections {
    /// Serves one connection to its end.
    pub(super) async fn serve(&self, socket: TcpStream, slot: Slot) {
        // Answers are small and complete; waiting for more to send would only delay them. Without it they still arrive.
        let _ = socket.set_nodelay(true);
        let stream = tokio::select! {
            biased;
            () = slot.evicted() => return,
            stream = timeout(HANDSHAKE, self.tls.accept(socket)) => stream,
        };
        match stream {
            Ok(Ok(stream)) => self.http.serve(stream, &Arc::new(slot)).await,
            _ => self.http.metrics.shed("handshake"),
        }
    }
}
