//! Least privilege: the smallest access that covers what a token, or a member, really did, and what the access in force
//! covers that nobody used.
//!
//! What is kept, and why:
//! - each name that a use named, at the level that it took, also where there was nothing of that name: a smaller access
//!   would answer otherwise;
//! - "all", where a use asked for all of a group, where the group cannot be restricted, and past the most names that a grant
//!   takes. A number that was no resource's is covered by "all" only, and is told, not covered;
//! - of lists: a group of which only lists were used keeps its coverage, or the list would be empty; of one with other uses
//!   too, the names of those. With [`Lists::Keep`] every group that was listed keeps its coverage.

mod by_index;

use self::by_index::{Counted, Subject};
use super::archive::{Archive, Range};
use super::questions::AuditError;
use super::what_if::Seen;
use crate::domain::access::{Access, Coverage, Grant, GroupNumber, Level, RequiredScope, ScopeGroup, Target, Verb};
use crate::domain::decide::NAMES_IN_GRANT_MAX;
use crate::domain::event::{AccessSource, Event, Header, TokenUsed};
use crate::domain::ids::{AccountId, Position, TextNumber, TokenId};
use crate::domain::table::Table;
use crate::log::LogError;
use crate::projections::Projections;
use crate::projections::index::find::Wanted;
use crate::projections::keys::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// What becomes of lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lists {
    /// They may get shorter, where other uses show what is needed.
    #[default]
    Narrow,
    /// They go on showing the same.
    Keep,
}

/// What was used, and the smallest access that covers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Least {
    /// Each scope that was used on the account.
    pub scopes: BTreeMap<RequiredScope, Seen>,
    /// Of those, how often gateways reported them.
    pub reported: BTreeMap<RequiredScope, u64>,
    /// Uses that needed no scope.
    pub unscoped: u64,
    /// All uses on the account, those that only asked whose token it is with them, and none that gateways reported. Empty from
    /// the read models, which count them elsewhere.
    pub uses: Seen,
    /// The smallest access.
    pub access: Access,
    /// Scopes that it does not cover: numbers that were no resource's.
    pub uncovered: BTreeSet<RequiredScope>,
    /// Whether a group has more names than a grant takes, and keeps "all".
    pub too_many_names: BTreeSet<GroupNumber>,
}

/// Reads the uses of tokens on an account.
pub fn least(
    archive: &Archive,
    (account, tokens): (AccountId, &[TokenId]),
    current: &Access,
    range: Range,
    lists: Lists,
) -> Result<Least, AuditError> {
    let mut used = Used::default();
    if !tokens.is_empty() {
        used.read(archive, &Subject { account, tokens }, range)?;
    }
    Ok(used.least(archive.groups(), current, lists))
}

/// As [`least`] of a token over all of its life, from the read models: they count each use as it is recorded, so no record is
/// read. Of scopes they know no position of the first use, and of uses without a scope nothing. What gateways reported is in
/// the records only: none where there is any.
pub fn least_in_read_models(
    projections: &Projections,
    (account, token): (AccountId, TokenId),
    current: &Access,
) -> Option<Least> {
    if projections.last_used.reported_of(token).is_some() {
        return None;
    }
    let mut used = Used::default();
    for (_, scope, uses) in projections.last_used.grants_of(token).filter(|(on, ..)| *on == account) {
        let first = (Position::NONE, uses.first_at);
        let last = (uses.last_position, uses.last_at);
        used.scopes.insert(scope, Seen { count: uses.count, first, last, examples: Vec::new() });
    }
    Some(used.least(&projections.state.groups, current, Lists::Narrow))
}

#[derive(Default)]
struct Used {
    scopes: BTreeMap<RequiredScope, Seen>,
    reported: BTreeMap<RequiredScope, u64>,
    unscoped: u64,
    uses: Seen,
    /// Of scopes that are used often; not in the others until all is counted.
    counted: BTreeMap<RequiredScope, Counted>,
}

impl Used {
    /// Takes in what the tokens did on the account, piece by piece of the index.
    fn read(&mut self, archive: &Archive, subject: &Subject<'_>, (after, through): Range) -> Result<(), LogError> {
        let keys: Vec<Key> = subject.tokens.iter().map(|&token| Key::TokenTraffic(token)).collect();
        let records = Wanted::any(&keys);
        let (mut at, through) = (after, through.min(archive.head()));
        while at < through {
            let piece = archive.next_piece(&records, (at, through));
            match &piece.found {
                Some(found) => by_index::take(self, archive, subject, (&piece, found))?,
                None => archive.visit(&keys, (piece.after, piece.through), &mut |position, header, event| {
                    if header.account == subject.account {
                        self.take(position, header, event);
                    }
                    ControlFlow::Continue(())
                })?,
            }
            at = piece.through;
        }
        for (scope, counted) in std::mem::take(&mut self.counted) {
            let seen = counted.seen(archive)?;
            self.uses.merge(&seen);
            self.scopes.entry(scope).or_default().merge(&seen);
        }
        Ok(())
    }

    /// Takes in what was read, from anywhere.
    fn merge(&mut self, other: Self) {
        for (scope, seen) in other.scopes {
            self.scopes.entry(scope).or_default().merge(&seen);
        }
        for (scope, count) in other.reported {
            *self.reported.entry(scope).or_default() += count;
        }
        self.unscoped += other.unscoped;
        self.uses.merge(&other.uses);
    }

