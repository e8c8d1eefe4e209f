//! The answer of a timestamp authority, as it is written: `TimeStampResp` with `TSTInfo` (RFC 3161, section 2.4.2) in `SignedData`
//! (RFC 5652, section 5). The certificates that it brings along are not read.

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use spki::der::asn1::{Any, AnyRef, ObjectIdentifier};
use spki::der::{Decode, Encode, Reader, SliceReader, Tag, TagNumber};
use spki::{AlgorithmIdentifierOwned, AlgorithmIdentifierRef};

use super::authority::TimestampAuthority;

/// Most bytes of an answer: several times what those with a whole chain of large certificates have.
const MAX_BYTES: usize = 32 * 1024;
/// Most members of a set in it.
const MAX_MEMBERS: usize = 32;
/// `granted` and `grantedWithMods`.
const GRANTED: [u8; 2] = [0, 1];

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// RFC 2634, section 5.4: the signer's certificate by its SHA-1.
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
/// RFC 5035, section 3: by another hash.
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ECDSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// The hashes that count, with the signature algorithms over them, RSA (RFC 8017, PKCS #1 v1.5) and ECDSA (RFC 5758).
const HASHES: [Hash; 3] = [
    Hash {
        id: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
        rsa: ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"),
        ecdsa: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
        algorithm: &SHA256,
    },
    Hash {
        id: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
        rsa: ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"),
        ecdsa: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
        algorithm: &SHA384,
    },
    Hash {
        id: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"),
        rsa: ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"),
        ecdsa: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"),
        algorithm: &SHA512,
    },
];

struct Hash {
    id: ObjectIdentifier,
    rsa: ObjectIdentifier,
    ecdsa: ObjectIdentifier,
    algorithm: &'static digest::Algorithm,
}

impl Hash {
    /// The one that an identifier names.
    fn named(identifier: &AlgorithmIdentifierRef<'_>) -> Option<&'static Self> {
        HASHES.iter().find(|hash| hash.id == identifier.oid)
    }

    fn of(&self, bytes: &[u8]) -> Vec<u8> {
        digest(self.algorithm, bytes).as_ref().to_vec()
    }
}

/// The kinds of keys that sign timestamps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rsa,
    Ecdsa,
}

impl Algorithm {
    /// The one that an identifier names, together with this hash or with none.
    fn named(identifier: ObjectIdentifier, hash: &Hash) -> Result<Self, &'static str> {
        let is = |kind, of: fn(&Hash) -> ObjectIdentifier| {
            identifier == kind || HASHES.iter().any(|hash| of(hash) == identifier)
        };
        let (algorithm, with_hash) = match () {
            () if is(RSA, |hash| hash.rsa) => (Self::Rsa, hash.rsa),
            () if is(ECDSA, |hash| hash.ecdsa) => (Self::Ecdsa, hash.ecdsa),
            () => return Err("it is signed by an algorithm that is not supported here"),
        };
        if [RSA, ECDSA, with_hash].contains(&identifier) {
            Ok(algorithm)
        } else {
            Err("its signature algorithm is over another hash than its digest algorithm")
        }
    }
}

/// Whom a token names as its signer.
pub(super) enum Signer<'a> {
    /// By the certificate: the DER of its issuer, and its serial number.
    Certificate {
        /// The name.
        issuer: &'a [u8],
        /// The content of the INTEGER.
        serial: &'a [u8],
    },
    /// By the identifier of the key.
    Key(&'a [u8]),
}

/// A timestamp that can be read. Nothing in it is proven.
pub(super) struct Token<'a> {
    /// When, as it says.
    pub(super) time: Timestamp,
    /// By whom, as it says.
    pub(super) signer: Signer<'a>,
    /// Whether its time, or the accuracy of that, has a fraction of a second.
    has_fraction: bool,
    imprint: (&'static Hash, &'a [u8]),
    /// The bytes of the `TSTInfo`.
    content: &'a [u8],
    hash: &'static Hash,
    algorithm: Algorithm,
    /// Each signed attribute: its bytes, its type, its values.
    attributes: Vec<(&'a [u8], ObjectIdentifier, &'a [u8])>,
    signature: &'a [u8],
}

