//! `docs/reference/limits.md`: every limit with what happens beyond it, and the memory that they add up to. The numbers are those of
//! the modules that keep them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cluster::{namespaces, pull_secrets};
use crate::domain::docker_config;
use crate::policy::condition::limits as conditions;
use crate::registry;
use crate::server::limits as server;
use crate::telemetry::log;
use crate::trust::METADATA_TREE;
use crate::verifier::engine;

const HEAD: &str = "# Limits\n\nWritten from the code by `make generate`: these are the numbers that count. Those that are settings \
                    are in [Settings](configuration.md); how registries are asked is in [Registries](registries.md), and what a \
                    condition may be in [Conditions](conditions.md).\n";

const MEMORY: &str = "\n## Memory\n\nWhat each kind of use may hold at once, all at their worst. The sum is below the memory limit of \
                      the chart. Settings that allow more need as much more memory: `limits.maxConnections`, \
                      `limits.bodyBudgetBytes`, `limits.attestationBytes`.\n\n| what | at most |\n|---|---|\n";

const NOT_COUNTED: &str = "\nNot in it: policies by the thousand. Of registries without TLS up to 400 KiB are read \
                           ahead, in place of 48 KiB.\n";

/// What the process has at rest that the kernel can't read again from a file: 4 MiB, and 6 MiB for some hundred policies.
const AT_REST: usize = 10 << 20;
/// What is kept of a namespace, a login or a pull secret, where its number has a limit and not its size.
const REMEMBERED: usize = 512;
/// What is kept of a peer.
const PEER: usize = 64;
/// What the answer of the API server takes at most, as text and as an object: etcd keeps 1.5 MiB.
const SECRET_READ: usize = 3 << 20;
/// What the HTTP client reads ahead of an answer that comes by TLS: a record of it (16 KiB) and its own buffer, which is twice as large.
const READ_AHEAD: usize = 48 << 10;
/// The copies of TUF metadata that its library makes before it looks at a signature.
const METADATA_TREES: usize = 3;
/// The lists of one image that are looked at at once: of both tags and of the referrers.
const IMAGE_LISTS: usize = 3;

/// A limit: what it is of, how much, and what happens beyond it.
type Row = (&'static str, String, &'static str);

/// The page.
pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    for (title, rows) in [
        ("Connections", connections()),
        ("Reviews", reviews()),
        ("Registries", registries()),
        ("Signatures and conditions", evidence()),
        ("The log", lines()),
    ] {
        // Writing into a String cannot fail, here and below.
        let _ = write!(page, "\n## {title}\n\n| what | at most | beyond it |\n|---|---|---|\n");
        for (what, most, beyond) in rows {
            let _ = writeln!(page, "| {what} | {most} | {beyond} |");
        }
    }
    page.push_str(MEMORY);
    for (what, bytes) in memory() {
        let _ = writeln!(page, "| {what} | {} |", mebibytes(bytes));
    }
    let sum = memory().iter().fold(0_usize, |sum, (_, bytes)| sum.saturating_add(*bytes));
    let _ = writeln!(page, "| **all** | **{}** |", mebibytes(sum));
    page.push_str(NOT_COUNTED);
    page
}

fn connections() -> Vec<Row> {
    let rate = format!("{} at once, then {} a second", server::PEER_BURST, server::PEER_RATE);
    vec![
        (
            "connections to the webhook port (`limits.maxConnections`)",
            server::CONNECTIONS.to_string(),
            "the longest idle one of the peer that holds most is closed; if reviews are answered on all, the new one is",
        ),
        ("connections to the admin port", server::ADMIN_CONNECTIONS.to_string(), "the same"),
        ("a TLS handshake", time(server::HANDSHAKE_TIME), "closed"),
        ("a header", format!("{}, {}", bytes(server::HEADER_BYTES), time(server::HEADER_TIME)), "431, closed"),
        ("between two requests", time(server::IDLE_TIME), "closed"),
        ("for the peer to take a part of an answer", time(server::WRITE_TIME), "closed"),
        (
            "requests of one connection, and its age",
            format!("{}, {}", server::CONNECTION_REQUESTS, time(server::CONNECTION_AGE)),
            "closed with an answer, so that load spreads",
        ),
        (
            "reviews of one peer at once",
            "4 times the connections on which none is answered".into(),
            "they wait, until their deadline",
        ),
        (
            "reviews that one peer begins while those of others are answered (without `--client-ca`)",
            rate,
            "they wait for their turn, or until nobody else asks",
        ),
    ]
}

