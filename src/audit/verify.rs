//! `verify`: is everything in a ledger what the log says it is?
//!
//! Owns: the findings, and the three threads that look for them. One reads, hashes and compares tiles (`tree`); one
//! decodes, encodes again, counts stream numbers and checks texts (`records`); one folds what that decoded, and compares
//! seals, snapshots and history tables with it (`replay`, `snapshots`). Refuses to know: how an append is done. The tree is
//! computed here a second time from the RFC, so that an error in the writer's tree cannot hide itself. Nothing is changed,
//! and a server may go on appending: the head is fixed first.
//!
//! What it cannot see: a log that was cut, or rewritten from the start, together with its tiles. That is what the
//! returned head and root are for: compare them with a signed checkpoint.

mod checkpoints;
mod records;
mod replay;
mod snapshots;
mod tree;

use crate::domain::ids::{Position, TextNumber};
use crate::log::reader::LogReader;
use crate::log::signed_head::{SignedHead, read_signed_head};
use crate::log::{DataDir, LogError};
use crate::projections::snapshot::PassedOver;
use checkpoints::Stored;
use replay::Feed;
use snapshots::Kept;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

/// Findings of one kind that are listed; the others are counted. By kind, so that many of one hide none of another.
pub const FINDINGS_LISTED_MAX: usize = 20;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What a finding is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// The file itself, a position or the bytes of a record.
    Record,
    /// A record's time.
    Time,
    /// A place in an account's or a token's stream.
    Stream,
    /// The stored tree.
    Tree,
    /// A personal text and its commitment.
    Text,
    /// A snapshot of the projections, or the history tables beside it.
    Snapshot,
    /// A seal.
    Seal,
}

/// All of them.
pub const KINDS: [Kind; 7] =
    [Kind::Record, Kind::Time, Kind::Stream, Kind::Tree, Kind::Text, Kind::Snapshot, Kind::Seal];

impl Kind {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Time => "time",
            Self::Stream => "stream",
            Self::Tree => "tree",
            Self::Text => "text",
            Self::Snapshot => "snapshot",
            Self::Seal => "seal",
        }
    }
}

/// Something that is not what it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The record it is about, or the first of them; none where it is about no record.
    pub position: Option<Position>,
    /// What it is about.
    pub kind: Kind,
    /// What is wrong, as a sentence that needs no other.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "position {position}: {}: {}", self.kind.name(), self.what),
            None => write!(f, "{}: {}", self.kind.name(), self.what),
        }
    }
}

/// What to leave out, and what to look at beside the directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Whether snapshots and history tables are compared with the replay.
    pub snapshots: bool,
    /// Checkpoints that somebody kept: the log must have grown out of each.
    pub given: Vec<Given>,
}

/// A checkpoint kept outside the directory: an anchor, an auditor's copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// Where it is from, for findings, such as `the anchor /mnt/anchor`.
    pub from: String,
    /// Its text (a C2SP signed note).
    pub note: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { snapshots: true, given: Vec::new() }
    }
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The last position that was checked.
    pub head: Position,
    /// Size of the signed head that the tree was compared with; none before the first.
    pub signed: Option<Position>,
    /// Name of the log, by its records; empty where they do not say it.
    pub origin: String,
    /// Verifier key of the log, by its records.
    pub log_vkey: String,
    /// All verifier keys that it had under its name of today, newest first.
    pub log_vkeys: Vec<String>,
    /// Checkpoints whose signature and root were checked.
    pub checkpoints_checked: u64,
    /// Root of the tree over all records up to the head; none where records are missing.
    pub root: Option<[u8; 32]>,
    /// Stored tiles that were compared.
    pub tiles_checked: u64,
    /// Personal texts that were compared with their commitments.
    pub texts_checked: u64,
    /// Texts that have no row any more, because a record erased them.
    pub texts_erased: u64,
    /// Snapshots that were compared with the replay.
    pub snapshots_checked: Vec<Position>,
    /// Snapshots that could not be compared, though nothing is wrong with them.
    pub snapshots_passed_over: Vec<PassedOver>,
    /// Up to where the history tables were compared with the replay; none where they were not.
    pub tables_checked: Option<Position>,
    /// Seals that are what a replay up to their position gives.
    pub seals_checked: u64,
    /// Seals that could not be computed: of other rules than this program's, or of a position that no whole replay
    /// reaches.
    pub seals_passed_over: u64,
    /// Findings by position, at most [`FINDINGS_LISTED_MAX`] of each kind.
    pub findings: Vec<Finding>,
    /// How many there are, those not listed included.
    pub findings_total: u64,
}

