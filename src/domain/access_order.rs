//! When one access lets do no more than another.

use super::access::{Access, Coverage, Grant, Level};
use std::borrow::Cow;

impl Access {
    /// Whether whatever this access allows, the other does too.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Full) => true,
            (Self::Full, Self::Granted(_)) => false,
            (Self::Granted(own), Self::Granted(others)) => own.iter().all(|grant| is_in_one(grant, others)),
        }
    }
}

impl Access {
    /// What both allow, no more and no less. Borrowed where one of them is within the other.
    pub fn within_both<'a>(&'a self, other: &'a Self) -> Cow<'a, Self> {
        if other.is_within(self) {
            return Cow::Borrowed(other);
        }
        if self.is_within(other) {
            return Cow::Borrowed(self);
        }
        let (Self::Granted(own), Self::Granted(others)) = (self, other) else { return Cow::Borrowed(self) };
        Cow::Owned(Self::Granted(own.iter().filter_map(|grant| common(grant, others)).collect()))
    }
}

/// What of a grant others give, too.
fn common(grant: &Grant, others: &[Grant]) -> Option<Grant> {
    let other = others.iter().find(|other| other.group == grant.group)?;
    let coverage = match (&grant.coverage, &other.coverage) {
        (Coverage::All, coverage) | (coverage, Coverage::All) => coverage.clone(),
        (Coverage::Named(names), Coverage::Named(others)) => {
            Coverage::Named(names.iter().filter(|name| others.contains(name)).copied().collect())
        }
    };
    Some(Grant { group: grant.group, level: grant.level.min(other.level), coverage })
}

fn is_in_one(grant: &Grant, others: &[Grant]) -> bool {
    let Some(other) = others.iter().find(|other| other.group == grant.group) else { return false };
    let is_level = grant.level == Level::ReadOnly || other.level == Level::FullAccess;
    is_level
        && match (&grant.coverage, &other.coverage) {
            (_, Coverage::All) => true,
            (Coverage::All, Coverage::Named(_)) => false,
            (Coverage::Named(names), Coverage::Named(others)) => names.iter().all(|name| others.contains(name)),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::{RequiredScope, Target, Verb};
    use crate::domain::ids::TextNumber;

    /// Every access of grants in one group, or none, over two names.
    fn accesses() -> Vec<Access> {
        let names = |numbers: &[u64]| Coverage::Named(numbers.iter().map(|&number| TextNumber(number)).collect());
        let coverages = [Coverage::All, names(&[]), names(&[1]), names(&[2]), names(&[1, 2])];
        let levels = [Level::ReadOnly, Level::FullAccess];
        let grants = levels.iter().flat_map(|&level| {
            coverages.iter().map(move |coverage| Grant { group: 11, level, coverage: coverage.clone() })
        });
        let granted = grants.map(|grant| Access::Granted(vec![grant]));
        [Access::Full, Access::Granted(Vec::new())].into_iter().chain(granted).collect()
    }

    #[test]
    fn one_is_within_another_when_it_allows_no_scope_that_the_other_does_not_and_both_allow_what_each_does() {
        let targets = [Target::List, Target::All, Target::Number(9)]
            .into_iter()
            .chain((0..4).map(|number| Target::Name(TextNumber(number))));
        let scopes: Vec<RequiredScope> = targets
            .flat_map(|target| {
                let verbs = [Verb::Read, Verb::Write].into_iter();
                verbs.flat_map(move |verb| [6, 11].map(|group| RequiredScope { group, verb, target }))
            })
            .collect();
        for own in accesses() {
            for other in accesses() {
                let allows_no_more = scopes.iter().all(|&scope| !own.allows(scope) || other.allows(scope));
                assert_eq!(own.is_within(&other), allows_no_more, "{own:?} {other:?}");
                let both = own.within_both(&other);
                for &scope in &scopes {
                    let is_allowed = own.allows(scope) && other.allows(scope);
                    assert_eq!(both.allows(scope), is_allowed, "{own:?} {other:?} {scope:?}");
                }
            }
        }
    }
}
