//! The server itself: HTTP/1.1 by hand, because it must be able to break every rule of it.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;

use super::store::Store;
use super::{Answer, Auth, Body};

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The method.
    pub method: String,
    /// The path with the query.
    pub target: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The number of the connection.
    pub connection: usize,
}

impl Recorded {
    /// `METHOD /path?query`
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The first byte of a client that wants TLS.
const TLS_HANDSHAKE: u8 = 0x16;

type Decide = dyn Fn(&Recorded, usize, Answer) -> Answer + Send + Sync;

struct Rule {
    pattern: String,
    decide: Arc<Decide>,
    asked: usize,
}

/// What all connections share with the test.
pub(super) struct Shared {
    pub(super) tls: bool,
    auth: Auth,
    store: Mutex<Store>,
    rules: Mutex<Vec<Rule>>,
    requests: watch::Sender<Vec<Recorded>>,
    /// All bytes that came in, per connection.
    received: Mutex<Vec<Vec<u8>>>,
    tokens: Mutex<HashSet<String>>,
    lockstep: Mutex<Vec<Generation>>,
    unforeseen: Mutex<Vec<String>>,
    bytes_sent: Mutex<u64>,
    aborted: watch::Sender<usize>,
}

struct Generation {
    patterns: Vec<String>,
    waiting_for: watch::Sender<HashSet<usize>>,
}

/// Ends the server's thread when it is dropped, and waits for that.
pub struct Background {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Whether it panicked does not matter any more.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

pub(super) fn start(
    shared: Arc<Shared>,
    tls: Option<Arc<ServerConfig>>,
    address: SocketAddr,
) -> (SocketAddr, Background) {
    let listener = std::net::TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let background = in_background(move || async move {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(shared.clone(), stream, tls.clone().map(TlsAcceptor::from), address));
        }
    });
    (address, background)
}

/// Runs a server on a thread and a runtime of its own.
pub fn in_background<F: Future<Output = ()>>(server: impl FnOnce() -> F + Send + 'static) -> Background {
    let (stop, stopped) = oneshot::channel();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                () = server() => {}
                _ = stopped => {}
            }
        });
    });
    Background { stop: Some(stop), thread: Some(thread) }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, tls: Option<TlsAcceptor>, address: SocketAddr) {
    let number = shared.open_connection();
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve(&shared, stream, number, address).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(&shared, stream, number, address).await;
            }
        }
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(shared: &Shared, stream: S, number: usize, address: SocketAddr) {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut buffer = Vec::new();
    while let Some(request) = next_request(shared, &mut read, &mut buffer, number).await {
        shared.requests.send_modify(|requests| requests.push(request.clone()));
        let answer = match shared.generation(&request).await {
            Ok(()) => shared.decide(&request, address),
            Err(()) => Answer::status(500),
        };
        if let Some(gate) = &answer.hold {
            gate.pass().await;
        }
        match send(shared, &mut write, &answer).await {
            Ok(true) => {}
            Ok(false) => {
                let _ = write.shutdown().await;
                return;
            }
            Err(_) => {
                shared.aborted.send_modify(|times| *times += 1);
                return;
            }
        }
    }
    if buffer.first() == Some(&TLS_HANDSHAKE) {
        // As servers do that are asked for TLS where they speak plain http.
        let _ = write.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
    }
}

async fn next_request<R: AsyncRead + Unpin>(
    shared: &Shared,
    read: &mut R,
    buffer: &mut Vec<u8>,
    connection: usize,
) -> Option<Recorded> {
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = buffer.split_off(end + 4);
            break String::from_utf8(std::mem::replace(buffer, rest)).ok()?;
        }
        fill(shared, read, buffer, connection).await?;
        if buffer.first() == Some(&TLS_HANDSHAKE) {
            return None;
        }
    };
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
    while buffer.len() < length {
        fill(shared, read, buffer, connection).await?;
    }
    let rest = buffer.split_off(length);
    let body = String::from_utf8(std::mem::replace(buffer, rest)).ok()?;
    Some(Recorded { method, target, headers, body, connection })
}

async fn fill<R: AsyncRead + Unpin>(
    shared: &Shared,
    read: &mut R,
    buffer: &mut Vec<u8>,
    connection: usize,
) -> Option<()> {
    let mut chunk = [0; 4096];
    let length = read.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
    shared.received.lock().unwrap()[connection].extend_from_slice(&chunk[..length]);
    buffer.extend_from_slice(&chunk[..length]);
    Some(())
}

