//! A real gateway as a child, with the configuration that ships and the addresses of the test.

use crate::program::{PATIENCE, as_child};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Which gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gateway {
    Nginx,
    Caddy,
}

/// A running gateway.
pub struct Front {
    pub gateway: Gateway,
    pub address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

impl Front {
    pub fn start(gateway: Gateway, ledger: SocketAddr, api: SocketAddr) -> Self {
        // The kernel names a free port; nobody else on this machine's loopback asks for it in between.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (file, shipped_at, own) = match gateway {
            Gateway::Nginx => ("nginx.conf", "127.0.0.1:8081", address.to_string()),
            Gateway::Caddy => ("Caddyfile", ":8082", format!(":{}", address.port())),
        };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/gateways").join(file);
        let text = std::fs::read_to_string(shipped).unwrap();
        for place in [shipped_at, "127.0.0.1:8080", "127.0.0.1:9000"] {
            assert_eq!(text.matches(place).count(), 1, "{place} stands once in {file}");
        }
        let text = text
            .replace(shipped_at, &own)
            .replace("127.0.0.1:8080", &ledger.to_string())
            .replace("127.0.0.1:9000", &api.to_string());
        let config = directory.path().join(file);
        std::fs::write(&config, text).unwrap();
        let child = command(gateway, directory.path(), &config)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.path().join("log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{gateway:?} is installed by tools/test: {error}"));
        let mut front = Self { gateway, address, child, _directory: directory };
        front.wait_until_it_listens();
        front
    }

    fn wait_until_it_listens(&mut self) {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            let log = || std::fs::read_to_string(self._directory.path().join("log")).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "{:?} ended: {}", self.gateway, log());
            assert!(Instant::now() < until, "{:?} does not listen: {}", self.gateway, log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn command(gateway: Gateway, directory: &Path, config: &Path) -> Command {
    let mut command = match gateway {
        Gateway::Nginx => {
            let mut command = Command::new("nginx");
            // In the foreground and in one process, so that its end is the end of all of it.
            command.arg("-p").arg(directory).arg("-c").arg(config);
            command.args(["-g", "daemon off; master_process off;"]);
            command
        }
        Gateway::Caddy => {
            let mut command = Command::new("caddy");
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config);
            command.env("HOME", directory).env("XDG_CONFIG_HOME", directory).env("XDG_DATA_HOME", directory);
            command
        }
    };
    command.current_dir(directory);
    as_child(command)
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a client saw.
#[derive(Clone, Debug)]
pub struct Seen {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ str| line.split_once(':').is_some_and(|(own, _)| own.eq_ignore_ascii_case(name));
        self.head.lines().find(|text| line(text)).and_then(|text| text.split_once(':')).map(|(_, value)| value.trim())
    }
}

/// One request, written as it is, on a connection of its own.
pub fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Seen {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Seen { status, head: head.to_owned(), body: body.to_owned() }
}
