//! A start with the wall clock well behind the log: uses wait until it has caught up or somebody accepts it, deletions
//! do not.

use std::time::Duration;
use token_ledger::clock::Clock;
use token_ledger::domain::command::{Actor, AskedTarget, Change, Command, NewSecret, Origin, Use};
use token_ledger::domain::decide::Answer;
use token_ledger::domain::event::{ClockStepped, Event, OutageCause, RecordingResumed, Route};
use token_ledger::domain::ids::Position;
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Owner, TokenKind};
use token_ledger::domain::token_text::TokenSecret;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::initialize::initialize;
use token_ledger::ledger::{DataDir, Ledger, LogReader, Settings, Unavailable};

/// 2026-03-01T12:00:00Z: the last record.
const LOG: Timestamp = Timestamp(1_772_366_400_000_000);

fn seconds(seconds: i64) -> Timestamp {
    Timestamp(LOG.0.saturating_add_signed(seconds * 1_000_000))
}

/// A ledger whose clock stood at its last record when it stopped.
struct Left {
    _home: tempfile::TempDir,
    dir: DataDir,
    token: TokenSecret,
}

fn manage(change: Change) -> Command {
    Command::Manage(Actor::Local(0), Box::new(change))
}

fn left() -> Left {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = DataDir::new(home.path().join("ledger"));
    let (_, mut core) = initialize(&dir, None, "first", Clock::manual(LOG), Entropy::system()).expect("a new ledger");
    let user = Change::CreateUser { email: PersonalText::new("a@example.com"), name: PersonalText::new("a") };
    core.execute(manage(user), Origin::default()).expect("it is recorded");
    let token = TokenSecret::from_random(TokenKind::User, &[7; 32]);
    let change = Change::CreateToken {
        owner: Owner::User(token_ledger::domain::ids::UserId(1)),
        kind: TokenKind::User,
        name: PersonalText::new("laptop"),
        access: None,
        expires_at: None,
        conditions: Default::default(),
        secret: NewSecret { digest: token.digest(), hint: token.hint() },
    };
    core.execute(manage(change), Origin::default()).expect("it is recorded");
    Left { _home: home, dir, token }
}

impl Left {
    fn start(&self, at: Timestamp) -> (Ledger, Clock) {
        let clock = Clock::manual(at);
        let ledger = Ledger::start(&self.dir, clock.clone(), Entropy::system(), Settings::default());
        (ledger.expect("it starts"), clock)
    }

    async fn asks(&self, ledger: &Ledger) -> Result<Position, Unavailable> {
        let (digest, route, target) = (self.token.digest(), Route::Whoami, AskedTarget::None);
        let asked = Use { digest, route, account: None, target, mapped: None, certificate: None, valid: true };
        let reply = ledger.submit(Command::Use(asked), Origin::default()).await?;
        Ok(reply.position.expect("a use is recorded"))
    }

    fn event(&self, position: Position) -> (Timestamp, Event) {
        let record = LogReader::open(&self.dir).and_then(|log| log.record(position));
        let record = record.expect("it can be read").expect("it is there");
        let (header, event) = token_ledger::log::codec::decode(&record).expect("it decodes");
        (header.recorded_at, event)
    }
}

async fn stop(ledger: Ledger) {
    tokio::task::spawn_blocking(move || ledger.stop()).await.expect("it stops");
}

fn before(position: Position, count: u64) -> Position {
    Position(position.0 - count)
}

/// Waits until the writer has said what it thinks of the clock.
async fn wait_until_unready(ledger: &Ledger) {
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    while ledger.readiness().refusals.is_empty() {
        assert!(tokio::time::Instant::now() < until, "it says that it is not ready");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn sixty_seconds_are_no_reason_to_wait_and_time_stands_still_for_them() {
    let left = left();
    let (ledger, _) = left.start(seconds(-60));
    let used = left.asks(&ledger).await.expect("it is recorded");
    assert_eq!(left.event(used).0, LOG);
    stop(ledger).await;
}

#[tokio::test]
async fn uses_wait_until_the_clock_has_caught_up_and_deletions_do_not() {
    let left = left();
    let (ledger, clock) = left.start(seconds(-61));
    wait_until_unready(&ledger).await;
    assert_eq!(left.asks(&ledger).await, Err(Unavailable::ClockBehind));
    assert_eq!(left.asks(&ledger).await, Err(Unavailable::ClockBehind));
    clock.set(seconds(-60));
    let used = left.asks(&ledger).await.expect("it is recorded");
    let (at, event) = left.event(before(used, 1));
    let expected = RecordingResumed { since: LOG, cause: OutageCause::ClockBehind, turned_away: 2 };
    assert_eq!((at, event), (LOG, expected.into()));
    assert!(ledger.readiness().refusals.is_empty());
    stop(ledger).await;

    let (ledger, _) = left.start(seconds(-3_600));
    let owner = Owner::User(token_ledger::domain::ids::UserId(1));
    let deleted = manage(Change::DeleteToken { owner, token: token_ledger::domain::ids::TokenId(2), if_match: None });
    let reply = ledger.submit(deleted, Origin::default()).await.expect("it is recorded");
    assert!(matches!(reply.answer, Answer::Done(_)), "{reply:?}");
    stop(ledger).await;
}

/// The clock on the wall was wrong at the start and is set right: it is followed at once.
#[tokio::test]
async fn a_clock_that_is_set_right_is_followed_at_once() {
    let left = left();
    let (ledger, clock) = left.start(seconds(-3_600));
    assert_eq!(left.asks(&ledger).await, Err(Unavailable::ClockBehind));
    clock.step_wall(7_200 * 1_000_000);
    let used = left.asks(&ledger).await.expect("it is recorded");
    assert_eq!(left.event(used).0, seconds(3_600));
    let Event::ClockStepped(ClockStepped { followed, wall, .. }) = left.event(before(used, 2)).1 else {
        panic!("{:?}", left.event(before(used, 2)))
    };
    assert_eq!((followed, wall), (true, seconds(3_600)));
    let (at, resumed) = left.event(before(used, 1));
    assert_eq!(at, seconds(3_600), "the outage ended by the right clock");
    assert!(matches!(resumed, Event::RecordingResumed(_)), "{resumed:?}");
    stop(ledger).await;
}

/// The log itself was written by a clock that ran ahead: an operator says that the one of now is right.
#[tokio::test]
async fn a_clock_that_is_accepted_serves_with_time_standing_still() {
    let left = left();
    let (ledger, clock) = left.start(seconds(-3_600));
    assert_eq!(left.asks(&ledger).await, Err(Unavailable::ClockBehind));
    let accepted = Change::StepClock { seen_at: LOG, kept: LOG, wall: clock.wall(), followed: true };
    ledger.submit(manage(accepted), Origin::default()).await.expect("it is recorded");
    let used = left.asks(&ledger).await.expect("it is recorded");
    assert_eq!(left.event(used).0, LOG);
    let readiness = ledger.readiness();
    assert!(readiness.refusals.is_empty() && readiness.warnings[0].contains("stand still"), "{readiness:?}");
    clock.set(seconds(1));
    assert_eq!(left.event(left.asks(&ledger).await.expect("it is recorded")).0, seconds(1));
    assert!(ledger.readiness().warnings.is_empty());
    stop(ledger).await;
}
