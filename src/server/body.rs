//! Reading request bodies under a budget for the whole process.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// Largest review. A stored pod of 1.4 MiB makes an UPDATE review of 17 MiB.
pub(super) const MAX_BODY: usize = 24 << 20;
/// A body up to this size never waits for a larger one.
const SMALL: usize = 1 << 20;
/// For a body to arrive, once there is room for it.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Unit of the budget.
const UNIT: usize = 1024;

/// The bytes of bodies that may be held at once, in two lanes: a quarter of it for small ones, the rest for large ones.
#[derive(Debug)]
pub(super) struct Budget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A complete body, which counts against the budget until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than any review.
    TooLarge,
    /// There was no room for it in time.
    Overloaded,
    /// It did not arrive in time.
    Slow,
    /// The connection broke, or its framing is wrong.
    Broken,
}

impl Budget {
    /// A budget of this many bytes; each lane has at least room for one body of its own largest size.
    pub(super) fn new(bytes: usize) -> Self {
        let small = bytes.div_euclid(4).max(SMALL);
        let large = bytes.saturating_sub(small).max(MAX_BODY);
        let lane = |bytes: usize| Arc::new(Semaphore::new(bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS)));
        Self { small: lane(small), large: lane(large) }
    }

    /// Reads a body. Room for all of it is taken before the first byte; one of unknown length takes that of the largest.
    pub(super) async fn read(&self, body: Body, deadline: Instant) -> Result<Counted, BodyError> {
        let declared = body.size_hint().exact().map_or(Ok(MAX_BODY), usize::try_from);
        let expected = declared.ok().filter(|bytes| *bytes <= MAX_BODY).ok_or(BodyError::TooLarge)?;
        let lane = if expected <= SMALL { &self.small } else { &self.large };
        let units = u32::try_from(expected.div_ceil(UNIT)).map_err(|_| BodyError::TooLarge)?;
        let room = timeout_at(deadline, Arc::clone(lane).acquire_many_owned(units)).await;
        let room = room.ok().and_then(Result::ok).ok_or(BodyError::Overloaded)?;
        let bytes = timeout(BODY_TIMEOUT, collect(body, expected)).await.map_err(|_| BodyError::Slow)??;
        Ok(Counted { bytes, _room: room })
    }
}

async fn collect(mut body: Body, expected: usize) -> Result<Vec<u8>, BodyError> {
    // The room is taken, and memory that is never written to costs nothing.
    let mut bytes = Vec::with_capacity(if expected < MAX_BODY { expected } else { 0 });
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        if let Some(data) = frame.data_ref() {
            if bytes.len().saturating_add(data.len()) > expected {
                return Err(BodyError::TooLarge);
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}
