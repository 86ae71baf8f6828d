//! Who may manage, under what right, and what a refused attempt leaves.

use crate::harness::{AccountEdit, Key, TokenEdit, World, begun, certificate, granted, list, text, whoami};
use token_ledger::domain::access::BUILT_IN_GROUPS;
use token_ledger::domain::command::{AccessRequest, Actor, Change, Command, ResourceRequest};
use token_ledger::domain::decide::{NEW_AGENTS_AN_HOUR_MAX, REFUSALS_A_MINUTE_MAX, TallyNote, may_read};
use token_ledger::domain::directory::{DomainFacts, Plan};
use token_ledger::domain::event::{
    By, Cause, Event, LedgerInitialized, LogContinued, ManagementOperation as Op, RecordingStarted, RecordingStopped,
    Route,
};
use token_ledger::domain::ids::{AccountId, Position, ResourceId, TextNumber, TokenId, UserId, Version};
use token_ledger::domain::rejection::{Missing, Rejection};
use token_ledger::domain::state::{authority_of, by_of};
use token_ledger::domain::text::{Subject, TextKind};
use token_ledger::domain::token::{Authority, Owner, Principal, TokenKind};
use token_ledger::domain::token_text::TokenDigest;

fn read_events() -> Change {
    Change::Look(Op::ReadEvents, Owner::Service)
}

fn create_user() -> Change {
    Change::CreateUser { email: text("ada@example.com"), name: text("Ada") }
}

#[test]
fn operators_change_and_look_auditors_look_and_nobody_else_does_either() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.member(account, AccessRequest::Full);
    let rows = [
        (world.staff_token(TokenKind::Operator), true, true),
        (world.staff_token(TokenKind::Auditor), false, true),
        (world.staff_token(TokenKind::Gateway), false, false),
        (world.account_token(account, AccessRequest::Full), false, false),
        (world.oauth_token(account), false, false),
        (world.user_token(user), false, false),
        (world.token(Owner::User(user), TokenKind::Session, None), false, false),
    ];
    let wrong_kind = Rejection::Forbidden(Cause::WrongKind);
    for (key, changes, looks) in rows {
        for (change, may) in [
            (create_user(), changes),
            (Change::Attempt(Op::CreateUser, Owner::Service), changes),
            (read_events(), looks),
        ] {
            let then = world.manage_as(&key, change);
            match may {
                true => assert!(!then.done().created || changes),
                false => assert_eq!((then.rejection(), then.names()), (&wrong_kind, vec!["ManagementRefused"])),
            }
        }
        let read = may_read(&world.state, &world.digests, key.digest, world.now, None);
        assert_eq!(read, if looks { Ok(key.token) } else { Err(wrong_kind.clone()) });
    }
}

#[test]
fn an_unknown_token_manages_nothing_and_leaves_nothing() {
    let mut world = begun();
    let stranger = Key { token: TokenId::NONE, owner: Owner::Service, digest: TokenDigest([0xee; 32]) };
    for change in [create_user(), read_events()] {
        let then = world.manage_as(&stranger, change);
        assert_eq!((then.rejected(), then.tally.is_none()), (&Rejection::UnknownToken, true));
    }
    let read = may_read(&world.state, &world.digests, stranger.digest, world.now, None);
    assert_eq!(read, Err(Rejection::UnknownToken));
}

