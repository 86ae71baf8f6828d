//! `verify` finds nothing in a ledger as it was written, names whatever was tampered with, and changes nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]
#![allow(missing_docs, reason = "tests say what they mean by their names")]

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use token_ledger::audit::compare::{
    self, Difference, LiveDigests, What, compare_digests, compare_entries, offline_live, replay_to,
};
use token_ledger::audit::verify::{FINDINGS_LISTED_MAX, Kind, Options, Report, verify};
use token_ledger::clock::Clock;
use token_ledger::domain::access::Level;
use token_ledger::domain::command::{
    AccessRequest, Actor, AskedTarget, Change, Command, CoverageRequest, GrantRequest, NewSecret, Origin,
    ResourceRequest, Use,
};
use token_ledger::domain::directory::{DomainFacts, Plan};
use token_ledger::domain::event::{Event, Header, Route};
use token_ledger::domain::ids::{AccountId, Position, RequestId, TokenId, UserId};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Owner, TokenKind};
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::log::reader::LogReader;
use token_ledger::log::{DataDir, codec};
use token_ledger::projections::Projections;
use token_ledger::projections::digest::{self, ProjectionName};
use token_ledger::projections::snapshot::Views;

const START: Timestamp = Timestamp(1_772_366_400_000_000);
const USES: u64 = 1_000;
const ACCOUNT: AccountId = AccountId(1);
const USER: UserId = UserId(1);
/// A use in the first full tile, and one behind the last full one.
const EARLY: i64 = 200;

// ---- A small ledger ----

fn text(text: &str) -> PersonalText {
    PersonalText::new(text)
}

fn secret(name: &str) -> NewSecret {
    NewSecret { digest: TokenDigest::of(name), hint: *b"abcd" }
}

fn local(change: Change) -> Command {
    Command::Manage(Actor::Local(1_000), Box::new(change))
}

fn setting_up() -> Vec<Command> {
    let zones = GrantRequest {
        group: "zones".to_owned(),
        level: Level::ReadOnly,
        coverage: CoverageRequest::Named(vec![text("one.example")]),
    };
    let token = |owner, kind, name: &str, access| {
        local(Change::CreateToken {
            owner,
            kind,
            name: text(name),
            access,
            expires_at: None,
            conditions: Default::default(),
            secret: secret(name),
        })
    };
    let initialize = Change::Initialize { origin: "ledger.example/one".to_owned(), log_vkey: String::new() };
    vec![
        Command::Manage(Actor::Init, Box::new(initialize)),
        local(Change::CreateUser { email: text("ada@one.example"), name: text("Ada") }),
        local(Change::CreateAccount {
            name: text("One"),
            email: text("one@one.example"),
            plan: Plan::Teams,
            hourly_limit: Some(1_000_000),
        }),
        local(Change::PutMember { account: ACCOUNT, user: USER, access: AccessRequest::Full, if_match: None }),
        local(Change::AddResource {
            account: ACCOUNT,
            name: text("one.example"),
            resource: ResourceRequest::Domain(DomainFacts::default()),
        }),
        token(Owner::Account(ACCOUNT), TokenKind::Account, "robot", Some(AccessRequest::Full)),
        token(Owner::Account(ACCOUNT), TokenKind::Account, "narrow", Some(AccessRequest::Granted(vec![zones]))),
        token(Owner::User(USER), TokenKind::User, "Ada's", None),
    ]
}

fn use_of(token: &str, route: Route, target: AskedTarget) -> Command {
    let account = (route != Route::Whoami).then_some(ACCOUNT);
    let digest = TokenDigest::of(token);
    Command::Use(Use { digest, route, account, target, mapped: None, certificate: None, valid: true })
}

fn nth_use(number: u64) -> Job {
    let command = match number % 5 {
        0 => use_of("Ada's", Route::Whoami, AskedTarget::None),
        1 => use_of("Ada's", Route::Domains, AskedTarget::List),
        2 => use_of("robot", Route::Domain, AskedTarget::Name(text("one.example"))),
        3 => use_of("narrow", Route::Domains, AskedTarget::List),
        _ => use_of("robot", Route::Zones, AskedTarget::List),
    };
    let origin = Origin {
        request: RequestId(Sha256::digest(number.to_le_bytes())[..16].try_into().unwrap()),
        address: Some(text(&format!("192.0.2.{}", number % 7))),
        agent: Some(text("client/1")),
        ..Origin::default()
    };
    (command, origin)
}

