//! What was erased stays erased: in the pages of the file, and when an older copy of it comes back.

use rusqlite::Connection;
use std::ops::ControlFlow;
use std::path::Path;
use token_ledger::audit::archive::Archive;
use token_ledger::audit::export::{Selection, sqlite};
use token_ledger::audit::verify::{Options, verify};
use token_ledger::clock::Clock;
use token_ledger::domain::command::{Actor, Change, Command, Origin};
use token_ledger::domain::decide::{Answer, DoneSubject};
use token_ledger::domain::event::Event;
use token_ledger::domain::ids::{Position, TextNumber, UserId};
use token_ledger::domain::text::{PersonalText, Subject};
use token_ledger::domain::token::Principal;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::Core;
use token_ledger::ledger::initialize::initialize;
use token_ledger::ledger::{DataDir, LogError, OpenLedger, Reply};
use token_ledger::log::codec;
use token_ledger::log::erasures::{texts_kept_erased, texts_not_kept_erased};
use token_ledger::log::reader::LogReader;
use token_ledger::log::signed_head;

fn new_ledger() -> (tempfile::TempDir, DataDir, Core) {
    let base = tempfile::tempdir().expect("a temporary directory");
    let dir = DataDir::new(base.path().join("ledger"));
    let made = initialize(&dir, Some("ledger.example/log"), "first", Clock::system(), Entropy::system());
    let (_, core) = made.map_err(|error| error.to_string()).expect("a new ledger");
    (base, dir, core)
}

fn carry_out(core: &mut Core, change: Change) -> Reply {
    let command = Command::Manage(Actor::Local(0), Box::new(change));
    core.execute(command, Origin::default()).expect("recorded").0
}

fn mark(user: u64) -> String {
    format!("-marked{user:06}-")
}

/// Texts of every length, in no order that the index would have them in.
fn create_user(core: &mut Core, user: u64) {
    let scattered = (user * 7_919) % 10_007;
    // Long ones, of four bytes a character: few rows to a page, which are moved often.
    let length = [0, 5, 20, 40, 50, 175, 220][usize::try_from(user % 7).expect("small")];
    let name = format!("{scattered:05}{}{}", mark(user), "🦀".repeat(length));
    let email = format!("{scattered:05}{}@example.com", mark(user));
    carry_out(core, Change::CreateUser { email: PersonalText::new(email), name: PersonalText::new(name) });
}

fn erase(core: &mut Core, user: u64) {
    let reply = carry_out(core, Change::EraseUserTexts { user: UserId(user) });
    let Answer::Done(done) = reply.answer else { panic!("{reply:?}") };
    assert_eq!(done.subject, DoneSubject::Texts { erased: 2, kept: 0, finished: true });
}

fn bytes_of(dir: &DataDir) -> Vec<u8> {
    let files = std::fs::read_dir(dir.path()).expect("listed").map(|entry| entry.expect("an entry").path());
    files.flat_map(|path| std::fs::read(path).expect("read")).collect()
}

fn marked(bytes: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(bytes);
    let mut users: Vec<u64> = text.split("-marked").skip(1).filter_map(|rest| rest.get(..6)?.parse().ok()).collect();
    users.sort_unstable();
    users.dedup();
    users
}

#[track_caller]
fn is_clean(dir: &DataDir, erased: u64) {
    let report = verify(dir, Options::default(), &mut |_, _| {}).expect("verified");
    assert!(report.is_clean() && report.texts_erased == erased, "{report:#?}");
}

/// SQLite moves rows about when it makes room and when it closes gaps, and leaves copies behind that `secure_delete`
/// knows nothing of.
#[test]
fn however_often_rows_were_moved_no_copy_of_an_erased_one_is_left() {
    let (_base, dir, mut core) = new_ledger();
    let mut live = Vec::new();
    for user in 1..=400 {
        create_user(&mut core, user);
        live.push(user);
        for _ in 0..if user % 40 == 0 { 12 } else { 0 } {
            let gone = live.remove(usize::try_from(user * 31).expect("small") % live.len());
            erase(&mut core, gone);
            assert_eq!(marked(&bytes_of(&dir)), live, "after user {gone}");
        }
    }
    is_clean(&dir, 240);
}

