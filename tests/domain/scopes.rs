//! Which account a token acts on, what its access covers there, and how an allowed request ends.

use crate::harness::{
    Key, World, accounts, all, begun, by_name, by_number, granted, invalid, list, named, text, whoami,
};
use token_ledger::domain::access::Level::{FullAccess, ReadOnly};
use token_ledger::domain::access::{RequiredScope, Target, Verb, Visible, group};
use token_ledger::domain::command::{AccessRequest, Change, Use};
use token_ledger::domain::decide::{Refused, Verdict};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{AccessSource, Cause, Event, Outcome, Route, TokenUseRefused, TokenUsed};
use token_ledger::domain::ids::{AccountId, ResourceId, TextNumber, Version};

const ABSENT: AccountId = AccountId(99);

fn used(then: &crate::harness::Then) -> &TokenUsed {
    match &then.last().event {
        Event::TokenUsed(used) => used,
        other => panic!("it was no use: {other:?}"),
    }
}

fn refused(then: &crate::harness::Then) -> &TokenUseRefused {
    match &then.last().event {
        Event::TokenUseRefused(refused) => refused,
        other => panic!("it was no refusal: {other:?}"),
    }
}

#[test]
fn a_token_acts_on_its_own_accounts_and_every_other_looks_absent() {
    let mut world = begun();
    let (own, other) = (world.account(Plan::Teams), world.account(Plan::Teams));
    let user = world.member(own, AccessRequest::Full);
    let account_key = world.account_token(own, AccessRequest::Full);
    let user_key = world.user_token(user);
    let rows = [
        (account_key, own, None),
        (account_key, other, Some(Cause::ForeignAccount)),
        (account_key, ABSENT, Some(Cause::ForeignAccount)),
        (user_key, own, None),
        (user_key, other, Some(Cause::ForeignAccount)),
        (user_key, ABSENT, Some(Cause::ForeignAccount)),
    ];
    for (key, account, expected) in rows {
        let then = world.ask(list(&key, Route::Zones, account));
        match expected {
            None => assert_eq!(then.allowed(), Outcome::Ok, "{key:?} on {account}"),
            Some(cause) => assert_eq!(then.cause(), cause, "{key:?} on {account}"),
        }
    }
}

#[test]
fn a_foreign_and_an_absent_account_get_the_same_answer() {
    let mut world = begun();
    let (own, other) = (world.account(Plan::Teams), world.account(Plan::Teams));
    world.zone(other, "example.com");
    let user = world.member(own, AccessRequest::Full);
    for key in [world.account_token(own, AccessRequest::Full), world.user_token(user)] {
        let foreign = world.ask(by_name(&key, Route::Zone, other, "example.com"));
        let absent = world.ask(by_name(&key, Route::Zone, ABSENT, "example.com"));
        assert_eq!(foreign.answered(), absent.answered());
    }
}

#[test]
fn a_foreign_accounts_path_is_recorded_in_the_callers_own_stream_only() {
    let mut world = begun();
    let (own, other) = (world.account(Plan::Teams), world.account(Plan::Teams));
    let user = world.member(own, AccessRequest::Full);
    let rows = [(world.account_token(own, AccessRequest::Full), own), (world.user_token(user), AccountId::NONE)];
    for (key, stream) in rows {
        let before = world.state.account(other).cloned();
        let then = world.ask(by_name(&key, Route::Zone, other, "never-seen.example"));
        assert_eq!(then.names(), ["TokenUseRefused"], "not even the name asked for is taken up");
        assert_eq!(then.last().header.account, stream);
        assert_eq!((refused(&then).scope, refused(&then).asked_account), (None, other), "it says which");
        assert_eq!(world.state.account(other).cloned(), before);
    }
}

#[test]
fn a_user_token_follows_its_membership_at_once() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.member(account, AccessRequest::Full);
    let key = world.user_token(user);
    let put = |access| Change::PutMember { account, user, access, if_match: None };
    assert_eq!(world.ask(list(&key, Route::Zones, account)).allowed(), Outcome::Ok);
    world.manage(put(granted(vec![all("domains", ReadOnly)]))).done();
    assert_eq!(world.ask(list(&key, Route::Zones, account)).cause(), Cause::MissingScope);
    assert_eq!(world.ask(list(&key, Route::Domains, account)).allowed(), Outcome::Ok);
    world.manage(Change::RemoveMember { account, user, if_match: None }).done();
    assert_eq!(world.ask(list(&key, Route::Domains, account)).cause(), Cause::ForeignAccount);
    world.manage(put(AccessRequest::Full)).done();
    assert_eq!(world.ask(list(&key, Route::Zones, account)).allowed(), Outcome::Ok);
}