fn begin(dir: &DataDir) -> (Core, Clock) {
    let clock = Clock::manual(START);
    let mut core = Core::create(dir, clock.clone(), Entropy::seeded(1)).unwrap();
    for command in setting_up() {
        let (reply, _) = core.execute(command, Origin::default()).unwrap();
        assert!(reply.position.is_some(), "{reply:?}");
    }
    (core, clock)
}

fn append_uses(core: &mut Core, clock: &Clock, numbers: std::ops::Range<u64>, batch: usize) {
    let jobs: Vec<Job> = numbers.map(nth_use).collect();
    for jobs in jobs.chunks(batch) {
        clock.set(Timestamp(clock.now().0 + 30_000_000));
        core.commit(jobs).unwrap();
    }
}

fn store_snapshot(dir: &DataDir, projections: &Projections) {
    let record = LogReader::open(dir).unwrap().record(projections.position).unwrap().unwrap();
    let leaf = Sha256::new().chain_update([0]).chain_update(record).finalize().into();
    Views::open(dir).unwrap().store(projections, leaf).unwrap();
}

fn build(path: &Path) {
    let dir = DataDir::new(path);
    let (mut core, clock) = begin(&dir);
    append_uses(&mut core, &clock, 0..USES, 7);
    core.log().checkpoint_wal().unwrap();
    let head = core.head();
    drop(core);
    for position in [Position(head.0 / 2), head] {
        store_snapshot(&dir, &replay_to(&dir, position, &mut |_| {}).unwrap());
    }
}

fn private_dir() -> TempDir {
    let parent = tempfile::tempdir().unwrap();
    // The ledger's own directory has the mode that it asks for.
    DataDir::new(parent.path().join("ledger")).prepare().unwrap();
    parent
}

/// A ledger that nobody changes, built once.
fn original() -> &'static Path {
    static ORIGINAL: OnceLock<TempDir> = OnceLock::new();
    let parent = ORIGINAL.get_or_init(|| {
        let parent = private_dir();
        build(&parent.path().join("ledger"));
        parent
    });
    parent.path()
}

/// A ledger to do harm to.
struct Copy {
    parent: TempDir,
}

impl Copy {
    fn new() -> Self {
        let parent = private_dir();
        for name in ["ledger.db", "head.db", "views.db"] {
            fs::copy(original().join("ledger").join(name), parent.path().join("ledger").join(name)).unwrap();
        }
        Self { parent }
    }

    fn dir(&self) -> DataDir {
        DataDir::new(self.parent.path().join("ledger"))
    }

    fn head(&self) -> i64 {
        i64::try_from(LogReader::open(&self.dir()).unwrap().head().unwrap().0).unwrap()
    }

    /// Opens the ledger file as a tamperer would: without triggers.
    fn ledger(&self) -> Connection {
        let connection = Connection::open(self.dir().ledger()).unwrap();
        let triggers = ["events_never_change", "events_never_go", "tiles_never_go", "tiles_only_grow"];
        for trigger in triggers {
            connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {trigger}")).unwrap();
        }
        connection
    }

    fn record(&self, position: i64) -> Vec<u8> {
        LogReader::open(&self.dir()).unwrap().record(Position(position as u64)).unwrap().unwrap()
    }

    fn put_record(&self, position: i64, record: &[u8]) {
        let changed =
            self.ledger().execute("UPDATE events SET record = ?2 WHERE position = ?1", params![position, record]);
        assert_eq!(changed, Ok(1));
    }

    /// Writes a record anew with another content.
    fn forge(&self, position: i64, change: impl FnOnce(&mut Header, &mut Event)) {
        let (mut header, mut event) = codec::decode(&self.record(position)).unwrap();
        change(&mut header, &mut event);
        let mut record = Vec::new();
        codec::encode(&header, &event, &mut record).unwrap();
        self.put_record(position, &record);
    }

