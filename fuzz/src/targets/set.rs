//! All that is stored for an image, through the engine: good signatures, forged ones, and ones with parts of others.
//!
//! The input is a program: a policy, then one thing after another with what is changed in it. So it is known, without asking the
//! gate, what may be admitted and what must be.

#[path = "set/stored.rs"]
mod stored;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use jiff::Timestamp;
use sealgate::domain::{Digest, ImageReference, PinnedImage, Repository, Unavailable};
use sealgate::policy::{Entry, PolicySet};
use sealgate::signatures::{Candidate, Origin, Place, RootsCell, TrustMaterial, TrustedRoots};
use sealgate::verifier::ports::{Access, Evidence, Fault, Held, Keychain, PullContext, Registry, Scope};
use sealgate::verifier::{Defaults, Engine, Mode, PolicyCell, Question};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use self::stored::{Proofs, Stored};
use super::{MANIFEST, NOW};

const IMAGE: &str = "registry.example/app";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// Most things of one program.
const MOST: usize = 10;
/// Numbers of what is no thing: a place that could not be read, and more than is looked at.
const UNREAD: u8 = 255;
const TOO_MANY: u8 = 254;

/// What is stored, and what is known of it.
struct Known {
    name: String,
    stored: Stored,
    signer: String,
    says: String,
    logged: bool,
    /// What proves what; nothing of what is forged.
    proofs: Option<Proofs>,
}

/// Who must have signed, with a log entry or without.
#[derive(Clone, Copy)]
struct Authority {
    signer: &'static str,
    log: bool,
    /// The time must be proven.
    time: bool,
}

struct Policy {
    entry: Entry,
    authorities: Vec<Authority>,
    at_least: usize,
    attested: bool,
}

struct World {
    known: Vec<Known>,
    policies: Vec<Policy>,
    roots: RootsCell,
    runtime: Runtime,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let material: Value = serde_json::from_str(include_str!("../../material/evidence.json")).expect("JSON");
    let root = TrustMaterial::from_json(&material["root"].to_string()).expect("a trusted root");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let known = material["stored"].as_array().expect("a list").iter().map(|it| {
        let (signer, stored) = (text(&it["signer"]), Stored::read(it));
        let proofs = (signer != "nobody").then(|| stored.proofs());
        Known { name: text(&it["name"]), stored, signer, says: text(&it["says"]), logged: it["logged"] == true, proofs }
    });
    World {
        known: known.collect(),
        policies: policies(&material),
        roots: {
            let roots = RootsCell::default();
            roots.store(TrustedRoots::new(BTreeMap::from([("a".to_owned(), Ok(Arc::new(root)))])));
            roots
        },
        runtime: Builder::new_current_thread().enable_time().build().expect("a runtime"),
    }
});

