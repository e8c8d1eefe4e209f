//! Paths of an own PKI: certificates of a pool in any order, some of them changed. What is accepted is what a plain walk over the
//! facts of the pool finds.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sealgate::domain::{Digest, IdentityParts, IdentityPattern};
use sealgate::signatures::{
    Candidate, CertificateRoots, ContentDemand, Demand, LogRule, Origin, Place, SignerDemand, UntrustedContent, verify,
};
use serde_json::Value;

use super::{NOW, evidence};

/// Most certificates behind that of the signer.
const MOST: usize = 12;
/// As many are looked at.
const LIMIT: usize = 9;
/// Most authorities between a signer and a root.
const BETWEEN: usize = 6;
/// The mark of a change: the next two bytes say what and where.
const CHANGE: u8 = 255;

/// What is known of a certificate.
struct Known {
    der: Vec<u8>,
    /// The name of the signer; nothing for an authority.
    leaf: Option<String>,
    subject: String,
    key: String,
    issuer: String,
    signed_by: String,
    is_authority: bool,
    limit: Option<usize>,
    is_valid: bool,
    /// The only domain in which it may certify.
    only: Option<String>,
}

struct Pool {
    document: String,
    authorities: Vec<usize>,
    known: Vec<Known>,
    identities: Vec<IdentityPattern>,
}

static POOL: LazyLock<Pool> = LazyLock::new(|| {
    let material: Value = serde_json::from_str(include_str!("../../material/path.json")).expect("JSON");
    let known: Vec<Known> = material["certificates"].as_array().expect("a list").iter().map(Known::read).collect();
    let may_be_root = |known: &Known| known.leaf.is_none() && CertificateRoots::from_pem(&pem(&known.der)).is_ok();
    let identity = |subject: &str| {
        let parts = IdentityParts { subject: Some(subject.to_owned()), ..IdentityParts::default() };
        IdentityPattern::certificate(parts).expect("an identity")
    };
    Pool {
        document: material["document"].as_str().expect("a text").to_owned(),
        authorities: (0..known.len()).filter(|at| may_be_root(&known[*at])).collect(),
        known,
        identities: ["acme.test", "other.test"].map(identity).into(),
    }
});

impl Known {
    fn read(item: &Value) -> Self {
        let text = |name: &str| item[name].as_str().map(str::to_owned);
        Self {
            der: STANDARD.decode(text("der").expect("a certificate")).expect("base64"),
            leaf: text("leaf"),
            subject: text("subject").unwrap_or_default(),
            key: text("key").unwrap_or_default(),
            issuer: text("issuer").expect("an issuer"),
            signed_by: text("signedBy").expect("a key"),
            is_authority: item["isAuthority"] == true,
            limit: item["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()),
            is_valid: item["isValid"] == true,
            only: text("only"),
        }
    }

    fn is_issued_by(&self, issuer: &Self) -> bool {
        issuer.leaf.is_none() && self.issuer == issuer.subject && self.signed_by == issuer.key
    }

    /// Whether it may stand over so many authorities and a signer of this name.
    fn may_stand_over(&self, below: usize, name: &str) -> bool {
        self.is_authority
            && self.is_valid
            && self.limit.is_none_or(|limit| below <= limit)
            && self.only.as_ref().is_none_or(|only| only == name)
    }
}

/// A certificate as the program shows it, and what is known of it; nothing where it was changed.
struct Shown<'a> {
    der: Vec<u8>,
    known: Option<&'a Known>,
}

