//! Which personal texts an erasure takes, and what is left without them.

use crate::harness::{TokenEdit, World, all, begun, by_local, by_name, given, granted, list, named, text, whoami};
use token_ledger::domain::access::Level;
use token_ledger::domain::command::{AccessRequest, Change};
use token_ledger::domain::decide::{DoneSubject, RANGES_A_RECORD};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Event, Outcome, PersonalDataErased, Route};
use token_ledger::domain::ids::{AccountId, TextNumber, TokenId, UserId, Version};
use token_ledger::domain::rejection::{Missing, Rejection};
use token_ledger::domain::text::{Subject, TextKind, Texts};
use token_ledger::domain::token::{Owner, Principal, TokenKind};

fn erase_user(user: UserId) -> Change {
    Change::EraseUserTexts { user }
}

fn erase_token(owner: Option<Owner>, token: TokenId) -> Change {
    Change::EraseTokenTexts { owner, token }
}

fn numbers_of(world: &mut World, subject: Subject) -> Vec<TextNumber> {
    world.texts.of(subject).iter().map(|text| text.number).collect()
}

#[track_caller]
fn told(then: &crate::harness::Then) -> (u64, u64) {
    match then.done().subject {
        DoneSubject::Texts { erased, kept, finished } => {
            assert!(finished, "decided is as good as finished; only the log knows better");
            (erased, kept)
        }
        other => panic!("texts were erased, not {other:?}"),
    }
}

#[test]
fn of_a_user_go_name_address_token_names_and_where_the_tokens_were_used_from() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.member(account, AccessRequest::Full);
    let key = world.user_token(user);
    let other = world.user();
    world.from("203.0.113.9", "curl/8.1");
    world.ask(whoami(&key)).allowed();
    let (subject, others) = (Subject::User(user), Subject::User(other));
    let (theirs, kept) = (numbers_of(&mut world, subject), numbers_of(&mut world, others));
    assert_eq!(theirs.len(), 5, "e-mail, name, token name, address, agent");
    let then = world.manage(erase_user(user));
    assert_eq!(told(&then), (5, 0));
    let erased: PersonalDataErased = match &then.last().event {
        Event::PersonalDataErased(erased) => erased.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((erased.subject, erased.by), (subject, by_local()));
    let covered: Vec<_> = erased.texts.iter().flat_map(|&(first, last)| (first.0..=last.0).map(TextNumber)).collect();
    assert_eq!(covered, theirs, "as ranges, neighbours joined: {:?}", erased.texts);
    assert_eq!(numbers_of(&mut world, subject), []);
    assert_eq!(numbers_of(&mut world, others), kept);
    // The facts stay as they are: numbers, versions, the token.
    let kept = world.state.user(user).expect("it is there");
    assert!(!kept.name.is_none() && kept.version == Version(1));
    assert_eq!(world.ask(whoami(&key)).allowed(), Outcome::Ok);
    assert_eq!(numbers_of(&mut world, subject).len(), 2, "used again, address and agent are new texts");
}

#[test]
fn erasing_what_is_erased_is_done_and_records_nothing() {
    let mut world = begun();
    let user = world.user();
    assert_eq!(told(&world.manage(erase_user(user))), (2, 0));
    let again = world.manage(erase_user(user));
    assert_eq!((told(&again), again.names()), ((0, 0), vec![]));
}

#[test]
fn of_a_token_go_all_its_names_and_what_came_with_it_first() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let key = world.account_token(account, AccessRequest::Full);
    world.manage(TokenEdit { name: Some("a second name"), ..TokenEdit::default() }.of(&key)).done();
    let other = world.account_token(account, AccessRequest::Full);
    world.from("203.0.113.9", "first/1");
    world.ask(whoami(&key)).allowed();
    world.ask(whoami(&other)).allowed();
    world.from("203.0.113.10", "other/1");
    world.ask(whoami(&other)).allowed();
    world.ask(whoami(&key)).allowed();
    let then = world.manage(erase_token(Some(key.owner), key.token));
    // "a token", its first name, is the other one's now; its second name, address and agent go.
    assert_eq!(told(&then), (3, 1));
    let header = &then.last().header;
    assert_eq!((header.account, header.token, header.principal), (account, key.token, Principal::Local(1_000)));
    let subject = Subject::Account(account);
    let mut found = |kind, text: &str| world.texts.find(subject, kind, text).is_some();
    assert!(!found(TextKind::TokenName, "a second name") && found(TextKind::TokenName, "a token"));
    assert!(!found(TextKind::Address, "203.0.113.9") && !found(TextKind::Agent, "first/1"));
    assert!(found(TextKind::Address, "203.0.113.10") && found(TextKind::Agent, "other/1"), "they came with the other");
    assert!(found(TextKind::AccountName, "Acme"), "the account's own texts stay");
}

#[test]
fn a_name_goes_with_the_last_live_token_that_bears_it() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let first = world.account_token(account, AccessRequest::Full);
    let second = world.account_token(account, AccessRequest::Full);
    assert_eq!(told(&world.manage(erase_token(None, second.token))), (0, 1));
    world.delete(&first);
    assert_eq!(told(&world.manage(erase_token(None, second.token))), (1, 0));
    assert_eq!(told(&world.manage(erase_token(None, first.token))), (0, 0), "it is the same text");
}

