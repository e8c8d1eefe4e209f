//! Real cosign signs in every form, against the Sigstore of the tests and a real registry, and says what it thinks of each
//! signature, as it is and after one change of the question. Whatever else verifies can be asked the same.
//!
//! ```ignore
//! let signed = cosign::signed();                     // made once for all tests; takes some half a minute
//! for case in &signed.cases {
//!     let answer = ask(&case.asked);                 // image, signer, log, predicate type, annotations
//!     assert_eq!(answer, case.cosign.accepted, "{}", case.name);
//!     for twin in &case.twins {
//!         assert_eq!(ask(&twin.asked), twin.cosign.accepted, "{}, {:?}", case.name, twin.change);
//!     }
//! }
//! signed.files;                                      // the same for files with a bundle beside them
//! signed.trusted_root();                             // of the instance that has signed, as JSON
//! ```

mod command;
mod files;
mod keys;
mod recipes;
mod registry;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use keys::KeyKind;
use recipes::{files, images};
use sealgate::signatures::TrustMaterial;
use serde_json::Value;
use world::World;

/// All that was signed, with what it was signed against, which goes on being served.
pub(crate) struct Signed {
    /// The signatures of images.
    pub(crate) cases: Vec<SignedCase>,
    /// The signatures of files.
    pub(crate) files: Vec<SignedFile>,
    world: World,
}

/// A signature, and what cosign says of it.
#[derive(Clone, Debug)]
pub(crate) struct SignedCase {
    /// For people.
    pub(crate) name: String,
    /// How it was made and stored.
    pub(crate) form: Form,
    /// The right question.
    pub(crate) asked: Asked,
    /// cosign's answer to it.
    pub(crate) cosign: Verdict,
    /// Why cosign refuses what it has signed itself, where it does.
    pub(crate) limit: Option<&'static str>,
    /// The same question with one change.
    pub(crate) twins: Vec<Twin>,
}

/// A question that should be answered with no.
#[derive(Clone, Debug)]
pub(crate) struct Twin {
    /// What was changed.
    pub(crate) change: Change,
    /// The question.
    pub(crate) asked: Asked,
    /// cosign's answer to it.
    pub(crate) cosign: Verdict,
}

/// The changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Change {
    /// All signatures were carried to another image of the repository.
    OtherImage,
    /// The same bundle is shown with another file.
    OtherFile,
    /// Another key of the same kind is demanded.
    OtherKey,
    /// Another identity of the same issuer is demanded.
    OtherIdentity,
    /// The same identity of another issuer is demanded.
    OtherIssuer,
    /// The certificate must come from another PKI.
    OtherRoot,
    /// Another predicate type is demanded.
    OtherType,
    /// An annotation must have another value.
    OtherAnnotation,
    /// A log is demanded, and there is no entry.
    LogDemanded,
}

/// How a signature was made and stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Where it lies.
    pub(crate) store: Store,
    /// The log that has an entry of it.
    pub(crate) log: Log,
    /// Whether it has a timestamp.
    pub(crate) timestamp: bool,
    /// Whether the registry has the referrers API.
    pub(crate) referrers_api: bool,
}

/// The places and shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// A layer at the tag `.sig` or `.att`.
    Tag,
    /// A layer in a referrer.
    LayerInReferrer,
    /// A bundle in a referrer.
    Bundle,
    /// A bundle in a file.
    File,
}

/// The logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    None,
    RekorV1,
    RekorV2,
}

/// A question: is this image signed so?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `host/repository@digest`
    pub(crate) image: String,
    /// By whom.
    pub(crate) signer: Signer,
    /// Whether an entry in a log is demanded.
    pub(crate) log_required: bool,
    /// What is attested; `None` asks for a signature.
    pub(crate) predicate: Option<Predicate>,
    /// Annotations that the signature must carry.
    pub(crate) annotations: Vec<(&'static str, &'static str)>,
}

/// By whom something must be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// The holder of a key (PEM).
    Key(String),
    /// An identity that the instance has certified.
    Keyless {
        /// The subject.
        identity: String,
        /// The issuer.
        issuer: String,
    },
    /// A name in an own PKI.
    Certificate {
        /// The root (PEM).
        root: String,
        /// The intermediates (PEM).
        intermediates: String,
        /// The subject.
        identity: String,
    },
}

/// A file that was signed, and what cosign says of it.
#[derive(Clone, Debug)]
pub(crate) struct SignedFile {
    /// For people.
    pub(crate) name: String,
    /// How it was signed.
    pub(crate) form: Form,
    /// What is attested; `None` for a signature.
    pub(crate) predicate: Option<Predicate>,
    /// The bundle.
    pub(crate) bundle: PathBuf,
    /// The right question. A log is demanded where the form has one.
    pub(crate) asked: AskedOfFile,
    /// cosign's answer to it.
    pub(crate) cosign: Verdict,
    /// The same question with one change.
    pub(crate) twins: Vec<TwinOfFile>,
}