/// Writes an answer. False when the connection is to be closed after it.
async fn send<W: AsyncWrite + Unpin>(shared: &Shared, write: &mut W, answer: &Answer) -> io::Result<bool> {
    if let Some(raw) = &answer.raw {
        write.write_all(raw).await?;
        return Ok(false);
    }
    let mut head = format!("HTTP/1.1 {} Answer\r\n", answer.status);
    for (name, value) in &answer.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    let bytes = answer.bytes();
    match (&answer.body, answer.length) {
        (_, Some(length)) => write!(head, "Content-Length: {length}\r\n").unwrap(),
        (Body::Endless(_) | Body::Chunked(_), None) => head.push_str("Transfer-Encoding: chunked\r\n"),
        _ if answer.status == 204 => {}
        _ => write!(head, "Content-Length: {}\r\n", bytes.len()).unwrap(),
    }
    head.push_str("\r\n");
    write.write_all(head.as_bytes()).await?;
    let mut keep = answer.length.is_none();
    match &answer.body {
        Body::Bytes(_) => piece(shared, write, bytes).await?,
        Body::Chunked(_) => {
            chunk(shared, write, bytes).await?;
            write.write_all(b"0\r\n\r\n").await?;
        }
        Body::Endless(_) => loop {
            if answer.length.is_some() {
                piece(shared, write, bytes).await?;
            } else {
                chunk(shared, write, bytes).await?;
            }
        },
        Body::Cut(_, length) => {
            piece(shared, write, &bytes[..*length]).await?;
            keep = false;
        }
        Body::Stall(_, length, gate) => {
            piece(shared, write, &bytes[..*length]).await?;
            write.flush().await?;
            gate.pass().await;
            piece(shared, write, &bytes[*length..]).await?;
        }
    }
    write.flush().await?;
    Ok(keep)
}

async fn chunk<W: AsyncWrite + Unpin>(shared: &Shared, write: &mut W, bytes: &[u8]) -> io::Result<()> {
    write.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
    piece(shared, write, bytes).await?;
    write.write_all(b"\r\n").await
}

async fn piece<W: AsyncWrite + Unpin>(shared: &Shared, write: &mut W, bytes: &[u8]) -> io::Result<()> {
    for part in bytes.chunks(16 << 10) {
        write.write_all(part).await?;
        *shared.bytes_sent.lock().unwrap() += part.len() as u64;
    }
    Ok(())
}

impl Shared {
    pub(super) fn new(auth: Auth, tls: bool, store: Store) -> Self {
        Self {
            tls,
            auth,
            store: Mutex::new(store),
            rules: Mutex::default(),
            requests: watch::Sender::default(),
            received: Mutex::default(),
            tokens: Mutex::default(),
            lockstep: Mutex::default(),
            unforeseen: Mutex::default(),
            bytes_sent: Mutex::default(),
            aborted: watch::Sender::new(0),
        }
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    pub(super) fn rule(
        &self,
        pattern: &str,
        decide: impl Fn(&Recorded, usize, Answer) -> Answer + Send + Sync + 'static,
    ) {
        self.rules.lock().unwrap().push(Rule { pattern: pattern.to_owned(), decide: Arc::new(decide), asked: 0 });
    }

    pub(super) fn clear_rules(&self) {
        self.rules.lock().unwrap().clear();
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        self.requests.borrow().clone()
    }

    pub(super) async fn requested(&self, pattern: &str) {
        let seen = |requests: &Vec<Recorded>| requests.iter().any(|request| request.line().contains(pattern));
        self.requests.subscribe().wait_for(seen).await.unwrap();
    }

    pub(super) fn clear_requests(&self) {
        self.requests.send_modify(Vec::clear);
    }

    pub(super) fn saw(&self, secret: &str) -> bool {
        let received = self.received.lock().unwrap();
        let has = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).any(|window| window == needle);
        received.iter().any(|bytes| {
            has(bytes, secret.as_bytes())
                || String::from_utf8_lossy(bytes).split([' ', '\r', '\n', '=', '&']).any(|word| {
                    let padded = format!("{word}{}", "=".repeat((4 - word.len() % 4) % 4));
                    STANDARD.decode(padded).is_ok_and(|decoded| has(&decoded, secret.as_bytes()))
                })
        })
    }

