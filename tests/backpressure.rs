//! When nothing more can wait for the writer, callers are told at once, and nothing happened.

use token_ledger::clock::Clock;
use token_ledger::domain::command::{Actor, Change, Command, Origin};
use token_ledger::domain::text::PersonalText;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::initialize::initialize;
use token_ledger::ledger::{DataDir, Ledger, Settings, Unavailable};

#[tokio::test]
async fn a_full_queue_turns_commands_away_and_records_nothing_of_them() {
    let base = tempfile::tempdir().expect("a temporary directory");
    let dir = DataDir::new(base.path().join("ledger"));
    initialize(&dir, None, "first", Clock::system(), Entropy::system()).map(drop).expect("a new ledger");
    // A queue without room is always full.
    let settings = Settings { queue_max: 0, ..Settings::default() };
    let ledger = Ledger::start(&dir, Clock::system(), Entropy::system(), settings).expect("it starts");
    let change = Change::CreateUser { email: PersonalText::new("a@example.com"), name: PersonalText::new("a") };
    let command = Command::Manage(Actor::Local(0), Box::new(change));
    let turned_away = ledger.submit(command, Origin::default()).await;
    assert_eq!(turned_away, Err(Unavailable::Busy));
    assert_eq!(ledger.view(|view| view.projections.state.users.len()).await, 0);
    let stopping = ledger.clone();
    tokio::task::spawn_blocking(move || stopping.stop()).await.expect("it stops");
}
