//! Sign-in links, sessions, and what is done in them.

use crate::harness::{Key, Then, World, begun, text};
use token_ledger::domain::command::{AccessRequest, Actor, Change, Command, SignInChange};
use token_ledger::domain::decide::{Answer, ChangeFrom, faults_of};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Event, ManagementOperation as Op};
use token_ledger::domain::history_read::HistoryQuery;
use token_ledger::domain::ids::{TokenId, UserId};
use token_ledger::domain::rejection::{Missing, Rejection};
use token_ledger::domain::sign_in::{LINK_REFUSALS_MAX, LINKS_MAX, SESSIONS_MAX, SignInCause};
use token_ledger::domain::text::{PersonalText, Texts};
use token_ledger::domain::token::{Authority, Owner, Principal, TokenKind};

/// What was answered, whatever the refusal left.
trait Refused {
    fn refused(&self) -> &Rejection;
}

impl Refused for Then {
    #[track_caller]
    fn refused(&self) -> &Rejection {
        match &self.answer {
            Answer::Rejected(rejection) => rejection,
            other => panic!("it was carried out: {other:?}"),
        }
    }
}

fn dead(then: &Then) -> bool {
    then.answer == Answer::Rejected(Rejection::NotFound(Missing::SignInLink))
}

fn cause_of(then: &Then) -> Option<SignInCause> {
    then.events.iter().find_map(|recorded| match &recorded.event {
        Event::SignInRefused(refused) => Some(refused.cause),
        _ => None,
    })
}

fn end(who: Principal, session: TokenId) -> Change {
    Change::SignIn(SignInChange::EndSession { who, session })
}

/// Nothing that the rules let happen looks as if it had not been allowed.
#[track_caller]
fn is_allowed(world: &mut World, act: impl FnOnce(&mut World) -> Then) -> Then {
    let mut before = world.state.clone();
    let then = act(world);
    for recorded in &then.events {
        let from = ChangeFrom::Address(world.origin.from);
        assert_eq!(faults_of(&before, &recorded.header, &recorded.event, from), [], "{recorded:?}");
        before.evolve(&recorded.header, &recorded.event);
    }
    then
}

#[test]
fn a_link_opens_one_session_and_says_who_signed_in() {
    let mut world = begun();
    let user = world.user();
    let who = Principal::User(user);
    let link = world.link(who);
    let then = is_allowed(&mut world, |world| world.sign_in(link).1);
    let names: Vec<_> = then.names().into_iter().filter(|name| *name != "TextSeen").collect();
    assert_eq!(names, ["TokenCreated", "SignInLinkUsed"]);
    assert!(
        then.events.iter().all(|recorded| recorded.header.principal == who && recorded.header.credential.is_none())
    );
    let session = then.events.last().expect("it is there").header.token;
    let token = world.state.token(session).expect("it is there");
    assert_eq!((token.kind, token.owner, token.principal()), (TokenKind::Session, Owner::User(user), who));
    assert_eq!(token.expires_at, Some(world.now.plus_seconds(43_200)));
    assert!(!world.state.user(user).expect("it is there").tokens.contains(&session), "it is listed as what it is");
    assert!(world.state.sign_ins.sessions(who).eq([session]));

    let again = world.sign_in(link).1;
    assert!(dead(&again));
    assert_eq!(cause_of(&again), Some(SignInCause::LinkUsed));
}

#[test]
fn a_link_is_over_after_fifteen_minutes_and_leaves_the_state_with_the_next() {
    let mut world = begun();
    let who = Principal::User(world.user());
    let link = world.link(who);
    world.at(900);
    let then = world.sign_in(link).1;
    assert!(dead(&then) && then.events.is_empty());
    world.link(who);
    assert_eq!(world.state.sign_ins.links().count(), 1);
}

