//! From what the Secret holds to what is shown and what is trusted, in an order in which no client meets a certificate that it
//! does not trust. Pure: times are arguments.
//!
//! The replicas read the Secret at different moments, and the API server learns of new authorities from the leader. So the
//! authorities that the Secret names are trusted at once, a certificate that only they vouch for is shown a while later, and those
//! that the Secret no longer names stay trusted until every replica shows another certificate.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use tokio::time::Instant;

use super::{Material, Serving, mint};

/// How long a certificate waits whose authority was not trusted before: longer than [`super::follow::POLL`], after which the
/// leader has read it too, and has told the API server.
pub(super) const WAIT: Duration = Duration::from_secs(10);
/// How long an authority stays trusted that the Secret no longer names, if it is still valid.
pub(super) const FORMER: Duration = Duration::from_mins(1);

/// What the Secret held at one time.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) material: Material,
    pub(super) serving: Serving,
}

/// What is shown now, what is next, and what was before.
#[derive(Debug, Default)]
pub(super) struct Handover {
    shown: Option<Arc<Held>>,
    /// With the time from when on it is shown.
    next: Option<(Arc<Held>, Instant)>,
    /// Authorities, and until when they are trusted.
    former: Vec<(CertificateDer<'static>, Instant)>,
}

impl Handover {
    /// What is shown to clients.
    pub(super) fn shown(&self) -> Option<&Arc<Held>> {
        self.shown.as_ref()
    }

    /// What was read last.
    pub(super) fn latest(&self) -> Option<&Arc<Held>> {
        self.next.as_ref().map(|(next, _)| next).or(self.shown.as_ref())
    }

    /// Takes in what was read; whether it has to wait.
    pub(super) fn take(&mut self, held: Held, now: Timestamp, at: Instant) -> bool {
        let trusted = self.trusted(now, at);
        let named = mint::certificates(&held.material.ca_certificates);
        self.former.retain(|(authority, _)| !named.contains(authority));
        for authority in trusted.iter().filter(|authority| !named.contains(authority)) {
            if !self.former.iter().any(|(former, _)| former == authority) {
                self.former.push((authority.clone(), at.checked_add(FORMER).unwrap_or(at)));
            }
        }
        let served = mint::certificates(&held.material.certificate);
        let vouches = |authority| served.first().is_some_and(|served| mint::verifies(served, authority, &[], now));
        let waits = self.is_valid(now) && !trusted.iter().any(vouches);
        let from = if waits { at.checked_add(WAIT).unwrap_or(at) } else { at };
        self.next = Some((Arc::new(held), from));
        self.advance(now, at);
        waits
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, now: Timestamp, at: Instant) {
        if self.next.as_ref().is_some_and(|(_, from)| *from <= at || !self.is_valid(now)) {
            self.shown = self.next.take().map(|(next, _)| next);
        }
        self.former.retain(|(_, until)| *until > at);
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let next = self.next.iter().map(|(_, from)| *from);
        next.chain(self.former.iter().map(|(_, until)| *until)).min()
    }

    /// The authorities to trust, PEM: those of the Secret, as they are written there, then the former ones.
    pub(super) fn ca_bundle(&self, now: Timestamp, at: Instant) -> Option<String> {
        let named = &self.latest()?.serving.ca_bundle;
        let former = mint::pem(self.still_valid(now, at));
        Some(if former.is_empty() { named.clone() } else { format!("{}\n{former}", named.trim_end()) })
    }

    fn trusted(&self, now: Timestamp, at: Instant) -> Vec<CertificateDer<'static>> {
        let named = self.latest().map(|held| mint::certificates(&held.material.ca_certificates));
        named.into_iter().flatten().chain(self.still_valid(now, at).cloned()).collect()
    }

    fn still_valid(&self, now: Timestamp, at: Instant) -> impl Iterator<Item = &CertificateDer<'static>> {
        let former = self.former.iter().filter(move |(_, until)| *until > at).map(|(authority, _)| authority);
        former.filter(move |authority| mint::Validity::of(authority).is_some_and(|validity| !validity.has_ended(now)))
    }

    /// Whether what is shown is valid.
    fn is_valid(&self, now: Timestamp) -> bool {
        self.shown.as_ref().is_some_and(|shown| shown.serving.expires > now)
    }
}