#[test]
fn a_closed_operator_token_manages_nothing_and_is_recorded_with_the_cause() {
    let mut world = begun();
    world.staff_token(TokenKind::Operator);
    let end = world.now.plus_seconds(100);
    let expiring = world.token_until(Owner::Service, TokenKind::Operator, None, Some(end));
    let rotated = world.staff_token(TokenKind::Operator);
    world.rotate(&rotated, 0);
    let deleted = world.staff_token(TokenKind::Operator);
    world.delete(&deleted);
    world.now = end;
    for (key, cause) in [(expiring, Cause::TokenExpired), (rotated, Cause::SecretEnded), (deleted, Cause::TokenDeleted)]
    {
        for change in [create_user(), read_events()] {
            let operation = change.operation();
            let then = world.manage_as(&key, change);
            assert_eq!((then.rejection(), then.names()), (&Rejection::Closed(cause), vec!["ManagementRefused"]));
            let Event::ManagementRefused(refused) = &then.last().event else { panic!("it was refused") };
            assert_eq!((refused.operation, refused.secret, refused.cause), (operation, 1, cause));
            let header = then.last().header;
            assert_eq!((header.token, header.credential), (key.token, key.token));
            assert_eq!(header.principal, Principal::Staff(key.token));
        }
        let read = may_read(&world.state, &world.digests, key.digest, world.now, None);
        assert_eq!(read, Err(Rejection::Closed(cause)));
    }
}

/// Every change, with the operation that its refusal says.
fn every_change(world: &mut World) -> Vec<(Change, Op)> {
    let (account, user, resource) = (AccountId(1), UserId(1), ResourceId(1));
    let key = Key { token: TokenId(1), owner: Owner::Account(account), digest: TokenDigest([1; 32]) };
    let mut create = |owner, kind, access| {
        let (name, secret) = (text("name"), world.new_secret());
        Change::CreateToken { owner, kind, name, access, expires_at: None, conditions: Default::default(), secret }
    };
    let create_staff = create(Owner::Service, TokenKind::Operator, None);
    let create_token = create(key.owner, TokenKind::Account, Some(AccessRequest::Full));
    let (owner, token, secret, if_match) = (key.owner, key.token, world.new_secret(), None);
    let domain = ResourceRequest::Domain(DomainFacts::default());
    vec![
        (Change::Initialize { origin: String::new(), log_vkey: String::new() }, Op::ChangeStaffTokens),
        (Change::StartRecording, Op::ChangeStaffTokens),
        (Change::StopRecording { appended: 0 }, Op::ChangeStaffTokens),
        (continuation("another.example", "another"), Op::ChangeStaffTokens),
        (create_user(), Op::CreateUser),
        (
            Change::CreateAccount { name: text("a"), email: text("a@b"), plan: Plan::Solo, hourly_limit: None },
            Op::CreateAccount,
        ),
        (AccountEdit::default().of(account), Op::UpdateAccount),
        (Change::ActivateResearch { account, monthly_cap: None, if_match: None }, Op::ChangeFeatures),
        (Change::DeactivateResearch { account, if_match: None }, Op::ChangeFeatures),
        (Change::PutMember { account, user, access: AccessRequest::Full, if_match: None }, Op::ChangeMembers),
        (Change::RemoveMember { account, user, if_match: None }, Op::ChangeMembers),
        (Change::AddResource { account, name: text("a.example"), resource: domain }, Op::ChangeResources),
        (Change::AddResource { account, name: text("a.example"), resource: certificate() }, Op::ChangeResources),
        (Change::RemoveResource { account, resource }, Op::ChangeResources),
        (create_staff, Op::ChangeStaffTokens),
        (create_token, Op::CreateToken),
        (TokenEdit::default().of(&key), Op::UpdateToken),
        (Change::RotateToken { owner, token, overlap_seconds: 0, secret, if_match }, Op::RotateToken),
        (Change::DeleteToken { owner, token, if_match }, Op::DeleteToken),
        (Change::DeleteToken { owner: Owner::Service, token, if_match }, Op::ChangeStaffTokens),
        (read_events(), Op::ReadEvents),
        (Change::Attempt(Op::CreateToken, Owner::Service), Op::CreateToken),
    ]
}

