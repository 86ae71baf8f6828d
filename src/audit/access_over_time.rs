//! Access over time: what each token could do on an account, from when until when, and by which events.
//!
//! A token holds an access as long as it works (not deleted, expired or without a secret, and begun) and the access counts:
//! its own, or of a user's token its user's membership. The records of one change that lie side by side at one time count
//! as one: nobody could do anything between them. From which addresses a token works is told and not judged.

use super::archive::Archive;
use super::biography::{Biography, Placed};
use super::stretches::{Edge, Period, Stretch, Turn, place_of};
use crate::domain::access::Access;
use crate::domain::conditions::AddressRange;
use crate::domain::event::{AccessSource, Event};
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::token::{End, Works};
use crate::log::LogError;
use std::collections::BTreeMap;

/// What a token held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The access that counted.
    pub access: Access,
    /// The event that gave it.
    pub granted: Position,
    /// The user whose membership it came from; none if it was the token's own.
    pub member: Option<UserId>,
    /// The addresses from which the token worked; none at all: from anywhere.
    pub addresses: Vec<AddressRange>,
}

/// What a token held, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holding {
    /// When.
    pub stretch: Stretch,
    /// What.
    pub held: Held,
}

/// What tokens held on an account.
#[derive(Clone, Debug)]
pub struct AccessOverTime {
    /// In order; only of tokens that held something in the period.
    pub holdings: BTreeMap<TokenId, Vec<Holding>>,
    /// The state where the period ends, of the account and its people.
    pub state: State,
}

impl AccessOverTime {
    /// Of an account's tokens and those of its members, in a period that the biography reaches.
    pub fn of_account(
        archive: &Archive,
        biography: &Biography,
        account: AccountId,
        period: &Period,
    ) -> Result<Self, LogError> {
        let mut fold = Fold::new(account);
        let through = biography.changes().partition_point(|(position, ..)| *position <= period.through);
        for change in side_by_side(&biography.changes()[..through]) {
            fold.take_in(change);
        }
        fold.finish(archive, period)
    }
}

/// Records of one change that lie side by side, together.
fn side_by_side(changes: &[Placed]) -> impl Iterator<Item = &[Placed]> {
    changes.chunk_by(|(one, first, _), (other, second, _)| {
        one.next() == *other && first.request == second.request && first.recorded_at == second.recorded_at
    })
}

/// What a token holds as far as the fold has come.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Holds {
    held: Held,
    works: Works,
}

/// A stretch without anything ending or beginning by a record; the clock is not looked at yet.
#[derive(Debug)]
struct Raw {
    since: Edge,
    ended: Option<Edge>,
    holds: Holds,
}

struct Fold {
    account: AccountId,
    state: State,
    /// Events that gave the accesses which count.
    own_granted: BTreeMap<TokenId, Position>,
    member_granted: BTreeMap<UserId, Position>,
    open: BTreeMap<TokenId, (Edge, Holds)>,
    raw: BTreeMap<TokenId, Vec<Raw>>,
}

impl Fold {
    fn new(account: AccountId) -> Self {
        Self {
            account,
            state: State::default(),
            own_granted: BTreeMap::new(),
            member_granted: BTreeMap::new(),
            open: BTreeMap::new(),
            raw: BTreeMap::new(),
        }
    }

    fn take_in(&mut self, change: &[Placed]) {
        let mut touched: BTreeMap<TokenId, Edge> = BTreeMap::new();
        for (position, header, event) in change {
            self.state.evolve_part(header, event);
            let edge = Edge::at_record(header.recorded_at, *position);
            match event {
                Event::TokenCreated(_) | Event::TokenImported(_) | Event::TokenAccessChanged(_) => {
                    self.own_granted.insert(header.token, *position);
                }
                Event::MemberAdded(_) | Event::MemberAccessChanged(_) | Event::MemberRemoved(_)
                    if header.account != self.account => {}
                Event::MemberAdded(added) => self.turn_member(added.user, edge, &mut touched),
                Event::MemberAccessChanged(changed) => self.turn_member(changed.user, edge, &mut touched),
                Event::MemberRemoved(removed) => self.turn_member(removed.user, edge, &mut touched),
                _ => {}
            }
            if !header.token.is_none() {
                touched.insert(header.token, edge);
            }
        }
        for (token, edge) in touched {
            self.turn(token, edge);
        }
    }

