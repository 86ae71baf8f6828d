//! What is recorded of uses and refusals, and what is only counted.

use crate::harness::{Key, World, all, begun, granted, list, whoami};
use token_ledger::domain::access::Level::ReadOnly;
use token_ledger::domain::command::{AccessRequest, Actor, Change, Command, MapDefinition, MapFaults};
use token_ledger::domain::decide::{AGENT_BYTES_MAX, NEW_AGENTS_AN_HOUR_MAX, REFUSALS_A_MINUTE_MAX, TallyNote};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Event, MapRejection, RefusalsSummed, Route, ScopeMapRejected};
use token_ledger::domain::ids::{AccountId, RequestId, TextNumber, TokenId};
use token_ledger::domain::text::{Subject, TextKind, Texts};
use token_ledger::domain::token::Principal;

fn account_and_key() -> (World, AccountId, Key) {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let key = world.account_token(account, granted(vec![all("domains", ReadOnly)]));
    (world, account, key)
}

/// Refuses the key so often for its scope.
fn refuse(world: &mut World, account: AccountId, key: &Key, times: u32) {
    for _ in 0..times {
        assert_eq!(world.ask(list(key, Route::Zones, account)).cause(), Cause::MissingScope);
    }
}

#[test]
fn sixty_refusals_of_a_token_a_minute_are_recorded_and_the_rest_only_counted() {
    let (mut world, account, key) = account_and_key();
    for _ in 0..REFUSALS_A_MINUTE_MAX {
        let then = world.ask(list(&key, Route::Zones, account));
        assert_eq!((then.names(), then.tally), (vec!["TokenUseRefused"], None));
    }
    let then = world.ask(list(&key, Route::Zones, account));
    assert_eq!((then.cause(), then.names()), (Cause::MissingScope, vec![]));
    let expected = TallyNote::Refusal {
        account,
        token: key.token,
        cause: Cause::MissingScope,
        at: world.now,
        address: world.origin.address.clone(),
    };
    assert_eq!(then.tally, Some(expected));
    world.at(59);
    assert_eq!(world.ask(list(&key, Route::Zones, account)).names(), Vec::<&str>::new());
    world.at(60);
    assert_eq!(world.ask(list(&key, Route::Zones, account)).names(), ["TokenUseRefused"]);
}

#[test]
fn the_sixty_a_minute_are_of_all_causes_all_accounts_and_management_together() {
    let (mut world, account, _) = account_and_key();
    let user = world.member(account, granted(vec![]));
    let key = world.user_token(user);
    let elsewhere = world.account(Plan::Teams);
    refuse(&mut world, account, &key, 20);
    for _ in 0..20 {
        assert_eq!(world.ask(list(&key, Route::Zones, elsewhere)).cause(), Cause::ForeignAccount);
        world.manage_as(&key, Change::DeactivateResearch { account, if_match: None }).rejection();
    }
    assert_eq!(world.ask(list(&key, Route::Zones, account)).names(), Vec::<&str>::new());
    let then = world.manage_as(&key, Change::DeactivateResearch { account, if_match: None });
    then.rejected();
    assert!(matches!(then.tally, Some(TallyNote::Refusal { cause: Cause::WrongKind, .. })));
}

#[test]
fn one_tokens_refusals_do_not_hide_anothers() {
    let (mut world, account, key) = account_and_key();
    let other = world.account_token(account, granted(vec![]));
    refuse(&mut world, account, &key, REFUSALS_A_MINUTE_MAX + 1);
    assert_eq!(world.ask(list(&other, Route::Zones, account)).names(), ["TokenUseRefused"]);
}

#[test]
fn uses_are_recorded_one_by_one_however_many() {
    let (mut world, account, key) = account_and_key();
    refuse(&mut world, account, &key, REFUSALS_A_MINUTE_MAX + 1);
    for _ in 0..200 {
        assert_eq!(world.ask(list(&key, Route::Domains, account)).names(), ["TokenUsed"]);
    }
}

#[test]
fn a_summary_counts_by_cause_with_first_last_and_up_to_eight_addresses() {
    let (mut world, account, key) = account_and_key();
    let elsewhere = world.account(Plan::Teams);
    refuse(&mut world, account, &key, REFUSALS_A_MINUTE_MAX);
    world.at(10);
    let first = world.now;
    for index in 0..10 {
        world.from(&format!("192.0.2.{index}"), "curl");
        refuse(&mut world, account, &key, 2);
    }
    world.at(20);
    let last = world.now;
    world.ask(list(&key, Route::Zones, elsewhere)).cause();

    world.at(59);
    assert_eq!(world.flush(false), [], "the minute still runs");
    world.at(60);
    let flushed = world.flush(false);
    let summed = flushed.last().expect("the sum is recorded");
    let addresses: Vec<TextNumber> = (0..8)
        .map(|index| {
            let address = format!("192.0.2.{index}");
            world.texts.find(Subject::Account(account), TextKind::Address, &address).expect("it was taken up")
        })
        .collect();
    let counts = vec![(Cause::ForeignAccount, 1), (Cause::MissingScope, 20)];
    assert_eq!(summed.event, Event::RefusalsSummed(RefusalsSummed { counts, first, last, addresses }));
    assert_eq!((summed.header.account, summed.header.token), (account, key.token));
    assert_eq!((summed.header.principal, summed.header.credential), (Principal::Service, TokenId::NONE));
    assert_eq!(flushed.len(), 9, "eight addresses and the sum");
    assert_eq!(world.flush(true), []);
}