    /// Verifies, and checks that the files are still what they were.
    fn verify(&self) -> Report {
        let bytes = || [self.dir().ledger(), self.dir().views()].map(|path| fs::read(path).ok());
        let before = bytes();
        let mut told = Vec::new();
        let report = verify(&self.dir(), Options::default(), &mut |done, total| told.push((done, total))).unwrap();
        assert!(before == bytes(), "verify changes nothing");
        assert_eq!(told.last(), Some(&(report.head.0, report.head.0)), "the last progress is the end");
        report
    }
}

#[track_caller]
fn assert_found(report: &Report, position: Option<i64>, kind: Kind, what: &str) {
    let position = position.map(|position| Position(u64::try_from(position).unwrap()));
    let is_it = |finding: &&_| {
        let finding: &token_ledger::audit::verify::Finding = finding;
        finding.position == position && finding.kind == kind && finding.what.contains(what)
    };
    assert!(report.findings.iter().any(|finding| is_it(&finding)), "no {kind:?} {what:?} in {report:#?}");
}

#[track_caller]
fn kinds(report: &Report) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = report.findings.iter().map(|finding| finding.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

// ---- Nothing to find ----

#[test]
fn an_untouched_ledger_has_no_findings() {
    let copy = Copy::new();
    let report = copy.verify();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.head.0, copy.head() as u64);
    assert_eq!(report.snapshots_checked, [Position(report.head.0 / 2), report.head]);
    assert_eq!(report.snapshots_passed_over, []);
    assert_eq!(report.tiles_checked, report.head.0 / 256 + 1);
    assert!(report.texts_checked > 10 && report.texts_erased == 0);
}

#[test]
fn snapshots_are_left_out_when_told_to() {
    let copy = Copy::new();
    let report = verify(&copy.dir(), Options { snapshots: false, ..Options::default() }, &mut |_, _| {}).unwrap();
    assert!(report.is_clean() && report.snapshots_checked.is_empty());
}

#[test]
fn the_root_is_the_writers_root_at_the_edges_of_tiles() {
    let parent = private_dir();
    let dir = DataDir::new(parent.path().join("ledger"));
    let (mut core, clock) = begin(&dir);
    let mut used = 0;
    for size in [100, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_536 + 256, 66_000] {
        while core.head().0 < size {
            // A use may bring its client's texts along.
            let more = (size - core.head().0).div_ceil(3);
            append_uses(&mut core, &clock, used..used + more, 4_096);
            used += more;
        }
        let report = verify(&dir, Options::default(), &mut |_, _| {}).unwrap();
        assert!(report.is_clean(), "{report:#?}");
        assert_eq!((report.head, report.root), (core.head(), Some(core.log().root())), "{size}");
    }
}

#[test]
fn a_ledger_that_grows_meanwhile_has_no_findings() {
    let parent = private_dir();
    let dir = DataDir::new(parent.path().join("ledger"));
    let (mut core, clock) = begin(&dir);
    append_uses(&mut core, &clock, 0..2_000, 100);
    let stopped = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut used = 2_000;
            while !stopped.load(Ordering::Relaxed) {
                append_uses(&mut core, &clock, used..used + 50, 50);
                used += 50;
            }
        });
        for _ in 0..10 {
            let report = verify(&dir, Options::default(), &mut |_, _| {}).unwrap();
            assert!(report.is_clean(), "{report:#?}");
        }
        stopped.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_text_that_is_gone_though_no_record_says_so_is_named() {
    let copy = Copy::new();
    copy.ledger().execute("DELETE FROM personal WHERE number = 2", []).unwrap();
    let report = copy.verify();
    assert_found(&report, Some(record_of_text(&copy, 2)), Kind::Text, "text 2 has no row, and no record says that");
    assert_eq!((report.findings_total, report.texts_erased), (1, 0));
}

// ---- Records ----

#[test]
fn a_record_with_another_content_is_named_by_the_tree() {
    let copy = Copy::new();
    copy.forge(EARLY, |header, _| header.request.0[3] ^= 1);
    let report = copy.verify();
    assert_found(&report, Some(EARLY), Kind::Tree, "tile 0/0 differs from the records in 1 of 256 hashes");
    assert_found(&report, Some(1), Kind::Tree, "tile 1/0 differs");
}

