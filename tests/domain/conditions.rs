//! Conditions on a token: from when on it works, and from which addresses.

use crate::harness::*;
use std::net::IpAddr;
use token_ledger::domain::command::{AccessRequest, Actor, AskedTarget, Change, Command, GatewayChange, ImportLine};
use token_ledger::domain::command::{NewImport, Use};
use token_ledger::domain::conditions::{ADDRESS_RANGES_MAX, AddressRange, Conditions, ConditionsEdit};
use token_ledger::domain::decide::{Answer, may_read, narrows};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Event, ManagementOperation, Outcome, Route};
use token_ledger::domain::ids::{AccountId, TokenId, Version};
use token_ledger::domain::rejection::Rejection;
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::time::{MICROS_PER_SECOND, Timestamp};
use token_ledger::domain::token::{Closed, Owner, TokenKind};

fn ranges(texts: &[&str]) -> Vec<AddressRange> {
    texts.iter().map(|text| AddressRange::parse(text).expect("a range")).collect()
}

fn at(texts: &[&str]) -> Conditions {
    Conditions::new(None, ranges(texts))
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

impl World {
    /// What comes next comes from this address.
    fn come_from(&mut self, from: Option<IpAddr>) {
        self.origin.from = from;
        self.origin.address = from.map(|from| PersonalText::new(from.to_string()));
    }

    fn conditioned(&mut self, owner: Owner, kind: TokenKind, conditions: Conditions) -> Key {
        let secret = self.new_secret();
        let access = matches!(owner, Owner::Account(_)).then_some(AccessRequest::Full);
        let create =
            Change::CreateToken { owner, kind, name: text("a token"), access, expires_at: None, conditions, secret };
        self.manage(create).done();
        Key { token: TokenId(self.state.tokens.next_number() - 1), owner, digest: secret.digest }
    }

    fn set(&mut self, key: &Key, conditions: ConditionsEdit) -> Then {
        self.manage(TokenEdit { conditions, ..TokenEdit::default() }.of(key))
    }
}

fn world_with(conditions: Conditions) -> (World, AccountId, Key) {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let key = world.conditioned(Owner::Account(account), TokenKind::Account, conditions);
    (world, account, key)
}

fn only_at(texts: &[&str]) -> ConditionsEdit {
    ConditionsEdit { allowed_addresses: Some(ranges(texts)), ..ConditionsEdit::default() }
}

fn from_on(begin: Option<Timestamp>) -> ConditionsEdit {
    ConditionsEdit { not_before: Some(begin), ..ConditionsEdit::default() }
}

fn faults(rejection: &Rejection) -> Vec<String> {
    match rejection {
        Rejection::Invalid(faults) => faults.iter().map(|fault| format!("{} {}", fault.field, fault.fault)).collect(),
        other => panic!("no field is at fault: {other:?}"),
    }
}

#[test]
fn a_range_lets_in_its_addresses_up_to_its_last_bit() {
    let rows = [
        ("192.0.2.0/24", "192.0.2.0", true),
        ("192.0.2.0/24", "192.0.2.255", true),
        ("192.0.2.0/24", "192.0.3.0", false),
        ("192.0.2.0/24", "192.0.1.255", false),
        ("192.0.2.128/25", "192.0.2.127", false),
        ("192.0.2.128/25", "192.0.2.128", true),
        ("192.0.2.8/31", "192.0.2.9", true),
        ("192.0.2.8/31", "192.0.2.10", false),
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.6", false),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("192.0.2.0/24", "::ffff:192.0.2.9", true),
        ("::ffff:192.0.2.0/120", "192.0.2.9", true),
        ("::ffff:192.0.2.9", "192.0.2.9", true),
        ("::ffff:192.0.2.9", "192.0.2.8", false),
        ("2001:db8::/32", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("2001:db8::/32", "2001:db9::", false),
        ("2001:db8:0:8000::/49", "2001:db8:0:8000::", true),
        ("2001:db8:0:8000::/49", "2001:db8:0:7fff:ffff::", false),
        ("2001:db8::1", "2001:db8::1", true),
        ("2001:db8::1", "2001:db8::2", false),
        ("2001:db8::/127", "2001:db8::2", false),
        ("::/0", "2001:db8::1", true),
        ("::/0", "192.0.2.9", false),
        ("::/0", "::ffff:192.0.2.9", false),
    ];
    for (range, from, allowed) in rows {
        let (mut world, _, key) = world_with(at(&[range]));
        world.come_from(address(from));
        let then = world.ask(whoami(&key));
        match allowed {
            true => assert_eq!(then.allowed(), Outcome::Ok, "{from} is in {range}"),
            false => assert_eq!(then.cause(), Cause::AddressNotAllowed, "{from} is not in {range}"),
        }
    }
}

#[test]
fn a_range_is_read_strictly_and_said_in_one_way() {
    let good = [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0:0::1", "2001:db8::1/128"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:c000:0207", "192.0.2.7/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ];
    for (sent, said) in good {
        assert_eq!(AddressRange::parse(sent).map(|range| range.to_string()), Ok(said.to_owned()), "{sent}");
    }
    let host_bits = AddressRange::parse("192.0.2.7/24");
    assert_eq!(host_bits, Err("has bits set past its prefix; the range is 192.0.2.0/24".to_owned()));
    assert_eq!(AddressRange::parse("192.0.2.0/33"), Err("has a prefix over 32".to_owned()));
    assert_eq!(AddressRange::parse("2001:db8::/129"), Err("has a prefix over 128".to_owned()));
    for bad in [
        "",
        "/",
        "/24",
        "192.0.2.0/",
        "192.0.2.0/024",
        "192.0.2.0/+8",
        "192.0.2.0/-1",
        "192.0.2.0/256",
        "192.0.2.0/8/8",
        "192.0.2",
        "192.0.2.0.0",
        "192.0.2.256",
        "010.0.0.1",
        " 192.0.2.7",
        "192.0.2.7 ",
        "192.0.2.0 /24",
        "::1%eth0",
        "[::1]",
        "2001:db8::/3 2",
        "example.com",
        "*",
        "any",
        "192.0.2.0-192.0.2.9",
        "192.0.2.0/255.255.255.0",
    ] {
        let read = AddressRange::parse(bad);
        assert!(read.as_ref().is_err_and(|fault| fault.starts_with("is not an address")), "{bad}: {read:?}");
    }
}

#[test]
fn a_record_with_a_prefix_that_there_is_not_lets_nobody_in() {
    for range in [
        AddressRange::V4 { network: [0; 4], prefix: 33 },
        AddressRange::V4 { network: [0; 4], prefix: 255 },
        AddressRange::V6 { network: [0; 16], prefix: 129 },
    ] {
        assert!(!range.contains([0, 0, 0, 0].into()) && !range.contains([0; 16].into()), "{range:?}");
    }
}

#[test]
fn an_address_that_nobody_knows_is_in_no_range() {
    let (mut world, _, key) = world_with(at(&["0.0.0.0/0", "::/0"]));
    world.come_from(None);
    // What stands in the record for the client may be the gateway.
    world.origin.address = Some(PersonalText::new("127.0.0.1"));
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::AddressNotAllowed);
    world.set(&key, only_at(&[])).done();
    assert_eq!(world.ask(whoami(&key)).allowed(), Outcome::Ok, "without ranges it works anywhere");
}

#[test]
fn a_token_works_from_its_instant_on_and_not_a_microsecond_before() {
    let begin = NOON.plus_seconds(60);
    let (mut world, _, key) = world_with(Conditions::new(Some(begin), Vec::new()));
    for (now, cause) in [
        (NOON, Some(Cause::NotYetValid)),
        (Timestamp(begin.0 - 1), Some(Cause::NotYetValid)),
        (begin, None),
        (Timestamp(begin.0 + 1), None),
    ] {
        world.now = now;
        let then = world.ask(whoami(&key));
        match cause {
            Some(cause) => assert_eq!((then.cause(), then.answered().window), (cause, None), "{now:?}"),
            None => assert_eq!(then.allowed(), Outcome::Ok, "{now:?}"),
        }
    }
}

#[test]
fn a_refusal_is_recorded_draws_nothing_and_moves_no_last_use() {
    let (mut world, account, key) = world_with(at(&["192.0.2.0/24"]));
    world.come_from(address("198.51.100.7"));
    let then = world.ask(list(&key, Route::Zones, account));
    assert_eq!(then.names().last(), Some(&"TokenUseRefused"));
    let Event::TokenUseRefused(refused) = then.last().event.clone() else { panic!("it was refused") };
    assert_eq!((refused.cause, refused.asked_account), (Cause::AddressNotAllowed, account));
    assert_eq!(world.text_of(refused.address), "198.51.100.7");
    assert_eq!(then.last().header.account, account);
    let window = then.answered().window.expect("a token that works has a window");
    assert_eq!((window.used, window.opened_at), (0, None));
    assert_eq!(then.answered().access, None, "from there nobody hears what it may");
}

#[test]
fn past_sixty_a_minute_refusals_are_summed_with_their_cause() {
    let (mut world, _, key) = world_with(at(&["192.0.2.0/24"]));
    world.come_from(address("198.51.100.7"));
    for index in 0..65 {
        let then = world.ask(whoami(&key));
        assert_eq!(then.cause(), Cause::AddressNotAllowed);
        assert_eq!(then.tally.is_some(), index >= 60, "{index}");
    }
    let flushed = world.flush(true);
    let Event::RefusalsSummed(sum) = &flushed.last().expect("a sum").event else { panic!("a sum") };
    assert_eq!(sum.counts, [(Cause::AddressNotAllowed, 5)]);
}

#[test]
fn what_fails_first_is_told_and_the_address_comes_after_time() {
    let (mut world, account, key) = world_with(Conditions::new(Some(NOON.plus_seconds(60)), ranges(&["192.0.2.7"])));
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::NotYetValid);
    world.at(60);
    assert_eq!(
        world.ask(list(&key, Route::Zones, AccountId(99))).cause(),
        Cause::AddressNotAllowed,
        "then the account"
    );
    let new = world.rotate(&key, 0);
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::SecretEnded);
    assert_eq!(world.ask(whoami(&new)).cause(), Cause::AddressNotAllowed, "a rotation leaves conditions");
    let unreadable = Use { target: AskedTarget::Unreadable, ..list(&new, Route::Zones, account) };
    assert_eq!(world.ask(unreadable.clone()).cause(), Cause::AddressNotAllowed, "whatever it asks");
    world.come_from(address("192.0.2.7"));
    assert_eq!(*world.ask(unreadable).rejected(), Rejection::Unreadable);
    let gateway = world.conditioned(Owner::Service, TokenKind::Auditor, at(&["192.0.2.8"]));
    assert_eq!(world.ask(whoami(&gateway)).cause(), Cause::AddressNotAllowed, "then the kind");
}

