//! The log: one line a decision, never an object, never a credential.
//!
//! Lines go to standard error, as JSON objects for machines or plain for people.

use std::io;

use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, fmt};

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
    /// Something has set up a log before.
    #[error("the log is already set up")]
    Twice(#[from] TryInitError),
}

/// Sets up the log of the process. `filter` is a level or a list of `target=level`.
pub fn init(filter: &str, format: Format) -> Result<(), LogError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = match format {
        Format::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(io::stderr)
            .boxed(),
        Format::Plain => fmt::layer().with_writer(io::stderr).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(())
}
