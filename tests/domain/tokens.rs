//! Creating, editing, rotating and deleting tokens.

use crate::harness::{Key, NOON, TokenEdit, World, all, begun, by_local, granted, text, whoami};
use token_ledger::domain::access::Access;
use token_ledger::domain::access::Level::ReadOnly;
use token_ledger::domain::command::{AccessRequest, Change, NewSecret};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Event, Outcome, TokenRotated};
use token_ledger::domain::ids::{AccountId, TokenId, UserId, Version};
use token_ledger::domain::rejection::{Conflict, Missing, Rejection};
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Owner, SECRETS_MAX, Secret, TokenKind};
use token_ledger::domain::token_text::TokenDigest;

const OVERLAP_SECONDS_MAX: u64 = 2_592_000;

/// A Teams account and a user, both with nothing yet.
fn account_and_user() -> (World, AccountId, UserId) {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.user();
    (world, account, user)
}

fn create(world: &mut World, owner: Owner, kind: TokenKind, access: Option<AccessRequest>) -> Change {
    let (name, secret) = (text("CI deploy"), world.new_secret());
    Change::CreateToken { owner, kind, name, access, expires_at: None, conditions: Default::default(), secret }
}

fn version_of(world: &World, key: &Key) -> Version {
    world.state.token(key.token).expect("it is there").version
}

fn fields(rejection: &Rejection) -> Vec<&str> {
    match rejection {
        Rejection::Invalid(faults) => faults.iter().map(|fault| fault.field.as_str()).collect(),
        other => panic!("no field is at fault: {other:?}"),
    }
}

#[test]
fn a_kind_of_token_has_its_owner_and_no_other() {
    use TokenKind::{Account, Auditor, Gateway, OAuth, Operator, Session, User};
    let (mut world, account, user) = account_and_user();
    let owners = [Owner::Service, Owner::Account(account), Owner::User(user)];
    let rows = [
        (Account, Some(owners[1])),
        // Not before there are authorizations.
        (OAuth, None),
        (User, Some(owners[2])),
        // By a sign-in link alone.
        (Session, None),
        // With its rights and accounts, by a change of its own.
        (Gateway, None),
        (Operator, Some(owners[0])),
        (Auditor, Some(owners[0])),
    ];
    for (kind, its_owner) in rows {
        for owner in owners {
            let access = matches!(owner, Owner::Account(_)).then_some(AccessRequest::Full);
            let change = create(&mut world, owner, kind, access);
            let then = world.manage(change);
            if Some(owner) == its_owner {
                assert!(then.done().created, "{kind:?} of {owner:?}");
            } else {
                assert_eq!(fields(then.rejected()), ["kind"], "{kind:?} of {owner:?}");
            }
        }
    }
}

#[test]
fn an_account_token_needs_an_access_and_no_other_kind_takes_one() {
    let (mut world, account, user) = account_and_user();
    let full = Some(AccessRequest::Full);
    let some = Some(granted(vec![all("zones", ReadOnly)]));
    let rows = [
        (Owner::Account(account), TokenKind::Account, full.clone(), true),
        (Owner::Account(account), TokenKind::Account, some.clone(), true),
        (Owner::Account(account), TokenKind::Account, None, false),
        (Owner::User(user), TokenKind::User, None, true),
        (Owner::User(user), TokenKind::User, full.clone(), false),
        (Owner::User(user), TokenKind::User, some, false),
        (Owner::Service, TokenKind::Operator, None, true),
        (Owner::Service, TokenKind::Operator, full, false),
    ];
    for (owner, kind, access, passes) in rows {
        let change = create(&mut world, owner, kind, access);
        let then = world.manage(change);
        match passes {
            true => assert!(then.done().created),
            false => assert_eq!(fields(then.rejected()), ["access"], "{owner:?}"),
        }
    }
}

