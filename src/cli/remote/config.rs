//! Where the service is, and the credential: from the environment, or a file that only its owner can read.

use super::failure::RemoteFailure;
use serde::Deserialize;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use ureq::http::Uri;

/// Bytes of the file that are read at most.
const FILE_BYTES_MAX: u64 = 65_536;
const URL: &str = "TOKEN_LEDGER_URL";
const TOKEN: &str = "TOKEN_LEDGER_TOKEN";
const CONFIG: &str = "TOKEN_LEDGER_CONFIG";

/// A credential; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credential(String);

impl Credential {
    fn new(text: &str) -> Result<Self, RemoteFailure> {
        let text = text.trim();
        match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(text.to_owned())),
            false => Err(RemoteFailure::Usage("the token is empty, or has characters that no token has".to_owned())),
        }
    }

    /// The text, for the one header that it goes into.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential")
    }
}

/// Where the service is: an `https` or `http` URL, without a slash at its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Service {
    base: String,
    is_plain: bool,
    is_loopback: bool,
}

impl Service {
    fn parse(text: &str) -> Result<Self, RemoteFailure> {
        let refused = |words: &str| RemoteFailure::Usage(format!("the service's URL {words}"));
        let uri: Uri =
            text.trim().parse().map_err(|_| refused("cannot be read; it is as https://ledger.example.org"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refused("must begin with https:// or http://"));
        };
        // Not shown: what stands there may be a password.
        if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
            return Err(refused("must have no user, password, query or fragment in it"));
        }
        let is_plain = match scheme {
            "https" => false,
            "http" => true,
            _ => return Err(refused("must begin with https:// or http://")),
        };
        let base = format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/'));
        Ok(Self { base, is_plain, is_loopback: is_loopback(authority.host()) })
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// For messages.
    pub fn name(&self) -> &str {
        &self.base
    }

    /// Whether requests may go by a proxy of the environment: one that sees no credential.
    pub fn may_go_by_proxy(&self) -> bool {
        !self.is_plain && !self.is_loopback
    }
}

/// `localhost` is the loopback everywhere (RFC 6761 section 6.3).
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Service and credential.
#[derive(Debug)]
pub(super) struct Settings {
    pub service: Service,
    pub credential: Credential,
}

impl Settings {
    /// Reads them, and refuses those under which the credential would go where it must not.
    pub fn read(allow_http: bool) -> Result<Self, RemoteFailure> {
        let settings = Self::gather(&variable)?;
        let service = &settings.service;
        if service.is_plain && !service.is_loopback && !allow_http {
            return Err(RemoteFailure::Usage(format!(
                "{} is not encrypted, and everybody on the way would read the token. Use https, or say --allow-http",
                service.name()
            )));
        }
        Ok(settings)
    }

    fn gather(variable: &dyn Fn(&str) -> Result<Option<String>, RemoteFailure>) -> Result<Self, RemoteFailure> {
        let (url, token) = (variable(URL)?, variable(TOKEN)?);
        if let (Some(url), Some(token)) = (&url, &token) {
            return Ok(Self { service: Service::parse(url)?, credential: Credential::new(token)? });
        }
        let path = file_path(variable(CONFIG)?, std::env::var_os("HOME"))?;
        let file = Stored::read(&path)?;
        let shown = path.display();
        let missing = |what: &str| RemoteFailure::Usage(format!("no {what}: it is neither set nor in {shown}"));
        let stored = file.url.as_deref().map(Service::parse).transpose()?;
        // A token in the environment goes to the service that the file names; a token in the file goes nowhere else.
        let service = match (url.as_deref().map(Service::parse).transpose()?, stored) {
            (Some(service), None) => service,
            (Some(service), Some(stored)) if service == stored => service,
            (Some(_), Some(_)) => {
                let words = format!("{URL} is not the service that the token in {shown} is for; set {TOKEN}, too");
                return Err(RemoteFailure::Usage(words));
            }
            (None, stored) => stored.ok_or_else(|| missing(&format!("URL of the service ({URL})")))?,
        };
        let token = token.or(file.token).ok_or_else(|| missing(&format!("token ({TOKEN})")))?;
        Ok(Self { service, credential: Credential::new(&token)? })
    }
}

fn variable(name: &str) -> Result<Option<String>, RemoteFailure> {
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(RemoteFailure::Usage(format!("{name} is not UTF-8"))),
    }
}

fn file_path(named: Option<String>, home: Option<OsString>) -> Result<PathBuf, RemoteFailure> {
    match (named, home) {
        (Some(path), _) => Ok(path.into()),
        (None, Some(home)) => Ok(Path::new(&home).join(".config/token-ledger/credentials.toml")),
        (None, None) => Err(RemoteFailure::Usage(format!("set {URL} and {TOKEN}, or {CONFIG}"))),
    }
}

/// What the file may say.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    url: Option<String>,
    token: Option<String>,
}

