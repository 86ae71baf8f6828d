//! The permission form: what a token may do, group by group.

use crate::domain::access::{Access, Coverage, Grant, Level, ScopeGroup};
use crate::domain::command::{AccessRequest, CoverageRequest, GrantRequest};
use crate::domain::directory::{Account, ResourceKind};
use crate::domain::text::PersonalText;
use crate::http::pages::form::{Faults, Form};
use crate::http::pages::words;
use crate::http::problem::Problem;
use crate::ledger::View;
use std::collections::BTreeSet;

/// Names that a picker lists: with all pickers of the form the page stays below 100 KB. Others are typed.
const NAMES_LISTED: usize = 100;

/// What is chosen, as it is shown again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Permissions {
    /// Whether everything is allowed, and what is below is not asked.
    pub is_full: bool,
    /// What is chosen of each group that the account can give.
    pub groups: Vec<GroupChoice>,
}

/// What is chosen of one scope group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupChoice {
    /// Its name in scopes, and of its fields.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// Whether it has a level above reading.
    pub has_write: bool,
    /// Whether single resources can be named.
    pub restrictable: bool,
    /// The level; none is no access.
    pub level: Option<Level>,
    /// Whether only named resources are covered.
    pub is_named: bool,
    /// Resources that can be ticked, and are.
    pub names: Vec<NameChoice>,
    /// Further names, as they were typed.
    pub more: String,
    /// How many names of the account are not listed.
    pub unlisted: u64,
}

/// A resource in a picker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameChoice {
    /// Its name.
    pub name: String,
    /// Whether it is ticked.
    pub is_ticked: bool,
    /// Whether the account has it now.
    pub is_there: bool,
}

impl GroupChoice {
    /// Whether a level is the chosen one, by its word in the form.
    pub fn is_level(&self, word: &str) -> bool {
        word == self.level.map_or("none", Level::name)
    }

    /// What the picker covers, in a few words.
    pub fn covers(&self) -> String {
        let mut ticked: Vec<&str> =
            self.names.iter().filter(|name| name.is_ticked).map(|name| name.name.as_str()).collect();
        ticked.extend(self.more.split([',', ' ', '\n', '\t']).filter(|name| !name.is_empty()));
        match (self.is_named, &ticked[..]) {
            (false, _) => "all, including ones added later".to_owned(),
            (true, []) => "nothing yet".to_owned(),
            (true, [first, second, third, rest @ ..]) if !rest.is_empty() => {
                format!("{first}, {second}, {third} and {} more", rest.len())
            }
            (true, few) => few.join(", "),
        }
    }
}

impl Permissions {
    /// Of a new token: nothing is chosen yet.
    pub fn nothing(view: &View<'_>, account: &Account) -> Self {
        Self::of(view, account, &Access::Granted(Vec::new()))
    }

    /// Of an access that is there.
    pub fn of(view: &View<'_>, account: &Account, access: &Access) -> Self {
        let grants: &[Grant] = match access {
            Access::Full => &[],
            Access::Granted(grants) => grants,
        };
        let groups = givable(view, account, grants).map(|group| {
            let grant = grants.iter().find(|grant| grant.group == group.number);
            let named: BTreeSet<String> = match grant.map(|grant| &grant.coverage) {
                Some(Coverage::Named(names)) => names.iter().map(|&name| words::text(view, name).to_string()).collect(),
                _ => BTreeSet::new(),
            };
            let is_named = grant.is_some_and(|grant| matches!(grant.coverage, Coverage::Named(_)));
            choice(view, account, group, (grant.map(|grant| grant.level), is_named, named, String::new()))
        });
        Self { is_full: *access == Access::Full, groups: groups.collect() }
    }