#[test]
fn a_created_token_is_recorded_whole() {
    let (mut world, account, user) = account_and_user();
    let rows = [
        (Owner::Account(account), TokenKind::Account, Some(AccessRequest::Full), account, Access::Full),
        (Owner::User(user), TokenKind::User, None, AccountId::NONE, Access::Granted(vec![])),
        (Owner::Service, TokenKind::Auditor, None, AccountId::NONE, Access::Granted(vec![])),
    ];
    for (number, (owner, kind, access, stream, kept)) in (1..).zip(rows) {
        let secret = world.new_secret();
        let expires_at = Some(world.now.plus_seconds(9));
        let name = text("CI deploy");
        let then = world.manage(Change::CreateToken {
            owner,
            kind,
            name,
            access,
            expires_at,
            conditions: Default::default(),
            secret,
        });
        assert_eq!(then.names(), ["TextSeen", "TokenCreated"]);
        let Event::TokenCreated(created) = &then.last().event else { panic!("it was created") };
        let first = Secret { number: 1, digest: secret.digest, hint: secret.hint, not_after: None };
        assert_eq!((created.kind, created.owner, created.secret), (kind, owner, first));
        assert_eq!((&created.access, created.expires_at, created.by), (&kept, expires_at, by_local()));
        assert_eq!(world.text_of(created.name), "CI deploy");
        let header = then.last().header;
        assert_eq!((header.account, header.token, header.token_number), (stream, TokenId(number), 2));
        assert_eq!(version_of(&world, &Key { token: header.token, owner, digest: secret.digest }), Version(1));
    }
}

#[test]
fn a_token_needs_a_name_and_an_expiry_in_the_future() {
    let (mut world, account, _) = account_and_user();
    let (past, now, next) = (Timestamp(NOON.0 - 1), NOON, Timestamp(NOON.0 + 1));
    let rows: [(&str, Option<Timestamp>, &[&str]); 7] = [
        ("name", None, &[]),
        ("name", Some(next), &[]),
        ("name", Some(now), &["expires_at"]),
        ("name", Some(past), &["expires_at"]),
        ("", None, &["name"]),
        ("line\nbreak", None, &["name"]),
        ("", Some(past), &["name", "expires_at"]),
    ];
    for (name, expires_at, faults) in rows {
        let secret = world.new_secret();
        let (owner, kind, access) = (Owner::Account(account), TokenKind::Account, Some(AccessRequest::Full));
        let then = world.manage(Change::CreateToken {
            owner,
            kind,
            name: text(name),
            access,
            expires_at,
            conditions: Default::default(),
            secret,
        });
        match faults.is_empty() {
            true => assert!(then.done().created),
            false => assert_eq!(fields(then.rejected()), faults, "{name:?} {expires_at:?}"),
        }
    }
}

#[test]
fn a_token_of_an_absent_owner_is_not_found_whatever_else_is_wrong() {
    let (mut world, _, _) = account_and_user();
    let rows = [
        (Owner::Account(AccountId(9)), TokenKind::Account, Missing::Account),
        (Owner::User(UserId(9)), TokenKind::User, Missing::User),
    ];
    for (owner, kind, missing) in rows {
        let key = Key { token: TokenId(1), owner, digest: TokenDigest([0xee; 32]) };
        let secret = world.new_secret();
        let (token, if_match, overlap_seconds) = (key.token, None, 0);
        let changes = [
            create(&mut world, owner, kind, None),
            TokenEdit { name: Some(""), ..Default::default() }.of(&key),
            Change::RotateToken { owner, token, overlap_seconds, secret, if_match },
            Change::DeleteToken { owner, token, if_match },
        ];
        for change in changes {
            let label = format!("{change:?}");
            assert_eq!(*world.manage(change).rejected(), Rejection::NotFound(missing), "{label}");
        }
    }
}

#[test]
fn another_owners_a_deleted_and_an_absent_token_look_the_same() {
    let (mut world, account, user) = account_and_user();
    let elsewhere = world.account(Plan::Teams);
    let own = world.account_token(account, AccessRequest::Full);
    let foreign = world.account_token(elsewhere, AccessRequest::Full);
    let of_user = world.user_token(user);
    let deleted = world.account_token(account, AccessRequest::Full);
    world.delete(&deleted);
    let owner = own.owner;
    let secret = world.new_secret();
    for token in [foreign.token, of_user.token, deleted.token, TokenId(99), TokenId::NONE] {
        let key = Key { token, ..own };
        let (if_match, overlap_seconds) = (Some(Version(9)), 0);
        let changes = [
            TokenEdit { name: Some("other"), if_match, ..Default::default() }.of(&key),
            Change::RotateToken { owner, token, overlap_seconds, secret, if_match },
            Change::DeleteToken { owner, token, if_match },
        ];
        for change in changes {
            let label = format!("{change:?}");
            assert_eq!(*world.manage(change).rejected(), Rejection::NotFound(Missing::Token), "{label}");
        }
    }
}

