//! Reading request bodies under a budget for the whole process, at no less than a minimum rate.
//!
//! A body holds room for what has arrived, so a peer that stops half-way costs others. In each [`BODY_WINDOW`] it must bring
//! [`BODY_WINDOW_BYTES`] or its end; and while others wait for room it may not pause for longer than [`CONTENDED_PAUSE`].

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connection_limit::Peer;
use super::lane::{Lane, Room};
use super::limits::{BODY_TIME, BODY_WINDOW, BODY_WINDOW_BYTES, REVIEW_BYTES, SMALL_REVIEW_BYTES};

/// The longest pause of a body that holds room while others wait for it. Longer than TCP takes to send a lost segment again.
const CONTENDED_PAUSE: Duration = Duration::from_millis(500);
/// For the rest of a body that is refused: a peer that can't write does not read the answer.
const REST: Duration = Duration::from_millis(250);
/// What is kept of a body that is refused.
const START: usize = 4 << 10;

/// The bytes of bodies that may be held at once, in two lanes: a sixth of it for small ones, the rest for large ones.
#[derive(Debug)]
pub(super) struct Budget {
    small: Arc<Lane>,
    large: Arc<Lane>,
}

/// A complete body, which counts against the budget until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    bytes: Vec<u8>,
    _room: Room,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why a body was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than any review.
    TooLarge,
    /// There was no room for it in time.
    Overloaded {
        /// Its first bytes.
        start: Vec<u8>,
    },
    /// It did not arrive in time.
    Slow,
    /// The connection broke, or its framing is wrong.
    Broken,
}

impl Budget {
    /// A budget of this many bytes; each lane has at least room for one body of its own largest size.
    pub(super) fn new(bytes: usize) -> Self {
        let small = bytes.div_euclid(6).max(SMALL_REVIEW_BYTES);
        let large = bytes.saturating_sub(small);
        Self { small: Lane::new(small, SMALL_REVIEW_BYTES), large: Lane::new(large, REVIEW_BYTES) }
    }

    /// Reads a body, and takes room for its bytes as they arrive. One of unknown length counts as one of the largest.
    pub(super) async fn read(&self, mut body: Body, peer: Peer, deadline: Instant) -> Result<Counted, BodyError> {
        let declared = body.size_hint().exact().map_or(Ok(REVIEW_BYTES), usize::try_from);
        let expected = declared.ok().filter(|bytes| *bytes <= REVIEW_BYTES).ok_or(BodyError::TooLarge)?;
        let lane = if expected <= SMALL_REVIEW_BYTES { &self.small } else { &self.large };
        let mut room = lane.room(peer, expected);
        let mut pace = Pace::new();
        let mut bytes = Vec::new();
        while let Some(data) = pace.next(&mut body, lane).await? {
            if bytes.len().saturating_add(data.len()) > expected {
                return Err(BodyError::TooLarge);
            }
            if timeout_at(deadline, room.take(data.len())).await.is_err() {
                drop(room);
                bytes.extend_from_slice(&data);
                return Err(refused(body, bytes).await);
            }
            bytes.extend_from_slice(&data);
        }
        room.complete();
        Ok(Counted { bytes, _room: room })
    }
}

/// Reads the rest of a body that is refused, and keeps no more than the beginning. Whether all of it comes or not, the answer is
/// the same.
pub(super) async fn refused(mut body: Body, mut start: Vec<u8>) -> BodyError {
    start.truncate(START);
    start.shrink_to_fit();
    let rest = async {
        while let Some(Ok(frame)) = body.frame().await {
            let room = START.saturating_sub(start.len());
            start.extend(frame.into_data().unwrap_or_default().into_iter().take(room));
        }
    };
    let _ = timeout(REST, rest).await;
    BodyError::Overloaded { start }
}

/// How fast a body arrives. Only the time counts in which its peer is waited for.
struct Pace {
    /// Left for the whole body.
    left: Duration,
    /// Left of this window.
    window: Duration,
    /// Bytes that came in this window.
    bytes: usize,
}

impl Pace {
    fn new() -> Self {
        Self { left: BODY_TIME, window: BODY_WINDOW, bytes: 0 }
    }

    /// The next bytes of a body, which holds room in this lane.
    async fn next(&mut self, body: &mut Body, lane: &Lane) -> Result<Option<Bytes>, BodyError> {
        let began = Instant::now();
        let mut contended = pin!(async {
            lane.contended().await;
            sleep(CONTENDED_PAUSE.saturating_sub(began.elapsed())).await;
        });
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = sleep(self.window.min(self.left)) => return Err(BodyError::Slow),
            () = &mut contended => return Err(BodyError::Slow),
        };
        let data = frame.transpose().map_err(|_| BodyError::Broken)?.map(|frame| frame.into_data().unwrap_or_default());
        self.left = self.left.saturating_sub(began.elapsed());
        self.window = self.window.saturating_sub(began.elapsed());
        self.bytes = self.bytes.saturating_add(data.as_ref().map_or(0, Bytes::len));
        if self.bytes >= BODY_WINDOW_BYTES {
            (self.window, self.bytes) = (BODY_WINDOW, 0);
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests;
