//! Writing for people and programs: data to standard output, complaints to standard error.

use std::io::{self, Write as _};

use serde::Serialize;

/// One line of data.
pub(super) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Text as it is.
pub(super) fn text(text: &str) -> io::Result<()> {
    io::stdout().lock().write_all(text.as_bytes())
}

/// Pretty JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(line(&text)?)
}

/// YAML.
pub(super) fn yaml(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(text(&serde_saphyr::to_string(value)?)?)
}

/// Says what went wrong, with its causes, on one line.
pub(super) fn complain(error: &anyhow::Error) {
    // Nothing is left to do when standard error is closed.
    let _ = writeln!(io::stderr().lock(), "sealgate: {error:#}");
}

/// The reader of a pipe went away, as `head` does: not an error of ours.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
