//! Proofs of certificate transparency inside a certificate (RFC 6962, sections 3.2 and 3.3), for the signatures that the crate
//! can't verify whole.

use ::sigstore::crypto::{Keyring, SigningScheme};
use ::sigstore::types::{Sha256Hash, SignatureBytes};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, OctetStringRef};
use x509_cert::der::{Decode, Encode};

/// The list of proofs in a certificate.
const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

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

/// Whether one of the logs has promised to list the certificate, at a time when its key was valid and that is not to come.
pub(super) fn is_promised(
    certificate: &[u8],
    issuer_spki: &[u8],
    keys: &[(SigningScheme, Keyring)],
    now: Timestamp,
) -> bool {
    let Ok(mut parsed) = Certificate::from_der(certificate) else { return false };
    let Some(extensions) = &mut parsed.tbs_certificate.extensions else { return false };
    let Some(at) = extensions.iter().position(|extension| extension.extn_id == SCT_LIST) else { return false };
    let list = extensions.remove(at).extn_value;
    let Ok(precertificate) = parsed.tbs_certificate.to_der() else { return false };
    let Ok(list) = OctetStringRef::from_der(list.as_bytes()) else { return false };
    let Some((proofs, [])) = take_prefixed::<2>(list.as_bytes()) else { return false };
    let issuer = Sha256::digest(issuer_spki);
    let mut rest = proofs;
    while let Some((one, after)) = take_prefixed::<2>(rest) {
        rest = after;
        if Proof::read(one).is_some_and(|proof| proof.holds(&precertificate, &issuer, keys, now)) {
            return true;
        }
    }
    false
}

/// Whether a proof in the certificate is of a time to come. The crate does not compare them with a clock.
pub(super) fn is_early(certificate: &[u8], now: Timestamp) -> bool {
    let Ok(parsed) = Certificate::from_der(certificate) else { return false };
    let extensions = parsed.tbs_certificate.extensions.unwrap_or_default();
    let Some(list) = extensions.iter().find(|extension| extension.extn_id == SCT_LIST) else { return false };
    let Ok(list) = OctetStringRef::from_der(list.extn_value.as_bytes()) else { return false };
    let Some((mut rest, _)) = take_prefixed::<2>(list.as_bytes()) else { return false };
    while let Some((one, after)) = take_prefixed::<2>(rest) {
        rest = after;
        if Proof::read(one).is_some_and(|proof| proof.time().is_none_or(|time| time > now)) {
            return true;
        }
    }
    false
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

    fn holds(&self, precertificate: &[u8], issuer: &[u8], keys: &[(SigningScheme, Keyring)], now: Timestamp) -> bool {
        let scheme = match self.algorithm {
            (4, 3) => SigningScheme::EcdsaP256Sha256,
            (5, 3) => SigningScheme::EcdsaP384Sha384,
            (4, 1) => SigningScheme::RsaPkcs1Sha256,
            _ => return false,
        };
        let (Some(time), Ok(log)) = (self.time().filter(|time| *time <= now), Sha256Hash::try_from(self.log)) else {
            return false;
        };
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
