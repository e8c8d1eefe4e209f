//! The search for signatures: every place where they may lie, all at once, as one stream.
//!
//! | place | asked for | then | then |
//! |---|---|---|---|
//! | tag `sha256-<hex>.sig` | manifest | its simple signing layers | |
//! | tag `sha256-<hex>.att`, where attestations are looked for | manifest | its envelopes | |
//! | referrers API | pages of descriptors | each manifest | its layers |
//! | tag `sha256-<hex>` | index of descriptors | each manifest | its layers |
//!
//! A descriptor is fetched whatever it says about itself: cosign writes wrong artifact types into the index behind the tag. What a
//! referrer is, is read from its own manifest, and it counts only if its own `subject` is the image.
//!
//! "Not there" is only what a place itself says: the tag with 404, the referrers API by its first answer. Once a place has said that
//! it holds something, whatever keeps that from being read leaves it unknown: a later page that fails or comes again, a listed
//! manifest or blob that is gone.
//!
//! Each answer is read in a task of its own: what has been read in part always goes on, whoever waits for what, and gives its room
//! back. A stream inside another is not polled while the other is full, and none is while a signature is verified.
//!
//! Junk in one place does not keep what lies in another from being looked at: the tags and the referrers share the candidates, and
//! the API and the tag behind which referrers are listed share what is looked into.
//!
//! Where only signatures are looked for, a bundle that is too large for one, in a referrer that says that it states something
//! else, is left out: an SBOM of many MiB beside an image does not make "not signed" into "could not find out". Whoever could
//! say so falsely could as well take the signature away.

use std::collections::HashSet;
use std::sync::Arc;

use futures::stream::{self, BoxStream, Stream, StreamExt};
use url::Url;

use crate::domain::{Digest, Unavailable};
use crate::verifier::ports::{Candidate, Evidence, Held, IMAGE_SIGNATURE, Origin, Place, Scope, UntrustedContent};

use super::failure::protocol;
use super::fair;
use super::manifest::{Descriptor, INDEX_TYPE, Manifest};
use super::session::{Session, Wanted};
use super::task::in_task;

const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Versions 0.1 and 0.2 go on with `+json;version=`, 0.3 with `.v0.3+json`. Versions to come are handed on too, so that the
/// verifier says that it does not know them.
const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// First answers of a registry without the referrers API.
const REFERRERS_UNSUPPORTED: &[u16] = &[400, 404, 405, 501];

const SIGNATURE_TAG: &str = "the signature tag";
const ATTESTATION_TAG: &str = "the attestation tag";
const SIGNATURE: &str = "a signature";
const ATTESTATION: &str = "a signature or an attestation (limits.attestationBytes says how much)";
const REFERRERS: &str = "the referrers";
const REFERRERS_TAG: &str = "the referrers tag";
const REFERRER: &str = "a referrer";

/// A layer that claims to hold a signature.
#[derive(Debug)]
struct Layer {
    origin: Origin,
    descriptor: Descriptor,
    form: Form,
    /// The memory of the list that it is of.
    list: Held,
}

/// What one of the places for referrers lists.
struct Listed {
    place: Place,
    descriptor: Descriptor,
    /// The memory of the list that it is of.
    list: Held,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    SimpleSigning,
    Envelope,
    Bundle,
}

/// Something to look into, or what to say instead.
type Step<T> = Result<T, Box<Evidence>>;

/// Everything that may be a signature of `subject` in the session's repository, as it arrives.
pub(super) fn search(session: Session, subject: Digest, scope: Scope) -> BoxStream<'static, Evidence> {
    let session = Arc::new(session);
    let (candidates, concurrency) = (session.limits().candidates, session.limits().concurrency);
    let mut places = vec![tagged(session.clone(), subject, Tagged::Signatures)];
    if scope == Scope::Attestations {
        places.push(tagged(session.clone(), subject, Tagged::Attestations));
    }
    places.push(referrers(session.clone(), subject, scope));
    let excess = move || Box::new(Evidence::TooMany { limit: candidates });
    fair::share(candidates, places, |_| None::<Digest>, excess)
        .map(move |layer| in_task(fetch(session.clone(), layer, scope)))
        .buffer_unordered(concurrency)
        .boxed()
}

/// A tag behind which cosign keeps layers.
#[derive(Clone, Copy)]
enum Tagged {
    /// `sha256-<hex>.sig`
    Signatures,
    /// `sha256-<hex>.att`
    Attestations,
}

