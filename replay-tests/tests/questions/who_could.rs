//! Who could, who did: held at every position, and at instants between them.

use crate::told::{Told, access_at, number, rows, time};
use replay_tests::random::Random;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use token_ledger::domain::access::{Access, Coverage, RequiredScope, Target, Verb, group, needs_research};
use token_ledger::domain::directory::{Account, ResourceKind};
use token_ledger::domain::event::{Event, Outcome, Route};
use token_ledger::domain::ids::{AccountId, Position, ResourceId, TokenId};
use token_ledger::domain::state::State;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::Owner;

const SEEDS: u64 = 8;
const BATCHES: usize = 200;
const QUESTIONS: usize = 16;

/// A question with what it means.
struct Meant {
    account: AccountId,
    scope: RequiredScope,
    /// As it is asked: the scope's text, or the resource's number.
    text: String,
    resource: Option<(ResourceId, ResourceKind)>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

fn kind_of(number: u16) -> Option<ResourceKind> {
    match number {
        group::DOMAINS | group::REGISTRAR | group::CERTIFICATES => Some(ResourceKind::Domain),
        group::ZONES => Some(ResourceKind::Zone),
        _ => None,
    }
}

impl Meant {
    fn drawn(told: &Told, random: &mut Random) -> Option<Self> {
        let account = *random.pick(&told.busiest(4));
        let verb = *random.pick(&[Verb::Read, Verb::Read, Verb::Write]);
        let mut time = |percent| {
            let (first, last) = (told.header(Position(1)).recorded_at.0, told.now().0);
            random.percent(percent).then(|| Timestamp(first + random.below(last - first + 1)))
        };
        let (from, to) = (time(60), time(40));
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return None;
        }
        let (scope, text, resource) = match random.below(10) {
            0..6 => {
                let number =
                    *random.pick(&[group::ZONES, group::ZONES, group::DOMAINS, group::CERTIFICATES, group::REGISTRAR]);
                let (name, text) = random.pick_of(told.names(account).into_iter())?;
                let target = Target::Name(name);
                (RequiredScope { group: number, verb, target }, text, None)
            }
            6..8 => {
                let number = random.below(11) as u16 + 1;
                (RequiredScope { group: number, verb, target: Target::All }, "*".to_owned(), None)
            }
            _ => {
                let added = told.records.iter().filter_map(|(_, header, event)| match event {
                    Event::ResourceAdded(added) if header.account == account => Some(added.clone()),
                    _ => None,
                });
                let added: Vec<_> = added.collect();
                let added = random.pick_of(added.into_iter())?;
                let kind = added.facts.kind();
                let number = match kind {
                    ResourceKind::Domain => group::DOMAINS,
                    ResourceKind::Zone => group::ZONES,
                    ResourceKind::Certificate => group::CERTIFICATES,
                };
                let scope = RequiredScope { group: number, verb, target: Target::Name(added.name) };
                (scope, String::new(), Some((added.resource, kind)))
            }
        };
        let group_name = &told.last().groups.get(u64::from(scope.group))?.name;
        let text = resource.map_or_else(|| format!("{group_name}:{text}"), |(id, _)| id.0.to_string());
        Some(Self { account, scope, text, resource, from, to })
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            ("account", self.account.0.to_string()),
            ("scope", self.text.clone()),
            ("verb", self.scope.verb.name().to_owned()),
        ];
        pairs.extend(self.from.map(|at| ("from", at.to_micros_text())));
        pairs.extend(self.to.map(|at| ("to", at.to_micros_text())));
        pairs
    }

    /// Whether the account is known to have had it by then; of what it never had the ledger knows nothing.
    fn is_known(&self, told: &Told, through: Position) -> bool {
        let Target::Name(name) = self.scope.target else { return false };
        let Some(kind) = kind_of(self.scope.group) else { return false };
        let had = |(_, header, event): &&(Position, _, Event)| {
            let header: &token_ledger::domain::event::Header = header;
            matches!(event, Event::ResourceAdded(added) if (added.name, added.facts.kind()) == (name, kind)
                && header.account == self.account)
        };
        told.records.iter().take(through.0 as usize).any(|record| had(&record))
    }

    fn is_there(&self, account: &Account, state: &State) -> bool {
        match (self.resource, self.scope.target, kind_of(self.scope.group)) {
            (Some((id, _)), ..) => account.resources.contains_key(&id),
            (None, Target::Name(name), Some(kind)) => account.resources.iter().any(|(id, other)| {
                *other == kind && state.resources.get(id.0).is_some_and(|resource| resource.name == name)
            }),
            _ => true,
        }
    }

    /// Who could in a state at a time, and whether it was there, where that is known.
    fn who(&self, state: &State, at: Timestamp, is_known: bool) -> BTreeMap<TokenId, Option<bool>> {
        let Some(account) = state.account(self.account) else { return BTreeMap::new() };
        if needs_research(self.scope.group) && account.research.is_none() {
            return BTreeMap::new();
        }
        let mut who = BTreeMap::new();
        for token in state.tokens.iter() {
            let Some(access) = access_at(state, token.id, self.account, at) else { continue };
            if !access.allows(self.scope) {
                continue;
            }
            let there = (is_known || self.resource.is_some()).then(|| self.is_there(account, state));
            if there == Some(false) && (self.resource.is_some() || !is_named(&access, self.scope)) {
                continue;
            }
            who.insert(token.id, there);
        }
        who
    }
}