#[test]
fn a_deleted_token_of_a_user_or_of_the_service_can_be_erased() {
    let mut world = begun();
    let user = world.user();
    for owner in [Owner::User(user), Owner::Service] {
        let kind = if owner == Owner::Service { TokenKind::Auditor } else { TokenKind::User };
        let key = world.token(owner, kind, None);
        world.delete(&key);
        let then = world.manage(erase_token(Some(owner), key.token));
        assert_eq!(told(&then), (1, 0));
        assert_eq!(then.last().header.account, AccountId::NONE);
    }
}

#[test]
fn nobody_and_a_token_of_another_owner_have_no_texts() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let key = world.account_token(account, AccessRequest::Full);
    let missing = |what| Rejection::NotFound(what);
    assert_eq!(*world.manage(erase_user(UserId(9))).rejected(), missing(Missing::User));
    for (owner, token) in [(None, TokenId(99)), (Some(Owner::Service), key.token), (None, TokenId(0))] {
        assert_eq!(*world.manage(erase_token(owner, token)).rejected(), missing(Missing::Token));
    }
}

#[test]
fn only_operators_erase_and_the_attempts_of_others_are_recorded() {
    let mut world = given(vec![]);
    let user = world.user();
    let operator = world.staff_token(TokenKind::Operator);
    let auditor = world.staff_token(TokenKind::Auditor);
    let refused = world.manage_as(&auditor, erase_user(user));
    assert_eq!(*refused.rejection(), Rejection::Forbidden(Cause::WrongKind));
    assert!(refused.names().contains(&"ManagementRefused"));
    world.from("192.0.2.1", "browser/1");
    let then = world.manage_as(&operator, erase_user(user));
    assert_eq!((told(&then), then.last().header.credential), ((2, 0), operator.token));
    // What the operator is seen with is the service's, and stays.
    let own = world.manage_as(&operator, erase_token(Some(Owner::Service), operator.token));
    assert_eq!(told(&own), (2, 1), "address and agent came with it; \"a token\" is the auditor's name too");
}

#[test]
fn an_erased_name_matches_no_request_and_no_grant() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    world.domain(account, "secret.example");
    let only = granted(vec![named("domains", Level::ReadOnly, &["secret.example"])]);
    let scoped = world.account_token(account, only);
    let full = world.account_token(account, granted(vec![all("domains", Level::ReadOnly)]));
    let asked = |key| by_name(key, Route::Domain, account, "secret.example");
    assert_eq!(world.ask(asked(&scoped)).allowed(), Outcome::Ok);
    let number = world.name_number(account, "secret.example");
    let erased = Change::EraseAgain { subject: Subject::Account(account), texts: vec![number] };
    assert_eq!(told(&world.manage(erased)), (1, 0));
    // As a name that nobody ever spoke of: not covered, and not found.
    assert_eq!(world.ask(asked(&scoped)).cause(), Cause::MissingScope);
    assert_eq!(world.ask(asked(&full)).allowed(), Outcome::NotFound);
    assert_eq!(world.ask(list(&scoped, Route::Domains, account)).allowed(), Outcome::Ok);
    // Added again it is another text: the old grant does not mean it.
    world.domain(account, "secret.example");
    assert_eq!(world.ask(asked(&scoped)).cause(), Cause::MissingScope);
    assert_eq!(world.ask(asked(&full)).allowed(), Outcome::Ok);
}

#[test]
fn counted_refusals_do_not_bring_an_erased_address_back() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let key = world.account_token(account, granted(vec![]));
    world.from("203.0.113.9", "curl/8.1");
    let asked = list(&key, Route::Zones, account);
    for _ in 0..70 {
        assert_eq!(world.ask(asked.clone()).cause(), Cause::MissingScope);
    }
    world.manage(erase_token(None, key.token)).done();
    world.tally.forget_addresses(|token| token == key.token);
    world.at(60);
    let summed = world.flush(false);
    assert!(summed.iter().all(|recorded| !matches!(recorded.event, Event::TextSeen(_))), "{summed:?}");
    assert!(matches!(&summed[0].event, Event::RefusalsSummed(sum) if sum.addresses.is_empty()));
}

#[test]
fn scattered_texts_are_spread_over_records_that_fit() {
    let mut world = begun();
    let (user, other) = (world.user(), world.user());
    let key = world.user_token(user);
    let others = world.user_token(other);
    let uses = RANGES_A_RECORD as u64 + 1;
    for number in 0..uses {
        world.at(2 * number);
        // Slowly, for the hourly limit; one address each in turn, so that no two of a user's numbers are neighbours.
        world.origin.address = Some(text(&format!("2001:db8::{number:x}")));
        for key in [&key, &others] {
            world.ask(whoami(key));
        }
    }
    let then = world.manage(erase_user(user));
    assert_eq!(then.names(), ["PersonalDataErased", "PersonalDataErased"]);
    assert_eq!(told(&then).0, uses + 3);
}
