//! Which secrets open the door, and which kinds of tokens call the guarded API.

use crate::harness::{Key, World, accounts, begun, granted, list, whoami};
use token_ledger::domain::command::{AccessRequest, AskedTarget, Use};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Event, Outcome, Route};
use token_ledger::domain::ids::{AccountId, TokenId};
use token_ledger::domain::rejection::Rejection;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Owner, TokenKind};
use token_ledger::domain::token_text::TokenDigest;

/// A Teams account with one token of full access.
fn account_and_key() -> (World, AccountId, Key) {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let key = world.account_token(account, AccessRequest::Full);
    (world, account, key)
}

#[test]
fn a_digest_that_no_token_has_is_unknown_and_leaves_nothing() {
    let (mut world, account, key) = account_and_key();
    let stranger = Key { digest: TokenDigest([0xee; 32]), ..key };
    for asked in [whoami(&stranger), accounts(&stranger), list(&stranger, Route::Zones, account)] {
        let then = world.ask(asked);
        assert_eq!(*then.rejected(), Rejection::UnknownToken);
        assert_eq!(then.tally, None, "unknown tokens are not even counted here");
    }
}

#[test]
fn a_token_works_until_the_instant_it_expires() {
    let (mut world, account, _) = account_and_key();
    let end = world.now.plus_seconds(100);
    let key = world.token_until(Owner::Account(account), TokenKind::Account, Some(AccessRequest::Full), Some(end));
    world.now = Timestamp(end.0 - 1);
    assert_eq!(world.ask(whoami(&key)).allowed(), Outcome::Ok);
    world.now = end;
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::TokenExpired);
}

#[test]
fn an_expired_token_works_again_once_its_expiry_is_moved() {
    let (mut world, account, _) = account_and_key();
    let end = world.now.plus_seconds(100);
    let key = world.token_until(Owner::Account(account), TokenKind::Account, Some(AccessRequest::Full), Some(end));
    world.at(200);
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::TokenExpired);
    world.manage(crate::harness::TokenEdit { expires_at: Some(None), ..Default::default() }.of(&key)).done();
    assert_eq!(world.ask(whoami(&key)).allowed(), Outcome::Ok);
}

#[test]
fn a_deleted_token_is_refused_for_ever() {
    let (mut world, _, key) = account_and_key();
    world.delete(&key);
    for later in [0, 1, 3_600, 400 * 86_400] {
        world.at(later);
        let then = world.ask(whoami(&key));
        assert_eq!(then.cause(), Cause::TokenDeleted, "{later} seconds later");
        assert_eq!(then.names(), ["TokenUseRefused"]);
    }
}

#[test]
fn a_rotated_secret_works_until_its_overlap_ends_and_the_new_one_at_once() {
    let (mut world, _, old) = account_and_key();
    let new = world.rotate(&old, 60);
    let end = world.now.plus_seconds(60);
    for (at, answer_of_old) in [(world.now, None), (Timestamp(end.0 - 1), None), (end, Some(Cause::SecretEnded))] {
        world.now = at;
        assert_eq!(world.ask(whoami(&new)).allowed(), Outcome::Ok);
        match answer_of_old {
            None => assert_eq!(world.ask(whoami(&old)).allowed(), Outcome::Ok),
            Some(cause) => assert_eq!(world.ask(whoami(&old)).cause(), cause),
        }
    }
}

#[test]
fn an_overlap_of_zero_ends_the_old_secret_at_once() {
    let (mut world, _, old) = account_and_key();
    let new = world.rotate(&old, 0);
    assert_eq!(world.ask(whoami(&old)).cause(), Cause::SecretEnded);
    assert_eq!(world.ask(whoami(&new)).allowed(), Outcome::Ok);
}

#[test]
fn at_most_two_secrets_work_at_a_time() {
    let (mut world, _, first) = account_and_key();
    let second = world.rotate(&first, 1_000);
    let third = world.rotate(&second, 1_000);
    assert_eq!(world.ask(whoami(&first)).cause(), Cause::SecretEnded);
    assert_eq!(world.ask(whoami(&second)).allowed(), Outcome::Ok);
    assert_eq!(world.ask(whoami(&third)).allowed(), Outcome::Ok);
}

#[test]
fn a_later_rotation_never_prolongs_a_secret_that_is_ending() {
    let (mut world, _, first) = account_and_key();
    let second = world.rotate(&first, 10);
    world.at(20);
    world.rotate(&second, 1_000);
    world.at(30);
    assert_eq!(world.ask(whoami(&first)).cause(), Cause::SecretEnded);
    let kept = &world.state.token(first.token).expect("the token is there").secrets;
    let first_end = kept[0].not_after.expect("the first secret ends");
    assert_eq!(first_end, crate::harness::NOON.plus_seconds(10), "its end stays where the first rotation put it");
}

