//! In which order a use is judged: the first check that fails answers.

use crate::harness::{Key, World, begun, granted, invalid, status, whoami};
use token_ledger::domain::command::AccessRequest;
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Outcome};
use token_ledger::domain::ids::AccountId;
use token_ledger::domain::token::TokenKind;

/// Everything that can be wrong with a research call, in the order it is told.
const CAUSES: [Cause; 7] = [
    Cause::TokenDeleted,
    Cause::WrongKind,
    Cause::ForeignAccount,
    Cause::MissingFeature,
    Cause::MissingScope,
    Cause::QuotaExceeded,
    Cause::MonthlyCapReached,
];

/// A world where the check of `CAUSES[first]` and all after it fail, and those before it pass.
fn failing_from(first: usize) -> (World, Key, AccountId) {
    let fails = |cause| first <= CAUSES.iter().position(|&other| other == cause).unwrap_or(CAUSES.len());
    let mut world = begun();
    let own = world.account_with_limit(Plan::Teams, Some(1));
    let foreign = world.account_with_limit(Plan::Teams, Some(1));
    if !fails(Cause::MissingFeature) {
        let monthly_cap = if fails(Cause::MonthlyCapReached) { 0 } else { 1 };
        world.research(own, Some(monthly_cap));
    }
    let access = if fails(Cause::MissingScope) { granted(vec![]) } else { AccessRequest::Full };
    let key = match fails(Cause::WrongKind) {
        true => world.staff_token(TokenKind::Gateway),
        false => world.account_token(own, access),
    };
    if fails(Cause::QuotaExceeded) {
        for account in [own, foreign] {
            let other = world.account_token(account, AccessRequest::Full);
            world.ask_times(1, &whoami(&other));
        }
    }
    if fails(Cause::TokenDeleted) {
        world.delete(&key);
    }
    let path = if fails(Cause::ForeignAccount) { foreign } else { own };
    (world, key, path)
}

#[test]
fn the_first_failing_check_answers_secret_kind_account_feature_scope_window_month() {
    for (first, cause) in CAUSES.into_iter().enumerate() {
        let (mut world, key, path) = failing_from(first);
        assert_eq!(world.ask(status(&key, path)).cause(), cause);
    }
    let (mut world, key, path) = failing_from(CAUSES.len());
    assert_eq!(world.ask(status(&key, path)).allowed(), Outcome::Ok);
}

#[test]
fn an_invalid_question_is_judged_before_it_is_called_invalid() {
    // Its name counts for no month, so the month's cap cannot refuse it.
    let month = CAUSES.len() - 1;
    for (first, cause) in CAUSES.into_iter().enumerate().take(month) {
        let (mut world, key, path) = failing_from(first);
        assert_eq!(world.ask(invalid(status(&key, path))).cause(), cause);
    }
    let (mut world, key, path) = failing_from(month);
    assert_eq!(world.ask(invalid(status(&key, path))).allowed(), Outcome::Invalid);
}
