//! A small HTTP client that sends exactly what it is told, hostile or not, and shows exactly what came back.

use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any answer takes, so a wait that runs into it means "never".
const PATIENCE: Duration = Duration::from_secs(20);

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    chunked: bool,
}

impl Ask {
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        Self { method: method.to_owned(), path: path.into(), headers: vec![], body: vec![], chunked: false }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").bytes(body.to_string())
    }

    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.header("Content-Type", "application/x-www-form-urlencoded").bytes(encoded)
    }

    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in chunks, so that nobody knows its length beforehand.
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    fn to_bytes(&self, connection: &str) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: ledger.test\r\nConnection: {connection}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.chunked {
            true => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
            false if self.body.is_empty() => head.push_str("\r\n"),
            false => head.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len())),
        }
        let mut bytes = head.into_bytes();
        if !self.chunked {
            bytes.extend_from_slice(&self.body);
            return bytes;
        }
        for chunk in self.body.chunks(4_096) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Told {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Told {
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers: Vec<_> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let told = Self { status, headers, body: Vec::new() };
        if told.header("transfer-encoding") == Some("chunked") {
            let (body, length) = dechunked(&bytes[end + 4..])?;
            return Some((Self { body, ..told }, end + 4 + length));
        }
        let length = told.header("content-length").map_or(0, |length| length.parse().unwrap());
        let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
        Some((Self { body, ..told }, end + 4 + length))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A header that holds a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.header(name).map(|value| value.parse().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The lines of a body of many.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The `data` of the body.
    #[track_caller]
    pub fn data(&self) -> Value {
        self.json()["data"].clone()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} {:?}", String::from_utf8_lossy(&self.body), self.headers);
        self
    }
}

/// The body inside of chunks (RFC 9112 section 7.1), and how many bytes they take; none until the last has come.
fn dechunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = bytes[at..].windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..at + line]).unwrap(), 16).unwrap();
        let start = at + line + 2;
        body.extend_from_slice(bytes.get(start..start + size)?);
        at = start + size + 2;
        if size == 0 {
            return bytes.get(start..at).map(|_| (body, at));
        }
    }
}

/// One connection, kept open between requests.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    kept: Vec<u8>,
}

impl Line {
    pub async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), kept: Vec::new() }
    }

    /// On a connection that is there already.
    pub fn over(stream: TcpStream) -> Self {
        Self { stream, kept: Vec::new() }
    }

    pub async fn ask(&mut self, ask: &Ask) -> Told {
        self.send(ask, "keep-alive").await
    }

    async fn send(&mut self, ask: &Ask, connection: &str) -> Told {
        // A server that has refused a body may close before it has taken it all: what it said counts.
        let _ = self.stream.write_all(&ask.to_bytes(connection)).await;
        timeout(PATIENCE, self.receive()).await.unwrap_or_else(|_| panic!("no answer to {ask:?}"))
    }

    async fn receive(&mut self) -> Told {
        loop {
            if let Some((told, length)) = Told::parse(&self.kept) {
                self.kept.drain(..length);
                return told;
            }
            let read = self.stream.read_buf(&mut self.kept).await.unwrap();
            assert!(read > 0, "closed in the middle of {:?}", String::from_utf8_lossy(&self.kept));
        }
    }
}

/// Asks on a connection of its own.
pub async fn ask(address: SocketAddr, ask: &Ask) -> Told {
    Line::open(address).await.send(ask, "close").await
}