impl<'a> Token<'a> {
    /// Reads the answer of an authority, or the token in it alone. What the problem says goes on from "it".
    ///
    /// 1. The answer is short, and the authority granted it.
    /// 2. It is a `SignedData` with a `TSTInfo` and exactly one signer, who signed attributes.
    /// 3. The `TSTInfo` is of the one known version, over a known hash, and has no critical extension.
    pub(super) fn read(der: &'a [u8]) -> Result<Self, String> {
        // 1.
        if der.len() > MAX_BYTES {
            return Err(format!("it has more than {} KiB", MAX_BYTES >> 10));
        }
        let malformed = |_: spki::der::Error| "it is no timestamp (RFC 3161)".to_owned();
        let outer = whole(der, Tag::Sequence).map_err(malformed)?;
        let token = match SliceReader::new(outer).and_then(|outer| outer.peek_tag()).map_err(malformed)? {
            Tag::Sequence => granted(outer)?,
            _ => outer,
        };
        // 2.
        let (content, signers) = signed_data(token).map_err(malformed)?;
        let info = Info::read(content).map_err(malformed)?;
        let [signer] = signers.as_slice() else {
            return Err(format!("it has {} signers, expected the authority alone", signers.len()));
        };
        let signer = SignerInfo::read(signer).map_err(malformed)?;
        let unsupported = |what: &str| format!("it is made with {what} that is not supported here");
        let hash = Hash::named(&signer.hash).ok_or_else(|| unsupported("a hash"))?;
        // 3.
        if info.version != 1 {
            return Err(format!("it is of the version {}, expected 1", info.version));
        }
        if info.has_critical_extension {
            return Err("it has a critical extension that is not known here".to_owned());
        }
        let imprint = Hash::named(&info.hash).ok_or_else(|| unsupported("a hash"))?;
        let (time, has_fraction) = generalized_time(info.time).ok_or("its time can't be read")?;
        let has_fraction = has_fraction || info.has_fine_accuracy;
        Ok(Self {
            time,
            signer: signer.signer,
            has_fraction,
            imprint: (imprint, info.imprint),
            content,
            hash,
            algorithm: Algorithm::named(signer.algorithm, hash)?,
            attributes: signer.attributes,
            signature: signer.signature,
        })
    }

    /// Whether its imprint is that of this signature.
    pub(super) fn is_about(&self, signature: &[u8]) -> bool {
        let (hash, imprint) = self.imprint;
        hash.of(signature) == imprint
    }

