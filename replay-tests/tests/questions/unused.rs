//! Unused and stale tokens, held against the projection of last uses folded to the same place.

use crate::told::{Told, number, rows, user_of};
use replay_tests::random::Random;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use token_ledger::domain::access::{Access, Level, RequiredScope, Target, Verb};
use token_ledger::domain::event::Event;
use token_ledger::domain::ids::{AccountId, Position, TokenId};
use token_ledger::domain::state::State;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Owner, Principal, Token, TokenKind};
use token_ledger::projections::Projections;

const SEEDS: u64 = 24;
const BATCHES: usize = 160;
const DAY_MICROS: u64 = 86_400_000_000;

fn is_of(state: &State, token: &Token, account: Option<AccountId>) -> bool {
    let Some(account) = account else { return true };
    match token.owner {
        Owner::Account(owner) => owner == account,
        Owner::User(user) => state
            .account(account)
            .is_some_and(|it| it.members.contains_key(&user) || it.past_members.contains_key(&user)),
        Owner::Service => false,
    }
}

fn by_token<'a>(answer: &'a Value, table: &str) -> BTreeMap<TokenId, &'a Value> {
    rows(answer, table).iter().map(|row| (TokenId(number(row, "token_id")), row)).collect()
}

struct Case<'a> {
    told: &'a Told,
    whole: &'a Projections,
    at: Timestamp,
    account: Option<AccountId>,
    days: u64,
    expiring_within: u64,
}

impl Case<'_> {
    fn live(&self) -> impl Iterator<Item = &Token> {
        let state = &self.whole.state;
        state.tokens.iter().filter(|token| token.deleted_at.is_none() && is_of(state, token, self.account))
    }

    fn hold_unused(&self, answer: &Value, seen: &mut BTreeMap<&'static str, usize>) {
        let said = by_token(answer, "unused");
        let mut expected = BTreeSet::new();
        for token in self.live() {
            let last = self.whole.last_used.token(token.id).map(|uses| uses.last_at);
            let since = last.or(token.imported_at).unwrap_or(token.created_at);
            if since.0 + self.days * DAY_MICROS <= self.at.0 {
                expected.insert(token.id);
                let row = said.get(&token.id).unwrap_or_else(|| panic!("{} is not told", token.id));
                let status = self.whole.last_used.status(token);
                assert_eq!(row["last_used_status"], status, "{row}");
                assert_eq!(row["last_used_at"].as_str(), last.map(|at| at.to_micros_text()).as_deref(), "{row}");
                let position = self.whole.last_used.token(token.id).map(|uses| uses.last_position.0);
                assert_eq!(row["last_used_position"].as_u64(), position, "{row}");
                *seen.entry(status).or_default() += 1;
            }
        }
        assert_eq!(said.into_keys().collect::<BTreeSet<_>>(), expected);
    }

    fn hold_expiring(&self, answer: &Value) {
        let said: BTreeMap<TokenId, bool> =
            by_token(answer, "expiring").into_iter().map(|(token, row)| (token, row["has_expired"] == true)).collect();
        let ends = self.live().filter_map(|token| Some((token.id, token.expires_at?)));
        let near = ends.filter(|(_, end)| end.0 <= self.at.0 + self.expiring_within * DAY_MICROS);
        assert_eq!(said, near.map(|(token, end)| (token, end <= self.at)).collect());
    }

    fn hold_left(&self, answer: &Value) -> usize {
        let said: BTreeSet<TokenId> = by_token(answer, "owner_left").into_keys().collect();
        let state = &self.whole.state;
        let has_left = |token: &&Token| {
            state.accounts.iter().filter(|account| self.account.is_none_or(|only| only == account.id)).any(|account| {
                let gone = |user| account.past_members.contains_key(&user) && !account.members.contains_key(&user);
                match (token.owner, token.created_by) {
                    (Owner::User(user), _) => gone(user),
                    (Owner::Account(owner), Principal::User(user)) => owner == account.id && gone(user),
                    _ => false,
                }
            })
        };
        assert_eq!(said, self.live().filter(has_left).map(|token| token.id).collect());
        said.len()
    }

    /// Scopes that some tokens used on an account within the days.
    fn used(&self, tokens: &[TokenId], account: AccountId) -> BTreeSet<RequiredScope> {
        let begin = Timestamp(self.at.0.saturating_sub(self.days * DAY_MICROS));
        let recent = self.told.records.iter().take(self.whole.position.0 as usize);
        recent
            .filter(|(_, header, _)| {
                header.recorded_at >= begin && header.account == account && tokens.contains(&header.token)
            })
            .filter_map(|(.., event)| match event {
                Event::TokenUsed(used) => used.scope,
                Event::UseReported(reported) => reported.scope,
                _ => None,
            })
            .collect()
    }

    /// Whoever holds an access and used something: grants that nobody used, and writing that nobody did.
    fn hold_over_broad(&self, answer: &Value) -> usize {
        let state = &self.whole.state;
        let works = |token: &Token| token.works().is_some_and(|works| works.until.is_none_or(|end| end > self.at));
        let mut expected = BTreeSet::new();
        let mut of =
            |account: AccountId, token: Option<TokenId>, user: Option<u64>, access: &Access, tokens: &[TokenId]| {
                let used = self.used(tokens, account);
                if used.is_empty() {
                    return;
                }
                let wrote = |group: Option<u16>| {
                    used.iter().any(|scope| scope.verb == Verb::Write && group.is_none_or(|group| group == scope.group))
                };
                let mut add = |group: Option<u16>, finding: &str| {
                    let name =
                        group.and_then(|group| state.groups.get(u64::from(group))).map(|group| group.name.clone());
                    expected.insert((account.0, token.map(|token| token.0), user, name, finding.to_owned()));
                };
                match access {
                    Access::Full => {
                        let groups: BTreeSet<u16> = used.iter().map(|scope| scope.group).collect();
                        if let (1, Some(group)) = (groups.len(), groups.first()) {
                            add(Some(*group), "full access, and only one group was used");
                        }
                        if !wrote(None) {
                            add(None, "full access, and nothing was written");
                        }
                    }
                    Access::Granted(grants) => {
                        for grant in grants {
                            let mut of_group = used.iter().filter(|scope| scope.group == grant.group).peekable();
                            if of_group.peek().is_none() {
                                add(Some(grant.group), "the grant was not used");
                                continue;
                            }
                            if grant.level == Level::FullAccess && !wrote(Some(grant.group)) {
                                add(Some(grant.group), "full_access, and nothing was written");
                            }
                            let targets: Vec<Target> = of_group.map(|scope| scope.target).collect();
                            if targets.iter().any(|target| matches!(target, Target::List | Target::All)) {
                                continue;
                            }
                            match &grant.coverage {
                                token_ledger::domain::access::Coverage::All => {
                                    add(Some(grant.group), "all resources, and only these were used");
                                }
                                token_ledger::domain::access::Coverage::Named(names) => {
                                    if names.iter().any(|name| !targets.contains(&Target::Name(*name))) {
                                        add(Some(grant.group), "these were not used");
                                    }
                                }
                            }
                        }
                    }
                }
            };
        for token in self.live().filter(|token| works(token)) {
            if let (TokenKind::Account, Owner::Account(account)) = (token.kind, token.owner) {
                of(account, Some(token.id), None, &token.access, &[token.id]);
            }
            // What both the authorization and the member's access allow.
            if let (TokenKind::OAuth, Owner::Account(account), Some(by)) = (token.kind, token.owner, &token.authorized)
                && let Some(member) = state.account(account).and_then(|it| it.members.get(&by.user))
            {
                of(account, Some(token.id), Some(by.user.0), &token.access.within_both(&member.access), &[token.id]);
            }
        }
        for account in state.accounts.iter().filter(|account| self.account.is_none_or(|only| only == account.id)) {
            for (user, member) in account.members.iter() {
                let tokens: Vec<TokenId> = self
                    .live()
                    .filter(|token| works(token) && token.kind == TokenKind::User && user_of(token) == Some(user.0))
                    .map(|token| token.id)
                    .collect();
                of(account.id, None, Some(user.0), &member.access, &tokens);
            }
        }
        let said: BTreeSet<_> = rows(answer, "over_broad")
            .iter()
            .map(|row| {
                let text = |member: &str| row[member].as_str().map(str::to_owned);
                let finding = text("finding").expect("a finding");
                (number(row, "account_id"), row["token_id"].as_u64(), row["user_id"].as_u64(), text("group"), finding)
            })
            .collect();
        assert_eq!(said, expected);
        said.len()
    }
}

