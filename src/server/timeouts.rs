//! How long a connection waits for the rest of a header, for the next request, and for its peer to read.
//!
//! hyper's own header timeout also runs while a kept-alive connection is idle; there it would cut connections that the API server is
//! about to use.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::limits::{CONNECTION_AGE, CONNECTION_REQUESTS, HEADER_TIME, IDLE_TIME, WRITE_TIME};

/// What a connection is doing, told by its service.
#[derive(Debug)]
pub(super) struct Activity {
    state: AtomicU8,
    requests: AtomicU32,
    opened: Instant,
    /// Of the last change of state, in milliseconds after `opened`.
    changed: AtomicU64,
}

const HEAD: u8 = 0;
const BUSY: u8 = 1;
const WAIT: u8 = 2;

impl Activity {
    pub(super) fn new() -> Self {
        let (state, requests, changed) = (AtomicU8::new(HEAD), AtomicU32::new(0), AtomicU64::new(0));
        Self { state, requests, opened: Instant::now(), changed }
    }

    /// A request's header is there.
    pub(super) fn begin(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.enter(BUSY);
    }

    /// Its answer is there.
    pub(super) fn end(&self) {
        self.enter(WAIT);
    }

    /// Whether the connection should close after this answer.
    pub(super) fn is_over(&self) -> bool {
        self.requests.load(Ordering::Relaxed) >= CONNECTION_REQUESTS || self.opened.elapsed() >= CONNECTION_AGE
    }

    /// Whether there has not been a request yet.
    pub(super) fn is_silent(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// Since when it has been doing what it does.
    pub(super) fn since(&self) -> Instant {
        let changed = Duration::from_millis(self.changed.load(Ordering::Relaxed));
        self.opened.checked_add(changed).unwrap_or(self.opened)
    }

    fn enter(&self, state: u8) {
        self.state.store(state, Ordering::Relaxed);
        let elapsed = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.changed.store(elapsed, Ordering::Relaxed);
    }
}

/// A socket that gives up.
pub(super) struct TimedSocket<T> {
    io: T,
    activity: Arc<Activity>,
    read: Timer,
    write: Timer,
}

/// A timer with what it runs for.
#[derive(Default)]
struct Timer(Option<(u8, Pin<Box<Sleep>>)>);

impl Timer {
    /// Whether `limit` has passed since this began to wait in this state.
    fn is_over(&mut self, state: u8, limit: Duration, cx: &mut Context<'_>) -> bool {
        if self.0.as_ref().is_none_or(|(since, _)| *since != state) {
            let Some(end) = Instant::now().checked_add(limit) else { return false };
            self.0 = Some((state, Box::pin(sleep_until(end))));
        }
        self.0.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready())
    }
}

impl<T> TimedSocket<T> {
    pub(super) fn new(io: T, activity: Arc<Activity>) -> Self {
        Self { io, activity, read: Timer::default(), write: Timer::default() }
    }

    /// Lets the peer take some bytes, but not for ever.
    fn written<R>(&mut self, result: Poll<io::Result<R>>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        if result.is_ready() {
            self.write = Timer::default();
        } else if self.write.is_over(BUSY, WRITE_TIME, cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        result
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for TimedSocket<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let state = self.activity.state.load(Ordering::Relaxed);
        if let Poll::Ready(result) = Pin::new(&mut self.io).poll_read(cx, buf) {
            if state == WAIT && buf.filled().len() > before {
                self.activity.enter(HEAD);
            }
            return Poll::Ready(result);
        }
        let limit = match state {
            HEAD => HEADER_TIME,
            WAIT => IDLE_TIME,
            _ => {
                self.read = Timer::default();
                return Poll::Pending;
            }
        };
        if self.read.is_over(state, limit, cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for TimedSocket<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.written(result, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.written(result, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_shutdown(cx);
        Poll::Ready(ready!(self.written(result, cx)))
    }
}