fn is_named(access: &Access, scope: RequiredScope) -> bool {
    let (Access::Granted(grants), Target::Name(name)) = (access, scope.target) else { return false };
    grants.iter().any(|grant| {
        grant.group == scope.group && matches!(&grant.coverage, Coverage::Named(names) if names.contains(&name))
    })
}

/// What a row says, read.
struct Row<'a> {
    token: TokenId,
    from: (Option<u64>, Timestamp),
    until: (Option<u64>, Option<Timestamp>),
    there: Option<bool>,
    row: &'a Value,
}

fn read_rows(answer: &Value) -> Vec<Row<'_>> {
    let of = |row| Row {
        token: TokenId(number(row, "token_id")),
        from: (row["from_position"].as_u64(), time(row, "from").expect("a beginning")),
        until: (row["until_position"].as_u64(), time(row, "until")),
        there: row["resource_there"].as_bool(),
        row,
    };
    rows(answer, "could").iter().map(of).collect()
}

/// The event that the row says gave the access did.
fn check_granted(told: &Told, meant: &Meant, row: &Row<'_>, at: Position) {
    let token = told.state(at).token(row.token).expect("the token is there");
    // An OAuth token's access is its own and its member's: it is there from the later of the two on.
    let member = match (token.owner, &token.authorized) {
        (Owner::User(user), _) => Some(user),
        (_, Some(authorized)) => Some(authorized.user),
        _ => None,
    };
    let has_own = matches!(token.owner, Owner::Account(_));
    let gives = |(position, header, event): &&(Position, token_ledger::domain::event::Header, Event)| {
        *position <= at
            && match event {
                Event::TokenCreated(_) | Event::TokenImported(_) | Event::TokenAccessChanged(_) => {
                    has_own && header.token == row.token
                }
                Event::MemberAdded(added) => header.account == meant.account && member == Some(added.user),
                Event::MemberAccessChanged(changed) => header.account == meant.account && member == Some(changed.user),
                _ => false,
            }
    };
    let granted = told.records.iter().rev().find(gives).expect("something gave it");
    assert_eq!(number(row.row, "granted_position"), granted.0.0, "{}", row.row);
    assert_eq!(row.row["granted_by_event"], granted.2.type_name());
}

