//! Who did: uses that reached what is asked about, by name, by a list that showed it, or by asking for all.

use super::could::{Coulds, could_reach, counts};
use super::wanted::Wanted;
use crate::audit::archive::Archive;
use crate::audit::stretches::Place;
use crate::domain::access::{RequiredScope, Target, Verb};
use crate::domain::directory::ResourceKind;
use crate::domain::event::{Event, Header, Outcome, Route, TokenUsed, UseReported};
use crate::domain::ids::{Position, TokenId};
use crate::log::LogError;
use crate::projections::keys::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Records that are looked at for one answer: past it counts are what there is at least.
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
    pub outcome: String,
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

    fn add(&mut self, kind: Kind, place: Place) {
        let tally = self.uses.entry(kind).or_insert(Tally { count: 0, first: place, last: place });
        tally.count += 1;
        tally.last = place;
    }
}

/// Looks for uses in a range.
pub(super) fn find(
    archive: &Archive,
    wanted: &Wanted,
    coulds: &Coulds<'_>,
    range: (Position, Position),
) -> Result<Did, LogError> {
    let mut keys = vec![Key::Whole(wanted.account, wanted.scope.group)];
    if let Target::Name(name) = wanted.scope.target
        && !name.is_none()
    {
        keys.push(Key::Name(name));
    }
    let (mut did, mut looked_at) = (Did::default(), 0);
    archive.visit(&keys, range, &mut |position, header, event| {
        looked_at += 1;
        if looked_at > RECORDS_MAX {
            did.looked_until = Some(position);
            return ControlFlow::Break(());
        }
        if header.account == wanted.account {
            take_in(&mut did, wanted, coulds, (position, header, event));
        }
        ControlFlow::Continue(())
    })?;
    Ok(did)
}

fn take_in(
    did: &mut Did,
    wanted: &Wanted,
    coulds: &Coulds<'_>,
    (position, header, event): (Position, &Header, &Event),
) {
    let kind = match event {
        Event::TokenUsed(used) => of_use(wanted, coulds, (position, header, used)),
        Event::UseReported(reported) => of_report(wanted, coulds, header, reported),
        Event::TokenUseRefused(refused) => {
            let is_it = |scope: RequiredScope| is_group(wanted, scope) && scope.target == wanted.scope.target;
            if refused.scope.is_some_and(is_it) {
                *did.refused.entry(header.token).or_default() += 1;
            }
            return;
        }
        _ => return,
    };
    if let Some(kind) = kind {
        did.add(kind, Place { at: header.recorded_at, position });
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
    // What was not there, or not shown, a list did not reach; and by a number that one resource is meant, not its name.
    if !is_reached && (way != Way::Name || wanted.resource.is_some()) {
        return None;
    }
    let has_reached = matches!(used.outcome, Outcome::Ok | Outcome::UnknownUpstream);
    if way != Way::Name && !has_reached {
        return None;
    }
    let outcome = used.outcome.name().to_owned();
    Some(Kind { token: header.token, way, verb: scope.verb, outcome, is_reported: false, has_reached })
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
    let outcome = if status == 0 { "status not told".to_owned() } else { format!("status {status}") };
    Some(Kind { token, way, verb: scope.verb, outcome, is_reported: true, has_reached: status < 400 })
}
