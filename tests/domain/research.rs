//! Domain Research: the month's cap beside the hourly window.

use crate::harness::{Key, World, all, begun, granted, invalid, list, status};
use token_ledger::domain::access::Level::ReadOnly;
use token_ledger::domain::command::{AccessRequest, Change};
use token_ledger::domain::decide::{Refused, Verdict};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Event, Outcome, Route};
use token_ledger::domain::ids::AccountId;
use token_ledger::domain::time::Timestamp;

fn researching(monthly_cap: Option<u64>) -> (World, AccountId, Key) {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    world.research(account, monthly_cap);
    let key = world.account_token(account, AccessRequest::Full);
    (world, account, key)
}

fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("it is RFC 3339")
}

/// Hourly and monthly uses drawn so far.
fn drawn(world: &World, account: AccountId) -> (u64, u64) {
    let account = world.state.account(account).expect("it is there");
    (account.window.used, account.research_month.used_at(world.now))
}

#[test]
fn without_the_feature_it_is_missing_and_without_the_scope_it_is_refused() {
    let (mut world, account, key) = researching(None);
    let scoped = world.account_token(account, granted(vec![all("domain_research", ReadOnly)]));
    let bare = world.account_token(account, granted(vec![all("domains", ReadOnly)]));
    assert_eq!(world.ask(status(&key, account)).allowed(), Outcome::Ok);
    assert_eq!(world.ask(status(&scoped, account)).allowed(), Outcome::Ok);
    assert_eq!(world.ask(status(&bare, account)).cause(), Cause::MissingScope);
    world.manage(Change::DeactivateResearch { account, if_match: None }).done();
    for key in [&key, &scoped, &bare] {
        assert_eq!(world.ask(status(key, account)).cause(), Cause::MissingFeature);
    }
}

#[test]
fn an_allowed_check_draws_from_the_hour_and_from_the_month() {
    let (mut world, account, key) = researching(None);
    let then = world.ask(status(&key, account));
    let Event::TokenUsed(used) = &then.last().event else { panic!("it was used") };
    assert_eq!((used.general, used.research), (1, 1));
    assert_eq!(drawn(&world, account), (1, 1));
}

#[test]
fn an_invalid_name_draws_from_the_hour_only_and_passes_a_reached_cap() {
    let (mut world, account, key) = researching(Some(1));
    let then = world.ask(invalid(status(&key, account)));
    assert_eq!(then.allowed(), Outcome::Invalid);
    let Event::TokenUsed(used) = &then.last().event else { panic!("it was used") };
    assert_eq!((used.general, used.research), (1, 0));
    assert_eq!(drawn(&world, account), (1, 0));
    world.ask_times(1, &status(&key, account));
    assert_eq!(world.ask(status(&key, account)).cause(), Cause::MonthlyCapReached);
    assert_eq!(world.ask(invalid(status(&key, account))).allowed(), Outcome::Invalid);
    assert_eq!(drawn(&world, account), (3, 1));
}

#[test]
fn exactly_the_cap_passes_in_a_month_and_the_refusal_says_when_the_month_ends() {
    let (mut world, account, key) = researching(Some(3));
    world.ask_times(3, &status(&key, account));
    let then = world.ask(status(&key, account));
    let ends = instant("2026-04-01T00:00:00Z");
    let expected = Refused { cause: Cause::MonthlyCapReached, month_ends: Some(ends) };
    assert_eq!(then.answered().verdict, Verdict::Refused(expected));
    assert_eq!(then.names(), ["TokenUseRefused"]);
    assert_eq!(drawn(&world, account), (3, 3), "a refusal draws nothing");
}

#[test]
fn the_count_begins_again_with_the_utc_month() {
    let (mut world, account, key) = researching(Some(1));
    world.now = instant("2026-12-31T23:59:59.999998Z");
    world.ask_times(1, &status(&key, account));
    world.now = instant("2026-12-31T23:59:59.999999Z");
    assert_eq!(world.ask(status(&key, account)).cause(), Cause::MonthlyCapReached);
    world.now = instant("2027-01-01T00:00:00Z");
    assert_eq!(world.ask(status(&key, account)).allowed(), Outcome::Ok);
    assert_eq!(drawn(&world, account).1, 1);
}

#[test]
fn a_changed_cap_acts_at_once() {
    let (mut world, account, key) = researching(Some(1));
    world.ask_times(1, &status(&key, account));
    let rows = [(Some(1), false), (Some(2), true), (Some(2), false), (None, true), (Some(3), false), (Some(0), false)];
    for (monthly_cap, passes) in rows {
        world.research(account, monthly_cap);
        let then = world.ask(status(&key, account));
        match passes {
            true => assert_eq!(then.allowed(), Outcome::Ok, "{monthly_cap:?}"),
            false => assert_eq!(then.cause(), Cause::MonthlyCapReached, "{monthly_cap:?}"),
        }
    }
}

#[test]
fn switching_the_feature_off_and_on_does_not_begin_the_month_again() {
    let (mut world, account, key) = researching(Some(1));
    world.ask_times(1, &status(&key, account));
    world.manage(Change::DeactivateResearch { account, if_match: None }).done();
    world.research(account, Some(1));
    assert_eq!(world.ask(status(&key, account)).cause(), Cause::MonthlyCapReached);
}

#[test]
fn other_routes_neither_count_for_the_month_nor_are_capped_by_it() {
    let (mut world, account, key) = researching(Some(0));
    assert_eq!(world.ask(list(&key, Route::Domains, account)).allowed(), Outcome::Ok);
    assert_eq!(drawn(&world, account), (1, 0));
}

#[test]
fn a_full_hour_refuses_before_a_full_month() {
    let (mut world, account, key) = researching(Some(0));
    world.set_limit(account, 1);
    world.ask_times(1, &list(&key, Route::Domains, account));
    assert_eq!(world.ask(status(&key, account)).cause(), Cause::QuotaExceeded);
}
