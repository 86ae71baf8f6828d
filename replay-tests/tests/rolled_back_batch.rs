//! A batch that cannot be appended leaves nothing: state, digests, text numbers, counted refusals and tree are what
//! they were, and the next batch ends as if the failed one had never come.
//!
//! The failures are SQLite's own: a full file, a refused insert, another program's lock, a table that cannot be read.

use replay_tests::checks::{
    assert_finds, check_order, check_streams, check_texts, check_verified, records, state_from_first,
};
use replay_tests::generator::{BEGIN, Generator};
use rusqlite::Connection;
use std::time::Duration;
use tempfile::TempDir;
use token_ledger::clock::Clock;
use token_ledger::domain::command::{Change, Command};
use token_ledger::domain::decide::Recorded;
use token_ledger::domain::event::Event;
use token_ledger::domain::ids::RequestId;
use token_ledger::domain::token::Principal;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Committed, Core, Job};
use token_ledger::log::DataDir;
use token_ledger::log::writer::AppendError;

const SEEDS: u64 = 8;
/// Failed batches a seed: every fault twice.
const FAULTS_A_SEED: usize = FAULTS.len() * 2;
/// Batches that succeed between two failed ones, at most.
const BATCHES_BETWEEN: u64 = 8;
/// SQLite's own largest page count.
const PAGES_MAX: u32 = 4_294_967_294;

/// What makes a batch fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// The file may not grow.
    Full,
    /// The insert of one record fails, and with it the statement.
    RecordRefused,
    /// The insert of one record fails, and with it the transaction.
    RecordRolledBack,
    /// The insert of a text fails.
    TextRefused,
    /// The store of a tile fails.
    TileRefused,
    /// Another program holds the write lock.
    Locked,
    /// Texts cannot be looked up while deciding.
    TextsUnreadable,
}

const FAULTS: [Fault; 7] = [
    Fault::Full,
    Fault::RecordRefused,
    Fault::RecordRolledBack,
    Fault::TextRefused,
    Fault::TileRefused,
    Fault::Locked,
    Fault::TextsUnreadable,
];

impl Fault {
    /// New users that the failing batch brings along, so that it surely meets the fault: each is three records and
    /// two texts of over 200 bytes.
    fn users(self) -> u64 {
        match self {
            // More than the last pages of the file can still take.
            Self::Full => 60,
            // More records than a tile is wide.
            Self::TileRefused => 90,
            _ => 4,
        }
    }
}

/// Another program's lock, while it holds it.
struct Lock(Option<Connection>);

/// A core in a directory of its own.
struct Ledger {
    _home: TempDir,
    dir: DataDir,
    core: Core,
    clock: Clock,
}