#[test]
fn creation_with_conditions_is_two_events_of_one_change() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.member(account, AccessRequest::Full);
    for (owner, kind) in [
        (Owner::Account(account), TokenKind::Account),
        (Owner::User(user), TokenKind::User),
        (Owner::Service, TokenKind::Operator),
    ] {
        let begin = Some(NOON.plus_seconds(5));
        let conditions = Conditions::new(begin, ranges(&["2001:db8::/32", "192.0.2.0/24", "192.0.2.0/24"]));
        let before = world.state.head;
        let key = world.conditioned(owner, kind, conditions.clone());
        let token = world.state.token(key.token).expect("it is there");
        assert_eq!(token.conditions(), &conditions, "{kind:?}");
        assert_eq!(conditions.allowed_addresses, ranges(&["192.0.2.0/24", "2001:db8::/32"]), "sorted, each once");
        assert_eq!(token.version, Version(2), "each event is a version");
        assert!(world.state.head > before);
    }
    let plain = world.conditioned(Owner::Account(account), TokenKind::Account, Conditions::default());
    let token = world.state.token(plain.token).expect("it is there");
    assert_eq!((token.version, &token.conditions), (Version(1), &None), "without conditions it is one");
}

#[test]
fn an_edit_replaces_what_it_names_and_leaves_the_rest() {
    let (mut world, _, key) = world_with(at(&["192.0.2.0/24"]));
    let begin = NOON.plus_seconds(60);
    let rows = [
        (from_on(Some(begin)), Some(begin), &["192.0.2.0/24"][..], true),
        (from_on(Some(begin)), Some(begin), &["192.0.2.0/24"], false),
        (only_at(&["2001:db8::/32", "192.0.2.7"]), Some(begin), &["192.0.2.7", "2001:db8::/32"], true),
        (only_at(&["192.0.2.7/32", "2001:db8::/32", "192.0.2.7"]), Some(begin), &["192.0.2.7", "2001:db8::/32"], false),
        (ConditionsEdit::default(), Some(begin), &["192.0.2.7", "2001:db8::/32"], false),
        (only_at(&[]), Some(begin), &[], true),
        (from_on(None), None, &[], true),
        (from_on(None), None, &[], false),
    ];
    for (edit, not_before, texts, is_new) in rows {
        let version = world.state.token(key.token).expect("it is there").version;
        let then = world.set(&key, edit.clone());
        let names: &[&str] = if is_new { &["TokenConditionsChanged"] } else { &[] };
        assert_eq!(then.names(), names, "{edit:?}");
        let token = world.state.token(key.token).expect("it is there");
        assert_eq!(token.conditions(), &Conditions::new(not_before, ranges(texts)), "{edit:?}");
        assert_eq!(token.version, if is_new { version.next() } else { version }, "{edit:?}");
    }
    assert_eq!(world.state.token(key.token).expect("it is there").conditions, None, "nothing is kept of none");
    let stale = TokenEdit { conditions: only_at(&["192.0.2.7"]), if_match: Some(Version(1)), ..TokenEdit::default() };
    assert!(matches!(world.manage(stale.of(&key)).rejected(), Rejection::VersionMismatch(_)));
}

