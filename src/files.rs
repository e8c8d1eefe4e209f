//! `--policies PATH`: a folder (or one file) of policies, read as the API server and [`crate::api`] would read them.
//!
//! Read are `*.yaml`, `*.yml` and `*.json`, with one or more documents each, of three kinds: `ClusterSignaturePolicy`,
//! `TrustedRoot`, and `Namespace` for its labels; a `List` stands for its items. Anything else is an error, and so is a
//! policy or a trusted root that can't be used: there is no status that would tell. Names that begin with a dot are left out
//! (a mounted `ConfigMap` keeps its versions under such names), and so are folders.
//!
//! [`Watcher`] finds changes by reading again: no notification can be missed, and no time stamp can be too coarse. Knows no
//! clock; its caller polls.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::api;
use crate::domain::RootSource;
use crate::domain::name::{is_dns_label, is_dns_subdomain};
use crate::domain::text::{foreign, without_types};
use crate::policy::{Entry, History, Labels, PolicyError, PolicySet, Version};

/// Largest file that is read, in bytes: well above what a `ConfigMap` can hold.
const MAX_FILE: u64 = 4 << 20;
/// Most files of one folder.
const MAX_FILES: usize = 1000;
/// Most parser events that YAML aliases may add to one file.
const MAX_ALIAS_EVENTS: usize = 10_000;

/// Why policies could not be read. All of them stop a start. On a reload they leave the last good set in force, but for a
/// policy that can't be used: then its own last good version stays in force, and the others are as they are now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// A folder or file that can't be read.
    #[error("{}: can't be read: {problem}", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// More than is looked at.
    #[error("{}: more than {limit}", path.display())]
    TooLarge {
        /// The folder or file.
        path: PathBuf,
        /// The limit, with its unit.
        limit: String,
    },
    /// Not YAML or JSON, or YAML with duplicate keys, unknown tags or too many aliases.
    #[error("{}: not valid YAML: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        problem: String,
    },
    /// A document that is not one of the three kinds, or has no usable name.
    #[error("{at}: {problem}")]
    Document {
        /// Where it is.
        at: Position,
        /// What was expected and what was found.
        problem: String,
    },
    /// A policy that can't be used.
    #[error("{at}: policy {name}: {error}")]
    Policy {
        /// Where it is.
        at: Position,
        /// Its name.
        name: String,
        /// What is wrong, with the path of the field.
        error: PolicyError,
    },
    /// A trusted root that can't be used.
    #[error("{at}: trusted root {name}: {error}")]
    TrustedRoot {
        /// Where it is.
        at: Position,
        /// Its name.
        name: String,
        /// What is wrong, with the path of the field.
        error: PolicyError,
    },
    /// A second object of the same kind and name.
    #[error("{at}: {kind} {name} is also in {first}")]
    Duplicate {
        /// Where the second one is.
        at: Position,
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where the first one is.
        first: Box<Position>,
    },
}

/// A document in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub path: PathBuf,
    /// The document in it, from 1.
    pub document: usize,
    /// The item, from 1, where the document is a `List` as `kubectl get -o yaml` prints it.
    pub item: Option<usize>,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: document {}", self.path.display(), self.document)?;
        self.item.map_or(Ok(()), |item| write!(f, ", item {item}"))
    }
}

/// What the files say.
#[derive(Debug)]
pub struct Contents {
    /// The policies, with the labels of namespaces.
    pub policies: PolicySet,
    /// The trusted roots, by name.
    pub roots: BTreeMap<String, RootSource>,
    /// What is wrong with policies that can't be used: [`FilesError::Policy`]. None at a start.
    pub broken: Vec<FilesError>,
}

/// Reads all documents of a folder, or of one file.
pub fn load(path: &Path) -> Result<Contents, FilesError> {
    usable(parse(&read(path)?, &mut History::default())?)
}

/// Reads all documents of one file, whose content this is. `name` is for messages.
pub fn parse_file(name: &Path, content: &[u8]) -> Result<Contents, FilesError> {
    usable(parse(&[(name.to_owned(), content.to_vec())], &mut History::default())?)
}

fn usable(mut contents: Contents) -> Result<Contents, FilesError> {
    if contents.broken.is_empty() { Ok(contents) } else { Err(contents.broken.swap_remove(0)) }
}

/// Finds out when the policies have changed.
#[derive(Debug)]
pub struct Watcher {
    path: PathBuf,
    current: Reading,
    pending: Option<Reading>,
    history: History,
}