/// A relational file grows by runs, which move rows about as the ledger does.
#[test]
fn no_byte_of_a_relational_file_that_was_gone_on_with_has_an_erased_text() {
    let (base, dir, mut core) = new_ledger();
    let path = base.path().join("ledger.sqlite");
    let export = || {
        let archive = Archive::open(&dir, Clock::system().now()).expect("opened");
        let (selection, through) = (Selection::default(), archive.head());
        let wish = sqlite::Wish { path: &path, selection: &selection, through, is_incremental: true };
        sqlite::export(&archive, &wish, &mut |_| {}).expect("exported");
        marked(&std::fs::read(&path).expect("read"))
    };
    let mut live = Vec::new();
    for user in 1..=400 {
        create_user(&mut core, user);
        live.push(user);
        if user % 100 == 0 {
            assert_eq!(export(), live, "a search that finds nothing before proves nothing");
        }
        for _ in 0..if user % 200 == 150 { 60 } else { 0 } {
            let gone = live.remove(usize::try_from(user * 31).expect("small") % live.len());
            erase(&mut core, gone);
        }
        if user % 200 == 150 {
            assert_eq!(export(), live, "after user {user}");
        }
    }
    assert_eq!(live.len(), 280);
}

/// As a backup holds it: the file alone, at rest.
fn copy_of(dir: &DataDir, core: &Core, aside: &Path) {
    core.log().checkpoint_wal().expect("at rest");
    std::fs::copy(dir.ledger(), aside).expect("copied");
}