/// How the zone routes end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ends {
    Ok,
    NotFound,
    MissingScope,
}

/// An account with the zones `covered.example` and `other.example` (whose numbers come back) and the domain
/// `covered.example`.
fn zones() -> (World, AccountId, [u64; 3]) {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let covered = world.zone(account, "covered.example");
    let other = world.zone(account, "other.example");
    let domain = world.domain(account, "covered.example");
    (world, account, [covered.0, other.0, domain.0])
}

fn end_of(then: &crate::harness::Then) -> Ends {
    match &then.answered().verdict {
        Verdict::Allowed { outcome: Outcome::Ok, .. } => Ends::Ok,
        Verdict::Allowed { outcome: Outcome::NotFound, resource: None, .. } => Ends::NotFound,
        Verdict::Refused(Refused { cause: Cause::MissingScope, .. }) => Ends::MissingScope,
        other => panic!("no end of a zone route: {other:?}"),
    }
}

#[test]
fn what_a_zone_route_answers_is_this_table() {
    use Ends::{MissingScope, NotFound, Ok};
    // Columns: list; by name: covered, other, unknown; by number: covered, other, a domain's, unknown.
    let rows = [
        (AccessRequest::Full, [Ok, Ok, Ok, NotFound, Ok, Ok, NotFound, NotFound]),
        (granted(vec![all("zones", ReadOnly)]), [Ok, Ok, Ok, NotFound, Ok, Ok, NotFound, NotFound]),
        (granted(vec![all("zones", FullAccess)]), [Ok, Ok, Ok, NotFound, Ok, Ok, NotFound, NotFound]),
        (
            granted(vec![named("zones", ReadOnly, &["covered.example"])]),
            [Ok, Ok, MissingScope, MissingScope, Ok, MissingScope, MissingScope, MissingScope],
        ),
        (
            granted(vec![named("zones", FullAccess, &["covered.example", "absent.example"])]),
            [Ok, Ok, MissingScope, MissingScope, Ok, MissingScope, MissingScope, MissingScope],
        ),
        (granted(vec![named("zones", ReadOnly, &[])]), {
            let [list, rest] = [Ok, MissingScope];
            [list, rest, rest, rest, rest, rest, rest, rest]
        }),
        (granted(vec![all("domains", FullAccess)]), [MissingScope; 8]),
        (granted(vec![]), [MissingScope; 8]),
    ];
    for (access, expected) in rows {
        let (mut world, account, [covered, other, domain]) = zones();
        let key = world.account_token(account, access.clone());
        let asked = [
            list(&key, Route::Zones, account),
            by_name(&key, Route::Zone, account, "covered.example"),
            by_name(&key, Route::Zone, account, "other.example"),
            by_name(&key, Route::Zone, account, "unknown.example"),
            by_number(&key, Route::Zone, account, covered),
            by_number(&key, Route::Zone, account, other),
            by_number(&key, Route::Zone, account, domain),
            by_number(&key, Route::Zone, account, 9_999),
        ];
        let ends = asked.map(|asked| end_of(&world.ask(asked)));
        assert_eq!(ends, expected, "{access:?}");
    }
}

#[test]
fn a_covered_name_that_is_not_there_is_not_found() {
    let (mut world, account, _) = zones();
    let key = world.account_token(account, granted(vec![named("zones", ReadOnly, &["absent.example"])]));
    assert_eq!(world.ask(by_name(&key, Route::Zone, account, "absent.example")).allowed(), Outcome::NotFound);
}

#[test]
fn unknown_and_uncovered_numbers_get_the_same_refusal_under_named_grants() {
    let (mut world, account, [_, other, domain]) = zones();
    let key = world.account_token(account, granted(vec![named("zones", ReadOnly, &["covered.example"])]));
    let uncovered = world.ask(by_number(&key, Route::Zone, account, other));
    for number in [domain, 9_999, 0, u64::MAX] {
        let unknown = world.ask(by_number(&key, Route::Zone, account, number));
        assert_eq!(unknown.answered(), uncovered.answered(), "number {number}");
    }
}

#[test]
fn another_accounts_number_is_as_unknown_as_one_that_never_was() {
    let (mut world, account, _) = zones();
    let elsewhere = world.account(Plan::Teams);
    let foreign = world.zone(elsewhere, "covered.example");
    let full = world.account_token(account, AccessRequest::Full);
    let some = world.account_token(account, granted(vec![named("zones", ReadOnly, &["covered.example"])]));
    assert_eq!(world.ask(by_number(&full, Route::Zone, account, foreign.0)).allowed(), Outcome::NotFound);
    assert_eq!(world.ask(by_number(&some, Route::Zone, account, foreign.0)).cause(), Cause::MissingScope);
}

