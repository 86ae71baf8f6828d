//! Gateway tokens: created, edited, rotated and deleted by changes of their own.

use crate::harness::{Key, NOON, World, begun, by_local, text, whoami};
use token_ledger::domain::command::{Change, GatewayChange};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Event};
use token_ledger::domain::gateway::GatewayRight::{self, Authorize, Introspect, Report};
use token_ledger::domain::gateway::{GATEWAY_ACCOUNTS_MAX, GatewayReach};
use token_ledger::domain::ids::{AccountId, TokenId, Version};
use token_ledger::domain::rejection::{Missing, Rejection};
use token_ledger::domain::token::{Owner, TokenKind};

const ONE: AccountId = AccountId(1);
const TWO: AccountId = AccountId(2);

fn two_accounts() -> World {
    let mut world = begun();
    world.account(Plan::Teams);
    world.account(Plan::Solo);
    world
}

fn reach_of(world: &World, key: &Key) -> GatewayReach {
    world.state.token(key.token).and_then(|token| token.gateway.as_deref().cloned()).expect("it reaches something")
}

fn update(key: &Key, rights: Option<&[GatewayRight]>, accounts: Option<&[AccountId]>) -> Change {
    Change::Gateway(GatewayChange::Update {
        token: key.token,
        name: None,
        rights: rights.map(<[_]>::to_vec),
        accounts: accounts.map(<[_]>::to_vec),
        expires_at: None,
        conditions: Default::default(),
        if_match: None,
    })
}

fn fields(rejection: &Rejection) -> Vec<String> {
    match rejection {
        Rejection::Invalid(faults) => faults.iter().map(|fault| format!("{} {}", fault.field, fault.fault)).collect(),
        other => panic!("no field is at fault: {other:?}"),
    }
}

#[test]
fn a_gateway_token_is_recorded_with_rights_and_accounts_in_their_one_order() {
    let mut world = two_accounts();
    let secret = world.new_secret();
    let reach = GatewayReach { rights: vec![Report, Introspect, Report], accounts: vec![TWO, ONE, TWO] };
    let (name, expires_at) = (text("edge"), Some(world.now.plus_seconds(9)));
    let then = world.manage(Change::Gateway(GatewayChange::Create {
        name,
        reach,
        expires_at,
        conditions: Default::default(),
        secret,
    }));
    assert!(then.done().created);
    assert_eq!(then.names(), ["TextSeen", "TokenCreated"]);
    let Event::TokenCreated(created) = &then.last().event else { panic!("it was created") };
    assert_eq!((created.kind, created.owner, created.by), (TokenKind::Gateway, Owner::Service, by_local()));
    let wanted = GatewayReach { rights: vec![Introspect, Report], accounts: vec![ONE, TWO] };
    assert_eq!((created.gateway.as_ref(), created.expires_at), (Some(&wanted), expires_at));
    let kept = world.state.token(then.last().header.token).expect("it is there");
    assert_eq!(kept.gateway.as_deref(), Some(&wanted));
    assert!(kept.imported_at.is_none());
}

#[test]
fn a_gateway_reaches_only_what_is_named() {
    let mut world = two_accounts();
    let key = world.gateway(&[Authorize], &[TWO]);
    let reach = reach_of(&world, &key);
    assert!(reach.covers(Authorize, TWO));
    for (right, account) in [(Authorize, ONE), (Introspect, TWO), (Report, TWO)] {
        assert!(!reach.covers(right, account), "{right:?} {account}");
    }
    let later = world.account(Plan::Teams);
    assert!(!reach_of(&world, &key).covers(Authorize, later), "an account that came later is not reached");
}

