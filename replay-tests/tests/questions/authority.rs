//! Authority: what the service decided was allowed, and a record that was put in by force is told.

use crate::told::{Told, number, rows};
use rusqlite::{Connection, params};
use serde_json::Value;
use std::collections::BTreeMap;
use token_ledger::audit::archive::Archive;
use token_ledger::audit::questions::{self, Asked, question};
use token_ledger::domain::access::{Access, Coverage, Grant, Level};
use token_ledger::domain::event::{Event, Header};
use token_ledger::domain::ids::{AccountId, Position, TokenId, Version};
use token_ledger::domain::state::by_of;
use token_ledger::domain::token::{Authority, Owner, Principal, TokenKind};
use token_ledger::log::codec;

const SEEDS: u64 = 5;
const BATCHES: usize = 160;

#[test]
fn what_the_service_decided_was_allowed() {
    let (mut judged, mut unknown) = (0, 0);
    for seed in 0..SEEDS {
        let told = Told::new(seed, BATCHES);
        for account in [None].into_iter().chain(told.accounts().map(Some)) {
            let asked: Vec<_> = account.map(|account| ("account", account.0.to_string())).into_iter().collect();
            let answer = told.ask("authority", &asked);
            for row in rows(&answer, "changes") {
                assert_ne!(row["allowed"], false, "seed {seed}: {row}");
                unknown += usize::from(row["allowed"].is_null());
            }
            judged += rows(&answer, "changes").len();
            hold_list(&told, account, &answer);
        }
    }
    eprintln!("{judged} changes, {unknown} not known");
    assert!(judged > 800, "{judged}");
}

/// Every change of tokens and access is judged, and of one account every one of its own.
fn hold_list(told: &Told, account: Option<AccountId>, answer: &Value) {
    let said: Vec<u64> = rows(answer, "changes").iter().map(|row| number(row, "position")).collect();
    let is_of = |header: &Header| match account {
        None => true,
        Some(account) if header.account == account => true,
        Some(account) => told.last().token(header.token).is_some_and(|token| match token.owner {
            Owner::User(user) => {
                let entered = told.last().account(account);
                header.account.is_none()
                    && entered.is_some_and(|it| it.members.contains_key(&user) || it.past_members.contains_key(&user))
            }
            _ => false,
        }),
    };
    let changes = told.records.iter().filter(|(_, header, event)| {
        matches!(
            event,
            Event::TokenCreated(_)
                | Event::TokenImported(_)
                | Event::TokenAccessChanged(_)
                | Event::TokenExpiryChanged(_)
                | Event::TokenConditionsChanged(_)
                | Event::TokenRotated(_)
                | Event::TokenDeleted(_)
                | Event::MemberAdded(_)
                | Event::MemberAccessChanged(_)
                | Event::MemberRemoved(_)
                | Event::PlanChanged(_)
        ) && is_of(header)
    });
    for (position, _, event) in changes {
        assert!(said.contains(&position.0), "account {account:?}: {} at {position}", event.type_name());
    }
}

/// Another record in place of one, as whoever holds the file can write it.
fn force(told: &Told, position: Position, header: &Header, event: &Event) {
    let mut record = Vec::new();
    codec::encode(header, event, &mut record).expect("it can be written");
    let file = Connection::open(told.story.dir.ledger()).expect("the file opens");
    file.execute_batch("DROP TRIGGER IF EXISTS events_never_change").expect("it can be dropped");
    let changed = file.execute("UPDATE events SET record = ?2 WHERE position = ?1", params![position.0 as i64, record]);
    assert_eq!(changed.expect("it can be changed"), 1);
}

fn asked_again(told: &Told) -> BTreeMap<u64, Value> {
    let archive = Archive::open(&told.story.dir, told.now()).expect("the log opens");
    let question = question("authority").expect("there is such a question");
    let asked = Asked::read(question, &[]).expect("nothing need be said");
    let answer = questions::ask(&archive, question, &asked).expect("it is answered").to_json();
    rows(&answer, "changes").iter().map(|row| (number(row, "position"), row.clone())).collect()
}

/// What the question judges: of accounts, members, resources and tokens.
fn is_change_of_the_directory(event: &Event) -> bool {
    let name = event.type_name();
    ["Token", "Member", "Resource", "Account", "Plan", "HourlyLimit", "Research"].iter().any(|of| name.starts_with(of))
        && by_of(event).is_some()
}

