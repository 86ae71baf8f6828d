//! Quota attribution, held against windows that are counted by hand.

use crate::told::{Told, number, rows};
use replay_tests::random::Random;
use serde_json::Value;
use std::collections::BTreeMap;
use token_ledger::domain::event::{Cause, Event};
use token_ledger::domain::ids::{AccountId, Position, TokenId, UserId};
use token_ledger::domain::time::{Month, Timestamp};
use token_ledger::domain::token::Owner;

const SEEDS: u64 = 6;
const BATCHES: usize = 160;
const HOUR: u64 = 3_600;

#[derive(Clone, Copy)]
enum Pool {
    Account(AccountId),
    User(UserId),
}

/// A window: its limit, and what each token drew and was refused.
#[derive(Default, Debug, PartialEq)]
struct Counted {
    limit: u64,
    tokens: BTreeMap<TokenId, (u64, u64)>,
}

struct Windows {
    windows: BTreeMap<u64, Counted>,
    research: BTreeMap<(Month, TokenId), (u64, u64)>,
}

fn count(told: &Told, pool: Pool) -> Windows {
    let (mut windows, mut research) = (BTreeMap::<u64, Counted>::new(), BTreeMap::<_, (u64, u64)>::new());
    let (mut opened_at, mut limit, mut run) = (0, 0, 0);
    // First refusals: recorded by themselves, and in the total of their run again.
    let mut first: BTreeMap<u64, (u64, TokenId)> = BTreeMap::new();
    for (position, header, event) in &told.records {
        let owner = told.last().token(header.token).map(|token| token.owner);
        let is_of_pool = match pool {
            Pool::Account(account) => header.account == account,
            Pool::User(user) => header.account.is_none() && owner == Some(Owner::User(user)),
        };
        let state = told.state(*position);
        let new_limit = match pool {
            Pool::Account(account) => state.account(account).map(|account| account.hourly_limit),
            Pool::User(user) => state.user(user).map(|user| user.hourly_limit),
        };
        if let Some(new) = new_limit.filter(|new| *new != limit) {
            limit = new;
            let is_open = header.recorded_at.seconds() < opened_at + HOUR;
            if let Some(window) = windows.get_mut(&opened_at).filter(|_| is_open) {
                window.limit = new;
            }
        }
        match event {
            Event::RecordingStarted(_) => run += 1,
            Event::TokenUsed(used) if is_of_pool => {
                if opened_at == 0 || header.recorded_at.seconds() >= opened_at + HOUR {
                    opened_at = header.recorded_at.seconds();
                }
                let window = windows.entry(opened_at).or_default();
                window.limit = limit;
                window.tokens.entry(header.token).or_default().0 += u64::from(used.general);
                if used.research > 0 {
                    research.entry((header.recorded_at.month(), header.token)).or_default().0 +=
                        u64::from(used.research);
                }
            }
            Event::TokenUseRefused(refused) if is_of_pool => match refused.cause {
                Cause::QuotaExceeded => {
                    let window = windows.entry(opened_at).or_insert(Counted { limit, ..Counted::default() });
                    window.tokens.entry(header.token).or_default().1 += 1;
                    first.insert(opened_at, (run, header.token));
                }
                Cause::MonthlyCapReached => {
                    research.entry((header.recorded_at.month(), header.token)).or_default().1 += 1
                }
                _ => {}
            },
            Event::RefusalsSummed(summed) if is_of_pool => {
                let capped = summed.counts.iter().filter(|(cause, _)| *cause == Cause::MonthlyCapReached);
                let count: u64 = capped.map(|(_, count)| count).sum();
                if count > 0 {
                    research.entry((summed.first.month(), header.token)).or_default().1 += count;
                }
            }
            Event::QuotaRefusalsTotalled(totalled) => {
                let is_its = match pool {
                    Pool::Account(account) => header.account == account,
                    Pool::User(user) => header.account.is_none() && totalled.user == user,
                };
                let Some(window) = windows.get_mut(&totalled.window_opened_at).filter(|_| is_its) else { continue };
                for (token, count) in &totalled.counts {
                    let refused = &mut window.tokens.entry(*token).or_default().1;
                    *refused += count;
                    if first.get(&totalled.window_opened_at) == Some(&(run, *token)) && *count > 0 {
                        *refused -= 1;
                        first.remove(&totalled.window_opened_at);
                    }
                }
            }
            _ => {}
        }
    }
    Windows { windows, research }
}