    /// What is signed is a timestamp, and the one that is there (RFC 5652, section 11):
    ///
    /// 1. no attribute occurs twice;
    /// 2. the content type is that of a timestamp;
    /// 3. the digest is that of this `TSTInfo`.
    pub(super) fn check_attributes(&self) -> Result<(), &'static str> {
        // 1.
        let mut types: Vec<_> = self.attributes.iter().map(|(_, kind, _)| kind).collect();
        types.sort_unstable();
        if types.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            return Err("it has a signed attribute twice");
        }
        // 2.
        let kind = self.attribute(CONTENT_TYPE).map(|value| ObjectIdentifier::from_der(value).ok());
        if kind != Some(Some(TST_INFO)) {
            return Err("what its authority signed does not say that it is a timestamp (content type)");
        }
        // 3.
        let signed = self.attribute(MESSAGE_DIGEST).and_then(|value| whole(value, Tag::OctetString).ok());
        if signed != Some(self.hash.of(self.content).as_slice()) {
            return Err("its authority signed another content (message digest)");
        }
        Ok(())
    }

    /// Whether the certificate (DER) is the one that the signed attributes name. Some name none: then the certificate is the one that the
    /// trusted root lists for that signer.
    pub(super) fn names_certificate(&self, der: &[u8]) -> bool {
        [SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2].into_iter().all(|kind| {
            let is_there = self.attributes.iter().any(|(_, other, _)| *other == kind);
            !is_there
                || self.attribute(kind).and_then(|value| certificate_hash(value, kind).ok()).is_some_and(|named| {
                    let (hash, expected) = named;
                    digest(hash, der).as_ref() == expected
                })
        })
    }

    /// Whether the key of the authority signed the attributes.
    pub(super) fn is_signed_by(&self, authority: &TimestampAuthority) -> bool {
        let Some(message) = self.signed_attributes() else { return false };
        let (oid, parameters) = match self.algorithm {
            Algorithm::Rsa => (self.hash.rsa, Some(Any::null())),
            Algorithm::Ecdsa => (self.hash.ecdsa, None),
        };
        let algorithm = AlgorithmIdentifierOwned { oid, parameters };
        authority.certificate().verifies(&algorithm, &message, self.signature)
    }

    /// The `sigstore` crate reads those without fractions, by ECDSA on P-256 and P-384 with SHA-256 and SHA-384, of authorities whose
    /// chain has an end that is a root to it.
    pub(super) fn is_known_to_crate(&self, authority: &TimestampAuthority) -> bool {
        !self.has_fraction && authority.is_known_to_crate() && self.hash.algorithm != &SHA512
    }

    /// The only value of an attribute.
    fn attribute(&self, kind: ObjectIdentifier) -> Option<&'a [u8]> {
        let (.., values) = self.attributes.iter().find(|(_, other, _)| *other == kind)?;
        let mut values = SliceReader::new(values).ok()?;
        let value = values.tlv_bytes().ok()?;
        values.is_finished().then_some(value)
    }

    /// The signed attributes as they were signed (RFC 5652, section 5.4): as a set of its own, in the order of DER.
    fn signed_attributes(&self) -> Option<Vec<u8>> {
        let mut members: Vec<&[u8]> = self.attributes.iter().map(|(der, ..)| *der).collect();
        members.sort_unstable();
        Any::new(Tag::Set, members.concat()).and_then(|set| set.to_der()).ok()
    }
}

/// The content of a `TSTInfo`.
struct Info<'a> {
    version: u8,
    hash: AlgorithmIdentifierRef<'a>,
    imprint: &'a [u8],
    time: &'a [u8],
    /// Whether its accuracy has milliseconds or microseconds.
    has_fine_accuracy: bool,
    has_critical_extension: bool,
}

impl<'a> Info<'a> {
    fn read(der: &'a [u8]) -> spki::der::Result<Self> {
        let mut info = SliceReader::new(whole(der, Tag::Sequence)?)?;
        let version = u8::decode(&mut info)?;
        let _policy = ObjectIdentifier::decode(&mut info)?;
        let mut imprint = SliceReader::new(content(&mut info, Tag::Sequence)?)?;
        let hash = AlgorithmIdentifierRef::decode(&mut imprint)?;
        let hashed = content(&mut imprint, Tag::OctetString)?;
        imprint.finish(())?;
        let _serial = content(&mut info, Tag::Integer)?;
        let time = content(&mut info, Tag::GeneralizedTime)?;
        let accuracy = members(optional(&mut info, Tag::Sequence)?.unwrap_or_default())?;
        let _ordering = optional(&mut info, Tag::Boolean)?;
        let _nonce = optional(&mut info, Tag::Integer)?;
        let _authority = optional(&mut info, context(TagNumber::N0))?;
        let extensions = optional(&mut info, context(TagNumber::N1))?;
        info.finish(())?;
        let has_critical_extension = match extensions {
            Some(extensions) => has_critical(extensions)?,
            None => false,
        };
        let has_fine_accuracy = accuracy.iter().any(|part| whole(part, Tag::Integer).is_err());
        Ok(Self { version, hash, imprint: hashed, time, has_fine_accuracy, has_critical_extension })
    }
}

