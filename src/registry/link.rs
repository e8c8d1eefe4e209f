//! `Link`: where the next page is (RFC 8288 section 3).

use http::HeaderValue;

/// The target of the link with the relation `next`, of all `Link` headers of an answer. A header that can't be read, or two
/// next pages, is an error: it must not pass for "this was the last page".
pub(super) fn next<'a>(headers: impl IntoIterator<Item = &'a HeaderValue>) -> Result<Option<String>, &'static str> {
    let mut next: Option<&str> = None;
    for header in headers {
        let links = header.to_str().ok().and_then(parse).ok_or("the link to the next page can't be read")?;
        for target in links.into_iter().filter(Link::is_next).map(|link| link.target) {
            if next.replace(target).is_some_and(|other| other != target) {
                return Err("there are two next pages");
            }
        }
    }
    Ok(next.map(str::to_owned))
}

/// `<target>; rel="first second"`
struct Link<'a> {
    target: &'a str,
    relations: Option<String>,
}

impl Link<'_> {
    fn is_next(&self) -> bool {
        self.relations.iter().flat_map(|all| all.split_ascii_whitespace()).any(|one| one.eq_ignore_ascii_case("next"))
    }
}

/// All links of one header. Elements of the list may be empty (RFC 9110 section 5.6.1).
fn parse(header: &str) -> Option<Vec<Link<'_>>> {
    let mut links = Vec::new();
    let mut rest = header.trim_start_matches(separator);
    while !rest.is_empty() {
        let (target, parameters) = rest.strip_prefix('<')?.split_once('>')?;
        let mut link = Link { target, relations: None };
        rest = parameters.trim_ascii_start();
        while let Some(after) = rest.strip_prefix(';') {
            let (name, after) = split_at(after.trim_ascii_start(), |c| matches!(c, '=' | ';' | ','));
            rest = after;
            if let Some(after) = after.strip_prefix('=') {
                let (value, after) = value(after.trim_ascii_start())?;
                rest = after.trim_ascii_start();
                // Only the first counts (RFC 8288 section 3.3).
                if name.trim_ascii_end().eq_ignore_ascii_case("rel") {
                    link.relations.get_or_insert(value);
                }
            }
        }
        links.push(link);
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start_matches(separator);
        }
    }
    Some(links)
}

/// A token, or a quoted string with its backslashes undone.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = split_at(text, |c| matches!(c, ';' | ',' | '"') || c.is_ascii_whitespace());
        return Some((token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
}

fn separator(c: char) -> bool {
    c == ',' || c.is_ascii_whitespace()
}

fn split_at(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests;