fn opened(row: &Value) -> u64 {
    row["opened_at"].as_str().map_or(0, |text| Timestamp::parse(text).expect("a time").seconds())
}

fn hold(told: &Told, pool: Pool, span: (Option<Timestamp>, Option<Timestamp>), totals: &mut [u64; 3]) {
    let (from, to) = span;
    let mut asked = vec![match pool {
        Pool::Account(account) => ("account", account.0.to_string()),
        Pool::User(user) => ("user", user.0.to_string()),
    }];
    asked.extend(from.map(|at| ("from", at.to_micros_text())));
    asked.extend(to.map(|at| ("to", at.to_micros_text())));
    let answer = match told.try_ask("quota", &asked) {
        Ok(answer) => answer,
        Err(error) => {
            // Before it was there.
            assert!(to.is_some(), "{error}");
            return;
        }
    };
    let mut counted = count(told, pool);
    counted.windows.retain(|opened, _| {
        to.is_none_or(|to| Timestamp::from_seconds(*opened) < to)
            && from.is_none_or(|from| Timestamp::from_seconds(opened + HOUR) > from)
    });
    let last_month = to.map(|to| Timestamp(to.0 - 1).month());
    counted.research.retain(|(month, _), _| {
        from.is_none_or(|from| *month >= from.month()) && last_month.is_none_or(|last| *month <= last)
    });
    let mut said: BTreeMap<u64, Counted> = BTreeMap::new();
    for row in rows(&answer, "windows") {
        said.insert(opened(row), Counted { limit: number(row, "limit"), tokens: BTreeMap::new() });
    }
    for row in rows(&answer, "by_token") {
        let window = said.get_mut(&opened(row)).expect("its window is told");
        window.tokens.insert(TokenId(number(row, "token_id")), (number(row, "used"), number(row, "refused")));
    }
    assert_eq!(said, counted.windows, "{asked:?}");
    let research: BTreeMap<(String, u64), (u64, u64)> = rows(&answer, "research")
        .iter()
        .map(|row| {
            let key = (row["month"].as_str().expect("a month").to_owned(), number(row, "token_id"));
            (key, (number(row, "used"), number(row, "refused")))
        })
        .collect();
    let expected = counted
        .research
        .iter()
        .map(|((month, token), share)| ((format!("{:04}-{:02}", month.0 / 12, month.0 % 12 + 1), token.0), *share));
    assert_eq!(research, expected.collect(), "{asked:?}");
    totals[0] += said.len() as u64;
    totals[1] += said.values().flat_map(|window| window.tokens.values()).map(|(_, refused)| refused).sum::<u64>();
    totals[2] += research.len() as u64;
}

#[test]
fn who_used_how_much_of_a_window_is_what_the_records_of_it_add_up_to() {
    let mut totals = [0; 3];
    for seed in 0..SEEDS {
        let told = Told::new(seed, BATCHES);
        let mut random = Random::new(seed);
        let accounts = told.accounts().map(Pool::Account);
        let users = (1..=told.last().users.len() as u64).map(|user| Pool::User(UserId(user)));
        for pool in accounts.chain(users).collect::<Vec<_>>() {
            hold(&told, pool, (None, None), &mut totals);
            let mut time = || told.header(Position(1 + random.below(told.head().0))).recorded_at;
            let (one, other) = (time(), time());
            hold(&told, pool, (Some(one.min(other)), Some(Timestamp(one.max(other).0 + 1))), &mut totals);
        }
    }
    eprintln!("{totals:?} windows, refusals, months of research");
    assert!(totals[0] > 60 && totals[1] > 20 && totals[2] > 3, "{totals:?}");
}