#[test]
fn every_secret_of_a_token_ends_with_its_deletion_and_its_expiry() {
    let (mut world, account, old) = account_and_key();
    let new = world.rotate(&old, 1_000);
    world.delete(&old);
    assert_eq!(world.ask(whoami(&old)).cause(), Cause::TokenDeleted);
    assert_eq!(world.ask(whoami(&new)).cause(), Cause::TokenDeleted);

    let end = world.now.plus_seconds(100);
    let old = world.token_until(Owner::Account(account), TokenKind::Account, Some(AccessRequest::Full), Some(end));
    let new = world.rotate(&old, 1_000);
    world.now = end;
    assert_eq!(world.ask(whoami(&old)).cause(), Cause::TokenExpired);
    assert_eq!(world.ask(whoami(&new)).cause(), Cause::TokenExpired);
}

#[test]
fn a_use_says_which_secret_was_shown() {
    let (mut world, _, old) = account_and_key();
    let new = world.rotate(&old, 1_000);
    for (key, number) in [(&old, 1), (&new, 2)] {
        let then = world.ask(whoami(key));
        let Event::TokenUsed(used) = &then.last().event else { panic!("it was used") };
        assert_eq!(used.secret, number);
    }
}

#[test]
fn deletion_is_told_before_expiry_and_expiry_before_an_ended_secret() {
    let (mut world, account, _) = account_and_key();
    let end = world.now.plus_seconds(100);
    let key = world.token_until(Owner::Account(account), TokenKind::Account, Some(AccessRequest::Full), Some(end));
    world.rotate(&key, 0);
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::SecretEnded);
    world.now = end;
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::TokenExpired);
    world.delete(&key);
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::TokenDeleted);
}

#[test]
fn a_closed_door_draws_nothing_and_tells_no_window() {
    let (mut world, account, key) = account_and_key();
    world.delete(&key);
    let before = world.state.account(account).expect("it is there").window;
    let then = world.ask(list(&key, Route::Zones, account));
    assert_eq!(then.answered().window, None);
    assert_eq!(world.state.account(account).expect("it is there").window, before);
    assert_eq!(then.last().header.account, account, "an account token's refusal is in its account's stream");
}

#[test]
fn only_account_and_user_tokens_call_the_guarded_api() {
    let (mut world, account, _) = account_and_key();
    let user = world.member(account, AccessRequest::Full);
    let rows = [
        (Owner::Account(account), TokenKind::Account, Some(AccessRequest::Full), true),
        (Owner::User(user), TokenKind::User, None, true),
        (Owner::User(user), TokenKind::Session, None, false),
        (Owner::Service, TokenKind::Gateway, None, false),
        (Owner::Service, TokenKind::Operator, None, false),
        (Owner::Service, TokenKind::Auditor, None, false),
    ];
    for (owner, kind, access, calls) in rows {
        let key = world.token(owner, kind, access);
        for asked in [whoami(&key), accounts(&key), list(&key, Route::Domains, account)] {
            let then = world.ask(asked);
            if calls {
                assert_eq!(then.allowed(), Outcome::Ok, "{kind:?}");
            } else {
                assert_eq!(then.cause(), Cause::WrongKind, "{kind:?}");
                assert_eq!(then.answered().window, None, "{kind:?} has no window");
            }
        }
    }
}

#[test]
fn a_deleted_token_is_listed_no_more_but_its_number_is_never_given_again() {
    let (mut world, account, key) = account_and_key();
    world.delete(&key);
    assert!(world.state.account(account).expect("it is there").tokens.is_empty());
    let next = world.account_token(account, granted(vec![]));
    assert_eq!(next.token, TokenId(key.token.0 + 1));
}

#[test]
fn of_what_cannot_be_read_only_a_dead_token_leaves_something() {
    let (mut world, account, key) = account_and_key();
    let unreadable = |key: &Key| Use { target: AskedTarget::Unreadable, ..list(key, Route::Zones, account) };
    assert_eq!(*world.ask(unreadable(&key)).rejected(), Rejection::Unreadable);
    let new = world.rotate(&key, 0);
    let then = world.ask(unreadable(&key));
    assert_eq!((then.cause(), then.names()), (Cause::SecretEnded, vec!["TokenUseRefused"]));
    world.delete(&new);
    assert_eq!(world.ask(unreadable(&new)).cause(), Cause::TokenDeleted);
}
