//! Least privilege: it covers every use, nothing can be taken from it, and what nobody used is told.

use crate::told::{Told, number, rows};
use replay_tests::random::Random;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use token_ledger::domain::access::{Access, Coverage, Grant, Level, RequiredScope, Target, Verb};
use token_ledger::domain::event::{AccessSource, Event};
use token_ledger::domain::ids::{AccountId, Position, TextNumber, TokenId};
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::Owner;

const SEEDS: u64 = 6;
const BATCHES: usize = 160;

/// Whose uses: tokens on an account, with the access in force.
struct Whose {
    account: AccountId,
    tokens: Vec<TokenId>,
    access: Access,
    asked: Vec<(&'static str, String)>,
}

fn everybody(told: &Told) -> Vec<Whose> {
    let state = told.last();
    let of_tokens = state.tokens.iter().filter_map(|token| match token.owner {
        Owner::Account(account) => Some(Whose {
            account,
            tokens: vec![token.id],
            access: token.access.clone(),
            asked: vec![("token", token.id.0.to_string())],
        }),
        _ => None,
    });
    let members = state.accounts.iter().flat_map(|account| account.members.iter().map(move |it| (account.id, it)));
    let of_members = members.map(|(account, (user, member))| Whose {
        account,
        tokens: state.tokens.iter().filter(|token| token.owner == Owner::User(*user)).map(|token| token.id).collect(),
        access: member.access.clone(),
        asked: vec![("account", account.0.to_string()), ("user", user.0.to_string())],
    });
    of_tokens.chain(of_members).collect()
}

/// Scopes with how often, the first and the last position.
type Used = BTreeMap<RequiredScope, (u64, Position, Position)>;

fn used(told: &Told, whose: &Whose, (after, through): (Position, Position)) -> Used {
    let mut used = Used::new();
    for (position, header, event) in told.records.iter().take(through.0 as usize).skip(after.0 as usize) {
        let scope = match event {
            // What a user asks of no account is under no access.
            Event::TokenUsed(used) if !matches!(used.source, AccessSource::Identity(_)) => used.scope,
            Event::UseReported(reported) => reported.scope,
            _ => None,
        };
        let Some(scope) = scope.filter(|_| header.account == whose.account && whose.tokens.contains(&header.token))
        else {
            continue;
        };
        let seen = used.entry(scope).or_insert((0, *position, *position));
        (seen.0, seen.2) = (seen.0 + 1, *position);
    }
    used
}

/// The access that the answer says, read back by the numbers of groups and names.
fn read_access(told: &Told, account: AccountId, access: &Value) -> Access {
    let names: BTreeMap<String, TextNumber> =
        told.names(account).into_iter().map(|(number, text)| (text, number)).collect();
    let grants = access["grants"].as_array().expect("grants").iter().map(|grant| {
        let group = told.last().group_named(grant["group"].as_str().expect("a group")).expect("it is there").number;
        let level = if grant["level"] == "full_access" { Level::FullAccess } else { Level::ReadOnly };
        let coverage = match grant["resources"].as_array() {
            None => Coverage::All,
            Some(resources) => {
                let mut numbers: Vec<TextNumber> =
                    resources.iter().map(|name| names[name.as_str().expect("a name")]).collect();
                numbers.sort_unstable();
                Coverage::Named(numbers)
            }
        };
        Grant { group, level, coverage }
    });
    Access::Granted(grants.collect())
}

/// Every access that lets do less in one way: without a grant, without writing, without a name.
fn smaller(access: &Access) -> Vec<Access> {
    let Access::Granted(grants) = access else { panic!("the smallest access is full") };
    let mut all = Vec::new();
    for (at, grant) in grants.iter().enumerate() {
        let with = |other: Option<Grant>| {
            let mut grants = grants.clone();
            match other {
                Some(other) => grants[at] = other,
                None => drop(grants.remove(at)),
            }
            Access::Granted(grants)
        };
        all.push(with(None));
        if grant.level == Level::FullAccess {
            all.push(with(Some(Grant { level: Level::ReadOnly, ..grant.clone() })));
        }
        if let Coverage::Named(names) = &grant.coverage {
            for name in names {
                let rest = names.iter().copied().filter(|other| other != name).collect();
                all.push(with(Some(Grant { coverage: Coverage::Named(rest), ..grant.clone() })));
            }
        }
    }
    all
}

/// Groups of which a list was used and no name: they keep what the list showed.
fn is_listed_alone(used: &Used, group: u16) -> bool {
    let mut targets = used.keys().filter(|scope| scope.group == group).map(|scope| scope.target);
    targets.clone().any(|target| target == Target::List) && !targets.any(|target| matches!(target, Target::Name(_)))
}

fn hold_smallest(told: &Told, whose: &Whose, used: &Used, answer: &Value) {
    let access = read_access(told, whose.account, &answer["summary"]["access"]);
    let uncovered: Vec<&Value> = rows(answer, "scopes").iter().filter(|row| row["covered"] == false).collect();
    let missed: Vec<&RequiredScope> = used.keys().filter(|scope| !access.allows(**scope)).collect();
    assert_eq!(missed.len(), uncovered.len(), "{missed:?}");
    // Only what no name covers is not: a number that was no resource's.
    assert!(missed.iter().all(|scope| matches!(scope.target, Target::Number(_))), "{missed:?}");
    let is_needed = |scope: &&RequiredScope| access.allows(**scope);
    for smaller in smaller(&access) {
        let breaks = used.keys().filter(is_needed).any(|scope| !smaller.allows(*scope));
        let Access::Granted(grants) = &smaller else { continue };
        let Access::Granted(all) = &access else { continue };
        let changed = all.iter().find(|grant| !grants.contains(grant)).expect("one is smaller");
        // Of what was only listed it keeps the names that the list showed.
        let is_kept = is_listed_alone(used, changed.group) && grants.iter().any(|grant| grant.group == changed.group);
        assert!(breaks || is_kept, "{smaller:?} covers everything that {access:?} does: {used:?}");
    }
    let Access::Granted(grants) = &access else { return };
    for grant in grants.iter().filter(|grant| grant.coverage == Coverage::All) {
        let group = told.last().groups.get(u64::from(grant.group)).expect("it is there");
        let asked_all = used.keys().any(|scope| scope.group == grant.group && scope.target == Target::All);
        let current_is_all = match &whose.access {
            Access::Full => true,
            Access::Granted(grants) => {
                grants.iter().any(|other| other.group == grant.group && other.coverage == Coverage::All)
            }
        };
        let listed = is_listed_alone(used, grant.group) && current_is_all;
        assert!(!group.restrictable || asked_all || listed, "{grant:?} of {used:?}");
    }
}

fn hold_counts(told: &Told, used: &Used, answer: &Value) {
    let words = told.archive.words();
    let expected: BTreeMap<String, (u64, u64, u64)> = used
        .iter()
        .map(|(scope, (count, first, last))| (json!(words.scope(*scope)).to_string(), (*count, first.0, last.0)))
        .collect();
    let said: BTreeMap<String, (u64, u64, u64)> = rows(answer, "scopes")
        .iter()
        .map(|row| {
            let figures = (number(row, "uses"), number(row, "first_position"), number(row, "last_position"));
            (row["scope"].to_string(), figures)
        })
        .collect();
    assert_eq!(said, expected);
    for row in rows(answer, "grants") {
        let group = told.last().group_named(row["group"].as_str().expect("a group")).expect("it is there").number;
        let of_group = || used.iter().filter(|(scope, _)| scope.group == group).map(|(_, seen)| seen);
        assert_eq!(number(row, "uses"), of_group().map(|seen| seen.0).sum::<u64>());
        assert_eq!(Some(number(row, "first_position")), of_group().map(|seen| seen.1.0).min());
        assert_eq!(Some(number(row, "last_position")), of_group().map(|seen| seen.2.0).max());
    }
}

/// What is told as not used really was not, and every group that was not is told.
fn hold_unused(told: &Told, whose: &Whose, used: &Used, answer: &Value) -> usize {
    let state = told.last();
    let group_of = |name: &Value| state.group_named(name.as_str().expect("a group")).expect("it is there").number;
    let is_used = |group: u16| used.keys().any(|scope| scope.group == group);
    let told_unused = rows(answer, "unused");
    for row in told_unused {
        let group = group_of(&row["group"]);
        match row["what"].as_str().unwrap_or_default() {
            "writing" => assert!(!used.keys().any(|scope| scope.group == group && scope.verb == Verb::Write), "{row}"),
            "the name" => {
                let names = told.names(whose.account);
                let is_it = |scope: &RequiredScope| {
                    names
                        .iter()
                        .any(|(number, text)| row["resource"] == **text && scope.target == Target::Name(*number))
                };
                assert!(!used.keys().any(|scope| scope.group == group && is_it(scope)), "{row}");
            }
            "all but the names used" => assert!(is_used(group), "{row}"),
            whole => assert!(whole.starts_with("the whole grant") && !is_used(group), "{row}"),
        }
    }
    let granted: Vec<u16> = match &whose.access {
        Access::Full => state.groups.iter().map(|group| group.number).collect(),
        Access::Granted(grants) => grants.iter().map(|grant| grant.group).collect(),
    };
    for group in granted.into_iter().filter(|group| !is_used(*group)) {
        let is_told = told_unused.iter().any(|row| {
            group_of(&row["group"]) == group && row["what"].as_str().is_some_and(|what| what.starts_with("the whole"))
        });
        assert!(is_told, "nobody used {group}: {answer:#}");
    }
    told_unused.len()
}

#[test]
fn the_smallest_access_covers_every_use_and_nothing_can_be_taken_from_it() {
    let (mut questions, mut with_uses, mut unused) = (0, 0, 0);
    for seed in 0..SEEDS {
        let told = Told::new(seed, BATCHES);
        let mut random = Random::new(seed);
        for whose in everybody(&told) {
            let mut asked = whose.asked.clone();
            let mut after = Position(0);
            if random.percent(40) {
                let from = Timestamp(told.header(Position(1 + random.below(told.head().0))).recorded_at.0);
                after = told.last_until(Timestamp(from.0 - 1));
                asked.push(("from", from.to_micros_text()));
            }
            let answer = told.ask("least-privilege", &asked);
            let used = used(&told, &whose, (after, told.head()));
            // The generator asks in groups that nobody defined, too: there is no word for those.
            if used.keys().any(|scope| told.last().groups.get(u64::from(scope.group)).is_none()) {
                continue;
            }
            hold_smallest(&told, &whose, &used, &answer);
            hold_counts(&told, &used, &answer);
            unused += hold_unused(&told, &whose, &used, &answer);
            questions += 1;
            with_uses += usize::from(!used.is_empty());
        }
    }
    eprintln!("{questions} questions, {with_uses} with uses, {unused} unused");
    assert!(questions > 60 && with_uses > 30 && unused > 60, "{questions} {with_uses} {unused}");
}