#[test]
fn beginning_and_end_must_leave_a_time_between_them() {
    let (begin, end) = (NOON.plus_seconds(60), NOON.plus_seconds(90));
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let (owner, access) = (Owner::Account(account), Some(AccessRequest::Full));
    for not_before in [end, end.plus_seconds(1)] {
        let (name, secret, conditions) = (text("t"), world.new_secret(), Conditions::new(Some(not_before), Vec::new()));
        let (kind, access, expires_at) = (TokenKind::Account, access.clone(), Some(end));
        let create = Change::CreateToken { owner, kind, name, access, expires_at, conditions, secret };
        assert_eq!(faults(world.manage(create).rejected()), ["not_before must be before expires_at"]);
    }
    let key = world.token_until(owner, TokenKind::Account, access, Some(end));
    let edit = |not_before, expires_at| TokenEdit {
        expires_at,
        conditions: ConditionsEdit { not_before, ..ConditionsEdit::default() },
        ..TokenEdit::default()
    };
    let begins = "not_before must be before expires_at";
    let rows = [
        (edit(Some(Some(end)), None), Some(begins)),
        (edit(Some(Some(Timestamp(end.0 - 1))), None), None),
        (edit(Some(Some(begin)), None), None),
        (edit(None, Some(Some(begin))), Some("expires_at must be after not_before")),
        (edit(Some(Some(begin)), Some(Some(begin))), Some(begins)),
        (edit(Some(Some(end)), Some(Some(end.plus_seconds(MICROS_PER_SECOND)))), None),
        (edit(Some(None), Some(Some(begin))), None),
        (edit(Some(Some(begin)), Some(None)), None),
    ];
    for (edit, fault) in rows {
        let then = world.manage(edit.of(&key));
        match fault {
            Some(fault) => assert_eq!(faults(then.rejected()), [fault]),
            None => assert!(!then.done().created),
        }
    }
    world.now = end;
    let named = TokenEdit { name: Some("other"), ..TokenEdit::default() };
    world.manage(named.of(&key)).done();
}

