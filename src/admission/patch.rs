//! The JSON patch (RFC 6902) that pins images: one `replace` a field, by the index in the object that was given.

use serde::Serialize;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replacement {
    op: Op,
    path: String,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Replace,
}

impl Replacement {
    /// Replaces the string at `path`, an RFC 6901 pointer, by `value`.
    pub fn new(path: String, value: String) -> Self {
        Self { op: Op::Replace, path, value }
    }
}

/// An RFC 6901 pointer of these segments.
pub fn pointer<'a>(segments: impl IntoIterator<Item = &'a str>) -> String {
    segments.into_iter().fold(String::new(), |mut path, segment| {
        path.push('/');
        path.push_str(&segment.replace('~', "~0").replace('/', "~1"));
        path
    })
}

#[cfg(test)]
mod tests;
