//! The thread that writes the log, and the queue of lines before it. Standard error is a pipe that somebody else reads, or not; only
//! this thread waits for it.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::Level;

use crate::telemetry::Metrics;

use super::Format;
use super::line::Line;

/// Bytes of lines that are not written yet.
pub const QUEUE_BYTES: usize = 1 << 20;
/// What a line takes besides its text.
const LINE_OVERHEAD: usize = 64;

/// Lines that wait to be written. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// A line came, or one was written.
    changed: Condvar,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    /// What `lines` take, and the one that is being written.
    bytes: usize,
    /// Lines that were dropped, and of which no line tells yet.
    dropped: u64,
    /// The thread is writing.
    writing: bool,
    /// The last line could not be written.
    failed: bool,
}

/// What is written next.
enum Next {
    Line(String),
    /// So many lines were dropped.
    Dropped(u64),
}

impl Queue {
    /// Starts the thread, which lives as long as the process.
    pub(super) fn start(output: impl Write + Send + 'static, format: Format, metrics: Metrics) -> io::Result<Self> {
        let queue = Self(Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), metrics }));
        let reader = queue.clone();
        thread::Builder::new().name("log".into()).spawn(move || reader.write_all(output, format))?;
        Ok(queue)
    }

    /// Adds a line, or counts it as dropped. Never waits for the output.
    pub(super) fn push(&self, mut line: String) {
        line.shrink_to_fit();
        let mut state = self.lock();
        let bytes = state.bytes.saturating_add(cost(&line));
        if bytes > QUEUE_BYTES {
            self.count_dropped(&mut state);
            return;
        }
        state.bytes = bytes;
        state.lines.push_back(line);
        drop(state);
        self.0.changed.notify_all();
    }

    /// Waits until every line is written, but not longer than this.
    pub(super) fn flush(&self, limit: Duration) {
        let busy = |state: &mut State| state.writing || state.has_next();
        // Whether they all were does not matter any more.
        drop(self.0.changed.wait_timeout_while(self.lock(), limit, busy));
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut output: impl Write, format: Format) {
        loop {
            let next = self.next();
            let written = match &next {
                Next::Line(line) => output.write_all(line.as_bytes()),
                Next::Dropped(lines) => output.write_all(notice(*lines).render(format).as_bytes()),
            };
            let failed = written.and_then(|()| output.flush()).is_err();
            let mut state = self.lock();
            (state.writing, state.failed) = (false, failed);
            if let Next::Line(line) = &next {
                state.bytes = state.bytes.saturating_sub(cost(line));
            }
            match next {
                Next::Line(_) if failed => self.count_dropped(&mut state),
                Next::Dropped(lines) if failed => state.dropped = state.dropped.saturating_add(lines),
                _ => {}
            }
            drop(state);
            self.0.changed.notify_all();
        }
    }

    /// Waits for what is to be written.
    fn next(&self) -> Next {
        let idle = |state: &mut State| !state.has_next();
        let waited = self.0.changed.wait_while(self.lock(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.writing = true;
        if state.tells_dropped() {
            return Next::Dropped(mem::take(&mut state.dropped));
        }
        Next::Line(state.lines.pop_front().unwrap_or_default())
    }

    fn count_dropped(&self, state: &mut State) {
        state.dropped = state.dropped.saturating_add(1);
        self.0.metrics.log_line_dropped();
    }
}

impl State {
    fn has_next(&self) -> bool {
        !self.lines.is_empty() || self.tells_dropped()
    }

    /// Whether lines flow again: half of the queue is free, and the last one could be written.
    fn tells_dropped(&self) -> bool {
        self.dropped > 0 && !self.failed && self.bytes <= QUEUE_BYTES / 2
    }
}

fn cost(line: &str) -> usize {
    line.len().saturating_add(LINE_OVERHEAD)
}

fn notice(lines: u64) -> Line {
    Line::own(Level::WARN, format!("{lines} log lines were dropped: they came faster than standard error was read"))
}
