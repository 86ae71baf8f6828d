//! System calls of a running server that fail on purpose (strace, a Debian package that the tests need).

use crate::program::{Ended, Lines, PATIENCE, PROGRAM, SERVE, Server, as_child, send, wait_for_end};
use crate::scene::Scene;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// strace at a server.
pub struct Injector {
    child: Child,
    report: PathBuf,
}

impl Injector {
    /// Attaches to a process; returns once it is in effect. Only calls on `path` count, if one is given.
    pub fn attach(process: u32, calls: &str, fault: &str, path: Option<&Path>, report: PathBuf) -> Self {
        let mut command = strace(calls, fault, path, &report);
        command.args(["-p", &process.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("strace is installed (apt-get install strace)");
        let mut lines = Lines::of(child.stderr.take().unwrap());
        assert!(lines.wait_for(" attached").is_some(), "strace could not attach: {}", lines.all());
        // Its later lines are read on; they are of no interest.
        std::thread::spawn(move || lines.all());
        Self { child, report }
    }

    /// How many calls it made fail so far.
    fn injected(&self) -> usize {
        injected(&self.report)
    }

    /// Waits until it has made a call fail.
    pub fn wait_until_injected(&mut self) {
        let until = std::time::Instant::now() + PATIENCE;
        while self.injected() == 0 {
            assert!(std::time::Instant::now() < until, "no call failed");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Lets go of the process, if it is still there; gives how many calls failed, which is at least one.
    pub fn detach(mut self) -> usize {
        if self.child.try_wait().unwrap().is_none() {
            send(self.child.id(), rustix::process::Signal::INT);
        }
        wait_for_end(&mut self.child, "strace");
        let injected = self.injected();
        assert!(injected > 0, "a run that made nothing fail proves nothing");
        injected
    }
}

fn strace(calls: &str, fault: &str, path: Option<&Path>, report: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{fault}"), "-o"]).arg(report);
    if let Some(path) = path {
        command.arg("-P").arg(path);
    }
    command
}

/// Runs a command that is killed when it makes the `nth` of these calls; gives how it ended, none if it was killed.
pub fn run_killed_at(nth: u32, calls: &str, arguments: &[&str], report: &Path) -> Option<Ended> {
    let mut command = as_child(strace(calls, &format!("signal=KILL:when={nth}"), None, report));
    let began = Instant::now();
    command.arg(PROGRAM).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("strace is installed (apt-get install strace)");
    let (out, err) = (Lines::of(child.stdout.take().unwrap()), Lines::of(child.stderr.take().unwrap()));
    let status = wait_for_end(&mut child, "the command");
    let ended = Ended { code: status.code(), stdout: out.all(), stderr: err.all(), took: began.elapsed() };
    // strace ends the way that the command did.
    (status.signal() != Some(9)).then_some(ended)
}

/// A command that is our child and stands still at its first such call on a file, until it is sent SIGCONT.
pub fn start_stopped_at(calls: &str, file: &Path, arguments: &[&str], report: &Path) -> Child {
    let mut command = as_child(strace(calls, "signal=STOP:when=1", Some(file), report));
    command.args(["-D", PROGRAM]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("strace is installed (apt-get install strace)");
    let until = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(report).unwrap_or_default().contains("stopped by SIGSTOP") {
        assert!(Instant::now() < until, "the command did not come to that call");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child
}

/// How many calls failed on purpose, by strace's own report.
pub fn injected(report: &Path) -> usize {
    let report = std::fs::read_to_string(report).unwrap_or_default();
    report.lines().filter(|line| line.contains("(INJECTED)")).count()
}

/// A server whose calls on a file of its directory fail from its first one on.
pub fn serve_with(scene: &Scene, calls: &str, fault: &str, file: &str, report: &Path) -> Server {
    let mut command = as_child(strace(calls, fault, Some(&scene.data().join(file)), report));
    // Detached: the server is our child, and strace somebody else's that ends with it.
    command.args(["-D", PROGRAM]).args(SERVE).arg(scene.data());
    Server::start_by(command)
}

impl Drop for Injector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
