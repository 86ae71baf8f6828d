//! Explanations of refusals against a reading of the whole log: for every refusal of random stories, the event that took
//! the access away, the end, the last success and the limit are those that the folded states show one after the other.
//! And an explanation is the same right after the refusal as at the end of the story.

use replay_tests::checks::records;
use replay_tests::generator::{BEGIN, Generator};
use std::collections::BTreeMap;
use std::net::IpAddr;
use token_ledger::audit::explanation::{Clues, Explanation, Refusal, Search, explain};
use token_ledger::clock::Clock;
use token_ledger::domain::access::{Access, Target};
use token_ledger::domain::conditions::Conditions;
use token_ledger::domain::event::{AccessSource, Cause, Event, Header, Route};
use token_ledger::domain::ids::{AccountId, Position, TokenId, UserId};
use token_ledger::domain::state::State;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::Principal;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::Core;
use token_ledger::log::DataDir;
use token_ledger::log::reader::LogReader;
use token_ledger::projections::Projections;

const SEEDS: u64 = 24;
const COMMANDS: usize = 900;

/// What is followed through the states: each thing with its value after every position that changed it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Thing {
    Access(TokenId),
    Member(AccountId, UserId),
    Deleted(TokenId),
    Expiry(TokenId),
    Conditions(TokenId),
    Secret(TokenId, u32),
    Research(AccountId),
    Limit(AccountId),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Value {
    Access(Access),
    At(Timestamp),
    Number(u64),
    Conditions(Conditions),
}

type Past = BTreeMap<Thing, Vec<(Position, Option<Value>)>>;

/// Every thing with its value now.
fn things(state: &State) -> Vec<(Thing, Option<Value>)> {
    let mut things = Vec::new();
    for token in state.tokens.iter() {
        things.push((Thing::Access(token.id), Some(Value::Access(token.access.clone()))));
        things.push((Thing::Deleted(token.id), token.deleted_at.map(Value::At)));
        things.push((Thing::Expiry(token.id), token.expires_at.map(Value::At)));
        things.push((Thing::Conditions(token.id), Some(Value::Conditions(token.conditions().clone()))));
        let secrets = token.secrets.iter();
        things.extend(secrets.map(|secret| (Thing::Secret(token.id, secret.number), secret.not_after.map(Value::At))));
    }
    for account in state.accounts.iter() {
        let cap = |cap: Option<u64>| Value::Number(cap.unwrap_or(u64::MAX));
        things.push((Thing::Research(account.id), account.research.map(|research| cap(research.monthly_cap))));
        things.push((Thing::Limit(account.id), Some(Value::Number(account.hourly_limit))));
        for user in state.users.iter() {
            let access = account.members.get(&user.id).map(|member| Value::Access(member.access.clone()));
            things.push((Thing::Member(account.id, user.id), access));
        }
    }
    things
}

fn observe(past: &mut Past, position: Position, state: &State) {
    for (thing, value) in things(state) {
        let values = past.entry(thing).or_default();
        if values.last().is_none_or(|(_, last)| *last != value) {
            values.push((position, value));
        }
    }
}

/// A refusal with what was known when it happened.
struct Seen {
    refusal: Refusal,
    opened_at: Option<u64>,
    clues: Clues,
}

/// The oracle: the states and uses before a refusal.
struct Oracle<'a> {
    past: &'a Past,
    records: &'a [(Position, Header, Event)],
    refusal: &'a Refusal,
    /// Where the refused request came from; none if that is not known.
    from: Option<IpAddr>,
}

