//! Who could: the stretches in which a token's access let it through, with the resource there or not.

use super::wanted::Wanted;
use crate::audit::access_over_time::{AccessOverTime, Held, stretches_of};
use crate::audit::biography::Biography;
use crate::audit::stretches::{Period, Stretch, between, within_any};
use crate::domain::access::{Access, Coverage, Target, Verb, needs_research};
use crate::domain::event::Event;
use crate::domain::ids::{Position, TokenId};
use std::collections::BTreeMap;

/// A stretch in which a token could.
#[derive(Clone, Debug)]
pub(super) struct Could<'a> {
    pub stretch: Stretch,
    pub held: &'a Held,
    /// Whether the resource was there; none where that is not known.
    pub there: Option<bool>,
}

impl Could<'_> {
    /// How far the access reached.
    pub fn coverage(&self, wanted: &Wanted) -> &'static str {
        match &self.held.access {
            Access::Full => "full",
            access if names(access, wanted) => "named",
            Access::Granted(_) => "all",
        }
    }
}

/// What tokens could, in order of time.
pub(super) type Coulds<'a> = BTreeMap<TokenId, Vec<Could<'a>>>;

/// Whether a token could at a position, with the resource there as far as is known.
pub(super) fn could_reach(coulds: &Coulds<'_>, token: TokenId, position: Position) -> bool {
    let of_token = coulds.get(&token).map(Vec::as_slice).unwrap_or_default();
    let at = of_token.partition_point(|could| could.stretch.from.place.position <= position);
    of_token[..at].last().is_some_and(|could| could.there != Some(false) && could.stretch.has(position))
}

/// Finds them.
pub(super) fn find<'a>(
    over_time: &'a AccessOverTime,
    biography: &Biography,
    wanted: &Wanted,
    period: &Period,
) -> Coulds<'a> {
    let active = needs_research(wanted.scope.group).then(|| {
        stretches_of(biography.changes(), period, |(_, header, event)| match event {
            Event::ResearchActivated(_) if header.account == wanted.account => Some(true),
            Event::ResearchDeactivated(_) if header.account == wanted.account => Some(false),
            _ => None,
        })
    });
    let mut coulds = Coulds::new();
    for (token, holdings) in &over_time.holdings {
        for holding in holdings.iter().filter(|holding| holding.held.access.allows(wanted.scope)) {
            let active = match &active {
                Some(active) => within_any(holding.stretch, active),
                None => vec![holding.stretch],
            };
            for stretch in active {
                let there = split(stretch, &holding.held.access, wanted);
                let could = |(stretch, there)| Could { stretch, held: &holding.held, there };
                let found: Vec<Could<'_>> = there.into_iter().map(could).collect();
                if !found.is_empty() {
                    coulds.entry(*token).or_default().extend(found);
                }
            }
        }
    }
    coulds
}

/// A grant that names it covers it always: what is asked for by name is let through, and may be there for the API behind a
/// gateway. One of all covers what there is.
fn split(stretch: Stretch, access: &Access, wanted: &Wanted) -> Vec<(Stretch, Option<bool>)> {
    let Some(there) = &wanted.there else { return vec![(stretch, None)] };
    let mut parts: Vec<(Stretch, Option<bool>)> =
        within_any(stretch, there).into_iter().map(|part| (part, Some(true))).collect();
    if wanted.resource.is_none() && names(access, wanted) {
        let within: Vec<Stretch> = parts.iter().map(|(part, _)| *part).collect();
        parts.extend(between(stretch, &within).into_iter().map(|part| (part, Some(false))));
        parts.sort_by_key(|(part, _)| part.from.place);
    }
    parts
}

/// Whether a grant that covers it names it.
fn names(access: &Access, wanted: &Wanted) -> bool {
    let (Access::Granted(grants), Target::Name(name)) = (access, wanted.scope.target) else { return false };
    let named = |coverage: &Coverage| matches!(coverage, Coverage::Named(names) if names.contains(&name));
    grants.iter().any(|grant| grant.group == wanted.scope.group && named(&grant.coverage))
}

/// Whether what was done with a verb counts, where one was asked about: reading is the least of it.
pub(super) fn counts(done: Verb, asked: Verb) -> bool {
    done >= asked
}
