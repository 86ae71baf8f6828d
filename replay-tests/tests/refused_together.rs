//! With a running ledger whose log cannot be written for a while: what is asked for meanwhile is refused together, and leaves
//! nothing in the state that the next uses are decided on.

use replay_tests::checks::{assert_same, check_order, check_streams, records};
use replay_tests::uses::whoami;
use rusqlite::Connection;
use token_ledger::clock::Clock;
use token_ledger::domain::command::{AccessRequest, Actor, Change, Command, NewSecret, Origin};
use token_ledger::domain::decide::Answer;
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::Event;
use token_ledger::domain::ids::{AccountId, Position};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::{Owner, TokenKind};
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::initialize::initialize;
use token_ledger::ledger::{Ledger, Reply, Settings, Unavailable};
use token_ledger::log::DataDir;
use token_ledger::projections::Projections;

const TEXT: &str = "bench";
const LIMIT: u64 = 1_000;

fn manage(change: Change) -> (Command, Origin) {
    (Command::Manage(Actor::Local(0), Box::new(change)), Origin::default())
}

/// A ledger with one account of one token.
fn make(dir: &DataDir) {
    let (_, mut core) =
        initialize(dir, None, "first", Clock::system(), Entropy::system()).expect("a ledger can be made");
    let account = Change::CreateAccount {
        name: PersonalText::new("Example Teams"),
        email: PersonalText::new("ops@example.com"),
        plan: Plan::Teams,
        hourly_limit: Some(LIMIT),
    };
    let token = Change::CreateToken {
        owner: Owner::Account(AccountId(1)),
        kind: TokenKind::Account,
        name: PersonalText::new("deploy"),
        access: Some(AccessRequest::Full),
        expires_at: None,
        conditions: Default::default(),
        secret: NewSecret { digest: TokenDigest::of(TEXT), hint: *b"ench" },
    };
    core.commit(&[manage(account), manage(token)]).expect("it is recorded");
}

/// From several addresses: some bring new texts.
async fn use_together(ledger: &Ledger, uses: u32) -> Vec<Result<Reply, Unavailable>> {
    let asking: Vec<_> = (0..uses)
        .map(|number| {
            let (ledger, address) = (ledger.clone(), PersonalText::new(format!("192.0.2.{}", number % 5)));
            let origin = Origin { address: Some(address), ..Origin::default() };
            tokio::spawn(async move { ledger.submit(Command::Use(whoami(TokenDigest::of(TEXT))), origin).await })
        })
        .collect();
    let mut replies = Vec::new();
    for asked in asking {
        replies.push(asked.await.expect("it does not panic"));
    }
    replies
}

fn remaining(reply: &Result<Reply, Unavailable>) -> Option<u64> {
    match &reply.as_ref().ok()?.answer {
        Answer::Use(used) => used.window.map(|window| window.remaining),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_that_cannot_be_written_are_refused_together_and_draw_nothing() {
    let parent = tempfile::tempdir().expect("a directory can be made");
    let dir = DataDir::new(parent.path().join("ledger"));
    make(&dir);
    let ledger = Ledger::start(&dir, Clock::system(), Entropy::system(), Settings::default()).expect("it starts");
    let good = use_together(&ledger, 20).await;
    assert!(good.iter().all(Result::is_ok));
    // Another program takes the lock, for longer than the writer waits for it.
    let other = Connection::open(dir.ledger()).expect("another program opens the file");
    other.execute_batch("BEGIN IMMEDIATE").expect("another program takes the lock");
    let failed = use_together(&ledger, 300).await;
    assert!(failed.iter().all(|reply| *reply == Err(Unavailable::NotRecording)), "{failed:?}");
    other.execute_batch("ROLLBACK").expect("it lets go of it");
    let better = use_together(&ledger, 30).await;
    let mut left: Vec<_> = better.iter().map(|reply| remaining(reply).expect("it is recorded")).collect();
    left.sort_unstable();
    assert_eq!(left, (LIMIT - 50..LIMIT - 20).collect::<Vec<_>>(), "only what was recorded was drawn");
    let live = ledger.examine(Projections::freeze).await;
    tokio::task::spawn_blocking(move || ledger.stop()).await.expect("it ends in order");
    let kept = records(&dir);
    check_order(&kept);
    check_streams(&kept);
    let mut receipts: Vec<_> =
        good.iter().chain(&better).map(|reply| reply.as_ref().ok().and_then(|it| it.position)).collect();
    receipts.sort_unstable();
    let used = |(_, _, event): &&(_, _, Event)| matches!(event, Event::TokenUsed(_));
    let positions: Vec<_> = kept.iter().filter(used).map(|(position, _, _)| Some(*position)).collect();
    assert_eq!(receipts, positions, "every receipt is in the log once, and no other use");
    assert_same(&live, &replayed_to(&dir, live.position), "live and replayed");
}

fn replayed_to(dir: &DataDir, through: Position) -> Projections {
    let mut projections = Projections::default();
    for (position, header, event) in records(dir).into_iter().take_while(|(position, _, _)| *position <= through) {
        projections.fold(position, &header, &event);
    }
    projections
}