#[test]
fn there_are_at_most_so_many_ranges_each_counted_once() {
    let (mut world, _, key) = world_with(Conditions::default());
    let one = |last: usize| AddressRange::V4 { network: [192, 0, 2, u8::try_from(last).expect("small")], prefix: 32 };
    let with = |count: usize| ConditionsEdit {
        allowed_addresses: Some((0..count).chain(0..count).map(one).collect()),
        ..ConditionsEdit::default()
    };
    assert_eq!(world.set(&key, with(ADDRESS_RANGES_MAX)).names(), ["TokenConditionsChanged"]);
    let then = world.set(&key, with(ADDRESS_RANGES_MAX + 1));
    assert_eq!(faults(then.rejected()), ["allowed_addresses has too many ranges (maximum is 64)"]);
}

#[test]
fn gateway_tokens_and_imported_ones_have_conditions_too() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let (secret, conditions) = (world.new_secret(), at(&["192.0.2.0/24"]));
    let key = world.gateway(&token_ledger::domain::gateway::GATEWAY_RIGHTS, &[account]);
    let edit = |conditions| {
        Change::Gateway(GatewayChange::Update {
            token: key.token,
            name: None,
            rights: None,
            accounts: None,
            expires_at: None,
            conditions,
            if_match: None,
        })
    };
    assert_eq!(world.manage(edit(only_at(&["192.0.2.0/24"]))).names(), ["TokenConditionsChanged"]);
    assert_eq!(world.manage(edit(only_at(&["192.0.2.0/24"]))).names(), [""; 0]);
    assert_eq!(world.state.token(key.token).expect("it is there").conditions(), &conditions);
    let import = NewImport {
        name: text("old robot"),
        access: AccessRequest::Full,
        secret,
        created_at: None,
        expires_at: None,
        conditions: conditions.clone(),
    };
    let late = Conditions::new(Some(NOON.plus_seconds(9)), Vec::new());
    let bad = NewImport { conditions: late, expires_at: Some(NOON.plus_seconds(9)), ..import.clone() };
    let lines = |import: &NewImport| vec![ImportLine { line: 1, token: Ok(import.clone()) }];
    let then = world.manage(Change::ImportTokens { account, lines: lines(&bad) });
    let Rejection::InvalidLines(faulty) = then.rejected() else { panic!("{then:?}") };
    assert_eq!(faulty[0].faults[0].field, "not_before");
    let then = world.manage(Change::ImportTokens { account, lines: lines(&import) });
    assert_eq!(then.names(), ["TextSeen", "TokenImported", "TokenConditionsChanged"]);
    let key = Key { token: TokenId(key.token.0 + 1), owner: Owner::Account(account), digest: secret.digest };
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::AddressNotAllowed);
}