#[test]
fn every_change_that_a_token_may_not_make_is_recorded_by_its_operation_and_changes_nothing() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    world.user();
    world.domain(account, "a.example");
    let key = world.account_token(account, AccessRequest::Full);
    for (change, operation) in every_change(&mut world) {
        let label = format!("{change:?}");
        world.at(world.now.seconds() - crate::harness::NOON.seconds() + 60);
        let then = world.manage_as(&key, change);
        assert_eq!(*then.rejection(), Rejection::Forbidden(Cause::WrongKind), "{label}");
        assert_eq!(then.names(), ["ManagementRefused"], "{label}");
        let Event::ManagementRefused(refused) = &then.last().event else { panic!("it was refused: {label}") };
        assert_eq!((refused.operation, refused.cause), (operation, Cause::WrongKind), "{label}");
    }
}

#[test]
fn a_refused_attempt_is_in_the_stream_of_the_tokens_own_account() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let elsewhere = world.account(Plan::Teams);
    let user = world.member(account, AccessRequest::Full);
    let rows = [
        (world.account_token(account, AccessRequest::Full), account, Principal::Account(account)),
        (world.user_token(user), AccountId::NONE, Principal::User(user)),
    ];
    for (key, stream, principal) in rows {
        let header =
            world.manage_as(&key, Change::DeactivateResearch { account: elsewhere, if_match: None }).last().header;
        assert_eq!((header.account, header.token, header.principal), (stream, key.token, principal));
    }
    let auditor = world.staff_token(TokenKind::Auditor);
    let header = world.manage_as(&auditor, create_user()).last().header;
    assert_eq!((header.account, header.principal), (AccountId::NONE, Principal::Staff(auditor.token)));
}

#[test]
fn refused_attempts_past_sixty_a_minute_are_only_counted() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let key = world.account_token(account, AccessRequest::Full);
    for _ in 0..REFUSALS_A_MINUTE_MAX {
        assert_eq!(world.manage_as(&key, create_user()).names(), ["ManagementRefused"]);
    }
    let then = world.manage_as(&key, create_user());
    assert_eq!(*then.rejected(), Rejection::Forbidden(Cause::WrongKind));
    let (at, address) = (world.now, None);
    let expected = TallyNote::Refusal { account, token: key.token, cause: Cause::WrongKind, at, address };
    assert_eq!(then.tally, Some(expected));
}

#[test]
fn a_refused_attempt_draws_from_no_window() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let key = world.account_token(account, AccessRequest::Full);
    world.manage_as(&key, create_user()).rejection();
    assert_eq!(world.state.account(account).expect("it is there").window.used, 0);
    assert_eq!(world.ask(whoami(&key)).remaining(), 2_399);
}

#[test]
fn a_change_says_by_what_right_it_was_made() {
    let mut world = begun();
    let operator = world.staff_token(TokenKind::Operator);
    world.manage(TokenEdit { name: Some("other"), ..TokenEdit::default() }.of(&operator)).done();
    let rows = [
        (Actor::Init, Principal::Service, TokenId::NONE, Authority::Init),
        (Actor::Local(42), Principal::Local(42), TokenId::NONE, Authority::Local),
        (
            Actor::Bearer(operator.digest),
            Principal::Staff(operator.token),
            operator.token,
            Authority::Operator(Version(2)),
        ),
    ];
    for (actor, principal, credential, authority) in rows {
        let then = world.when(Command::Manage(actor, Box::new(create_user())));
        let header = then.last().header;
        assert_eq!((header.principal, header.credential), (principal, credential));
        assert_eq!(authority_of(&then.last().event), Some(authority));
    }
}

