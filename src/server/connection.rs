//! One connection of the webhook port: the handshake, then HTTP.

use std::io;
use std::sync::Arc;

use rustls::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection_limit::Slot;
use super::http1::Http1;
use super::limits::{HANDSHAKE_TIME, TLS_SEND_BYTES};
use super::tls::Tls;

/// What all connections share.
pub(super) struct Connections {
    pub(super) tls: Tls,
    pub(super) http: Http1,
}

impl Connections {
    /// Serves one connection to its end.
    pub(super) async fn serve(&self, socket: TcpStream, slot: Slot) {
        // Answers are small and complete; waiting for more to send would only delay them. Without it they still arrive.
        let _ = socket.set_nodelay(true);
        let handshake = async {
            // A silent peer costs a socket; what a conversation takes is set up when one begins.
            socket.readable().await?;
            let acceptor = self.tls.acceptor().map_err(|error| {
                tracing::error!(%error, "the TLS settings can't be used any more");
                io::Error::other(error)
            })?;
            Box::pin(acceptor.accept(socket)).await
        };
        let stream = tokio::select! {
            biased;
            () = slot.evicted() => return,
            stream = timeout(HANDSHAKE_TIME, handshake) => stream,
        };
        match stream {
            Ok(Ok(mut stream)) => {
                stream.get_mut().1.set_buffer_limit(Some(TLS_SEND_BYTES));
                Box::pin(self.http.serve(stream, &Arc::new(slot))).await;
            }
            Ok(Err(error)) if is_of_certificate(&error) => self.http.metrics.shed("client-certificate"),
            _ => self.http.metrics.shed("handshake"),
        }
    }
}

/// Whether the peer had no certificate, or not one that counts.
fn is_of_certificate(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)))
}