/// Whether one of the roots is at the end of the chain, or of the chain cut somewhere.
fn is_path(chain: &[Shown<'_>], roots: &[&Known]) -> bool {
    let Some(name) = chain.first().and_then(|shown| shown.known?.leaf.as_ref()) else { return false };
    // A certificate is there once (RFC 5280, section 6.1).
    let is_new = |at: usize| (0..at).all(|earlier| chain[earlier].der != chain[at].der);
    let length = (0..chain.len().min(BETWEEN + 1)).take_while(|at| is_new(*at)).count();
    (1..=length).any(|length| {
        let Some(cut) = chain[..length].iter().map(|shown| shown.known).collect::<Option<Vec<_>>>() else {
            return false;
        };
        roots.iter().any(|root| {
            let issuers = cut.iter().skip(1).chain([root]);
            let hangs_together = cut.iter().zip(issuers.clone()).all(|(below, above)| below.is_issued_by(above));
            hangs_together && issuers.enumerate().all(|(below, authority)| authority.may_stand_over(below, name))
        })
    })
}

/// Two bytes for the roots, then the chain from the signer on.
pub fn path(input: &[u8]) {
    let pool = &*POOL;
    let (first, rest) = input.split_at(input.len().min(2));
    let chosen = first.iter().rev().fold(0, |all, byte| all << 8 | usize::from(*byte));
    let roots: Vec<&Known> = (pool.authorities.iter().enumerate())
        .filter(|(at, _)| chosen >> (at % 16) & 1 == 1)
        .map(|(_, known)| &pool.known[*known])
        .collect();
    let chain = chain(rest, pool);
    let Some(leaf) = chain.first() else { return };
    let text: String = roots.iter().map(|root| pem(&root.der)).collect();
    let Ok(trusted) = CertificateRoots::from_pem(&text) else { return };
    let above: String = chain[1..].iter().map(|shown| pem(&shown.der)).collect();
    let annotations = BTreeMap::from([
        ("dev.sigstore.cosign/certificate".to_owned(), pem(&leaf.der)),
        ("dev.sigstore.cosign/chain".to_owned(), above),
    ]);
    let content = UntrustedContent::Envelope { envelope: pool.document.clone().into_bytes(), annotations };
    let origin = Origin { place: Place::AttestationTag, manifest: Digest::of(b"manifest"), layer: 0 };
    let candidate = Candidate { origin, blob: Digest::of(b"blob"), content };
    let nothing = BTreeMap::new();
    let demand = Demand {
        signer: SignerDemand::Certificate { roots: &trusted, root: None, identities: &pool.identities },
        log: LogRule::WhenPresent,
        content: ContentDemand::Image { annotations: &nothing },
    };
    let answer = verify(&candidate, &evidence::image(), demand, Timestamp::from_second(NOW).expect("a time"));
    let (is_path, is_short) = (is_path(&chain, &roots), chain.len() <= LIMIT + 1);
    match answer {
        Ok(_) => assert!(is_path && is_short, "accepted without a path"),
        Err(finding) => {
            assert_ne!(finding.code(), "INTERNAL_ERROR", "{finding:?}");
            // Of several roots the nearest counts, whatever names it may certify.
            let is_free = chain.iter().filter_map(|shown| shown.known).chain(roots).all(|known| known.only.is_none());
            assert!(!(is_path && is_short && is_free), "a path is refused: {finding:?}");
        }
    }
}

fn chain<'a>(program: &[u8], pool: &'a Pool) -> Vec<Shown<'a>> {
    let mut chain: Vec<Shown<'a>> = Vec::new();
    let mut bytes = program.iter().copied();
    while let Some(byte) = bytes.next().filter(|_| chain.len() <= MOST) {
        if byte != CHANGE {
            let known = &pool.known[usize::from(byte) % pool.known.len()];
            chain.push(Shown { der: known.der.clone(), known: Some(known) });
            continue;
        }
        let [what, at] = [(); 2].map(|()| bytes.next().unwrap_or_default());
        let Some(last) = chain.last_mut() else { continue };
        change(&mut last.der, what, at);
        last.known = last.known.filter(|known| known.der == last.der);
    }
    chain
}

fn change(der: &mut Vec<u8>, what: u8, at: u8) {
    let length = der.len();
    let Some(at) = (usize::from(at) * 4 + usize::from(what / 4)).checked_rem(length) else { return };
    match what % 4 {
        0 | 1 => der[at] ^= 1 << (what / 4 % 8),
        2 => der.truncate(at),
        _ => {
            let copied = der[at..length.min(at + 8)].to_vec();
            der.splice(at..at, copied);
        }
    }
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
}