/// One change of each kind, each acceptable after those before it, with the number of changes it is recorded as.
fn every_accepted_change(world: &mut World) -> Vec<(Change, usize)> {
    let (account, user, resource) = (AccountId(1), UserId(1), ResourceId(1));
    let some = granted(vec![crate::harness::all("zones", token_ledger::domain::access::Level::ReadOnly)]);
    let key = Key { token: TokenId(2), owner: Owner::Account(account), digest: TokenDigest([0xaa; 32]) };
    let (owner, token, secret, if_match) = (key.owner, key.token, world.new_secret(), None);
    let (name, email, kind, access) = (text("name"), text("a@b.example"), TokenKind::Account, some.clone());
    let new_token = Change::CreateToken {
        owner,
        kind,
        name,
        access: Some(access),
        expires_at: None,
        conditions: Default::default(),
        secret,
    };
    let new_account = Change::CreateAccount { name: text("a"), email, plan: Plan::Solo, hourly_limit: None };
    let account_edit =
        AccountEdit { name: Some("b"), plan: Some(Plan::Teams), hourly_limit: Some(9), ..AccountEdit::default() };
    let expires_at = Some(Some(world.now.plus_seconds(9)));
    let token_edit =
        TokenEdit { name: Some("b"), access: Some(AccessRequest::Full), expires_at, ..TokenEdit::default() };
    let domain = ResourceRequest::Domain(DomainFacts::default());
    vec![
        (create_user(), 1),
        (new_account, 1),
        (account_edit.of(account), 3),
        (Change::ActivateResearch { account, monthly_cap: None, if_match: None }, 1),
        (Change::DeactivateResearch { account, if_match: None }, 1),
        (Change::PutMember { account, user, access: some, if_match: None }, 1),
        (Change::PutMember { account, user, access: AccessRequest::Full, if_match: None }, 1),
        (Change::RemoveMember { account, user, if_match: None }, 1),
        (Change::AddResource { account, name: text("a.example"), resource: domain }, 1),
        (Change::RemoveResource { account, resource }, 1),
        (new_token, 1),
        (token_edit.of(&key), 3),
        (Change::RotateToken { owner, token, overlap_seconds: 0, secret: world.new_secret(), if_match }, 1),
        (Change::DeleteToken { owner, token, if_match }, 1),
    ]
}

#[test]
fn every_change_says_with_which_secret_and_from_where_it_was_made() {
    let mut world = begun();
    let operator = world.staff_token(TokenKind::Operator);
    let operator = world.rotate(&operator, 60);
    for (number, (change, changes)) in every_accepted_change(&mut world).into_iter().enumerate() {
        let label = format!("{change:?}");
        world.from(&format!("192.0.2.{number}"), &format!("agent/{number}"));
        let then = world.manage_as(&operator, change.clone());
        then.done();
        let said: Vec<By> = then.events.iter().filter_map(|recorded| by_of(&recorded.event).copied()).collect();
        assert_eq!(said.len(), changes, "{label}");
        for by in said {
            assert_eq!((by.authority, by.secret), (Authority::Operator(Version(2)), 2), "{label}");
            let from = (world.text_of(by.address), world.text_of(by.agent));
            assert_eq!(from, (&*format!("192.0.2.{number}"), &*format!("agent/{number}")), "{label}");
        }
        let subjects = then.events.iter().filter_map(|recorded| match &recorded.event {
            Event::TextSeen(seen) if matches!(seen.kind, TextKind::Address | TextKind::Agent) => Some(seen.subject),
            _ => None,
        });
        let subjects: Vec<Subject> = subjects.collect();
        assert_eq!(subjects, [Subject::Service; 2], "{label}: staff's texts are the service's, taken up once");
    }
}

#[test]
fn a_change_without_a_token_says_no_secret_and_no_place() {
    let mut world = begun();
    world.from("192.0.2.1", "curl");
    for (actor, authority) in [(Actor::Init, Authority::Init), (Actor::Local(42), Authority::Local)] {
        let then = world.when(Command::Manage(actor, Box::new(create_user())));
        assert_eq!(then.names(), ["TextSeen", "TextSeen", "UserCreated"]);
        assert_eq!(by_of(&then.last().event), Some(&By { authority, ..crate::harness::by_local() }));
    }
}