#[test]
fn every_flipped_byte_of_a_record_is_found_where_it_is() {
    let copy = Copy::new();
    let good = copy.record(EARLY);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        copy.put_record(EARLY, &bad);
        assert_found(&copy.verify(), Some(EARLY), Kind::Tree, "tile 0/0 differs");
    }
    copy.put_record(EARLY, &good);
    assert!(copy.verify().is_clean());
}

#[test]
fn a_record_that_does_not_decode_is_named_and_the_rest_still_checked() {
    let copy = Copy::new();
    let mut record = copy.record(EARLY);
    record[0] = 9;
    copy.put_record(EARLY, &record);
    copy.forge(EARLY + 1, |header, _| header.account_number += 5);
    let report = copy.verify();
    assert_found(&report, Some(EARLY), Kind::Record, "unknown record format 9");
    assert_found(&report, Some(EARLY + 1), Kind::Stream, "of account 1, expected");
    assert_eq!(report.snapshots_passed_over.len(), 2, "no replay to compare them with");
}

#[test]
fn a_record_in_another_form_is_named() {
    let copy = Copy::new();
    let good = copy.record(EARLY);
    // The account, after envelope and time, written in three bytes where one is enough.
    let account_at = 4 + 9;
    assert!(good[account_at] <= 1);
    let bad = [&good[..account_at], &[251, good[account_at], 0], &good[account_at + 1..]].concat();
    assert_eq!(codec::decode(&bad), codec::decode(&good));
    copy.put_record(EARLY, &bad);
    assert_found(&copy.verify(), Some(EARLY), Kind::Record, "one canonical form");
}

#[test]
fn a_deleted_record_is_named_as_missing() {
    let copy = Copy::new();
    copy.ledger().execute("DELETE FROM events WHERE position = ?1", [EARLY]).unwrap();
    let report = copy.verify();
    assert_found(&report, Some(EARLY), Kind::Record, "the record is missing");
    assert_found(&report, Some(EARLY), Kind::Tree, "tile 0/0 differs from the records in 1 of 256 hashes");
    assert!(kinds(&report).contains(&Kind::Stream));
    assert_eq!(report.root, None);
}

#[test]
fn swapped_records_are_named_by_tree_and_streams() {
    let copy = Copy::new();
    let (one, other) = (copy.record(EARLY), copy.record(EARLY + 5));
    copy.put_record(EARLY, &other);
    copy.put_record(EARLY + 5, &one);
    let report = copy.verify();
    assert_found(&report, Some(EARLY), Kind::Tree, "in 2 of 256 hashes");
    assert_found(&report, Some(EARLY), Kind::Stream, "expected");
}

/// All records behind it one further: the numbers are without a gap again.
#[test]
fn an_inserted_record_is_named_where_it_was_put_in() {
    let copy = Copy::new();
    let (head, foreign) = (copy.head(), copy.record(EARLY + 40));
    let ledger = copy.ledger();
    // By way of numbers that nothing has, or two would meet.
    ledger.execute("UPDATE events SET position = position + 1000000 WHERE position >= ?1", [EARLY]).unwrap();
    ledger.execute("UPDATE events SET position = position - 999999 WHERE position > 1000000", []).unwrap();
    ledger.execute("INSERT INTO events (position, record) VALUES (?1, ?2)", params![EARLY, foreign]).unwrap();
    drop(ledger);
    assert_eq!(copy.head(), head + 1);
    let report = copy.verify();
    assert_found(&report, Some(EARLY), Kind::Tree, "of 256 hashes");
    assert_found(&report, Some(EARLY), Kind::Stream, "expected");
    assert_found(&report, Some(EARLY + 1), Kind::Stream, "expected");
}

#[test]
fn a_renumbered_record_leaves_a_gap_that_is_named() {
    let copy = Copy::new();
    let head = copy.head();
    copy.ledger().execute("UPDATE events SET position = ?1 + 4 WHERE position = ?1", [head]).unwrap();
    let report = copy.verify();
    let what = format!("the records up to position {} are missing", head + 3);
    assert_found(&report, Some(head), Kind::Record, &what);
    assert_found(&report, Some(head), Kind::Snapshot, "of another log");
}