#[test]
fn links_sessions_and_refusals_are_bounded() {
    let mut world = begun();
    let who = Principal::User(world.user());
    for _ in 0..SESSIONS_MAX {
        world.session(who);
    }
    let link = world.link(who);
    for refusal in 0..LINK_REFUSALS_MAX + 2 {
        let then = world.sign_in(link).1;
        assert!(dead(&then));
        let expected = (refusal < LINK_REFUSALS_MAX).then_some(SignInCause::TooManySessions);
        assert_eq!(cause_of(&then), expected, "{refusal}");
    }
    for _ in 1..LINKS_MAX {
        world.link(who);
    }
    let digest = world.new_secret().digest;
    let create = Change::SignIn(SignInChange::CreateLink { who, digest });
    assert!(matches!(world.manage(create).refused(), Rejection::LimitReached(_)));
    // Whoever was signed in for twelve hours no longer counts.
    world.at(43_200);
    world.session(who);
    assert_eq!(world.state.sign_ins.sessions(who).count(), 1);
}

#[test]
fn only_operators_and_the_machine_make_links_for_those_who_are_there() {
    let mut world = begun();
    let (user, account) = (world.user(), world.account(Plan::Teams));
    let (operator, auditor) = (world.staff_token(TokenKind::Operator), world.staff_token(TokenKind::Auditor));
    let stranger = world.account_token(account, AccessRequest::Full);
    let own = world.session(Principal::User(user));
    let create = |world: &mut World, who| {
        let digest = world.new_secret().digest;
        Change::SignIn(SignInChange::CreateLink { who, digest })
    };
    let change = create(&mut world, Principal::Staff(auditor.token));
    world.manage_as(&operator, change).done();
    for key in [auditor, stranger] {
        let change = create(&mut world, Principal::User(user));
        assert_eq!(world.manage_as(&key, change).refused(), &Rejection::Forbidden(Cause::WrongKind));
    }
    let change = create(&mut world, Principal::User(user));
    assert_eq!(world.manage_in(&own, change).refused(), &Rejection::Forbidden(Cause::WrongKind));
    for (who, missing) in [
        (Principal::User(UserId(99)), Missing::User),
        (Principal::Staff(stranger.token), Missing::Token),
        (Principal::Staff(TokenId(99)), Missing::Token),
        (Principal::Local(1), Missing::User),
        (Principal::Service, Missing::User),
    ] {
        let change = create(&mut world, who);
        assert_eq!(world.manage(change).refused(), &Rejection::NotFound(missing), "{who:?}");
    }
}

fn new_token(world: &mut World, owner: Owner) -> Change {
    let (kind, access) = match owner {
        Owner::Account(_) => (TokenKind::Account, Some(AccessRequest::Full)),
        _ => (TokenKind::User, None),
    };
    let secret = world.new_secret();
    let (name, conditions) = (text("made in a session"), Default::default());
    Change::CreateToken { owner, kind, name, access, expires_at: None, conditions, secret }
}