#[test]
fn what_is_unused_is_what_no_record_used() {
    let mut seen: BTreeMap<&'static str, usize> = BTreeMap::new();
    let (mut left, mut over_broad) = (0, 0);
    for seed in 0..SEEDS {
        let told = Told::new(seed, BATCHES);
        let mut random = Random::new(seed);
        for round in 0..8 {
            let position = Position(told.head().0 * (round + 1) / 8);
            let mut whole = Projections::default();
            for (at, header, event) in told.records.iter().take(position.0 as usize) {
                whole.fold(*at, header, event);
            }
            let at = told.header(position).recorded_at;
            let there: Vec<AccountId> = whole.state.accounts.iter().map(|account| account.id).take(8).collect();
            let account = random.pick_of(there.into_iter());
            let account = account.filter(|_| random.percent(60));
            let (days, expiring_within) = (1 + random.below(12), 1 + random.below(40));
            let mut asked = vec![
                ("as_of", position.0.to_string()),
                ("days", days.to_string()),
                ("expiring_within", expiring_within.to_string()),
            ];
            asked.extend(account.map(|account| ("account", account.0.to_string())));
            let answer = told.ask("unused", &asked);
            let case = Case { told: &told, whole: &whole, at, account, days, expiring_within };
            case.hold_unused(&answer, &mut seen);
            case.hold_expiring(&answer);
            left += case.hold_left(&answer);
            over_broad += case.hold_over_broad(&answer);
        }
    }
    eprintln!("{seen:?} {left} left, {over_broad} over-broad");
    assert!(seen.len() == 3 && seen.values().all(|count| *count > 0), "{seen:?}");
    assert!(left > 0 && over_broad > 25, "{left} {over_broad}");
}
