//! What gateway tokens ask: who may, of which tokens, one question after another; and what they revoke.

use crate::harness::*;
use token_ledger::domain::access::Level::{FullAccess, ReadOnly};
use token_ledger::domain::access::{GroupNumber, Verb, Visible, group};
use token_ledger::domain::command::{
    AccessRequest, AskedTarget, Change, Client, Command, GatewayCall, GatewayWish, Question,
};
use token_ledger::domain::conditions::ConditionsEdit;
use token_ledger::domain::decide::{DoneSubject, is_within_reach};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{AskedRoute, Cause, Event, ManagementOperation, MappedRoute, Outcome, Route};
use token_ledger::domain::gateway::GatewayRight::{self, Authorize, Introspect, Report, Revoke};
use token_ledger::domain::ids::{AccountId, Version};
use token_ledger::domain::rejection::Rejection;
use token_ledger::domain::text::{Subject, TextKind, Texts};
use token_ledger::domain::token::{Authority, Owner, Principal, TokenKind};
use token_ledger::domain::token_text::TokenDigest;

const ONE: AccountId = AccountId(1);
const TWO: AccountId = AccountId(2);

/// Two accounts, a full token of the first, and a gateway that may everything over the first.
fn one_reached() -> (World, Key, Key) {
    let mut world = begun();
    world.account_with_limit(Plan::Teams, Some(3));
    world.account(Plan::Teams);
    let key = world.account_token(ONE, AccessRequest::Full);
    let gateway = world.gateway(&[Introspect, Authorize, Revoke], &[ONE]);
    (world, key, gateway)
}

fn question(account: AccountId, scope: (GroupNumber, Verb), target: AskedTarget) -> Question {
    Question { account: Some(account), target, scope: Some(scope), mapped: None }
}

fn zone(account: AccountId, name: &str) -> Question {
    question(account, (group::ZONES, Verb::Read), AskedTarget::Name(text(name)))
}

fn zones(account: AccountId, verb: Verb) -> Question {
    question(account, (group::ZONES, verb), AskedTarget::List)
}

/// By a route that needs no scope and names no account.
fn identity() -> Question {
    Question { account: None, target: AskedTarget::None, scope: None, mapped: Some(MappedRoute { map: 1, line: 9 }) }
}

fn ask(gateway: &Key, key: &Key, questions: &[Question]) -> GatewayCall {
    let (client, questions) = (Client::default(), questions.to_vec());
    let wish = GatewayWish::Authorize { shown: key.digest, client, questions, dry_run: false };
    GatewayCall { gateway: gateway.digest, wish }
}

fn dry(mut call: GatewayCall) -> GatewayCall {
    if let GatewayWish::Authorize { dry_run, .. } = &mut call.wish {
        *dry_run = true;
    }
    call
}

fn revoke(gateway: &Key, key: &Key) -> Command {
    Command::Gateway(Box::new(GatewayCall { gateway: gateway.digest, wish: GatewayWish::Revoke { shown: key.digest } }))
}

#[test]
fn a_use_says_which_gateway_asked_by_which_route_and_is_the_tokens_own() {
    let (mut world, key, gateway) = one_reached();
    let mapped = Some(MappedRoute { map: 1, line: 7 });
    let asked = Question { mapped, ..zone(ONE, "a.example") };
    world.origin.address = Some(text("192.0.2.1"));
    let mut call = ask(&gateway, &key, &[asked, zone(ONE, "a.example")]);
    if let GatewayWish::Authorize { client, .. } = &mut call.wish {
        client.address = "203.0.113.9".parse().ok();
    }
    let answers = world.call(&call);
    for (then, mapped) in answers.iter().zip([mapped, None]) {
        let Event::TokenUsed(used) = &then.last().event else { panic!("it was used") };
        assert_eq!(used.route, Route::Asked(AskedRoute { gateway: gateway.token, secret: 1, mapped }));
        assert_eq!((used.outcome, used.general), (Outcome::UnknownUpstream, 1));
        let header = then.last().header;
        assert_eq!((header.account, header.token, header.credential), (ONE, key.token, key.token));
        assert_eq!(header.principal, Principal::Account(ONE));
    }
    let mut known = |subject, address| world.texts.find(subject, TextKind::Address, address);
    assert!(known(Subject::Account(ONE), "203.0.113.9").is_some(), "the client, as the gateway tells of it");
    assert_eq!(known(Subject::Account(ONE), "192.0.2.1"), None, "not the gateway");
}