#[test]
fn a_person_does_in_a_session_what_they_may_and_every_record_says_by_what_right() {
    let mut world = begun();
    let (account, other) = (world.account(Plan::Teams), world.account(Plan::Teams));
    let (full, limited) =
        (world.member(account, AccessRequest::Full), world.member(account, AccessRequest::Granted(Vec::new())));
    let theirs = world.session(Principal::User(full));
    let limiteds = world.session(Principal::User(limited));
    let rows = [
        (theirs, Owner::Account(account), Ok(Authority::Membership(token_ledger::domain::ids::Version(1)))),
        (theirs, Owner::User(full), Ok(Authority::Own)),
        (theirs, Owner::Account(other), Err(Cause::ForeignAccount)),
        (theirs, Owner::User(limited), Err(Cause::ForeignAccount)),
        (theirs, Owner::Service, Err(Cause::WrongKind)),
        (limiteds, Owner::Account(account), Err(Cause::MissingScope)),
        (limiteds, Owner::User(limited), Ok(Authority::Own)),
    ];
    for (session, owner, expected) in rows {
        let change = new_token(&mut world, owner);
        let then = is_allowed(&mut world, |world| world.manage_in(&session, change));
        let made = then.events.iter().find_map(|recorded| match &recorded.event {
            Event::TokenCreated(created) => Some(created.by.authority),
            _ => None,
        });
        match expected {
            Ok(authority) => assert_eq!(made, Some(authority), "{owner:?}"),
            Err(cause) => assert_eq!(then.refused(), &Rejection::Forbidden(cause), "{owner:?}"),
        }
    }
    // Everything else of an account is for operators.
    for change in [
        Change::RemoveMember { account, user: limited, if_match: None },
        Change::DeactivateResearch { account, if_match: None },
        Change::ImportTokens { account, lines: Vec::new() },
        Change::Attempt(Op::UpdateAccount, Owner::Account(account)),
    ] {
        assert_eq!(world.manage_in(&theirs, change).refused(), &Rejection::Forbidden(Cause::WrongKind));
    }
    let look = |owner| HistoryQuery::of("events", world.state.head).about(owner);
    let (own, foreign, all) =
        (look(Owner::Account(account)), look(Owner::Account(other)), HistoryQuery::of("events", world.state.head));
    let then = is_allowed(&mut world, |world| world.manage_in(&theirs, Change::ReadHistory(Box::new(own))));
    assert_eq!(then.events.last().expect("it is there").header.principal, Principal::User(full));
    for query in [foreign, all] {
        let then = world.manage_in(&theirs, Change::ReadHistory(Box::new(query)));
        assert!(matches!(then.refused(), Rejection::Forbidden(_)));
    }
}

/// What a session could do is judged now, not when it began.
#[test]
fn a_change_of_the_membership_acts_at_once() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.member(account, AccessRequest::Full);
    let session = world.session(Principal::User(user));
    let access = AccessRequest::Granted(Vec::new());
    world.manage(Change::PutMember { account, user, access, if_match: None }).done();
    let change = new_token(&mut world, Owner::Account(account));
    assert_eq!(world.manage_in(&session, change).refused(), &Rejection::Forbidden(Cause::MissingScope));
    world.manage(Change::RemoveMember { account, user, if_match: None }).done();
    let change = new_token(&mut world, Owner::Account(account));
    assert_eq!(world.manage_in(&session, change).refused(), &Rejection::Forbidden(Cause::ForeignAccount));
}

#[test]
fn staff_act_by_a_session_as_by_their_token_and_it_ends_with_the_token() {
    let mut world = begun();
    let (_, operator) = (world.staff_token(TokenKind::Operator), world.staff_token(TokenKind::Operator));
    let who = Principal::Staff(operator.token);
    let (one, two) = (world.session(who), world.session(who));
    let user = Change::CreateUser { email: text("a@example.com"), name: text("A") };
    let then = is_allowed(&mut world, |world| world.manage_in(&one, user.clone()));
    let header = then.events.last().expect("it is there").header;
    assert_eq!((header.principal, header.credential), (who, one.token));

    // By one of its own sessions: the other is deleted with it, this one works no more.
    let delete = Change::DeleteToken { owner: Owner::Service, token: operator.token, if_match: None };
    let then = is_allowed(&mut world, |world| world.manage_in(&one, delete));
    let deleted: Vec<TokenId> = then
        .events
        .iter()
        .filter(|recorded| matches!(recorded.event, Event::TokenDeleted(_)))
        .map(|recorded| recorded.header.token)
        .collect();
    assert_eq!(deleted, [two.token, operator.token]);
    for session in [one, two] {
        assert_eq!(world.manage_in(&session, user.clone()).refused(), &Rejection::Closed(Cause::TokenDeleted));
    }
}

#[test]
fn a_session_of_staff_ends_when_their_token_does() {
    let mut world = begun();
    let end = world.now.plus_seconds(60);
    let auditor = world.token_until(Owner::Service, TokenKind::Auditor, None, Some(end));
    let session = world.session(Principal::Staff(auditor.token));
    assert_eq!(world.state.token(session.token).expect("it is there").expires_at, Some(end));
    let link = world.link(Principal::Staff(auditor.token));
    world.at(60);
    let look = Change::Look(Op::ReadEvents, Owner::Service);
    assert_eq!(world.manage_in(&session, look).refused(), &Rejection::Closed(Cause::TokenExpired));
    let then = world.sign_in(link).1;
    assert_eq!((dead(&then), cause_of(&then)), (true, Some(SignInCause::StaffTokenEnded)));
}

