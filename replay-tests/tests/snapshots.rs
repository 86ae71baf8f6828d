//! Two snapshots are kept. A bad one falls back to the older, then to a replay, and is named; one that was not finished
//! leaves nothing behind; and who reads is never kept waiting for a whole one.

use rusqlite::Connection;
use std::ops::ControlFlow;
use std::time::Duration;
use tempfile::TempDir;
use token_ledger::clock::Clock;
use token_ledger::domain::command::{AccessRequest, Actor, AskedTarget, Change, Command, NewSecret, Origin, Use};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::Route;
use token_ledger::domain::ids::{AccountId, Position};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::{Owner, TokenKind};
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::ledger::initialize::initialize;
use token_ledger::ledger::{Ledger, Settings};
use token_ledger::log::DataDir;
use token_ledger::log::reader::LogReader;
use token_ledger::projections::rebuild::{self, Loaded, leaf_at};
use token_ledger::projections::snapshot::Views;
use token_ledger::projections::{Projections, chunks};

struct Home {
    _parent: TempDir,
    dir: DataDir,
}

impl Home {
    fn new() -> Self {
        let parent = tempfile::tempdir().expect("a directory can be made");
        let dir = DataDir::new(parent.path().join("ledger"));
        initialize(&dir, None, "first", Clock::system(), Entropy::seeded(1)).expect("a ledger can be made");
        Self { _parent: parent, dir }
    }

    fn core(&self) -> Core {
        Core::open(&self.dir, Clock::system(), Entropy::seeded(2)).expect("the ledger opens").0
    }

    /// Snapshots at the middle and at the end, and three records after.
    fn with_two_snapshots() -> Self {
        let home = Self::new();
        let mut core = home.core();
        core.commit(&furniture(20)).expect("it is appended");
        home.store_at(Position(core.head().0 / 2));
        home.store_at(core.head());
        core.commit(&(0..3).map(|_| whoami(0)).collect::<Vec<_>>()).expect("it is appended");
        home
    }

    fn replayed(&self, through: Position) -> Projections {
        let mut projections = Projections::default();
        rebuild::replay_into(&self.dir, &mut projections, through, &mut |_| {}).expect("the log can be replayed");
        projections
    }

    fn store_at(&self, position: Position) {
        let leaf = leaf_at(&LogReader::open(&self.dir).expect("the log opens"), position).expect("the record is there");
        Views::open(&self.dir).expect("views open").store(&self.replayed(position), leaf).expect("it is stored");
    }

    fn positions(&self) -> Vec<Position> {
        Views::open_existing(&self.dir).expect("views open").expect("they are there").positions().expect("positions")
    }

    fn alter(&self, sql: &str, position: Position) {
        let file = Connection::open(self.dir.views()).expect("the file opens");
        file.execute(sql, [i64::try_from(position.0).expect("a small number")]).expect("it is altered");
    }

    /// Loads, which must give what a replay gives.
    fn load(&self) -> Loaded {
        let loaded = rebuild::load(&self.dir).expect("the log can be loaded");
        assert_eq!(loaded.projections, self.replayed(loaded.projections.position));
        loaded
    }
}

fn by(change: Change) -> Job {
    (Command::Manage(Actor::Local(0), Box::new(change)), Origin::default())
}

fn digest(token: u64) -> TokenDigest {
    TokenDigest::of(&format!("token {token}"))
}

/// An account with tokens.
fn furniture(tokens: u64) -> Vec<Job> {
    let open = Change::CreateAccount {
        name: PersonalText::new("one"),
        email: PersonalText::new("one@example.com"),
        plan: Plan::Teams,
        hourly_limit: Some(1_000_000_000),
    };
    let create = |token| Change::CreateToken {
        owner: Owner::Account(AccountId(1)),
        kind: TokenKind::Account,
        name: PersonalText::new(format!("token {token}")),
        access: Some(AccessRequest::Full),
        expires_at: None,
        conditions: Default::default(),
        secret: NewSecret { digest: digest(token), hint: *b"abcd" },
    };
    std::iter::once(by(open)).chain((0..tokens).map(|token| by(create(token)))).collect()
}

