//! Lines and the queue before the writer.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::mem::take;
use std::panic::{catch_unwind, take_hook};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tracing_subscriber::Registry;

use super::*;

/// Standard error as its reader has it: each write waits for a permit, which says whether it succeeds.
struct Pipe {
    permits: Receiver<bool>,
    read: Arc<Mutex<String>>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.permits.recv().unwrap_or(true) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let text = String::from_utf8_lossy(bytes);
        self.read.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A queue before a pipe that nobody reads until permits are sent; without the sender it is read at once.
fn queue() -> (Queue, Sender<bool>, Arc<Mutex<String>>, Metrics) {
    let ((permit, permits), read, metrics) = (channel(), Arc::default(), Metrics::new());
    let pipe = Pipe { permits, read: Arc::clone(&read) };
    let queue = Queue::start(pipe, Format::Json, metrics.clone()).unwrap();
    (queue, permit, read, metrics)
}

/// The lines that these events make.
fn lines(format: Format, events: impl FnOnce()) -> String {
    let (queue, permit, read, _) = queue();
    drop(permit);
    let subscriber = Registry::default().with(Lines { format, queue: queue.clone() });
    tracing::subscriber::with_default(subscriber, events);
    queue.flush(Duration::MAX);
    take(&mut read.lock().unwrap())
}

fn dropped(metrics: &Metrics) -> u64 {
    let text = metrics.render();
    let line = text.lines().find_map(|line| line.strip_prefix("sealgate_log_lines_dropped_total "));
    line.unwrap().parse().unwrap()
}

#[test]
fn a_line_is_an_object_with_the_fields_as_they_are() {
    let text = lines(Format::Json, || {
        tracing::info!(name = "a\"b", error = %"c\nd", list = ?[1], yes = true, count = 3, ms = 0.5, "decided {}", 1);
    });
    let line: Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({
        "timestamp": line["timestamp"], "level": "INFO", "target": module_path!(), "message": "decided 1",
        "name": "a\"b", "error": "c\nd", "list": "[1]", "yes": true, "count": 3, "ms": 0.5,
    });
    assert_eq!(line, expected);
    assert!(line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
}

#[test]
fn a_plain_line_is_one_line_that_no_terminal_obeys() {
    let text = lines(Format::Plain, || tracing::warn!(name = "a b", "one\ntwo \u{1b}[2J\u{9b}2J"));
    let (_, text) = text.split_once(' ').unwrap();
    assert_eq!(text, format!(" WARN {}: one\\u{{a}}two \\u{{1b}}[2J\\u{{9b}}2J name=\"a b\"\n", module_path!()));
}

#[test]
fn a_panic_is_a_line() {
    let text = lines(Format::Json, || {
        let hook = take_hook();
        set_hook(Box::new(log_panic));
        let _ = catch_unwind(|| panic!("out of {}", "luck"));
        set_hook(hook);
    });
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&"ERROR".into(), &"panic: out of luck".into()));
    assert!(line["location"].as_str().unwrap().starts_with(file!()), "{line}");
}

/// Formats for ever, unless it is stopped.
struct Endless;

impl fmt::Debug for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        loop {
            f.write_char('x')?;
        }
    }
}

#[test]
fn dos_19_fields_and_lines_are_bounded_whoever_logs_them() {
    for c in ["x", "\"", "\u{1}", "\u{9b}", "é", "😀"] {
        let long = c.repeat(1 << 20);
        for format in [Format::Json, Format::Plain] {
            let text = lines(format, || {
                tracing::info!(
                    a = long,
                    b = %long,
                    c = ?Endless,
                    d = long,
                    e = long,
                    f = long,
                    short = "short",
                    "{long}"
                );
            });
            assert!(text.len() <= MAX_LINE, "{c:?}: {}", text.len());
            assert_eq!(text.matches('\n').count(), 1, "{c:?}");
            assert!(text.contains('…'));
        }
        let text = lines(Format::Json, || tracing::info!(long, short = "short", "decided"));
        let line: Value = serde_json::from_str(&text).unwrap();
        assert!(line["long"].as_str().unwrap().len() <= MAX_FIELD.saturating_add("…".len()));
        assert_eq!((&line["short"], &line["message"]), (&"short".into(), &"decided".into()), "the others are whole");
    }
    let text = lines(Format::Json, || tracing::info!(name = "x".repeat(MAX_FIELD), "decided"));
    assert!(!text.contains('…'), "what fits is not cut");
}

#[test]
fn flt_38_a_pipe_that_nobody_reads_costs_lines_and_no_time() {
    let (queue, permit, read, metrics) = queue();
    let line = format!("{}\n", "x".repeat(MAX_LINE));
    let pushed = 2 * QUEUE_BYTES / MAX_LINE;
    (0..pushed).for_each(|_| queue.push(line.clone()));
    let lost = dropped(&metrics);
    let kept = pushed as u64 - lost;
    assert!(lost > 0 && kept > 0 && (kept - 1) * (MAX_LINE as u64) < QUEUE_BYTES as u64, "{kept} kept, {lost} lost");
    queue.flush(Duration::ZERO);
    assert_eq!(*read.lock().unwrap(), "", "nobody has read, and nobody has waited");

    drop(permit);
    queue.push("last\n".into());
    queue.flush(Duration::MAX);
    let read = read.lock().unwrap();
    let told = format!("{lost} log lines were dropped");
    let told = if read.contains(&told) { told } else { format!("{} log lines were dropped", dropped(&metrics)) };
    assert!(read.contains(&told), "{told}");
    assert_eq!(read.matches("log lines were dropped").count(), 1, "it is said once");
    assert_eq!(read.matches(&line).count() as u64, kept, "what fitted is there");
}

#[test]
fn flt_38_a_reader_gets_every_line() {
    let (queue, permit, read, metrics) = queue();
    drop(permit);
    let numbers: Vec<String> = (0..10_000).map(|n| format!("{n}\n")).collect();
    for number in &numbers {
        queue.push(number.clone());
        queue.flush(Duration::MAX);
    }
    assert_eq!((read.lock().unwrap().as_str(), dropped(&metrics)), (numbers.concat().as_str(), 0));
}

#[test]
fn flt_38_lines_that_can_not_be_written_are_counted_and_told_later() {
    let (queue, permit, read, metrics) = queue();
    queue.push("first\n".into());
    queue.push("second\n".into());
    permit.send(false).unwrap();
    permit.send(false).unwrap();
    queue.flush(Duration::MAX);
    assert_eq!((read.lock().unwrap().as_str(), dropped(&metrics)), ("", 2));
    drop(permit);
    queue.push("third\n".into());
    queue.flush(Duration::MAX);
    let read = read.lock().unwrap();
    assert!(read.starts_with("third\n") && read.contains("2 log lines were dropped"), "{read}");
}
