//! Which token servers may be asked on behalf of a registry.
//!
//! A registry names its token server in a header. The server gets the registry's credentials, so it must be of the same house:
//! the same host, a host under the same domain, one that is known to belong to it, or one that the admin named.

use std::net::IpAddr;

use url::Url;

use super::transport::Authority;

/// Token servers of public registries that lie under another domain.
const KNOWN: [(&str, &str); 3] =
    [("registry-1.docker.io", "auth.docker.io"), ("registry.gitlab.com", "gitlab.com"), ("lscr.io", "ghcr.io")];
/// Second-level labels under which countries register domains, as in `example.co.uk`.
const SECOND_LEVEL: [&str; 9] = ["ac", "co", "com", "edu", "gov", "net", "or", "org", "ne"];

/// The URL of a token server that may be asked, or what is wrong with it.
pub(super) fn token_server(
    realm: &str,
    registry: &Authority,
    plain_http: bool,
    named: &[String],
) -> Result<Url, &'static str> {
    let url = Url::parse(realm).map_err(|_| "its address is no URL")?;
    let host = url.host_str().ok_or("its address has no host")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its address has a user name in it");
    }
    let same = Authority::of(&url).as_ref() == Some(registry);
    match url.scheme() {
        "https" => {}
        "http" if plain_http && same => {}
        _ => return Err("it does not speak https"),
    }
    let known = KNOWN.contains(&(registry.host(), host)) || named.iter().any(|name| name == host);
    if same || known || same_house(registry.host(), host) {
        Ok(url)
    } else {
        Err("it is not one of this registry's (tokenHosts names others)")
    }
}

/// Whether two hosts are the same, or lie under the same registered domain.
///
/// There is no list of public suffixes here. A registry can have the credentials that it was given anyway, by asking for them
/// itself; what must not be is that a header sends them to a stranger.
fn same_house(a: &str, b: &str) -> bool {
    let is_address = |host: &str| host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    a == b || (!is_address(a) && !is_address(b) && domain(a).is_some_and(|a| domain(b) == Some(a)))
}

/// The registered domain of a host: the last two labels, or three where the last two are like `co.uk`.
pub(super) fn domain(host: &str) -> Option<&str> {
    let labels: Vec<&str> = host.rsplitn(4, '.').collect();
    let wanted = match labels.as_slice() {
        [country, second, ..] if country.len() == 2 && SECOND_LEVEL.contains(second) => 3,
        _ => 2,
    };
    let domain: Vec<&str> = labels.into_iter().take(wanted).collect();
    if domain.len() < wanted {
        return None;
    }
    let length = domain.iter().map(|label| label.len()).sum::<usize>().saturating_add(wanted.saturating_sub(1));
    host.get(host.len().saturating_sub(length)..)
}

#[cfg(test)]
mod tests;
