//! Uses that gateways report: what they move, what they do not, and when a key is known.

use crate::harness::*;
use token_ledger::domain::access::{Verb, group};
use token_ledger::domain::command::{AccessRequest, AskedTarget, Command, GatewayCall, GatewayWish};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Event};
use token_ledger::domain::gateway::GatewayRight::{Authorize, Report};
use token_ledger::domain::idempotency::{KeyHash, RequestDigest};
use token_ledger::domain::ids::{AccountId, Position, TokenId};
use token_ledger::domain::rejection::Rejection;
use token_ledger::domain::report::{LineRefusal, LineResult};
use token_ledger::domain::reported_use::{ReportedToken, ReportedUse};
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Authority, Principal};

const ONE: AccountId = AccountId(1);

fn one_reporter() -> (World, Key, Key) {
    let mut world = begun();
    world.account_with_limit(Plan::Teams, Some(3));
    let key = world.account_token(ONE, AccessRequest::Full);
    let gateway = world.gateway(&[Report], &[ONE]);
    (world, key, gateway)
}

fn line(world: &World, key: &Key, number: u8) -> ReportedUse {
    ReportedUse {
        key: KeyHash([number; 16]),
        content: RequestDigest([number; 16]),
        token: ReportedToken::Number(key.token),
        account: None,
        occurred_at: world.now,
        known_position: Position(1),
        scope: Some((group::ZONES, Verb::Read)),
        target: AskedTarget::Name(text("example.com")),
        mapped: None,
        status: 200,
        address: Some(text("192.0.2.7")),
    }
}

fn call(gateway: &Key, lines: &[ReportedUse]) -> GatewayCall {
    GatewayCall { gateway: gateway.digest, wish: GatewayWish::Report { lines: lines.to_vec() } }
}

#[test]
fn a_reported_use_draws_nothing_and_changes_no_version() {
    let (mut world, key, gateway) = one_reporter();
    let before = world.state.account(ONE).expect("it is there").window;
    let lines: Vec<ReportedUse> = (1..=9).map(|number| line(&world, &key, number)).collect();
    let results = world.report(&call(&gateway, &lines));
    assert!(results.iter().all(|(result, _)| matches!(result, LineResult::Recorded(..))), "the limit is three");
    assert_eq!(world.state.account(ONE).expect("it is there").window, before);
    assert_eq!(world.state.token(key.token).expect("it is there").version.0, 1);
    let (_, then) = &results[0];
    let names = then.names();
    assert_eq!(names.iter().filter(|name| **name == "UseReported").count(), 1);
    let recorded = then.events.last().expect("it is there");
    assert_eq!((recorded.header.token, recorded.header.account), (key.token, ONE));
    assert_eq!(recorded.header.principal, Principal::Staff(gateway.token));
    assert_eq!(recorded.header.credential, gateway.token);
    let Event::UseReported(reported) = &recorded.event else { panic!("{recorded:?}") };
    assert!(matches!(reported.by.authority, Authority::Gateway(_)) && reported.by.secret == 1);
}

#[test]
fn a_line_is_known_by_its_key_and_told_where_it_is_recorded() {
    let (mut world, key, gateway) = one_reporter();
    let first = line(&world, &key, 1);
    let other = ReportedUse { content: RequestDigest([9; 16]), ..first.clone() };
    let results = world.report(&call(&gateway, &[first.clone(), first.clone(), other, first.clone()]));
    let at = world.state.head;
    let told: Vec<LineResult> = results.into_iter().map(|(result, _)| result).collect();
    let wanted = [
        LineResult::Recorded(at, vec![]),
        LineResult::Duplicate(at),
        LineResult::Conflict(at),
        LineResult::Duplicate(at),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn a_reporter_that_is_deleted_leaves_no_keys_behind() {
    let (mut world, key, gateway) = one_reporter();
    let lines = [line(&world, &key, 1)];
    world.report(&call(&gateway, &lines));
    assert!(world.state.reports.has(gateway.token));
    let delete = token_ledger::domain::command::GatewayChange::Delete { token: gateway.token, if_match: None };
    world.manage(token_ledger::domain::command::Change::Gateway(delete));
    assert!(!world.state.reports.has(gateway.token));
}

#[test]
fn a_refused_line_leaves_nothing_at_all() {
    let (mut world, key, gateway) = one_reporter();
    let long_ago = Timestamp(world.now.0 - 120_000_000);
    let good = line(&world, &key, 1);
    let rows = [
        (ReportedUse { token: ReportedToken::Number(TokenId(999)), ..good.clone() }, LineRefusal::UnknownToken),
        (ReportedUse { occurred_at: long_ago, ..good.clone() }, LineRefusal::BeforeCreation),
        (ReportedUse { occurred_at: world.now.plus_seconds(61), ..good.clone() }, LineRefusal::InTheFuture),
        (ReportedUse { known_position: world.state.head.next(), ..good.clone() }, LineRefusal::UnknownPosition),
        (ReportedUse { known_position: Position::NONE, ..good.clone() }, LineRefusal::UnknownPosition),
        (ReportedUse { account: Some(AccountId(2)), ..good.clone() }, LineRefusal::UnknownToken),
    ];
    let head = world.state.head;
    for (line, refusal) in rows {
        let results = world.report(&call(&gateway, &[line]));
        assert_eq!(results[0].0, LineResult::Refused(refusal));
    }
    assert_eq!(world.state.head, head);
}

#[test]
fn without_the_right_to_report_a_gateway_token_is_refused_and_that_is_recorded() {
    let (mut world, key, _) = one_reporter();
    let asks_only = world.gateway(&[Authorize], &[ONE]);
    let lines = [line(&world, &key, 1)];
    let then = world.when(Command::Gateway(Box::new(call(&asks_only, &lines))));
    let wanted = token_ledger::domain::decide::Answer::Rejected(Rejection::Forbidden(Cause::MissingRight));
    assert_eq!(then.answer, wanted);
    assert!(then.names().contains(&"ManagementRefused"));
}