#[test]
fn rights_and_accounts_are_never_empty_and_accounts_are_there() {
    let mut world = two_accounts();
    let too_many: Vec<AccountId> = (1..=GATEWAY_ACCOUNTS_MAX as u64 + 1).map(AccountId).collect();
    let rows: [(&[GatewayRight], &[AccountId], &[&str]); 5] = [
        (&[], &[ONE], &["rights can't be blank"]),
        (&[Report], &[], &["accounts can't be blank"]),
        (&[], &[], &["rights can't be blank", "accounts can't be blank"]),
        (
            &[Report],
            &[ONE, AccountId(9), AccountId::NONE],
            &["accounts 0 is not an account", "accounts 9 is not an account"],
        ),
        (&[Report], &too_many, &["accounts has too many accounts (maximum is 1000)"]),
    ];
    let key = world.gateway(&[Authorize], &[TWO]);
    for (rights, accounts, faults) in rows {
        let (name, secret) = (text("edge"), world.new_secret());
        let reach = GatewayReach::new(rights.to_vec(), accounts.to_vec());
        let create = GatewayChange::Create { name, reach, expires_at: None, conditions: Default::default(), secret };
        assert_eq!(fields(world.manage(Change::Gateway(create)).rejected()), faults);
        assert_eq!(fields(world.manage(update(&key, Some(rights), Some(accounts))).rejected()), faults);
    }
    let secret = world.new_secret();
    let reach = GatewayReach::new(vec![Report], vec![ONE]);
    let create =
        GatewayChange::Create { name: text(""), reach, expires_at: Some(NOON), conditions: Default::default(), secret };
    let faults = fields(world.manage(Change::Gateway(create)).rejected());
    assert_eq!(faults, ["name can't be blank", "expires_at must be in the future"]);
}

#[test]
fn an_edit_replaces_what_it_names_and_the_same_again_is_no_event() {
    let mut world = two_accounts();
    let key = world.gateway(&[Authorize], &[TWO]);
    let changed = GatewayReach { rights: vec![Introspect], accounts: vec![TWO] };
    let then = world.manage(update(&key, Some(&[Introspect]), None));
    assert_eq!(then.names(), ["GatewayRightsChanged"]);
    let Event::GatewayRightsChanged(event) = &then.last().event else { panic!("its rights changed") };
    assert_eq!((&event.gateway, event.by), (&changed, by_local()));
    assert_eq!(reach_of(&world, &key), changed);
    assert_eq!(world.manage(update(&key, Some(&[Introspect, Introspect]), Some(&[TWO]))).names(), Vec::<&str>::new());
    assert_eq!(world.manage(update(&key, None, Some(&[ONE, TWO]))).names(), ["GatewayRightsChanged"]);
    assert_eq!(reach_of(&world, &key), GatewayReach { accounts: vec![ONE, TWO], ..changed });
    let all = GatewayChange::Update {
        token: key.token,
        name: Some(text("other")),
        rights: Some(vec![Report]),
        accounts: None,
        expires_at: Some(Some(NOON.plus_seconds(5))),
        conditions: Default::default(),
        if_match: Some(Version(3)),
    };
    let then = world.manage(Change::Gateway(all));
    assert_eq!(then.names(), ["TextSeen", "TokenRenamed", "GatewayRightsChanged", "TokenExpiryChanged"]);
    let header = then.last().header;
    assert_eq!((header.account, header.token), (AccountId::NONE, key.token));
}

#[test]
fn gateway_tokens_and_those_of_staff_have_changes_of_their_own() {
    let mut world = two_accounts();
    let gateway = world.gateway(&[Authorize], &[ONE]);
    world.staff_token(TokenKind::Operator);
    let staff = world.staff_token(TokenKind::Auditor);
    let (owner, if_match, overlap_seconds, secret) = (Owner::Service, None, 0, world.new_secret());
    let missing = Rejection::NotFound(Missing::Token);
    let of_staff = Change::DeleteToken { owner, token: gateway.token, if_match };
    let rotate = Change::RotateToken { owner, token: gateway.token, overlap_seconds, secret, if_match };
    for change in [of_staff, rotate] {
        assert_eq!(*world.manage(change).rejected(), missing);
    }
    for token in [staff.token, TokenId(99)] {
        let of_gateway = GatewayChange::Delete { token, if_match };
        let rotate = GatewayChange::Rotate { token, overlap_seconds, secret, if_match };
        for change in [of_gateway, rotate] {
            assert_eq!(*world.manage(Change::Gateway(change)).rejected(), missing);
        }
        assert_eq!(*world.manage(update(&Key { token, ..staff }, None, None)).rejected(), missing);
    }
    let stale = Some(Version(7));
    let delete = GatewayChange::Delete { token: gateway.token, if_match: stale };
    assert_eq!(*world.manage(Change::Gateway(delete)).rejected(), Rejection::VersionMismatch(Version(1)));
    let rotate = GatewayChange::Rotate { token: gateway.token, overlap_seconds, secret, if_match };
    assert_eq!(world.manage(Change::Gateway(rotate)).names(), ["TokenRotated"]);
    assert_eq!(world.ask(whoami(&gateway)).cause(), Cause::SecretEnded);
    world.delete(&gateway);
    assert_eq!(*world.manage(update(&gateway, None, None)).rejected(), missing);
}
