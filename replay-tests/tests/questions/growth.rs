//! Growth: sums over all tokens of an account, held against the state at every change.

use crate::told::{Told, access_at, number, rows, time};
use serde_json::Value;
use std::collections::BTreeMap;
use token_ledger::domain::access::{Access, Level, RequiredScope, Target, Verb, needs_research};
use token_ledger::domain::ids::{AccountId, Position, TextNumber, TokenId};
use token_ledger::domain::state::State;
use token_ledger::domain::time::Timestamp;

const SEEDS: u64 = 6;
const BATCHES: usize = 160;

/// What each token may do on an account in a state at a time.
fn held(state: &State, account: AccountId, at: Timestamp) -> BTreeMap<TokenId, Access> {
    let tokens = state.tokens.iter().map(|token| token.id);
    tokens.filter_map(|token| Some((token, access_at(state, token, account, at)?))).collect()
}

/// Tokens, full ones, grants, groups that can be read and written, summed over tokens.
fn sums(state: &State, account: AccountId, held: &BTreeMap<TokenId, Access>) -> [u64; 5] {
    let research = state.account(account).is_some_and(|account| account.research.is_some());
    let is_told = |group: u16| research || !needs_research(group);
    let mut sums = [held.len() as u64, 0, 0, 0, 0];
    for access in held.values() {
        match access {
            Access::Full => {
                sums[1] += 1;
                for group in state.groups.iter().filter(|group| is_told(group.number)) {
                    sums[3] += 1;
                    sums[4] += u64::from(group.has_write);
                }
            }
            Access::Granted(grants) => {
                for grant in grants {
                    sums[2] += 1;
                    sums[3] += u64::from(is_told(grant.group));
                    sums[4] += u64::from(is_told(grant.group) && grant.level == Level::FullAccess);
                }
            }
        }
    }
    sums
}

fn said_sums(row: &Value) -> [u64; 5] {
    ["tokens", "full", "grants", "can_read", "can_write"].map(|member| number(row, member))
}

/// Every scope that can make a difference.
fn scopes(told: &Told, account: AccountId) -> Vec<RequiredScope> {
    let mut names: Vec<TextNumber> = told.names(account).into_iter().map(|(name, _)| name).collect();
    names.push(TextNumber(u64::MAX));
    let targets = names.into_iter().map(Target::Name).chain([Target::All, Target::List, Target::Number(7)]);
    let targets: Vec<Target> = targets.collect();
    let groups = told.last().groups.iter().map(|group| group.number);
    groups
        .flat_map(|group| {
            let targets = targets.clone();
            [Verb::Read, Verb::Write].into_iter().flat_map(move |verb| {
                targets.clone().into_iter().map(move |target| RequiredScope { group, verb, target })
            })
        })
        .collect()
}

#[test]
fn what_all_tokens_could_do_is_the_sum_of_what_each_could() {
    let (mut compared, mut grown) = (0, 0);
    for seed in 0..SEEDS {
        let told = Told::new(seed, BATCHES);
        for account in told.accounts() {
            let answer = told.ask("growth", &[("account", account.0.to_string())]);
            let points = rows(&answer, "growth");
            let scopes = scopes(&told, account);
            let mut before: BTreeMap<TokenId, Access> = BTreeMap::new();
            let mut is_grown: BTreeMap<(u64, u64), ()> = BTreeMap::new();
            for at in (1..=told.head().0).map(Position).filter(|at| told.is_between_changes(*at)) {
                let state = told.state(at);
                let now = told.header(at).recorded_at;
                let holds = held(state, account, now);
                // The last point at or before: by the place, which is a time and a position.
                let point = points
                    .iter()
                    .rfind(|point| (time(point, "at").expect("a time"), number(point, "position")) <= (now, at.0));
                let expected = sums(state, account, &holds);
                assert_eq!(point.map_or([0; 5], said_sums), expected, "account {account} at {at}: {point:?}");
                compared += 1;
                for (token, access) in &holds {
                    let could = |scope: &RequiredScope| before.get(token).is_some_and(|before| before.allows(*scope));
                    let is_more = match before.get(token) {
                        None => true,
                        Some(Access::Full) => false,
                        Some(_) if *access == Access::Full => true,
                        Some(_) => scopes.iter().any(|scope| access.allows(*scope) && !could(scope)),
                    };
                    if is_more {
                        is_grown.insert((token.0, at.0), ());
                    }
                }
                before = holds;
            }
            // By which events: between two places compared there may be several edges of the clock.
            let said: Vec<(u64, u64)> =
                rows(&answer, "grew").iter().map(|row| (number(row, "token_id"), number(row, "position"))).collect();
            for (token, at) in is_grown.keys() {
                let is_said = said.iter().any(|(other, position)| other == token && position <= at);
                assert!(is_said, "token {token} could do more at {at}: {said:?}");
            }
            for row in rows(&answer, "grew") {
                grown += 1;
                let token = TokenId(number(row, "token_id"));
                let (at, position) = (time(row, "at").expect("a time"), Position(number(row, "position")));
                // At the instant itself it could do what it could not just before.
                let place = if row["type"] == "not_before" { told.last_until(at) } else { settled(&told, position) };
                assert!(access_at(told.state(place), token, account, at).is_some(), "{row}");
            }
            let months = told.ask("growth", &[("account", account.0.to_string()), ("by", "month".to_owned())]);
            for row in rows(&months, "growth") {
                let at = time(row, "at").expect("a time");
                let state = told.state(told.last_until(at));
                assert_eq!(said_sums(row), sums(state, account, &held(state, account, at)), "{row}");
            }
        }
    }
    eprintln!("{compared} sums, {grown} times grown");
    assert!(compared > 2_000 && grown > 40, "{compared} {grown}");
}

/// The end of the change that a record is part of.
fn settled(told: &Told, position: Position) -> Position {
    (position.0..=told.head().0).map(Position).find(|at| told.is_between_changes(*at)).unwrap_or(told.head())
}
