//! An access in one readable line, and what became other between two.

use super::Phrase;
use crate::audit::least::Unused;
use crate::domain::access::{Access, Coverage, Grant, GroupNumber, Level, ScopeGroup};
use crate::domain::ids::TextNumber;
use crate::domain::table::Table;
use std::collections::BTreeMap;

/// Names told of one grant; of more, their number is.
const NAMES_TOLD: usize = 8;

/// How far, for people.
pub fn level(level: Level) -> &'static str {
    match level {
        Level::ReadOnly => "read only",
        Level::FullAccess => "full access",
    }
}

fn group_name(groups: &Table<ScopeGroup>, number: GroupNumber) -> String {
    groups.get(u64::from(number)).map_or_else(|| format!("group {number}"), |group| group.name.clone())
}

/// Over which resources: `on all`, `on example.com, example.org`, `on no resource`.
fn coverage(covers: &Coverage) -> Phrase {
    match covers {
        Coverage::All => Phrase::of(" on all"),
        Coverage::Named(names) => match names.as_slice() {
            [] => Phrase::of(" on no resource"),
            names if names.len() <= NAMES_TOLD => Phrase::of(" on ").texts(names),
            names => {
                let more = format!(" and {} more", names.len() - NAMES_TOLD);
                Phrase::of(" on ").texts(&names[..NAMES_TOLD]).words(more)
            }
        },
    }
}

/// A grant without its group: `read only on example.com`.
fn reach(grant: &Grant) -> Phrase {
    Phrase::of(level(grant.level)).then(coverage(&grant.coverage))
}

fn grant(groups: &Table<ScopeGroup>, grant: &Grant) -> Phrase {
    Phrase::of(format!("{}: ", group_name(groups, grant.group))).then(reach(grant))
}

/// An access in one line: `full access to everything`, or grant after grant.
pub fn access(groups: &Table<ScopeGroup>, access: &Access) -> Phrase {
    match access {
        Access::Full => Phrase::of("full access to everything"),
        Access::Granted(grants) if grants.is_empty() => Phrase::of("no access"),
        Access::Granted(grants) => {
            let mut line = Phrase::new();
            for (index, one) in grants.iter().enumerate() {
                line = if index > 0 { line.words("; ") } else { line };
                line = line.then(grant(groups, one));
            }
            line
        }
    }
}

/// What became other from one access to another, a line for each scope group; none where nothing did.
pub fn difference(groups: &Table<ScopeGroup>, before: &Access, after: &Access) -> Vec<Phrase> {
    match (before, after) {
        (before, after) if before == after => Vec::new(),
        (Access::Granted(before), Access::Granted(after)) => differences(groups, before, after),
        (before, after) => {
            let was = Phrase::of("was ").then(access(groups, before));
            vec![was.words(", now ").then(access(groups, after))]
        }
    }
}

/// A part of an access that nobody used.
pub fn unused(groups: &Table<ScopeGroup>, unused: &Unused) -> Phrase {
    let of = |group: GroupNumber| Phrase::of(format!("{}: ", group_name(groups, group)));
    match unused {
        Unused::Group(group, granted) => of(*group).words(format!("never used at all ({})", level(*granted))),
        Unused::Writing(group) => of(*group).words("nothing was ever changed: read only would do"),
        Unused::Name(group, name) => of(*group).text(*name).words(" was never used"),
        Unused::All(group) => of(*group).words("granted on all, and only some resources were used"),
    }
}

fn differences(groups: &Table<ScopeGroup>, before: &[Grant], after: &[Grant]) -> Vec<Phrase> {
    let mut both: BTreeMap<GroupNumber, (Option<&Grant>, Option<&Grant>)> = BTreeMap::new();
    before.iter().for_each(|grant| both.entry(grant.group).or_default().0 = Some(grant));
    after.iter().for_each(|grant| both.entry(grant.group).or_default().1 = Some(grant));
    both.into_iter()
        .filter_map(|(group, grants)| {
            let what = match grants {
                (Some(was), Some(now)) if was == now => return None,
                (Some(was), Some(now)) => became(was, now),
                (None, Some(now)) => Phrase::of("had no access, now ").then(reach(now)),
                (Some(was), None) => Phrase::of("was ").then(reach(was)).words(", now no access"),
                (None, None) => return None,
            };
            Some(Phrase::of(format!("{}: ", group_name(groups, group))).then(what))
        })
        .collect()
}

