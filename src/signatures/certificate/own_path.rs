//! The path from a signer's certificate to a root of an own PKI (RFC 5280, section 6), without a search: who presents a chain knows
//! its order.

use super::roots::Root;
use super::{Authority, Moment, Purpose, invalid};
use crate::domain::Rejection;
use crate::domain::text::foreign;

/// Most authorities between a signer and a root: as many as webpki follows.
const MAX_BETWEEN: usize = 6;

/// The certificates of a chain that hang together, and the roots that each of them hangs on.
pub(in crate::signatures) struct OwnPath<'r> {
    /// The signer's first, each certified by the next.
    certificates: Vec<Authority>,
    /// For each certificate, the roots that certified it.
    roots: Vec<Vec<&'r Root>>,
}

impl<'r> OwnPath<'r> {
    /// Follows a chain from the signer's certificate as long as each certificate is signed by the next one and is not there already.
    /// What stands behind is not looked at: chains may end in a root that nobody trusts, or needs. Fails where no root is reached.
    pub(super) fn new(leaf: &[u8], chain: &[Vec<u8>], roots: &'r [Root]) -> Result<Self, Rejection> {
        let leaf = Authority::read(leaf).ok_or_else(|| invalid("is larger than those of signers are"))?;
        let above = |it: &Authority| roots.iter().filter(|root| it.is_issued_by(&root.authority)).collect();
        let mut path = Self { roots: vec![above(&leaf)], certificates: vec![leaf] };
        for next in chain.iter().take(MAX_BETWEEN).map_while(|der| Authority::read(der)) {
            let is_issuer = path.certificates.last().is_some_and(|last| last.is_issued_by(&next));
            if !is_issuer || path.certificates.iter().any(|known| known.is(&next)) {
                break;
            }
            path.roots.push(above(&next));
            path.certificates.push(next);
        }
        if path.roots.iter().all(Vec::is_empty) { Err(no_root()) } else { Ok(path) }
    }

    /// The root at which the path ends at this moment, and how many authorities stand before it. Of several, the nearest:
    ///
    /// 1. the root is valid;
    /// 2. it may certify a signer below so many authorities;
    /// 3. so may each of them, and it is valid too.
    pub(super) fn at(&self, moment: Moment) -> Result<(&'r Root, usize), Rejection> {
        let mut problem = None;
        for (between, roots) in self.roots.iter().enumerate() {
            for root in roots {
                match self.check(root, between, moment) {
                    Ok(()) => return Ok((root, between)),
                    Err(found) => problem = problem.or(Some(found)),
                }
            }
        }
        Err(problem.unwrap_or_else(no_root))
    }

    fn check(&self, root: &Root, between: usize, moment: Moment) -> Result<(), Rejection> {
        // 1.
        let root = &root.authority;
        let valid = |authority: &Authority| moment.check(authority.not_before, authority.not_after);
        valid(root).map_err(|problem| Rejection::TrustRoot(foreign(&format!("the root {} {problem}", root.name()))))?;
        // 2. and 3.
        let authorities = self.certificates.iter().skip(1).take(between).chain([root]);
        for (below, authority) in authorities.enumerate() {
            let refused = |problem: &str| invalid(format!("is refused: the one of {} {problem}", authority.name()));
            authority.may_certify(below, Purpose::CodeSigning).map_err(refused)?;
            valid(authority).map_err(|problem| refused(&problem))?;
        }
        Ok(())
    }
}

fn no_root() -> Rejection {
    Rejection::TrustRoot(
        "no path leads from the signature's certificate to a root that the policy trusts; if it was signed by an \
         intermediate authority, the signature must carry that authority's certificate right behind its own, and each the one \
         above it"
            .to_owned(),
    )
}