#[test]
fn questions_are_decided_one_after_another_so_that_exactly_the_limit_passes() {
    let (mut world, key, gateway) = one_reached();
    let questions: Vec<Question> =
        ["a.example", "b.example", "a.example", "c.example", "a.example"].map(|name| zone(ONE, name)).into();
    let answers = world.call(&ask(&gateway, &key, &questions));
    let left = |index: usize| answers[index].answered().window.map(|window| window.remaining);
    assert_eq!([0, 1, 2, 3].map(left), [Some(2), Some(1), Some(0), Some(0)]);
    for over in &answers[3..] {
        assert_eq!(over.cause(), Cause::QuotaExceeded);
    }
    assert_eq!(answers[3].names(), ["TextSeen", "TokenUseRefused"], "the first of a window");
    assert_eq!(answers[4].names(), [""; 0], "then a total");
    assert!(answers[3].tally.is_some() && answers[4].tally.is_some());
    assert_eq!(world.flush(true).len(), 1);
}

#[test]
fn refusals_past_sixty_a_minute_are_summed_within_one_call() {
    let (mut world, _, gateway) = one_reached();
    let key = world.account_token(ONE, granted(vec![]));
    let answers = world.call(&ask(&gateway, &key, &vec![zone(ONE, "a.example"); 100]));
    let recorded = answers.iter().filter(|then| then.names().last() == Some(&"TokenUseRefused")).count();
    assert_eq!(recorded, 60);
    assert!(answers[60..].iter().all(|then| then.events.is_empty() && then.cause() == Cause::MissingScope));
}

#[test]
fn a_list_shows_what_the_grant_of_that_verb_covers() {
    let (mut world, full, gateway) = one_reached();
    world.manage(AccountEdit { hourly_limit: Some(100), ..Default::default() }.of(ONE)).done();
    let reader = world.account_token(ONE, granted(vec![named("zones", ReadOnly, &["a.example"])]));
    let writer = world.account_token(ONE, granted(vec![named("zones", FullAccess, &["a.example"])]));
    let every = world.account_token(ONE, granted(vec![all("zones", ReadOnly)]));
    let none = world.account_token(ONE, granted(vec![named("domains", ReadOnly, &["a.example"])]));
    let a = Visible::Named(vec![world.name_number(ONE, "a.example")]);
    let rows = [
        (&full, Verb::Write, Some(Visible::All)),
        (&every, Verb::Read, Some(Visible::All)),
        (&every, Verb::Write, None),
        (&reader, Verb::Read, Some(a.clone())),
        (&reader, Verb::Write, None),
        (&writer, Verb::Write, Some(a)),
        (&none, Verb::Read, None),
    ];
    for (key, verb, expected) in rows {
        let answers = world.call(&ask(&gateway, key, &[zones(ONE, verb)]));
        match expected {
            Some(visible) => assert_eq!(*answers[0].visible(), visible, "{verb:?}"),
            None => assert_eq!(answers[0].cause(), Cause::MissingScope, "{verb:?}"),
        }
    }
}

