use super::*;

#[tokio::test]
async fn the_system_knows_its_own_name() {
    let resolver = SystemResolver::new().unwrap();
    let found = resolver.resolve("localhost").await.unwrap();
    assert!(!found.is_empty() && found.iter().all(|address| address.ip().is_loopback() && address.port() == 0));
    assert!(resolver.resolve("").await.is_err());
}