#[test]
fn a_list_shows_everything_or_the_granted_names_or_nothing() {
    let (mut world, account, _) = zones();
    let covered = world.name_number(account, "covered.example");
    let rows = [
        (AccessRequest::Full, Visible::All),
        (granted(vec![all("zones", ReadOnly)]), Visible::All),
        (granted(vec![named("zones", ReadOnly, &["covered.example"])]), Visible::Named(vec![covered])),
        (granted(vec![named("zones", ReadOnly, &[])]), Visible::Named(vec![])),
    ];
    for (access, expected) in rows {
        let key = world.account_token(account, access);
        assert_eq!(*world.ask(list(&key, Route::Zones, account)).visible(), expected);
    }
}

#[test]
fn a_resource_is_found_by_name_and_by_number() {
    let (mut world, account, [covered, _, domain]) = zones();
    let key = world.account_token(account, AccessRequest::Full);
    let rows = [
        (by_name(&key, Route::Zone, account, "covered.example"), covered),
        (by_number(&key, Route::Zone, account, covered), covered),
        (by_name(&key, Route::Domain, account, "covered.example"), domain),
        (by_number(&key, Route::Domain, account, domain), domain),
    ];
    for (asked, expected) in rows {
        assert_eq!(world.ask(asked).found(), Some(ResourceId(expected)));
    }
}

#[test]
fn each_route_is_judged_in_its_own_group() {
    let (mut world, account, _) = zones();
    world.research(account, None);
    let rows = [
        (Route::Domains, "domains", group::DOMAINS),
        (Route::Zones, "zones", group::ZONES),
        (Route::Certificates, "certificates", group::CERTIFICATES),
        (Route::ResearchStatus, "domain_research", group::DOMAIN_RESEARCH),
    ];
    for (route, name, number) in rows {
        let key = world.account_token(account, granted(vec![all(name, ReadOnly)]));
        for (other, _, _) in rows {
            let then = world.ask(list(&key, other, account));
            match other == route {
                true => assert_eq!(used(&then).scope.map(|scope| scope.group), Some(number)),
                false => assert_eq!(then.cause(), Cause::MissingScope, "{name} on {other:?}"),
            }
        }
    }
}

/// An account with the domains `a.example` and `b.example`, each with a certificate.
fn certificates() -> (World, AccountId, [u64; 3]) {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let domain = world.domain(account, "a.example");
    world.domain(account, "b.example");
    let of_a = world.certificate(account, "a.example");
    let of_b = world.certificate(account, "b.example");
    (world, account, [domain.0, of_a.0, of_b.0])
}

fn of_domain(key: &Key, account: AccountId, name: &str, certificate: u64) -> Use {
    Use { certificate: Some(certificate), ..by_name(key, Route::Certificate, account, name) }
}

#[test]
fn a_certificate_is_found_under_its_own_domain_only() {
    let (mut world, account, [domain, of_a, of_b]) = certificates();
    let key = world.account_token(account, AccessRequest::Full);
    let by_domain_number = Use { certificate: Some(of_a), ..by_number(&key, Route::Certificate, account, domain) };
    let rows = [
        (of_domain(&key, account, "a.example", of_a), Some(of_a)),
        (by_domain_number, Some(of_a)),
        (of_domain(&key, account, "a.example", of_b), None),
        (of_domain(&key, account, "a.example", domain), None),
        (of_domain(&key, account, "a.example", 9_999), None),
        (of_domain(&key, account, "absent.example", of_a), None),
    ];
    for (asked, expected) in rows {
        let label = format!("{asked:?}");
        let then = world.ask(asked);
        assert_eq!(then.found(), expected.map(ResourceId), "{label}");
        let outcome = if expected.is_some() { Outcome::Ok } else { Outcome::NotFound };
        assert_eq!(then.allowed(), outcome, "{label}");
    }
}

#[test]
fn certificates_are_covered_by_their_domains_name() {
    let (mut world, account, [_, of_a, of_b]) = certificates();
    let key = world.account_token(account, granted(vec![named("certificates", ReadOnly, &["a.example"])]));
    assert_eq!(world.ask(of_domain(&key, account, "a.example", of_a)).allowed(), Outcome::Ok);
    assert_eq!(world.ask(of_domain(&key, account, "b.example", of_b)).cause(), Cause::MissingScope);
    assert_eq!(world.ask(by_name(&key, Route::Certificates, account, "a.example")).allowed(), Outcome::Ok);
    assert_eq!(world.ask(by_name(&key, Route::Certificates, account, "b.example")).cause(), Cause::MissingScope);
}