impl Report {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.findings_total == 0
    }
}

/// Findings on their way into the report.
#[derive(Default)]
struct Findings {
    listed: Vec<Finding>,
    by_kind: [u64; KINDS.len()],
}

impl Findings {
    fn add(&mut self, position: impl Into<Option<Position>>, kind: Kind, what: impl Into<String>) {
        let count = &mut self.by_kind[kind as usize];
        *count += 1;
        if *count <= FINDINGS_LISTED_MAX as u64 {
            self.listed.push(Finding { position: position.into(), kind, what: what.into() });
        }
    }

    fn total(&self) -> u64 {
        self.by_kind.iter().sum()
    }

    /// In the order of positions; those without one last.
    fn into_sorted(mut self) -> Vec<Finding> {
        self.listed.sort_by_key(|finding| (finding.position.is_none(), finding.position, finding.kind));
        let mut listed = [0usize; KINDS.len()];
        self.listed.retain(|finding| {
            let count = &mut listed[finding.kind as usize];
            *count += 1;
            *count <= FINDINGS_LISTED_MAX
        });
        self.listed
    }

    fn join(&mut self, other: Self) {
        self.listed.extend(other.listed);
        for (count, others) in self.by_kind.iter_mut().zip(other.by_kind) {
            *count += others;
        }
    }
}

/// What all threads look at: fixed before they start, so that a server may append meanwhile.
struct Scope {
    head: Position,
    /// The highest number of a text row before the head was read: rows up to it belong to records up to the head.
    last_text: TextNumber,
    /// What was signed last.
    signed: Option<SignedHead>,
    /// All that is known to have been signed, by size.
    checkpoints: Vec<Stored>,
}

/// How far the threads are.
#[derive(Default)]
struct Reached {
    tree: AtomicU64,
    records: AtomicU64,
    replay: AtomicU64,
}

impl Reached {
    fn all(&self) -> u64 {
        let reached = [&self.tree, &self.records, &self.replay].map(|thread| thread.load(Ordering::Relaxed));
        reached.into_iter().min().unwrap_or_default()
    }
}

