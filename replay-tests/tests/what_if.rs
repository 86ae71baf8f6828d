//! What if, against the rules themselves: the same commands decided again with the change supposed. What the question
//! says would be refused is what then is refused, and what it says would pass does.

use replay_tests::again::Script;
use replay_tests::checks::records;
use replay_tests::generator::BEGIN;
use replay_tests::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use token_ledger::audit::archive::Archive;
use token_ledger::audit::what_if::{Found, what_if};
use token_ledger::clock::Clock;
use token_ledger::domain::access::{Access, Coverage, Grant, Level, group};
use token_ledger::domain::conditions::{AddressRange, Conditions};
use token_ledger::domain::decide::Recorded;
use token_ledger::domain::directory::Research;
use token_ledger::domain::event::{Cause, Event, Header};
use token_ledger::domain::ids::{AccountId, Position, TextNumber};
use token_ledger::domain::state::State;
use token_ledger::domain::supposition::Supposition;
use token_ledger::domain::text::{Subject, TextKind};
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::Owner;
use token_ledger::log::DataDir;

const SEEDS: u64 = 10;
const BATCHES: usize = 220;
const QUESTIONS: usize = 40;

type Record = (Position, Header, Event);

/// Whether each request was allowed, of those that left a record of their own.
fn verdicts<'a>(records: impl Iterator<Item = (&'a Header, &'a Event)>) -> BTreeMap<(u64, Vec<u8>), bool> {
    let mut verdicts = BTreeMap::new();
    let mut seen: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for (header, event) in records {
        let allowed = match event {
            Event::TokenUsed(_) => true,
            Event::TokenUseRefused(_) => false,
            _ => continue,
        };
        let request = header.request.0.to_vec();
        let number = seen.entry(request.clone()).or_default();
        verdicts.insert((*number, request), allowed);
        *number += 1;
    }
    verdicts
}

/// Something that might have been other than it was, of things that are there by the end.
fn supposition(
    random: &mut Random,
    state: &State,
    names: &BTreeMap<AccountId, Vec<TextNumber>>,
    span: (u64, u64),
) -> Option<Supposition> {
    let consumers: Vec<_> = state.tokens.iter().filter(|token| token.kind.is_consumer()).collect();
    let token = *random.pick(&consumers);
    let account = AccountId(1 + random.below(state.accounts.len() as u64));
    let member = state.account(account)?.members.keys().next().copied();
    let time = Timestamp(span.0 + random.below(span.1 - span.0 + 1));
    Some(match random.below(12) {
        0..3 => match token.owner {
            Owner::Account(of) => Supposition::TokenAccess(token.id, access(random, names.get(&of))),
            _ => Supposition::TokenExpiry(token.id, Some(time)),
        },
        3 => Supposition::TokenExpiry(token.id, Some(time)),
        4 => Supposition::TokenConditions(token.id, Conditions::new(Some(time), vec![])),
        5 => {
            let range = AddressRange::parse("192.0.2.0/29").expect("a range");
            Supposition::TokenConditions(token.id, Conditions::new(None, vec![range]))
        }
        6 => Supposition::NoToken(token.id),
        7 => Supposition::MemberAccess(account, member?, access(random, names.get(&account))),
        8 => Supposition::NoMember(account, member?),
        9 | 10 => Supposition::HourlyLimit(account, *random.pick(&[0, 1, 2, 3, 5, 9, 5_000])),
        _ => {
            let monthly_cap = Some(random.below(4));
            Supposition::Research(account, random.percent(60).then_some(Research { monthly_cap }))
        }
    })
}

fn access(random: &mut Random, names: Option<&Vec<TextNumber>>) -> Access {
    let mut grants = Vec::new();
    for group in [group::CERTIFICATES, group::DOMAIN_RESEARCH, group::DOMAINS, group::ZONES] {
        if random.percent(35) {
            continue;
        }
        let names = names.map(|names| names.iter().copied().filter(|_| random.percent(50)).collect::<Vec<_>>());
        let coverage = match (random.percent(30), names) {
            (false, Some(names)) if group != group::DOMAIN_RESEARCH => Coverage::Named(names),
            _ => Coverage::All,
        };
        grants.push(Grant { group, level: Level::ReadOnly, coverage });
    }
    if random.percent(10) { Access::Full } else { Access::Granted(grants) }
}

/// Names of resources by account, as far as they had numbers by a position: later ones may get others.
fn names_until(records: &[Record], until: Position) -> BTreeMap<AccountId, Vec<TextNumber>> {
    let mut names: BTreeMap<AccountId, Vec<TextNumber>> = BTreeMap::new();
    for (position, _, event) in records {
        if let Event::TextSeen(seen) = event
            && *position <= until
            && let (Subject::Account(account), TextKind::ResourceName) = (seen.subject, seen.kind)
        {
            names.entry(account).or_default().push(seen.number);
        }
    }
    names
}