    /// As it was sent.
    pub fn read(view: &View<'_>, account: &Account, form: &mut Form) -> Result<Self, Box<Problem>> {
        let is_full = match form.text("access")?.as_str() {
            "full" => true,
            "granted" => false,
            _ => {
                form.faults.note("access", "choose one of the two");
                false
            }
        };
        let mut groups = Vec::new();
        // All groups that there are: what of them cannot be given is told by whoever decides.
        for group in view.projections.state.groups.iter() {
            let name = &group.name;
            if !form.has(&format!("level.{name}")) {
                continue;
            }
            let level = match form.text(&format!("level.{name}"))?.as_str() {
                "read_only" => Some(Level::ReadOnly),
                "full_access" => Some(Level::FullAccess),
                _ => None,
            };
            let is_named = form.text(&format!("cover.{name}"))? == "named";
            let ticked = form.texts(&format!("names.{name}")).into_iter().collect();
            let more = form.text(&format!("more.{name}"))?;
            groups.push(choice(view, account, group, (level, is_named, ticked, more)));
        }
        Ok(Self { is_full, groups })
    }

    /// The access that it asks for; what is wrong with it is noted.
    pub fn request(&self, faults: &mut Faults) -> AccessRequest {
        if self.is_full {
            return AccessRequest::Full;
        }
        let grants: Vec<GrantRequest> = self.groups.iter().filter_map(|group| group.request(faults)).collect();
        if grants.is_empty() {
            faults.note("access", "give access to something below, or choose full access");
        }
        AccessRequest::Granted(grants)
    }

    /// Names of the groups that are granted, in the order of the request.
    pub fn granted(&self) -> Vec<&str> {
        self.groups.iter().filter(|group| group.level.is_some()).map(|group| group.name.as_str()).collect()
    }
}

impl GroupChoice {
    fn request(&self, faults: &mut Faults) -> Option<GrantRequest> {
        let level = self.level?;
        if !self.is_named {
            return Some(GrantRequest { group: self.name.clone(), level, coverage: CoverageRequest::All });
        }
        let ticked = self.names.iter().filter(|name| name.is_ticked).map(|name| name.name.as_str());
        let typed = self.more.split([',', ' ', '\n', '\t']).filter(|name| !name.is_empty());
        let names: Vec<PersonalText> = ticked.chain(typed).map(PersonalText::new).collect();
        if names.is_empty() {
            faults.note(&format!("names.{}", self.name), "tick at least one, or choose all");
        }
        Some(GrantRequest { group: self.name.clone(), level, coverage: CoverageRequest::Named(names) })
    }
}

/// The groups that an account can give, and those that a grant is there of already.
fn givable<'a>(view: &View<'a>, account: &Account, grants: &'a [Grant]) -> impl Iterator<Item = &'a ScopeGroup> {
    let has_research = account.research.is_some();
    let groups = view.projections.state.groups.iter();
    groups.filter(move |group| {
        has_research || !group.needs_research || grants.iter().any(|grant| grant.group == group.number)
    })
}

type Chosen = (Option<Level>, bool, BTreeSet<String>, String);

fn choice(view: &View<'_>, account: &Account, group: &ScopeGroup, chosen: Chosen) -> GroupChoice {
    let (level, is_named, mut ticked, more) = chosen;
    let there = if group.restrictable { names_of(view, account, &group.name) } else { BTreeSet::new() };
    let total = there.len();
    let mut names: Vec<NameChoice> = Vec::new();
    for name in there {
        let is_ticked = ticked.remove(&name);
        if is_ticked || names.len() < NAMES_LISTED {
            names.push(NameChoice { name, is_ticked, is_there: true });
        }
    }
    let unlisted = (total - names.len()) as u64;
    names.extend(ticked.into_iter().map(|name| NameChoice { name, is_ticked: true, is_there: false }));
    GroupChoice {
        name: group.name.clone(),
        label: words::group_label(&group.name),
        has_write: group.has_write,
        restrictable: group.restrictable,
        level,
        is_named,
        names,
        more,
        unlisted,
    }
}

/// Names that grants of a group can say: zones by their zones, everything else by domains; of groups that a scope map
/// brought, both.
fn names_of(view: &View<'_>, account: &Account, group: &str) -> BTreeSet<String> {
    let kinds: &[ResourceKind] = match group {
        "zones" => &[ResourceKind::Zone],
        "domains" | "certificates" | "registrar" => &[ResourceKind::Domain],
        _ => &[ResourceKind::Domain, ResourceKind::Zone],
    };
    let known = account.by_name.keys().filter(|(kind, _)| kinds.contains(kind));
    known.filter_map(|&(_, name)| crate::http::shapes::text(view.texts, name)).map(|name| name.to_string()).collect()
}