/// A question about a file that should be answered with no.
#[derive(Clone, Debug)]
pub(crate) struct TwinOfFile {
    /// What was changed.
    pub(crate) change: Change,
    /// The question.
    pub(crate) asked: AskedOfFile,
    /// cosign's answer to it.
    pub(crate) cosign: Verdict,
}

/// A question: is this file signed so?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AskedOfFile {
    /// The file.
    pub(crate) artifact: PathBuf,
    /// By whom.
    pub(crate) signer: Signer,
}

/// A predicate type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Predicate {
    /// cosign's name for it.
    pub(crate) name: &'static str,
    /// The type itself.
    pub(crate) uri: &'static str,
}

/// What cosign answered.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// Whether it accepts.
    pub(crate) accepted: bool,
    /// How it was asked.
    pub(crate) command: String,
    /// What it said.
    pub(crate) output: String,
}

impl Signed {
    /// The `trusted_root.json` of the instance.
    pub(crate) fn trusted_root(&self) -> Value {
        self.world.service.sigstore.trusted_root().json()
    }

    /// The registries (host and port), in plain http.
    pub(crate) fn registries(&self) -> [&str; 2] {
        self.world.hosts()
    }
}

/// Everything signed, once for all tests.
pub(crate) fn signed() -> &'static Signed {
    static SIGNED: OnceLock<Signed> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let world = World::start();
        let cases = world::in_pairs(&images(), |recipe| world.make(recipe));
        let files = world::in_pairs(&files(), |recipe| world.make_file(recipe));
        Signed { cases, files, world }
    })
}

#[test]
fn cosign_accepts_what_it_signed_and_refuses_each_change() {
    let signed = signed();
    let mut wrong = Vec::new();
    for case in &signed.cases {
        if case.cosign.accepted != case.limit.is_none() {
            wrong.push(format!("{}\n{}\n{}", case.name, case.cosign.command, case.cosign.output));
        }
        for twin in case.twins.iter().filter(|twin| twin.cosign.accepted) {
            wrong.push(format!("{}, {:?}: accepted\n{}", case.name, twin.change, twin.cosign.command));
        }
    }
    for file in &signed.files {
        if !file.cosign.accepted {
            wrong.push(format!("{}\n{}\n{}", file.name, file.cosign.command, file.cosign.output));
        }
        for twin in file.twins.iter().filter(|twin| twin.cosign.accepted) {
            wrong.push(format!("{}, {:?}: accepted\n{}", file.name, twin.change, twin.cosign.command));
        }
    }
    assert!(wrong.is_empty(), "{} surprises:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_change_is_one_change() {
    let signed = signed();
    TrustMaterial::from_json(&signed.trusted_root().to_string()).unwrap();
    for SignedCase { name, asked, twins, .. } in &signed.cases {
        let registry = signed.registries().into_iter().find(|host| asked.image.starts_with(host));
        assert!(registry.is_some(), "{name}: {}", asked.image);
        assert!(twins.len() > 1, "{name}");
        for twin in twins {
            let other = &twin.asked;
            let same = [
                asked.image == other.image,
                asked.signer == other.signer,
                asked.log_required == other.log_required,
                asked.predicate == other.predicate,
                asked.annotations == other.annotations,
            ];
            assert_eq!(same.into_iter().filter(|same| !same).count(), 1, "{name}, {:?}", twin.change);
        }
    }
}

#[test]
fn bundles_of_files_are_bundles() {
    for SignedFile { name, form, predicate, bundle, asked, twins, .. } in &signed().files {
        let bundle: Value = serde_json::from_slice(&fs::read(bundle).unwrap()).unwrap();
        assert_eq!(bundle["dsseEnvelope"].is_object(), predicate.is_some(), "{name}");
        assert_eq!(bundle["messageSignature"].is_object(), predicate.is_none(), "{name}");
        let entries = &bundle["verificationMaterial"]["tlogEntries"];
        assert_eq!(entries.as_array().is_some_and(|entries| !entries.is_empty()), form.log != Log::None, "{name}");
        assert!(twins.iter().all(|twin| twin.asked != *asked), "{name}");
    }
}

#[test]
fn every_form_is_among_what_was_signed() {
    let cases = &signed().cases;
    let count = |fits: &dyn Fn(&SignedCase) -> bool| cases.iter().filter(|case| fits(case)).count();
    for store in [Store::Tag, Store::LayerInReferrer, Store::Bundle] {
        assert!(count(&|case| case.form.store == store) > 0, "{store:?}");
    }
    for log in [Log::None, Log::RekorV1, Log::RekorV2] {
        assert!(count(&|case| case.form.log == log) > 0, "{log:?}");
    }
    for kind in keys::KINDS {
        assert!(count(&|case| case.name.contains(KeyKind::name(kind))) > 1, "{kind:?}");
    }
    for referrers_api in [true, false] {
        assert!(count(&|case| case.form.referrers_api == referrers_api) > 3, "{referrers_api}");
    }
    let predicates: BTreeSet<_> = cases.iter().filter_map(|case| Some(case.asked.predicate?.name)).collect();
    assert_eq!(predicates.into_iter().collect::<Vec<_>>(), ["custom", "slsaprovenance1", "spdxjson"]);
}