    fn take(&mut self, position: Position, header: &Header, event: &Event) {
        if matches!(event, Event::TokenUsed(_)) {
            self.uses.insert(position, header.recorded_at);
        }
        match event {
            Event::TokenUsed(TokenUsed { source: AccessSource::Identity(_), .. }) => {}
            Event::TokenUsed(TokenUsed { scope: Some(scope), .. }) => {
                self.scopes.entry(*scope).or_default().insert(position, header.recorded_at);
            }
            Event::TokenUsed(_) => self.unscoped += 1,
            Event::UseReported(reported) => {
                if let Some(scope) = reported.scope {
                    self.scopes.entry(scope).or_default().insert(position, reported.occurred_at);
                    *self.reported.entry(scope).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    fn least(self, groups: &Table<ScopeGroup>, current: &Access, lists: Lists) -> Least {
        let mut by_group: BTreeMap<GroupNumber, Vec<RequiredScope>> = BTreeMap::new();
        for scope in self.scopes.keys() {
            by_group.entry(scope.group).or_default().push(*scope);
        }
        let mut too_many_names = BTreeSet::new();
        let grants = by_group.into_iter().filter_map(|(number, scopes)| {
            let restrictable = groups.get(u64::from(number)).is_some_and(|group| group.restrictable);
            let coverage = match restrictable {
                true => coverage(&scopes, current, lists),
                false => Coverage::All,
            };
            let is_too_long = matches!(&coverage, Coverage::Named(names) if names.len() > NAMES_IN_GRANT_MAX);
            if is_too_long {
                too_many_names.insert(number);
            }
            smallest(number, if is_too_long { Coverage::All } else { coverage }, &scopes)
        });
        let access = Access::Granted(grants.collect());
        let uncovered = self.scopes.keys().copied().filter(|scope| !access.allows(*scope)).collect();
        let Self { scopes, reported, unscoped, uses, counted: _ } = self;
        Least { scopes, reported, unscoped, uses, access, uncovered, too_many_names }
    }
}

/// A grant with no more than the scopes need that it covers; none where it covers none.
fn smallest(group: GroupNumber, coverage: Coverage, scopes: &[RequiredScope]) -> Option<Grant> {
    let most = Access::Granted(vec![Grant { group, level: Level::FullAccess, coverage: coverage.clone() }]);
    let mut covered = scopes.iter().filter(|scope| most.allows(**scope)).peekable();
    covered.peek()?;
    let level = match covered.any(|scope| scope.verb == Verb::Write) {
        true => Level::FullAccess,
        false => Level::ReadOnly,
    };
    Some(Grant { group, level, coverage })
}

/// What of a group that can be restricted.
fn coverage(scopes: &[RequiredScope], current: &Access, lists: Lists) -> Coverage {
    let has = |target: fn(&Target) -> bool| scopes.iter().any(|scope| target(&scope.target));
    if has(|target| matches!(target, Target::All)) {
        return Coverage::All;
    }
    let mut names: Vec<TextNumber> = scopes.iter().filter_map(|scope| name_of(scope.target)).collect();
    let is_listed = has(|target| matches!(target, Target::List));
    if is_listed && (lists == Lists::Keep || names.is_empty()) {
        match shown(current, scopes[0].group) {
            Coverage::All => return Coverage::All,
            Coverage::Named(shown) => names.extend(shown),
        }
    }
    names.sort_unstable();
    names.dedup();
    Coverage::Named(names)
}

fn name_of(target: Target) -> Option<TextNumber> {
    match target {
        Target::Name(name) => Some(name),
        _ => None,
    }
}

/// What a list of a group shows under an access.
fn shown(access: &Access, group: GroupNumber) -> Coverage {
    match access.visible(group) {
        crate::domain::access::Visible::All => Coverage::All,
        crate::domain::access::Visible::Named(names) => Coverage::Named(names),
    }
}

/// A part of an access that nobody used.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Unused {
    /// No use in the group at all.
    Group(GroupNumber, Level),
    /// Nothing was changed in the group.
    Writing(GroupNumber),
    /// This name was not used.
    Name(GroupNumber, TextNumber),
    /// The grant is of all; only names were used.
    All(GroupNumber),
}

/// What an access covers and the uses did not need. Of full access every group counts as granted.
pub fn unused(current: &Access, least: &Least, groups: &Table<ScopeGroup>) -> Vec<Unused> {
    let Access::Granted(needed) = &least.access else { return Vec::new() };
    let granted: Vec<Grant> = match current {
        Access::Granted(grants) => grants.clone(),
        Access::Full => groups.iter().map(all_of).collect(),
    };
    let mut unused = Vec::new();
    for grant in granted {
        match needed.iter().find(|needed| needed.group == grant.group) {
            // Where only numbers were asked for that were no resource's, it was used, for nothing that is there.
            None if least.scopes.keys().any(|scope| scope.group == grant.group) => {}
            None => unused.push(Unused::Group(grant.group, grant.level)),
            Some(needed) => unused.extend(unused_of(&grant, needed, &least.scopes)),
        }
    }
    unused
}

fn all_of(group: &ScopeGroup) -> Grant {
    let level = if group.has_write { Level::FullAccess } else { Level::ReadOnly };
    Grant { group: group.number, level, coverage: Coverage::All }
}

fn unused_of(grant: &Grant, needed: &Grant, scopes: &BTreeMap<RequiredScope, Seen>) -> Vec<Unused> {
    let mut unused = Vec::new();
    if grant.level == Level::FullAccess && needed.level == Level::ReadOnly {
        unused.push(Unused::Writing(grant.group));
    }
    match (&grant.coverage, &needed.coverage) {
        (Coverage::All, Coverage::Named(_)) => unused.push(Unused::All(grant.group)),
        (Coverage::Named(names), _) => {
            let is_used = |name: &TextNumber| {
                scopes.keys().any(|scope| scope.group == grant.group && scope.target == Target::Name(*name))
            };
            unused.extend(names.iter().filter(|name| !is_used(name)).map(|name| Unused::Name(grant.group, *name)));
        }
        _ => {}
    }
    unused
}