/// Whether one of these extensions is critical. None is known for timestamps.
fn has_critical(extensions: &[u8]) -> spki::der::Result<bool> {
    for extension in members(extensions)? {
        let mut extension = SliceReader::new(whole(extension, Tag::Sequence)?)?;
        let _kind = ObjectIdentifier::decode(&mut extension)?;
        if extension.peek_tag()? == Tag::Boolean && bool::decode(&mut extension)? {
            return Ok(true);
        }
        content(&mut extension, Tag::OctetString)?;
        extension.finish(())?;
    }
    Ok(false)
}

/// What a signer says (RFC 5652, section 5.3).
struct SignerInfo<'a> {
    signer: Signer<'a>,
    hash: AlgorithmIdentifierRef<'a>,
    attributes: Vec<(&'a [u8], ObjectIdentifier, &'a [u8])>,
    algorithm: ObjectIdentifier,
    signature: &'a [u8],
}

impl<'a> SignerInfo<'a> {
    fn read(der: &'a [u8]) -> spki::der::Result<Self> {
        let mut info = SliceReader::new(whole(der, Tag::Sequence)?)?;
        let _version = u8::decode(&mut info)?;
        let signer = if info.peek_tag()? == Tag::Sequence {
            let mut named = SliceReader::new(content(&mut info, Tag::Sequence)?)?;
            let issuer = named.tlv_bytes()?;
            let serial = content(&mut named, Tag::Integer)?;
            named.finish(Signer::Certificate { issuer, serial })?
        } else {
            let key = Tag::ContextSpecific { constructed: false, number: TagNumber::N0 };
            Signer::Key(content(&mut info, key)?)
        };
        let hash = AlgorithmIdentifierRef::decode(&mut info)?;
        let attributes = members(content(&mut info, context(TagNumber::N0))?)?.into_iter().map(|der| {
            let mut attribute = SliceReader::new(whole(der, Tag::Sequence)?)?;
            let kind = ObjectIdentifier::decode(&mut attribute)?;
            let values = content(&mut attribute, Tag::Set)?;
            attribute.finish((der, kind, values))
        });
        let attributes = attributes.collect::<spki::der::Result<_>>()?;
        let algorithm = AlgorithmIdentifierRef::decode(&mut info)?.oid;
        let signature = content(&mut info, Tag::OctetString)?;
        if let Some(unsigned) = optional(&mut info, context(TagNumber::N1))? {
            members(unsigned)?;
        }
        info.finish(Self { signer, hash, attributes, algorithm, signature })
    }
}

/// The token in an answer (RFC 3161, section 2.4.2) that was granted.
fn granted(answer: &[u8]) -> Result<&[u8], String> {
    let read = || {
        let mut answer = SliceReader::new(answer)?;
        let mut status = SliceReader::new(content(&mut answer, Tag::Sequence)?)?;
        let status = u8::decode(&mut status)?;
        let token = optional(&mut answer, Tag::Sequence)?;
        answer.finish((status, token))
    };
    match read() {
        Ok((status, Some(token))) if GRANTED.contains(&status) => Ok(token),
        Ok((status, _)) if !GRANTED.contains(&status) => {
            Err(format!("its authority did not grant it (status {status})"))
        }
        Ok(_) => Err("it is the answer of an authority without a timestamp".to_owned()),
        Err(_) => Err("it is no timestamp (RFC 3161)".to_owned()),
    }
}

/// The `TSTInfo` in the content of a `ContentInfo`, and those who signed it.
fn signed_data(token: &[u8]) -> spki::der::Result<(&[u8], Vec<&[u8]>)> {
    let mut token = SliceReader::new(token)?;
    let kind = ObjectIdentifier::decode(&mut token)?;
    let inner = content(&mut token, context(TagNumber::N0))?;
    token.finish(())?;
    let mut data = SliceReader::new(whole(inner, Tag::Sequence)?)?;
    let _version = u8::decode(&mut data)?;
    members(content(&mut data, Tag::Set)?)?;
    let mut encapsulated = SliceReader::new(content(&mut data, Tag::Sequence)?)?;
    let content_kind = ObjectIdentifier::decode(&mut encapsulated)?;
    let info = whole(content(&mut encapsulated, context(TagNumber::N0))?, Tag::OctetString)?;
    encapsulated.finish(())?;
    // Certificates and revocation lists.
    for number in [TagNumber::N0, TagNumber::N1] {
        if let Some(brought) = optional(&mut data, context(number))? {
            members(brought)?;
        }
    }
    let signers = members(content(&mut data, Tag::Set)?)?;
    data.finish(())?;
    if (kind, content_kind) != (SIGNED_DATA, TST_INFO) {
        return Err(Tag::ObjectIdentifier.value_error());
    }
    Ok((info, signers))
}

