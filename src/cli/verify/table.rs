//! The report as a person reads it.

use std::fmt::Write as _;

use crate::domain::text::Foreign;

use super::report::{ImageReport, PolicyReport, Reason, Report, Verdict};

/// Renders all images, a blank line between them.
pub(super) fn render(report: &Report) -> String {
    report.images.iter().map(image).collect::<Vec<_>>().join("\n")
}

fn image(image: &ImageReport) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{}  {}", word(image.verdict), Foreign(&image.image));
    if let Some(digest) = &image.digest {
        let _ = writeln!(text, "  digest   {digest}");
    }
    if let Some(reason) = &image.reason {
        let _ = writeln!(text, "  reason   {}", say(reason));
    }
    for policy in &image.policies {
        text.push_str(&of_policy(policy));
    }
    if !image.found.is_empty() || !image.unread.is_empty() {
        text.push_str("  looked at\n");
    }
    for found in &image.found {
        let short: String = found.manifest.chars().take(19).collect();
        let _ = writeln!(text, "    {} of {}: {} in {short}…", found.place, found.repository, found.form);
        for answer in &found.answers {
            let counts = answer.reason.as_ref().map_or_else(|| "counts".to_owned(), say);
            let _ = writeln!(text, "      for {}/{}: {counts}", answer.policy, answer.authority);
        }
    }
    for unread in &image.unread {
        let place = unread.place.as_deref().unwrap_or("image");
        let _ = writeln!(text, "    {place} of {}: {}", unread.repository, say(&unread.reason));
    }
    text
}

fn of_policy(policy: &PolicyReport) -> String {
    let mut text = format!("  policy   {} ({}): {}\n", policy.name, policy.mode, phrase(policy.verdict));
    if policy.authorities.is_empty()
        && let Some(reason) = &policy.reason
    {
        let _ = writeln!(text, "    {}", say(reason));
    }
    for authority in &policy.authorities {
        let key = authority.key.as_ref().map(|key| format!(" ({key})")).unwrap_or_default();
        let _ = writeln!(text, "    authority {}{key}: {}", authority.name, phrase(authority.verdict));
        if let Some(reason) = &authority.reason {
            let _ = writeln!(text, "      {}", say(reason));
        }
    }
    text
}

fn say(reason: &Reason) -> String {
    format!("{}: {}", reason.code, reason.message)
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "ACCEPTED",
        Verdict::Rejected => "REJECTED",
        Verdict::Unavailable => "UNDECIDED",
    }
}

fn phrase(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Rejected => "rejected",
        Verdict::Unavailable => "could not find out",
    }
}
