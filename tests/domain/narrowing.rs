//! What is still carried out when little can be recorded: commands that leave nobody with more than before.

use crate::harness::*;
use token_ledger::domain::access::Level::{FullAccess, ReadOnly};
use token_ledger::domain::command::{AccessRequest, Actor, Change, Command, GatewayCall, GatewayChange, GatewayWish};
use token_ledger::domain::decide::narrows;
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{ManagementOperation, OutageCause, Route};
use token_ledger::domain::gateway::GatewayRight::{Authorize, Introspect, Report};
use token_ledger::domain::idempotency::RequestDigest;
use token_ledger::domain::ids::{AccountId, TokenId, UserId};
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Owner, TokenKind};

#[track_caller]
fn assert_rows(world: &mut World, rows: Vec<(&str, Change, bool)>) {
    for (what, change, expected) in rows {
        let command = Command::Manage(Actor::Local(0), Box::new(change));
        assert_eq!(narrows(&world.state, &command, &mut world.texts), expected, "{what}");
    }
}

fn edit(key: &Key, access: Option<AccessRequest>, expires_at: Option<Option<Timestamp>>) -> Change {
    let Key { owner, token, .. } = *key;
    Change::UpdateToken { owner, token, name: None, access, expires_at, conditions: Default::default(), if_match: None }
}

#[test]
fn uses_creations_names_and_refusals_do_not_narrow() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let key = world.account_token(account, AccessRequest::Full);
    let used = Command::Use(list(&key, Route::Zones, account));
    assert!(!narrows(&world.state, &used, &mut world.texts));
    let secret = world.new_secret();
    let named = |name| Change::UpdateToken {
        owner: key.owner,
        token: key.token,
        name: Some(text(name)),
        access: None,
        expires_at: None,
        conditions: Default::default(),
        if_match: None,
    };
    let rows = vec![
        ("a new user", Change::CreateUser { email: text("a@example.com"), name: text("a") }, false),
        ("another name", named("other"), false),
        (
            "a new secret",
            Change::RotateToken { owner: key.owner, token: key.token, overlap_seconds: 0, secret, if_match: None },
            false,
        ),
        ("a look", Change::Look(token_ledger::domain::event::ManagementOperation::ReadEvents, Owner::Service), false),
    ];
    assert_rows(&mut world, rows);
}

#[test]
fn a_revocation_narrows_and_of_questions_only_those_that_leave_nothing() {
    let mut world = begun();
    let gateway = world.gateway_token();
    let shown = world.account_token(AccountId(1), AccessRequest::Full).digest;
    let ask = |dry_run| GatewayWish::Authorize { shown, client: Default::default(), questions: vec![], dry_run };
    let rows = [
        (GatewayWish::Revoke { shown }, true),
        (ask(true), true),
        (ask(false), false),
        (GatewayWish::Look(Introspect, ManagementOperation::Introspect), false),
    ];
    for (wish, expected) in rows {
        let command = Command::Gateway(Box::new(GatewayCall { gateway: gateway.digest, wish }));
        assert_eq!(narrows(&world.state, &command, &mut world.texts), expected, "{command:?}");
    }
}

#[test]
fn deletions_and_removals_and_the_services_own_records_narrow() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.member(account, AccessRequest::Full);
    let resource = world.zone(account, "example.com");
    let (owner, token) = (Owner::Account(account), TokenId(1));
    let at = world.now;
    let rows = vec![
        ("a deletion", Change::DeleteToken { owner, token, if_match: None }, true),
        ("a member's removal", Change::RemoveMember { account, user, if_match: None }, true),
        ("a resource's removal", Change::RemoveResource { account, resource }, true),
        ("no more research", Change::DeactivateResearch { account, if_match: None }, true),
        ("the start", Change::StartRecording, true),
        ("the stop", Change::StopRecording { appended: 1 }, true),
        (
            "the end of an outage",
            Change::ResumeRecording { since: at, cause: OutageCause::DiskFull, turned_away: 1 },
            true,
        ),
        ("the clock", Change::StepClock { seen_at: at, kept: at, wall: at, followed: true }, true),
    ];
    assert_rows(&mut world, rows);
}

#[test]
fn an_access_narrows_when_everything_in_it_was_there_before() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    for name in ["a.example", "b.example", "c.example"] {
        world.zone(account, name);
    }
    let full = world.account_token(account, AccessRequest::Full);
    let some = granted(vec![named("zones", FullAccess, &["a.example", "b.example"]), all("domains", ReadOnly)]);
    let key = world.account_token(account, some);
    let access = |access| edit(&key, Some(access), None);
    let rows = vec![
        ("grants for full access", edit(&full, Some(granted(vec![all("zones", FullAccess)])), None), true),
        ("full access as before", edit(&full, Some(AccessRequest::Full), None), true),
        ("full access for grants", access(AccessRequest::Full), false),
        ("nothing", access(granted(Vec::new())), true),
        ("fewer names", access(granted(vec![named("zones", FullAccess, &["A.example."])])), true),
        ("a lower level", access(granted(vec![named("zones", ReadOnly, &["a.example", "b.example"])])), true),
        ("another name", access(granted(vec![named("zones", ReadOnly, &["a.example", "c.example"])])), false),
        ("an unheard-of name", access(granted(vec![named("zones", ReadOnly, &["d.example"])])), false),
        ("a name that is none", access(granted(vec![named("zones", ReadOnly, &["?"])])), false),
        ("all for some", access(granted(vec![all("zones", ReadOnly)])), false),
        ("some for all", access(granted(vec![named("domains", ReadOnly, &["new.example"])])), true),
        ("a higher level", access(granted(vec![all("domains", FullAccess)])), false),
        ("another group", access(granted(vec![all("contacts", ReadOnly)])), false),
        ("a group that is none", access(granted(vec![all("nothing", ReadOnly)])), false),
    ];
    assert_rows(&mut world, rows);
}