#[test]
fn a_user_tokens_refusals_are_summed_for_each_account() {
    let (mut world, one, _) = account_and_key();
    let two = world.account(Plan::Teams);
    let user = world.member(one, granted(vec![]));
    world.manage(Change::PutMember { account: two, user, access: granted(vec![]), if_match: None }).done();
    let key = world.user_token(user);
    refuse(&mut world, one, &key, REFUSALS_A_MINUTE_MAX);
    world.from("192.0.2.1", "curl");
    refuse(&mut world, one, &key, 1);
    refuse(&mut world, two, &key, 2);
    let flushed = world.flush(true);
    let sums: Vec<_> = flushed
        .iter()
        .filter_map(|recorded| match &recorded.event {
            Event::RefusalsSummed(summed) => Some((recorded.header.account, summed.counts.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(sums, [(one, vec![(Cause::MissingScope, 1)]), (two, vec![(Cause::MissingScope, 2)])]);
    let address = world.texts.find(Subject::User(user), TextKind::Address, "192.0.2.1");
    assert!(address.is_some(), "the client's address is the user's text");
}

#[test]
fn a_user_tokens_records_are_numbered_in_each_account_by_itself() {
    let mut world = begun();
    let user = world.user();
    let accounts: Vec<AccountId> = (0..5).map(|_| world.account(Plan::Teams)).collect();
    for &account in &accounts {
        world.manage(Change::PutMember { account, user, access: AccessRequest::Full, if_match: None }).done();
    }
    let key = world.user_token(user);
    for number in 1..=3 {
        for index in [3, 0, 4, 1, 2] {
            let header = world.ask(list(&key, Route::Domains, accounts[index])).last().header;
            assert_eq!((header.account, header.token_number), (accounts[index], number));
        }
    }
    let token = world.state.token(key.token).expect("it is there");
    let streams: Vec<AccountId> = token.streams.iter().map(|stream| stream.account).collect();
    assert!(streams.is_sorted(), "so that one is found without a walk: {streams:?}");
    assert_eq!(streams.len(), accounts.len() + 1, "and one on no account");
    assert_eq!(token.stream_number(AccountId(99)), 0);
}

#[test]
fn a_use_says_who_acted_and_with_which_token() {
    let (mut world, account, key) = account_and_key();
    let user = world.member(account, AccessRequest::Full);
    let user_key = world.user_token(user);
    world.origin.request = RequestId([9; 16]);
    for (key, principal) in [(key, Principal::Account(account)), (user_key, Principal::User(user))] {
        let then = world.ask(list(&key, Route::Domains, account));
        let header = then.last().header;
        assert_eq!((header.principal, header.credential, header.token), (principal, key.token, key.token));
        assert_eq!((header.account, header.request), (account, RequestId([9; 16])));
    }
}

fn address_and_agent(event: &Event) -> (TextNumber, TextNumber) {
    match event {
        Event::TokenUsed(used) => (used.address, used.agent),
        Event::TokenUseRefused(refused) => (refused.address, refused.agent),
        Event::ManagementRefused(refused) => (refused.address, refused.agent),
        other => panic!("it has no address: {other:?}"),
    }
}

#[test]
fn address_and_agent_are_taken_up_once_for_each_owner() {
    let (mut world, account, key) = account_and_key();
    let user = world.member(account, AccessRequest::Full);
    let user_key = world.user_token(user);
    world.from("192.0.2.1", "curl/8");
    for key in [&key, &user_key] {
        let first = world.ask(list(key, Route::Domains, account));
        assert_eq!(first.names(), ["TextSeen", "TextSeen", "TokenUsed"]);
        let (address, agent) = address_and_agent(&first.last().event);
        assert_eq!((world.text_of(address), world.text_of(agent)), ("192.0.2.1", "curl/8"));
        let again = world.ask(list(key, Route::Domains, account));
        assert_eq!(again.names(), ["TokenUsed"]);
        assert_eq!(address_and_agent(&again.last().event), (address, agent));
    }
    let refused = world.manage_as(&key, Change::DeactivateResearch { account, if_match: None });
    assert_eq!(refused.names(), ["ManagementRefused"], "a refusal finds the same texts");
}

#[test]
fn without_address_and_agent_both_are_none() {
    let (mut world, account, key) = account_and_key();
    let then = world.ask(list(&key, Route::Domains, account));
    assert_eq!(address_and_agent(&then.last().event), (TextNumber::NONE, TextNumber::NONE));
}

#[test]
fn a_tokens_agents_past_sixty_new_ones_an_hour_are_number_zero() {
    let (mut world, account, key) = account_and_key();
    let other = world.account_token(account, AccessRequest::Full);
    let ask_as = |world: &mut World, key: &Key, agent: &str| {
        world.from("192.0.2.1", agent);
        address_and_agent(&world.ask(list(key, Route::Domains, account)).last().event).1
    };
    for index in 0..NEW_AGENTS_AN_HOUR_MAX {
        assert_ne!(ask_as(&mut world, &key, &format!("agent {index}")), TextNumber::NONE);
    }
    assert_eq!(ask_as(&mut world, &key, "one too many"), TextNumber::NONE);
    assert_ne!(ask_as(&mut world, &key, "agent 0"), TextNumber::NONE, "a known agent keeps its number");
    assert_ne!(ask_as(&mut world, &other, "of another token"), TextNumber::NONE);
    world.at(3_599);
    assert_eq!(ask_as(&mut world, &key, "one too many"), TextNumber::NONE);
    world.at(3_600);
    assert_ne!(ask_as(&mut world, &key, "one too many"), TextNumber::NONE);
}

#[test]
fn refused_requests_count_their_new_agents_too() {
    let (mut world, account, key) = account_and_key();
    for index in 0..NEW_AGENTS_AN_HOUR_MAX {
        world.from("192.0.2.1", &format!("agent {index}"));
        world.ask(list(&key, Route::Zones, account)).cause();
    }
    world.from("192.0.2.1", "one too many");
    let then = world.ask(list(&key, Route::Domains, account));
    assert_eq!(address_and_agent(&then.last().event).1, TextNumber::NONE);
}

#[test]
fn a_long_agent_is_cut_at_a_whole_character() {
    let (mut world, account, key) = account_and_key();
    let agent = format!("a{}", "é".repeat(AGENT_BYTES_MAX));
    world.from("192.0.2.1", &agent);
    let then = world.ask(list(&key, Route::Domains, account));
    let kept = world.text_of(address_and_agent(&then.last().event).1);
    assert_eq!(kept.len(), AGENT_BYTES_MAX, "255 is one and 127 times two");
    assert!(agent.starts_with(kept));
    let agent = "é".repeat(AGENT_BYTES_MAX);
    world.from("192.0.2.1", &agent);
    let then = world.ask(list(&key, Route::Domains, account));
    let kept = world.text_of(address_and_agent(&then.last().event).1);
    assert_eq!((kept.len(), agent.starts_with(kept)), (AGENT_BYTES_MAX - 1, true));
}

#[test]
fn uses_and_refusals_never_change_a_version() {
    let (mut world, account, key) = account_and_key();
    let user = world.member(account, granted(vec![]));
    let user_key = world.user_token(user);
    let versions = |world: &World| {
        let account = world.state.account(account).expect("it is there");
        let tokens: Vec<_> = world.state.tokens.iter().map(|token| token.version).collect();
        (account.version, account.updated_at, account.members[&user].version, tokens)
    };
    let before = versions(&world);
    world.at(10);
    world.from("192.0.2.1", "curl");
    world.ask_times(3, &whoami(&key));
    world.ask_times(3, &whoami(&user_key));
    refuse(&mut world, account, &key, 70);
    refuse(&mut world, account, &user_key, 70);
    world.manage_as(&key, Change::DeactivateResearch { account, if_match: None }).rejection();
    world.flush(true);
    assert_eq!(versions(&world), before);
}

// ---- scope maps ----

#[test]
fn a_text_that_is_no_map_is_recorded_with_the_map_that_stays_and_moves_nothing() {
    let mut world = begun();
    let faults = MapFaults { hash: Some([7; 32]), cause: MapRejection::Faulty, faults: 2, line: 9 };
    let reject = || Box::new(Change::RejectScopeMap(faults));
    let rejected = |kept| ScopeMapRejected { hash: faults.hash, cause: faults.cause, faults: 2, line: 9, kept };
    let then = world.when(Command::Manage(Actor::Init, reject()));
    assert_eq!(then.last().event, rejected(0).into());
    let map = MapDefinition { name: "one".to_owned(), hash: [1; 32], routes: 3, groups: Vec::new() };
    world.when(Command::Manage(Actor::Init, Box::new(Change::DefineScopeMap(map.clone())))).done();
    let then = world.when(Command::Manage(Actor::Init, reject()));
    assert_eq!(then.last().event, rejected(1).into());
    let again = world.when(Command::Manage(Actor::Init, Box::new(Change::DefineScopeMap(map))));
    assert!(again.events.is_empty(), "it is in force all the same");
    // How requests are read is no business of whoever shows a token.
    world.manage(Change::RejectScopeMap(faults)).rejection();
}