fn whoami(token: u64) -> Job {
    let (route, target) = (Route::Whoami, AskedTarget::None);
    let asked =
        Use { digest: digest(token), route, account: None, target, certificate: None, valid: true, mapped: None };
    (Command::Use(asked), Origin::default())
}

/// Spoils the newest snapshot, then the older one too.
#[track_caller]
fn falls_back(spoil: impl Fn(&Home, Position), reason: &str) {
    let home = Home::with_two_snapshots();
    let [older, newest] = home.positions()[..] else { panic!("{:?}", home.positions()) };
    assert_eq!((home.load().from_snapshot, home.load().passed_over), (newest, Vec::new()));
    spoil(&home, newest);
    let loaded = home.load();
    assert_eq!(loaded.from_snapshot, older, "{reason}");
    let [passed_over] = &loaded.passed_over[..] else { panic!("{:?}", loaded.passed_over) };
    assert!(passed_over.position >= newest);
    assert!(passed_over.reason.contains(reason), "{}", passed_over.reason);
    spoil(&home, older);
    let loaded = home.load();
    assert_eq!((loaded.from_snapshot, loaded.passed_over.len()), (Position::NONE, 2), "{reason}");
}

#[test]
fn a_bad_snapshot_falls_back_to_the_older_one_and_then_to_a_replay() {
    falls_back(|home, at| home.alter("UPDATE snapshots SET fold_version = 99 WHERE position = ?1", at), "fold version");
    falls_back(
        |home, at| home.alter("UPDATE snapshots SET leaf_hash = zeroblob(32) WHERE position = ?1", at),
        "another log",
    );
    falls_back(|home, at| home.alter("UPDATE snapshots SET sha256 = zeroblob(32) WHERE position = ?1", at), "checksum");
    falls_back(|home, at| home.alter("DELETE FROM snapshot_chunks WHERE chunk = 1 AND position = ?1", at), "checksum");
    falls_back(
        |home, at| {
            home.alter("UPDATE snapshot_chunks SET bytes = CAST(x'00' || bytes AS BLOB) WHERE position = ?1", at)
        },
        "checksum",
    );
}

/// Whole by its checksum, but nothing that this program wrote.
#[test]
fn a_snapshot_that_does_not_decode_is_passed_over() {
    let empty: [u8; 32] = sha2_of(&[]);
    falls_back(
        |home, at| {
            home.alter("DELETE FROM snapshot_chunks WHERE position = ?1", at);
            let file = Connection::open(home.dir.views()).expect("the file opens");
            file.execute("UPDATE snapshots SET sha256 = ?1 WHERE position = ?2", (&empty[..], at.0 as i64))
                .expect("it");
        },
        "another position",
    );
    let unknown: [u8; 32] = sha2_of(&[99]);
    falls_back(
        |home, at| {
            home.alter("UPDATE snapshot_chunks SET bytes = x'63' WHERE chunk = 0 AND position = ?1", at);
            home.alter("DELETE FROM snapshot_chunks WHERE chunk > 0 AND position = ?1", at);
            let file = Connection::open(home.dir.views()).expect("the file opens");
            file.execute("UPDATE snapshots SET sha256 = ?1 WHERE position = ?2", (&unknown[..], at.0 as i64))
                .expect("it");
        },
        "does not decode",
    );
}