/// Checks a ledger. Findings are values; an error is only that the files could not be read.
///
/// `progress` is told the position that all threads are past, and the head.
pub fn verify(
    dir: &DataDir,
    options: Options,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Report, LogError> {
    let log = LogReader::open(dir)?;
    let mut findings = Findings::default();
    let mut passed_over = Vec::new();
    // Snapshots first: one that is there already is of a position that the head, read later, covers.
    let kept = match options.snapshots {
        true => snapshots::list(dir, &log, &mut findings, &mut passed_over)?,
        false => Kept::default(),
    };
    // Read before the head, so that a checkpoint signed meanwhile is never past it.
    let signed = match readable(read_signed_head(dir))? {
        Ok(signed) => signed,
        Err(reason) => {
            findings.add(Position::NONE, Kind::Tree, format!("the signed head cannot be read: {reason}"));
            None
        }
    };
    let checkpoints = checkpoints::list(dir, options.given, &mut findings)?;
    let scope = Scope { last_text: log.last_text_number()?, head: log.head()?, signed, checkpoints };
    checkpoints::look_for_head(dir, &scope, &mut findings);
    drop(log);
    let reached = Reached::default();
    let checked = run_all(dir, &scope, kept, &reached, progress)?;
    progress(scope.head.0, scope.head.0);
    Ok(report(&scope, findings, passed_over, checked))
}

/// What a thread found, beside what it counted.
type Checked<T> = (T, Findings);

/// How a thread ended.
type Ended<T> = thread::Result<Result<Checked<T>, LogError>>;

/// What the three threads found.
struct AllChecked {
    tree: Checked<tree::Checked>,
    records: Checked<records::Checked>,
    replay: Checked<replay::Checked>,
}

fn run_all(
    dir: &DataDir,
    scope: &Scope,
    kept: Kept,
    reached: &Reached,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<AllChecked, LogError> {
    let (tree, records, replay) = thread::scope(|threads| {
        // Nothing is sent: a thread that ends drops its sender, and when all have, the wait is over.
        let (running, ended) = mpsc::channel::<()>();
        let still = [running.clone(), running.clone(), running];
        let [tree_runs, records_run, replay_runs] = still;
        let (feed, source) = Feed::open();
        let tree = spawn(threads, "verify-tree", move || {
            let _running = tree_runs;
            tree::check(dir, scope, &reached.tree)
        })?;
        let records = spawn(threads, "verify-records", move || {
            let _running = records_run;
            records::check(dir, scope, feed, &reached.records)
        })?;
        let replay = spawn(threads, "verify-replay", move || {
            let _running = replay_runs;
            replay::check(dir, scope, kept, source, &reached.replay)
        })?;
        while ended.recv_timeout(PROGRESS_EVERY) == Err(RecvTimeoutError::Timeout) {
            progress(reached.all(), scope.head.0);
        }
        Ok::<_, LogError>((tree.join(), records.join(), replay.join()))
    })?;
    Ok(AllChecked {
        tree: unwrapped(tree, &reached.tree)?,
        records: unwrapped(records, &reached.records)?,
        replay: unwrapped(replay, &reached.replay)?,
    })
}

fn spawn<'scope, T: Send + 'scope>(
    threads: &'scope thread::Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, LogError> {
    let started = thread::Builder::new().name(name.to_owned()).spawn_scoped(threads, work);
    started.map_err(|source| LogError::Io { path: name.into(), source })
}

/// A fold of a forged record may meet what no real log holds. That is a finding, and no reason to fall over.
fn unwrapped<T: Default>(ended: Ended<T>, reached: &AtomicU64) -> Result<Checked<T>, LogError> {
    ended.unwrap_or_else(|_| {
        let after = reached.load(Ordering::Relaxed);
        let mut findings = Findings::default();
        let what = format!("checking stopped at a record after position {after} that this program cannot take in");
        findings.add(Position(after + 1), Kind::Record, what);
        Ok((T::default(), findings))
    })
}

fn report(
    scope: &Scope,
    mut findings: Findings,
    mut snapshots_passed_over: Vec<PassedOver>,
    checked: AllChecked,
) -> Report {
    let AllChecked { tree: (tree, of_tree), records: (records, of_records), replay: (replay, of_replay) } = checked;
    for found in [of_tree, of_records, of_replay] {
        findings.join(found);
    }
    snapshots_passed_over.extend(replay.snapshots_passed_over);
    Report {
        head: scope.head,
        signed: scope.signed.map(|signed| signed.size),
        origin: replay.origin,
        log_vkey: replay.log_vkey,
        log_vkeys: replay.log_vkeys,
        checkpoints_checked: scope.checkpoints.len() as u64,
        root: tree.root,
        tiles_checked: tree.tiles,
        texts_checked: records.texts,
        texts_erased: records.texts_erased,
        snapshots_checked: replay.snapshots,
        tables_checked: replay.tables,
        seals_checked: replay.seals,
        seals_passed_over: replay.seals_passed_over,
        snapshots_passed_over,
        findings_total: findings.total(),
        findings: findings.into_sorted(),
    }
}

/// A file that can be read but makes no sense is a finding; one that cannot be read is an error.
fn readable<T>(result: Result<T, LogError>) -> Result<Result<T, String>, LogError> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.is_storage() => Err(error),
        Err(error) => Ok(Err(error.to_string())),
    }
}