/// The files with their content, or why they can't be read.
type Reading = Result<Vec<(PathBuf, Vec<u8>)>, FilesError>;

impl Watcher {
    /// Reads the files for the first time.
    pub fn start(path: impl Into<PathBuf>) -> Result<(Self, Contents), FilesError> {
        let path = path.into();
        let current = read(&path)?;
        let mut history = History::default();
        let contents = usable(parse(&current, &mut history)?)?;
        Ok((Self { path, current: Ok(current), pending: None, history }, contents))
    }

    /// Reads again; to be called every two seconds or so. Answers when the content has changed and was then the same for two
    /// calls in a row, so that a file that is just being written is not taken for a shorter one. An error is answered once
    /// for each change, and the caller keeps what it has.
    pub fn poll(&mut self) -> Option<Result<Contents, FilesError>> {
        let reading = read(&self.path);
        if reading == self.current {
            self.pending = None;
            return None;
        }
        if self.pending.as_ref() != Some(&reading) {
            self.pending = Some(reading);
            return None;
        }
        self.pending = None;
        let answer = reading.as_ref().map_err(Clone::clone).and_then(|files| parse(files, &mut self.history));
        self.current = reading;
        Some(answer)
    }
}

fn read(path: &Path) -> Reading {
    let unreadable = |e: io::Error| FilesError::Unreadable { path: path.to_owned(), problem: e.to_string() };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![(path.to_owned(), read_file(path)?)]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if is_policy_file(&file) {
            files.push(file);
        }
    }
    if files.len() > MAX_FILES {
        return Err(FilesError::TooLarge { path: path.to_owned(), limit: format!("{MAX_FILES} files") });
    }
    files.sort();
    files.into_iter().map(|file| read_file(&file).map(|bytes| (file, bytes))).collect()
}

fn is_policy_file(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let known =
        path.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|known| e.eq_ignore_ascii_case(known)));
    // A link that leads nowhere is not a folder, and then fails to be read.
    known && !hidden && !path.is_dir()
}

fn read_file(path: &Path) -> Result<Vec<u8>, FilesError> {
    let unreadable = |e: io::Error| FilesError::Unreadable { path: path.to_owned(), problem: e.to_string() };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(FilesError::TooLarge { path: path.to_owned(), limit: format!("{} MiB", MAX_FILE >> 20) });
    }
    Ok(bytes)
}

/// `history` has the last good versions, which stay in force for policies that can't be used any more.
fn parse(files: &[(PathBuf, Vec<u8>)], history: &mut History) -> Result<Contents, FilesError> {
    let mut policies = BTreeMap::new();
    let mut roots = BTreeMap::new();
    let mut namespaces = BTreeMap::new();
    for (path, bytes) in files {
        for (at, document) in objects(path, bytes)? {
            match document {
                Value::Null => {}
                Value::Object(object) if is(&object, api::API_VERSION, api::KIND) => {
                    let (name, entry) = policy(&at, &object)?;
                    insert(&mut policies, api::KIND, name, at, entry)?;
                }
                Value::Object(object) if is(&object, api::API_VERSION, api::TRUSTED_ROOT_KIND) => {
                    let (name, source) = trusted_root(&at, &object)?;
                    insert(&mut roots, api::TRUSTED_ROOT_KIND, name, at, source)?;
                }
                Value::Object(object) if is(&object, "v1", "Namespace") => {
                    let name = name(&at, &object, is_dns_label)?;
                    let labels = labels(&at, &object)?;
                    insert(&mut namespaces, "Namespace", name, at, labels)?;
                }
                other => return Err(FilesError::Document { at, problem: not_ours(&other) }),
            }
        }
    }
    let problem = |(name, (at, entry)): (&String, &(Position, Entry))| {
        let error = entry.error()?.clone();
        Some(FilesError::Policy { at: at.clone(), name: name.clone(), error })
    };
    let broken = policies.iter().filter_map(problem).collect();
    history.retain(|name| policies.contains_key(name));
    let in_force = policies.into_values().map(|(_, entry)| history.take(Version::default(), entry)).collect();
    let labels = namespaces.into_iter().map(|(name, (_, labels))| (name, labels)).collect();
    let roots = roots.into_iter().map(|(name, (_, source))| (name, source)).collect();
    Ok(Contents { policies: PolicySet::new(in_force, labels), roots, broken })
}

