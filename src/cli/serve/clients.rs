//! `--client-ca`: the authorities of those who may connect, and a file that may change.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::server::ClientAuthority;

/// How often the file is read again.
const POLL: Duration = Duration::from_secs(2);
/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

#[derive(Debug, Args)]
#[group(skip)]
#[command(next_help_heading = "Who may post reviews")]
pub(super) struct Arguments {
    /// Demand a client certificate by one of the CAs in this PEM file, which may change; without it anybody may post reviews
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// Accept client certificates with this common name only; may be repeated
    #[arg(long, value_name = "NAME", requires = "client_ca")]
    client_name: Vec<String>,
}

/// Reads the file, and goes on reading it for as long as somebody wants to know.
pub(super) fn follow(arguments: Arguments) -> anyhow::Result<Option<watch::Receiver<ClientAuthority>>> {
    let Arguments { client_ca, client_name: names } = arguments;
    let Some(path) = client_ca else { return Ok(None) };
    let pem = read(&path).with_context(|| format!("{}: can't be read", path.display()))?;
    let authority = ClientAuthority::from_pem(&pem, &names).with_context(|| path.display().to_string())?;
    let (sender, receiver) = watch::channel(authority);
    tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            () = keep_reading(path, pem, names, &sender) => {}
        }
    });
    Ok(Some(receiver))
}

/// What can't be read or used leaves the last authorities in force.
async fn keep_reading(path: PathBuf, mut used: Vec<u8>, names: Vec<String>, sender: &watch::Sender<ClientAuthority>) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut complaint = String::new();
    loop {
        ticks.tick().await;
        let file = path.clone();
        let Ok(pem) = spawn_blocking(move || read(&file)).await else { return };
        let problem = match pem {
            Ok(pem) if pem == used => String::new(),
            Ok(pem) => match ClientAuthority::from_pem(&pem, &names) {
                Ok(authority) => {
                    info!(file = %path.display(), "client CA loaded");
                    used = pem;
                    sender.send_replace(authority);
                    String::new()
                }
                Err(problem) => problem.to_string(),
            },
            Err(error) => error.to_string(),
        };
        if !problem.is_empty() && problem != complaint {
            warn!(file = %path.display(), problem, "the changed client CA can't be used; the last one stays in force");
        }
        complaint = problem;
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE { Err(io::Error::other("larger than 1 MiB")) } else { Ok(bytes) }
}
