//! What provers do in the name of another, in one table: each change for every form that has the part, beside a twin that differs
//! in this alone and is good.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_cert::der::asn1::{ObjectIdentifier, OctetString};
use x509_cert::ext::Extension;

use super::fulcio::Sct;
use super::log::{Generation, Log};
use super::x509::{Authority, CODE_SIGNING, Profile, uri, utf8_string};
use super::{
    Entry, Form, Kind, NOW, Pki, Shape, Sigstore, Timestamp, TimestampAuthority, TrustedChain, TrustedLog, TrustedRoot,
    Window,
};
use crate::support::signer::SigningKey;

const DAY: i64 = 24 * 3600;
/// A window that ended long ago.
const ENDED: Window = Window { start: Some(NOW - 100 * DAY), end: Some(NOW - 50 * DAY) };
/// One that began as early and is open.
const OPEN: Window = Window { end: None, ..ENDED };

/// A form, and the root under which it is looked at.
#[derive(Clone)]
pub struct Case {
    pub form: Form,
    pub root: TrustedRoot,
}

/// Which of the two is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is accepted.
    Twin,
    /// What is refused.
    Forged,
}

/// Makes one of the two of what is good.
type Make = Box<dyn Fn(&mut Case, Side)>;

/// A change of every form that has the part.
pub struct Change {
    /// For people.
    pub name: String,
    /// With which code it is refused.
    pub code: &'static str,
    fits: fn(&Form) -> bool,
    make: Make,
}

impl Change {
    fn new(
        name: impl Into<String>,
        code: &'static str,
        fits: fn(&Form) -> bool,
        make: impl Fn(&mut Case, Side) + 'static,
    ) -> Self {
        Self { name: name.into(), code, fits, make: Box::new(make) }
    }

    /// A form of the instance after this change; nothing where it does not have the part.
    pub fn case(&self, sigstore: &Sigstore, form: &Form, side: Side) -> Option<Case> {
        if !(self.fits)(form) {
            return None;
        }
        let mut case = Case { form: form.clone(), root: sigstore.trusted_root() };
        (self.make)(&mut case, side);
        Some(case)
    }
}

/// The table, in the parts that are below.
pub fn changes() -> Vec<Change> {
    [logs(), entries(), entries_of_others(), authorities(), receipts()].into_iter().flatten().collect()
}

/// Another log of the root.
#[derive(Clone, Copy, Debug)]
enum Prover {
    InUse,
    OfOtherGeneration,
    Retired,
}

impl Prover {
    const ALL: [Self; 3] = [Self::InUse, Self::OfOtherGeneration, Self::Retired];

    fn name(self) -> &'static str {
        match self {
            Self::InUse => "another log in use",
            Self::OfOtherGeneration => "a log of the other generation",
            Self::Retired => "a retired log",
        }
    }

    /// The root trusts it from now on.
    fn join(self, case: &mut Case) -> Log {
        let own = case.form.signing.entry().log.generation;
        let generation = match (self, own) {
            (Self::OfOtherGeneration, Generation::V1) => Generation::V2,
            (Self::OfOtherGeneration, Generation::V2) => Generation::V1,
            (_, own) => own,
        };
        let (name, window) = if matches!(self, Self::Retired) { ("retired.test", ENDED) } else { ("other.test", OPEN) };
        let log = named(generation, name);
        trust(case, &log, window);
        log
    }
}

fn named(generation: Generation, name: &str) -> Log {
    match generation {
        Generation::V1 => Log::v1(name),
        Generation::V2 => Log::v2(name),
    }
}

fn trust(case: &mut Case, log: &Log, window: Window) {
    case.root.logs.push(TrustedLog { window, ..TrustedLog::new(log, 0) });
}

fn is_own(form: &Form) -> bool {
    form.name.contains("own PKI")
}

fn is_keyless(form: &Form) -> bool {
    form.signing.certificate.is_some() && !is_own(form)
}

fn is_logged(form: &Form) -> bool {
    !form.signing.entries.is_empty()
}