#[test]
fn a_dry_run_says_the_same_and_nothing_happens() {
    let (mut world, key, gateway) = one_reached();
    let questions = vec![zone(ONE, "new.example"); 5];
    let answers = world.call(&dry(ask(&gateway, &key, &questions)));
    for then in &answers {
        assert_eq!((then.allowed(), then.names(), &then.tally), (Outcome::UnknownUpstream, vec![], &None));
        assert_eq!(then.answered().window.map(|window| window.remaining), Some(3));
    }
    let none = world.account_token(ONE, granted(vec![]));
    let refused = world.call(&dry(ask(&gateway, &none, &questions)));
    assert!(refused.iter().all(|then| then.cause() == Cause::MissingScope && then.events.is_empty()));
    world.delete(&key);
    let dead = world.call(&dry(ask(&gateway, &key, &[identity()])));
    assert_eq!((dead[0].cause(), dead[0].names()), (Cause::TokenDeleted, vec![]));
}

#[test]
fn what_is_out_of_reach_is_unknown_and_leaves_nothing() {
    let (mut world, key, gateway) = one_reached();
    let other = world.account_token(TWO, AccessRequest::Full);
    let stranger = world.user();
    let strangers = world.user_token(stranger);
    let member = world.member(ONE, AccessRequest::Full);
    let access = AccessRequest::Full;
    world.manage(Change::PutMember { account: TWO, user: member, access, if_match: None }).done();
    let members = world.user_token(member);
    let session = world.token(Owner::User(member), TokenKind::Session, None);
    let operator = world.staff_token(TokenKind::Operator);
    for key in [&other, &strangers, &session, &operator, &gateway] {
        for then in world.call(&ask(&gateway, key, &[identity(), zone(ONE, "a.example"), zone(TWO, "a.example")])) {
            assert_eq!(*then.rejected(), Rejection::UnknownToken);
        }
    }
    let answers = world.call(&ask(&gateway, &members, &[identity(), zone(ONE, "a.example"), zone(TWO, "a.example")]));
    assert_eq!((answers[0].last().header.account, answers[1].last().header.account), (AccountId::NONE, ONE));
    assert_eq!(*answers[2].rejected(), Rejection::UnknownToken, "it would draw from an account that is not named");
    let answers = world.call(&ask(&gateway, &key, &[zone(TWO, "a.example")]));
    assert_eq!((answers[0].cause(), answers[0].last().header.account), (Cause::ForeignAccount, ONE));
    let reach = world.state.token(gateway.token).and_then(|token| token.gateway.clone()).expect("a reach");
    let reached = |key: &Key| is_within_reach(&world.state, &reach, world.state.token(key.token).expect("a token"));
    let found = [&key, &members, &other, &strangers, &session, &operator, &gateway].map(reached);
    assert_eq!(found, [true, true, false, false, false, false, false]);
}

#[test]
fn what_cannot_be_decided_is_told_so_unless_the_token_is_dead() {
    let (mut world, key, gateway) = one_reached();
    let unreadable = Question { account: None, target: AskedTarget::Unreadable, scope: None, mapped: None };
    let call = ask(&gateway, &key, std::slice::from_ref(&unreadable));
    for call in [call.clone(), dry(call)] {
        assert_eq!(*world.call(&call)[0].rejected(), Rejection::Unreadable);
    }
    world.delete(&key);
    let answers = world.call(&ask(&gateway, &key, &[unreadable]));
    assert_eq!((answers[0].cause(), answers[0].names()), (Cause::TokenDeleted, vec!["TokenUseRefused"]));
}

