//! Foreign text made safe for a message: escaped, and cut to a length that a person still reads. And the one wildcard.

use std::fmt::{self, Write as _};

/// Longest part of any foreign string that a message repeats, in characters.
pub const FOREIGN_CHARS: usize = 256;

/// Displays a string from outside with control, bidirectional and other invisible characters escaped, cut to
/// [`FOREIGN_CHARS`] characters.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a>(pub &'a str);

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (written, c) in self.0.chars().enumerate() {
            if written == FOREIGN_CHARS {
                return f.write_char('…');
            }
            if c == ' ' || c.is_ascii_graphic() || (c.is_alphanumeric() && !c.is_ascii()) {
                f.write_char(c)?;
            } else {
                write!(f, "{}", c.escape_default())?;
            }
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