/// What was made or changed, by request and type. A change that is supposed may let another one pass that was
/// refused, or the other way round, as a plan is not left while members with grants are there: from then on the two
/// stories are of different things, and the question speaks of the past with its changes as they were.
fn made<'a>(records: impl Iterator<Item = (&'a Header, &'a Event)>) -> BTreeSet<(Vec<u8>, u16)> {
    let is_made = |event: &Event| {
        matches!(
            event,
            Event::PlanChanged(_)
                | Event::HourlyLimitChanged(_)
                | Event::ResearchActivated(_)
                | Event::ResearchDeactivated(_)
                | Event::MemberAdded(_)
                | Event::MemberAccessChanged(_)
                | Event::MemberRemoved(_)
                | Event::TokenAccessChanged(_)
                | Event::TokenExpiryChanged(_)
                | Event::TokenConditionsChanged(_)
                | Event::AccountCreated(_)
                | Event::UserCreated(_)
                | Event::ResourceAdded(_)
                | Event::ResourceRemoved(_)
                | Event::TokenCreated(_)
                | Event::TokenImported(_)
                | Event::TokenRotated(_)
                | Event::TokenDeleted(_)
        )
    };
    records
        .filter(|(_, event)| is_made(event))
        .map(|(header, event)| (header.request.0.to_vec(), event.type_number()))
        .collect()
}

fn refused_by(found: &Found) -> BTreeSet<Position> {
    found.refused_uses.iter().map(|(position, ..)| *position).collect()
}

/// How often each kind of outcome was held against the rules.
#[derive(Default, Debug)]
struct Held {
    questions: u64,
    exact: u64,
    refused: BTreeMap<Cause, u64>,
    newly_allowed: BTreeMap<Cause, u64>,
    undeterminable: u64,
    narrowed: u64,
    reported: u64,
    /// Questions whose story was another one when it was decided again.
    other_stories: u64,
}

fn hold(held: &mut Held, records: &[Record], from: Position, found: &Found, again: &[Recorded]) {
    let was = verdicts(records.iter().map(|(_, header, event)| (header, event)));
    let would_be = verdicts(again.iter().map(|recorded| (&recorded.header, &recorded.event)));
    let mut ordinal: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    let refused = refused_by(found);
    held.questions += 1;
    for (group, seen) in &found.refused {
        *held.refused.entry(group.cause).or_default() += seen.count;
    }
    for (group, seen) in &found.newly_allowed {
        *held.newly_allowed.entry(group.cause).or_default() += seen.count;
    }
    held.undeterminable += found.undeterminable.values().map(|seen| seen.count).sum::<u64>();
    held.narrowed += found.narrowed.values().map(|list| list.seen.count).sum::<u64>();
    held.reported += found.reported.values().map(|seen| seen.count).sum::<u64>();
    // Where something could not be told, the windows after it may be others.
    let is_exact =
        !found.is_only_bound() && found.let_in.is_empty() && found.undeterminable.is_empty() && found.summed == 0;
    if !is_exact {
        return;
    }
    let as_it_was = made(records.iter().map(|(_, header, event)| (header, event)));
    if as_it_was != made(again.iter().map(|recorded| (&recorded.header, &recorded.event))) {
        held.other_stories += 1;
        return;
    }
    held.exact += 1;
    let mut newly_allowed = 0;
    for (position, header, event) in records {
        let was_allowed = match event {
            Event::TokenUsed(_) => true,
            Event::TokenUseRefused(_) => false,
            _ => continue,
        };
        let request = header.request.0.to_vec();
        let number = ordinal.entry(request.clone()).or_default();
        let key = (*number, request);
        *number += 1;
        assert_eq!(was.get(&key), Some(&was_allowed));
        if *position <= from {
            assert_eq!(would_be.get(&key), Some(&was_allowed), "nothing is supposed yet at {position}");
            continue;
        }
        // Without a record of its own it was refused and only counted.
        let is_allowed = would_be.get(&key).copied().unwrap_or(false);
        match was_allowed {
            true => assert_eq!(
                refused.contains(position),
                !is_allowed,
                "{position} {header:?} {event:?} {:?}",
                again.iter().find(|other| other.header.request == header.request)
            ),
            false => newly_allowed += u64::from(is_allowed),
        }
    }
    let told: u64 = found.newly_allowed.values().map(|seen| seen.count).sum();
    assert_eq!(told, newly_allowed);
}

#[test]
fn what_is_said_to_be_refused_is_refused_when_the_story_is_decided_again() {
    let mut held = Held::default();
    for seed in 0..SEEDS {
        let home = tempfile::tempdir().expect("a directory can be made");
        let dir = DataDir::new(home.path().join("ledger"));
        let clock = Clock::manual(BEGIN);
        let script = Script::play(&dir, &clock, seed, BATCHES);
        let records = records(&dir);
        let archive = Archive::open(&dir, clock.now()).expect("the log opens");
        let mut state = State::default();
        records.iter().for_each(|(_, header, event)| state.evolve(header, event));
        let mut random = Random::new(seed);
        for _ in 0..QUESTIONS {
            let from = Position(if random.percent(40) { 14 } else { 14 + random.below(archive.head().0 / 2) });
            let began = records.iter().find(|(position, ..)| *position > from).expect("a record").1.recorded_at;
            let names = names_until(&records, from);
            let span = (began.0, archive.now().0);
            let Some(supposed) = supposition(&mut random, &state, &names, span) else { continue };
            eprintln!("seed {seed} from {from} {supposed:?}");
            let supposed = [supposed];
            let found = what_if(&archive, &supposed, (from, archive.head())).expect("the log can be read");
            hold(&mut held, &records, from, &found, &script.again(from, &supposed));
        }
    }
    eprintln!("{held:#?}");
    assert!(held.exact * 2 > held.questions, "most questions could not be held against the rules");
    assert!(held.other_stories * 5 < held.exact, "too many stories went another way");
    assert!(held.refused.len() > 8 && held.newly_allowed.len() > 5, "causes were not met");
    assert!(held.undeterminable > 40 && held.reported > 10 && held.narrowed > 0);
}