#[test]
fn only_a_gateway_token_that_works_and_has_the_right_may_ask_and_each_other_try_is_recorded() {
    let (mut world, key, gateway) = one_reached();
    let operator = world.staff_token(TokenKind::Operator);
    let reporter = world.gateway(&[Report], &[ONE]);
    let gone = world.gateway(&[Authorize, Revoke], &[ONE]);
    world.delete(&gone);
    let wishes = |right: GatewayRight| match right {
        Authorize => ask(&gateway, &key, &[identity()]).wish,
        Revoke => GatewayWish::Revoke { shown: key.digest },
        _ => GatewayWish::Look(right, ManagementOperation::Introspect),
    };
    let operations = [
        (Authorize, ManagementOperation::Authorize),
        (Revoke, ManagementOperation::DeleteToken),
        (Introspect, ManagementOperation::Introspect),
    ];
    for (right, operation) in operations {
        for (who, cause) in [
            (&key, Cause::WrongKind),
            (&operator, Cause::WrongKind),
            (&reporter, Cause::MissingRight),
            (&gone, Cause::TokenDeleted),
        ] {
            let call = GatewayCall { gateway: who.digest, wish: wishes(right) };
            let then = world.when(Command::Gateway(Box::new(call)));
            assert!(matches!(then.rejection(), Rejection::Forbidden(it) | Rejection::Closed(it) if *it == cause));
            let Event::ManagementRefused(refused) = &then.last().event else { panic!("it was refused") };
            assert_eq!((refused.operation, refused.cause, then.last().header.token), (operation, cause, who.token));
        }
        let nobody = Key { digest: TokenDigest([0xee; 32]), ..key };
        let call = GatewayCall { gateway: nobody.digest, wish: wishes(right) };
        assert_eq!(*world.when(Command::Gateway(Box::new(call))).rejected(), Rejection::UnknownToken);
    }
}

#[test]
fn a_revocation_deletes_by_the_gateways_authority() {
    let (mut world, key, gateway) = one_reached();
    let second = world.rotate(&key, 60);
    let then = world.when(revoke(&gateway, &key));
    assert_eq!((then.names(), then.done().subject), (vec!["TokenDeleted"], DoneSubject::Token(key.token)));
    let Event::TokenDeleted(deleted) = &then.last().event else { panic!("it was deleted") };
    assert_eq!((deleted.by.authority, deleted.by.secret), (Authority::Gateway(Version(1)), 1));
    let header = then.last().header;
    assert_eq!((header.account, header.token), (ONE, key.token));
    assert_eq!((header.principal, header.credential), (Principal::Staff(gateway.token), gateway.token));
    let later = world.now.plus_seconds(60);
    let soon = world.account_token(ONE, AccessRequest::Full);
    let begins = ConditionsEdit { not_before: Some(Some(later)), ..ConditionsEdit::default() };
    world.manage(TokenEdit { conditions: begins, ..Default::default() }.of(&soon)).done();
    assert_eq!(world.when(revoke(&gateway, &soon)).names(), ["TokenDeleted"], "before it begins, too");
    for dead in [&key, &second] {
        let again = world.when(revoke(&gateway, dead));
        assert_eq!((again.names(), again.done().subject), (vec![], DoneSubject::Service));
        assert_eq!(world.ask(whoami(dead)).cause(), Cause::TokenDeleted);
    }
}

#[test]
fn a_revocation_touches_no_account_that_is_not_named() {
    let (mut world, key, gateway) = one_reached();
    let member = world.member(ONE, AccessRequest::Full);
    let members = world.user_token(member);
    let both = world.member(ONE, AccessRequest::Full);
    let access = AccessRequest::Full;
    world.manage(Change::PutMember { account: TWO, user: both, access, if_match: None }).done();
    let of_both = world.user_token(both);
    let other = world.account_token(TWO, AccessRequest::Full);
    let old = world.account_token(ONE, AccessRequest::Full);
    world.rotate(&old, 0);
    let operator = world.staff_token(TokenKind::Operator);
    for kept in [&other, &of_both, &old, &operator, &gateway] {
        let then = world.when(revoke(&gateway, kept));
        assert_eq!((then.names(), then.done().subject), (vec![], DoneSubject::Service));
        assert!(world.state.token(kept.token).is_some_and(|token| token.deleted_at.is_none()));
    }
    assert_eq!(world.when(revoke(&gateway, &members)).names(), ["TokenDeleted"]);
    assert_eq!(world.ask(whoami(&key)).allowed(), Outcome::Ok, "the others go on");
}
