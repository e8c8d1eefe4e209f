//! Where in a stored text a byte lies: the path in its JSON, and the path in the DER that stands there as base64.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Shorter texts that read as base64 are words.
const SHORTEST: usize = 40;

/// A part of a JSON text.
struct Span {
    range: Range<usize>,
    place: String,
}

/// The ranges of all that is base64: values of JSON, or the text itself.
pub(super) fn leaves(text: &[u8]) -> Vec<Range<usize>> {
    let is_base64 = |range: &Range<usize>| range.len() >= SHORTEST && STANDARD.decode(&text[range.clone()]).is_ok();
    spans(text).into_iter().map(|span| span.range).filter(is_base64).collect()
}

/// Where a changed byte lies.
pub(super) fn place(text: &[u8], at: usize, changed: &[u8]) -> String {
    let Some(Span { range, place }) = spans(text).into_iter().find(|span| span.range.contains(&at)) else {
        return "syntax".to_owned();
    };
    if range.len() < SHORTEST {
        return place;
    }
    let [Ok(old), Ok(new)] = [text, changed].map(|text| STANDARD.decode(&text[range.clone()])) else { return place };
    let inside = old.iter().zip(&new).position(|(old, new)| old != new).map(|at| path(&old, at));
    match inside {
        Some(inside) if !inside.is_empty() => format!("{place} {inside}"),
        _ => place,
    }
}

/// The names and values of a JSON text; another text is one value.
fn spans(text: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    if serde_json::from_slice::<serde_json::Value>(text).is_ok_and(|value| value.is_object()) {
        scan(text, 0, "", &mut spans);
    } else {
        spans.push(Span { range: 0..text.len(), place: String::new() });
    }
    spans
}

/// Goes through the value that begins here, and tells where it ends. There are no blanks.
fn scan(text: &[u8], start: usize, place: &str, spans: &mut Vec<Span>) -> usize {
    let close = match text[start] {
        b'{' => b'}',
        b'[' => b']',
        b'"' => {
            let range = string(text, start);
            let end = range.end + 1;
            spans.push(Span { range, place: place.to_owned() });
            return end;
        }
        _ => {
            let end = start + text[start..].iter().position(|byte| b",]}".contains(byte)).unwrap();
            spans.push(Span { range: start..end, place: place.to_owned() });
            return end;
        }
    };
    let (mut at, mut index) = (start + 1, 0);
    while text[at] != close {
        at += usize::from(text[at] == b',');
        let mut inner = format!("{place}/{index}");
        if close == b'}' {
            let name = string(text, at);
            inner = format!("{place}/{}", String::from_utf8_lossy(&text[name.clone()]));
            at = name.end + 2;
            spans.push(Span { range: name, place: format!("name of {inner}") });
        }
        at = scan(text, at, &inner, spans);
        index += 1;
    }
    at + 1
}

/// What stands inside of the quotes, the first of which is here.
fn string(text: &[u8], start: usize) -> Range<usize> {
    let mut at = start + 1;
    while text[at] != b'"' {
        at += 1 + usize::from(text[at] == b'\\');
    }
    start + 1..at
}

/// The path to a byte in DER: which element, and which one in there. Blank in something else.
fn path(der: &[u8], offset: usize) -> String {
    let (mut path, mut at, mut index) = (Vec::new(), 0, 0);
    if !header(der).is_some_and(|(head, length)| der[0] == 0x30 && head + length == der.len()) {
        return String::new();
    }
    while let Some((head, length)) = header(&der[at..]) {
        let content = at + head;
        if offset >= content + length {
            (at, index) = (content + length, index + 1);
            continue;
        }
        path.push(index.to_string());
        let is_constructed = der[at] & 0x20 != 0;
        if offset < content || !is_constructed {
            break;
        }
        (at, index) = (content, 0);
    }
    path.join(".")
}

/// How long the tag and the length of an element are, and its content.
fn header(der: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*der.get(1)?);
    let (head, length) = match first.checked_sub(0x80) {
        None => (2, first),
        Some(bytes) => {
            let length = der.get(2..2 + bytes)?;
            (2 + bytes, length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
    };
    (head + length <= der.len()).then_some((head, length))
}
