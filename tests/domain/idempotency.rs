//! Rules of idempotency keys.

use crate::harness::{Key, World, begun, given, text};
use token_ledger::domain::command::{AccessRequest, Actor, Change, Command};
use token_ledger::domain::decide::{Answer, DoneSubject};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Event, IdempotencyKeyKept};
use token_ledger::domain::idempotency::{KEPT_SECONDS, KEYS_MAX, KeyHash, RequestDigest};
use token_ledger::domain::ids::{Position, TokenId};
use token_ledger::domain::rejection::{Conflict, Rejection};
use token_ledger::domain::token::{Owner, Principal, TokenKind};

const SENT: RequestDigest = RequestDigest([1; 16]);
const OTHER: RequestDigest = RequestDigest([2; 16]);

fn once(key: &str, request: RequestDigest, change: Change) -> Change {
    Change::Once { key: text(key), request, change: Box::new(change) }
}

fn user(name: &str) -> Change {
    Change::CreateUser { email: text("ada@example.com"), name: text(name) }
}

fn decide_as(world: &mut World, key: &Key, change: Change) -> Answer {
    world.decide(&Command::Manage(Actor::Bearer(key.digest), Box::new(change))).answer
}

fn head(world: &World) -> Position {
    world.state.head
}

#[test]
fn a_change_under_a_key_is_carried_out_and_the_key_kept_behind_its_events() {
    let mut world = begun();
    let then = world.manage(once("k", SENT, user("Ada")));
    let kept = &then.events[then.events.len() - 1];
    let Event::IdempotencyKeyKept(IdempotencyKeyKept { key, request, status, .. }) = &kept.event else {
        panic!("the key is the last that is written down: {kept:?}")
    };
    assert_eq!((*key, *request, *status), (KeyHash::of(Principal::Local(1_000), &text("k")), SENT, 201));
    let created = &then.events[then.events.len() - 2];
    assert!(matches!(created.event, Event::UserCreated(_)));
    assert_eq!((kept.header.principal, kept.header.request), (created.header.principal, created.header.request));
}

#[test]
fn it_stands_in_the_streams_of_its_change() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let secret = world.new_secret();
    let (owner, access) = (Owner::Account(account), Some(AccessRequest::Full));
    let change = Change::CreateToken {
        owner,
        kind: TokenKind::Account,
        name: text("t"),
        access,
        expires_at: None,
        conditions: Default::default(),
        secret,
    };
    let then = world.manage(once("k", SENT, change));
    let [.., created, kept] = &then.events[..] else { panic!("two events at least") };
    assert_eq!((kept.header.account, kept.header.token), (account, TokenId(1)));
    assert_eq!(kept.header.account_number, created.header.account_number + 1);
    assert_eq!(kept.header.token_number, created.header.token_number + 1);
    // The next record of both streams leaves no gap: the world checks it.
    world.manage(Change::DeleteToken { owner, token: TokenId(1), if_match: None }).done();
}

#[test]
fn the_same_request_again_is_answered_with_the_first_answer_and_does_nothing() {
    let mut world = begun();
    let first = world.manage(once("k", SENT, user("Ada"))).done();
    let receipt = head(&world);
    world.manage(user("Grace")).done();
    world.at(KEPT_SECONDS - 1);
    let then = world.manage(once("k", SENT, user("Ada")));
    assert_eq!(then.events, []);
    assert_eq!(then.answer, Answer::Repeated(first, receipt));
    assert!(matches!(first.subject, DoneSubject::User(user) if user.0 == 1));
    assert_eq!(world.state.users.len(), 2);
}

#[test]
fn another_request_under_the_key_is_refused_and_changes_nothing() {
    let mut world = given(vec![once("k", SENT, user("Ada"))]);
    let then = world.manage(once("k", OTHER, user("Grace")));
    assert_eq!((then.events.len(), &then.answer), (0, &Answer::Rejected(Rejection::KeyReused)));
    world.manage(once("another", OTHER, user("Grace"))).done();
}

#[test]
fn a_key_is_the_senders_own() {
    let mut world = begun();
    let [one, other] = [(); 2].map(|()| world.staff_token(TokenKind::Operator));
    world.manage_as(&one, once("k", SENT, user("Ada"))).done();
    world.manage_as(&other, once("k", SENT, user("Ada"))).done();
    world.manage_as(&other, once("k", OTHER, user("Ada"))).rejected();
    assert_eq!(world.state.users.len(), 2);
}