#[test]
fn a_change_that_changes_nothing_takes_up_no_address() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let operator = world.staff_token(TokenKind::Operator);
    world.from("192.0.2.1", "curl");
    for change in [
        AccountEdit { plan: Some(Plan::Teams), ..AccountEdit::default() }.of(account),
        TokenEdit { name: Some("a token"), ..TokenEdit::default() }.of(&operator),
    ] {
        let then = world.manage_as(&operator, change);
        assert!(!then.done().created);
        assert_eq!(then.names(), Vec::<&str>::new());
    }
}

#[test]
fn the_agents_of_changes_count_for_the_token_that_was_shown() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let changed = world.account_token(account, AccessRequest::Full);
    let operator = world.staff_token(TokenKind::Operator);
    let rename = |world: &mut World, agent: &str, name: &'static str| {
        world.from("192.0.2.1", agent);
        let then = world.manage_as(&operator, TokenEdit { name: Some(name), ..TokenEdit::default() }.of(&changed));
        then.done();
        by_of(&then.last().event).expect("it is a change").agent
    };
    let names = ["one", "two"].into_iter().cycle();
    for (index, name) in (0..NEW_AGENTS_AN_HOUR_MAX).zip(names) {
        assert_ne!(rename(&mut world, &format!("agent {index}"), name), TextNumber::NONE);
    }
    assert_eq!(rename(&mut world, "one too many", "three"), TextNumber::NONE);
    world.from("192.0.2.1", "of the changed token");
    let then = world.ask(list(&changed, Route::Zones, account));
    let Event::TokenUsed(used) = &then.last().event else { panic!("it was used") };
    assert_ne!(used.agent, TextNumber::NONE, "the token that was changed brought none");
}

#[test]
fn an_operators_change_that_cannot_be_is_rejected_without_a_record() {
    let mut world = begun();
    let operator = world.staff_token(TokenKind::Operator);
    let then = world.manage_as(&operator, Change::DeactivateResearch { account: AccountId(9), if_match: None });
    assert_eq!((then.rejected(), then.tally.is_none()), (&Rejection::NotFound(Missing::Account), true));
}

#[test]
fn looking_and_a_mere_attempt_change_and_record_nothing() {
    let mut world = begun();
    let operator = world.staff_token(TokenKind::Operator);
    for change in [read_events(), Change::Attempt(Op::CreateToken, Owner::Service)] {
        let then = world.manage_as(&operator, change);
        assert!(!then.done().created);
        assert_eq!(then.names(), Vec::<&str>::new());
    }
}

#[test]
fn a_ledger_begins_with_its_name_and_the_eleven_scope_groups() {
    let mut world = World::empty();
    let (origin, log_vkey) = ("ledger.example".to_owned(), "key".to_owned());
    let change = Change::Initialize { origin: origin.clone(), log_vkey: log_vkey.clone() };
    let then = world.when(Command::Manage(Actor::Init, Box::new(change)));
    assert!(then.done().created);
    assert_eq!(then.events[0].event, Event::LedgerInitialized(LedgerInitialized { origin, log_vkey }));
    let mut expected = vec!["LedgerInitialized"];
    expected.extend(["ScopeGroupDefined"; 11]);
    assert_eq!(then.names(), expected);
    for (number, (name, restrictable, has_write, needs_research)) in (1..).zip(BUILT_IN_GROUPS) {
        let group = world.state.group_named(name).expect("it is defined");
        assert_eq!((group.number, group.restrictable), (number, restrictable));
        assert_eq!((group.has_write, group.needs_research), (has_write, needs_research));
    }
}

#[test]
fn a_ledger_that_has_begun_keeps_its_name_and_key() {
    let mut world = begun();
    let settled = world.state.origin.clone();
    let again = Change::Initialize { origin: "another.example".to_owned(), log_vkey: "another".to_owned() };
    let then = world.when(Command::Manage(Actor::Local(42), Box::new(again)));
    assert!(matches!(then.rejection(), Rejection::Invalid(_)));
    assert_eq!((then.names(), &world.state.origin), (Vec::<&str>::new(), &settled));
}