impl Ledger {
    fn create(seed: u64) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let dir = DataDir::new(home.path().join("ledger"));
        let clock = Clock::manual(BEGIN);
        let core = Core::create(&dir, clock.clone(), Entropy::seeded(seed)).expect("a ledger can be made");
        Self { _home: home, dir, core, clock }
    }

    fn connection(&self) -> &Connection {
        self.core.log().connection()
    }

    fn run(&self, sql: &str) {
        self.connection().execute_batch(sql).expect("the fault is set or taken away");
    }

    /// Sets a fault; `offset` says which of the batch's records meets it, where one does.
    fn break_by(&self, fault: Fault, offset: u64) -> Lock {
        let position = self.core.head().0 + 1 + offset;
        match fault {
            Fault::Full => {
                let pages: u32 = self.pragma("page_count");
                assert_eq!(self.limit_pages(pages), pages, "the file may not grow");
            }
            Fault::RecordRefused => self.refuse_insert("events", &format!("NEW.position = {position}"), "ABORT"),
            Fault::RecordRolledBack => self.refuse_insert("events", &format!("NEW.position = {position}"), "ROLLBACK"),
            Fault::TextRefused => self.refuse_insert("personal", "true", "ABORT"),
            Fault::TileRefused => self.refuse_insert("tiles", "true", "ABORT"),
            Fault::Locked => return self.lock(),
            // A temporary table of the same name stands before the real one, and has none of its columns.
            Fault::TextsUnreadable => self.run("CREATE TEMP TABLE personal (unrelated)"),
        }
        Lock(None)
    }

    fn mend(&self, fault: Fault, lock: Lock) {
        match fault {
            Fault::Full => assert_eq!(self.limit_pages(PAGES_MAX), PAGES_MAX),
            Fault::RecordRefused | Fault::RecordRolledBack | Fault::TextRefused | Fault::TileRefused => {
                self.run("DROP TRIGGER temp.fault");
            }
            Fault::Locked => {
                let other = lock.0.expect("the lock is held");
                other.execute_batch("ROLLBACK").expect("the lock is let go");
                self.connection().busy_timeout(Duration::from_secs(5)).expect("the patience is set");
            }
            Fault::TextsUnreadable => self.run("DROP TABLE temp.personal"),
        }
    }

    fn pragma(&self, name: &str) -> u32 {
        self.connection().pragma_query_value(None, name, |row| row.get(0)).expect("the pragma answers")
    }

    fn limit_pages(&self, pages: u32) -> u32 {
        let sql = format!("PRAGMA max_page_count = {pages}");
        self.connection().query_row(&sql, [], |row| row.get(0)).expect("the pragma answers")
    }

    fn refuse_insert(&self, table: &str, when: &str, action: &str) {
        self.run(&format!(
            "CREATE TEMP TRIGGER fault BEFORE INSERT ON main.{table} WHEN {when}
             BEGIN SELECT raise({action}, 'fault'); END"
        ));
    }

    fn lock(&self) -> Lock {
        self.connection().busy_timeout(Duration::ZERO).expect("the patience is set");
        let other = Connection::open(self.dir.ledger()).expect("another program opens the file");
        other.execute_batch("BEGIN IMMEDIATE").expect("another program takes the lock");
        Lock(Some(other))
    }

    /// The batch fails, and nothing of it is left.
    fn fail(&mut self, fault: Fault, offset: u64, jobs: &[Job]) {
        let state = self.core.state().clone();
        let tree = (self.core.head(), self.core.log().root());
        let has_tally = self.core.has_tally();

        let lock = self.break_by(fault, offset);
        let failed = self.core.commit(jobs);
        self.mend(fault, lock);

        assert!(matches!(failed, Err(AppendError::RolledBack(_))), "{fault:?}: {failed:?}");
        assert!(*self.core.state() == state, "{fault:?}: the state");
        assert_finds(&self.core.digests().read(), &state, &format!("{fault:?}"));
        assert_eq!((self.core.head(), self.core.log().root()), tree, "{fault:?}: the tree");
        assert_eq!(self.core.has_tally(), has_tally, "{fault:?}: the counted refusals");
        assert!(state_from_first(&self.dir) == state, "{fault:?}: the file");
    }
}

/// Two ledgers with the same story, but for the batches that fail on the first.
struct Twins {
    faulted: Ledger,
    spared: Ledger,
    generator: Generator,
}

impl Twins {
    fn create(seed: u64) -> Self {
        let mut generator = Generator::new(seed);
        let beginning = generator.beginning();
        let mut twins = Self { faulted: Ledger::create(seed), spared: Ledger::create(seed), generator };
        twins.commit_both(&beginning);
        twins
    }

    fn move_clocks(&mut self) {
        self.generator.move_clock(&self.spared.clock);
        self.faulted.clock.set(self.spared.clock.now());
    }

    fn commit_both(&mut self, jobs: &[Job]) {
        let of = |ledger: &mut Ledger| ledger.core.commit(jobs).expect("the batch is appended");
        assert_same_outcome(&of(&mut self.faulted), &of(&mut self.spared));
        assert!(self.faulted.core.state() == self.spared.core.state());
    }

    fn commit_some(&mut self) {
        for _ in 0..=self.generator.random().below(BATCHES_BETWEEN) {
            self.move_clocks();
            let jobs = self.generator.batch(self.spared.core.state());
            self.commit_both(&jobs);
        }
    }