#[test]
fn everybody_ends_their_own_sessions_and_operators_anybodys() {
    let mut world = begun();
    let (ada, grace) = (Principal::User(world.user()), Principal::User(world.user()));
    let auditor = world.staff_token(TokenKind::Auditor);
    let auditors = Principal::Staff(auditor.token);
    let (here, there, graces) = (world.session(ada), world.session(ada), world.session(grace));
    let staffs = world.session(auditors);
    let ended = |then: &Then| matches!(then.answer, Answer::Done(_));
    // Another's is not there, by whichever name.
    assert_eq!(
        world.manage_in(&here, end(grace, graces.token)).refused(),
        &Rejection::Forbidden(Cause::ForeignAccount)
    );
    assert_eq!(world.manage_in(&here, end(ada, graces.token)).refused(), &Rejection::NotFound(Missing::Session));
    for (by, who, session) in [(here, ada, there), (here, ada, here), (staffs, auditors, staffs)] {
        let then = is_allowed(&mut world, |world| world.manage_in(&by, end(who, session.token)));
        assert!(ended(&then), "{then:?}");
        assert_eq!(world.manage(end(who, session.token)).refused(), &Rejection::NotFound(Missing::Session));
    }
    world.manage(end(grace, graces.token)).done();
    // It is no token to be edited, rotated or deleted as one.
    let user_token = world.session(ada);
    let (owner, token) = (user_token.owner, user_token.token);
    let delete = Change::DeleteToken { owner, token, if_match: None };
    assert_eq!(world.manage(delete).refused(), &Rejection::NotFound(Missing::Token));
    let secret = world.new_secret();
    let rotate = Change::RotateToken { owner, token, overlap_seconds: 0, secret, if_match: None };
    assert_eq!(world.manage(rotate).refused(), &Rejection::NotFound(Missing::Token));
}

#[test]
fn a_session_is_shown_by_a_browser_and_a_token_by_a_program() {
    let mut world = begun();
    let user = world.user();
    let (session, key) = (world.session(Principal::User(user)), world.user_token(user));
    let change = new_token(&mut world, Owner::User(user));
    assert_eq!(world.manage_as(&session, change).refused(), &Rejection::Forbidden(Cause::WrongKind));
    let change = new_token(&mut world, Owner::User(user));
    assert_eq!(world.manage_in(&key, change).refused(), &Rejection::Forbidden(Cause::WrongKind));
    let unknown = Key { digest: world.new_secret().digest, ..key };
    let change = new_token(&mut world, Owner::User(user));
    assert_eq!(world.manage_in(&unknown, change).refused(), &Rejection::UnknownToken);
    // Whoever shows a link may use it, and nothing else.
    let link = world.link(Principal::User(user));
    let change = new_token(&mut world, Owner::User(user));
    let then = world.when(Command::Manage(Actor::Link(link), Box::new(change)));
    assert_eq!(then.refused(), &Rejection::UnknownToken);
    let secret = world.new_secret();
    let used = Change::SignIn(SignInChange::UseLink { name: text("A browser"), secret });
    assert!(matches!(world.manage(used).refused(), Rejection::NotFound(Missing::SignInLink)));
}

#[test]
fn erasing_a_user_reaches_what_came_with_their_sessions() {
    let mut world = begun();
    let user = world.user();
    world.origin.address = Some(PersonalText::new("192.0.2.7"));
    world.origin.agent = Some(PersonalText::new("Firefox"));
    world.session(Principal::User(user));
    let subject = token_ledger::domain::text::Subject::User(user);
    assert_eq!(world.texts.of(subject).len(), 5, "e-mail, name, name of the session, address, agent");
    world.manage(Change::EraseUserTexts { user }).done();
    assert_eq!(world.texts.of(subject).len(), 0);
}
