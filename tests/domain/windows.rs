//! The hourly windows: who draws from which, how many pass, when it begins again, and how refusals for quota are kept.

use crate::harness::{Key, Then, World, accounts, begun, by_name, granted, invalid, list, text, whoami};
use token_ledger::domain::command::{AccessRequest, Change};
use token_ledger::domain::decide::{QUOTA_TOKENS_A_RECORD, TallyNote};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Event, Outcome, QuotaRefusalsTotalled, Route};
use token_ledger::domain::ids::{AccountId, TokenId, UserId};
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::Principal;
use token_ledger::domain::window::HOURLY_LIMIT_DEFAULT;

fn account_of(limit: u64) -> (World, AccountId, Key) {
    let mut world = begun();
    let account = world.account_with_limit(Plan::Teams, Some(limit));
    let key = world.account_token(account, AccessRequest::Full);
    (world, account, key)
}

fn used_of(world: &World, account: AccountId) -> u64 {
    world.state.account(account).expect("it is there").window.used
}

#[test]
fn exactly_the_limit_passes_and_the_first_use_shows_one_less() {
    let (mut world, account, key) = account_of(5);
    let asked = list(&key, Route::Zones, account);
    for remaining in [4, 3, 2, 1, 0] {
        let then = world.ask(asked.clone());
        assert_eq!((then.allowed(), then.remaining()), (Outcome::Ok, remaining));
    }
    for _ in 0..3 {
        let then = world.ask(asked.clone());
        assert_eq!((then.cause(), then.remaining()), (Cause::QuotaExceeded, 0));
    }
    assert_eq!(used_of(&world, account), 5);
}

#[test]
fn a_window_begins_again_3600_seconds_after_the_second_of_its_first_use() {
    let (mut world, account, key) = account_of(1);
    let asked = list(&key, Route::Zones, account);
    world.now = Timestamp(world.now.0 + 999_999);
    let opened_at = world.now.seconds();
    let then = world.ask(asked.clone());
    let window = then.answered().window.expect("it says a window");
    assert_eq!((window.opened_at, window.resets_at), (Some(opened_at), Some(opened_at + 3_600)));
    world.now = Timestamp((opened_at + 3_600) * 1_000_000 - 1);
    assert_eq!(world.ask(asked.clone()).cause(), Cause::QuotaExceeded);
    world.now = Timestamp((opened_at + 3_600) * 1_000_000);
    let then = world.ask(asked);
    assert_eq!((then.allowed(), then.remaining()), (Outcome::Ok, 0));
    assert_eq!(then.answered().window.and_then(|window| window.opened_at), Some(opened_at + 3_600));
}

#[test]
fn a_refusal_opens_no_window_and_an_unopened_one_is_full() {
    let (mut world, account, _) = account_of(5);
    let key = world.account_token(account, granted(vec![]));
    let then = world.ask(list(&key, Route::Zones, account));
    assert_eq!(then.cause(), Cause::MissingScope);
    let window = then.answered().window.expect("it says a window");
    assert_eq!((window.used, window.remaining, window.opened_at, window.resets_at), (0, 5, None, None));
}

#[test]
fn a_changed_limit_acts_at_once_in_the_running_window() {
    let (mut world, account, key) = account_of(3);
    let asked = list(&key, Route::Zones, account);
    world.ask_times(3, &asked);
    assert_eq!(world.ask(asked.clone()).cause(), Cause::QuotaExceeded);
    world.set_limit(account, 5);
    assert_eq!(world.ask(asked.clone()).remaining(), 1);
    world.set_limit(account, 2);
    let then = world.ask(asked.clone());
    assert_eq!((then.cause(), then.remaining()), (Cause::QuotaExceeded, 0));
    world.set_limit(account, 5);
    assert_eq!(world.ask(asked.clone()).remaining(), 0);
    assert_eq!(world.ask(asked).cause(), Cause::QuotaExceeded);
}

#[test]
fn all_tokens_of_an_account_share_its_window() {
    let (mut world, account, one) = account_of(2);
    let two = world.account_token(account, AccessRequest::Full);
    world.ask_times(1, &whoami(&one));
    world.ask_times(1, &list(&two, Route::Domains, account));
    assert_eq!(world.ask(whoami(&one)).cause(), Cause::QuotaExceeded);
    assert_eq!(world.ask(whoami(&two)).cause(), Cause::QuotaExceeded);
}

#[test]
fn a_user_token_draws_from_the_account_it_acts_on() {
    let (mut world, one, key) = account_of(1);
    let two = world.account_with_limit(Plan::Teams, Some(1));
    let user = world.member(one, AccessRequest::Full);
    world.manage(Change::PutMember { account: two, user, access: AccessRequest::Full, if_match: None }).done();
    let user_key = world.user_token(user);
    world.ask_times(1, &list(&user_key, Route::Zones, one));
    assert_eq!(world.ask(list(&key, Route::Zones, one)).cause(), Cause::QuotaExceeded);
    assert_eq!(world.ask(list(&user_key, Route::Zones, one)).cause(), Cause::QuotaExceeded);
    assert_eq!(world.ask(list(&user_key, Route::Zones, two)).allowed(), Outcome::Ok);
    assert_eq!(world.ask(whoami(&user_key)).remaining(), HOURLY_LIMIT_DEFAULT - 1);
}