#[test]
fn a_record_moved_to_the_end_of_all_numbers_is_named_soon() {
    let copy = Copy::new();
    copy.ledger().execute("UPDATE events SET position = ?1 WHERE position = ?2", [i64::MAX, copy.head()]).unwrap();
    let report = copy.verify();
    assert_found(&report, Some(i64::MAX), Kind::Tree, "cannot be compared after so long a gap");
}

#[test]
fn time_that_goes_back_is_named() {
    let copy = Copy::new();
    copy.forge(EARLY, |header, _| header.recorded_at = Timestamp(header.recorded_at.0 - 3_600_000_000));
    let report = copy.verify();
    assert_found(&report, Some(EARLY), Kind::Time, "the record before it at 2026-03-01T");
}

#[test]
fn a_log_with_another_beginning_is_named() {
    let copy = Copy::new();
    let (first, second) = (copy.record(1), copy.record(2));
    copy.put_record(1, &second);
    copy.put_record(2, &first);
    let report = copy.verify();
    assert_found(&report, Some(1), Kind::Record, "the log begins with ScopeGroupDefined");
    assert_found(&report, Some(2), Kind::Record, "the log begins a second time");
}

#[test]
fn an_empty_log_is_named() {
    let copy = Copy::new();
    copy.ledger().execute_batch("DELETE FROM events; DELETE FROM tiles; DELETE FROM personal;").unwrap();
    fs::remove_file(copy.dir().views()).unwrap();
    let report = copy.verify();
    assert_found(&report, Some(1), Kind::Record, "the log is empty");
    assert_eq!((report.findings_total, report.root), (1, Some(Sha256::digest([]).into())));
}

#[test]
fn forged_numbers_beyond_reason_are_findings_and_no_fall() {
    let copy = Copy::new();
    copy.forge(EARLY, |header, _| {
        header.token = TokenId(u64::MAX - 1);
        header.credential = TokenId(1 << 50);
        header.token_number = u64::MAX;
        header.account_number = u64::MAX;
    });
    copy.forge(EARLY + 1, |header, _| header.recorded_at = Timestamp(u64::MAX));
    let report = copy.verify();
    assert_found(&report, Some(EARLY), Kind::Stream, "of token 18446744073709551614");
    assert_found(&report, Some(EARLY + 2), Kind::Time, "the record before it at");
}

#[test]
fn a_truncated_log_leaves_tiles_and_snapshots_without_records() {
    let copy = Copy::new();
    copy.ledger().execute("DELETE FROM events WHERE position > 700", []).unwrap();
    let report = copy.verify();
    assert_eq!(report.head, Position(700));
    assert_found(&report, None, Kind::Tree, "tile 0/2 is stored, but no record of the log is in it");
    assert_found(&report, None, Kind::Tree, "tile 1/0 has 128 bytes, but the log has only 2 hashes for it");
    assert!(kinds(&report).contains(&Kind::Snapshot));
}

#[test]
fn many_findings_of_one_kind_are_counted_and_hide_no_other() {
    let copy = Copy::new();
    copy.ledger().execute_batch("DELETE FROM events WHERE position % 2 = 0 AND position > 100").unwrap();
    copy.ledger().execute("DELETE FROM tiles WHERE tile = 2", []).unwrap();
    let report = copy.verify();
    assert!(report.findings_total > 500);
    let of_records = report.findings.iter().filter(|finding| finding.kind == Kind::Record).count();
    assert_eq!(of_records, FINDINGS_LISTED_MAX);
    assert_found(&report, Some(513), Kind::Tree, "tile 0/2 is missing");
}

// ---- Tiles ----

#[test]
fn a_changed_hash_in_a_tile_is_named() {
    let copy = Copy::new();
    let flip = "UPDATE tiles SET hashes = CAST(substr(hashes, 1, 64) || zeroblob(32) || substr(hashes, 97) AS BLOB)
        WHERE tile = ?1";
    copy.ledger().execute(flip, [1]).unwrap();
    let report = copy.verify();
    assert_found(&report, Some(256 + 3), Kind::Tree, "tile 0/1 differs from the records in 1 of 256 hashes");
    assert_eq!(report.findings_total, 1, "the records give the right upper tile");

    let copy = Copy::new();
    copy.ledger().execute(flip, [1i64 << 56]).unwrap();
    let report = copy.verify();
    assert_found(&report, Some(2 * 256 + 1), Kind::Tree, "tile 1/0 differs from the records in 1 of");
}

