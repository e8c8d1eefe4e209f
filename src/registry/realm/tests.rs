use url::Url;

use super::super::transport::Authority;
use super::token_server;

fn authority(url: &str) -> Authority {
    Authority::of(&Url::parse(url).unwrap()).unwrap()
}

#[test]
fn net_03_only_token_servers_of_the_same_house_are_asked() {
    let accepted = [
        ("https://registry.example.com", "https://registry.example.com/token"),
        ("https://registry.example.com:5050", "https://registry.example.com/jwt/auth"),
        ("https://registry.example.com", "https://auth.example.com/token"),
        ("https://registry.gitlab.example.com", "https://gitlab.example.com/jwt/auth"),
        ("https://registry.example.co.uk", "https://auth.example.co.uk/token"),
        ("https://registry-1.docker.io", "https://auth.docker.io/token"),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth"),
        ("https://10.0.0.1:5000", "https://10.0.0.1/token"),
        ("https://registry.example.com", "https://token.named.test/token"),
    ];
    for (registry, realm) in accepted {
        let named = ["token.named.test".to_owned()];
        assert!(token_server(realm, &authority(registry), false, &named).is_ok(), "{registry} -> {realm}");
    }
    let refused = [
        ("https://registry.example.com", "https://evil.test/token"),
        ("https://registry.example.com", "https://registry.example.com.evil.test/token"),
        ("https://registry.example.com", "https://evilexample.com/token"),
        ("https://registry.example.co.uk", "https://evil.co.uk/token"),
        ("https://registry.example.com", "http://registry.example.com/token"),
        ("https://registry.example.com", "https://user:pass@registry.example.com/token"),
        ("https://registry.example.com", "https://169.254.169.254/token"),
        ("https://10.0.0.1", "https://10.0.0.2/token"),
        ("https://registry.example.com", "https://2130706433/token"),
        ("https://registry.example.com", "ftp://registry.example.com/token"),
        ("https://registry.example.com", "file:///etc/passwd"),
        ("https://registry.example.com", "/token"),
        ("https://registry.example.com", ""),
        ("https://localhost", "https://otherhost/token"),
    ];
    for (registry, realm) in refused {
        assert!(token_server(realm, &authority(registry), false, &[]).is_err(), "{registry} -> {realm}");
    }
}

#[test]
fn net_03_plain_http_token_servers_only_on_a_plain_http_registry_itself() {
    let registry = authority("http://registry.test:5000");
    assert!(token_server("http://registry.test:5000/token", &registry, true, &[]).is_ok());
    assert!(token_server("http://registry.test:5000/token", &registry, false, &[]).is_err());
    assert!(token_server("http://registry.test:5001/token", &registry, true, &[]).is_err());
    assert!(token_server("http://auth.registry.test/token", &registry, true, &[]).is_err());
}
