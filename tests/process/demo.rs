//! What the demo prints for whoever starts it works as it stands.

use crate::program::{Ended, Lines, PROGRAM, as_child, run_by, token_ledger};
use crate::scene::empty_parent;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Lines of the guide that can be run, in their order, each with what it must say.
const SAYS: [&str; 10] = [
    "HTTP/1.1 200 OK",
    "Required Scope: zones:example.org:read",
    "\"data\":[{\"position\":",
    "could but did not",
    "access in force",
    "decisions not carried out",
    "\"question\":\"leak\"",
    "/sign-in/tlkl_",
    "Nothing is wrong.",
    "gives exactly what the running server shows",
];

/// The demo while it runs; ended by its id.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As somebody who has the program on their path types it.
fn typed(line: &str, programs: &Path) -> Ended {
    let mut command = as_child(Command::new("sh"));
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(["-c", line]).env("PATH", format!("{}:{path}", programs.display()));
    run_by(command)
}

#[test]
fn every_line_that_the_demo_prints_works_as_it_stands() {
    let parent = empty_parent();
    std::os::unix::fs::symlink(PROGRAM, parent.path().join("token-ledger")).unwrap();
    let mut command = token_ledger();
    command.args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(parent.path().join("demo"));
    let mut demo = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = Lines::of(demo.0.stdout.take().unwrap());
    lines.wait_for("Try:").unwrap();
    let mut said = Vec::new();
    loop {
        let line = lines.wait_for("").unwrap();
        if line.starts_with("Ctrl-C") {
            break;
        }
        if let Some(line) = line.strip_prefix("  ") {
            let ended = typed(line, parent.path()).expect(0);
            said.push((line.to_owned(), ended.stdout));
        }
    }
    drop(demo);
    assert_eq!(said.len(), SAYS.len(), "{said:#?}");
    for ((line, told), words) in said.iter().zip(SAYS) {
        assert!(told.contains(words), "{line} does not say {words:?}:\n{told}");
    }
}