#[test]
fn a_missing_tile_is_named() {
    for (tile, position, name) in [(2, 513, "tile 0/2 is missing"), (1i64 << 56, 1, "tile 1/0 is missing")] {
        let copy = Copy::new();
        copy.ledger().execute("DELETE FROM tiles WHERE tile = ?1", [tile]).unwrap();
        let report = copy.verify();
        assert_found(&report, Some(position), Kind::Tree, name);
        assert_eq!(report.findings_total, 1);
    }
}

#[test]
fn a_tile_cut_short_is_named() {
    let copy = Copy::new();
    copy.ledger().execute("UPDATE tiles SET hashes = substr(hashes, 1, 64) WHERE tile = 0", []).unwrap();
    assert_found(&copy.verify(), Some(1), Kind::Tree, "tile 0/0 has 64 bytes, it must have 8192");
}

#[test]
fn a_tile_that_no_record_stands_behind_is_named() {
    for (tile, name) in [(900, "tile 0/900 is"), ((5i64 << 56) + 7, "tile 5/7 is"), (-3, "impossible key -3")] {
        let copy = Copy::new();
        copy.ledger().execute("INSERT INTO tiles (tile, hashes) VALUES (?1, zeroblob(32))", [tile]).unwrap();
        let report = copy.verify();
        assert_found(&report, None, Kind::Tree, name);
        assert_eq!(report.findings_total, 1);
    }
}

// ---- Texts ----

fn record_of_text(copy: &Copy, number: u64) -> i64 {
    let found = (1..copy.head()).find(|&position| {
        let (_, event) = codec::decode(&copy.record(position)).unwrap();
        matches!(event, Event::TextSeen(seen) if seen.number.0 == number)
    });
    found.unwrap()
}

#[test]
fn a_changed_text_or_salt_or_owner_is_named_with_its_record() {
    for (change, what) in [
        ("UPDATE personal SET text = 'Eve' WHERE number = 2", "text 2: salt and text are not those"),
        ("UPDATE personal SET salt = zeroblob(32) WHERE number = 2", "text 2: salt and text are not those"),
        ("UPDATE personal SET subject = 7 WHERE number = 2", "text 2: the row says another subject, kind or token"),
        ("UPDATE personal SET kind = 6 WHERE number = 2", "text 2: the row says another subject, kind or token"),
        ("UPDATE personal SET token = 7 WHERE number = 2", "text 2: the row says another subject, kind or token"),
    ] {
        let copy = Copy::new();
        assert_eq!(copy.ledger().execute(change, []), Ok(1));
        let report = copy.verify();
        assert_found(&report, Some(record_of_text(&copy, 2)), Kind::Text, what);
        assert_eq!(report.findings_total, 1, "{change}");
    }
}

#[test]
fn a_text_that_no_record_has_seen_is_named() {
    let copy = Copy::new();
    let insert = "INSERT INTO personal VALUES (4000, 1, 1, 6, 1, zeroblob(32), 'smuggled')";
    copy.ledger().execute(insert, []).unwrap();
    let report = copy.verify();
    assert_found(&report, None, Kind::Text, "text 4000 has a row, but no record has seen it");
    assert_eq!(report.findings_total, 1);
}

// ---- Snapshots ----

/// A snapshot with one use counted twice, and a right checksum.
fn store_altered_snapshot(copy: &Copy) {
    let head = Position(copy.head() as u64);
    let mut projections = replay_to(&copy.dir(), head, &mut |_| {}).unwrap();
    let decoded = (EARLY..).map(|position| codec::decode(&copy.record(position)).unwrap());
    let is_robots_use =
        |(header, event): &(Header, Event)| header.token == TokenId(1) && matches!(event, Event::TokenUsed(_));
    let (header, event) = decoded.into_iter().find(is_robots_use).unwrap();
    projections.fold(head, &header, &event);
    store_snapshot(&copy.dir(), &projections);
}

