//! One line of the log. The bounds hold for every field of every line, whoever writes it: much of what is logged was sent by
//! strangers.

use std::fmt::{self, Write};

use jiff::Timestamp;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::Format;

/// Longest field, in bytes as they are written; what is longer ends with `…`.
pub const MAX_FIELD: usize = 4 << 10;
/// Longest line in bytes.
pub const MAX_LINE: usize = 16 << 10;
/// Of it, what is kept for the names of fields, time, level and target.
const FRAME: usize = 4 << 10;
/// The mark of what was cut.
const CUT: &str = "…";

/// What a line says.
pub(super) struct Line {
    time: Timestamp,
    level: Level,
    target: String,
    message: String,
    fields: Vec<(&'static str, Value)>,
    /// Bytes that its fields may still take.
    left: usize,
}

impl Line {
    /// What an event says.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut line = Self::new(*metadata.level(), metadata.target());
        event.record(&mut line);
        line
    }

    /// A line of the log about itself.
    pub(super) fn own(level: Level, message: String) -> Self {
        Self { message, ..Self::new(level, module_path!()) }
    }

    fn new(level: Level, target: &str) -> Self {
        let left = MAX_LINE.saturating_sub(FRAME);
        let (message, fields) = (String::new(), Vec::new());
        Self { time: Timestamp::now(), level, target: target.to_owned(), message, fields, left }
    }

    /// The line as it is written, with its end.
    pub(super) fn render(&self, format: Format) -> String {
        match format {
            Format::Json => self.json(),
            Format::Plain => self.plain(),
        }
    }

    fn json(&self) -> String {
        let mut line = format!("{{\"timestamp\":\"{:.6}\",\"level\":\"{}\"", self.time, self.level);
        let text = |text: &str| Value::from(text);
        let message = (!self.message.is_empty()).then(|| ("message", text(&self.message)));
        let fields = message.into_iter().chain(self.fields.iter().cloned()).chain([("target", text(&self.target))]);
        for (name, value) in fields {
            // Writing into a String cannot fail, here and below.
            let _ = write!(line, ",\"{name}\":{value}");
        }
        line.push_str("}\n");
        line
    }

    fn plain(&self) -> String {
        let mut line = format!("{:.6} {:>5} {}: {}", self.time, self.level, self.target, self.message);
        for (name, value) in &self.fields {
            let _ = write!(line, " {name}={value}");
        }
        // What a terminal would obey.
        let mut clean = String::with_capacity(line.len());
        for c in line.chars() {
            if c.is_control() { clean.extend(c.escape_unicode()) } else { clean.push(c) }
        }
        clean.push('\n');
        clean
    }

    fn put(&mut self, field: &Field, value: Value) {
        // Of an event that comes from the crate `log`, these are what the metadata of others are.
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("log.target", Value::String(text)) => self.target = text,
            (name, _) if name.starts_with("log.") => {}
            (name, value) => self.fields.push((name, value)),
        }
    }

    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let mut text = Bounded { text: String::new(), left: self.left.min(MAX_FIELD) };
        let before = text.left;
        if text.write_fmt(value).is_err() {
            text.text.push_str(CUT);
        }
        self.left = self.left.saturating_sub(before.saturating_sub(text.left));
        self.put(field, Value::String(text.text));
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

/// Takes what fits, and then refuses: whoever formats a value stops there.
struct Bounded {
    text: String,
    left: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        self.left = self.left.checked_sub(written(c)).ok_or(fmt::Error)?;
        self.text.push(c);
        Ok(())
    }
}

/// The bytes that a character takes at most in a line.
fn written(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c if c.is_control() => 6,
        c => c.len_utf8(),
    }
}
