//! The text of an expression before it is parsed, cut into tokens as the parser's grammar cuts it.
//!
//! The parser calls itself for each bracket, and its work doubles with signs in a row, so both are counted here, outside of
//! texts and comments. Where a text ends is therefore a question of safety: what the grammar does not read to its end is
//! refused, never guessed. So is what the grammar allows and the parser is known to read wrongly.

use super::ConditionError;
use super::limits::{MAX_BRACKETS, MAX_EXPRESSION};

/// 1. At most 4 KiB, and not blank.
/// 2. Every text and escaped name ends, with escapes that CEL knows and none that the parser misreads.
/// 3. Brackets are not nested deeply, and no sign follows another: the parser takes `!!x` for `!x`.
pub(super) fn check(source: &str) -> Result<(), ConditionError> {
    // 1.
    if source.len() > MAX_EXPRESSION {
        let found = source.len();
        let problem = format!("an expression of {found} bytes; at most {MAX_EXPRESSION} are read");
        return Err(ConditionError { line: 1, column: 1, problem });
    }
    if source.trim().is_empty() {
        return Err(ConditionError::at(source, 0, "is blank; expected an expression that is true or false"));
    }
    let fault = |at: usize, problem: &str| ConditionError::at(source, at, problem);
    let (mut brackets, mut before) = (0_usize, Token::Operator);
    let mut at = 0_usize;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        // 2.
        let (token, length) = token(rest).map_err(|problem| fault(at, problem))?;
        // 3.
        match token {
            Token::Open if brackets == MAX_BRACKETS => {
                return Err(fault(
                    at,
                    &format!("brackets are nested deeper than {MAX_BRACKETS}; write several conditions"),
                ));
            }
            Token::Open => brackets = brackets.saturating_add(1),
            Token::Close => brackets = brackets.saturating_sub(1),
            Token::Sign if before == Token::Sign => {
                return Err(fault(at, "two signs in a row; write none, or brackets"));
            }
            _ => {}
        }
        before = match token {
            Token::Space => before,
            // Between two operands it is no sign.
            Token::Sign if matches!(before, Token::Operand | Token::Close) && rest.starts_with('-') => Token::Operator,
            token => token,
        };
        at = at.saturating_add(length.max(1));
    }
    Ok(())
}

/// A name, number or text is an operand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Space,
    Open,
    Close,
    Sign,
    Operand,
    Operator,
}

/// The first token, and its length in bytes.
fn token(rest: &str) -> Result<(Token, usize), &'static str> {
    let mut bytes = rest.bytes();
    let (first, second) = (bytes.next().unwrap_or_default(), bytes.next().unwrap_or_default());
    let token = match (first, second) {
        (b'\t' | b' ' | b'\r' | b'\n' | b'\x0c', _) => Token::Space,
        (b'/', b'/') => return Ok((Token::Space, rest.find('\n').unwrap_or(rest.len()))),
        (b'(' | b'[' | b'{', _) => Token::Open,
        (b')' | b']' | b'}', _) => Token::Close,
        (b'!' | b'=' | b'<' | b'>', b'=') | (b'&', b'&') | (b'|', b'|') => return Ok((Token::Operator, 2)),
        (b'!' | b'-', _) => Token::Sign,
        (b'.' | b'+' | b'*' | b'/' | b'%' | b'<' | b'>' | b'?' | b':' | b',', _) => Token::Operator,
        (b'"' | b'\'', _) => return Ok((Token::Operand, text(rest, false)?)),
        (b'`', _) => return Ok((Token::Operand, escaped_name(rest)?)),
        (b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_', _) => return word(rest),
        _ => return Err("an unexpected character"),
    };
    Ok((token, 1))
}

/// A name or a number, or a text with a prefix. Nothing else stands directly before a quote in CEL.
fn word(rest: &str) -> Result<(Token, usize), &'static str> {
    let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (word, behind) = rest.split_at(length);
    let length_of_text = match word {
        _ if !behind.starts_with(['"', '\'']) => 0,
        "r" | "R" => text(behind, true)?,
        "b" | "B" if behind.starts_with("'''") || behind.starts_with("\"\"\"") => {
            return Err("write bytes between single quotes");
        }
        "b" | "B" => text(behind, false)?,
        "br" | "bR" | "Br" | "BR" => return Err("write bytes without r"),
        _ => return Err("a text must not stand directly behind a name or number"),
    };
    Ok((Token::Operand, length.saturating_add(length_of_text)))
}

/// The length of a text with its quotes, one or three. What the parser misreads is refused: a quote behind a backslash where
/// that means nothing, and single quotes of its own kind inside of three.
fn text(rest: &str, is_raw: bool) -> Result<usize, &'static str> {
    const UNENDED: &str = "a text that does not end";
    let quote = rest.chars().next().unwrap_or('\'');
    let triple: String = std::iter::repeat_n(quote, 3).collect();
    let is_triple = rest.starts_with(&triple) && rest.get(3..).is_some_and(|rest| rest.contains(&triple));
    if rest.starts_with(&triple) && !is_triple {
        return Err(UNENDED);
    }
    let opening = if is_triple { 3 } else { 1 };
    let mut inside = rest.get(opening..).unwrap_or_default();
    loop {
        let c = inside.chars().next().ok_or(UNENDED)?;
        let length = match c {
            '\\' if is_raw => match inside.chars().nth(1) {
                Some(next) if next == quote => {
                    return Err("a backslash before the quote of a raw text; write it without r");
                }
                next => next.map_or(1, |next| next.len_utf8().saturating_add(1)),
            },
            '\\' => escape(inside, quote)?,
            '\n' | '\r' if !is_triple => return Err(UNENDED),
            c if c == quote && !is_triple => return Ok(rest.len().saturating_sub(inside.len()).saturating_add(1)),
            c if c == quote && inside.starts_with(&triple) => {
                return Ok(rest.len().saturating_sub(inside.len()).saturating_add(3));
            }
            c if c == quote => return Err("a quote inside of three quotes of its kind; write a backslash before it"),
            c => c.len_utf8(),
        };
        inside = inside.get(length..).ok_or(UNENDED)?;
    }
}

/// The length of an escape sequence.
fn escape(inside: &str, quote: char) -> Result<usize, &'static str> {
    let digits = |from: usize, count: usize, radix: u32| {
        let found = inside.get(from..from.saturating_add(count)).is_some_and(|d| d.chars().all(|c| c.is_digit(radix)));
        if found { Ok(from.saturating_add(count)) } else { Err("an escape sequence that CEL does not know") }
    };
    match inside.chars().nth(1) {
        Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '?' | '`') => Ok(2),
        Some(c @ ('"' | '\'')) if c == quote => Ok(2),
        Some('"' | '\'') => Err("the backslash before this quote would stay in the text; write the quote alone"),
        Some('0'..='3') => digits(1, 3, 8),
        Some('x' | 'X') => digits(2, 2, 16),
        Some('u') => digits(2, 4, 16),
        Some('U') => digits(2, 8, 16),
        _ => digits(0, 1, 10),
    }
}

/// The length of a name between backticks.
fn escaped_name(rest: &str) -> Result<usize, &'static str> {
    let name = rest.get(1..).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' ');
    match name.find(|c| !fits(c)) {
        Some(end) if end > 0 && name.get(end..).is_some_and(|rest| rest.starts_with('`')) => Ok(end.saturating_add(2)),
        _ => Err("a name between backticks that does not end"),
    }
}
