use super::{KeyError, PublicKey};

/// A key that cosign made; its fingerprint below was computed with openssl.
const PEM: &str = include_str!("../../../tests/fixtures/signatures/keys/accepted/p256.pem");

#[test]
fn a_key_says_its_algorithm_and_fingerprint() {
    let key = PublicKey::from_pem(PEM).unwrap();
    assert_eq!(key.to_string(), format!("ECDSA P-256 key SHA256:{}", key.hint()));
    assert_eq!(key.hint(), "XHgflxHyCMENrZTJ/DaK6ct6qoqdL2WZ1Ckl0Kb0btc=");
}

#[test]
fn blanks_and_line_lengths_do_not_matter() {
    let key = PublicKey::from_pem(PEM).unwrap();
    let body: String = PEM.lines().filter(|line| !line.starts_with("-----")).collect();
    let one_line = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----");
    for text in [format!("\n  {PEM}\n\n"), PEM.replace('\n', "\r\n"), one_line, PEM.replace('\n', "\n    ")] {
        assert_eq!(PublicKey::from_pem(&text).unwrap(), key);
    }
}

#[test]
fn what_is_not_one_public_key_is_refused_by_name() {
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    for (text, error) in [
        (String::new(), KeyError::Empty),
        (" \n\t".to_owned(), KeyError::Empty),
        ("k8s://cosign/key".to_owned(), KeyError::NotPem),
        (block("PRIVATE KEY"), KeyError::PrivateKey),
        (block("EC PRIVATE KEY"), KeyError::PrivateKey),
        (block("ENCRYPTED SIGSTORE PRIVATE KEY"), KeyError::PrivateKey),
        (format!("{PEM}{}", block("RSA PRIVATE KEY")), KeyError::PrivateKey),
        (block("CERTIFICATE"), KeyError::Certificate),
        (block("CERTIFICATE").repeat(2), KeyError::Certificate),
        (block("PGP PUBLIC KEY BLOCK"), KeyError::OtherBlock("PGP PUBLIC KEY BLOCK".to_owned())),
        (block("public key"), KeyError::OtherBlock("public key".to_owned())),
        (PEM.repeat(2), KeyError::SeveralBlocks(2)),
        (format!("# ours\n{PEM}"), KeyError::Junk),
        (format!("{PEM}# ours"), KeyError::Junk),
        (PEM.replace("-----END PUBLIC KEY-----", ""), KeyError::Malformed("the PEM block has no end")),
        (PEM.replacen('M', "!", 1), KeyError::Malformed("the PEM block is not base64")),
        (block("PUBLIC KEY"), KeyError::Malformed("it is no SubjectPublicKeyInfo")),
    ] {
        assert_eq!(PublicKey::from_pem(&text), Err(error), "{text}");
    }
}

#[test]
fn a_message_about_a_private_key_does_not_repeat_it() {
    let text = PEM.replace("PUBLIC KEY", "PRIVATE KEY");
    let message = PublicKey::from_pem(&text).unwrap_err().to_string();
    let body = PEM.lines().nth(1).unwrap();
    assert!(!message.contains(&body[..16]), "{message}");
}

#[test]
fn der_with_a_tail_is_refused() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let body: String = PEM.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut der = STANDARD.decode(body).unwrap();
    let pem = |der: &[u8]| format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", STANDARD.encode(der));
    assert!(PublicKey::from_pem(&pem(&der)).is_ok());
    der.push(0);
    assert_eq!(PublicKey::from_pem(&pem(&der)), Err(KeyError::Malformed("it is no SubjectPublicKeyInfo")));
}