#[test]
fn a_snapshot_that_no_replay_gives_is_named_with_its_entry() {
    let copy = Copy::new();
    store_altered_snapshot(&copy);
    let report = copy.verify();
    let what = "projection last_used differs from a replay of the log: token 1 (differs)";
    assert_found(&report, Some(copy.head()), Kind::Snapshot, what);
    assert_eq!(kinds(&report), [Kind::Snapshot]);
}

#[test]
fn a_snapshot_of_another_log_is_named() {
    let copy = Copy::new();
    let views = Connection::open(copy.dir().views()).unwrap();
    views.execute("UPDATE snapshots SET leaf_hash = zeroblob(32) WHERE position = ?1", [copy.head()]).unwrap();
    drop(views);
    let report = copy.verify();
    assert_found(&report, Some(copy.head()), Kind::Snapshot, "it is of another log");
    assert_eq!(report.snapshots_checked.len(), 1, "the other one is compared all the same");
}

#[test]
fn a_snapshot_with_another_checksum_is_named_and_one_of_another_release_passed_over() {
    let copy = Copy::new();
    let views = Connection::open(copy.dir().views()).unwrap();
    views.execute("UPDATE snapshots SET sha256 = zeroblob(32) WHERE position = ?1", [copy.head()]).unwrap();
    views.execute("UPDATE snapshots SET fold_version = 99 WHERE position < ?1", [copy.head()]).unwrap();
    drop(views);
    let report = copy.verify();
    assert_found(&report, Some(copy.head()), Kind::Snapshot, "its checksum does not match");
    assert_eq!((report.findings_total, report.snapshots_passed_over.len()), (1, 1));
}

#[test]
fn a_views_file_that_is_none_is_named() {
    let copy = Copy::new();
    fs::write(copy.dir().views(), vec![7; 20_000]).unwrap();
    assert_found(&copy.verify(), None, Kind::Snapshot, "the views file cannot be read");
}

// ---- A file that is no database any more ----

#[test]
fn overwritten_pages_are_findings_and_no_fall() {
    let copy = Copy::new();
    let mut bytes = fs::read(copy.dir().ledger()).unwrap();
    let middle = bytes.len() / 2 / 8_192 * 8_192;
    bytes[middle..middle + 8_192].fill(0xee);
    fs::write(copy.dir().ledger(), bytes).unwrap();
    assert!(!copy.verify().is_clean());
}

// ---- Live against replayed ----

#[test]
fn a_good_snapshot_is_what_a_replay_gives() {
    let copy = Copy::new();
    let live = offline_live(&copy.dir()).unwrap().unwrap();
    let replayed = replay_to(&copy.dir(), live.position, &mut |_| {}).unwrap();
    let digests = LiveDigests::of(&live).unwrap();
    assert_eq!(compare_digests(&replayed, &digests.digests).unwrap(), []);
    assert_eq!(LiveDigests::from_json(&digests.to_json()), Some(digests));
}

#[test]
fn a_live_projection_that_differs_is_named_with_its_entries() {
    let copy = Copy::new();
    let replayed = replay_to(&copy.dir(), Position(copy.head() as u64), &mut |_| {}).unwrap();
    store_altered_snapshot(&copy);
    let live = offline_live(&copy.dir()).unwrap().unwrap();
    let digests = LiveDigests::of(&live).unwrap().digests;
    let names = compare_digests(&replayed, &digests).unwrap();
    assert!(names.contains(&ProjectionName::LastUsed) && !names.contains(&ProjectionName::Users), "{names:?}");

    let mut entries = digest::entry_digests(&live, ProjectionName::LastUsed).unwrap();
    let sent = compare::entries_to_json(&entries);
    assert_eq!(compare::entries_from_json(&sent).as_ref(), Some(&entries));
    entries.retain(|(key, _)| key != "token 3");
    entries.push(("token 99".to_owned(), [1; 32]));
    let expected = [("token 1", What::Differs), ("token 3", What::OnlyReplayed), ("token 99", What::OnlyLive)];
    let expected = expected.map(|(key, what)| Difference { key: key.to_owned(), what });
    assert_eq!(compare_entries(&replayed, ProjectionName::LastUsed, &entries).unwrap(), expected);
}