#[test]
fn every_edit_of_a_token_is_its_own_event_and_counts_its_version() {
    let edit = TokenEdit::default();
    let later = NOON.plus_seconds(100);
    let some = Some(granted(vec![all("zones", ReadOnly)]));
    let rows: [(TokenEdit, &[&str], u64); 8] = [
        (edit.clone(), &[], 1),
        (TokenEdit { name: Some("other"), ..edit.clone() }, &["TextSeen", "TokenRenamed"], 2),
        (TokenEdit { name: Some("a token"), ..edit.clone() }, &[], 1),
        (TokenEdit { access: some.clone(), ..edit.clone() }, &["TokenAccessChanged"], 2),
        (TokenEdit { access: Some(AccessRequest::Full), ..edit.clone() }, &[], 1),
        (TokenEdit { expires_at: Some(Some(later)), ..edit.clone() }, &["TokenExpiryChanged"], 2),
        (TokenEdit { expires_at: Some(None), ..edit.clone() }, &[], 1),
        (
            TokenEdit {
                name: Some("other"),
                access: some,
                expires_at: Some(Some(later)),
                if_match: Some(Version(1)),
                ..TokenEdit::default()
            },
            &["TextSeen", "TokenRenamed", "TokenAccessChanged", "TokenExpiryChanged"],
            4,
        ),
    ];
    for (edit, events, version) in rows {
        let (mut world, account, _) = account_and_user();
        let key = world.account_token(account, AccessRequest::Full);
        let then = world.manage(edit.of(&key));
        assert!(!then.done().created);
        assert_eq!(then.names(), events);
        assert_eq!(version_of(&world, &key), Version(version));
    }
}

#[test]
fn an_invalid_edit_of_a_token_changes_nothing_of_it() {
    let (mut world, account, user) = account_and_user();
    let account_key = world.account_token(account, AccessRequest::Full);
    let (user_key, staff_key) = (world.user_token(user), world.staff_token(TokenKind::Operator));
    let edit = TokenEdit::default();
    let full = Some(AccessRequest::Full);
    let rows: [(Key, TokenEdit, &[&str]); 6] = [
        (account_key, TokenEdit { name: Some(""), access: full.clone(), ..edit.clone() }, &["name"]),
        (account_key, TokenEdit { expires_at: Some(Some(NOON)), name: Some("b"), ..edit.clone() }, &["expires_at"]),
        (
            account_key,
            TokenEdit { name: Some(""), expires_at: Some(Some(NOON)), ..edit.clone() },
            &["name", "expires_at"],
        ),
        (user_key, TokenEdit { access: full.clone(), name: Some("b"), ..edit.clone() }, &["access"]),
        (staff_key, TokenEdit { access: full, name: Some("b"), ..edit.clone() }, &["access"]),
        (
            account_key,
            TokenEdit { access: Some(granted(vec![all("nonsense", ReadOnly)])), name: Some("b"), ..edit },
            &["access.grants[0].group"],
        ),
    ];
    for (key, edit, faults) in rows {
        assert_eq!(fields(world.manage(edit.of(&key)).rejected()), faults);
        assert_eq!(version_of(&world, &key), Version(1));
    }
}

#[test]
fn grants_for_a_token_need_the_plan() {
    let mut world = begun();
    let account = world.account(Plan::Solo);
    let key = world.account_token(account, AccessRequest::Full);
    let edit = TokenEdit { access: Some(granted(vec![])), ..Default::default() };
    assert_eq!(*world.manage(edit.of(&key)).rejected(), Rejection::PlanRequired);
}