fn reviews() -> Vec<Row> {
    let window = format!("{} in each {}", bytes(server::BODY_WINDOW_BYTES), time(server::BODY_WINDOW));
    vec![
        ("a review", bytes(server::REVIEW_BYTES), "413"),
        (
            "reviews that are being read (`limits.bodyBudgetBytes`)",
            bytes(server::REVIEWS_BYTES),
            "they wait for room; at the deadline `OVERLOADED`",
        ),
        (
            "of it, for reviews above 1 MiB; for one peer",
            "five sixths; half of each part, or one review".into(),
            "the same",
        ),
        ("the time of a body", time(server::BODY_TIME), "408"),
        ("a body brings at least", window, "408"),
        ("distinct images of one object", engine::MAX_IMAGES.to_string(), "`TOO_MANY_IMAGES`"),
        (
            "signatures of one image, by each place in which they lie",
            engine::MAX_CANDIDATES.to_string(),
            "`TOO_MANY_SIGNATURES`, unless one of the first ones is good",
        ),
    ]
}

fn registries() -> Vec<Row> {
    let registry::Settings { limits, timeouts, .. } = registry::Settings::default();
    let secrets = pull_secrets::Limits::default();
    let pages = format!("{}, {} pages", length(limits.referrers_page_bytes), limits.referrers_pages);
    vec![
        ("a manifest or an index", length(limits.manifest_bytes), "`REGISTRY_LIMIT`"),
        ("a page of the referrers API", pages, "`REGISTRY_LIMIT`"),
        ("a simple signing payload", length(limits.payload_bytes), "`REGISTRY_LIMIT`"),
        ("a bundle with a signature", length(limits.bundle_bytes), "`REGISTRY_LIMIT`"),
        ("an attestation (`limits.attestationBytes`)", length(limits.attestation_bytes), "`REGISTRY_LIMIT`"),
        ("all that is read about one image", length(limits.image_bytes), "`REGISTRY_LIMIT`"),
        (
            "the answer of a token server; the token in it",
            format!("{}; {}", length(limits.token_answer_bytes), bytes(limits.token_bytes)),
            "`REGISTRY_PROTOCOL`",
        ),
        (
            "pull secrets of one pod or service account",
            pull_secrets::MAX_SECRETS.to_string(),
            "the others are not used",
        ),
        ("a docker config", bytes(docker_config::MAX_BYTES), "it is not used"),
        ("logins of one config for one repository", bytes(docker_config::MAX_LOGIN), "the others are not used"),
        (
            "memory of the pull secrets that are kept; of one namespace",
            format!("{}; {}", bytes(secrets.bytes), bytes(secrets.bytes_per_namespace)),
            "what was not used for longest is read again",
        ),
        ("pull secrets and service accounts that are read at once", secrets.reads.to_string(), "they wait"),
        (
            "lists of signatures above 16 KiB in memory, of all images",
            bytes(kibibytes(limits.lists.all)),
            "`OVERLOADED`",
        ),
        ("redirects of one request", limits.redirects.to_string(), "`REGISTRY_PROTOCOL`"),
        ("until the first byte of an answer", time(timeouts.first_byte), "`REGISTRY_TIMEOUT`"),
        ("between two pieces of it", time(timeouts.idle), "`REGISTRY_TIMEOUT`"),
    ]
}

fn evidence() -> Vec<Row> {
    vec![
        (
            "memory of all signatures and statements that are judged at once",
            bytes(engine::DOCUMENT_MEMORY),
            "they wait; one that alone takes more is `DOCUMENT_LIMIT`",
        ),
        ("evaluations of conditions at once", conditions::MAX_EVALUATIONS.to_string(), "they wait"),
        ("memory of one evaluation", bytes(conditions::MAX_MEMORY), "`POLICY_ERROR`"),
        ("steps of one evaluation", conditions::MAX_STEPS.to_string(), "`POLICY_ERROR`"),
    ]
}