fn policies(material: &Value) -> Vec<Policy> {
    let github = json!({
        "issuer": "https://token.actions.githubusercontent.com",
        "subject": "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main",
    });
    let key = |name: &str, number: usize| json!({"name": name, "key": {"publicKey": material["keys"][number]}});
    let logged_key = json!({"name": "a", "key": {"publicKey": material["keys"][0], "trustedRoot": "a"}});
    let keyless = |name: &str| json!({"name": name, "keyless": {"trustedRoot": "a", "identities": [github]}});
    let own = json!({"roots": material["own"], "identities": [{"subject": "dev@acme.test"}]});
    let own_at = |name: &str| json!({"name": name, "certificate": own});
    let mut own_logged = json!({"name": "a", "certificate": own});
    own_logged["certificate"]["trustedRoot"] = "a".into();
    let by = |signer, log, time| Authority { signer, log, time };
    let (by_key, by_github, by_own) =
        (by("key", false, false), by("github", true, true), by("developer", false, false));
    let attestation = json!([{"name": "provenance", "predicateType": PROVENANCE}]);
    let required = json!({"transparencyLog": "Required"});
    let attested = |at_least: usize| json!({"attestations": attestation, "require": {"atLeast": at_least}});
    let two = json!({"require": {"atLeast": 2}});
    let all = [
        (vec![key("a", 0)], json!({}), vec![by_key]),
        (vec![logged_key.clone()], required.clone(), vec![by("key", true, false)]),
        (vec![keyless("a")], json!({}), vec![by_github]),
        (vec![own_at("a")], json!({}), vec![by_own]),
        (vec![own_logged], required, vec![by("developer", true, true)]),
        (vec![key("a", 0), keyless("b"), own_at("c")], two.clone(), vec![by_key, by_github, by_own]),
        (vec![key("a", 0), key("b", 1)], two, vec![by_key, by("another key", false, false)]),
        (vec![keyless("a")], attested(1), vec![by_github]),
        (vec![key("a", 0), keyless("b")], attested(0), vec![by_key, by_github]),
        (vec![logged_key], json!({}), vec![by_key]),
    ];
    let compiled = all.into_iter().map(|(list, members, authorities)| {
        let mut spec = json!({"match": {"images": ["**"]}, "authorities": list});
        for (name, member) in members.as_object().into_iter().flatten() {
            spec[name] = member.clone();
        }
        let entry = sealgate::api::compile("p", &spec);
        if let Entry::Broken(broken) = &entry {
            panic!("{}", broken.error);
        }
        let at_least = spec.pointer("/require/atLeast").and_then(Value::as_u64).unwrap_or(1);
        let attested = spec["attestations"].is_array();
        Policy { entry, authorities, at_least: usize::try_from(at_least).expect("a small number"), attested }
    });
    compiled.collect()
}

/// What a program stores.
enum Item {
    /// A thing, and which of the known ones it was made from.
    Thing(Stored, usize),
    Unread,
    TooMany,
}

/// Reads a program: the number of a policy, and then for each thing its number, how many changes follow, and these.
fn read(input: &[u8], known: &[Known]) -> (usize, Vec<Item>) {
    let mut bytes = input.iter().copied();
    let policy = usize::from(bytes.next().unwrap_or_default());
    let mut items = Vec::new();
    while items.len() < MOST {
        let Some(number) = bytes.next() else { break };
        match number {
            UNREAD => items.push(Item::Unread),
            TOO_MANY => items.push(Item::TooMany),
            number => {
                let number = usize::from(number) % known.len();
                let mut thing = known[number].stored.clone();
                for _ in 0..bytes.next().unwrap_or_default() % 4 {
                    let [what, first, second] = [(); 3].map(|()| bytes.next().unwrap_or_default());
                    let donor = &known[usize::from(second) % known.len()].stored;
                    thing.change(what, first, second, donor);
                }
                items.push(Item::Thing(thing, number));
            }
        }
    }
    (policy, items)
}

impl Policy {
    /// Whether enough things are such that they may count.
    fn is_met(&self, counts: impl Fn(Authority, &str) -> bool) -> bool {
        let vouching = self.authorities.iter().filter(|authority| counts(**authority, "image")).count();
        let is_attested = || self.authorities.iter().any(|authority| counts(*authority, "provenance"));
        vouching >= self.at_least && (!self.attested || is_attested())
    }
}