/// The documents of a file, with the items of a `List` in its place.
fn objects(path: &Path, bytes: &[u8]) -> Result<Vec<(Position, Value)>, FilesError> {
    let mut objects = Vec::new();
    for (document, value) in (1..).zip(documents(path, bytes)?) {
        let at = |item| Position { path: path.to_owned(), document, item };
        match value {
            Value::Object(mut list) if is(&list, "v1", "List") => match list.remove("items") {
                Some(Value::Array(items)) => {
                    objects.extend((1..).zip(items).map(|(item, value)| (at(Some(item)), value)));
                }
                _ => return Err(FilesError::Document { at: at(None), problem: "items: expected a list".into() }),
            },
            value => objects.push((at(None), value)),
        }
    }
    Ok(objects)
}

fn documents(path: &Path, bytes: &[u8]) -> Result<Vec<Value>, FilesError> {
    let syntax = |problem: String| FilesError::Syntax { path: path.to_owned(), problem: foreign(&problem) };
    let text = str::from_utf8(bytes).map_err(|e| syntax(e.to_string()))?;
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_ALIAS_EVENTS },
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|e| syntax(e.to_string()))
}

fn is(object: &Map<String, Value>, api_version: &str, kind: &str) -> bool {
    let text = |field: &str| object.get(field).and_then(Value::as_str);
    text("apiVersion") == Some(api_version) && text("kind") == Some(kind)
}

fn not_ours(document: &Value) -> String {
    let text = |field: &str| foreign(document.get(field).and_then(Value::as_str).unwrap_or("none"));
    format!(
        "expected a {} or a {} ({}), or a Namespace (v1), found kind {} ({})",
        api::KIND,
        api::TRUSTED_ROOT_KIND,
        api::API_VERSION,
        text("kind"),
        text("apiVersion")
    )
}

fn policy(at: &Position, object: &Map<String, Value>) -> Result<(String, Entry), FilesError> {
    let (name, spec) = resource(at, object, "policy")?;
    let entry = api::compile(&name, spec);
    Ok((name, entry))
}

fn trusted_root(at: &Position, object: &Map<String, Value>) -> Result<(String, RootSource), FilesError> {
    let (name, spec) = resource(at, object, "trusted root")?;
    match api::compile_root(&name, spec).source {
        Err(error) => Err(FilesError::TrustedRoot { at: at.clone(), name, error }),
        Ok(source) => Ok((name, source)),
    }
}

/// The name and the spec of one of our own kinds.
fn resource<'a>(at: &Position, object: &'a Map<String, Value>, what: &str) -> Result<(String, &'a Value), FilesError> {
    let name = name(at, object, is_dns_subdomain)?;
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    if let Some(field) = object.keys().find(|field| !known.contains(&field.as_str())) {
        let problem = format!("{what} {name}: unknown field {}", foreign(field));
        return Err(FilesError::Document { at: at.clone(), problem });
    }
    Ok((name, object.get("spec").unwrap_or(&Value::Null)))
}

fn name(at: &Position, object: &Map<String, Value>, valid: fn(&str) -> bool) -> Result<String, FilesError> {
    let fail = |problem: String| Err(FilesError::Document { at: at.clone(), problem });
    match object.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Value::as_str) {
        None => fail("metadata.name: is required".into()),
        Some(name) if !valid(name) => fail(format!("metadata.name: \"{}\" is not a valid name", foreign(name))),
        Some(name) => Ok(name.to_owned()),
    }
}

fn labels(at: &Position, object: &Map<String, Value>) -> Result<Labels, FilesError> {
    let labels = object.get("metadata").and_then(|metadata| metadata.get("labels")).filter(|v| !v.is_null());
    labels.map_or(Ok(Labels::new()), Labels::deserialize).map_err(|e| {
        let problem = format!("metadata.labels: {}", foreign(&without_types(&e.to_string())));
        FilesError::Document { at: at.clone(), problem }
    })
}

fn insert<T>(
    objects: &mut BTreeMap<String, (Position, T)>,
    kind: &'static str,
    name: String,
    at: Position,
    object: T,
) -> Result<(), FilesError> {
    match objects.entry(name) {
        Slot::Vacant(slot) => {
            slot.insert((at, object));
            Ok(())
        }
        Slot::Occupied(slot) => {
            Err(FilesError::Duplicate { at, kind, name: slot.key().clone(), first: Box::new(slot.get().0.clone()) })
        }
    }
}
