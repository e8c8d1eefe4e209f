//! Foreign text made safe for a message: escaped, and cut to a length that a person still reads. And the one wildcard.

use std::fmt::{self, Write as _};

/// Longest part of any foreign string that a message repeats, in characters as they are shown.
pub const FOREIGN_CHARS: usize = 256;

/// Displays a string from outside in printable ASCII, everything else escaped, in at most [`FOREIGN_CHARS`] characters and an
/// ellipsis. Letters of other scripts are escaped too: some look like ASCII, some are invisible, some turn the line around.
/// What has been escaped once stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a>(pub &'a str);

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = FOREIGN_CHARS;
        for c in self.0.chars() {
            let plain = (c == ' ' || c.is_ascii_graphic()).then_some(c);
            let escape = plain.is_none().then(|| c.escape_default());
            let width = escape.as_ref().map_or(1, ExactSizeIterator::len);
            match room.checked_sub(width) {
                Some(rest) => room = rest,
                None => return f.write_char('…'),
            }
            plain.into_iter().chain(escape.into_iter().flatten()).try_for_each(|c| f.write_char(c))?;
        }
        Ok(())
    }
}

/// The same as an owned string, for errors that outlive their input.
pub fn foreign(text: &str) -> String {
    Foreign(text).to_string()
}

/// What a reader of JSON or YAML says (serde), without the names of our types: `expected struct Spec` is `expected an object`.
pub fn without_types(text: &str) -> String {
    let mut plain = text.to_owned();
    for (words, instead) in TYPES {
        while let Some((before, after)) = plain.split_once(words) {
            let name = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(after.len());
            let (name, rest) = after.split_at(name);
            let end = if name.ends_with(':') { ":" } else { "" };
            plain = format!("{before}{instead}{end}{rest}");
        }
    }
    plain
}

const NUMBER: &str = "expected a whole number in range";

/// How serde tells what it expects, and what a reader calls it. The longer ones first: some end like others.
const TYPES: [(&str, &str); 25] = [
    ("data did not match any variant of untagged enum ", "it has none of the known forms"),
    ("externally tagged enum expected scalar or mapping", "expected a word"),
    ("expected string key for externally tagged enum", "expected a word"),
    ("unexpected value for unit enum variant", "expected a word without a value"),
    ("expected end of mapping after enum variant value", "expected one field alone"),
    ("expected internally tagged enum ", "expected an object"),
    ("expected adjacently tagged enum ", "expected an object"),
    ("expected struct variant ", "expected an object"),
    ("expected tuple variant ", "expected a list"),
    ("expected newtype variant ", "expected a value"),
    ("expected unit variant ", "expected a word"),
    ("expected tuple struct ", "expected a list"),
    ("expected unit struct ", "expected nothing"),
    ("expected struct ", "expected an object"),
    ("expected enum ", "expected a word or an object"),
    ("expected u8", NUMBER),
    ("expected u16", NUMBER),
    ("expected u32", NUMBER),
    ("expected u64", NUMBER),
    ("expected usize", NUMBER),
    ("invalid u8", NUMBER),
    ("invalid u16", NUMBER),
    ("invalid u32", NUMBER),
    ("invalid u64", NUMBER),
    ("invalid usize", NUMBER),
];

/// The names of errors, which some crates show as they are, in words: `TrailingData(GeneralName)` is
/// `trailing data(general name)`.
pub fn spelled_out(text: &str) -> String {
    text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(word).collect()
}

/// One word, or several where it is written as the names of types are.
fn word(name: &str) -> String {
    let mut words = String::new();
    let mut last = ' ';
    for c in name.chars() {
        if c.is_ascii_uppercase() && last.is_ascii_lowercase() {
            words.push(' ');
        }
        words.push(c);
        last = c;
    }
    if words.len() == name.len() { words } else { words.to_ascii_lowercase() }
}

/// Whether a text fits a glob in which `*` stands for any characters, also none. Takes linear time.
pub(super) fn glob_matches(glob: &str, text: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == text };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut text) = text.strip_prefix(head).and_then(|text| text.strip_suffix(tail)) else { return false };
    middle.split('*').all(|part| match text.split_once(part) {
        Some((_, after)) => {
            text = after;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests;