/// The layers behind a tag.
fn tagged(session: Arc<Session>, subject: Digest, tagged: Tagged) -> BoxStream<'static, Step<Layer>> {
    let (place, suffix, what) = match tagged {
        Tagged::Signatures => (Place::LegacyTag, "sig", SIGNATURE_TAG),
        Tagged::Attestations => (Place::AttestationTag, "att", ATTESTATION_TAG),
    };
    let ask = async move {
        match session.manifest_of_tag(&format!("sha256-{}.{suffix}", subject.hex()), what).await {
            Ok(None) => Vec::new(),
            Ok(Some((Manifest::Image { layers, .. }, body))) => {
                signature_layers(&session, place, Digest::of(&body), layers)
            }
            Ok(Some((Manifest::Index { .. }, _))) => {
                vec![unread(place, protocol(&session.host(), what, "an index where a manifest was expected"))]
            }
            Err(cause) => vec![unread(place, cause)],
        }
    };
    stream::once(in_task(ask)).flat_map(stream::iter).boxed()
}

/// The layers of all referrers, from the API and from the tag, each referrer once.
fn referrers(session: Arc<Session>, subject: Digest, scope: Scope) -> BoxStream<'static, Step<Layer>> {
    let (candidates, concurrency) = (session.limits().candidates, session.limits().concurrency);
    let key = |listed: &Listed| listed.descriptor.digest().ok();
    let excess = move || Box::new(Evidence::TooMany { limit: candidates });
    let places = vec![api(session.clone(), subject).boxed(), tag(session.clone(), subject).boxed()];
    fair::share(candidates, places, key, excess)
        .map(move |step| in_task(look_into(session.clone(), subject, scope, step)))
        .buffer_unordered(concurrency)
        .flat_map(stream::iter)
        .boxed()
}

/// What the referrers API lists, page by page.
fn api(session: Arc<Session>, subject: Digest) -> impl Stream<Item = Step<Listed>> + Send {
    let first = session.url(&format!("referrers/{subject}"));
    let pages = stream::unfold((first.map(Some), Read::default()), move |(next, mut read): (_, Read)| {
        let session = session.clone();
        async move {
            let url = match next {
                Ok(Some(url)) => url,
                Ok(None) => return None,
                Err(cause) => return Some((vec![unread(Place::ReferrersApi, cause)], (Ok(None), read))),
            };
            if read.urls.len() >= session.limits().referrers_pages && !read.urls.contains(&url) {
                return Some((
                    vec![Err(Box::new(Evidence::TooMany { limit: session.limits().candidates }))],
                    (Ok(None), read),
                ));
            }
            let page = in_task(async move {
                let page = page(&session, &url, &mut read).await;
                let (descriptors, next) = page.unwrap_or_else(|cause| (Vec::new(), Err(cause)));
                (listed(&session, Place::ReferrersApi, descriptors), (next, read))
            });
            Some(page.await)
        }
    });
    pages.flat_map(stream::iter)
}

/// The pages that were read: where they are, and what was there. One that comes again stands in the place of another.
#[derive(Default)]
struct Read {
    urls: HashSet<Url>,
    contents: HashSet<Digest>,
}

/// One page: its descriptors, and where the next one is, or what is wrong with that. Only the first one may say that there is no
/// such API.
async fn page(
    session: &Session,
    url: &Url,
    read: &mut Read,
) -> Result<(Vec<Descriptor>, Result<Option<Url>, Unavailable>), Unavailable> {
    let limit = session.limits().referrers_page_bytes;
    let refuse = |problem: String| protocol(&session.host(), REFERRERS, problem);
    let absent = if read.urls.is_empty() { REFERRERS_UNSUPPORTED } else { &[] };
    if !read.urls.insert(url.clone()) {
        return Err(refuse("the next page is one that was read before".to_owned()));
    }
    let wanted = Wanted { url: url.clone(), accept: INDEX_TYPE, limit, what: REFERRERS, absent };
    let Some(document) = session.fetch(wanted).await? else {
        return Ok((Vec::new(), Ok(None)));
    };
    if !read.contents.insert(Digest::of(&document.body.bytes)) {
        return Err(refuse("the next page is the same as one before".to_owned()));
    }
    let manifest = Manifest::parse(document.content_type.as_deref(), &document.body.bytes)
        .map_err(|unfit| unfit.of(&session.host(), REFERRERS))?;
    let Manifest::Index { manifests } = manifest else {
        return Err(refuse("a manifest where an index was expected".to_owned()));
    };
    let next = match document.next {
        Err(problem) => Err(refuse(problem.to_owned())),
        Ok(None) => Ok(None),
        Ok(Some(link)) => match url.join(&link) {
            // Same scheme, host, port and path: only the query moves on.
            Ok(next) if next.origin() == url.origin() && next.path() == url.path() && next.username().is_empty() => {
                Ok(Some(next))
            }
            _ => Err(refuse("the next page is said to be elsewhere".to_owned())),
        },
    };
    Ok((manifests, next))
}