/// Names that came and went are told by themselves where nothing else changed: a long list would hide them.
fn became(was: &Grant, now: &Grant) -> Phrase {
    if let (Coverage::Named(before), Coverage::Named(after)) = (&was.coverage, &now.coverage)
        && was.level == now.level
    {
        let without = |names: &[TextNumber], others: &[TextNumber]| -> Vec<TextNumber> {
            names.iter().filter(|name| !others.contains(name)).copied().collect()
        };
        let (come, gone) = (without(after, before), without(before, after));
        let mut line = Phrase::of(level(now.level));
        if !come.is_empty() {
            line = line.words(" also on ").texts(&come);
        }
        if !gone.is_empty() {
            line = line.words(if come.is_empty() { " no longer on " } else { ", no longer on " }).texts(&gone);
        }
        return line;
    }
    Phrase::of("was ").then(reach(was)).words(", now ").then(reach(now))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{groups, plain};
    use super::*;
    use crate::domain::access::group::{DOMAINS, ZONES};

    fn one(group: GroupNumber, level: Level, coverage: Coverage) -> Grant {
        Grant { group, level, coverage }
    }

    fn named(numbers: &[u64]) -> Coverage {
        Coverage::Named(numbers.iter().map(|&number| TextNumber(number)).collect())
    }

    #[test]
    fn an_access_is_one_line() {
        use Level::{FullAccess, ReadOnly};
        let rows = [
            (Access::Full, "full access to everything"),
            (Access::Granted(vec![]), "no access"),
            (Access::Granted(vec![one(ZONES, ReadOnly, named(&[4, 5]))]), "zones: read only on t4, t5"),
            (
                Access::Granted(vec![one(DOMAINS, FullAccess, Coverage::All), one(ZONES, ReadOnly, named(&[]))]),
                "domains: full access on all; zones: read only on no resource",
            ),
            (
                Access::Granted(vec![one(ZONES, ReadOnly, named(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))]),
                "zones: read only on t1, t2, t3, t4, t5, t6, t7, t8 and 2 more",
            ),
        ];
        for (given, expected) in rows {
            assert_eq!(plain(&access(&groups(), &given)), expected);
        }
    }

    #[test]
    fn a_difference_says_what_was_and_what_is_now() {
        use Level::{FullAccess, ReadOnly};
        let zones = |level, coverage| Access::Granted(vec![one(ZONES, level, coverage)]);
        let domains = Access::Granted(vec![one(DOMAINS, FullAccess, Coverage::All)]);
        let rows: [(Access, Access, &[&str]); 8] = [
            (
                zones(ReadOnly, named(&[4])),
                zones(FullAccess, Coverage::All),
                &["zones: was read only on t4, now full access on all"],
            ),
            (zones(ReadOnly, named(&[4])), zones(ReadOnly, named(&[4, 5])), &["zones: read only also on t5"]),
            (zones(ReadOnly, named(&[4, 5])), zones(ReadOnly, named(&[5])), &["zones: read only no longer on t4"]),
            (
                zones(ReadOnly, named(&[4])),
                zones(ReadOnly, named(&[5])),
                &["zones: read only also on t5, no longer on t4"],
            ),
            (
                zones(ReadOnly, Coverage::All),
                domains,
                &["domains: had no access, now full access on all", "zones: was read only on all, now no access"],
            ),
            (
                Access::Full,
                zones(ReadOnly, named(&[4])),
                &["was full access to everything, now zones: read only on t4"],
            ),
            (Access::Granted(vec![]), Access::Full, &["was no access, now full access to everything"]),
            (Access::Full, Access::Full, &[]),
        ];
        for (before, after, expected) in rows {
            let told: Vec<String> = difference(&groups(), &before, &after).iter().map(plain).collect();
            assert_eq!(told, expected);
        }
    }
}
