use std::io;
use std::net::SocketAddr;

use futures::future::{BoxFuture, FutureExt, ready};
use url::Url;

use super::*;
use crate::registry::Resolver;
use crate::registry::resolver::Reach;

#[derive(Clone, Copy)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(&self, _host: &str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        ready(Ok(Vec::new())).boxed()
    }
}

fn authority(host: &str) -> Authority {
    Authority::of(&Url::parse(&format!("https://{host}/")).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn net_18_connections_of_no_more_hosts_are_kept_than_the_limit_and_the_oldest_go_first() {
    let guard = Guard::new(Arc::new(Nowhere), Reach::Public);
    let roots = Arc::new(RootCertStore::empty());
    let clients = Clients::new(Template::new(&Settings::default(), roots, guard).unwrap());
    let is_kept = |host: &str| clients.hosts.lock().unwrap().contains_key(&authority(host));
    for number in 0..2 * IDLE_HOSTS {
        clients.of(&authority(&format!("r{number}.test"))).unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        clients.of(&authority("r0.test")).unwrap();
        assert!(is_kept("r0.test"), "it is in use");
    }
    assert_eq!(clients.hosts.lock().unwrap().len(), IDLE_HOSTS);
    assert!(!is_kept("r1.test"));
}