/// The same change under another authority, of the kinds that have one here.
fn with_authority(event: &Event, authority: Authority) -> Option<Event> {
    let mut event = event.clone();
    match &mut event {
        Event::TokenAccessChanged(changed) => changed.by.authority = authority,
        Event::TokenDeleted(deleted) => deleted.by.authority = authority,
        Event::TokenRotated(rotated) => rotated.by.authority = authority,
        Event::MemberAccessChanged(changed) => changed.by.authority = authority,
        Event::MemberAdded(added) => added.by.authority = authority,
        Event::ResourceAdded(added) => added.by.authority = authority,
        Event::TokenCreated(created) => created.by.authority = authority,
        Event::ResearchActivated(activated) => activated.by.authority = authority,
        _ => return None,
    }
    Some(event)
}

#[test]
fn a_change_that_its_maker_was_not_allowed_is_told_with_the_reason() {
    let told = Told::new(3, BATCHES);
    let is_by_operator = |event: &Event| matches!(by_of(event).map(|by| by.authority), Some(Authority::Operator(_)));
    let changes: Vec<_> = told
        .records
        .iter()
        .filter(|(_, header, event)| {
            is_by_operator(event) && is_change_of_the_directory(event) && !header.account.is_none()
        })
        .collect();
    assert!(changes.len() >= 8, "{} changes", changes.len());
    let mut forced: BTreeMap<u64, &str> = BTreeMap::new();
    for (index, (position, header, event)) in changes.iter().enumerate().take(24) {
        let consumer =
            told.state(Position(position.0 - 1)).tokens.iter().find(|token| token.kind == TokenKind::Account);
        let Some(consumer) = consumer.map(|token| token.id) else { continue };
        let (header, event, finding) = match index % 4 {
            // A token that may not, under its own name.
            0 => {
                let header = Header { credential: consumer, principal: Principal::Staff(consumer), ..*header };
                (header, (*event).clone(), "the credential was refused then")
            }
            // One that was not there.
            1 => {
                let nobody = TokenId(100_000);
                let header = Header { credential: nobody, principal: Principal::Staff(nobody), ..*header };
                (header, (*event).clone(), "there was no such credential")
            }
            // A person in the operator's place.
            2 => (Header { principal: Principal::Local(0), ..*header }, (*event).clone(), "the principal does not go"),
            _ => match with_authority(event, Authority::Operator(Version(77))) {
                Some(other) => (*header, other, "the authority was of version"),
                None => continue,
            },
        };
        force(&told, *position, &header, &event);
        forced.insert(position.0, finding);
    }
    assert!(forced.len() > 8, "{} were forced", forced.len());
    for (position, row) in asked_again(&told) {
        match forced.get(&position) {
            Some(finding) => {
                assert_eq!(row["allowed"], false, "{row}");
                let findings = row["findings"].as_array().expect("findings");
                assert!(
                    findings.iter().any(|it| it.as_str().is_some_and(|it| it.starts_with(finding))),
                    "{finding}: {row}"
                );
            }
            None => assert_ne!(row["allowed"], false, "{row}"),
        }
    }
}

#[test]
fn a_grant_that_the_plan_did_not_have_is_told() {
    let told = (0..20).map(|seed| Told::new(seed, BATCHES)).find_map(|told| {
        let on_solo = told.records.iter().rfind(|(position, header, event)| {
            let plan = told.state(*position).account(header.account).map(|account| account.plan.has_grants());
            matches!(event, Event::TokenCreated(created) if created.kind == TokenKind::Account) && plan == Some(false)
        });
        let (position, header, event) = on_solo?.clone();
        Some((told, position, header, event))
    });
    let (told, position, header, event) = told.expect("some token is created on a solo account");
    let Event::TokenCreated(mut created) = event else { panic!("it is a creation") };
    created.access = Access::Granted(vec![Grant { group: 11, level: Level::ReadOnly, coverage: Coverage::All }]);
    force(&told, position, &header, &Event::TokenCreated(created));
    let row = &asked_again(&told)[&position.0];
    assert_eq!((&row["allowed"], &row["findings"][0]), (&false.into(), &"the plan had no grants".into()), "{row}");
}
