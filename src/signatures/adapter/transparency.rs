//! Proofs of certificate transparency inside a certificate (RFC 6962, sections 3.2 and 3.3).

use ::sigstore::crypto::{Keyring, SigningScheme};
use ::sigstore::types::{Sha256Hash, SignatureBytes};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, OctetStringRef};
use x509_cert::der::{Decode, Encode};

/// The list of proofs in a certificate.
const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

/// How much earlier than its certificate a proof may be: authorities date a certificate from the moment at which they make it,
/// and clocks differ.
const MOST_EARLIER: SignedDuration = SignedDuration::from_hours(1);

/// One proof.
struct Proof<'a> {
    log: &'a [u8],
    /// Milliseconds since 1970.
    time: u64,
    extensions: &'a [u8],
    /// Hash and signature algorithm, as TLS numbers them.
    algorithm: (u8, u8),
    signature: &'a [u8],
}

/// Whether one of the logs has promised to list the certificate, at a time when its key was valid.
///
/// 1. The certificate has a list of proofs that can be read.
/// 2. None of them is of a time to come, and none is much older than the certificate: an old date is how somebody who has the
///    key of a retired log would use it.
/// 3. One of them is by a log that the trusted root names, within that log's window.
pub(super) fn check(
    certificate: &[u8],
    issuer_spki: &[u8],
    keys: &[(SigningScheme, Keyring)],
    now: Timestamp,
) -> Result<(), &'static str> {
    // 1.
    let (begin, precertificate, list) = parts(certificate).ok_or("it has no proof of certificate transparency")?;
    let list = OctetStringRef::from_der(&list).ok();
    let proofs = list.as_ref().and_then(|list| take_prefixed::<2>(list.as_bytes()));
    let Some((mut rest, [])) = proofs else { return Err("its proofs of certificate transparency can't be read") };
    let earliest = begin.saturating_sub(MOST_EARLIER).unwrap_or(Timestamp::MIN);
    let issuer = Sha256::digest(issuer_spki);
    let mut is_promised = false;
    while let Some((one, after)) = take_prefixed::<2>(rest) {
        rest = after;
        let Some(proof) = Proof::read(one) else { continue };
        // 2.
        if proof.time().is_none_or(|time| time > now) {
            return Err("it has a proof of certificate transparency of a time that is still to come");
        }
        if proof.time().is_none_or(|time| time < earliest) {
            return Err("it has a proof of certificate transparency that is older than the certificate itself");
        }
        // 3.
        is_promised |= proof.holds(&precertificate, &issuer, keys);
    }
    if is_promised {
        Ok(())
    } else {
        Err("no certificate transparency log that the trusted root names has promised to list it")
    }
}

/// When the certificate begins; itself without its proofs, as logs signed it; and the list of proofs.
fn parts(certificate: &[u8]) -> Option<(Timestamp, Vec<u8>, Vec<u8>)> {
    let mut certified = Certificate::from_der(certificate).ok()?.tbs_certificate;
    let begin = Timestamp::try_from(certified.validity.not_before.to_system_time()).ok()?;
    let extensions = certified.extensions.as_mut()?;
    let at = extensions.iter().position(|extension| extension.extn_id == SCT_LIST)?;
    let list = extensions.remove(at).extn_value.into_bytes();
    Some((begin, certified.to_der().ok()?, list))
}

impl<'a> Proof<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (log, rest) = rest.split_at_checked(32)?;
        let (time, rest) = rest.split_at_checked(8)?;
        let (extensions, rest) = take_prefixed::<2>(rest)?;
        let ([hash, signing], rest) = rest.split_first_chunk::<2>()?;
        let (signature, []) = take_prefixed::<2>(rest)? else { return None };
        let time = u64::from_be_bytes(time.try_into().ok()?);
        (*version == 0).then_some(Self { log, time, extensions, algorithm: (*hash, *signing), signature })
    }

    fn time(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(i64::try_from(self.time).ok()?).ok()
    }

    fn holds(&self, precertificate: &[u8], issuer: &[u8], keys: &[(SigningScheme, Keyring)]) -> bool {
        let scheme = match self.algorithm {
            (4, 3) => SigningScheme::EcdsaP256Sha256,
            (5, 3) => SigningScheme::EcdsaP384Sha384,
            (4, 1) => SigningScheme::RsaPkcs1Sha256,
            _ => return false,
        };
        let (Some(time), Ok(log)) = (self.time(), Sha256Hash::try_from(self.log)) else { return false };
        let mut keyrings = keys.iter().filter(|(other, _)| *other == scheme).map(|(_, keyring)| keyring);
        let Some(key) = keyrings.find_map(|keyring| keyring.key_at(&log, time)) else { return false };
        let Some(signed) = self.signed(precertificate, issuer) else { return false };
        key.verify(&signed, &SignatureBytes::from_bytes(self.signature)).is_ok()
    }

    /// What the log has signed: version, type, time, and the entry of a precertificate.
    fn signed(&self, precertificate: &[u8], issuer: &[u8]) -> Option<Vec<u8>> {
        let length = u32::try_from(precertificate.len()).ok()?.to_be_bytes();
        let extensions = u16::try_from(self.extensions.len()).ok()?.to_be_bytes();
        let mut signed = vec![0, 0];
        signed.extend(self.time.to_be_bytes());
        signed.extend([0, 1]);
        signed.extend(issuer);
        signed.extend(length.get(1..)?);
        signed.extend(precertificate);
        signed.extend(extensions);
        signed.extend(self.extensions);
        Some(signed)
    }
}

/// A part that begins with its length in `N` bytes, and what follows it.
fn take_prefixed<const N: usize>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<N>()?;
    let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    rest.split_at_checked(length)
}