#[test]
fn the_certificates_of_a_domain_that_is_not_there_are_not_found() {
    let (mut world, account, _) = certificates();
    let key = world.account_token(account, AccessRequest::Full);
    assert_eq!(world.ask(by_name(&key, Route::Certificates, account, "c.example")).allowed(), Outcome::NotFound);
}

#[test]
fn a_name_that_was_removed_and_added_again_is_covered_again() {
    let (mut world, account, [covered, ..]) = zones();
    let key = world.account_token(account, granted(vec![named("zones", ReadOnly, &["covered.example"])]));
    let asked = by_name(&key, Route::Zone, account, "covered.example");
    world.manage(Change::RemoveResource { account, resource: ResourceId(covered) }).done();
    assert_eq!(world.ask(asked.clone()).allowed(), Outcome::NotFound);
    assert_eq!(world.ask(by_number(&key, Route::Zone, account, covered)).cause(), Cause::MissingScope);
    let again = world.zone(account, "covered.example");
    assert_eq!(world.ask(asked).found(), Some(again));
}

#[test]
fn everything_includes_what_is_added_later() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let keys =
        [AccessRequest::Full, granted(vec![all("zones", ReadOnly)])].map(|access| world.account_token(account, access));
    let zone = world.zone(account, "later.example");
    for key in keys {
        assert_eq!(world.ask(by_name(&key, Route::Zone, account, "later.example")).found(), Some(zone));
    }
}

#[test]
fn whoami_and_accounts_need_no_scope() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.member(account, granted(vec![]));
    for key in [world.account_token(account, granted(vec![])), world.user_token(user)] {
        for asked in [whoami(&key), accounts(&key)] {
            let then = world.ask(asked);
            assert_eq!(then.allowed(), Outcome::Ok);
            assert_eq!(used(&then).scope, None);
        }
    }
}

#[test]
fn an_account_tokens_whoami_tells_its_account_and_a_user_tokens_tells_its_user() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.member(account, AccessRequest::Full);
    let (account_key, user_key) = (world.account_token(account, AccessRequest::Full), world.user_token(user));
    let then = world.ask(whoami(&account_key));
    assert_eq!((then.answered().account.map(|card| card.id), then.answered().user), (Some(account), None));
    let then = world.ask(whoami(&user_key));
    assert_eq!((then.answered().account, then.answered().user.map(|card| card.id)), (None, Some(user)));
}

#[test]
fn accounts_lists_every_account_that_the_token_acts_on() {
    let mut world = begun();
    let (one, two, three) = (world.account(Plan::Teams), world.account(Plan::Solo), world.account(Plan::Teams));
    let user = world.member(three, granted(vec![]));
    world.manage(Change::PutMember { account: one, user, access: AccessRequest::Full, if_match: None }).done();
    let rows = [(world.account_token(two, AccessRequest::Full), vec![two]), (world.user_token(user), vec![one, three])];
    for (key, expected) in rows {
        let then = world.ask(accounts(&key));
        let listed: Vec<AccountId> = then.answered().accounts.iter().map(|card| card.id).collect();
        assert_eq!(listed, expected);
        assert!(world.ask(whoami(&key)).answered().accounts.is_empty(), "only this route lists them");
    }
}

#[test]
fn an_invalid_question_needs_the_scope_all_the_same() {
    let (mut world, account, _) = zones();
    let full = world.account_token(account, AccessRequest::Full);
    let none = world.account_token(account, granted(vec![]));
    assert_eq!(world.ask(invalid(list(&full, Route::Zones, account))).allowed(), Outcome::Invalid);
    assert_eq!(world.ask(invalid(list(&none, Route::Zones, account))).cause(), Cause::MissingScope);
}

#[test]
fn a_use_records_the_access_it_was_judged_by_with_its_version() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.member(account, AccessRequest::Full);
    let (account_key, user_key) = (world.account_token(account, AccessRequest::Full), world.user_token(user));
    world.rotate(&account_key, 60);
    world.rotate(&user_key, 60);
    world.rotate(&user_key, 60);
    world
        .manage(Change::PutMember { account, user, access: granted(vec![all("zones", ReadOnly)]), if_match: None })
        .done();
    let user_key = Key { digest: world.state.token(user_key.token).expect("there").secrets[2].digest, ..user_key };
    let rows = [
        (whoami(&account_key), AccessSource::Identity(Version(2))),
        (list(&account_key, Route::Zones, account), AccessSource::Token(Version(2))),
        (whoami(&user_key), AccessSource::Identity(Version(3))),
        (list(&user_key, Route::Zones, account), AccessSource::Membership(Version(2))),
    ];
    for (asked, expected) in rows {
        assert_eq!(used(&world.ask(asked)).source, expected);
    }
    let then = world.ask(list(&user_key, Route::Domains, account));
    assert_eq!(refused(&then).source, AccessSource::Membership(Version(2)), "a refusal says it too");
}