#[test]
fn management_and_looks_are_refused_from_elsewhere_and_recorded() {
    let mut world = begun();
    let operator = world.conditioned(Owner::Service, TokenKind::Operator, at(&["192.0.2.0/24"]));
    let look = |world: &World, from| may_read(&world.state, &world.digests, operator.digest, world.now, from);
    let new_user = || Change::CreateUser { email: text("a@example.com"), name: text("a") };
    for from in [None, address("198.51.100.7")] {
        world.come_from(from);
        let refused = Rejection::Forbidden(Cause::AddressNotAllowed);
        assert_eq!(look(&world, from), Err(refused.clone()));
        for change in [new_user(), Change::Look(ManagementOperation::ReadEvents, Owner::Service)] {
            let then = world.manage_as(&operator, change);
            assert_eq!(then.answer, Answer::Rejected(refused.clone()));
            let Event::ManagementRefused(event) = &then.last().event else { panic!("it was refused") };
            assert_eq!(event.cause, Cause::AddressNotAllowed);
        }
    }
    world.come_from(address("192.0.2.1"));
    assert_eq!(look(&world, address("192.0.2.1")), Ok(operator.token));
    world.manage_as(&operator, new_user()).done();
    world.set(&operator, from_on(Some(NOON.plus_seconds(1)))).done();
    let then = world.manage_as(&operator, new_user());
    assert_eq!(then.answer, Answer::Rejected(Rejection::Closed(Cause::NotYetValid)));
}

