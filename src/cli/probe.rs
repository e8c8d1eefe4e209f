//! `sealgate probe`: a container without a shell asks its own service.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use super::{ACCEPTED, REJECTED, UNDECIDED, output};
use crate::domain::text::foreign;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What to ask, such as `http://sealgate-metrics.sealgate.svc:8080/readyz`
    url: url::Url,
    /// Seconds to wait for the answer
    #[arg(long, default_value_t = 10)]
    timeout: u64,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let Arguments { url, timeout } = arguments;
    if url.scheme() != "http" {
        bail!("only http:// URLs can be probed, not {url}");
    }
    let client = reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .timeout(Duration::from_secs(timeout))
        .build()
        .context("the HTTP client does not start")?;
    let answer = match client.get(url.clone()).send().await {
        Ok(answer) => answer,
        Err(error) => {
            output::complain(&anyhow::Error::new(error).context(format!("no answer from {url}")));
            return Ok(UNDECIDED);
        }
    };
    let status = answer.status();
    let body = foreign(answer.text().await.unwrap_or_default().trim());
    output::line(&format!("{status}: {body}"))?;
    Ok(if status == http::StatusCode::OK { ACCEPTED } else { REJECTED })
}
