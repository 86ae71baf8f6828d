//! Who did: uses that reached what is asked about, by name, by a list that showed it, or by asking for all.

use super::by_index::LookUps;
use super::could::{Coulds, could_reach, counts};
use super::wanted::Wanted;
use crate::audit::archive::Archive;
use crate::audit::past::recorded_at;
use crate::audit::stretches::Place;
use crate::domain::access::{RequiredScope, Target, Verb};
use crate::domain::directory::ResourceKind;
use crate::domain::event::{Event, Header, Outcome, Route, TokenUsed, UseReported};
use crate::domain::ids::{Position, TokenId};
use crate::log::LogError;
use crate::projections::index::find::{self, Piece};
use crate::projections::keys::Key;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Records that are read for one answer: past it counts are what there is at least.
pub(super) const RECORDS_MAX: u64 = 1_000_000;

/// How a use reached it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Way {
    /// It named it.
    Name,
    /// It was the list of its group, or of its domain's certificates.
    List,
    /// It asked for all of its group.
    All,
}

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::List => "list",
            Self::All => "all",
        }
    }
}

/// Uses that are counted together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Kind {
    pub token: TokenId,
    pub way: Way,
    pub verb: Verb,
    /// As answers spell it; of a reported use the status that was told.
    pub outcome: Cow<'static, str>,
    /// Whether a gateway decided it by itself.
    pub is_reported: bool,
    /// Whether something was there to be reached, as far as is known.
    pub has_reached: bool,
}

/// How many, the first and the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub count: u64,
    pub first: Place,
    pub last: Place,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Did {
    pub uses: BTreeMap<Kind, Tally>,
    /// Refusals that are recorded one by one.
    pub refused: BTreeMap<TokenId, u64>,
    /// Where looking ended, if it ended early.
    pub looked_until: Option<Position>,
}

impl Did {
    /// Tokens that reached it.
    pub fn tokens(&self) -> BTreeSet<TokenId> {
        self.uses.keys().filter(|kind| kind.has_reached).map(|kind| kind.token).collect()
    }
}

/// What was counted so far: of each kind how many, the first and the last.
type Counts = BTreeMap<Kind, Counted>;
/// How many, the first and the last.
type Counted = (u64, Position, Position);
/// What uses that the index counts have in common; the last is whether the token could.
type Alike = (TokenId, Way, Verb, Outcome, bool);