    pub(super) fn connections(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    pub(super) fn bytes_sent(&self) -> u64 {
        *self.bytes_sent.lock().unwrap()
    }

    pub(super) async fn aborted(&self, times: usize) {
        self.aborted.subscribe().wait_for(|seen| *seen >= times).await.unwrap();
    }

    pub(super) fn lockstep(&self, generations: &[&[&str]]) {
        let generation = |patterns: &&[&str]| Generation {
            patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
            waiting_for: watch::Sender::new((0..patterns.len()).collect()),
        };
        *self.lockstep.lock().unwrap() = generations.iter().map(generation).collect();
    }

    pub(super) fn unforeseen(&self) -> Vec<String> {
        self.unforeseen.lock().unwrap().clone()
    }

    fn open_connection(&self) -> usize {
        let mut received = self.received.lock().unwrap();
        received.push(Vec::new());
        received.len() - 1
    }

    /// Waits for the rest of the request's generation.
    async fn generation(&self, request: &Recorded) -> Result<(), ()> {
        let line = request.line();
        let mut complete = {
            let generations = self.lockstep.lock().unwrap();
            if generations.is_empty() {
                return Ok(());
            }
            let own = generations.iter().find_map(|generation| {
                let fits = |(_, pattern): &(usize, &String)| line.ends_with(pattern.as_str());
                let (index, _) = generation.patterns.iter().enumerate().find(fits)?;
                Some((generation, index))
            });
            let Some((generation, index)) = own else {
                self.unforeseen.lock().unwrap().push(line);
                return Err(());
            };
            generation.waiting_for.send_modify(|missing| {
                missing.remove(&index);
            });
            generation.waiting_for.subscribe()
        };
        let _ = complete.wait_for(HashSet::is_empty).await;
        Ok(())
    }

    fn decide(&self, request: &Recorded, address: SocketAddr) -> Answer {
        let stored = self.honest(request, address);
        let line = request.line();
        let (decide, nth) = {
            let mut rules = self.rules.lock().unwrap();
            let Some(rule) = rules.iter_mut().rev().find(|rule| line.contains(&rule.pattern)) else { return stored };
            rule.asked += 1;
            (rule.decide.clone(), rule.asked - 1)
        };
        decide(request, nth, stored)
    }

    fn honest(&self, request: &Recorded, address: SocketAddr) -> Answer {
        let shown = request.header("authorization").unwrap_or_default();
        match &self.auth {
            Auth::Open => {}
            Auth::Basic { users } => {
                if !users.iter().any(|user| shown == format!("Basic {}", STANDARD.encode(user))) {
                    return Answer::status(401).header("WWW-Authenticate", "Basic realm=\"test\"");
                }
            }
            Auth::Bearer { users, public, realm } => {
                if request.target.starts_with("/token") {
                    return self.issue(request, users);
                }
                let token = shown.strip_prefix("Bearer ").unwrap_or_default();
                let repository = request.target.split(['/', '?']).skip(2).collect::<Vec<_>>().join("/");
                let opens = self.tokens.lock().unwrap().contains(token)
                    && (token.starts_with("user-") || public.iter().any(|name| repository.starts_with(name)));
                if !opens {
                    let scheme = if self.tls { "https" } else { "http" };
                    let own = format!("{scheme}://{address}/token");
                    return Answer::challenge(realm.as_ref().unwrap_or(&own));
                }
            }
        }
        self.store().answer(&request.method, &request.target)
    }

    /// The token server. A wrong login is refused; no login gets an anonymous token.
    fn issue(&self, request: &Recorded, users: &[String]) -> Answer {
        let shown = request.header("authorization");
        let known = |user: &String| {
            shown.is_some_and(|shown| shown == format!("Basic {}", STANDARD.encode(user)))
                || request.body.split('&').any(|field| field.strip_prefix("refresh_token=") == Some(user))
        };
        let kind = match (shown, request.method.as_str()) {
            _ if users.iter().any(known) => "user",
            (None, "GET") => "anonymous",
            _ => return Answer::status(401),
        };
        let mut tokens = self.tokens.lock().unwrap();
        let token = format!("{kind}-{}", tokens.len());
        tokens.insert(token.clone());
        Answer::ok("application/json", format!(r#"{{"token":"{token}","expires_in":300}}"#))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
