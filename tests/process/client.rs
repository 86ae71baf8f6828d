//! A client on a raw socket: one connection kept alive, every byte of an answer read.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use token_ledger::domain::ids::RequestId;
use token_ledger::entropy::Entropy;

use crate::program::PATIENCE;

/// A connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    entropy: Entropy,
    /// What it says it is.
    pub agent: String,
}

/// One request; its id is made for it.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub token: &'a str,
    pub body: Option<&'a Value>,
}

impl<'a> Ask<'a> {
    pub fn get(path: &'a str, token: &'a str) -> Self {
        Self { method: "GET", path, token, body: None }
    }

    pub fn delete(path: &'a str, token: &'a str) -> Self {
        Self { method: "DELETE", path, token, body: None }
    }

    pub fn send(method: &'a str, path: &'a str, token: &'a str, body: &'a Value) -> Self {
        Self { method, path, token, body: Some(body) }
    }
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(kept, _)| kept == name).map(|(_, value)| value.as_str())
    }

    /// The receipt.
    pub fn position(&self) -> Option<u64> {
        self.header("x-ledger-position").map(|text| text.parse().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, String::from_utf8_lossy(&self.body));
        self
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), entropy: Entropy::system(), agent: "test".to_owned() })
    }

    /// An id for the next request.
    pub fn new_request(&mut self) -> RequestId {
        RequestId(self.entropy.bytes_16())
    }

    /// Sends a request under an id of its own.
    pub fn ask(&mut self, ask: Ask<'_>) -> io::Result<Answer> {
        let request = self.new_request();
        self.ask_as(request, ask)
    }

    /// Sends a request and reads its answer; an error means that nobody knows what became of it.
    pub fn ask_as(&mut self, request: RequestId, ask: Ask<'_>) -> io::Result<Answer> {
        let Ask { method, path, token, body } = ask;
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send_as(request, (method, path, token), &body)?;
        let answer = self.read_answer()?;
        assert_eq!(answer.header("x-request-id"), Some(request.to_string().as_str()), "{answer:?}");
        Ok(answer)
    }

    /// Sends a body of lines and reads its answer; an error means that nobody knows what became of it.
    pub fn send_lines(&mut self, path: &str, token: &str, body: &str) -> io::Result<Answer> {
        let request = self.new_request();
        self.send_as(request, ("POST", path, token), body)?;
        self.read_answer()
    }

    /// Asks as a browser does: with its cookies among the headers, and with the fields of a form in the body.
    pub fn browse(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Answer> {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: ledger.example\r\nAccept: text/html\r\nUser-Agent: {}\r\n{headers}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.agent,
            body.len()
        );
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.read_answer()
    }

    fn send_as(&mut self, request: RequestId, (method, path, token): (&str, &str, &str), body: &str) -> io::Result<()> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nX-Request-Id: {request}\r\n\
             User-Agent: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.agent,
            body.len()
        );
        self.stream.get_mut().write_all(head.as_bytes())
    }

    fn read_answer(&mut self) -> io::Result<Answer> {
        let status_line = self.read_line()?;
        let status = status_line.split(' ').nth(1).and_then(|text| text.parse().ok()).ok_or_else(cut)?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").ok_or_else(cut)?;
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.read_chunks()?;
            return Ok(answer);
        }
        let length = answer.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        answer.body.resize(length, 0);
        self.stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// A body whose length nobody knew before (RFC 9112 section 7.1).
    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.read_line()?, 16).map_err(|_| cut())?;
            let start = body.len();
            body.resize(start + length, 0);
            self.stream.read_exact(&mut body[start..])?;
            if !self.read_line()?.is_empty() {
                return Err(cut());
            }
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        // A line without its end is a connection that was cut.
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(cut)
    }
}

fn cut() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
