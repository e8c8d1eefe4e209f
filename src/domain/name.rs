//! Names as Kubernetes allows them (RFC 1123).

/// A DNS label, as namespaces are named: up to 63 of `a-z`, `0-9` and `-`, with alphanumeric ends.
pub fn is_dns_label(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// A DNS subdomain, as cluster-scoped resources are named: labels with dots between them, up to 253 characters.
pub fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_label)
}

#[cfg(test)]
mod tests;
