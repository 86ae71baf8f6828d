//! What a change of plan to Solo stumbles over: tokens and members with grants. As long as there is one it is refused, so
//! that it never takes anything from a past use; what these did shows what hangs on them.

use super::found::Seen;
use super::scene::{Scene, tokens_of};
use crate::audit::archive::{Archive, Range};
use crate::audit::biography::Biography;
use crate::domain::access::Access;
use crate::domain::directory::Plan;
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::supposition::Supposition;
use crate::log::LogError;
use crate::projections::keys::Key;
use std::ops::ControlFlow;

/// A token or a member with grants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blocker {
    /// The account.
    pub account: AccountId,
    /// A token; none of a member.
    pub token: Option<TokenId>,
    /// A member; none of a token.
    pub user: Option<UserId>,
    /// What they carry.
    pub access: Access,
    /// Their uses on the account in the time that is asked about.
    pub uses: Seen,
}

pub(super) fn find(archive: &Archive, scene: &Scene<'_>, range: Range) -> Result<Vec<Blocker>, LogError> {
    let mut blockers = Vec::new();
    for supposition in scene.supposed {
        if let Supposition::Plan(account, Plan::Solo) = supposition {
            blockers.extend(of_account(archive, *account, range)?);
        }
    }
    Ok(blockers)
}

fn of_account(archive: &Archive, id: AccountId, range: Range) -> Result<Vec<Blocker>, LogError> {
    let state = Biography::of_account(archive, id, range.1)?.state_at(range.1);
    let Some(account) = state.account(id) else { return Ok(Vec::new()) };
    let is_granted = |access: &Access| *access != Access::Full;
    let mut blockers = Vec::new();
    for token in account.tokens.iter().filter_map(|&token| state.token(token)).filter(|it| is_granted(&it.access)) {
        let uses = uses_of(archive, &[token.id], id, range)?;
        blockers.push(Blocker { account: id, token: Some(token.id), user: None, access: token.access.clone(), uses });
    }
    for (&user, member) in account.members.iter().filter(|(_, member)| is_granted(&member.access)) {
        let uses = uses_of(archive, &tokens_of(archive, user, range.1)?, id, range)?;
        blockers.push(Blocker { account: id, token: None, user: Some(user), access: member.access.clone(), uses });
    }
    Ok(blockers)
}

fn uses_of(archive: &Archive, tokens: &[TokenId], account: AccountId, range: Range) -> Result<Seen, LogError> {
    let mut uses = Seen::default();
    let keys: Vec<Key> = tokens.iter().map(|&token| Key::TokenTraffic(token)).collect();
    if keys.is_empty() {
        return Ok(uses);
    }
    archive.visit(&keys, range, &mut |position, header, event| {
        if matches!(event, Event::TokenUsed(_)) && header.account == account {
            uses.add(position, header.recorded_at);
        }
        ControlFlow::Continue(())
    })?;
    Ok(uses)
}
