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
