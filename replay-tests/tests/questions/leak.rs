//! The leak report, held against every use since, every state since, and everything before.

use crate::told::{Told, number, rows, works};
use replay_tests::random::Random;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use token_ledger::audit::questions::leak::hashed;
use token_ledger::domain::access::{RequiredScope, Target, Verb, group};
use token_ledger::domain::directory::ResourceKind;
use token_ledger::domain::event::{Event, Header};
use token_ledger::domain::ids::{AccountId, Position, ResourceId, TextNumber, TokenId};
use token_ledger::domain::state::by_of;
use token_ledger::domain::time::Timestamp;

const SEEDS: u64 = 6;
const BATCHES: usize = 160;

/// From where a record shows a token: address and agent, and which secret.
fn shown(header: &Header, event: &Event, token: TokenId) -> Option<(TextNumber, TextNumber, u32)> {
    match event {
        Event::TokenUsed(used) if header.token == token => Some((used.address, used.agent, used.secret)),
        Event::TokenUseRefused(refused) if header.token == token => {
            Some((refused.address, refused.agent, refused.secret))
        }
        Event::ManagementRefused(refused) if header.token == token => {
            Some((refused.address, refused.agent, refused.secret))
        }
        other if header.credential == token => by_of(other).map(|by| (by.address, by.agent, by.secret)),
        _ => None,
    }
}

fn is_a_use(event: &Event) -> bool {
    matches!(event, Event::TokenUsed(_) | Event::TokenUseRefused(_) | Event::ManagementRefused(_))
}

struct Case<'a> {
    told: &'a Told,
    token: TokenId,
    since: Position,
}

