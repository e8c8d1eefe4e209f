//! Host names that lead where a test wants them to.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use sealgate::registry::Resolver;

/// A resolver that knows only what it was told. With a port in the address, `https://ghcr.io/` leads to that port.
#[derive(Clone, Debug, Default)]
pub struct Names {
    known: Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A name with its addresses.
    #[must_use]
    pub fn with(self, name: &str, addresses: &[SocketAddr]) -> Self {
        self.set(name, addresses);
        self
    }

    /// The name has these addresses from now on.
    pub fn set(&self, name: &str, addresses: &[SocketAddr]) {
        self.known.lock().unwrap().insert(name.to_owned(), addresses.to_vec());
    }

    /// What was asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Resolver for Names {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let found = self.known.lock().unwrap().get(host).cloned();
        async move { found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)) }.boxed()
    }
}
