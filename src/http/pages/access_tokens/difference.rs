//! What an edit makes wider and what narrower, in words.

use super::settings::Wish;
use crate::domain::access::{Access, Coverage, Level};
use crate::domain::command::{AccessRequest, CoverageRequest};
use crate::domain::names::normalize_domain_name;
use crate::domain::time::Timestamp;
use crate::domain::token::Token;
use crate::http::pages::words::{self, Time};
use crate::ledger::View;
use std::collections::{BTreeMap, BTreeSet};

/// What changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Difference {
    /// What the token can do from then on, and could not.
    pub wider: Vec<String>,
    /// What it could, and cannot.
    pub narrower: Vec<String>,
    /// What changes nothing that it can do.
    pub other: Vec<String>,
}

/// What a group is given: the level, and the names; none is all.
type Given = (Level, Option<BTreeSet<String>>);

impl Difference {
    /// Between a token as it is and what is wished.
    pub fn of(view: &View<'_>, token: &Token, wish: &Wish) -> Self {
        let mut difference = Self::default();
        let name = words::text(view, token.name);
        if *name != *wish.name.as_str() {
            difference.other.push(format!("Renamed from “{name}” to “{}”", wish.name.as_str()));
        }
        difference.access(view, &token.access, &wish.access);
        difference.expiry(token.expires_at, wish.expires_at);
        difference.conditions(token, wish);
        difference
    }

    /// Whether what the token can do changes.
    pub fn is_about_access(&self) -> bool {
        !self.wider.is_empty() || !self.narrower.is_empty()
    }

    fn access(&mut self, view: &View<'_>, before: &Access, after: &AccessRequest) {
        match (before, after) {
            (Access::Full, AccessRequest::Full) => {}
            (Access::Full, AccessRequest::Granted(_)) => {
                let granted: Vec<String> = given_after(after).iter().map(|(group, given)| line(group, given)).collect();
                self.narrower.push(format!("No full access any more, only {}", granted.join("; ")));
            }
            (Access::Granted(_), AccessRequest::Full) => {
                self.wider.push("Full access: everything in the account, including what is added later".to_owned());
            }
            (Access::Granted(_), AccessRequest::Granted(_)) => {
                let (before, after) = (given_before(view, before), given_after(after));
                for (group, given) in &after {
                    match before.get(group) {
                        None => self.wider.push(line(group, given)),
                        Some(old) => self.group(&words::group_label(group), old, given),
                    }
                }
                let gone = before.keys().filter(|group| !after.contains_key(*group));
                self.narrower.extend(gone.map(|group| format!("{}: no access any more", words::group_label(group))));
            }
        }
    }

    fn group(&mut self, label: &str, (level, names): &Given, (new_level, new_names): &Given) {
        if new_level > level {
            self.wider.push(format!(
                "{label}: {} instead of {}",
                words::level_label(*new_level),
                words::level_label(*level)
            ));
        } else if new_level < level {
            self.narrower.push(format!(
                "{label}: {} instead of {}",
                words::level_label(*new_level),
                words::level_label(*level)
            ));
        }
        match (names, new_names) {
            (None, None) => {}
            (None, Some(new)) => {
                self.narrower.push(format!("{label}: only {}, no others any more", listed(new.iter())))
            }
            (Some(_), None) => self.wider.push(format!("{label}: all, including ones added later")),
            (Some(old), Some(new)) => {
                if new.difference(old).next().is_some() {
                    self.wider.push(format!("{label}: also {}", listed(new.difference(old))));
                }
                if old.difference(new).next().is_some() {
                    self.narrower.push(format!("{label}: no longer {}", listed(old.difference(new))));
                }
            }
        }
    }

    fn expiry(&mut self, before: Option<Timestamp>, after: Option<Timestamp>) {
        // A form says whole seconds.
        if before.map(Timestamp::seconds) == after.map(Timestamp::seconds) {
            return;
        }
        match after {
            None => self.wider.push("Never expires".to_owned()),
            Some(end) => {
                let line = format!("Expires {}", Time(end).plain());
                if before.is_some_and(|before| end > before) { self.wider.push(line) } else { self.narrower.push(line) }
            }
        }
    }

    fn conditions(&mut self, token: &Token, wish: &Wish) {
        let before = token.conditions();
        let after = wish.conditions.applied_to(before);
        if before.not_before.map(Timestamp::seconds) != after.not_before.map(Timestamp::seconds) {
            let is_later = after.not_before > before.not_before;
            let line = match after.not_before {
                Some(begin) => format!("Works from {} on", Time(begin).plain()),
                None => "Works at once".to_owned(),
            };
            if is_later { self.narrower.push(line) } else { self.wider.push(line) }
        }
        if before.allowed_addresses != after.allowed_addresses {
            let line = match after.ranges_in_words() {
                Some(ranges) => format!("Works from {} only", ranges.join(", ")),
                None => "Works from any address".to_owned(),
            };
            let addresses = |of: &crate::domain::conditions::Conditions| {
                crate::domain::conditions::Conditions::new(None, of.allowed_addresses.clone())
            };
            let (old, new) = (addresses(before), addresses(&after));
            match (new.are_within(&old), old.are_within(&new)) {
                (true, _) => self.narrower.push(line),
                (false, true) => self.wider.push(line),
                // Some of both.
                (false, false) => {
                    self.narrower.push(line.clone());
                    self.wider.push(line);
                }
            }
        }
    }
}

fn line(group: &str, (level, names): &Given) -> String {
    let on = names.as_ref().map(|names| format!(" on {}", listed(names.iter()))).unwrap_or_default();
    format!("{}: {}{on}", words::group_label(group), words::level_label(*level))
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn given_before(view: &View<'_>, access: &Access) -> BTreeMap<String, Given> {
    let Access::Granted(grants) = access else { return BTreeMap::new() };
    let groups = &view.projections.state.groups;
    let given = grants.iter().filter_map(|grant| {
        let names = match &grant.coverage {
            Coverage::All => None,
            Coverage::Named(names) => Some(names.iter().map(|&name| words::text(view, name).to_string()).collect()),
        };
        Some((groups.get(u64::from(grant.group))?.name.clone(), (grant.level, names)))
    });
    given.collect()
}

fn given_after(access: &AccessRequest) -> BTreeMap<String, Given> {
    let AccessRequest::Granted(grants) = access else { return BTreeMap::new() };
    let given = grants.iter().map(|grant| {
        let names = match &grant.coverage {
            CoverageRequest::All => None,
            // What is no name is told by whoever decides.
            CoverageRequest::Named(names) => Some(
                names
                    .iter()
                    .map(|name| normalize_domain_name(name.as_str()).unwrap_or_else(|_| name.as_str().to_owned()))
                    .collect(),
            ),
        };
        (grant.group.clone(), (grant.level, names))
    });
    given.collect()
}
