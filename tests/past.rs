//! Time and the past: which position a time means, what is judged at it, and what a clock that is behind means.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]
#![allow(missing_docs, reason = "tests say what they mean by their names")]

use std::collections::BTreeSet;
use token_ledger::audit::doctor::{Level, Socket, examine};
use token_ledger::audit::past::{Moment, PastError, Point, find, last_until, recorded_at, state_at};
use token_ledger::clock::Clock;
use token_ledger::domain::command::{Actor, Change, Command, NewSecret, Origin};
use token_ledger::domain::ids::{Position, TokenId};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Closed, Owner, TokenKind};
use token_ledger::domain::token_text::TokenSecret;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::DataDir;
use token_ledger::ledger::core::Core;
use token_ledger::ledger::initialize::initialize;
use token_ledger::log::reader::LogReader;

const BEGAN: Timestamp = Timestamp(1_772_366_400_000_000);

fn second(second: u64) -> Timestamp {
    BEGAN.plus_seconds(second)
}

fn carry_out(core: &mut Core, clock: &Clock, at: Timestamp, change: Change) -> Position {
    clock.set(at);
    let command = Command::Manage(Actor::Local(0), Box::new(change));
    core.execute(command, Origin::default()).unwrap().0.position.unwrap()
}

fn user(name: &str) -> Change {
    Change::CreateUser { email: PersonalText::new(format!("{name}@example.com")), name: PersonalText::new(name) }
}

/// `init` at 0 s, a token at 10 s that ends at 15 s, a user at 20 s, two more at 30 s.
fn ledger(dir: &DataDir) -> Position {
    let clock = Clock::manual(BEGAN);
    let (_, mut core) =
        initialize(dir, Some("ledger.example/log"), "first", clock.clone(), Entropy::system()).ok().unwrap();
    let secret = TokenSecret::from_random(TokenKind::Auditor, &[7; 32]);
    let token = Change::CreateToken {
        owner: Owner::Service,
        kind: TokenKind::Auditor,
        name: PersonalText::new("short"),
        access: None,
        expires_at: Some(second(15)),
        conditions: Default::default(),
        secret: NewSecret { digest: secret.digest(), hint: secret.hint() },
    };
    let created = carry_out(&mut core, &clock, second(10), token);
    for (at, name) in [(20, "one"), (30, "two"), (30, "three")] {
        carry_out(&mut core, &clock, second(at), user(name));
    }
    created
}

#[test]
fn a_time_is_its_last_record_and_is_judged_by_itself() {
    let base = tempfile::tempdir().unwrap();
    let dir = DataDir::new(base.path().join("ledger"));
    let created = ledger(&dir);
    let log = LogReader::open(&dir).unwrap();
    let moment = |point| find(&log, point, second(100)).unwrap();
    let head = moment(Point::Head);
    assert_eq!((head.position, head.at), (log.head().unwrap(), second(100)));
    let closed = |moment: Moment| {
        let past = state_at(&dir, moment, &mut |_| {}).unwrap();
        assert_eq!(past.projections.position, moment.position);
        past.projections.state.token(TokenId(2)).unwrap().check_time(1, moment.at)
    };
    // The same position, judged at its own time and at a later one with no record.
    assert_eq!(closed(moment(Point::Position(created))), Ok(()));
    let expired = moment(Point::Time(second(15)));
    assert_eq!((expired.position, expired.at), (created, second(15)));
    assert_eq!(closed(expired), Err(Closed::Expired));
    assert_eq!(closed(moment(Point::Time(Timestamp(second(15).0 - 1)))), Ok(()));
    // All records of one time, and none of the next.
    assert_eq!(moment(Point::Time(second(30))).position, head.position);
    assert_eq!(recorded_at(&log, moment(Point::Time(second(29))).position).unwrap(), second(20));
}

#[test]
fn every_time_finds_what_a_look_at_every_record_finds() {
    let base = tempfile::tempdir().unwrap();
    let dir = DataDir::new(base.path().join("ledger"));
    ledger(&dir);
    let log = LogReader::open(&dir).unwrap();
    let head = log.head().unwrap();
    let times: Vec<Timestamp> = (1..=head.0).map(|at| recorded_at(&log, Position(at)).unwrap()).collect();
    let asked: BTreeSet<u64> = times.iter().flat_map(|time| [time.0 - 1, time.0, time.0 + 1]).collect();
    for at in asked.into_iter().map(Timestamp) {
        let expected = times.iter().filter(|&&time| time <= at).count() as u64;
        assert_eq!(last_until(&log, at, head).unwrap(), Position(expected), "{at:?}");
    }
}

#[test]
fn what_is_not_over_or_never_was_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let dir = DataDir::new(base.path().join("ledger"));
    ledger(&dir);
    let log = LogReader::open(&dir).unwrap();
    let refused = |point, now| find(&log, point, now).unwrap_err();
    assert!(
        matches!(refused(Point::Time(second(41)), second(40)), PastError::NotOver { latest, .. } if latest == second(40))
    );
    // A clock that is behind does not take back what is recorded.
    assert!(
        matches!(refused(Point::Time(second(31)), second(5)), PastError::NotOver { latest, .. } if latest == second(30))
    );
    assert_eq!(find(&log, Point::Time(second(30)), second(5)).unwrap().position, log.head().unwrap());
    assert!(
        matches!(refused(Point::Time(Timestamp(BEGAN.0 - 1)), second(40)), PastError::BeforeFirst { earliest, .. } if earliest == BEGAN)
    );
    assert!(matches!(refused(Point::Position(Position(0)), second(40)), PastError::NoPosition { .. }));
    assert!(matches!(refused(Point::Position(log.head().unwrap().next()), second(40)), PastError::NoPosition { .. }));
}

#[test]
fn a_clock_behind_the_last_record_is_told() {
    let base = tempfile::tempdir().unwrap();
    let dir = DataDir::new(base.path().join("ledger"));
    ledger(&dir);
    let level = |now| {
        let checks = examine(&dir, Socket::None, now);
        checks.iter().find(|check| check.name == "clock").unwrap().level
    };
    assert_eq!(level(second(30)), Level::Ok);
    assert_eq!(level(second(29)), Level::Warning);
    assert_eq!(level(Timestamp(BEGAN.0 - 31_000_000)), Level::Problem);
}