fn is_promised(form: &Form) -> bool {
    form.signing.entries.first().is_some_and(|entry| entry.promise)
}

fn is_proven(form: &Form) -> bool {
    form.shape == Shape::Bundle && form.signing.entries.first().is_some_and(|entry| entry.proof)
}

/// What proves an entry is by another log than the one that the entry names.
pub fn logs() -> Vec<Change> {
    let mut changes = Vec::new();
    for prover in Prover::ALL {
        let mut add = |what: &str, fits, forge: fn(&mut Case, Log)| {
            let name = format!("{what} {}", prover.name());
            changes.push(Change::new(name, "LOG_INVALID", fits, move |case, side| {
                let other = prover.join(case);
                if side == Side::Forged {
                    forge(case, other);
                }
            }));
        };
        add("the promise is by", is_promised, |case, other| case.form.signing.entry().promised_by = Some(other));
        add("the checkpoint is by", is_proven, |case, other| case.form.signing.entry().proven_by = Some(other));
        add(
            "promise and checkpoint are by",
            |form| is_promised(form) && is_proven(form),
            |case, other| {
                let entry = case.form.signing.entry();
                (entry.promised_by, entry.proven_by) = (Some(other.clone()), Some(other));
            },
        );
        add("beside a junk line of the log, the checkpoint is by", is_proven, |case, other| {
            let entry = case.form.signing.entry();
            let id = entry.log.id();
            let junk = STANDARD.encode([&id[..4], &[7; 64]].concat());
            let name = other.name.clone();
            entry.proven_by = Some(other);
            let line = format!("\u{2014} {name} {junk}\n");
            entry.edit_note.set(move |note| note.push_str(&line));
        });
    }
    changes
}

/// Entries that the log itself has, and should not count.
pub fn entries() -> Vec<Change> {
    let moved = |case: &mut Case, side, time: i64| {
        let log = named(case.form.signing.entry().log.generation, "moved.test");
        trust(case, &log, if side == Side::Forged { ENDED } else { OPEN });
        let entry = case.form.signing.entry();
        entry.log = log;
        entry.integrated_time = if side == Side::Forged { time } else { entry.integrated_time };
    };
    vec![
        Change::new("the entry is of a retired log", "LOG_INVALID", is_logged, move |case, side| {
            moved(case, side, NOW + 2);
        }),
        Change::new(
            "the entry is of a retired log, which dates it back",
            "CERTIFICATE_INVALID",
            |form| is_keyless(form) && is_promised(form),
            move |case, side| moved(case, side, NOW - 60 * DAY),
        ),
        Change::new(
            "beside the entry of a retired log there is another one, which it dates back",
            "CERTIFICATE_INVALID",
            // With a promise it says itself of when it is.
            |form| is_keyless(form) && is_logged(form) && !is_promised(form),
            move |case, side| {
                let early = Log::v1("early.test");
                trust(case, &early, if side == Side::Forged { ENDED } else { OPEN });
                let mut second = Entry::new(&early, if side == Side::Forged { NOW - 60 * DAY } else { NOW + 2 });
                second.proof = case.form.signing.entry().proof;
                moved(case, side, NOW + 2);
                case.form.signing.entries.push(second);
            },
        ),
        Change::new(
            "beside the entry of a retired log there is a timestamp that a retired authority dates back",
            "CERTIFICATE_INVALID",
            |form| is_keyless(form) && is_logged(form) && !is_promised(form),
            move |case, side| {
                let retired = TimestampAuthority::new("retired", NOW);
                let is_forged = side == Side::Forged;
                let (window, time) = if is_forged { (ENDED, NOW - 60 * DAY) } else { (OPEN, NOW + 1) };
                let chain = TrustedChain { window, ..TrustedChain::new(retired.chain(), 0) };
                case.root.timestamp_authorities.push(chain);
                case.form.signing.timestamps.push(Timestamp::new(&retired, time));
                moved(case, side, NOW + 2);
            },
        ),
        Change::new("the entry is of a log of the other generation", "LOG_INVALID", is_logged, |case, side| {
            let own = case.form.signing.entry().log.generation;
            let other = if own == Generation::V1 { Generation::V2 } else { Generation::V1 };
            let generation = if side == Side::Forged { other } else { own };
            // A key tells the generation of its log by the id, unless it is one of ECDSA.
            let log = Log { generation, ..Log::v2("ed25519.test") };
            trust(case, &log, OPEN);
            let content = case.form.signing.content.clone();
            let entry = case.form.signing.entry();
            entry.kind = entry.kind.or(Some(Kind::natural(own, &content)));
            if own == Generation::V2 {
                let name = log.name.clone();
                entry.edit_checkpoint.set(move |text| {
                    let (_, tree) = text.split_once('\n').unwrap();
                    *text = format!("{name}\n{tree}");
                });
            }
            entry.log = log;
        }),
    ]
}

