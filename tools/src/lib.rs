//! What the benches share: a ledger to measure on, and children that end with their parent.

pub mod big_log;
pub mod browser;
pub mod load;
pub mod pages;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use token_ledger::clock::Clock;
use token_ledger::domain::command::{AccessRequest, Actor, Change, Command as LedgerCommand, NewSecret, Origin};
use token_ledger::domain::decide::{Answer, DoneSubject};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::ids::AccountId;
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::{Owner, TokenKind};
use token_ledger::domain::token_text::TokenSecret;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::Core;
use token_ledger::ledger::initialize::initialize;
use token_ledger::ledger::{DataDir, Reply};

/// Any error, for tools that only report it.
pub type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// An hourly limit that no bench reaches.
pub const ENDLESS: u64 = 1_000_000_000;

/// Where a bench makes its ledger: the directory that was said, or a temporary one beside the programs, which ends with
/// this.
#[derive(Debug)]
pub enum Base {
    /// As said; what is made there stays.
    Said(PathBuf),
    /// Taken away at the end.
    Made(tempfile::TempDir),
}

impl Base {
    /// From what was said on the command line.
    pub fn of(said: Option<&Path>) -> Result<Self, AnyError> {
        match said {
            Some(dir) => Ok(Self::Said(dir.to_owned())),
            None => Ok(Self::Made(tempfile::tempdir_in(sibling(".")?)?)),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        match self {
            Self::Said(dir) => dir,
            Self::Made(dir) => dir.path(),
        }
    }
}

/// Makes a ledger with `accounts` accounts of `tokens_each` full-access tokens, and gives the bearer texts.
pub fn furnish(dir: &DataDir, accounts: u64, tokens_each: u64) -> Result<Vec<String>, AnyError> {
    dir.prepare()?;
    let (_, mut core) = initialize(dir, None, "bench", Clock::system(), Entropy::system())?;
    let mut entropy = Entropy::system();
    let mut texts = Vec::new();
    for chunk in (0..accounts).collect::<Vec<_>>().chunks(200) {
        let opened = commit(&mut core, chunk.iter().map(account).collect())?;
        let mut tokens = Vec::new();
        for reply in opened {
            let Answer::Done(done) = reply.answer else { return Err("an account was refused".into()) };
            let DoneSubject::Account(account) = done.subject else { return Err("no account was opened".into()) };
            tokens.extend((0..tokens_each).map(|_| token(account, &mut entropy, &mut texts)));
        }
        for tokens in chunked(tokens, 1_000) {
            commit(&mut core, tokens)?;
        }
    }
    Ok(texts)
}

fn chunked<T>(mut items: Vec<T>, size: usize) -> Vec<Vec<T>> {
    let mut chunks = Vec::new();
    while !items.is_empty() {
        let rest = items.split_off(items.len().min(size));
        chunks.push(std::mem::replace(&mut items, rest));
    }
    chunks
}

fn account(number: &u64) -> Change {
    Change::CreateAccount {
        name: PersonalText::new(format!("account {number}")),
        email: PersonalText::new(format!("ops{number}@example.com")),
        plan: Plan::Teams,
        hourly_limit: Some(ENDLESS),
    }
}

fn token(account: AccountId, entropy: &mut Entropy, texts: &mut Vec<String>) -> Change {
    let secret = TokenSecret::from_random(TokenKind::Account, &entropy.bytes_32());
    let new = NewSecret { digest: secret.digest(), hint: secret.hint() };
    texts.push(secret.reveal_once());
    Change::CreateToken {
        owner: Owner::Account(account),
        kind: TokenKind::Account,
        name: PersonalText::new("bench"),
        access: Some(AccessRequest::Full),
        expires_at: None,
        conditions: Default::default(),
        secret: new,
    }
}

fn commit(core: &mut Core, changes: Vec<Change>) -> Result<Vec<Reply>, AnyError> {
    let jobs: Vec<_> = changes
        .into_iter()
        .map(|change| (LedgerCommand::Manage(Actor::Local(0), Box::new(change)), Origin::default()))
        .collect();
    Ok(core.commit(&jobs)?.replies)
}

/// A server that ends when this is dropped.
#[derive(Debug)]
pub struct Server(Child);

impl Server {
    /// Starts a program and waits for its first line, which says that it listens.
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Self, AnyError> {
        let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.contains("listening") { Ok(Self(child)) } else { Err(format!("{}: {line}", program.display()).into()) }
    }

    /// Tells it to end in order, and waits until it has.
    pub fn stop(mut self) -> Result<(), AnyError> {
        Command::new("kill").args(["-TERM", &self.id().to_string()]).status()?;
        let status = self.0.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }

    /// Bytes of memory it has now, and had at most (`VmRSS` and `VmHWM` of `/proc`).
    pub fn memory(&self) -> Result<(u64, u64), AnyError> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let kibibytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        let read = |name: &str| kibibytes(name).map(|kibibytes| kibibytes * 1_024).ok_or(format!("no {name}"));
        Ok((read("VmRSS:")?, read("VmHWM:")?))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Processor time used so far, in microseconds.
    pub fn cpu_micros(&self) -> Result<u64, AnyError> {
        cpu_micros(self.id())
    }
}

/// Processor time that a process has used so far, in microseconds (user and system; `/proc` counts in hundredths of a
/// second).
pub fn cpu_micros(id: u32) -> Result<u64, AnyError> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Ok((ticks(11) + ticks(12)) * 10_000)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ends by its id; what it leaves is a temporary directory.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program built beside this one.
pub fn sibling(name: &str) -> Result<PathBuf, AnyError> {
    let own = std::env::current_exe()?;
    Ok(own.parent().ok_or("no folder")?.join(name))
}

/// The median of some figures.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}
