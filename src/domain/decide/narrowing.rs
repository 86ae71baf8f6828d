//! Which commands only take something away. When little can be recorded any more, these still are: revoking must be
//! possible when using is not.

use crate::domain::access::{Access, Coverage, Level};
use crate::domain::command::{
    AccessRequest, Change, Command, CoverageRequest, GatewayChange, GatewayWish, GrantRequest, OAuthChange,
    SignInChange,
};
use crate::domain::conditions::ConditionsEdit;
use crate::domain::directory::Account;
use crate::domain::ids::AccountId;
use crate::domain::names::normalize_domain_name;
use crate::domain::state::State;
use crate::domain::text::{Subject, TextKind, Texts};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Token};

/// Whether a command, if it is carried out at all, leaves nobody with more than before. The service's own records count
/// as such. Says nothing of whether it will be accepted. An edit that names a text does not count: the text would have
/// to be kept.
pub fn narrows(state: &State, command: &Command, texts: &mut dyn Texts) -> bool {
    match command {
        Command::Use(_) => false,
        Command::Manage(_, change) => change_narrows(state, change, texts),
        Command::Gateway(call) => match call.wish {
            // A question that is only asked leaves nothing at all.
            GatewayWish::Authorize { dry_run, .. } => dry_run,
            GatewayWish::Revoke { .. } => true,
            GatewayWish::Report { .. } | GatewayWish::Look(..) => false,
        },
        Command::Exchange(_) => false,
    }
}

fn change_narrows(state: &State, change: &Change, texts: &mut dyn Texts) -> bool {
    match change {
        Change::Once { change, .. } => change_narrows(state, change, texts),
        Change::Gateway(change) => is_narrower_gateway(state, change),
        Change::OAuth(change) => matches!(
            change,
            OAuthChange::Delete { .. }
                | OAuthChange::RevokeAll { .. }
                | OAuthChange::Revoke { .. }
                | OAuthChange::RevokeOwn { .. }
        ),
        Change::DefineScopeMap(_)
        | Change::RejectScopeMap(_)
        | Change::EraseUserTexts { .. }
        | Change::EraseTokenTexts { .. }
        | Change::EraseAgain { .. }
        | Change::StartRecording
        | Change::StopRecording { .. }
        | Change::CountReads(_)
        | Change::CloseStream(_)
        | Change::ResumeRecording { .. }
        | Change::StepClock { .. }
        | Change::DeactivateResearch { .. }
        | Change::RemoveMember { .. }
        | Change::RemoveResource { .. }
        | Change::SignIn(SignInChange::EndSession { .. })
        | Change::DeleteToken { .. } => true,
        // It can wait until there is room: a later one says more.
        Change::SealState(_) => false,
        Change::ActivateResearch { account, monthly_cap, .. } => is_lower_cap(state, *account, *monthly_cap),
        Change::PutMember { account, user, access, .. } => {
            let member = state.account(*account).and_then(|account| account.members.get(user));
            member.is_some_and(|member| is_within(state, *account, access, &member.access, texts))
        }
        Change::UpdateAccount { account, name: None, email: None, plan: None, hourly_limit: Some(limit), .. } => {
            state.account(*account).is_some_and(|account| *limit <= account.hourly_limit)
        }
        Change::UpdateToken { token, name: None, access, expires_at, conditions, .. } => {
            let Some(token) = state.token(*token) else { return false };
            is_stricter(token, conditions) && is_cut(state, token, access.as_ref(), *expires_at, texts)
        }
        _ => false,
    }
}

fn is_narrower_gateway(state: &State, change: &GatewayChange) -> bool {
    match change {
        GatewayChange::Delete { .. } => true,
        GatewayChange::Update { token, name: None, rights, accounts, expires_at, conditions, .. } => {
            let Some(token) = state.token(*token) else { return false };
            let Some(reach) = &token.gateway else { return false };
            let has_right = |right| reach.rights.contains(right);
            let has_account = |account| reach.accounts.binary_search(account).is_ok();
            is_earlier(token, *expires_at)
                && is_stricter(token, conditions)
                && rights.iter().flatten().all(has_right)
                && accounts.iter().flatten().all(has_account)
        }
        _ => false,
    }
}

fn is_earlier(token: &Token, expires_at: Option<Option<Timestamp>>) -> bool {
    match expires_at {
        None => true,
        Some(None) => false,
        Some(Some(end)) => token.expires_at.is_none_or(|before| end <= before),
    }
}

/// Whether an edit of the conditions lets nobody in whom those before kept out.
fn is_stricter(token: &Token, edit: &ConditionsEdit) -> bool {
    let before = token.conditions();
    edit.applied_to(before).are_within(before)
}

fn is_lower_cap(state: &State, account: AccountId, monthly_cap: Option<u64>) -> bool {
    let research = state.account(account).and_then(|account: &Account| account.research);
    match (research.map(|research| research.monthly_cap), monthly_cap) {
        (Some(None), Some(_)) => true,
        (Some(Some(before)), Some(after)) => after <= before,
        _ => false,
    }
}

fn is_cut(
    state: &State,
    token: &Token,
    access: Option<&AccessRequest>,
    expires_at: Option<Option<Timestamp>>,
    texts: &mut dyn Texts,
) -> bool {
    let is_narrower = match (access, token.owner) {
        (None, _) => true,
        (Some(access), Owner::Account(account)) => is_within(state, account, access, &token.access, texts),
        (Some(_), _) => false,
    };
    is_narrower && is_earlier(token, expires_at)
}

/// Whether a checked access lets do no more than another.
pub(super) fn is_within(
    state: &State,
    account: AccountId,
    asked: &AccessRequest,
    current: &Access,
    texts: &mut dyn Texts,
) -> bool {
    match (asked, current) {
        (_, Access::Full) => true,
        (AccessRequest::Full, Access::Granted(_)) => false,
        (AccessRequest::Granted(asked), Access::Granted(_)) => {
            asked.iter().all(|grant| is_covered(state, account, grant, current, texts))
        }
    }
}

fn is_covered(
    state: &State,
    account: AccountId,
    asked: &GrantRequest,
    current: &Access,
    texts: &mut dyn Texts,
) -> bool {
    let Access::Granted(kept) = current else { return true };
    let number = state.group_named(&asked.group).map(|group| group.number);
    let Some(kept) = kept.iter().find(|grant| Some(grant.group) == number) else { return false };
    if asked.level == Level::FullAccess && kept.level != Level::FullAccess {
        return false;
    }
    match (&asked.coverage, &kept.coverage) {
        (_, Coverage::All) => true,
        (CoverageRequest::All, Coverage::Named(_)) => false,
        (CoverageRequest::Named(names), Coverage::Named(numbers)) => names.iter().all(|name| {
            let Ok(name) = normalize_domain_name(name.as_str()) else { return false };
            let number = texts.find(Subject::Account(account), TextKind::ResourceName, &name);
            number.is_some_and(|number| numbers.contains(&number))
        }),
    }
}
