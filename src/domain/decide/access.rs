//! A requested access, checked and then written down with the numbers of its names.

use super::draft::Draft;
use crate::domain::access::{Access, BUILT_IN_GROUPS, Coverage, Grant, Level, ScopeGroup};
use crate::domain::command::{AccessRequest, CoverageRequest, GrantRequest};
use crate::domain::directory::Account;
use crate::domain::ids::{AccountId, TextNumber};
use crate::domain::names::{normalize_domain_name, normalize_resource_name};
use crate::domain::rejection::{FieldFault, Rejection};
use crate::domain::state::State;
use crate::domain::text::{PersonalText, Subject, TextKind};

/// Names that one grant may list.
pub const NAMES_IN_GRANT_MAX: usize = 1_000;

/// Checks a requested access against plan, features and scope groups, and brings its names into their one form.
pub(super) fn check(state: &State, account: &Account, request: &AccessRequest) -> Result<AccessRequest, Rejection> {
    let AccessRequest::Granted(grants) = request else { return Ok(AccessRequest::Full) };
    if !account.plan.has_grants() {
        return Err(Rejection::PlanRequired);
    }
    let mut faults = Vec::new();
    let mut checked: Vec<GrantRequest> = Vec::with_capacity(grants.len());
    for (index, grant) in grants.iter().enumerate() {
        match check_grant(state, account, grant, index) {
            Err(fault) => faults.push(fault),
            Ok(grant) if checked.iter().any(|other| other.group == grant.group) => {
                faults.push(FieldFault::new(field(index, "group"), "is given twice"));
            }
            Ok(grant) => checked.push(grant),
        }
    }
    if faults.is_empty() { Ok(AccessRequest::Granted(checked)) } else { Err(Rejection::Invalid(faults)) }
}

fn field(index: usize, name: &str) -> String {
    format!("access.grants[{index}].{name}")
}

fn check_grant(
    state: &State,
    account: &Account,
    grant: &GrantRequest,
    index: usize,
) -> Result<GrantRequest, FieldFault> {
    let fault = |name: &str, text: String| Err(FieldFault::new(field(index, name), text));
    let Some(group) = state.group_named(&grant.group) else {
        return fault("group", "is not a scope group".to_owned());
    };
    let is_named = matches!(grant.coverage, CoverageRequest::Named(_));
    if let Some((name, text)) = fault_of_grant(group, account, grant.level, is_named) {
        return fault(name, text);
    }
    let coverage =
        check_names(&grant.coverage, group).map_err(|text| FieldFault::new(field(index, "resources"), text))?;
    Ok(GrantRequest { group: grant.group.clone(), level: grant.level, coverage })
}

/// Why an account cannot give a grant in a group, and in which of its fields.
pub(super) fn fault_of_grant(
    group: &ScopeGroup,
    account: &Account,
    level: Level,
    is_named: bool,
) -> Option<(&'static str, String)> {
    if group.needs_research && account.research.is_none() {
        return Some(("group", "needs the Domain Research feature".to_owned()));
    }
    if level == Level::FullAccess && !group.has_write {
        return Some(("level", format!("must be read_only for {}", group.name)));
    }
    (is_named && !group.restrictable).then(|| ("resources", format!("must be \"all\" for {}", group.name)))
}

/// Groups are numbered in the order that they were defined in, the ledger's own first.
fn is_built_in(group: &ScopeGroup) -> bool {
    usize::from(group.number) <= BUILT_IN_GROUPS.len()
}

fn check_names(coverage: &CoverageRequest, group: &ScopeGroup) -> Result<CoverageRequest, String> {
    let CoverageRequest::Named(names) = coverage else { return Ok(CoverageRequest::All) };
    if names.len() > NAMES_IN_GRANT_MAX {
        return Err(format!("has too many names (maximum is {NAMES_IN_GRANT_MAX})"));
    }
    // A group of the scope map's own has whatever names its API has, numbers among them.
    let normalize = if is_built_in(group) { normalize_resource_name } else { normalize_domain_name };
    let normalised: Result<Vec<PersonalText>, String> = names
        .iter()
        .enumerate()
        .map(|(at, name)| normalize(name.as_str()).map(PersonalText::new).map_err(|fault| format!("[{at}] {fault}")))
        .collect();
    normalised.map(CoverageRequest::Named)
}

