//! A served ledger and the command line beside it, with nothing of the surroundings' settings.

use crate::program::{Ended, PROGRAM, Server, as_child, run_by};
use crate::scene::{empty_parent, init};
use serde_json::Value;
use std::cell::RefCell;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// Where a person sits.
pub struct Desk {
    pub parent: TempDir,
    pub server: Server,
    pub operator: String,
    /// Everything that was printed so far.
    printed: RefCell<String>,
}

/// The program without settings; its home is this directory.
pub fn bare(home: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = as_child(Command::new(PROGRAM));
    for name in ["URL", "TOKEN", "CONFIG", "ALLOW_HTTP"] {
        command.env_remove(format!("TOKEN_LEDGER_{name}"));
    }
    // A proxy that is not there: whatever would go by it fails.
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    for name in ["no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(name);
    }
    command.env("HOME", home).args(arguments);
    command
}

impl Desk {
    /// A new ledger with nothing in it, served.
    pub fn new() -> Self {
        let parent = empty_parent();
        let data = parent.path().join("ledger");
        let operator = init(&data);
        let server = Server::start(&data, &["--auth-failures-per-hour", "0"]);
        Self { parent, server, operator, printed: RefCell::default() }
    }

    /// One with an account on the teams plan: account 1.
    pub fn with_account() -> Self {
        let desk = Self::new();
        let create = ["accounts", "create", "--name", "One", "--email", "one@example.com", "--plan", "teams"];
        assert_eq!(desk.json(&create)["data"]["id"], 1);
        desk
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Beside the data directory.
    pub fn aside(&self, name: &str) -> PathBuf {
        self.parent.path().join(name)
    }

    /// The program as the operator.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_as(&self.operator, arguments)
    }

    pub fn command_as(&self, token: &str, arguments: &[&str]) -> Command {
        let mut command = bare(self.parent.path(), arguments);
        command.env("TOKEN_LEDGER_URL", self.url()).env("TOKEN_LEDGER_TOKEN", token);
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_by(self.command(arguments))
    }

    pub fn run_as(&self, token: &str, arguments: &[&str]) -> Ended {
        self.run_by(self.command_as(token, arguments))
    }

    pub fn run_by(&self, command: Command) -> Ended {
        let ended = run_by(command);
        let mut printed = self.printed.borrow_mut();
        printed.push_str(&ended.stdout);
        printed.push_str(&ended.stderr);
        ended
    }

    /// Runs it with `--json`; it must end well, and print nothing but JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat()).expect(0);
        assert_eq!(ended.stderr, "");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    }

    /// How often a text was printed so far.
    pub fn times_printed(&self, text: &str) -> usize {
        self.printed.borrow().matches(text).count()
    }
}