#[test]
fn a_stale_version_is_refused_by_edit_rotation_and_deletion() {
    let (mut world, account, _) = account_and_user();
    let key = world.account_token(account, AccessRequest::Full);
    world.rotate(&key, 60);
    let (owner, token, secret) = (key.owner, key.token, world.new_secret());
    for seen in [1, 3] {
        let if_match = Some(Version(seen));
        let changes = [
            TokenEdit { name: Some(""), if_match, ..Default::default() }.of(&key),
            Change::RotateToken { owner, token, overlap_seconds: u64::MAX, secret, if_match },
            Change::DeleteToken { owner, token, if_match },
        ];
        for change in changes {
            assert_eq!(*world.manage(change).rejected(), Rejection::VersionMismatch(Version(2)));
        }
    }
    let if_match = Some(Version(2));
    world.manage(Change::RotateToken { owner, token, overlap_seconds: 0, secret, if_match }).done();
    let if_match = Some(Version(3));
    world.manage(Change::DeleteToken { owner, token, if_match }).done();
}

#[test]
fn a_rotation_is_recorded_whole_and_counts_the_version() {
    let (mut world, account, _) = account_and_user();
    let key = world.account_token(account, AccessRequest::Full);
    let secret = world.new_secret();
    let (owner, token, if_match) = (key.owner, key.token, None);
    world.at(5);
    let then = world.manage(Change::RotateToken { owner, token, overlap_seconds: 60, secret, if_match });
    assert!(then.done().created, "it made a secret");
    let next = Secret { number: 2, digest: secret.digest, hint: secret.hint, not_after: None };
    let ends_at = world.now.plus_seconds(60);
    let expected = TokenRotated { secret: next, ends: 1, ends_at, by: by_local() };
    assert_eq!(then.names(), ["TokenRotated"]);
    assert_eq!(then.last().event, Event::TokenRotated(expected));
    assert_eq!(version_of(&world, &key), Version(2));
}

#[test]
fn an_overlap_is_at_most_thirty_days() {
    let (mut world, account, _) = account_and_user();
    let key = world.account_token(account, AccessRequest::Full);
    let (owner, token, secret, if_match) = (key.owner, key.token, world.new_secret(), None);
    for overlap_seconds in [OVERLAP_SECONDS_MAX + 1, u64::MAX] {
        let then = world.manage(Change::RotateToken { owner, token, overlap_seconds, secret, if_match });
        assert_eq!(fields(then.rejected()), ["overlap_seconds"]);
    }
    world.rotate(&key, OVERLAP_SECONDS_MAX);
}

#[test]
fn a_digest_belongs_to_one_secret_for_ever() {
    let (mut world, account, user) = account_and_user();
    let live = world.account_token(account, AccessRequest::Full);
    let rotated = world.rotate(&live, 0);
    let deleted = world.account_token(account, AccessRequest::Full);
    world.delete(&deleted);
    for digest in [live.digest, rotated.digest, deleted.digest] {
        let secret = NewSecret { digest, hint: *b"hint" };
        let (owner, kind, name) = (Owner::User(user), TokenKind::User, text("name"));
        let create = Change::CreateToken {
            owner,
            kind,
            name,
            access: None,
            expires_at: None,
            conditions: Default::default(),
            secret,
        };
        let (owner, token, if_match) = (live.owner, live.token, None);
        let rotate = Change::RotateToken { owner, token, overlap_seconds: 0, secret, if_match };
        for change in [create, rotate] {
            assert_eq!(*world.manage(change).rejected(), Rejection::Conflict(Conflict::DigestExists));
        }
    }
}

