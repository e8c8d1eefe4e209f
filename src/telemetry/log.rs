//! The log: one line a decision, never an object, never a credential.
//!
//! Lines go to standard error, as JSON objects for machines or plain for people. Nothing waits for the log: a line is formatted
//! within a bound ([`line`]) and put into a queue with a bound ([`writer`]), from which one thread writes. What finds the queue full
//! is dropped and counted. A panic is a line too.

mod line;
mod writer;

use std::panic::{PanicHookInfo, set_hook};
use std::time::Duration;
use std::{io, thread};

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use super::Metrics;

use line::Line;
use writer::Queue;

pub use line::{MAX_FIELD, MAX_LINE};
pub use writer::QUEUE_BYTES;

/// How long the end of the process waits for the last lines.
pub const FLUSH: Duration = Duration::from_secs(2);

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Plain,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter can't be read.
    #[error("not a log filter such as info or sealgate=debug,kube=warn: {0}")]
    Filter(#[from] ParseError),
    /// The thread that writes does not start.
    #[error("the thread that writes the log does not start: {0}")]
    Thread(#[from] io::Error),
    /// Something has set up a log before.
    #[error("the log is already set up")]
    Twice(#[from] TryInitError),
}

/// The log of the process. When this is dropped, the last lines are written, or [`FLUSH`] has passed.
#[derive(Debug)]
#[must_use]
pub struct Log(Queue);

/// Sets up the log of the process. `filter` is a level or a list of `target=level`. Dropped lines are counted in `metrics`.
pub fn init(filter: &str, format: Format, metrics: Metrics) -> Result<Log, LogError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let queue = Queue::start(io::stderr(), format, metrics)?;
    tracing_subscriber::registry().with(filter).with(Lines { format, queue: queue.clone() }).try_init()?;
    set_hook(Box::new(log_panic));
    Ok(Log(queue))
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(FLUSH);
    }
}

/// Makes a line of each event.
struct Lines {
    format: Format,
    queue: Queue,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.queue.push(Line::of(event).render(self.format));
    }
}

/// Says where and why a thread panicked. The hook of the standard library would wait until standard error has been read.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current();
    tracing::error!(
        location,
        thread = thread.name().unwrap_or_default(),
        "panic: {}",
        panic.payload_as_str().unwrap_or("no message")
    );
}

#[cfg(test)]
mod tests;