/// What the index behind the tag `sha256-<hex>` lists.
fn tag(session: Arc<Session>, subject: Digest) -> impl Stream<Item = Step<Listed>> + Send {
    let place = Place::FallbackTag;
    let ask = async move {
        match session.manifest_of_tag(&format!("sha256-{}", subject.hex()), REFERRERS_TAG).await {
            Ok(None) => Vec::new(),
            Ok(Some((Manifest::Index { manifests }, _))) => listed(&session, place, manifests),
            Ok(Some((Manifest::Image { .. }, _))) => {
                vec![unread(place, protocol(&session.host(), REFERRERS_TAG, "a manifest where an index was expected"))]
            }
            Err(cause) => vec![unread(place, cause)],
        }
    };
    stream::once(in_task(ask)).flat_map(stream::iter)
}

/// What a place lists, with its memory; without it, nothing of the list is looked at. Of what a list says of a referrer its digest
/// and its size count.
fn listed(session: &Session, place: Place, mut descriptors: Vec<Descriptor>) -> Vec<Step<Listed>> {
    for descriptor in &mut descriptors {
        descriptor.annotations.clear();
    }
    match session.keep(descriptors.iter()) {
        Err(cause) => vec![unread(place, cause)],
        Ok(list) => {
            let listed = |descriptor| Ok(Listed { place, descriptor, list: list.clone() });
            descriptors.into_iter().map(listed).collect()
        }
    }
}

/// The signature layers of one referrer. One that is about another image has none.
async fn look_into(session: Arc<Session>, subject: Digest, scope: Scope, step: Step<Listed>) -> Vec<Step<Layer>> {
    let Listed { place, descriptor, list: _list } = match step {
        Ok(listed) => listed,
        Err(evidence) => return vec![Err(evidence)],
    };
    match session.manifest_of(&descriptor, REFERRER).await {
        Ok(Manifest::Image { subject: Some(about), mut layers, predicate_type }) if about.digest() == Ok(subject) => {
            let largest = session.limits().bundle_bytes;
            if scope == Scope::Signatures && predicate_type.is_some_and(|stated| stated != IMAGE_SIGNATURE) {
                layers.retain(|layer| layer.size <= largest);
            }
            match descriptor.digest() {
                Ok(manifest) => signature_layers(&session, place, manifest, layers),
                Err(_) => Vec::new(),
            }
        }
        Ok(_) => Vec::new(),
        Err(cause) => vec![unread(place, cause)],
    }
}

/// The layers that claim to hold a signature, with their memory; without it, none of them is looked at.
fn signature_layers(session: &Session, place: Place, manifest: Digest, layers: Vec<Descriptor>) -> Vec<Step<Layer>> {
    let form = |descriptor: &Descriptor| match descriptor.media_type.as_str() {
        SIMPLE_SIGNING => Some(Form::SimpleSigning),
        ENVELOPE if place == Place::AttestationTag => Some(Form::Envelope),
        bundle if bundle.starts_with(BUNDLE_PREFIX) => Some(Form::Bundle),
        _ => None,
    };
    let found: Vec<_> = layers
        .into_iter()
        .enumerate()
        .filter_map(|(layer, descriptor)| {
            let form = form(&descriptor)?;
            Some(Layer { origin: Origin { place, manifest, layer }, descriptor, form, list: Held::default() })
        })
        .collect();
    match session.keep(found.iter().map(|layer| &layer.descriptor)) {
        Ok(list) => found.into_iter().map(|layer| Ok(Layer { list: list.clone(), ..layer })).collect(),
        Err(cause) => vec![unread(place, cause)],
    }
}

/// A layer's content.
async fn fetch(session: Arc<Session>, step: Step<Layer>, scope: Scope) -> Evidence {
    let Layer { origin, descriptor, form, list } = match step {
        Ok(layer) => layer,
        Err(evidence) => return *evidence,
    };
    let (limit, what) = match form {
        Form::SimpleSigning => (session.limits().payload_bytes, SIGNATURE),
        Form::Bundle if scope == Scope::Signatures => (session.limits().bundle_bytes, SIGNATURE),
        Form::Bundle | Form::Envelope => (session.limits().attestation_bytes, ATTESTATION),
    };
    let place = origin.place;
    match session.blob(&descriptor, limit, what).await {
        Ok((bytes, held)) => {
            let blob = Digest::of(&bytes);
            let content = match form {
                Form::Bundle => UntrustedContent::Bundle(bytes),
                Form::Envelope => UntrustedContent::Envelope { envelope: bytes, annotations: descriptor.annotations },
                Form::SimpleSigning => {
                    UntrustedContent::SimpleSigning { payload: bytes, annotations: descriptor.annotations }
                }
            };
            Evidence::Candidate(Candidate { origin, blob, content }, Held::new((held, list)))
        }
        Err(cause) => Evidence::Unread { place, cause },
    }
}

fn unread<T>(place: Place, cause: Unavailable) -> Step<T> {
    Err(Box::new(Evidence::Unread { place, cause }))
}

#[cfg(test)]
mod tests;
