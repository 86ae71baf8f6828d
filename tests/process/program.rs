//! The program as a child: commands that end by themselves, and servers.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long anything may take before it counts as hanging; far more than it needs on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Where the program under test is.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_token-ledger");
/// Its arguments for a server on a free port of the loopback, up to the directory.
pub const SERVE: [&str; 4] = ["serve", "--listen", "127.0.0.1:0", "--data"];

/// The program under test.
pub fn token_ledger() -> Command {
    as_child(Command::new(PROGRAM))
}

/// A command without what surrounds the test.
pub fn as_child(mut command: Command) -> Command {
    command.env_remove("TOKEN_LEDGER_DATA").env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Lines of a pipe, read on a thread of its own so that the child never waits for us.
#[derive(Debug)]
pub struct Lines {
    receiver: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { receiver, seen: Vec::new() }
    }

    /// The first line not seen yet that holds `words`; none once the pipe is closed.
    pub fn wait_for(&mut self, words: &str) -> Option<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(words) {
                        return Some(line);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("no line with {words:?} came: {:?}", self.seen),
            }
        }
    }

    /// Everything, once the pipe is closed.
    pub fn all(mut self) -> String {
        let rest = self.receiver.iter();
        self.seen.extend(rest);
        self.seen.join("\n")
    }
}

/// Waits for a child's end; one that does not end is ended by its id, and the test fails.
pub fn wait_for_end(child: &mut Child, what: &str) -> ExitStatus {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{what} did not end within {PATIENCE:?}");
        }
        // Only the pause between two looks: nothing depends on its length.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Looks until something holds; the test fails if it does not in time.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        // Only the pause between two looks: nothing depends on its length.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ended {
    /// Ended by itself with this code, and said so without a panic.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.stdout.contains(words) || self.stderr.contains(words), "{words:?} is not in {self:#?}");
        self
    }
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Ended {
    let mut command = token_ledger();
    command.args(arguments);
    run_by(command)
}

/// Runs a command to its end.
pub fn run_by(mut command: Command) -> Ended {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, err) = (Lines::of(child.stdout.take().unwrap()), Lines::of(child.stderr.take().unwrap()));
    let status = wait_for_end(&mut child, "the command");
    Ended { code: status.code(), stdout: out.all(), stderr: err.all(), took: began.elapsed() }
}

/// Runs a command on a data directory.
pub fn run_on(command: &[&str], data: &Path) -> Ended {
    run(&[command, &["--data", data.to_str().unwrap()]].concat())
}

/// A server that listens. Dropping it ends it the hard way.
#[derive(Debug)]
pub struct Server {
    child: Child,
    stdout: Option<Lines>,
    stderr: Option<Lines>,
    pub address: SocketAddr,
}

impl Server {
    /// Starts a server on a free port of the loopback and waits until it listens.
    pub fn start(data: &Path, options: &[&str]) -> Self {
        let mut command = token_ledger();
        command.args(SERVE).arg(data).args(options);
        Self::start_by(command)
    }

    /// Starts a server by a command that becomes it.
    pub fn start_by(command: Command) -> Self {
        Self::try_start_by(command).unwrap_or_else(|ended| panic!("the server did not start: {ended:#?}"))
    }

    /// Starts a server by a command that becomes it, or says how it ended instead.
    pub fn try_start_by(mut command: Command) -> Result<Self, Ended> {
        let began = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        let Some(line) = stdout.wait_for("listening on http://") else {
            let status = wait_for_end(&mut child, "serve");
            let (stdout, stderr) = (stdout.all(), stderr.all());
            return Err(Ended { code: status.code(), stdout, stderr, took: began.elapsed() });
        };
        let address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
        Ok(Self { child, stdout: Some(stdout), stderr: Some(stderr), address })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line of its log, after those that were waited for before.
    #[track_caller]
    pub fn wait_until_logged(&mut self, words: &str) {
        let found = self.stderr.as_mut().unwrap().wait_for(words);
        assert!(found.is_some(), "it ended without {words:?} in its log");
    }

    /// SIGKILL: nothing of the process runs after it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(self) -> Ended {
        send(self.id(), rustix::process::Signal::TERM);
        self.end()
    }

    /// How it ended: by itself, or else by SIGTERM.
    pub fn stop_or_end(self) -> Ended {
        // A process that is gone already but not waited for takes the signal too.
        send(self.id(), rustix::process::Signal::TERM);
        self.end()
    }

    /// How it ends by itself.
    pub fn end(mut self) -> Ended {
        let began = Instant::now();
        let status = wait_for_end(&mut self.child, "the server");
        let took = began.elapsed();
        let (out, err) = (self.stdout.take().unwrap(), self.stderr.take().unwrap());
        Ended { code: status.code(), stdout: out.all(), stderr: err.all(), took }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a child that was not waited for yet, so that its id is its own.
pub fn send(id: u32, signal: rustix::process::Signal) {
    let id = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    rustix::process::kill_process(id, signal).unwrap();
}