impl Oracle<'_> {
    fn values(&self, thing: &Thing) -> Vec<&(Position, Option<Value>)> {
        let values = self.past.get(thing).map(Vec::as_slice).unwrap_or_default();
        values.iter().filter(|(position, _)| *position < self.refusal.position).collect()
    }

    /// The last position where it was one way before, and another after.
    fn turned(&self, thing: &Thing, was: impl Fn(&Option<Value>) -> bool) -> Option<Position> {
        let values = self.values(thing);
        let turns = values.windows(2).filter(|two| was(&two[0].1) && !was(&two[1].1));
        turns.map(|two| two[1].0).next_back()
    }

    fn last(&self, thing: &Thing) -> Option<(Position, Option<Value>)> {
        self.values(thing).last().copied().cloned()
    }

    fn user(&self) -> Option<UserId> {
        match self.refusal.header.principal {
            Principal::User(user) => Some(user),
            _ => None,
        }
    }

    /// The membership that an OAuth token follows, as its creation says.
    fn authorizer(&self) -> Option<Thing> {
        let Header { account, token, .. } = self.refusal.header;
        self.records.iter().find_map(|(_, header, event)| match event {
            Event::TokenCreated(created) if header.token == token => {
                created.authorized.as_ref().map(|authorized| Thing::Member(account, authorized.user))
            }
            _ => None,
        })
    }

    fn taken_away_by(&self) -> Option<Position> {
        let Refusal { header, cause, secret, scope, source, asked_account, .. } = *self.refusal;
        let is_there = |value: &Option<Value>| value.is_some();
        match cause {
            Cause::MissingScope => {
                let covers = |value: &Option<Value>| matches!(value, Some(Value::Access(access)) if access.allows(scope.expect("a scope")));
                let thing = match source {
                    Some(AccessSource::Membership(_)) => Thing::Member(header.account, self.user()?),
                    // What was authorised never changes: what it does not cover, nobody took away.
                    Some(AccessSource::Authorization(..)) => {
                        let (_, authorized) = self.last(&Thing::Access(header.token))?;
                        return covers(&authorized).then(|| self.turned(&self.authorizer()?, covers)).flatten();
                    }
                    _ => Thing::Access(header.token),
                };
                self.turned(&thing, covers)
            }
            Cause::ForeignAccount => self.turned(&Thing::Member(asked_account, self.user()?), is_there),
            Cause::MissingFeature => self.turned(&Thing::Research(header.account), is_there),
            Cause::TokenDeleted => self.last(&Thing::Deleted(header.token)).map(|(position, _)| position),
            Cause::TokenExpired => {
                let values = self.values(&Thing::Expiry(header.token));
                (values.len() > 1).then(|| values[values.len() - 1].0)
            }
            Cause::SecretEnded => self.last(&Thing::Secret(header.token, secret)).map(|(position, _)| position),
            Cause::NotYetValid => self.conditioned(|conditions| conditions.has_begun(header.recorded_at)),
            Cause::AddressNotAllowed => self.from.and_then(|from| self.conditioned(|it| it.admits(Some(from)))),
            _ => None,
        }
    }

    /// The change of conditions that ended their being met; none if the token was made with them.
    fn conditioned(&self, are_met: impl Fn(&Conditions) -> bool) -> Option<Position> {
        let thing = Thing::Conditions(self.refusal.header.token);
        let met = |value: &Option<Value>| matches!(value, Some(Value::Conditions(conditions)) if are_met(conditions));
        let made = self.values(&thing).first().map(|(position, _)| position.next());
        self.turned(&thing, met).filter(|turned| Some(*turned) != made)
    }

    fn ended_at(&self) -> Option<Timestamp> {
        let Refusal { header, cause, secret, .. } = *self.refusal;
        let thing = match cause {
            Cause::TokenDeleted => Thing::Deleted(header.token),
            Cause::TokenExpired => Thing::Expiry(header.token),
            Cause::SecretEnded => Thing::Secret(header.token, secret),
            _ => return None,
        };
        match self.last(&thing)?.1? {
            Value::At(at) => Some(at),
            other => panic!("{other:?} is no time"),
        }
    }

    fn last_success(&self) -> Option<Position> {
        let Refusal { header, scope, cause, .. } = *self.refusal;
        let ended = matches!(
            cause,
            Cause::TokenDeleted
                | Cause::TokenExpired
                | Cause::SecretEnded
                | Cause::NotYetValid
                | Cause::AddressNotAllowed
        );
        let is_one = |other: &Header, event: &Event| match (event, scope) {
            (Event::TokenUsed(used), Some(scope)) => {
                other.token == header.token && other.account == header.account && used.scope == Some(scope)
            }
            // The token that was used, and the gateway's that asked.
            (Event::TokenUsed(used), None) => {
                let gateway = matches!(used.route, Route::Asked(asked) if asked.gateway == header.token);
                other.token == header.token || gateway
            }
            (_, None) => other.credential == header.token && token_ledger::domain::state::by_of(event).is_some(),
            _ => false,
        };
        if scope.is_none() && !ended && cause != Cause::QuotaExceeded {
            return None;
        }
        let before = self.records.iter().rev().skip_while(|(position, ..)| *position >= self.refusal.position);
        before.filter(|(_, other, event)| is_one(other, event)).map(|(position, ..)| *position).next()
    }

    fn limit(&self, state_of_users: &State) -> Option<u64> {
        let header = &self.refusal.header;
        let thing = match self.refusal.cause {
            Cause::QuotaExceeded if header.account.is_none() => {
                return state_of_users.user(self.user()?).map(|user| user.hourly_limit);
            }
            Cause::QuotaExceeded => Thing::Limit(header.account),
            Cause::MonthlyCapReached => Thing::Research(header.account),
            _ => return None,
        };
        match self.last(&thing)?.1? {
            Value::Number(number) => Some(number),
            other => panic!("{other:?} is no limit"),
        }
    }

    fn check(&self, explanation: &Explanation, state: &State) {
        let refusal = self.refusal;
        if !explanation.not_searched.contains(&"taken_away_by") {
            let by = explanation.taken_away_by.as_ref().map(|by| by.position);
            assert_eq!(by, self.taken_away_by(), "{refusal:?}");
            assert_eq!(explanation.ended_at, self.ended_at(), "{refusal:?}");
        }
        let success = explanation.last_success.map(|(position, _)| position);
        assert_eq!(success, self.last_success(), "{refusal:?}");
        let limit = explanation.limit.as_ref().and_then(|limit| limit.limit);
        assert_eq!(limit, self.limit(state), "{refusal:?}");
    }
}

