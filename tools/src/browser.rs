//! A browser for benches: one connection that is kept, a session, forms, and what of a page would be asked from elsewhere.

use crate::AnyError;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// An answer that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// Of a form.
    pub fields: Vec<(&'static str, String)>,
    /// Whose session, by its cookie.
    pub cookie: Option<String>,
    /// A credential, and a body of JSON with it.
    pub bearer: Option<(String, String)>,
}

impl Ask {
    /// A page.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), ..Self::default() }
    }

    /// A form.
    pub fn form(path: impl Into<String>, fields: &[(&'static str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { method: "POST", path: path.into(), fields, ..Self::default() }
    }

    /// A call of the management API; without a body where it is null.
    pub fn manage(path: impl Into<String>, bearer: &str, body: &serde_json::Value) -> Self {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let bearer = Some((bearer.to_owned(), body));
        Self { method: "POST", path: path.into(), bearer, ..Self::default() }
    }

    fn text(&self, host: SocketAddr) -> String {
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench-pages/1\r\n", self.method, self.path);
        let (kind, body) = match &self.bearer {
            Some((bearer, body)) => {
                head += &format!("Authorization: Bearer {bearer}\r\n");
                ("application/json", body.clone())
            }
            None => {
                head += "Accept: text/html,*/*;q=0.8\r\n";
                ("application/x-www-form-urlencoded", self.body())
            }
        };
        if let Some(cookie) = &self.cookie {
            head += &format!("Cookie: {cookie}\r\n");
        }
        if self.method == "POST" {
            head += &format!("Origin: http://{host}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
            return format!("{head}\r\n{body}");
        }
        head + "\r\n"
    }

    fn body(&self) -> String {
        let pair = |(name, value): &(&str, String)| format!("{name}={}", encoded(value));
        self.fields.iter().map(pair).collect::<Vec<_>>().join("&")
    }
}

/// As a query or a form has it.
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Told {
    /// Status.
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub text: String,
    /// From the first byte sent to the last one read.
    pub taken: Duration,
}

impl Told {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value that a hidden field of the page has.
    pub fn hidden(&self, field: &str) -> Result<String, AnyError> {
        let begin = format!("name=\"{field}\" value=\"");
        let value = self.text.split(&begin).nth(1).and_then(|rest| rest.split('"').next());
        value.map(str::to_owned).ok_or_else(|| format!("no field {field} in the page").into())
    }

    /// What it says as JSON.
    pub fn json(&self) -> Result<serde_json::Value, AnyError> {
        Ok(serde_json::from_str(&self.text)?)
    }
}

/// One connection, kept over all requests.
#[derive(Debug)]
pub struct Connection {
    host: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// To a service of this machine.
    pub fn open(port: u16) -> Result<Self, AnyError> {
        let host = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { host, stream, buffer: Vec::new() })
    }

    /// Sends it, and reads the whole answer.
    pub fn send(&mut self, ask: &Ask) -> Result<Told, AnyError> {
        let request = ask.text(self.host);
        let started = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        let (end, length) = self.read_head()?;
        while self.buffer.len() < end + length {
            self.read_more()?;
        }
        let taken = started.elapsed();
        let answer: Vec<u8> = self.buffer.drain(..end + length).collect();
        let head = std::str::from_utf8(&answer[..end])?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Ok(Told { status, headers, text: String::from_utf8(answer[end..].to_vec())?, taken })
    }

    /// Sends what must be answered so.
    pub fn expect(&mut self, status: u16, ask: &Ask) -> Result<Told, AnyError> {
        let told = self.send(ask)?;
        if told.status == status {
            return Ok(told);
        }
        let words: String = told.text.chars().take(3_000).collect();
        Err(format!("{} {}: {} instead of {status}\n{words}", ask.method, ask.path, told.status).into())
    }

    /// Signs somebody in by a link that an operator makes; gives the session's cookie.
    pub fn sign_in(&mut self, operator: &str, whose: &str) -> Result<String, AnyError> {
        let made = Ask::manage(format!("/v1/{whose}/sign-in-links"), operator, &serde_json::Value::Null);
        let made = self.expect(201, &made)?.json()?;
        let link = made["url"].as_str().and_then(|url| url.rsplit('/').next()).ok_or("no link")?;
        let entered = self.expect(303, &Ask::form("/sign-in", &[("link", link)]))?;
        let cookie = entered.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        Ok(cookie.ok_or("no cookie")?.to_owned())
    }

    fn read_head(&mut self) -> Result<(usize, usize), AnyError> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.buffer[..end])?.to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                return Ok((end + 4, length.ok_or("an answer without a length")?));
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> Result<(), AnyError> {
        let mut part = [0; 64 * 1_024];
        match self.stream.read(&mut part)? {
            0 => Err("the connection ended".into()),
            read => {
                self.buffer.extend_from_slice(&part[..read]);
                Ok(())
            }
        }
    }
}