impl Case<'_> {
    fn records_since(&self) -> impl Iterator<Item = &(Position, Header, Event)> {
        self.told.records.iter().skip(self.since.0 as usize)
    }

    fn hold_uses(&self, answer: &Value) -> u64 {
        let mine = || self.records_since().filter(|(_, header, event)| header.token == self.token && is_a_use(event));
        let positions: Vec<u64> = mine().map(|(position, ..)| position.0).collect();
        let said: Vec<u64> = rows(answer, "uses").iter().map(|row| number(row, "position")).collect();
        assert_eq!(said, positions);
        let uses = mine().filter(|(.., event)| matches!(event, Event::TokenUsed(_))).count() as u64;
        assert_eq!(answer["summary"]["uses_since"], uses);
        assert_eq!(answer["summary"]["refusals_since"], positions.len() as u64 - uses);
        let mut by_secret: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for (_, header, event) in mine() {
            let (.., secret) = shown(header, event, self.token).expect("it is a use");
            let (uses, refusals) = by_secret.entry(u64::from(secret)).or_default();
            *(if matches!(event, Event::TokenUsed(_)) { uses } else { refusals }) += 1;
        }
        let token = self.told.last().token(self.token).expect("it is there");
        let expected: Vec<Value> = token
            .secrets
            .iter()
            .map(|secret| {
                let (uses, refusals) = by_secret.get(&u64::from(secret.number)).copied().unwrap_or_default();
                let not_after = secret.not_after.map(|at| at.to_micros_text());
                json!([secret.number, hashed(secret.digest), not_after, uses, refusals])
            })
            .collect();
        let cells = ["secret", "hashed_token", "not_after", "uses_since", "refusals_since"];
        let secrets = rows(answer, "secrets").iter().map(|row| cells.iter().map(|cell| row[*cell].clone()).collect());
        assert_eq!(secrets.collect::<Vec<Value>>(), expected);
        uses
    }

    /// New is what no record up to then shows of the token.
    fn hold_origins(&self, answer: &Value) -> u64 {
        let of = |pick: fn((TextNumber, TextNumber, u32)) -> TextNumber| {
            let before: BTreeSet<TextNumber> = self
                .told
                .records
                .iter()
                .take(self.since.0 as usize)
                .filter_map(|(_, header, event)| shown(header, event, self.token).map(pick))
                .collect();
            let since: BTreeSet<TextNumber> = self
                .records_since()
                .filter(|(_, header, event)| header.token == self.token && is_a_use(event))
                .filter_map(|(_, header, event)| shown(header, event, self.token).map(pick))
                .collect();
            let new = since.iter().filter(|number| !number.is_none() && !before.contains(number)).count() as u64;
            (since.len(), new)
        };
        let mut told_new = 0;
        for (table, summary, (all, new)) in
            [("addresses", "new_addresses", of(|it| it.0)), ("agents", "new_agents", of(|it| it.1))]
        {
            assert_eq!(rows(answer, table).len(), all, "{table}");
            assert_eq!(rows(answer, table).iter().filter(|row| row["is_new"] == true).count() as u64, new, "{table}");
            assert_eq!(answer["summary"][summary], new);
            told_new += new;
        }
        told_new
    }

    /// Instants of a state: when it began, and when the token begins to work within it.
    fn instants(&self, position: Position) -> Vec<Timestamp> {
        let begins = self.told.header(position).recorded_at;
        let next = self.told.records.get(position.0 as usize).map(|(_, header, _)| header.recorded_at);
        let ends = next.unwrap_or(Timestamp(self.told.now().0 + 1));
        let token = self.told.state(position).token(self.token);
        let not_before = token.and_then(|token| token.conditions().not_before);
        // The state at the moment itself lasts only if time goes on.
        let first = (position > self.since || begins < ends).then_some(begins);
        first.into_iter().chain(not_before.filter(|at| *at > begins && *at < ends)).collect()
    }

    fn hold_reach(&self, answer: &Value) -> usize {
        let mut reachable: BTreeMap<(AccountId, ResourceId), (ResourceKind, TextNumber, bool)> = BTreeMap::new();
        let through = self.told.head();
        for position in (self.since.0..=through.0).map(Position).filter(|at| self.told.is_between_changes(*at)) {
            let state = self.told.state(position);
            let Some(token) = state.token(self.token) else { continue };
            if !self.instants(position).into_iter().any(|at| works(token, at)) {
                continue;
            }
            for account in state.accounts.iter() {
                let Some((_, access, _)) = state.access_on(token, account.id) else { continue };
                for (&id, &kind) in account.resources.iter() {
                    let name = state.resources.get(id.0).expect("it is there").name;
                    let group = match kind {
                        ResourceKind::Domain => group::DOMAINS,
                        ResourceKind::Zone => group::ZONES,
                        ResourceKind::Certificate => group::CERTIFICATES,
                    };
                    let allows = |verb| access.allows(RequiredScope { group, verb, target: Target::Name(name) });
                    if allows(Verb::Read) {
                        let entry = reachable.entry((account.id, id)).or_insert((kind, name, false));
                        entry.2 |= allows(Verb::Write);
                    }
                }
            }
        }
        let (mut touched, mut named) = (BTreeSet::new(), BTreeSet::new());
        for (_, header, event) in self.records_since().filter(|(_, header, _)| header.token == self.token) {
            let Event::TokenUsed(used) = event else { continue };
            touched.insert(used.resource);
            if let Some(RequiredScope { group, target: Target::Name(name), .. }) = used.scope {
                named.insert((header.account, group, name));
            }
        }
        let expected: BTreeMap<(u64, u64), bool> = reachable
            .into_iter()
            .filter(|((account, id), (kind, name, _))| {
                let group = match kind {
                    ResourceKind::Domain => group::DOMAINS,
                    ResourceKind::Zone => group::ZONES,
                    ResourceKind::Certificate => group::CERTIFICATES,
                };
                !touched.contains(id) && !named.contains(&(*account, group, *name))
            })
            .map(|((account, id), (_, _, writes))| ((account.0, id.0), writes))
            .collect();
        let said: BTreeMap<(u64, u64), bool> = rows(answer, "untouched")
            .iter()
            .map(|row| ((number(row, "account_id"), number(row, "resource_id")), row["could"] == "read and write"))
            .collect();
        assert_eq!(said, expected, "token {} since {}", self.token, self.since);
        said.len()
    }

    fn hold_changes(&self, answer: &Value) -> usize {
        let made =
            self.records_since().filter(|(_, header, event)| header.credential == self.token && by_of(event).is_some());
        let said: Vec<u64> = rows(answer, "changes").iter().map(|row| number(row, "position")).collect();
        assert_eq!(said, made.map(|(position, ..)| position.0).collect::<Vec<_>>());
        said.len()
    }
}

#[test]
fn a_leak_report_says_what_the_records_since_and_before_say() {
    let (mut uses, mut new, mut untouched, mut changes) = (0, 0, 0, 0);
    for seed in 0..SEEDS {
        let told = Told::new(seed, BATCHES);
        let mut random = Random::new(seed);
        for token in told.last().tokens.iter() {
            let since = Position(1 + random.below(told.head().0));
            let by_digest = random.percent(30).then(|| ("hashed_token", hashed(token.secrets[0].digest)));
            let which = by_digest.unwrap_or(("token", token.id.0.to_string()));
            let answer = told.ask("leak", &[which, ("since", since.0.to_string())]);
            assert_eq!(answer["summary"]["token"], token.id.0);
            let case = Case { told: &told, token: token.id, since };
            uses += case.hold_uses(&answer);
            new += case.hold_origins(&answer);
            untouched += case.hold_reach(&answer);
            changes += case.hold_changes(&answer);
        }
    }
    eprintln!("{uses} uses, {new} new, {untouched} untouched, {changes} changes");
    assert!(uses > 100 && new > 50 && untouched > 15 && changes > 20, "{uses} {new} {untouched} {changes}");
}