    fn turn_member(&mut self, user: UserId, edge: Edge, touched: &mut BTreeMap<TokenId, Edge>) {
        self.member_granted.insert(user, edge.place.position);
        let own = self.state.user(user).into_iter().flat_map(|user| user.tokens.iter().copied());
        let authorized = self.state.authorizations_by(self.account, user).flat_map(|it| it.tokens.iter().copied());
        touched.extend(own.chain(authorized).map(|token| (token, edge)));
    }

    fn turn(&mut self, token: TokenId, edge: Edge) {
        let holds = self.holds(token);
        if self.open.get(&token).map(|(_, holds)| holds) == holds.as_ref() {
            return;
        }
        if let Some((since, holds)) = self.open.remove(&token) {
            self.raw.entry(token).or_default().push(Raw { since, ended: Some(edge), holds });
        }
        if let Some(holds) = holds {
            self.open.insert(token, (edge, holds));
        }
    }

    fn holds(&self, token: TokenId) -> Option<Holds> {
        let token = self.state.token(token)?;
        let works = token.works()?;
        let (_, access, source) = self.state.access_on(token, self.account)?;
        let own = self.own_granted.get(&token.id);
        let (granted, member) = match (source, token.follows()) {
            (AccessSource::Membership(_), Some(user)) => (self.member_granted.get(&user), Some(user)),
            // What both allow is there from the later of the two on.
            (AccessSource::Authorization(..), Some(user)) => (own.max(self.member_granted.get(&user)), Some(user)),
            _ => (own, None),
        };
        let addresses = token.conditions().allowed_addresses.clone();
        Some(Holds {
            held: Held {
                access: access.into_owned(),
                granted: granted.copied().unwrap_or_default(),
                member,
                addresses,
            },
            works,
        })
    }

    fn finish(mut self, archive: &Archive, period: &Period) -> Result<AccessOverTime, LogError> {
        for (token, (since, holds)) in std::mem::take(&mut self.open) {
            self.raw.entry(token).or_default().push(Raw { since, ended: None, holds });
        }
        let mut holdings: BTreeMap<TokenId, Vec<Holding>> = BTreeMap::new();
        for (token, raws) in self.raw {
            for raw in raws {
                if let Some(holding) = by_the_clock(archive, raw, period)? {
                    holdings.entry(token).or_default().push(holding);
                }
            }
        }
        Ok(AccessOverTime { holdings, state: self.state })
    }
}

/// What of a stretch lies in the period, and in the time in which the token works.
fn by_the_clock(archive: &Archive, raw: Raw, period: &Period) -> Result<Option<Holding>, LogError> {
    let Raw { since, ended, holds: Holds { held, works } } = raw;
    let ends_at = [ended.map(|edge| edge.place.at), works.until].into_iter().flatten().min();
    // Looking for the place of an instant costs reads of the log: not for what is long over.
    let is_over = ends_at.is_some_and(|at| at < period.from.at || at < works.from || at < since.place.at);
    if is_over || works.from >= period.until {
        return Ok(None);
    }
    let clock = |at: Timestamp, by: Turn| -> Result<Edge, LogError> { Ok(Edge { place: place_of(archive, at)?, by }) };
    let from = if works.from <= since.place.at { since } else { clock(works.from, Turn::Begun)? };
    let until = match works.until {
        Some(at) if at < period.until && ended.is_none_or(|ended| at <= ended.place.at) => {
            Some(clock(at, if works.end == End::Expired { Turn::Expired } else { Turn::SecretsEnded })?)
        }
        _ => ended,
    };
    Ok(Stretch { from, until }.within(&period.whole()).map(|stretch| Holding { stretch, held }))
}

/// When something was so, by the changes that begin it (`Some(true)`) and end it (`Some(false)`).
pub fn stretches_of(
    changes: &[Placed],
    period: &Period,
    mut turns: impl FnMut(&Placed) -> Option<bool>,
) -> Vec<Stretch> {
    let (mut stretches, mut since) = (Vec::new(), None);
    for change in changes.iter().take_while(|(position, ..)| *position <= period.through) {
        let edge = Edge::at_record(change.1.recorded_at, change.0);
        match turns(change) {
            Some(true) => since = since.or(Some(edge)),
            Some(false) => {
                stretches.extend(since.take().map(|from| Stretch { from, until: Some(edge) }));
            }
            None => {}
        }
    }
    stretches.extend(since.map(|from| Stretch { from, until: None }));
    stretches.into_iter().filter_map(|stretch| stretch.within(&period.whole())).collect()
}
