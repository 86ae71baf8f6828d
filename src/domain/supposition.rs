//! What might be other than it is: a proposed change, put into a state in which past requests are judged again.

use super::access::Access;
use super::conditions::Conditions;
use super::directory::{Membership, Plan, Research};
use super::event::{Event, Header};
use super::ids::{AccountId, TokenId, UserId, Version};
use super::state::State;
use super::time::Timestamp;

/// One thing that is supposed to be so, whatever the log says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Supposition {
    /// A token's own access.
    TokenAccess(TokenId, Access),
    /// A token's end.
    TokenExpiry(TokenId, Option<Timestamp>),
    /// A token's conditions.
    TokenConditions(TokenId, Conditions),
    /// The token is deleted.
    NoToken(TokenId),
    /// A member's access; whoever was none is one.
    MemberAccess(AccountId, UserId, Access),
    /// The user is no member.
    NoMember(AccountId, UserId),
    /// An account's hourly limit.
    HourlyLimit(AccountId, u64),
    /// An account's Domain Research; none is without it.
    Research(AccountId, Option<Research>),
    /// An account's plan.
    Plan(AccountId, Plan),
}

impl Supposition {
    /// What a change's event would make so; none of an event that no request is judged by.
    pub fn of(header: &Header, event: &Event) -> Option<Self> {
        let (account, token) = (header.account, header.token);
        Some(match event {
            Event::TokenAccessChanged(changed) => Self::TokenAccess(token, changed.access.clone()),
            Event::TokenExpiryChanged(changed) => Self::TokenExpiry(token, changed.expires_at),
            Event::TokenConditionsChanged(changed) => Self::TokenConditions(token, changed.conditions.clone()),
            Event::TokenDeleted(_) => Self::NoToken(token),
            Event::MemberAdded(added) => Self::MemberAccess(account, added.user, added.access.clone()),
            Event::MemberAccessChanged(changed) => Self::MemberAccess(account, changed.user, changed.access.clone()),
            Event::MemberRemoved(removed) => Self::NoMember(account, removed.user),
            Event::HourlyLimitChanged(changed) => Self::HourlyLimit(account, changed.to),
            Event::ResearchActivated(on) => Self::Research(account, Some(Research { monthly_cap: on.monthly_cap })),
            Event::ResearchDeactivated(_) => Self::Research(account, None),
            Event::PlanChanged(changed) => Self::Plan(account, changed.to),
            _ => return None,
        })
    }

    /// The account that it is about; none of what is about a token alone.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::TokenAccess(..) | Self::TokenExpiry(..) | Self::TokenConditions(..) | Self::NoToken(_) => None,
            Self::MemberAccess(account, ..)
            | Self::NoMember(account, _)
            | Self::HourlyLimit(account, _)
            | Self::Research(account, _)
            | Self::Plan(account, _) => Some(*account),
        }
    }

    /// The token that it is about.
    pub fn token(&self) -> Option<TokenId> {
        match self {
            Self::TokenAccess(token, _)
            | Self::TokenExpiry(token, _)
            | Self::TokenConditions(token, _)
            | Self::NoToken(token) => Some(*token),
            _ => None,
        }
    }

    /// The member that it is about.
    pub fn member(&self) -> Option<(AccountId, UserId)> {
        match self {
            Self::MemberAccess(account, user, _) | Self::NoMember(account, user) => Some((*account, *user)),
            _ => None,
        }
    }
}

impl State {
    /// Puts a supposition in the place of what is. Of what is not there nothing is changed. After each event that the
    /// state takes in it has to be put there again.
    pub fn suppose(&mut self, supposed: &Supposition) {
        match supposed {
            Supposition::MemberAccess(account, user, access) => self.suppose_member(*account, *user, access),
            Supposition::NoMember(account, user) => {
                if let Some(account) = self.accounts.get_mut(account.0) {
                    account.members.remove(user);
                }
                if let Some(user) = self.users.get_mut(user.0) {
                    user.accounts.remove(account);
                }
            }
            Supposition::HourlyLimit(id, _) | Supposition::Research(id, _) | Supposition::Plan(id, _) => {
                let Some(account) = self.accounts.get_mut(id.0) else { return };
                match supposed {
                    Supposition::HourlyLimit(_, limit) => account.hourly_limit = *limit,
                    Supposition::Research(_, research) => account.research = *research,
                    Supposition::Plan(_, plan) => account.plan = *plan,
                    _ => {}
                }
            }
            Supposition::TokenAccess(id, _)
            | Supposition::TokenExpiry(id, _)
            | Supposition::TokenConditions(id, _)
            | Supposition::NoToken(id) => {
                let Some(token) = self.tokens.get_mut(id.0) else { return };
                match supposed {
                    Supposition::TokenAccess(_, access) => token.access = access.clone(),
                    Supposition::TokenExpiry(_, end) => token.expires_at = *end,
                    Supposition::TokenConditions(_, conditions) => {
                        token.conditions = Some(Box::new(conditions.clone()))
                    }
                    Supposition::NoToken(_) => token.deleted_at = token.deleted_at.or(Some(token.created_at)),
                    _ => {}
                }
            }
        }
    }

    fn suppose_member(&mut self, account: AccountId, user: UserId, access: &Access) {
        if self.user(user).is_none_or(|user| user.id.is_none()) {
            return;
        }
        let Some(entered) = self.accounts.get_mut(account.0).filter(|account| !account.id.is_none()) else { return };
        let since = entered.created_at;
        let member = || Membership { access: access.clone(), version: Version(1), since };
        entered.members.entry(user).or_insert_with(member).access = access.clone();
        if let Some(user) = self.users.get_mut(user.0) {
            user.accounts.insert(account);
        }
    }
}
