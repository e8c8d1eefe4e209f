//! The report as a person reads it.

use std::fmt::Write as _;

use crate::domain::text::Foreign;

use super::advice::advice;
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
    for advice in todo(image) {
        let _ = writeln!(text, "  to do    {advice}");
    }
    if !image.found.is_empty() || !image.unread.is_empty() {
        text.push_str("  looked at\n");
    }
    for found in &image.found {
        let short: String = found.manifest.chars().take(19).collect();
        let _ = writeln!(text, "    {} of {}: {} in {short}…", found.place, found.repository, found.form);
        for answer in &found.answers {
            let counts = answer.reason.as_ref().map_or_else(|| "counts".to_owned(), say);
            let about = answer.attestation.as_ref().map(|name| format!(", attestation {name}")).unwrap_or_default();
            let _ = writeln!(text, "      for {}/{}{about}: {counts}", answer.policy, answer.authority);
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
        && policy.attestations.is_empty()
        && let Some(reason) = &policy.reason
    {
        let _ = writeln!(text, "    {}", say(reason));
    }
    for authority in &policy.authorities {
        let seeks = authority.seeks.as_ref().map(|seeks| format!(" ({seeks})")).unwrap_or_default();
        let _ = writeln!(text, "    authority {}{seeks}: {}", authority.name, phrase(authority.verdict));
        if let Some(reason) = &authority.reason {
            let _ = writeln!(text, "      {}", say(reason));
        }
        if let Some(signature) = &authority.signature {
            let _ = writeln!(text, "      signed by {}", signature.by());
            let _ = writeln!(text, "      proven: {}", signature.proven());
        }
    }
    for attestation in &policy.attestations {
        let (name, predicate_type) = (&attestation.name, &attestation.predicate_type);
        let _ = writeln!(text, "    attestation {name} ({predicate_type}): {}", phrase(attestation.verdict));
        if let Some(reason) = &attestation.reason {
            let _ = writeln!(text, "      {}", say(reason));
        }
        if let (Some(authority), Some(signature)) = (&attestation.authority, &attestation.signature) {
            let _ = writeln!(text, "      stated by {} (authority {authority})", signature.by());
            let _ = writeln!(text, "      proven: {}", signature.proven());
        }
    }
    text
}

/// What to do about the image, each thing once: by what outweighs the rest, or by the policies that say why.
fn todo(image: &ImageReport) -> Vec<&'static str> {
    let of_policies = image.policies.iter().filter(|policy| policy.verdict == image.verdict);
    let codes = image.reason.iter().chain(of_policies.filter_map(|policy| policy.reason.as_ref()));
    let mut found = Vec::new();
    for advice in codes.filter_map(|reason| advice(reason.code)) {
        if !found.contains(&advice) {
            found.push(advice);
        }
    }
    found
}

fn say(reason: &Reason) -> String {
    format!("{}: {}", reason.code, reason.message)
}

/// The verdict, to be seen from afar.
pub(super) fn word(verdict: Verdict) -> &'static str {
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