/// A set of stored things, judged by a policy: it is admitted only with enough good signatures, and with these it is.
pub fn evidence(input: &[u8]) {
    let world = &*WORLD;
    let (policy, items) = read(input, &world.known);
    let policy = &world.policies[policy % world.policies.len()];
    let things: Vec<(&Stored, &Known)> = items
        .iter()
        .filter_map(|item| match item {
            Item::Thing(stored, number) => Some((stored, &world.known[*number])),
            Item::Unread | Item::TooMany => None,
        })
        .collect();
    let must = policy.is_met(|authority, says| {
        let is_good =
            |known: &Known| known.signer == authority.signer && known.says == says && (known.logged || !authority.log);
        things.iter().any(|(stored, known)| is_good(known) && **stored == known.stored)
    });
    // Every part that counts is one of a good signature, and all of them belong together.
    let proofs: Vec<Proofs> = things.iter().map(|(stored, _)| stored.proofs()).collect();
    let may = policy.is_met(|authority, says| {
        let good = world.known.iter().filter(|known| known.signer == authority.signer && known.says == says);
        let good: Vec<&Proofs> = good.filter_map(|known| known.proofs.as_ref()).collect();
        proofs.iter().any(|proofs| proofs.are_among(&good, authority.log, authority.time))
    });
    assert!(may || !must, "what must be admitted may be");
    let found = found(&items);
    let names = || things.iter().map(|(_, known)| known.name.as_str()).collect::<Vec<_>>();
    let codes = world.runtime.block_on(ask(world, policy, found));
    assert!(!codes.contains(&"INTERNAL_ERROR"), "{codes:?}");
    assert!(may || !codes.is_empty(), "admitted without good signatures: {:?}", names());
    assert!(!must || codes.is_empty(), "good signatures are there, and it is refused: {codes:?}, {:?}", names());
}

fn found(items: &[Item]) -> Vec<Evidence> {
    let cause = || Unavailable::RegistryTimeout { host: "registry.example".to_owned(), what: "referrers".to_owned() };
    let found = items.iter().enumerate().map(|(layer, item)| match item {
        Item::Thing(stored, _) => {
            let (place, content) = (stored.place(), stored.content());
            let origin = Origin { place, manifest: Digest::of(b"manifest"), layer };
            Evidence::Candidate(Candidate { origin, blob: Digest::of(content.bytes()), content }, Held::default())
        }
        Item::Unread => Evidence::Unread { place: Place::ReferrersApi, cause: cause() },
        Item::TooMany => Evidence::TooMany { limit: MOST },
    });
    found.collect()
}

/// The codes of what speaks against the image.
async fn ask(world: &World, policy: &Policy, found: Vec<Evidence>) -> Vec<&'static str> {
    let policies = PolicyCell::default();
    policies.store(PolicySet::new(vec![policy.entry.clone()], BTreeMap::from([("shop".to_owned(), BTreeMap::new())])));
    let engine = Engine::new(Store(found), Nobody, policies, world.roots.clone(), Defaults::default());
    let question = Question {
        namespace: "shop".to_owned(),
        images: vec![format!("{IMAGE}:v1")],
        context: PullContext { namespace: "shop".to_owned(), ..PullContext::default() },
        deadline: Instant::now() + Duration::from_secs(9),
        now: Timestamp::from_second(NOW).expect("a time"),
    };
    let verdicts = engine.verify(&question).await;
    let verdict = verdicts.first().expect("one image, one verdict");
    let codes: Vec<_> = verdict.findings(Mode::Enforce).iter().map(|(_, finding)| finding.code()).collect();
    let is_pinned = verdict.pin() == Some(&Digest::of(MANIFEST));
    assert_eq!(is_pinned, codes.is_empty(), "{codes:?}");
    codes
}

/// A registry with one image.
struct Store(Vec<Evidence>);

impl Registry for Store {
    async fn resolve(&self, image: &ImageReference, _access: &Access) -> Result<PinnedImage, Fault> {
        Ok(image.pin(MANIFEST))
    }

    async fn exists(&self, _image: &PinnedImage, _access: &Access) -> Result<bool, Unavailable> {
        Ok(true)
    }

    fn evidence<'a>(
        &'a self,
        _image: &'a PinnedImage,
        _at: &'a Repository,
        _scope: Scope,
        _access: &'a Access,
    ) -> BoxStream<'a, Evidence> {
        stream::iter(self.0.clone()).boxed()
    }
}

struct Nobody;

impl Keychain for Nobody {
    async fn access(&self, _repository: &Repository, _context: &PullContext) -> Access {
        Access::default()
    }
}