/// Looks for uses in a range. `tokens` are those whose uses the index is asked for; of others they are read.
pub(super) fn find(
    archive: &Archive,
    wanted: &Wanted,
    (coulds, tokens): (&Coulds<'_>, Vec<TokenId>),
    (after, through): (Position, Position),
) -> Result<Did, LogError> {
    let mut keys = vec![Key::Whole(wanted.account, wanted.scope.group)];
    if let Target::Name(name) = wanted.scope.target
        && !name.is_none()
    {
        keys.push(Key::Name(name));
    }
    // Which certificate a use reached only its record says.
    let of_certificate = wanted.resource.is_some_and(|(_, kind)| kind == ResourceKind::Certificate);
    let look_ups = if of_certificate { None } else { LookUps::of(wanted, tokens) };
    let records = find::Wanted::any(&keys);
    let mut looking = Looking { archive, wanted, coulds, counts: Counts::new(), read: 0, did: Did::default() };
    let (mut at, through) = (after, through.min(archive.head()));
    while at < through && looking.did.looked_until.is_none() {
        let piece = archive.next_piece(&records, (at, through));
        looking.piece(&keys, look_ups.as_ref(), &piece)?;
        at = piece.through;
    }
    looking.finish()
}

struct Looking<'a, 'b> {
    archive: &'a Archive,
    wanted: &'a Wanted,
    coulds: &'a Coulds<'b>,
    counts: Counts,
    read: u64,
    did: Did,
}

impl Looking<'_, '_> {
    fn piece(&mut self, keys: &[Key], look_ups: Option<&LookUps>, piece: &Piece) -> Result<(), LogError> {
        let archive = self.archive;
        let Some(split) = look_ups.and_then(|look_ups| look_ups.split(archive, piece)) else {
            return archive.visit(keys, (piece.after, piece.through), &mut |position, header, event| {
                self.read(position, header, event)
            });
        };
        archive.visit_at(&split.rest, &mut |position, header, event| self.read(position, header, event))?;
        let looked_until = self.did.looked_until.unwrap_or(piece.through.next());
        let mut counts: BTreeMap<Alike, Counted> = BTreeMap::new();
        for one in split.uses.iter().take_while(|one| one.position < looked_until) {
            let is_reached = could_reach(self.coulds, one.token, one.position);
            let key = (one.token, one.way, one.verb, one.outcome, is_reached);
            let (count, _, last) = counts.entry(key).or_insert((0, one.position, one.position));
            (*count, *last) = (*count + 1, one.position);
        }
        for ((token, way, verb, outcome, is_reached), counted) in counts {
            if let Some(kind) = of_kind(self.wanted, token, (way, verb, outcome), is_reached) {
                self.add(kind, counted);
            }
        }
        Ok(())
    }

    fn read(&mut self, position: Position, header: &Header, event: &Event) -> ControlFlow<()> {
        self.read += 1;
        if self.read > RECORDS_MAX {
            self.did.looked_until = Some(position);
            return ControlFlow::Break(());
        }
        if header.account == self.wanted.account {
            self.take_in(position, header, event);
        }
        ControlFlow::Continue(())
    }

    fn take_in(&mut self, position: Position, header: &Header, event: &Event) {
        let (wanted, coulds) = (self.wanted, self.coulds);
        let kind = match event {
            Event::TokenUsed(used) => of_use(wanted, coulds, (position, header, used)),
            Event::UseReported(reported) => of_report(wanted, coulds, header, reported),
            Event::TokenUseRefused(refused) => {
                let is_it = |scope: RequiredScope| is_group(wanted, scope) && scope.target == wanted.scope.target;
                if refused.scope.is_some_and(is_it) {
                    *self.did.refused.entry(header.token).or_default() += 1;
                }
                return;
            }
            _ => return,
        };
        if let Some(kind) = kind {
            self.add(kind, (1, position, position));
        }
    }

    /// Adds what was counted to what is there.
    fn add(&mut self, kind: Kind, (count, first, last): Counted) {
        let counted = self.counts.entry(kind).or_insert((0, first, last));
        *counted = (counted.0 + count, counted.1.min(first), counted.2.max(last));
    }

    fn finish(self) -> Result<Did, LogError> {
        let Self { archive, counts, mut did, .. } = self;
        let place = |position| recorded_at(archive.log(), position).map(|at| Place { at, position });
        for (kind, (count, first, last)) in counts {
            did.uses.insert(kind, Tally { count, first: place(first)?, last: place(last)? });
        }
        Ok(did)
    }
}

fn is_group(wanted: &Wanted, scope: RequiredScope) -> bool {
    scope.group == wanted.scope.group && counts(scope.verb, wanted.scope.verb)
}

/// How a scope reaches it, if it does.
fn way_of(wanted: &Wanted, scope: RequiredScope) -> Option<Way> {
    match scope.target {
        Target::List => Some(Way::List),
        Target::All => Some(Way::All),
        target if target == wanted.scope.target => Some(Way::Name),
        _ => None,
    }
}

fn of_use(
    wanted: &Wanted,
    coulds: &Coulds<'_>,
    (position, header, used): (Position, &Header, &TokenUsed),
) -> Option<Kind> {
    let scope = used.scope.filter(|scope| is_group(wanted, *scope))?;
    let mut way = way_of(wanted, scope)?;
    if way == Way::Name && wanted.resource.is_some_and(|(_, kind)| kind == ResourceKind::Certificate) {
        way = of_certificate(wanted, used)?;
    }
    let is_reached = could_reach(coulds, header.token, position);
    of_kind(wanted, header.token, (way, scope.verb, used.outcome), is_reached)
}

/// With which uses one is counted, if it counts.
fn of_kind(
    wanted: &Wanted,
    token: TokenId,
    (way, verb, outcome): (Way, Verb, Outcome),
    is_reached: bool,
) -> Option<Kind> {
    // What was not there, or not shown, a list did not reach; and by a number that one resource is meant, not its name.
    if !is_reached && (way != Way::Name || wanted.resource.is_some()) {
        return None;
    }
    let has_reached = matches!(outcome, Outcome::Ok | Outcome::UnknownUpstream);
    if way != Way::Name && !has_reached {
        return None;
    }
    let outcome = Cow::Borrowed(outcome.name());
    Some(Kind { token, way, verb, outcome, is_reported: false, has_reached })
}

/// Of one certificate: itself, the list of its domain's, or what a gateway's API made of the domain's name.
fn of_certificate(wanted: &Wanted, used: &TokenUsed) -> Option<Way> {
    let (resource, _) = wanted.resource?;
    match used.route {
        Route::Certificates => Some(Way::List),
        _ if used.resource == resource => Some(Way::Name),
        Route::Mapped(_) | Route::Asked(_) => Some(Way::Name),
        _ => None,
    }
}

/// A reported use was judged by what the gateway knew.
fn of_report(wanted: &Wanted, coulds: &Coulds<'_>, header: &Header, reported: &UseReported) -> Option<Kind> {
    let scope = reported.scope.filter(|scope| is_group(wanted, *scope))?;
    let way = way_of(wanted, scope)?;
    let is_reached = could_reach(coulds, header.token, reported.known_position);
    if way != Way::Name && !is_reached {
        return None;
    }
    let (status, token) = (reported.status, header.token);
    let outcome = match status {
        0 => Cow::Borrowed("status not told"),
        status => Cow::Owned(format!("status {status}")),
    };
    Some(Kind { token, way, verb: scope.verb, outcome, is_reported: true, has_reached: status < 400 })
}
