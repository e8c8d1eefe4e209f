//! Answers, honest ones and others.

use super::Gate;

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, without those that frame the body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
    /// What `Content-Length` says, where it lies.
    pub length: Option<u64>,
    /// Answered only when this is open.
    pub hold: Option<Gate>,
    /// Sent as it is instead of all of the above; then the connection is closed.
    pub raw: Option<Vec<u8>>,
}

/// A body.
#[derive(Clone, Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes, chunked, over and over, until the peer has enough.
    Endless(Vec<u8>),
    /// So many of these bytes; then the connection is closed.
    Cut(Vec<u8>, usize),
    /// So many of these bytes, then nothing until the gate opens, then the rest.
    Stall(Vec<u8>, usize, Gate),
    /// These bytes, chunked.
    Chunked(Vec<u8>),
}

impl Answer {
    /// An empty answer.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Bytes(Vec::new()), length: None, hold: None, raw: None }
    }

    /// 200 with a body.
    pub fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).header("Content-Type", content_type).body(Body::Bytes(body.into()))
    }

    /// A redirect.
    pub fn redirect(location: &str) -> Self {
        Self::status(307).header("Location", location)
    }

    /// 401 with a challenge for tokens.
    pub fn challenge(realm: &str) -> Self {
        Self::status(401).header("WWW-Authenticate", &format!("Bearer realm=\"{realm}\",service=\"test\""))
    }

    /// These bytes, whatever they are; then the connection is closed.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { raw: Some(bytes.into()), ..Self::status(0) }
    }

    /// The connection is closed without an answer.
    pub fn hang_up() -> Self {
        Self::raw("")
    }

    /// With a header, in place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With one more header, also of a name that is there.
    #[must_use]
    pub fn and_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// With another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With another body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// With a `Content-Length` that need not be true.
    #[must_use]
    pub fn length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// Answered only when the gate is open.
    #[must_use]
    pub fn hold(mut self, gate: &Gate) -> Self {
        self.hold = Some(gate.clone());
        self
    }

    /// With one bit of the body changed.
    #[must_use]
    pub fn flip_byte(mut self, index: usize) -> Self {
        if let Body::Bytes(bytes) = &mut self.body {
            let index = index % bytes.len();
            bytes[index] ^= 1;
        }
        self
    }

    /// The bytes of an ordinary body.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Bytes(bytes)
            | Body::Endless(bytes)
            | Body::Cut(bytes, _)
            | Body::Stall(bytes, ..)
            | Body::Chunked(bytes) => bytes,
        }
    }
}
