//! The state that an account's biography gives is, for the account and its people, the state that the whole log gives.

use replay_tests::story::Story;
use std::collections::BTreeSet;
use token_ledger::audit::biography::Biography;
use token_ledger::domain::directory::Account;
use token_ledger::domain::ids::{AccountId, Position, TokenId, UserId};
use token_ledger::domain::state::State;
use token_ledger::domain::token::{Owner, Token};
use token_ledger::domain::window::{MonthCount, UnitCount, Window};

const SEEDS: u64 = 8;
const BATCHES: usize = 120;
/// Every so many positions the states are compared, and at each change.
const EVERY: u64 = 5;

/// Without what comes with uses.
fn changed_only(account: &Account) -> Account {
    Account {
        window: Window::default(),
        research_month: MonthCount::default(),
        stream_number: 0,
        last_record: Position::NONE,
        ..account.clone()
    }
}

fn token_changed_only(token: &Token) -> Token {
    Token {
        streams: Default::default(),
        refusals: UnitCount::default(),
        new_agents: UnitCount::default(),
        ..token.clone()
    }
}

fn compare(whole: &State, part: &State, account: AccountId, at: Position, people: &BTreeSet<UserId>) {
    let of = |state: &State| state.account(account).filter(|account| !account.id.is_none()).map(changed_only);
    assert_eq!(of(whole), of(part), "account {account} at {at}");
    let is_of_it = |token: &&Token| match token.owner {
        Owner::Account(owner) => owner == account,
        Owner::User(user) => people.contains(&user),
        Owner::Service => false,
    };
    let tokens = |state: &State| -> Vec<Token> {
        let there = state.tokens.iter().filter(|token| token.id != TokenId::NONE);
        there.filter(is_of_it).map(token_changed_only).collect()
    };
    assert_eq!(tokens(whole), tokens(part), "tokens of account {account} at {at}");
}

#[test]
fn a_biography_gives_the_state_of_its_account_and_people_at_every_position() {
    let mut compared = 0;
    for seed in 0..SEEDS {
        let story = Story::told(seed, BATCHES);
        let archive = story.archive();
        let mut accounts = 0;
        story.each_state(|_, _, _, state| accounts = state.accounts.len() as u64);
        for account in (1..=accounts).map(AccountId) {
            let biography = Biography::of_account(&archive, account, archive.head()).expect("the log can be read");
            let last = biography.state_at(archive.head());
            let people: BTreeSet<UserId> = last.users.iter().map(|user| user.id).filter(|id| !id.is_none()).collect();
            story.each_state(|at, header, _, whole| {
                if at.0 % EVERY == 0 || header.account == account && header.credential.0 == 1 {
                    compare(whole, &biography.state_at(at), account, at, &people);
                    compared += 1;
                }
            });
        }
    }
    assert!(compared > 1_000, "{compared} states were compared");
}