#[test]
fn a_use_records_the_scope_it_was_judged_in() {
    let (mut world, account, [covered, ..]) = zones();
    let key = world.account_token(account, AccessRequest::Full);
    let name = world.name_number(account, "covered.example");
    let rows = [
        (list(&key, Route::Zones, account), Target::List),
        (by_name(&key, Route::Zone, account, "covered.example"), Target::Name(name)),
        (by_number(&key, Route::Zone, account, covered), Target::Name(name)),
        (by_number(&key, Route::Zone, account, 9_999), Target::Number(9_999)),
    ];
    for (asked, target) in rows {
        let expected = RequiredScope { group: group::ZONES, verb: Verb::Read, target };
        assert_eq!(used(&world.ask(asked)).scope, Some(expected));
    }
}

#[test]
fn a_name_never_seen_gets_its_number_once_before_the_use_or_refusal_that_says_it() {
    for (access, event) in [(AccessRequest::Full, "TokenUsed"), (granted(vec![]), "TokenUseRefused")] {
        let (mut world, account, _) = zones();
        let key = world.account_token(account, access);
        let asked = by_name(&key, Route::Zone, account, "never-seen.example");
        let first = world.ask(asked.clone());
        assert_eq!(first.names(), ["TextSeen", event]);
        let scope = match &first.last().event {
            Event::TokenUsed(used) => used.scope,
            Event::TokenUseRefused(refused) => refused.scope,
            other => panic!("{other:?}"),
        };
        let Some(RequiredScope { target: Target::Name(name), .. }) = scope else { panic!("a name was judged") };
        assert_ne!(name, TextNumber::NONE);
        assert_eq!(world.text_of(name), "never-seen.example");
        assert_eq!(world.ask(asked).names(), [event]);
    }
}

#[test]
fn a_use_records_the_resource_that_was_found() {
    let (mut world, account, [domain, of_a, of_b]) = certificates();
    let zone = world.zone(account, "a.example").0;
    let key = world.account_token(account, AccessRequest::Full);
    let rows = [
        (whoami(&key), 0),
        (accounts(&key), 0),
        (list(&key, Route::Domains, account), 0),
        (by_name(&key, Route::Domain, account, "a.example"), domain),
        (by_number(&key, Route::Domain, account, domain), domain),
        (by_name(&key, Route::Domain, account, "absent.example"), 0),
        (by_number(&key, Route::Domain, account, of_a), 0),
        (invalid(by_name(&key, Route::Domain, account, "a.example")), 0),
        (by_name(&key, Route::Zone, account, "a.example"), zone),
        (of_domain(&key, account, "a.example", of_a), of_a),
        (of_domain(&key, account, "a.example", of_b), 0),
        (by_name(&key, Route::Certificates, account, "a.example"), domain),
    ];
    for (asked, expected) in rows {
        let label = format!("{asked:?}");
        assert_eq!(used(&world.ask(asked)).resource, ResourceId(expected), "{label}");
    }
}

#[test]
fn a_refusal_records_the_account_that_was_asked_for() {
    let mut world = begun();
    let (own, other) = (world.account(Plan::Teams), world.account(Plan::Teams));
    let key = world.account_token(own, granted(vec![]));
    let gateway = world.staff_token(token_ledger::domain::token::TokenKind::Gateway);
    let rows = [
        (list(&key, Route::Zones, own), own),
        (list(&key, Route::Zones, other), other),
        (list(&key, Route::Zones, ABSENT), ABSENT),
        (whoami(&gateway), AccountId::NONE),
        (list(&gateway, Route::Zones, other), other),
    ];
    for (asked, expected) in rows {
        let label = format!("{asked:?}");
        assert_eq!(refused(&world.ask(asked)).asked_account, expected, "{label}");
    }
}

#[test]
fn names_are_covered_in_their_one_form() {
    let (mut world, account, [covered, ..]) = zones();
    let key = world.account_token(account, granted(vec![named("zones", ReadOnly, &["COVERED.example."])]));
    let asked = by_name(&key, Route::Zone, account, text("covered.example").as_str());
    assert_eq!(world.ask(asked).found(), Some(ResourceId(covered)));
}