#[test]
fn a_token_has_at_most_a_thousand_secrets() {
    let (mut world, account, _) = account_and_user();
    let key = world.account_token(account, AccessRequest::Full);
    let (owner, token, if_match) = (key.owner, key.token, None);
    let mut rotate = |number: usize| {
        let mut digest = [0xaa; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        let secret = NewSecret { digest: TokenDigest(digest), hint: *b"hint" };
        world.manage(Change::RotateToken { owner, token, overlap_seconds: 0, secret, if_match })
    };
    for number in 2..=SECRETS_MAX {
        rotate(number).done();
    }
    assert!(matches!(rotate(SECRETS_MAX + 1).rejected(), Rejection::LimitReached(_)));
}

#[test]
fn deletion_is_final() {
    let (mut world, account, _) = account_and_user();
    let key = world.account_token(account, AccessRequest::Full);
    world.at(5);
    let (owner, token, if_match) = (key.owner, key.token, None);
    let delete = || Change::DeleteToken { owner, token, if_match };
    assert_eq!(world.manage(delete()).names(), ["TokenDeleted"]);
    assert_eq!(world.state.token(token).and_then(|token| token.deleted_at), Some(world.now));
    assert_eq!(*world.manage(delete()).rejected(), Rejection::NotFound(Missing::Token));
}

#[test]
fn the_last_operator_token_that_works_is_not_deleted() {
    let (mut world, _, _) = account_and_user();
    let last = Rejection::Conflict(Conflict::LastOperator);
    let delete = |key: &Key| Change::DeleteToken { owner: key.owner, token: key.token, if_match: None };
    let one = world.staff_token(TokenKind::Operator);
    let auditor = world.staff_token(TokenKind::Auditor);
    world.staff_token(TokenKind::Gateway);
    assert_eq!(*world.manage(delete(&one)).rejected(), last, "no other kind stands in for an operator");
    assert_eq!(*world.manage_as(&one, delete(&one)).rejected(), last, "not even by itself");
    world.manage(delete(&auditor)).done();

    let end = world.now.plus_seconds(100);
    let two = world.token_until(Owner::Service, TokenKind::Operator, None, Some(end));
    world.now = end;
    assert_eq!(*world.manage(delete(&one)).rejected(), last, "an expired operator does not count");
    let three = world.staff_token(TokenKind::Operator);
    world.manage(delete(&one)).done();
    assert_eq!(*world.manage(delete(&three)).rejected(), last);
    world.manage(delete(&two)).done();
}

#[test]
fn an_operator_token_that_works_no_more_may_go_even_if_none_works() {
    let (mut world, _, _) = account_and_user();
    let end = world.now.plus_seconds(100);
    let key = world.token_until(Owner::Service, TokenKind::Operator, None, Some(end));
    world.now = end;
    let then = world.manage(Change::DeleteToken { owner: key.owner, token: key.token, if_match: None });
    assert_eq!(then.names(), ["TokenDeleted"]);
}

#[test]
fn a_user_tokens_management_is_in_no_accounts_stream() {
    let (mut world, account, user) = account_and_user();
    world.manage(Change::PutMember { account, user, access: AccessRequest::Full, if_match: None }).done();
    let before = world.state.account(account).map(|account| account.stream_number);
    let key = world.user_token(user);
    world.rotate(&key, 0);
    world.manage(TokenEdit { name: Some("other"), ..Default::default() }.of(&key)).done();
    world.delete(&key);
    assert_eq!(world.state.account(account).map(|account| account.stream_number), before);
}

#[test]
fn an_edit_acts_on_every_secret_of_the_token() {
    let (mut world, account, _) = account_and_user();
    let old = world.account_token(account, AccessRequest::Full);
    let new = world.rotate(&old, 1_000);
    let list = |key: &Key| crate::harness::list(key, token_ledger::domain::event::Route::Zones, account);
    world.manage(TokenEdit { access: Some(granted(vec![])), ..Default::default() }.of(&old)).done();
    for key in [&old, &new] {
        assert_eq!(world.ask(list(key)).cause(), Cause::MissingScope);
        assert_eq!(world.ask(whoami(key)).allowed(), Outcome::Ok);
    }
}

#[test]
fn an_owner_has_at_most_a_hundred_thousand_live_tokens() {
    let (mut world, account, user) = account_and_user();
    let others = || (1_000..100_999).map(TokenId);
    world.state.service_tokens.extend(others());
    world.state.accounts.get_mut(account.0).expect("it is there").tokens.extend(others());
    world.state.users.get_mut(user.0).expect("it is there").tokens.extend(others());
    let rows = [
        (Owner::Service, TokenKind::Operator, None),
        (Owner::Account(account), TokenKind::Account, Some(AccessRequest::Full)),
        (Owner::User(user), TokenKind::User, None),
    ];
    for (owner, kind, access) in rows {
        let last = world.token(owner, kind, access.clone());
        let change = create(&mut world, owner, kind, access.clone());
        assert!(matches!(world.manage(change).rejected(), Rejection::LimitReached(_)), "{owner:?}");
        if owner != Owner::Service {
            world.delete(&last);
            world.token(owner, kind, access);
        }
    }
}