/// The hash of the certificate that a `SigningCertificate` names first, which is the signer's, and the algorithm of the hash.
fn certificate_hash(value: &[u8], kind: ObjectIdentifier) -> spki::der::Result<(&'static digest::Algorithm, &[u8])> {
    let mut named = SliceReader::new(whole(value, Tag::Sequence)?)?;
    let mut certificates = SliceReader::new(content(&mut named, Tag::Sequence)?)?;
    let mut first = SliceReader::new(content(&mut certificates, Tag::Sequence)?)?;
    let mut algorithm = if kind == SIGNING_CERTIFICATE { &SHA1_FOR_LEGACY_USE_ONLY } else { &SHA256 };
    if kind == SIGNING_CERTIFICATE_V2 && first.peek_tag()? == Tag::Sequence {
        let hash = Hash::named(&AlgorithmIdentifierRef::decode(&mut first)?);
        algorithm = hash.ok_or_else(|| Tag::Sequence.value_error())?.algorithm;
    }
    Ok((algorithm, content(&mut first, Tag::OctetString)?))
}

/// A time in UTC, perhaps with a fraction of a second (RFC 3161, section 2.4.2), and whether it has one.
fn generalized_time(text: &[u8]) -> Option<(Timestamp, bool)> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (second, fraction) = text.split_once('.').map_or((text, None), |(second, fraction)| (second, Some(fraction)));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if second.len() != 14 || !is_number(second) || !fraction.is_none_or(|it| is_number(it) && it.len() <= 9) {
        return None;
    }
    let number = |from: usize, to: usize| second.get(from..to)?.parse::<i8>().ok();
    let nanosecond = format!("{:0<9}", fraction.unwrap_or_default()).parse().ok()?;
    let year = second.get(..4)?.parse().ok()?;
    let time =
        DateTime::new(year, number(4, 6)?, number(6, 8)?, number(8, 10)?, number(10, 12)?, number(12, 14)?, nanosecond);
    let time = time.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some((time, fraction.is_some()))
}

fn context(number: TagNumber) -> Tag {
    Tag::ContextSpecific { constructed: true, number }
}

/// The content of the next value, which has this tag.
fn content<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> spki::der::Result<&'a [u8]> {
    let value = AnyRef::decode(reader)?;
    if spki::der::Tagged::tag(&value) != tag {
        return Err(tag.value_error());
    }
    Ok(value.value())
}

/// The same where it may be missing.
fn optional<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> spki::der::Result<Option<&'a [u8]>> {
    if reader.is_finished() || reader.peek_tag()? != tag { Ok(None) } else { content(reader, tag).map(Some) }
}

/// The content of a value with this tag, after which nothing comes.
fn whole(der: &[u8], tag: Tag) -> spki::der::Result<&[u8]> {
    let mut reader = SliceReader::new(der)?;
    let value = content(&mut reader, tag)?;
    reader.finish(value)
}

/// The members of a set or sequence, as they are written.
fn members(content: &[u8]) -> spki::der::Result<Vec<&[u8]>> {
    let mut reader = SliceReader::new(content)?;
    let mut members = Vec::new();
    while !reader.is_finished() {
        if members.len() >= MAX_MEMBERS {
            return Err(Tag::Set.length_error());
        }
        members.push(reader.tlv_bytes()?);
    }
    Ok(members)
}
