//! With an authority for clients, only those who show a certificate by it get an answer.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sealgate::server::{ClientAuthority, ClientAuthorityError, Settings};
use tokio::sync::watch;

use super::client::{Client, Running, post, start};
use super::{Echo, settings};

/// An authority, and the certificates that it gives out.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
#[derive(Clone)]
struct Identity(CertificateDer<'static>, Vec<u8>);

impl Authority {
    fn new(name: &str) -> Self {
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn client(&self, name: &str) -> Identity {
        self.identity(name, |_| {})
    }

    fn identity(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity(certificate.der().clone(), key.serialize_der())
    }

    fn accepted(&self, names: &[&str]) -> ClientAuthority {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        ClientAuthority::from_pem(self.pem.as_bytes(), &names).unwrap()
    }
}

async fn serve(authority: ClientAuthority) -> (Running, watch::Sender<ClientAuthority>) {
    let (sender, clients) = watch::channel(authority);
    (start(Echo::default(), Settings { clients: Some(clients), ..settings() }).await, sender)
}

fn config(server: &Running, identity: Option<Identity>) -> ClientConfig {
    let config = server.client_config();
    match identity {
        None => config.with_no_client_auth(),
        Some(Identity(certificate, key)) => {
            let key = PrivateKeyDer::try_from(key).unwrap();
            config.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    }
}

/// The status of the answer, if there is one.
async fn answer(server: &Running, config: ClientConfig) -> Option<u16> {
    // Where the server says no at once, the client sees it in the handshake, else when it reads.
    let mut client: Client = server.try_connect_with([127, 0, 0, 1], config).await.ok()?;
    client.send(&post("/validate", b"{}")).await;
    Some(client.response().await?.status)
}

async fn asked(server: &Running, identity: Identity) -> Option<u16> {
    answer(server, config(server, Some(identity))).await
}

#[tokio::test]
async fn net_16_without_a_certificate_by_the_authority_nobody_gets_an_answer() {
    let (authority, stranger) = (Authority::new("clients"), Authority::new("clients"));
    let (server, _sender) = serve(authority.accepted(&[])).await;
    assert_eq!(asked(&server, authority.client("kube-apiserver")).await, Some(200));
    assert_eq!(answer(&server, config(&server, None)).await, None, "no certificate");
    for (what, identity) in [
        ("another authority of the same name", stranger.client("kube-apiserver")),
        (
            "a certificate for servers",
            authority.identity("kube-apiserver", |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
        ),
        (
            "a certificate that has expired",
            authority.identity("kube-apiserver", |params| params.not_after = date_time_ymd(2020, 1, 1)),
        ),
    ] {
        assert_eq!(asked(&server, identity).await, None, "{what}");
    }
    assert!(server.metrics.render().contains("cause=\"client-certificate\""));
    let open = start(Echo::default(), settings()).await;
    assert_eq!(answer(&open, config(&open, None)).await, Some(200), "without the setting anybody may ask");
}

#[tokio::test]
async fn net_16_of_an_authority_that_many_have_certificates_of_only_these_names_count() {
    let authority = Authority::new("cluster");
    let (server, _sender) = serve(authority.accepted(&["webhook-client", "kube-apiserver"])).await;
    for name in ["webhook-client", "kube-apiserver"] {
        assert_eq!(asked(&server, authority.client(name)).await, Some(200), "{name}");
    }
    for name in ["kube-apiserve", "kube-apiserver2", "KUBE-APISERVER", "system:node:a", ""] {
        assert_eq!(asked(&server, authority.client(name)).await, None, "{name}");
    }
    let two = authority.identity("kube-apiserver", |params| {
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "system:node:a");
    });
    assert_eq!(asked(&server, two).await, None, "two names");
}

#[tokio::test]
async fn net_16_a_changed_authority_counts_from_the_next_connection_on_and_ends_old_sessions() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (server, sender) = serve(old.accepted(&[])).await;
    // One configuration keeps the session of the connection before.
    let keeps_sessions = config(&server, Some(old.client("kube-apiserver")));
    assert_eq!(answer(&server, keeps_sessions.clone()).await, Some(200));
    assert_eq!(answer(&server, keeps_sessions.clone()).await, Some(200));
    sender.send_replace(new.accepted(&[]));
    assert_eq!(answer(&server, keeps_sessions).await, None);
    assert_eq!(asked(&server, new.client("kube-apiserver")).await, Some(200));
}

#[test]
fn net_16_files_that_name_no_authority_are_refused_with_the_reason() {
    let authority = Authority::new("clients");
    let both = [authority.pem.clone(), Authority::new("others").pem].concat();
    assert!(ClientAuthority::from_pem(both.as_bytes(), &[]).is_ok());
    let refused = |pem: &str| ClientAuthority::from_pem(pem.as_bytes(), &[]).unwrap_err();
    assert_eq!(refused(""), ClientAuthorityError::Empty);
    assert_eq!(refused("no PEM"), ClientAuthorityError::Empty);
    let cut = &authority.pem[..authority.pem.len() - 30];
    assert_eq!(refused(cut), ClientAuthorityError::Pem("a section has no end".into()));
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(
        refused(&[&authority.pem, garbage].concat()),
        ClientAuthorityError::Certificate { number: 2, .. }
    ));
}
