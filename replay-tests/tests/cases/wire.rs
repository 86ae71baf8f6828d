//! HTTP/1.1 by hand: one request, one connection, so that no client library stands between a case and the bytes.

use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// Method.
    pub method: &'a str,
    /// Path and query, as sent.
    pub path: &'a str,
    /// Headers.
    pub headers: Vec<(&'a str, &'a str)>,
    /// JSON body.
    pub body: Option<&'a Value>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// JSON body; null if it is empty.
    pub body: Value,
}

/// Sends a request and reads the whole answer.
pub async fn send(address: SocketAddr, request: &Request<'_>) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&bytes(request)).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    parse(&answer)
}

fn bytes(request: &Request<'_>) -> Vec<u8> {
    let body = request.body.map(Value::to_string).unwrap_or_default();
    let mut text =
        format!("{} {} HTTP/1.1\r\nhost: ledger.test\r\nconnection: close\r\n", request.method, request.path);
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if request.body.is_some() {
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(&body);
    text.into_bytes()
}

fn parse(answer: &[u8]) -> Answer {
    let text = std::str::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not an answer: {text:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: BTreeMap<String, String> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    assert!(!headers.contains_key("transfer-encoding"), "answers are whole messages: {head}");
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
    Answer { status, headers, body }
}
