//! Tests of roots; certificates of signers are tested with whole signatures.

use super::*;

#[test]
fn pol_13_roots_are_certificates_of_authorities_and_nothing_else() {
    let refused = |pem: &str| CertificateRoots::from_pem(pem).unwrap_err();
    assert_eq!(refused(" \n"), RootsError::Empty);
    assert_eq!(refused("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----"), RootsError::PrivateKey);
    assert_eq!(refused("roots"), RootsError::Junk);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["signer.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    assert_eq!(refused(&leaf.pem()), RootsError::NotAnAuthority(1));
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = authority.self_signed(&key).unwrap().pem();
    assert!(CertificateRoots::from_pem(&authority).is_ok());
    assert_eq!(refused(&format!("{authority}{}", leaf.pem())), RootsError::NotAnAuthority(2));
    assert_eq!(refused(&format!("{authority}trailing")), RootsError::Junk);
}