/// Who could, at every position of the period and at an instant after each.
fn hold_could(told: &Told, meant: &Meant, answer: &Value, counts: &mut Counts) {
    let (after, through) = positions(told, meant);
    let is_known = meant.is_known(told, through);
    let rows = read_rows(answer);
    for at in (after.0 + 1..=through.0).map(Position).filter(|at| told.is_between_changes(*at)) {
        let recorded_at = told.header(at).recorded_at;
        let covering = rows
            .iter()
            .filter(|row| row.from.0.is_some_and(|from| from <= at.0) && row.until.0.is_none_or(|until| at.0 < until));
        let said: Vec<&Row<'_>> = covering.collect();
        let by_token: BTreeMap<TokenId, Option<bool>> = said.iter().map(|row| (row.token, row.there)).collect();
        assert_eq!(by_token.len(), said.len(), "one row for one token at {at}");
        let expected = meant.who(told.state(at), recorded_at, is_known);
        assert_eq!(by_token, expected, "{} at {at}: {:#}", meant.text, answer["could"]);
        said.iter().for_each(|row| check_granted(told, meant, row, at));
        counts.could += said.len();
        let next = told.records.get(at.0 as usize).map_or(told.now(), |(_, header, _)| header.recorded_at);
        let ends = [Timestamp(recorded_at.0.midpoint(next.0)), Timestamp(next.0.saturating_sub(1))];
        for instant in ends.into_iter().filter(|it| *it >= recorded_at && *it < next) {
            if meant.from.is_some_and(|from| instant < from) || meant.to.is_some_and(|to| instant >= to) {
                continue;
            }
            let said =
                rows.iter().filter(|row| row.from.1 <= instant && row.until.1.is_none_or(|until| instant < until));
            let said: BTreeMap<TokenId, Option<bool>> = said.map(|row| (row.token, row.there)).collect();
            assert_eq!(said, meant.who(told.state(at), instant, is_known), "{} at {instant:?}", meant.text);
        }
    }
}

fn positions(told: &Told, meant: &Meant) -> (Position, Position) {
    let before = |at: Timestamp| told.last_until(Timestamp(at.0.saturating_sub(1)));
    (meant.from.map_or(Position(0), before), meant.to.map_or(told.head(), before))
}

/// Uses by how they reached it.
type Uses = BTreeMap<(TokenId, &'static str, &'static str, String, bool), (u64, Position, Position)>;