fn sha2_of(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

/// As after an older copy of the log took the newer one's place.
#[test]
fn a_snapshot_ahead_of_the_log_is_passed_over() {
    falls_back(
        |home, at| {
            let file = Connection::open(home.dir.views()).expect("the file opens");
            file.execute("UPDATE snapshots SET position = position + 1000 WHERE position = ?1", [at.0 as i64])
                .expect("it");
            file.execute("UPDATE snapshot_chunks SET position = position + 1000 WHERE position = ?1", [at.0 as i64])
                .expect("it");
        },
        "another log",
    );
}

#[test]
fn two_are_kept_and_what_a_crash_left_is_deleted() {
    let home = Home::with_two_snapshots();
    let first = home.positions()[0];
    let file = Connection::open(home.dir.views()).expect("the file opens");
    file.execute("INSERT INTO snapshot_chunks VALUES (7, 0, x'00'), (7, 1, x'00')", []).expect("as a crash leaves it");
    home.store_at(home.core().head());
    assert_eq!(home.positions().len(), 2);
    assert!(!home.positions().contains(&first));
    let unnamed = "SELECT count(*) FROM snapshot_chunks WHERE position NOT IN (SELECT position FROM snapshots)";
    assert_eq!(file.query_row(unnamed, [], |row| row.get::<_, i64>(0)), Ok(0));
}

/// What goes on between the chunks changes nothing of the copy that is written.
#[test]
fn a_snapshot_is_of_one_position_whatever_is_folded_meanwhile() {
    let home = Home::new();
    let mut core = home.core();
    core.commit(&furniture(10_000)).expect("it is appended");
    let mut live = home.replayed(core.head());
    let (frozen, before) = (live.freeze(), live.position);
    let leaf = leaf_at(&LogReader::open(&home.dir).expect("the log opens"), before).expect("the record is there");
    let mut steps = 0;
    let mut fold = || {
        steps += 1;
        let committed = core.commit(&[whoami(steps), whoami(9_999 - steps)]).expect("it is appended");
        for (position, recorded) in (committed.first.0..).zip(&committed.records) {
            live.fold(Position(position), &recorded.header, &recorded.event);
        }
        ControlFlow::Continue(())
    };
    Views::open(&home.dir).expect("views open").store_paced(&frozen, leaf, &mut fold).expect("it is stored");
    assert!(steps >= 4, "only {steps} chunks");
    assert!(live.position > before);
    assert_eq!(home.positions(), [before]);
    assert_eq!(home.load().from_snapshot, before);
    assert_eq!(home.load().projections, live, "the snapshot, and what was folded meanwhile from the log");
    let largest = chunks::Chunks::of(&live).map(|chunk| chunk.expect("it encodes").len()).max();
    assert!(largest < Some(chunks::CHUNK_BYTES + 1_000), "{largest:?}");
}

#[test]
fn a_snapshot_that_is_broken_off_leaves_nothing() {
    let home = Home::new();
    home.core().commit(&furniture(10_000)).expect("it is appended");
    let head = home.core().head();
    let leaf = leaf_at(&LogReader::open(&home.dir).expect("the log opens"), head).expect("the record is there");
    let mut views = Views::open(&home.dir).expect("views open");
    let stored = views.store_paced(&home.replayed(head), leaf, &mut || ControlFlow::Break(()));
    assert_eq!(stored.expect("it is no failure"), None);
    assert_eq!(home.positions(), []);
    let file = Connection::open(home.dir.views()).expect("the file opens");
    assert_eq!(file.query_row("SELECT count(*) FROM snapshot_chunks", [], |row| row.get::<_, i64>(0)), Ok(0));
}

/// With a running ledger: snapshots at every few records, reads all the while, and everything as it must be after.
#[tokio::test(flavor = "multi_thread")]
async fn reads_and_snapshots_go_on_together() {
    let home = Home::new();
    home.core().commit(&furniture(500)).expect("it is appended");
    let settings = Settings { snapshot_events: 50, ..Settings::default() };
    let ledger = Ledger::start(&home.dir, Clock::system(), Entropy::system(), settings).expect("it starts");
    for round in 0..20 {
        let uses: Vec<_> = (0..100)
            .map(|token| {
                let ledger = ledger.clone();
                tokio::spawn(async move { ledger.submit(whoami(token).0, Origin::default()).await })
            })
            .collect();
        for used in uses {
            used.await.expect("it does not panic").expect("it is recorded");
        }
        let count = ledger.view(|view| view.projections.last_used.tokens().map(|(_, uses)| uses.count).sum::<u64>());
        assert_eq!(count.await, 100 * (round + 1), "a read sees all that was answered");
    }
    let live = tokio::time::timeout(Duration::from_secs(60), ledger.examine(Projections::freeze)).await.expect("soon");
    assert_eq!(live, home.replayed(live.position));
    tokio::task::spawn_blocking(move || ledger.stop()).await.expect("it ends in order");
    assert_eq!(home.positions().len(), 2);
    let loaded = rebuild::load_to_serve(&home.dir).expect("the log can be loaded");
    assert_eq!((loaded.from_snapshot, loaded.passed_over), (loaded.projections.position, Vec::new()));
}