fn continuation(origin: &str, log_vkey: &str) -> Change {
    Change::ContinueLog {
        last_checkpoint: "a note".to_owned(),
        lost_through: Position(90),
        origin: origin.to_owned(),
        log_vkey: log_vkey.to_owned(),
    }
}

#[test]
fn a_restored_copy_goes_on_under_a_name_and_key_that_no_log_had() {
    let mut world = begun();
    let (old_origin, old_vkey) = (world.state.origin.clone(), world.state.log_vkey.clone());
    let then = world.manage(continuation("second.example", "second"));
    let expected = LogContinued {
        old_origin: old_origin.clone(),
        old_vkey: old_vkey.clone(),
        last_checkpoint: "a note".to_owned(),
        lost_through: Position(90),
        origin: "second.example".to_owned(),
        log_vkey: "second".to_owned(),
    };
    assert_eq!(then.last().event, Event::LogContinued(expected));
    assert_eq!((world.state.origin.as_str(), world.state.log_vkey.as_str()), ("second.example", "second"));
    world.manage(continuation("third.example", "third"));
    let names: Vec<&str> = world.state.log_keys.iter().map(|span| span.origin.as_str()).collect();
    assert_eq!(names, [old_origin.as_str(), "second.example", "third.example"]);
    for (origin, key) in [
        (old_origin.as_str(), "fourth"),
        ("second.example", "fourth"),
        ("third.example", "fourth"),
        ("fourth.example", old_vkey.as_str()),
        ("fourth.example", "third"),
    ] {
        let then = world.when(Command::Manage(Actor::Local(42), Box::new(continuation(origin, key))));
        assert!(matches!(then.rejection(), Rejection::Invalid(_)), "{origin} with {key}");
        assert_eq!(world.state.origin, "third.example");
    }
}

#[test]
fn a_log_that_has_not_begun_cannot_be_continued() {
    let mut world = World::empty();
    let then = world.when(Command::Manage(Actor::Local(42), Box::new(continuation("a.example", "a"))));
    assert!(matches!(then.rejection(), Rejection::Invalid(_)));
    assert_eq!(then.names(), Vec::<&str>::new());
}

#[test]
fn recording_says_whether_the_run_before_ended_in_order() {
    let mut world = begun();
    let started = |after_clean_stop| Event::RecordingStarted(RecordingStarted { after_clean_stop });
    let stopped = Event::RecordingStopped(RecordingStopped { appended: 6 });
    let rows = [
        (Change::StartRecording, started(true)),
        (Change::StartRecording, started(false)),
        (Change::StopRecording { appended: 5 }, stopped),
        (Change::StartRecording, started(true)),
    ];
    for (change, expected) in rows {
        let then = world.manage(change);
        assert_eq!(then.events.len(), 1);
        assert_eq!(then.last().event, expected);
    }
}

#[test]
fn management_does_not_open_the_guarded_api_to_staff() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let operator = world.staff_token(TokenKind::Operator);
    let then = world.ask(list(&operator, Route::Zones, account));
    assert_eq!(then.cause(), Cause::WrongKind);
    assert_eq!(then.last().header.account, AccountId::NONE);
}

#[test]
fn a_rejected_change_takes_up_no_text() {
    let mut world = begun();
    let account = world.account(Plan::Solo);
    let before = world.state.last_text;
    let user = world.user();
    let with_user = world.state.last_text;
    assert_ne!(before, with_user);
    let access =
        granted(vec![crate::harness::named("zones", token_ledger::domain::access::Level::ReadOnly, &["new.example"])]);
    world.manage(Change::PutMember { account, user, access, if_match: None }).rejected();
    assert_eq!(world.state.last_text, with_user);
}
