//! `--client-ca`: what can't be used stops the start, and a file that changes is read again.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{USAGE, code, complaint, run};
use crate::support::builders::{Review, pod};
use crate::support::process::Launch;

/// How long a changed file may take to count.
const PATIENCE: Duration = Duration::from_secs(30);

fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A CA in PEM, and a client certificate by it with its key.
fn authority() -> (String, CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = || KeyPair::generate().unwrap();
    let (mut ca, ca_key) = (CertificateParams::default(), key());
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    let (mut client, client_key) = (CertificateParams::default(), key());
    client.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = client.signed_by(&client_key, &Issuer::new(ca, ca_key)).unwrap();
    (pem, certificate.der().clone(), PrivateKeyDer::try_from(client_key.serialize_der()).unwrap())
}

#[test]
fn net_16_a_client_ca_that_can_not_be_used_stops_the_start() {
    let folder = folder("client-ca-broken");
    let (policies, file) = (folder.join("policies"), folder.join("empty.crt"));
    fs::create_dir_all(&policies).unwrap();
    fs::write(&file, "").unwrap();
    let serve = |extra: &[&str]| {
        let address = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        run(&[&["serve", "--policies", policies.to_str().unwrap()], &address[..], extra].concat(), "")
    };
    for (file, expected) in
        [(file.to_str().unwrap(), "expected certificates in PEM, found none"), ("/nonexistent", "can't be read")]
    {
        let output = serve(&["--client-ca", file]);
        assert_eq!(code(&output), USAGE);
        assert!(complaint(&output).contains(&format!("{file}: {expected}")), "{}", complaint(&output));
    }
    let output = serve(&["--client-name", "kube-apiserver"]);
    assert_eq!(code(&output), USAGE, "names without a CA");
    assert!(complaint(&output).contains("--client-ca"), "{}", complaint(&output));
}

#[test]
fn net_16_a_client_ca_that_changes_is_read_again_and_one_that_breaks_stays_in_force() {
    let folder = folder("client-ca");
    let (file, [old, new]) = (folder.join("ca.crt"), [authority(), authority()]);
    fs::write(&file, &old.0).unwrap();
    let launch = Launch::new(env!("CARGO_BIN_EXE_sealgate"), folder.join("gate"), Vec::new());
    let mut gate = launch.arguments(&["--client-ca", file.to_str().unwrap()]).log_pipe().start();
    let mut log = BufReader::new(gate.log()).lines().map(Result::unwrap);
    let review = Review::create(&pod(&[("main", "registry.example/app:1")])).bytes();
    assert!(gate.ask("/validate", &review).is_err(), "without a certificate");
    gate.show(old.1.clone(), old.2.clone_key());
    assert!(gate.ask("/validate", &review).is_ok());

    fs::write(&file, &new.0).unwrap();
    let began = Instant::now();
    while gate.ask("/validate", &review).is_ok() {
        assert!(began.elapsed() < PATIENCE, "the old CA still counts");
    }
    gate.show(new.1, new.2);
    assert!(gate.ask("/validate", &review).is_ok());

    fs::write(&file, "what a mistake writes").unwrap();
    let told = log.find(|line| line.contains("the last one stays in force")).unwrap();
    assert!(told.contains("found none") && told.contains(file.to_str().unwrap()), "{told}");
    assert!(gate.ask("/validate", &review).is_ok());
    gate.show(old.1, old.2);
    assert!(gate.ask("/validate", &review).is_err(), "nor does it let in others");
}