#[test]
fn calls_on_no_account_draw_from_the_users_own_window() {
    let (mut world, account, _) = account_of(1);
    let user = world.member(account, AccessRequest::Full);
    let (one, two) = (world.user_token(user), world.user_token(user));
    for (calls, asked) in (1..).zip([whoami(&one), accounts(&one), whoami(&two), accounts(&two)]) {
        let then = world.ask(asked);
        assert_eq!((then.allowed(), then.remaining()), (Outcome::Ok, HOURLY_LIMIT_DEFAULT - calls));
        assert_eq!(then.last().header.account, AccountId::NONE);
        assert_eq!(then.last().header.principal, Principal::User(user));
    }
    assert_eq!(used_of(&world, account), 0);
    world.ask_times(HOURLY_LIMIT_DEFAULT - 4, &whoami(&one));
    assert_eq!(world.ask(whoami(&two)).cause(), Cause::QuotaExceeded);
    let stranger = world.user();
    let other = world.user_token(stranger);
    assert_eq!(world.ask(whoami(&other)).allowed(), Outcome::Ok, "each user has a window");
}

#[test]
fn the_limit_of_a_users_own_window_is_the_one_recorded_with_the_user() {
    let mut world = begun();
    let created = world.manage(Change::CreateUser { email: text("ada@example.com"), name: text("Ada") });
    let Event::UserCreated(mut event) = created.last().event.clone() else { panic!("a user became known") };
    assert_eq!(event.hourly_limit, HOURLY_LIMIT_DEFAULT);
    // As another release may have recorded it, with another default.
    (event.user, event.hourly_limit) = (event.user.next(), 2);
    let user = event.user;
    world.state.evolve(&created.last().header, &event.into());
    let key = world.user_token(user);
    for remaining in [1, 0] {
        let then = world.ask(whoami(&key));
        assert_eq!((then.allowed(), then.remaining()), (Outcome::Ok, remaining));
        assert_eq!(then.answered().window.map(|window| window.limit), Some(2));
    }
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::QuotaExceeded);
}

#[test]
fn an_account_tokens_whoami_draws_from_its_account() {
    let (mut world, account, key) = account_of(2);
    world.ask_times(1, &whoami(&key));
    world.ask_times(1, &accounts(&key));
    assert_eq!(used_of(&world, account), 2);
}

#[test]
fn not_found_and_invalid_draw_like_any_answer_and_refusals_draw_nothing() {
    let (mut world, account, key) = account_of(100);
    let bare = world.account_token(account, granted(vec![]));
    let elsewhere = world.account(Plan::Teams);
    let rows = [
        (by_name(&key, Route::Zone, account, "absent.example"), 1),
        (invalid(list(&key, Route::Zones, account)), 1),
        (list(&key, Route::Zones, account), 1),
        (list(&bare, Route::Zones, account), 0),
        (list(&key, Route::Zones, elsewhere), 0),
        (list(&key, Route::ResearchStatus, account), 0),
    ];
    for (asked, draws) in rows {
        let before = used_of(&world, account);
        let label = format!("{asked:?}");
        let then = world.ask(asked);
        assert_eq!(used_of(&world, account) - before, draws, "{label}");
        assert_eq!(then.remaining(), 100 - used_of(&world, account), "{label}");
        if let Event::TokenUsed(used) = &then.last().event {
            assert_eq!((u64::from(used.general), used.research), (draws, 0));
        }
    }
}

fn quota_note(then: &Then) -> (AccountId, UserId, u64, TokenId) {
    match then.tally {
        Some(TallyNote::Quota { account, user, window_opened_at, token }) => (account, user, window_opened_at, token),
        ref other => panic!("a refusal for quota is counted: {other:?}"),
    }
}

#[test]
fn the_first_refusal_for_quota_of_a_window_is_an_event_and_all_are_counted() {
    let (mut world, account, one) = account_of(1);
    let two = world.account_token(account, AccessRequest::Full);
    let opened_at = world.now.seconds();
    world.ask_times(1, &whoami(&one));
    let first = world.ask(whoami(&one));
    assert_eq!((first.cause(), first.names()), (Cause::QuotaExceeded, vec!["TokenUseRefused"]));
    assert_eq!(quota_note(&first), (account, UserId::NONE, opened_at, one.token));
    for key in [&one, &two, &two] {
        let then = world.ask(whoami(key));
        assert_eq!((then.cause(), then.names()), (Cause::QuotaExceeded, vec![]));
        assert_eq!(quota_note(&then), (account, UserId::NONE, opened_at, key.token));
    }
    world.at(3_600);
    world.ask_times(1, &whoami(&two));
    let next = world.ask(whoami(&two));
    assert_eq!(next.names(), ["TokenUseRefused"], "the next window has a first refusal of its own");
    assert_eq!(quota_note(&next).2, opened_at + 3_600);
}