/// Entries about somebody else, with the same signature or key.
pub fn entries_of_others() -> Vec<Change> {
    vec![
        Change::new(
            "the entry names another certificate for the key",
            "LOG_INVALID",
            |form| is_logged(form) && form.signing.certificate.is_some(),
            |case, side| {
                let about = case.form.signing.with(|it| {
                    if side == Side::Forged {
                        *it.leaf().names() = vec![uri("https://mallory.test")];
                    }
                });
                case.form.signing.entry().about = Some(Box::new(about));
            },
        ),
        Change::new(
            "the entry names the bare key of a certificate",
            "LOG_INVALID",
            |form| is_logged(form) && form.signing.certificate.is_some(),
            |case, side| {
                let about = case.form.signing.with(|it| {
                    if side == Side::Forged {
                        it.certificate = None;
                    }
                });
                case.form.signing.entry().about = Some(Box::new(about));
            },
        ),
        Change::new(
            "the entry names another key",
            "LOG_INVALID",
            |form| is_logged(form) && form.signing.certificate.is_none(),
            |case, side| {
                let about = case.form.signing.with(|it| {
                    if side == Side::Forged {
                        it.key = SigningKey::seeded("other");
                    }
                });
                case.form.signing.entry().about = Some(Box::new(about));
            },
        ),
    ]
}

/// The certificate is by the first of these, and brings all of them along.
fn bring(case: &mut Case, authorities: &[&Authority]) {
    let leaf = case.form.signing.leaf();
    leaf.issuer = authorities[0].clone();
    leaf.presented = authorities.iter().map(|authority| authority.certificate.clone()).collect();
}

/// The certificate is by another intermediate of the usual root, which is named in this window, or not at all.
fn bring_intermediate(case: &mut Case, name: &str, window: Option<Window>) {
    let mut profile = Profile::intermediate(name, NOW);
    profile.extended_key_usage = vec![CODE_SIGNING];
    let authority = Sigstore::new("a").root.child(&SigningKey::seeded(name), &profile);
    if let Some(window) = window {
        let mut chain = case.root.certificate_authorities[0].clone();
        chain.certificates[0] = authority.certificate.clone();
        chain.window = window;
        case.root.certificate_authorities.push(chain);
    }
    bring(case, &[&authority]);
}

/// The certificate is by another intermediate of an own root.
fn bring_own(case: &mut Case, side: Side, change: fn(&mut Profile)) {
    let mut profile = Profile::intermediate("own second", NOW);
    if side == Side::Forged {
        change(&mut profile);
    }
    bring(case, &[&Pki::new("own", NOW).root.child(&SigningKey::seeded("second"), &profile)]);
}

