//! The API behind the gateways: it serves whatever reaches it, and remembers what that was.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it reached the API.
#[derive(Clone, Debug)]
pub struct Got {
    pub line: String,
    headers: Vec<(String, String)>,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<String> {
        self.all(name).first().cloned()
    }

    /// By CGI's rule (RFC 3875 section 4.1.18), which makes no difference between `_` and `-`.
    pub fn all(&self, name: &str) -> Vec<String> {
        let is_it = |own: &str| own.replace('_', "-") == name;
        let mut values: Vec<String> =
            self.headers.iter().filter(|(own, _)| is_it(own)).map(|(_, value)| value.clone()).collect();
        // Some gateways leave a header out that is empty.
        if values.is_empty() {
            values.push(String::new());
        }
        values
    }
}

/// The API.
pub struct Upstream {
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Upstream {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::default();
        let kept = Arc::clone(&got);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { address, got }
    }

    pub fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    pub fn last(&self) -> Got {
        self.got.lock().unwrap().last().cloned().unwrap()
    }
}

fn serve(stream: TcpStream, got: &Mutex<Vec<Got>>) {
    let mut writing = stream.try_clone().unwrap();
    let mut reading = BufReader::new(stream);
    while let Some(request) = read(&mut reading) {
        got.lock().unwrap().push(request);
        if writing.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

fn read(reading: &mut impl BufRead) -> Option<Got> {
    let line = next_line(reading)?;
    let mut headers = Vec::new();
    loop {
        let line = next_line(reading)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
    reading.take(length).read_to_end(&mut Vec::new()).ok()?;
    Some(Got { line, headers })
}

fn next_line(reading: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    match reading.read_line(&mut line) {
        Ok(1..) => Some(line.trim_end().to_owned()),
        _ => None,
    }
}