impl Stored {
    fn read(path: &Path) -> Result<Self, RemoteFailure> {
        let shown = path.display();
        let unread = |error: std::io::Error| RemoteFailure::Usage(format!("{shown} cannot be read: {error}"));
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let words = format!("set {URL} and {TOKEN}, or write url and token to {shown} (mode 0600)");
                return Err(RemoteFailure::Usage(words));
            }
            Err(error) => return Err(unread(error)),
        };
        // Of the file that is open, so that nobody puts another one in its place meanwhile.
        let mode = file.metadata().map_err(unread)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let words = format!("{shown} is open to others (mode {mode:04o}): it is not used. chmod 600 {shown}");
            return Err(RemoteFailure::Usage(words));
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unread)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(RemoteFailure::Usage(format!("{shown} has more than {FILE_BYTES_MAX} bytes")));
        }
        Self::parse(&text).map_err(|line| {
            RemoteFailure::Usage(format!("{shown}, line {line}: only url and token stand there, each a text in quotes"))
        })
    }

    /// The parser's own words would show the line, which may be the token's: only its number is said.
    fn parse(text: &str) -> Result<Self, usize> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().map_or(0, |span| span.start).min(text.len());
            text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count() + 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(values: &[(&str, &str)]) -> Result<Settings, RemoteFailure> {
        Settings::gather(&|name| {
            Ok(values.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        })
    }

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("credentials.toml");
        std::fs::write(&path, content).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode");
        let path = path.to_str().expect("a path").to_owned();
        (dir, path)
    }

    #[test]
    fn plain_http_is_told_from_https_and_the_loopback_from_other_machines() {
        let rows = [
            ("https://ledger.example.org/", "https://ledger.example.org", false, false),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", true, true),
            ("http://127.9.9.9", "http://127.9.9.9", true, true),
            ("http://[::1]:8080/ledger/", "http://[::1]:8080/ledger", true, true),
            ("http://localhost:8080", "http://localhost:8080", true, true),
            ("http://localhost.example.org", "http://localhost.example.org", true, false),
            ("http://128.0.0.1", "http://128.0.0.1", true, false),
            ("http://127.0.0.1.example.org", "http://127.0.0.1.example.org", true, false),
        ];
        for (text, base, is_plain, is_loopback) in rows {
            let expected = Service { base: base.to_owned(), is_plain, is_loopback };
            assert_eq!(Service::parse(text).expect(text), expected);
        }
        for text in ["", "ledger", "ftp://a", "https://", "https://a?b", "https://me:hidden@a", "https://a#b"] {
            let refused = Service::parse(text).expect_err(text).to_string();
            assert!(!refused.contains("hidden"), "{refused}");
        }
    }

    #[test]
    fn a_token_of_the_file_goes_to_no_other_service_than_the_files() {
        let (_dir, path) = file("url = \"https://a.example\"\ntoken = \"tlkp_stored\"\n", 0o600);
        let stored = with(&[(CONFIG, &path)]).expect("settings");
        assert_eq!((stored.service.name(), stored.credential.reveal()), ("https://a.example", "tlkp_stored"));
        let other = with(&[(CONFIG, &path), (URL, "https://b.example")]).expect_err("refused").to_string();
        assert!(other.contains("not the service") && !other.contains("tlkp_"), "{other}");
        let token = with(&[(CONFIG, &path), (TOKEN, "tlkp_set")]).expect("settings");
        assert_eq!((token.service.name(), token.credential.reveal()), ("https://a.example", "tlkp_set"));
        let both = with(&[(CONFIG, &path), (URL, "https://b.example"), (TOKEN, "tlkp_set")]).expect("settings");
        assert_eq!((both.service.name(), both.credential.reveal()), ("https://b.example", "tlkp_set"));
    }

    #[test]
    fn a_file_that_others_can_open_or_that_says_something_else_is_refused_without_its_words() {
        for mode in [0o640, 0o604, 0o620, 0o611] {
            let (_dir, path) = file("url = \"https://a.example\"\ntoken = \"tlkp_hidden\"\n", mode);
            let refused = with(&[(CONFIG, &path)]).expect_err("refused").to_string();
            assert!(refused.contains("open to others") && refused.contains("chmod 600"), "{refused}");
        }
        for content in
            ["url = \"https://a.example\"\ntlkp_hidden = 1\n", "url = \"https://a.example\"\ntoken = tlkp_hidden\n"]
        {
            let (_dir, path) = file(content, 0o600);
            let refused = with(&[(CONFIG, &path)]).expect_err("refused").to_string();
            assert!(refused.contains("line 2") && !refused.contains("tlkp_"), "{refused}");
        }
        assert!(Credential::new("tlkp_a\u{e9}").is_err() && Credential::new("a b").is_err());
        assert_eq!(format!("{:?}", Credential::new("tlkp_hidden").expect("a token")), "Credential");
    }
}