#[test]
fn one_total_at_the_windows_end_counts_every_refusal_for_quota_by_token() {
    let (mut world, account, one) = account_of(1);
    let two = world.account_token(account, AccessRequest::Full);
    let opened_at = world.now.seconds();
    world.ask_times(1, &whoami(&one));
    for (key, times) in [(&two, 2), (&one, 3)] {
        for _ in 0..times {
            world.ask(whoami(key)).cause();
        }
    }
    world.at(3_599);
    assert_eq!(world.flush(false), [], "the window still runs");
    world.at(3_600);
    let flushed = world.flush(false);
    let [total] = flushed.as_slice() else { panic!("one total: {flushed:?}") };
    assert_eq!((total.header.account, total.header.token), (account, TokenId::NONE));
    assert_eq!((total.header.principal, total.header.credential), (Principal::Service, TokenId::NONE));
    let counts = vec![(one.token, 3), (two.token, 2)];
    let expected = QuotaRefusalsTotalled { user: UserId::NONE, window_opened_at: opened_at, counts };
    assert_eq!(total.event, Event::QuotaRefusalsTotalled(expected));
    assert!(world.tally.is_empty());
    assert_eq!(world.flush(true), []);
}

#[test]
fn a_total_of_more_tokens_than_a_record_takes_is_spread_over_several() {
    let (mut world, account, _) = account_of(1);
    let window_opened_at = world.now.seconds();
    let tokens = 2 * QUOTA_TOKENS_A_RECORD as u64 + 1;
    for token in (1..=tokens).rev().map(TokenId) {
        world.tally.add(TallyNote::Quota { account, user: UserId::NONE, window_opened_at, token });
    }
    world.at(3_600);
    let flushed = world.flush(false);
    let counts = flushed.iter().map(|recorded| match &recorded.event {
        Event::QuotaRefusalsTotalled(total) => {
            assert_eq!((recorded.header.account, total.user), (account, UserId::NONE));
            assert_eq!(total.window_opened_at, window_opened_at);
            total.counts.clone()
        }
        other => panic!("a total: {other:?}"),
    });
    let counts: Vec<_> = counts.collect();
    assert_eq!(counts.iter().map(Vec::len).collect::<Vec<_>>(), [QUOTA_TOKENS_A_RECORD, QUOTA_TOKENS_A_RECORD, 1]);
    assert_eq!(counts.concat(), (1..=tokens).map(|token| (TokenId(token), 1)).collect::<Vec<_>>());
    assert!(world.tally.is_empty());
}

#[test]
fn the_total_of_a_users_own_window_names_the_user() {
    let mut world = begun();
    let user = world.user();
    let key = world.user_token(user);
    let opened_at = world.now.seconds();
    world.ask_times(HOURLY_LIMIT_DEFAULT, &whoami(&key));
    for _ in 0..4 {
        assert_eq!(world.ask(whoami(&key)).cause(), Cause::QuotaExceeded);
    }
    world.at(3_600);
    let flushed = world.flush(false);
    let [total] = flushed.as_slice() else { panic!("one total: {flushed:?}") };
    assert_eq!(total.header.account, AccountId::NONE);
    let expected = QuotaRefusalsTotalled { user, window_opened_at: opened_at, counts: vec![(key.token, 4)] };
    assert_eq!(total.event, Event::QuotaRefusalsTotalled(expected));
}

#[test]
fn an_orderly_end_records_the_total_of_a_running_window_too() {
    let (mut world, _, key) = account_of(1);
    world.ask_times(1, &whoami(&key));
    world.ask(whoami(&key)).cause();
    assert_eq!(world.flush(false).len(), 0);
    assert_eq!(world.flush(true).len(), 1);
}

#[test]
fn refusals_for_quota_do_not_use_up_the_sixty_recorded_a_minute() {
    let (mut world, account, key) = account_of(1);
    let elsewhere = world.account(Plan::Teams);
    world.ask_times(1, &whoami(&key));
    for _ in 0..100 {
        world.ask(list(&key, Route::Zones, account)).cause();
    }
    let then = world.ask(list(&key, Route::Zones, elsewhere));
    assert_eq!((then.cause(), then.names()), (Cause::ForeignAccount, vec!["TokenUseRefused"]));
}

#[test]
fn the_first_refusal_for_quota_is_recorded_even_past_sixty_refusals_a_minute() {
    let (mut world, _, key) = account_of(1);
    let elsewhere = world.account(Plan::Teams);
    for _ in 0..70 {
        world.ask(list(&key, Route::Zones, elsewhere)).cause();
    }
    world.ask_times(1, &whoami(&key));
    let then = world.ask(whoami(&key));
    assert_eq!((then.cause(), then.names()), (Cause::QuotaExceeded, vec!["TokenUseRefused"]));
}