/// Certificates by authorities that are not, or not any more, trusted; they are brought along where a form has a place for them.
pub fn authorities() -> Vec<Change> {
    vec![
        Change::new("its authority was withdrawn", "TRUST_ROOT_MISMATCH", is_keyless, move |case, side| {
            bring_intermediate(case, "withdrawn", (side == Side::Twin).then_some(OPEN));
        }),
        Change::new("its authority is retired", "CERTIFICATE_INVALID", is_keyless, move |case, side| {
            bring_intermediate(case, "retired", Some(if side == Side::Twin { OPEN } else { ENDED }));
        }),
        Change::new("its authority is of another instance", "TRUST_ROOT_MISMATCH", is_keyless, move |case, side| {
            let other = Sigstore::new("b");
            if side == Side::Twin {
                case.root.certificate_authorities.extend(other.trusted_root().certificate_authorities);
            }
            bring(case, &[&other.fulcio, &other.root]);
        }),
        Change::new(
            "its authority has the name of a trusted one",
            "CERTIFICATE_INVALID",
            is_keyless,
            move |case, side| {
                let sigstore = Sigstore::new("a");
                let name = Profile::intermediate("a intermediate", NOW);
                let namesake = Authority::root(&SigningKey::seeded("other"), &name);
                bring(case, &[if side == Side::Twin { &sigstore.fulcio } else { &namesake }]);
            },
        ),
        Change::new("its authority under an own root has ended", "CERTIFICATE_INVALID", is_own, move |case, side| {
            bring_own(case, side, |it| it.not_after = NOW - 1);
        }),
        Change::new(
            "its authority under an own root may not certify",
            "CERTIFICATE_INVALID",
            is_own,
            move |case, side| {
                bring_own(case, side, |it| it.basic_constraints = Some((false, None)));
            },
        ),
        Change::new("its authority is under another own root", "TRUST_ROOT_MISMATCH", is_own, move |case, side| {
            // The root has the name of the trusted one.
            let mut pki = Pki::new("own", NOW);
            if side == Side::Forged {
                let key = SigningKey::seeded("another root");
                pki.root = Authority::root(&key, &Profile::root("own root", NOW));
            }
            let profile = Profile::intermediate("own second", NOW);
            bring(case, &[&pki.root.child(&SigningKey::seeded("second"), &profile)]);
        }),
    ]
}

/// What certificate logs and the certificates themselves say.
pub fn receipts() -> Vec<Change> {
    let by = |case: &mut Case, window: Option<Window>, time: i64| {
        let known = if window.is_some() { "ctlog.other.test" } else { "ctlog.unknown.test" };
        let log = Log::v1(known);
        if let Some(window) = window {
            case.root.certificate_logs.push(TrustedLog { window, ..TrustedLog::new(&log, 0) });
        }
        case.form.signing.leaf().scts = vec![Sct::new(&log, time)];
    };
    vec![
        Change::new("the receipt is by a log of another root", "CERTIFICATE_INVALID", is_keyless, move |case, side| {
            by(case, (side == Side::Twin).then_some(OPEN), NOW);
        }),
        Change::new("the receipt is by a retired log", "CERTIFICATE_INVALID", is_keyless, move |case, side| {
            by(case, Some(if side == Side::Twin { OPEN } else { ENDED }), NOW);
        }),
        Change::new("a retired log dates the receipt back", "CERTIFICATE_INVALID", is_keyless, move |case, side| {
            if side == Side::Twin { by(case, Some(OPEN), NOW) } else { by(case, Some(ENDED), NOW - 60 * DAY) }
        }),
        Change::new("the receipt is dated back", "CERTIFICATE_INVALID", is_keyless, |case, side| {
            case.root.certificate_logs[0].window = OPEN;
            case.form.signing.leaf().scts[0].time = if side == Side::Twin { NOW - 60 } else { NOW - DAY };
        }),
        Change::new("the issuer's extension has a padded twin", "CERTIFICATE_INVALID", is_keyless, |case, side| {
            // 1.3.6.1.4.1.57264.1 and a number of its own, or that of the issuer (8) after a zero.
            let mut id = vec![0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1];
            id.extend(if side == Side::Twin { &[0x63][..] } else { &[0x80, 8] });
            let twin = Extension {
                extn_id: ObjectIdentifier::from_bytes(&id).unwrap(),
                critical: false,
                extn_value: OctetString::new(utf8_string("https://mallory.test")).unwrap(),
            };
            case.form.signing.leaf().profile.extensions.push(twin);
        }),
    ]
}