#[test]
fn an_expiry_narrows_when_it_comes_earlier() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let endless = world.account_token(account, AccessRequest::Full);
    let (now, later) = (world.now, world.now.plus_seconds(100));
    let (owner, access) = (Owner::Account(account), Some(AccessRequest::Full));
    let ending = world.token_until(owner, TokenKind::Account, access, Some(later));
    let rows = vec![
        ("an end", edit(&endless, None, Some(Some(later))), true),
        ("still none", edit(&endless, None, Some(None)), false),
        ("an earlier end", edit(&ending, None, Some(Some(now.plus_seconds(99)))), true),
        ("a later end", edit(&ending, None, Some(Some(now.plus_seconds(101)))), false),
        ("no end any more", edit(&ending, None, Some(None)), false),
        ("a wider access with it", edit(&ending, Some(AccessRequest::Full), Some(Some(now.plus_seconds(101)))), false),
    ];
    assert_rows(&mut world, rows);
}

#[test]
fn memberships_limits_and_caps_narrow_downwards() {
    let mut world = begun();
    let account = world.account_with_limit(Plan::Teams, Some(100));
    let user = world.member(account, granted(vec![all("zones", ReadOnly)]));
    let stranger = world.user();
    world.research(account, Some(10));
    let uncapped = world.account(Plan::Teams);
    world.research(uncapped, None);
    let member = |user, access| Change::PutMember { account, user, access, if_match: None };
    let limit = |hourly_limit| Change::UpdateAccount {
        account,
        name: None,
        email: None,
        plan: None,
        hourly_limit,
        if_match: None,
    };
    let cap = |account, monthly_cap| Change::ActivateResearch { account, monthly_cap, if_match: None };
    let rows = vec![
        ("a member with less", member(user, granted(Vec::new())), true),
        ("a member with more", member(user, AccessRequest::Full), false),
        ("a new member", member(stranger, granted(Vec::new())), false),
        (
            "a member of nothing",
            Change::RemoveMember { account: AccountId(99), user: UserId(99), if_match: None },
            true,
        ),
        ("a lower limit", limit(Some(99)), true),
        ("a higher limit", limit(Some(101)), false),
        ("nothing of an account", limit(None), false),
        ("a lower cap", cap(account, Some(9)), true),
        ("a higher cap", cap(account, Some(11)), false),
        ("no cap", cap(account, None), false),
        ("a first cap", cap(uncapped, Some(1_000)), true),
        ("research anew", cap(AccountId(99), Some(1)), false),
    ];
    assert_rows(&mut world, rows);
}

#[test]
fn a_gateway_token_narrows_by_fewer_rights_and_accounts() {
    let mut world = begun();
    let (one, two, three) = (world.account(Plan::Teams), world.account(Plan::Teams), world.account(Plan::Teams));
    let key = world.gateway(&[Introspect, Authorize], &[one, two]);
    let edit = |rights: Option<&[_]>, accounts: Option<&[_]>, expires_at| {
        let (rights, accounts) = (rights.map(<[_]>::to_vec), accounts.map(<[_]>::to_vec));
        let (token, name, if_match) = (key.token, None, None);
        Change::Gateway(GatewayChange::Update {
            token,
            name,
            rights,
            accounts,
            expires_at,
            conditions: Default::default(),
            if_match,
        })
    };
    let end = Some(Some(world.now.plus_seconds(60)));
    let rows = vec![
        ("a deletion", Change::Gateway(GatewayChange::Delete { token: key.token, if_match: None }), true),
        ("one right less", edit(Some(&[Authorize]), None, None), true),
        ("one account less", edit(None, Some(&[two]), end), true),
        ("one right more", edit(Some(&[Authorize, Report]), None, None), false),
        ("another account", edit(None, Some(&[two, three]), None), false),
        ("no end", edit(None, Some(&[two]), Some(None)), false),
    ];
    assert_rows(&mut world, rows);
}

#[test]
fn an_idempotency_key_makes_no_difference() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let once = |change| {
        let (key, request) = (text("key"), RequestDigest([1; 16]));
        Change::Once { key, request, change: Box::new(change) }
    };
    let (owner, token) = (Owner::Account(account), TokenId(1));
    let user = Change::CreateUser { email: text("a@example.com"), name: text("a") };
    let rows = vec![
        ("a deletion", once(Change::DeleteToken { owner, token, if_match: None }), true),
        ("a new user", once(user), false),
    ];
    assert_rows(&mut world, rows);
}
