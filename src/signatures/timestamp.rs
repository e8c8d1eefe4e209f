//! Timestamps (RFC 3161): an authority of the trusted root says, in a signed message (CMS, RFC 5652), when it saw a signature.

mod authority;
mod token;

use jiff::Timestamp;

pub(super) use authority::TimestampAuthority;

use self::token::Token;
use crate::domain::Rejection;
use crate::domain::text::foreign;

/// Verifies the answer of a timestamp authority, or the token alone, beside a signature:
///
/// 1. it can be read, was granted, and is signed once ([`Token::read`]);
/// 2. it is about this signature;
/// 3. what is signed is that it is a timestamp, and this one ([`Token::check_attributes`]);
/// 4. its signer is an authority of the trusted root, whose very certificate the message names where it names one;
/// 5. the key of that certificate signed it;
/// 6. its time is not before 1970, and within a window of that authority. The same authority may be listed with several.
pub(super) fn verify(der: &[u8], signature: &[u8], authorities: &[TimestampAuthority]) -> Result<Timestamp, Rejection> {
    // 1.
    let token = Token::read(der).map_err(|problem| invalid(&problem))?;
    // 2.
    if !token.is_about(signature) {
        return Err(invalid("it is about another signature"));
    }
    // 3.
    token.check_attributes().map_err(invalid)?;
    // 4.
    let mut problem = "it is by no timestamp authority of the trusted root that can be used".to_owned();
    let named = authorities.iter().filter(|authority| authority.is_named_by(&token.signer));
    for authority in named {
        if !token.names_certificate(authority.der()) {
            "it names another certificate than that of its authority, or names it in a way that is not supported here"
                .clone_into(&mut problem);
            continue;
        }
        // 5.
        if !token.is_signed_by(authority) {
            "the key of the authority that it names did not sign it, or not by the algorithm that it says"
                .clone_into(&mut problem);
            continue;
        }
        // 6.
        if token.time >= Timestamp::UNIX_EPOCH && authority.counts_at(token.time) {
            return Ok(token.time);
        }
        problem = format!("it is of {}, when the trusted root does not trust the authority that made it", token.time);
    }
    Err(invalid(&problem))
}

/// Whether the `sigstore` crate can read a timestamp that was verified.
pub(super) fn is_known_to_crate(der: &[u8], authorities: &[TimestampAuthority]) -> bool {
    Token::read(der).is_ok_and(|token| {
        let mut named = authorities.iter().filter(|authority| authority.is_named_by(&token.signer));
        named.any(|authority| token.is_known_to_crate(authority))
    })
}

/// The rejection for a timestamp; the problem goes on from "a time beside the signature is refused:".
fn invalid(problem: &str) -> Rejection {
    Rejection::TimestampInvalid(foreign(problem))
}