fn put_back(dir: &DataDir, aside: &Path) {
    for path in [dir.ledger(), dir.views(), dir.head()] {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = path.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
    std::fs::copy(aside, dir.ledger()).expect("copied");
    // The signed head of the newer file is lost with it, and somebody says so.
    signed_head::accept_missing(dir).expect("an empty signed head is made");
}

fn open(dir: &DataDir) -> Result<OpenLedger, LogError> {
    OpenLedger::open(dir, Clock::system(), Entropy::system())
}

#[test]
fn an_older_copy_loses_again_what_was_erased_since_before_it_is_used() {
    let (base, dir, mut core) = new_ledger();
    for user in 1..=3 {
        create_user(&mut core, user);
    }
    let aside = base.path().join("older.db");
    copy_of(&dir, &core, &aside);
    erase(&mut core, 2);
    create_user(&mut core, 4);
    drop(core);
    put_back(&dir, &aside);
    assert_eq!(marked(&bytes_of(&dir)), [1, 2, 3]);
    let opened = open(&dir).expect("it opens");
    assert_eq!(marked(&bytes_of(&dir)), [1, 3], "before anything else is done with it");
    let log = LogReader::open(&dir).expect("readable");
    let last = log.head().expect("a head");
    let (header, event) = codec::decode(&log.record(last).expect("read").expect("there")).expect("a record");
    let Event::PersonalDataErased(erased) = event else { panic!("{event:?}") };
    assert_eq!((header.principal, erased.subject), (Principal::Service, Subject::User(UserId(2))));
    drop((log, opened));
    is_clean(&dir, 2);
    // What has the number of an erased text in this log, but is another text, stays.
    drop(open(&dir).expect("it opens again"));
    let (mut core, _) = Core::open(&dir, Clock::system(), Entropy::system()).expect("it opens");
    create_user(&mut core, 5);
    drop(core);
    drop(open(&dir).expect("it opens"));
    assert_eq!(LogReader::open(&dir).expect("readable").head().expect("a head"), Position(last.0 + 3));
    assert_eq!(marked(&bytes_of(&dir)), [1, 3, 5]);
    is_clean(&dir, 2);
}

#[test]
fn a_text_under_the_number_of_one_that_another_history_erased_stays() {
    let (base, dir, mut core) = new_ledger();
    let aside = base.path().join("older.db");
    copy_of(&dir, &core, &aside);
    create_user(&mut core, 1);
    erase(&mut core, 1);
    drop(core);
    put_back(&dir, &aside);
    let (mut core, _) = Core::open(&dir, Clock::system(), Entropy::system()).expect("it opens");
    create_user(&mut core, 7);
    drop(core);
    drop(open(&dir).expect("it opens"));
    assert_eq!(marked(&bytes_of(&dir)), [7]);
    is_clean(&dir, 0);
}

#[test]
fn a_foreign_file_of_erasures_is_named_and_nothing_is_changed() {
    let (_base, dir, core) = new_ledger();
    drop(core);
    std::fs::write(dir.erasures(), "something else").expect("written");
    assert!(matches!(open(&dir), Err(LogError::Foreign(path)) if path == dir.erasures()));
    let log = LogReader::open(&dir).expect("readable");
    assert_eq!(log.last_text_number().expect("read"), TextNumber(1));
}

fn kept(dir: &DataDir) -> Option<u64> {
    texts_kept_erased(dir).expect("read").map(|texts| texts as u64)
}

fn lacking(dir: &DataDir) -> u64 {
    let log = LogReader::open(dir).expect("readable");
    let mut last_text = TextNumber(0);
    log.replay(Position::NONE, log.head().expect("a head"), |_, _, event| {
        if let Event::TextSeen(seen) = event {
            last_text = seen.number;
        }
        ControlFlow::Continue(())
    })
    .expect("read");
    texts_not_kept_erased(dir, &log, last_text).expect("counted")
}

/// Without the file an older copy would bring erased texts back: the log knows them, as long as it is the newer of the two.
#[test]
fn a_file_of_erasures_that_was_lost_is_made_again_from_the_log() {
    let (base, dir, mut core) = new_ledger();
    for user in 1..=4 {
        create_user(&mut core, user);
    }
    let (ledger_before, erasures_before) = (base.path().join("older.db"), base.path().join("erasures.db"));
    copy_of(&dir, &core, &ledger_before);
    erase(&mut core, 2);
    std::fs::copy(dir.erasures(), &erasures_before).expect("copied");
    erase(&mut core, 4);
    drop(core);
    for (case, knew) in [("lost", 0), ("an older one", 2)] {
        match knew {
            0 => std::fs::remove_file(dir.erasures()).expect("removed"),
            _ => drop(std::fs::copy(&erasures_before, dir.erasures()).expect("copied")),
        }
        assert_eq!((kept(&dir).unwrap_or(0), lacking(&dir)), (knew, 4 - knew), "{case}");
        let head = LogReader::open(&dir).expect("readable").head().expect("a head");
        drop(open(&dir).expect("it opens"));
        assert_eq!((kept(&dir), lacking(&dir)), (Some(4), 0), "{case}");
        assert_eq!(LogReader::open(&dir).expect("readable").head().expect("a head"), head, "nothing is recorded");
        is_clean(&dir, 4);
    }
    // What it is for.
    put_back(&dir, &ledger_before);
    drop(open(&dir).expect("it opens"));
    assert_eq!(marked(&bytes_of(&dir)), [1, 3]);
}

#[test]
fn a_ledger_without_erasures_makes_no_file_of_them() {
    let (_base, dir, mut core) = new_ledger();
    create_user(&mut core, 1);
    drop(core);
    drop(open(&dir).expect("it opens"));
    assert_eq!((kept(&dir), lacking(&dir)), (None, 0));
}

/// It never gets a row, so no copy of the ledger can bring it back; but it is missing as any erased text is.
#[test]
fn a_text_that_is_erased_in_the_batch_that_took_it_up_is_kept_erased_too() {
    let (_base, dir, mut core) = new_ledger();
    let create = |mark: &str| Change::CreateUser {
        email: PersonalText::new(format!("{mark}@example.com")),
        name: PersonalText::new(mark),
    };
    let changes = [create("first"), Change::EraseUserTexts { user: UserId(1) }, create("second")];
    let jobs = changes.map(|change| (Command::Manage(Actor::Local(0), Box::new(change)), Origin::default()));
    let replies = core.commit(&jobs).expect("recorded").replies;
    let Answer::Done(done) = &replies[1].answer else { panic!("{replies:?}") };
    assert_eq!(done.subject, DoneSubject::Texts { erased: 2, kept: 0, finished: true });
    drop(core);
    assert_eq!((kept(&dir), lacking(&dir)), (Some(2), 0));
    std::fs::remove_file(dir.erasures()).expect("removed");
    assert_eq!(lacking(&dir), 2);
    drop(open(&dir).expect("it opens"));
    assert_eq!((kept(&dir), lacking(&dir)), (Some(2), 0));
    is_clean(&dir, 2);
}

/// The answer waits for the write-ahead log, the entry does not.
#[test]
fn what_is_erased_while_somebody_reads_is_erased_again_in_an_older_copy() {
    let (base, dir, mut core) = new_ledger();
    for user in 1..=3 {
        create_user(&mut core, user);
    }
    let aside = base.path().join("older.db");
    copy_of(&dir, &core, &aside);
    create_user(&mut core, 4);
    let reader = Connection::open(dir.ledger()).expect("opened");
    reader.execute_batch("BEGIN; SELECT count(*) FROM events;").expect("held");
    let reply = carry_out(&mut core, Change::EraseUserTexts { user: UserId(2) });
    let Answer::Done(done) = reply.answer else { panic!("{reply:?}") };
    assert_eq!(done.subject, DoneSubject::Texts { erased: 2, kept: 0, finished: false });
    drop((core, reader));
    put_back(&dir, &aside);
    drop(open(&dir).expect("it opens"));
    assert_eq!(marked(&bytes_of(&dir)), [1, 3]);
}

#[test]
fn a_number_that_another_history_erased_does_not_hide_that_the_file_is_an_older_one() {
    let (base, dir, mut core) = new_ledger();
    let (ledger_before, erasures_before) = (base.path().join("older.db"), base.path().join("erasures.db"));
    copy_of(&dir, &core, &ledger_before);
    create_user(&mut core, 1);
    erase(&mut core, 1);
    drop(core);
    put_back(&dir, &ledger_before);
    drop(open(&dir).expect("it opens"));
    let (mut core, _) = Core::open(&dir, Clock::system(), Entropy::system()).expect("it opens");
    create_user(&mut core, 7);
    create_user(&mut core, 8);
    std::fs::copy(dir.erasures(), &erasures_before).expect("copied");
    erase(&mut core, 1);
    drop(core);
    assert_eq!((kept(&dir), lacking(&dir)), (Some(4), 0));
    std::fs::copy(&erasures_before, dir.erasures()).expect("copied");
    assert_eq!((kept(&dir), lacking(&dir)), (Some(2), 2));
    drop(open(&dir).expect("it opens"));
    assert_eq!((kept(&dir), lacking(&dir)), (Some(4), 0));
    // Two entries of one number stand for one text: they hide no other that is missing.
    let file = Connection::open(dir.erasures()).expect("opened");
    let twice = "UPDATE erased SET number = (SELECT max(number) FROM erased)
                 WHERE position = (SELECT max(position) FROM erased)";
    assert_eq!(file.execute(twice, []).expect("planted"), 2);
    drop(file);
    assert_eq!(lacking(&dir), 1);
}

#[test]
fn a_text_that_is_gone_and_was_not_erased_is_not_taken_for_erased() {
    let (_base, dir, mut core) = new_ledger();
    create_user(&mut core, 1);
    drop(core);
    let ledger = Connection::open(dir.ledger()).expect("opened");
    ledger.execute("DELETE FROM personal WHERE number = 2", []).expect("gone");
    drop(ledger);
    drop(open(&dir).expect("it opens"));
    assert_eq!((kept(&dir).unwrap_or(0), lacking(&dir)), (0, 1));
}