/// Attributes whose value a browser goes to, or fetches.
const GOING: [&str; 10] =
    ["src", "href", "action", "formaction", "poster", "data", "srcset", "ping", "background", "manifest"];

/// What of a page, a style sheet or a script names another origin than its own.
pub fn foreign(text: &str) -> Vec<String> {
    let attributes = GOING.iter().flat_map(|name| {
        let begin = format!("{name}=\"");
        let is_whole = |at: usize| !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '-');
        let found: Vec<&str> = text
            .match_indices(&begin)
            .filter(|(at, _)| is_whole(*at))
            .filter_map(|(at, _)| text[at + begin.len()..].split('"').next())
            .collect();
        found
    });
    let addresses = text.split("url(").skip(1).filter_map(|rest| rest.split(')').next());
    let imports = text.split("@import").skip(1).filter_map(|rest| rest.split(';').next());
    let fetched = addresses.chain(imports).map(|address| address.trim_matches(|quote| "'\" ".contains(quote)));
    attributes.chain(fetched).filter(|address| leaves(address)).map(str::to_owned).collect()
}

/// What a script names, anywhere in it: it can put an address together, but not of nothing.
pub fn foreign_of_script(text: &str) -> Vec<String> {
    let words = text.split(['"', '\'', '`']);
    // A remark begins with the same signs, and a space; a host follows them at once.
    let names_host = |word: &&str| word.strip_prefix("//").is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
    words.filter(|word| word.contains("://") || names_host(word)).map(str::to_owned).collect()
}

/// Whether an address is not one of the page's own origin.
fn leaves(address: &str) -> bool {
    let address = address.trim();
    let scheme = address.split(['/', '?', '#']).next().unwrap_or_default();
    address.starts_with("//") || address.starts_with("/\\") || scheme.contains(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_origin_is_found_wherever_it_stands() {
        for text in [
            r#"<script src="https://cdn.example/x.js">"#,
            r#"<a class="x" href="//elsewhere.example">"#,
            r#"<form method="post" action="http://elsewhere.example/">"#,
            r#"<svg><use xlink:href="https://elsewhere.example/i.svg"/></svg>"#,
            r#"<a href="javascript:alert(1)">"#,
            "a { background: url('https://elsewhere.example/x.png') }",
            "@import 'https://elsewhere.example/x.css';",
        ] {
            assert_eq!(foreign(text).len(), 1, "{text}");
        }
        assert_eq!(foreign_of_script("fetch('https://elsewhere.example')").len(), 1);
        assert_eq!(foreign_of_script("fetch('//elsewhere.example')").len(), 1);
    }

    #[test]
    fn what_stays_is_passed_over() {
        for text in [
            r#"<a href="/accounts/1?as_of=2026-03-01T12:00:00Z">"#,
            r#"<a href="?from=2026-03-01T12:00:00Z">"#,
            r##"<a href="#main">"##,
            r#"<input value="https://app.example/callback">"#,
            r#"<td data-href="https://nowhere.example">"#,
            "rect { fill: url(#days-1) }",
            "https://app.example/callback as a text",
        ] {
            assert_eq!(foreign(text), Vec::<String>::new(), "{text}");
        }
        assert_eq!(foreign_of_script("// not an address\nfetch('/v1/self')"), Vec::<String>::new());
    }
}