fn lines() -> Vec<Row> {
    vec![
        ("a field", bytes(log::MAX_FIELD), "cut, with `…` at its end"),
        ("a line", bytes(log::MAX_LINE), "its last fields are cut"),
        (
            "lines that are not written yet",
            bytes(log::QUEUE_BYTES),
            "dropped, and counted in `sealgate_log_lines_dropped_total`",
        ),
        ("the last lines, when the process ends", time(log::FLUSH), "dropped"),
    ]
}

/// What each kind of use may hold at once.
fn memory() -> Vec<(&'static str, usize)> {
    let registry = registry::Limits::default();
    let images = number(registry.images.all);
    let secrets = pull_secrets::Limits::default();
    let remembered = [registry::REMEMBERED_LOGINS, namespaces::Limits::default().entries, secrets.entries];
    let remembered = remembered.iter().fold(0_usize, |sum, count| sum.saturating_add(count.saturating_mul(REMEMBERED)));
    let remembered = remembered.saturating_add(server::PEERS.saturating_mul(PEER));
    vec![
        ("the process at rest, with some hundred policies", AT_REST),
        ("connections to the webhook port", server::CONNECTIONS.saturating_mul(server::CONNECTION_BYTES)),
        ("connections to the admin port", server::ADMIN_CONNECTIONS.saturating_mul(server::ADMIN_CONNECTION_BYTES)),
        ("reviews that are being read", server::REVIEWS_BYTES),
        ("what registries send, until it is judged", kibibytes(registry.bodies.all)),
        (
            "logins that pods bring",
            images.saturating_mul(pull_secrets::MAX_SECRETS).saturating_mul(docker_config::MAX_LOGIN),
        ),
        ("pull secrets and service accounts that are kept", secrets.bytes),
        ("those that are being read", secrets.reads.saturating_mul(SECRET_READ)),
        ("the small parts of it that need no room", small_bodies(&registry)),
        ("what is read ahead of it", number(registry.requests.all).saturating_mul(READ_AHEAD)),
        ("long lists of signatures, until what they list is judged", kibibytes(registry.lists.all)),
        ("short ones", images.saturating_mul(IMAGE_LISTS).saturating_mul(registry::SMALL_LIST_BYTES)),
        ("a trusted root that is refreshed", METADATA_TREE.saturating_mul(METADATA_TREES)),
        ("signatures and statements that are judged", engine::DOCUMENT_MEMORY),
        ("conditions that are evaluated", conditions::MAX_EVALUATIONS.saturating_mul(conditions::MAX_MEMORY)),
        ("lines of the log that are not written yet", log::QUEUE_BYTES),
        ("peers, logins, namespaces and pull secrets that are remembered", remembered),
    ]
}

fn number(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn kibibytes(count: u32) -> usize {
    number(count).saturating_mul(1 << 10)
}

/// What each image reads at once, until it is judged.
fn small_bodies(limits: &registry::Limits) -> usize {
    let small = usize::try_from(registry::SMALL_BODY_BYTES).unwrap_or(usize::MAX);
    number(limits.images.all).saturating_mul(limits.concurrency).saturating_mul(small)
}

fn mebibytes(bytes: usize) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths.div_euclid(10), tenths.rem_euclid(10))
}

fn length(bytes: u64) -> String {
    usize::try_from(bytes).map_or_else(|_| bytes.to_string(), self::bytes)
}

fn bytes(bytes: usize) -> String {
    match bytes {
        bytes if bytes.trailing_zeros() >= 20 => format!("{} MiB", bytes >> 20),
        bytes if bytes.trailing_zeros() >= 10 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

fn time(time: Duration) -> String {
    match (time.as_secs(), time.subsec_millis()) {
        (seconds, 0) if seconds >= 60 && seconds.is_multiple_of(60) => format!("{} min", seconds.div_euclid(60)),
        (seconds, 0) => format!("{seconds} s"),
        _ => format!("{} ms", time.as_millis()),
    }
}

#[cfg(test)]
mod tests;
