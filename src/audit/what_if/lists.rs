//! Lists that get shorter: what a use of a list showed, and would not have shown.

use crate::domain::access::{GroupNumber, Visible};
use crate::domain::decide::access_on;
use crate::domain::directory::ResourceKind;
use crate::domain::event::{Header, Route};
use crate::domain::ids::{AccountId, TextNumber, TokenId};
use crate::domain::state::State;
use std::collections::{BTreeSet, HashMap};

/// What a list would have been without.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Missing {
    pub names: BTreeSet<TextNumber>,
    /// Everything of another service but what is named: what that had is not known.
    pub of_everything: bool,
}

impl Missing {
    fn is_nothing(&self) -> bool {
        self.names.is_empty() && !self.of_everything
    }
}

/// Worked out once for each list, until something changes.
#[derive(Default)]
pub(super) struct Lists(HashMap<(TokenId, AccountId, GroupNumber, Option<ResourceKind>), Option<Missing>>);

impl Lists {
    pub fn something_changed(&mut self) {
        self.0.clear();
    }

    /// What a list that was asked for would have been without; none if it would have been the same.
    pub fn missing(
        &mut self,
        (facts, supposed): (&State, &State),
        header: &Header,
        group: GroupNumber,
        route: Route,
    ) -> Option<&Missing> {
        let kind = match route {
            Route::Domains => Some(ResourceKind::Domain),
            Route::Zones => Some(ResourceKind::Zone),
            _ => None,
        };
        let key = (header.token, header.account, group, kind);
        let work_out = || {
            let before = access_on(facts, header.token, header.account)?.visible(group);
            let after = access_on(supposed, header.token, header.account)?.visible(group);
            Some(difference(facts, header.account, kind, &before, &after)).filter(|missing| !missing.is_nothing())
        };
        self.0.entry(key).or_insert_with(work_out).as_ref()
    }
}

fn difference(
    facts: &State,
    account: AccountId,
    kind: Option<ResourceKind>,
    before: &Visible,
    after: &Visible,
) -> Missing {
    let Visible::Named(after) = after else { return Missing::default() };
    let is_gone = |name: &TextNumber| after.binary_search(name).is_err();
    let there = |kind| {
        let by_name = facts.account(account).into_iter().flat_map(|account| account.by_name.keys());
        by_name.filter(move |(other, _)| *other == kind).map(|(_, name)| *name)
    };
    match (before, kind) {
        (Visible::All, Some(kind)) => Missing { names: there(kind).filter(is_gone).collect(), of_everything: false },
        (Visible::All, None) => Missing { names: BTreeSet::new(), of_everything: true },
        (Visible::Named(before), Some(kind)) => {
            let was_shown = |name: &TextNumber| before.binary_search(name).is_ok();
            Missing { names: there(kind).filter(was_shown).filter(is_gone).collect(), of_everything: false }
        }
        (Visible::Named(before), None) => {
            Missing { names: before.iter().copied().filter(is_gone).collect(), of_everything: false }
        }
    }
}
