//! A TCP proxy that a test can make slow or break.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Gate;
use super::serve::{Background, in_background};

/// A proxy in front of one address. Connections that are there keep going; settings count for new ones.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    _background: Background,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    refuse: AtomicBool,
    /// How much of the answers gets through before the connection is cut.
    cut_after: Mutex<Option<usize>>,
    /// Answers wait for this.
    hold: Mutex<Option<Gate>>,
}

impl Proxy {
    /// A proxy that passes everything on.
    pub fn to(target: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = state.clone();
        let background = in_background(move || async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                if shared.refuse.load(Ordering::SeqCst) {
                    continue;
                }
                tokio::spawn(pass(client, target, shared.clone()));
            }
        });
        Self { address, state, _background: background }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// New connections are closed at once, or served again.
    pub fn refuse(&self, refuse: bool) {
        self.state.refuse.store(refuse, Ordering::SeqCst);
    }

    /// New connections are cut after so many bytes of answers.
    pub fn cut_after(&self, bytes: Option<usize>) {
        *self.state.cut_after.lock().unwrap() = bytes;
    }

    /// Answers on new connections wait for the gate.
    pub fn hold(&self, gate: Option<&Gate>) {
        *self.state.hold.lock().unwrap() = gate.cloned();
    }
}

async fn pass(client: TcpStream, target: SocketAddr, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut left = state.cut_after.lock().unwrap().unwrap_or(usize::MAX);
    let hold = state.hold.lock().unwrap().clone();
    let requests = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(|_| ()) };
    let answers = async {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let length = from_server.read(&mut buffer).await?;
            if let Some(gate) = &hold {
                gate.pass().await;
            }
            let length = length.min(left);
            left -= length;
            to_client.write_all(&buffer[..length]).await?;
            if length == 0 || left == 0 {
                return std::io::Result::Ok(());
            }
        }
    };
    tokio::select! {
        _ = requests => {}
        _ = answers => {}
    }
}