#[test]
fn whoever_may_not_change_is_refused_before_the_key_is_looked_at() {
    let mut world = begun();
    let [operator, _another] = [(); 2].map(|()| world.staff_token(TokenKind::Operator));
    let auditor = world.staff_token(TokenKind::Auditor);
    world.manage_as(&operator, once("k", SENT, user("Ada"))).done();
    let refused = world.manage_as(&auditor, once("k", SENT, user("Ada")));
    assert!(matches!(refused.events[..], [ref event] if matches!(event.event, Event::ManagementRefused(_))));
    world.delete(&operator);
    world.manage_as(&operator, once("k", SENT, user("Ada"))).rejection();
}

#[test]
fn a_key_is_over_24_hours_after_its_record() {
    let mut world = begun();
    world.manage(once("k", SENT, user("Ada"))).done();
    world.at(KEPT_SECONDS);
    world.manage(once("k", OTHER, user("Grace"))).done();
    assert_eq!(world.state.users.len(), 2);
    assert_eq!(world.state.kept_keys.iter().count(), 1, "the one of before is gone");
}

#[test]
fn a_refused_change_keeps_no_key() {
    let mut world = begun();
    world.manage(once("k", SENT, user(" "))).rejected();
    world.manage(once("k", OTHER, user("Ada"))).done();
}

#[test]
fn a_change_that_changes_nothing_keeps_no_key() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let same = |hourly_limit| Change::UpdateAccount {
        account,
        name: None,
        email: None,
        plan: None,
        hourly_limit: Some(hourly_limit),
        if_match: None,
    };
    let then = world.manage(once("k", SENT, same(2_400)));
    assert_eq!(then.events, []);
    then.done();
    world.manage(once("k", OTHER, same(5))).done();
}

#[test]
fn a_repeated_creation_does_not_mind_that_its_new_secret_is_another() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let make = |world: &mut World| {
        let secret = world.new_secret();
        let (owner, access) = (Owner::Account(account), Some(AccessRequest::Full));
        Change::CreateToken {
            owner,
            kind: TokenKind::Account,
            name: text("t"),
            access,
            expires_at: None,
            conditions: Default::default(),
            secret,
        }
    };
    let (first, second) = (make(&mut world), make(&mut world));
    world.manage(once("k", SENT, first)).done();
    let then = world.manage(once("k", SENT, second));
    assert!(matches!(then.answer, Answer::Repeated(..)));
    assert_eq!(world.digests.len(), 1, "the second secret opens nothing");
}

#[test]
fn past_ten_thousand_keys_of_a_sender_new_keys_are_refused_and_old_ones_still_answer() {
    let mut world = begun();
    let [operator, another] = [(); 2].map(|()| world.staff_token(TokenKind::Operator));
    let first = world.manage_as(&operator, once("first", SENT, user("Ada")));
    let [.., kept] = &first.events[..] else { panic!("a key is kept") };
    let Event::IdempotencyKeyKept(event) = kept.event.clone() else { panic!("a key is kept") };
    for number in 1..KEYS_MAX {
        let key = KeyHash::of(kept.header.principal, &text(&number.to_string()));
        world.state.evolve(&kept.header, &IdempotencyKeyKept { key, ..event.clone() }.into());
    }
    let full = decide_as(&mut world, &operator, once("one more", SENT, user("Grace")));
    assert!(matches!(full, Answer::Rejected(Rejection::LimitReached(_))));
    assert!(matches!(decide_as(&mut world, &operator, once("first", SENT, user("Ada"))), Answer::Repeated(..)));
    assert!(matches!(decide_as(&mut world, &operator, user("Grace")), Answer::Done(_)), "without a key it goes on");
    assert!(matches!(decide_as(&mut world, &another, once("mine", SENT, user("Grace"))), Answer::Done(_)));
    world.at(KEPT_SECONDS);
    assert!(matches!(decide_as(&mut world, &operator, once("one more", SENT, user("Grace"))), Answer::Done(_)));
}

#[test]
fn a_conflict_keeps_no_key() {
    let mut world = begun();
    let only = world.staff_token(TokenKind::Operator);
    let change = || Change::DeleteToken { owner: Owner::Service, token: only.token, if_match: None };
    let then = world.when(Command::Manage(Actor::Local(1), Box::new(once("k", SENT, change()))));
    assert_eq!(then.answer, Answer::Rejected(Rejection::Conflict(Conflict::LastOperator)));
    assert_eq!(world.state.kept_keys.iter().count(), 0);
}