/// The access that a request comes to, checked as a change would be, with nothing written down. `number` finds the number
/// of a name; one that was never seen has none, and covers no past request.
pub fn understood(
    state: &State,
    account: &Account,
    request: &AccessRequest,
    mut number: impl FnMut(&str) -> Option<TextNumber>,
) -> Result<Access, Rejection> {
    let AccessRequest::Granted(requests) = check(state, account, request)? else { return Ok(Access::Full) };
    let mut numbered = |coverage: &CoverageRequest| match coverage {
        CoverageRequest::All => Coverage::All,
        CoverageRequest::Named(names) => {
            Coverage::Named(sorted(names.iter().filter_map(|name| number(name.as_str())).collect()))
        }
    };
    let mut grants: Vec<Grant> =
        requests.iter().map(|request| grant(state, request, numbered(&request.coverage))).collect();
    grants.sort_unstable();
    Ok(Access::Granted(grants))
}

fn grant(state: &State, request: &GrantRequest, coverage: Coverage) -> Grant {
    let group = state.group_named(&request.group).map_or(0, |group| group.number);
    Grant { group, level: request.level, coverage }
}

fn sorted(mut numbers: Vec<TextNumber>) -> Vec<TextNumber> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Whether a checked access is what is there already, without writing anything down.
pub(super) fn is_same(draft: &mut Draft<'_>, account: AccountId, request: &AccessRequest, current: &Access) -> bool {
    match (request, current) {
        (AccessRequest::Full, Access::Full) => true,
        (AccessRequest::Granted(asked), Access::Granted(kept)) => {
            let state = draft.state();
            asked.len() == kept.len()
                && asked.iter().all(|grant| {
                    let number = state.group_named(&grant.group).map(|group| group.number);
                    kept.iter().any(|other| {
                        Some(other.group) == number
                            && other.level == grant.level
                            && is_same_coverage(draft, account, &grant.coverage, &other.coverage)
                    })
                })
        }
        _ => false,
    }
}

fn is_same_coverage(draft: &mut Draft<'_>, account: AccountId, asked: &CoverageRequest, kept: &Coverage) -> bool {
    match (asked, kept) {
        (CoverageRequest::All, Coverage::All) => true,
        (CoverageRequest::Named(names), Coverage::Named(numbers)) => {
            let mut found = Vec::with_capacity(names.len());
            for name in names {
                let Some(number) = draft.find(Subject::Account(account), TextKind::ResourceName, name.as_str()) else {
                    return false;
                };
                found.push(number);
            }
            found.sort_unstable();
            found.dedup();
            found == *numbers
        }
        _ => false,
    }
}

/// Writes down a checked access: every name gets its number, everything is sorted, so that equal is equal.
pub(super) fn write(draft: &mut Draft<'_>, account: AccountId, checked: &AccessRequest) -> Access {
    let AccessRequest::Granted(requests) = checked else { return Access::Full };
    let mut grants: Vec<Grant> = requests
        .iter()
        .map(|request| {
            let coverage = write_coverage(draft, account, &request.coverage);
            grant(draft.state(), request, coverage)
        })
        .collect();
    grants.sort_unstable();
    Access::Granted(grants)
}

fn write_coverage(draft: &mut Draft<'_>, account: AccountId, coverage: &CoverageRequest) -> Coverage {
    let CoverageRequest::Named(names) = coverage else { return Coverage::All };
    let subject = Subject::Account(account);
    let numbers = names.iter().map(|name| draft.intern(subject, TextKind::ResourceName, name.as_str())).collect();
    Coverage::Named(sorted(numbers))
}
