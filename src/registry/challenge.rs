//! `WWW-Authenticate`: what a registry wants to see (RFC 9110 section 11, and the token scheme of the distribution project).

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// What a registry wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User name and password, by the registry itself.
    Basic,
    /// A token of the server at `realm`.
    Bearer {
        /// A URL, as it was sent.
        realm: String,
        /// The name by which the token server knows the registry.
        service: Option<String>,
    },
}

impl Challenge {
    /// The challenge to answer, of all that an answer has: a token rather than a password.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let challenges: Vec<Self> =
            headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).flat_map(parse).collect();
        challenges.iter().find(|challenge| **challenge != Self::Basic).or(challenges.first()).cloned()
    }
}

/// All challenges of one header that are known.
fn parse(header: &str) -> Vec<Challenge> {
    let mut known = Vec::new();
    for (scheme, parameters) in schemes(header) {
        let parameter = |name: &str| {
            parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            known.push(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = parameter("realm")
        {
            known.push(Challenge::Bearer { realm, service: parameter("service") });
        }
    }
    known
}

/// Splits `Scheme key=value, key="value", Scheme ...`. A word that no `=` follows begins a challenge.
fn schemes(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header.trim_start_matches(separator);
    while !rest.is_empty() {
        let (word, after) = split_at(rest, |c| c == '=' || separator(c));
        if let Some(after) = after.strip_prefix('=') {
            let (value, after) = value(after);
            if let Some((_, parameters)) = found.last_mut() {
                parameters.push((word.to_owned(), value));
            }
            rest = after;
        } else {
            found.push((word.to_owned(), Vec::new()));
            rest = after;
        }
        rest = rest.trim_start_matches(separator);
    }
    found
}

/// A token, or a quoted string with its backslashes undone.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = split_at(text, separator);
        return (word.to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            _ => value.push(c),
        }
    }
    (value, chars.as_str())
}

fn separator(c: char) -> bool {
    c == ',' || c.is_ascii_whitespace()
}

fn split_at(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests;
