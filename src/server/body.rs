//! Reading request bodies under a budget for the whole process.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::lane::{Lane, Room};

/// Largest review. A stored pod of 1.4 MiB makes an UPDATE review of 17 MiB.
pub(super) const MAX_BODY: usize = 24 << 20;
/// A body up to this size never waits for a larger one.
const SMALL: usize = 1 << 20;
/// For a small body to arrive, and for more of a large one. Waiting for room does not count.
const PAUSE: Duration = Duration::from_secs(2);
/// For a large body to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// For the rest of a body that is refused: a peer that can't write does not read the answer.
const REST: Duration = Duration::from_millis(250);
/// What is kept of a body that is refused.
const START: usize = 4 << 10;

/// The bytes of bodies that may be held at once, in two lanes: a quarter of it for small ones, the rest for large ones.
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
        let small = bytes.div_euclid(4).max(SMALL);
        Self { small: Lane::new(small, SMALL), large: Lane::new(bytes.saturating_sub(small), MAX_BODY) }
    }

    /// Reads a body, and takes room for its bytes as they arrive. One of unknown length counts as one of the largest.
    pub(super) async fn read(&self, mut body: Body, peer: IpAddr, deadline: Instant) -> Result<Counted, BodyError> {
        let declared = body.size_hint().exact().map_or(Ok(MAX_BODY), usize::try_from);
        let expected = declared.ok().filter(|bytes| *bytes <= MAX_BODY).ok_or(BodyError::TooLarge)?;
        let (lane, mut time) = if expected <= SMALL { (&self.small, PAUSE) } else { (&self.large, ARRIVAL) };
        let mut room = lane.room(peer, expected);
        let mut bytes = Vec::new();
        while let Some(data) = next(&mut body, &mut time).await? {
            if bytes.len().saturating_add(data.len()) > expected {
                return Err(BodyError::TooLarge);
            }
            if timeout_at(deadline, room.take(data.len())).await.is_err() {
                drop(room);
                let start = bytes.into_iter().chain(data).take(START).collect();
                // Whether all of it came or not, the answer is the same.
                let _ = timeout(REST, async { while body.frame().await.is_some_and(|frame| frame.is_ok()) {} }).await;
                return Err(BodyError::Overloaded { start });
            }
            bytes.extend_from_slice(&data);
        }
        room.complete();
        Ok(Counted { bytes, _room: room })
    }
}

/// The next bytes of a body, and off `time` what they took.
async fn next(body: &mut Body, time: &mut Duration) -> Result<Option<Bytes>, BodyError> {
    let began = Instant::now();
    let frame = timeout(PAUSE.min(*time), body.frame()).await.map_err(|_| BodyError::Slow)?;
    *time = time.saturating_sub(began.elapsed());
    let data = frame.transpose().map_err(|_| BodyError::Broken)?.map(|frame| frame.into_data().unwrap_or_default());
    Ok(data)
}
