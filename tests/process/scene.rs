//! A furnished ledger, made once by the program itself and copied for each test.

use crate::client::{Ask, Client};
use crate::program::{Ended, Server, run_on};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;
use token_ledger::log::DataDir;

/// The zone that every token of the scene may read.
pub const ZONE: &str = "example.com";

/// Texts of the scene's tokens.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    pub operator: String,
    pub account: Vec<String>,
    pub user: Vec<String>,
}

/// A data directory of a test's own.
#[derive(Debug)]
pub struct Scene {
    parent: TempDir,
    pub tokens: Tokens,
}

/// A directory for a ledger that is not there yet.
pub fn empty_parent() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// `init`, and the operator token it shows.
pub fn init(data: &Path) -> String {
    let shown: Value = serde_json::from_str(&run_on(&["init", "--json"], data).expect(0).stdout).unwrap();
    shown["operator_token"].as_str().unwrap().to_owned()
}

impl Scene {
    pub fn new() -> Self {
        let scene = Self { parent: empty_parent(), tokens: original().tokens.clone() };
        copy_directory(&original().data(), &scene.data());
        scene
    }

    /// A copy in another directory, which is there and stays the caller's.
    pub fn copy_to(&self, data: &Path) {
        copy_directory(&self.data(), data);
    }

    pub fn data(&self) -> PathBuf {
        self.parent.path().join("ledger")
    }

    pub fn dir(&self) -> DataDir {
        DataDir::new(self.data())
    }

    /// Beside the data directory, for what a test writes itself.
    pub fn aside(&self, name: &str) -> PathBuf {
        self.parent.path().join(name)
    }

    pub fn serve(&self, options: &[&str]) -> Server {
        Server::start(&self.data(), options)
    }

    pub fn run(&self, command: &[&str]) -> Ended {
        run_on(command, &self.data())
    }

    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.data())
    }
}

/// The one that is copied: served once, stopped in order, so it has a snapshot and no write-ahead log.
fn original() -> &'static Scene {
    static ORIGINAL: OnceLock<Scene> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let parent = empty_parent();
        let data = parent.path().join("ledger");
        let operator = init(&data);
        let server = Server::start(&data, &[]);
        let tokens = furnish(&server, operator);
        server.terminate().expect(0);
        Scene { parent, tokens }
    })
}

fn furnish(server: &Server, operator: String) -> Tokens {
    let mut client = Client::connect(server.address).unwrap();
    let mut post = |path: &str, body: Value| -> Value {
        let method = if path.contains("/members/") { "PUT" } else { "POST" };
        let answer = client.ask(Ask::send(method, path, &operator, &body)).unwrap();
        assert!(answer.status / 100 == 2, "{path}: {answer:?}");
        answer.json()
    };
    let account =
        json!({ "name": "One", "email": "one@example.com", "plan": "teams", "hourly_limit": 1_000_000_000u64 });
    assert_eq!(post("/v1/accounts", account)["data"]["id"], 1);
    for kind in ["domain", "zone"] {
        post("/v1/accounts/1/resources", json!({ "kind": kind, "name": ZONE }));
    }
    let mut tokens = Tokens { operator: operator.clone(), ..Tokens::default() };
    let text = |shown: Value| shown["token"].as_str().unwrap().to_owned();
    for number in 1..=3 {
        let body = json!({ "name": format!("robot {number}"), "access": "full" });
        tokens.account.push(text(post("/v1/accounts/1/tokens", body)));
    }
    for number in 1..=2 {
        let body = json!({ "email": format!("person{number}@example.com"), "name": format!("Person {number}") });
        let user = post("/v1/users", body)["data"]["id"].as_u64().unwrap();
        post(&format!("/v1/accounts/1/members/{user}"), json!({ "access": "full" }));
        tokens.user.push(text(post(&format!("/v1/users/{user}/tokens"), json!({ "name": "laptop" }))));
    }
    tokens
}

pub fn copy_directory(from: &Path, to: &Path) {
    DataDir::new(to).prepare().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // The socket file of the stopped server is no content, nor is the ballast.
        if entry.file_type().unwrap().is_file() && entry.file_name() != "ballast" {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Every file with a hash of its bytes.
pub type Fingerprint = BTreeMap<String, String>;

/// What is in a directory, apart from the lock, the ballast, the shared memory of readers, and a write-ahead log with nothing in it.
pub fn fingerprint(data: &Path) -> Fingerprint {
    let mut files = Fingerprint::new();
    let Ok(entries) = fs::read_dir(data) else { return files };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = fs::read(&path).unwrap_or_default();
        let is_passing = name == "ledger.lock"
            || name == "ballast"
            || name.ends_with("-shm")
            || (name.ends_with("-wal") && bytes.is_empty());
        if !is_passing {
            let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            files.insert(name, hash);
        }
    }
    files
}