    /// A batch of anything, with new users at random places in it.
    fn failing_jobs(&mut self, fault: Fault) -> Vec<Job> {
        let mut jobs = self.generator.batch(self.spared.core.state());
        if fault == Fault::TextRefused {
            jobs.retain(|(command, _)| !is_erasure(command));
        }
        for _ in 0..fault.users() {
            let place = self.generator.random().below(jobs.len() as u64 + 1);
            let user = self.generator.long_user();
            jobs.insert(usize::try_from(place).unwrap_or(0), user);
        }
        jobs
    }

    fn fail_once(&mut self, fault: Fault) {
        self.move_clocks();
        let jobs = self.failing_jobs(fault);
        let offset = self.generator.random().below(3 * fault.users());
        self.faulted.fail(fault, offset, &jobs);
    }

    /// What is only counted so far must be the same too: recorded, it can be compared.
    fn end(mut self) {
        let of = |ledger: &mut Ledger| ledger.core.commit_sums().expect("the sums are appended");
        assert_same_outcome(&of(&mut self.faulted), &of(&mut self.spared));
        for ledger in [&self.faulted, &self.spared] {
            let records = records(&ledger.dir);
            check_order(&records);
            check_streams(&records);
            check_texts(&ledger.dir, &records);
            check_verified(&ledger.dir, ledger.core.log().root());
        }
    }
}

/// An erasure makes the table of texts anew, and the trigger on the old one goes with it: no text would be refused.
fn is_erasure(command: &Command) -> bool {
    fn erases(change: &Change) -> bool {
        match change {
            Change::Once { change, .. } => erases(change),
            Change::EraseUserTexts { .. } | Change::EraseTokenTexts { .. } | Change::EraseAgain { .. } => true,
            _ => false,
        }
    }
    matches!(command, Command::Manage(_, change) if erases(change))
}

#[track_caller]
fn assert_same_outcome(faulted: &Committed, spared: &Committed) {
    assert_eq!(faulted.first, spared.first);
    assert_eq!(faulted.replies, spared.replies);
    let [faulted, spared] = [faulted, spared].map(|committed| without_random(&committed.records));
    assert_eq!(faulted, spared);
}

/// A failed batch drew salts, and request ids of sums, so these differ afterwards; nothing else may.
fn without_random(records: &[Recorded]) -> Vec<Recorded> {
    let mut records = records.to_vec();
    for recorded in &mut records {
        assert!(!recorded.header.request.is_none());
        if matches!(recorded.header.principal, Principal::Service) {
            recorded.header.request = RequestId::NONE;
        }
        if let Event::TextSeen(seen) = &mut recorded.event {
            seen.commitment = [0; 32];
        }
    }
    records
}

#[test]
fn after_a_failed_batch_everything_is_as_if_it_had_never_come() {
    for seed in 0..SEEDS {
        let mut twins = Twins::create(1_000 + seed);
        for fault in (0..FAULTS_A_SEED).map(|index| FAULTS[index % FAULTS.len()]) {
            eprintln!("seed {seed}, {fault:?}");
            twins.commit_some();
            twins.fail_once(fault);
            let next = twins.generator.batch(twins.spared.core.state());
            twins.commit_both(&next);
        }
        twins.end();
    }
}

#[test]
fn a_batch_that_failed_succeeds_when_it_is_sent_again() {
    let mut twins = Twins::create(2_000);
    for fault in FAULTS {
        twins.commit_some();
        twins.move_clocks();
        let jobs = twins.failing_jobs(fault);
        let offset = twins.generator.random().below(3 * fault.users());
        twins.faulted.fail(fault, offset, &jobs);
        twins.commit_both(&jobs);
    }
    twins.end();
}

/// The failing batch meets counted refusals that are due: they are not lost with it.
#[test]
fn counted_refusals_survive_a_failed_batch_that_would_have_recorded_them() {
    for fault in FAULTS {
        let mut twins = Twins::create(3_000);
        while !twins.spared.core.has_tally() {
            twins.commit_some();
        }
        let later = twins.spared.clock.now().plus_seconds(4_000);
        twins.faulted.clock.set(later);
        twins.spared.clock.set(later);
        let jobs = twins.failing_jobs(fault);
        twins.faulted.fail(fault, 0, &jobs);
        twins.end();
    }
}