fn address_of(log: &LogReader, refusal: &Refusal) -> Option<IpAddr> {
    let row = log.text_row(refusal.address).expect("the texts can be read")?;
    std::str::from_utf8(&row.text).ok()?.parse().ok()
}

/// A story, as it is left in a directory.
fn story(seed: u64, dir: &DataDir) {
    let clock = Clock::manual(BEGIN);
    let mut core = Core::create(dir, clock.clone(), Entropy::seeded(seed)).expect("a ledger can be made");
    let mut generator = Generator::new(seed);
    let mut jobs = generator.beginning();
    let mut commands = 0;
    while commands < COMMANDS {
        core.commit(&jobs).expect("the batch is appended");
        commands += jobs.len();
        generator.move_clock(&clock);
        jobs = generator.batch(core.state());
    }
}

/// Folds the log, looking at each refusal right after it, and at everything that states show.
fn follow(log: &LogReader, records: &[(Position, Header, Event)]) -> (Projections, Past, Vec<Seen>) {
    let (mut projections, mut past, mut seen) = (Projections::default(), Past::new(), Vec::new());
    for (position, header, event) in records {
        let owner = projections.state.token(header.token).map(|token| token.owner);
        let window = owner.and_then(|owner| projections.state.pool(header.account, owner));
        projections.fold(*position, header, event);
        observe(&mut past, *position, &projections.state);
        if let Some(refusal) = Refusal::read(log, *position).expect("the record can be read") {
            let opened_at = window.map(|(_, window)| window.opened_at).filter(|at| *at > 0);
            seen.push(Seen { opened_at, clues: Clues::gather(&projections, &refusal), refusal });
        }
    }
    (projections, past, seen)
}

#[test]
fn every_refusal_is_explained_as_the_states_before_it_show() {
    let mut found: BTreeMap<Cause, (u64, u64)> = BTreeMap::new();
    for seed in 0..SEEDS {
        eprintln!("seed {seed}");
        let home = tempfile::tempdir().expect("a directory can be made");
        let dir = DataDir::new(home.path().join("ledger"));
        story(seed, &dir);
        let log = LogReader::open(&dir).expect("the log opens");
        let records = records(&dir);
        let (projections, past, seen) = follow(&log, &records);
        for Seen { refusal, opened_at, clues } in &seen {
            let at_once = explain(&log, *refusal, clues, *opened_at, Search::ReadModels).expect("it is explained");
            let clues = Clues::gather(&projections, refusal);
            let later = explain(&log, *refusal, &clues, *opened_at, Search::Log).expect("it is explained");
            let is_number = matches!(refusal.scope.map(|scope| scope.target), Some(Target::Number(_)));
            if !is_number {
                // Of numbers that were unknown uses are not told apart, and removed resources are another matter.
                let from = address_of(&log, refusal);
                Oracle { past: &past, records: &records, refusal, from }.check(&at_once, &projections.state);
            }
            if !at_once.not_searched.contains(&"taken_away_by") && !later.not_searched.contains(&"taken_away_by") {
                assert_eq!(at_once, later, "seed {seed}");
            }
            let (named, unnamed) = found.entry(refusal.cause).or_default();
            *(if at_once.taken_away_by.is_some() { named } else { unnamed }) += 1;
        }
    }
    eprintln!("{found:?}");
    for cause in [Cause::MissingScope, Cause::MissingFeature, Cause::TokenExpired] {
        let (named, unnamed) = found.get(&cause).copied().unwrap_or_default();
        assert!(named > 0 && unnamed > 0, "{cause:?}: {named} with an event, {unnamed} without");
    }
    for cause in [Cause::TokenDeleted, Cause::SecretEnded] {
        assert!(found.get(&cause).is_some_and(|(named, unnamed)| *named > 0 && *unnamed == 0), "{cause:?}");
    }
    for cause in [Cause::QuotaExceeded, Cause::MonthlyCapReached, Cause::ForeignAccount] {
        assert!(found.contains_key(&cause), "{cause:?} never came up");
    }
}