fn hold_did(told: &Told, meant: &Meant, answer: &Value, counts: &mut Counts) {
    let (after, through) = positions(told, meant);
    let is_known = meant.is_known(told, through);
    let mut uses = Uses::new();
    let mut reached = BTreeSet::new();
    let mut refused: BTreeMap<TokenId, u64> = BTreeMap::new();
    for (position, header, event) in told.records.iter().filter(|(at, ..)| (after.0 + 1..=through.0).contains(&at.0)) {
        if header.account != meant.account {
            continue;
        }
        let could = |at: Position| {
            let known_here = at > after && at <= through;
            let who = meant.who(told.state(at), told.header(at).recorded_at, is_known);
            known_here && who.get(&header.token).is_some_and(|there| *there != Some(false))
        };
        let scope_of = |scope: Option<RequiredScope>| {
            scope.filter(|scope| scope.group == meant.scope.group && scope.verb >= meant.scope.verb)
        };
        let (scope, outcome, has_reached, could_then, is_reported) = match event {
            Event::TokenUsed(used) => {
                let Some(scope) = scope_of(used.scope) else { continue };
                let has_reached = matches!(used.outcome, Outcome::Ok | Outcome::UnknownUpstream);
                (scope, used.outcome.name().to_owned(), has_reached, could(*position), false)
            }
            Event::UseReported(reported) => {
                let Some(scope) = scope_of(reported.scope) else { continue };
                let outcome = match reported.status {
                    0 => "status not told".to_owned(),
                    status => format!("status {status}"),
                };
                (scope, outcome, reported.status < 400, could(reported.known_position), true)
            }
            Event::TokenUseRefused(other) => {
                if scope_of(other.scope).is_some_and(|scope| scope.target == meant.scope.target) {
                    *refused.entry(header.token).or_default() += 1;
                }
                continue;
            }
            _ => continue,
        };
        let way = match scope.target {
            Target::List => "list",
            Target::All => "all",
            target if target == meant.scope.target => "name",
            _ => continue,
        };
        let way = match (event, meant.resource) {
            (Event::TokenUsed(used), Some((id, ResourceKind::Certificate))) if way == "name" => match used.route {
                Route::Certificates => "list",
                _ if used.resource == id => "name",
                Route::Mapped(_) | Route::Asked(_) => "name",
                _ => continue,
            },
            _ => way,
        };
        let by_name_alone = way == "name" && (meant.resource.is_none() || is_reported);
        if !could_then && !by_name_alone || way != "name" && !has_reached && !is_reported {
            continue;
        }
        if has_reached {
            reached.insert(header.token);
        }
        let key = (header.token, way, scope.verb.name(), outcome, is_reported);
        let tally = uses.entry(key).or_insert((0, *position, *position));
        (tally.0, tally.2) = (tally.0 + 1, *position);
    }
    let said: Uses = rows(answer, "did")
        .iter()
        .map(|row| {
            let way = ["name", "list", "all"].into_iter().find(|way| row["by"] == *way).expect("a way");
            let verb = if row["verb"] == "write" { "write" } else { "read" };
            let outcome = row["outcome"].as_str().unwrap_or_default().to_owned();
            let key = (TokenId(number(row, "token_id")), way, verb, outcome, row["reported"] == true);
            let [first, last] = ["first_position", "last_position"].map(|member| Position(number(row, member)));
            (key, (number(row, "count"), first, last))
        })
        .collect();
    assert_eq!(said, uses, "{} {:?}", meant.text, meant.pairs());
    counts.did += said.len();
    let could: BTreeSet<TokenId> = rows(answer, "could").iter().map(|row| TokenId(number(row, "token_id"))).collect();
    let idle: BTreeMap<TokenId, u64> = rows(answer, "could_but_did_not")
        .iter()
        .map(|row| (TokenId(number(row, "token_id")), number(row, "refused")))
        .collect();
    let expected = could.difference(&reached).map(|token| (*token, refused.get(token).copied().unwrap_or_default()));
    assert_eq!(idle, expected.collect(), "{}", meant.text);
    counts.idle += idle.len();
}

#[derive(Default, Debug)]
struct Counts {
    questions: usize,
    could: usize,
    did: usize,
    idle: usize,
}

#[test]
fn who_could_and_did_is_what_every_state_and_use_of_the_period_says() {
    let mut counts = Counts::default();
    for seed in 0..SEEDS {
        let told = Told::new(seed, BATCHES);
        let mut random = Random::new(seed);
        for _ in 0..QUESTIONS {
            let Some(meant) = Meant::drawn(&told, &mut random) else { continue };
            let answer = match told.try_ask("who-could", &meant.pairs()) {
                Ok(answer) => answer,
                // The account, or the resource, came after the period.
                Err(error) => {
                    let (_, through) = positions(&told, &meant);
                    let is_there = told.state(through).account(meant.account).is_some();
                    let had = meant.resource.is_none_or(|(id, _)| told.state(through).resources.get(id.0).is_some());
                    assert!(!is_there || !had, "seed {seed} {:?}: {error}", meant.pairs());
                    continue;
                }
            };
            counts.questions += 1;
            hold_could(&told, &meant, &answer, &mut counts);
            hold_did(&told, &meant, &answer, &mut counts);
        }
    }
    eprintln!("{counts:?}");
    assert!(counts.questions > 60 && counts.could > 1_000 && counts.did > 10 && counts.idle > 40, "{counts:?}");
}