#[test]
fn time_alone_says_whether_a_token_is_shown_as_working() {
    let (world, _, key) = world_with(Conditions::new(Some(NOON.plus_seconds(1)), ranges(&["192.0.2.7"])));
    let token = world.state.token(key.token).expect("it is there");
    assert_eq!(token.check_time(1, NOON), Err(Closed::NotYetValid));
    assert_eq!((token.is_live(NOON), token.is_live(NOON.plus_seconds(1))), (false, true));
    assert_eq!(token.check(1, NOON.plus_seconds(1), None), Err(Closed::AddressNotAllowed));
}

#[test]
fn conditions_narrow_when_they_let_nobody_new_in() {
    let begin = NOON.plus_seconds(60);
    let (mut world, _, bare) = world_with(Conditions::default());
    let conditions = Conditions::new(Some(begin), ranges(&["192.0.2.0/25", "192.0.2.128/25", "2001:db8::/32"]));
    let key = world.conditioned(bare.owner, TokenKind::Account, conditions);
    let rows = [
        ("ranges where there were none", &bare, only_at(&["0.0.0.0/0"]), true),
        ("a beginning where there was none", &bare, from_on(Some(NOON)), true),
        ("none as before", &bare, only_at(&[]), true),
        ("fewer ranges", &key, only_at(&["192.0.2.0/25"]), true),
        ("a part of a range", &key, only_at(&["2001:db8:1::/48", "192.0.2.7"]), true),
        ("two halves as one", &key, only_at(&["192.0.2.0/24"]), true),
        ("a wider range", &key, only_at(&["192.0.2.0/23"]), false),
        ("another range", &key, only_at(&["192.0.2.0/25", "198.51.100.1"]), false),
        ("the other family", &key, only_at(&["::/0"]), false),
        ("no ranges any more", &key, only_at(&[]), false),
        ("a later beginning", &key, from_on(Some(begin.plus_seconds(1))), true),
        ("the same beginning", &key, from_on(Some(begin)), true),
        ("an earlier beginning", &key, from_on(Some(Timestamp(begin.0 - 1))), false),
        ("no beginning any more", &key, from_on(None), false),
        ("nothing", &key, ConditionsEdit::default(), true),
    ];
    for (what, key, conditions, expected) in rows {
        let change = TokenEdit { conditions, ..TokenEdit::default() }.of(key);
        let command = Command::Manage(Actor::Local(0), Box::new(change));
        assert_eq!(narrows(&world.state, &command, &mut world.texts), expected, "{what}");
    }
    let wider = TokenEdit { conditions: only_at(&["192.0.2.0/25"]), expires_at: Some(None), ..TokenEdit::default() };
    let command = Command::Manage(Actor::Local(0), Box::new(wider.of(&key)));
    assert!(!narrows(&world.state, &command, &mut world.texts), "a wider edit with it");
}
