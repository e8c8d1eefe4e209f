//! What to do with the Secret next. Pure: time is an argument.

use jiff::{SignedDuration, Timestamp};
use rcgen::KeyPair;

use super::material::Material;
use super::mint::{self, Validity};

/// How long a new authority is in the bundle before it signs: by then every API server has seen the bundle.
const SETTLE: SignedDuration = SignedDuration::from_hours(1);
/// How long an authority stays in the bundle after the last certificate by it has been replaced: by then every replica
/// serves the new one.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// One step. Each is written alone, so that no step depends on two writes arriving together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing is due.
    Keep,
    /// Begin anew: a new authority and a serving certificate by it.
    Create(Reason),
    /// The authority is two thirds through its life: add a new one, trusted beside the old one, and sign with it when
    /// it has settled.
    RenewAuthority,
    /// A new serving certificate.
    RenewServing(Reason),
    /// No certificate by an old authority is served any more: trust it no longer.
    RetireAuthorities,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is nothing yet.
    Empty,
    /// What is there can't be used, or is not for these names.
    Unusable,
    /// It is over.
    Expired,
    /// Two thirds of its life are over.
    Due,
    /// Another authority signs by now.
    Superseded,
}

/// Decides the next step for a certificate with these names.
pub fn plan(stored: &Material, names: &[String], now: Timestamp) -> Action {
    if stored.ca_certificates.trim().is_empty() || stored.ca_key.trim().is_empty() {
        return Action::Create(Reason::Empty);
    }
    let authorities = mint::certificates(&stored.ca_certificates);
    let signing = KeyPair::from_pem(&stored.ca_key).ok().and_then(|key| {
        let authority = authorities.iter().find(|authority| mint::has_key(authority, &key))?;
        Validity::of(authority)
    });
    let Some(signing) = signing else { return Action::Create(Reason::Unusable) };
    if signing.has_ended(now) {
        return Action::Create(Reason::Expired);
    }
    let serving = mint::certificates(&stored.certificate);
    let Some((serving, validity)) = serving.first().and_then(|der| Some((der, Validity::of(der)?))) else {
        return Action::RenewServing(Reason::Empty);
    };
    if validity.has_ended(now) {
        return Action::RenewServing(Reason::Expired);
    }
    if !stored.is_accepted(names, now) {
        return Action::RenewServing(Reason::Unusable);
    }
    if now >= signing.renewal() {
        return Action::RenewAuthority;
    }
    if now >= validity.renewal() && age(signing, now) >= SETTLE {
        return Action::RenewServing(Reason::Due);
    }
    let superseded = !signs(stored, serving, names, now);
    if superseded && age(signing, now) >= SETTLE {
        return Action::RenewServing(Reason::Superseded);
    }
    let needed = usize::from(superseded).saturating_add(1);
    if authorities.len() > needed && age(validity, now) >= OVERLAP {
        return Action::RetireAuthorities;
    }
    Action::Keep
}

/// Whether the serving certificate is by the authority that signs now.
fn signs(stored: &Material, serving: &rustls::pki_types::CertificateDer<'_>, names: &[String], now: Timestamp) -> bool {
    let Ok(key) = KeyPair::from_pem(&stored.ca_key) else { return false };
    mint::certificates(&stored.ca_certificates)
        .iter()
        .any(|authority| mint::has_key(authority, &key) && mint::verifies(serving, authority, names, now))
}

/// Time since it was made, which is later than its validity begins.
fn age(validity: Validity, now: Timestamp) -> SignedDuration {
    now.duration_since(validity.not_before).saturating_sub(mint::BACKDATE)
}
