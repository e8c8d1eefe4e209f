//! The answer to a review for which there is no room.

use crate::domain::Unavailable;

use super::handler::{Hook, without_verdict};
use super::message;
use super::response::Answer;

/// How every review of an API server starts; what follows is the uid.
const START: &str = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":""#;
/// Longest uid; a UUID has 36 characters.
const MAX_UID: usize = 64;

/// The answer to a review of which only the start was read. Whose uid is not there gets the plain 503 of HTTP.
pub fn overloaded(hook: Hook, start: &[u8]) -> Answer {
    let denial = message::unavailable(&Unavailable::Overloaded("too many large reviews at once"));
    let text = denial.message.clone();
    match uid(start).and_then(|uid| without_verdict(hook, denial).write(uid)) {
        Some(body) => Answer::review(body),
        None => Answer::unavailable(text),
    }
}

fn uid(start: &[u8]) -> Option<&str> {
    let rest = start.strip_prefix(START.as_bytes())?;
    let end = rest.iter().take(MAX_UID.saturating_add(1)).position(|byte| *byte == b'"')?;
    let uid = rest.get(..end)?;
    let plain = !uid.is_empty() && uid.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    str::from_utf8(uid).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests;
