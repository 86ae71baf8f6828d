//! What if: which past uses a proposed change would have refused.

use super::{Asked, AuditError, FROM, Kind, Question, TO, optional};
use crate::audit::answer::Answer;
use crate::audit::archive::Archive;
use crate::audit::biography::Biography;
use crate::audit::said_access;
use crate::audit::what_if::{NAME, proposed};
use crate::domain::conditions::{ADDRESS_RANGES_MAX, AddressRange, ConditionsEdit};
use crate::domain::directory::{Plan, Research};
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::supposition::Supposition;
use crate::domain::time::Timestamp;
use crate::domain::token::Owner;
use crate::projections::keys::Key;
use std::ops::ControlFlow;

/// The question.
pub(super) const WHAT_IF: Question = Question {
    name: NAME,
    about: "Which past uses a proposed change would have refused, of a token, a member or an account",
    example: "audit what-if --token 2 --access {\"grants\":[]} --from 2026-03-01T00:00:00Z",
    parameters: &[
        optional("token", Kind::Number, "The token that would change"),
        optional("account", Kind::Number, "The account that would change, or whose member would"),
        optional("user", Kind::Number, "The member of the account that would change"),
        optional("access", Kind::Access, "Access of the token, or of the member"),
        optional("expires_at", Kind::Text, "End of the token: a time, or never"),
        optional("not_before", Kind::Text, "Beginning of the token: a time, or now for none"),
        optional(
            "allowed_addresses",
            Kind::Text,
            "Addresses of the token: addresses and ranges between commas, or anywhere",
        ),
        optional("removed", Kind::Word(&["yes"]), "Without the token, or without the member"),
        optional("hourly_limit", Kind::Text, "Hourly limit of the account, from 0 on"),
        optional("research", Kind::Word(&["off"]), "The account without Domain Research"),
        optional("monthly_cap", Kind::Text, "Research checks a month of the account: a number, or none"),
        optional("plan", Kind::Word(&["solo", "teams", "enterprise"]), "Plan of the account"),
        FROM,
        TO,
    ],
    answer,
};

fn answer(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let range = asked.range(archive)?;
    proposed(archive, &supposed(archive, asked, range.1)?, range)
}

/// What is proposed.
fn supposed(archive: &Archive, asked: &Asked, through: Position) -> Result<Vec<Supposition>, AuditError> {
    let token = asked.number("token").map(TokenId);
    let account = asked.number("account").map(AccountId);
    let member = account.zip(asked.number("user").map(UserId));
    let mut supposed = Vec::new();
    if asked.text("user").is_some() && (token.is_some() || account.is_none()) {
        return Err(AuditError::malformed("user", "is a member of an account, and goes with account alone"));
    }
    if let Some(token) = token {
        of_token(archive, asked, token, through, &mut supposed)?;
    } else if let Some((account, user)) = member {
        let biography = Biography::of_account(archive, account, through)?;
        let state = biography.state_at(through);
        account_in(&state, account)?;
        if !was_member(&biography, account, user) {
            return Err(AuditError::NotFound(format!("{user} was no member of account {account} by then")));
        }
        if let Some(text) = asked.text("access") {
            let access = said_access::read(archive, &state, account_in(&state, account)?, text)?;
            supposed.push(Supposition::MemberAccess(account, user, access));
        }
        supposed.extend(asked.text("removed").map(|_| Supposition::NoMember(account, user)));
    }
    if token.is_none() && member.is_none() {
        needs(asked, "access", "token or user")?;
        needs(asked, "removed", "token or user")?;
    }
    if token.is_none() {
        for name in ["expires_at", "not_before", "allowed_addresses"] {
            needs(asked, name, "token")?;
        }
    }
    of_account(archive, asked, account, through, &mut supposed)?;
    match supposed.is_empty() {
        true => Err(AuditError::malformed("token", "or account must be given, with what would change of it")),
        false => Ok(supposed),
    }
}

/// Whether somebody ever was a member. Who left since did what they did, and without them it would not have been: so of
/// them it can be asked too, as of a token that is deleted.
fn was_member(biography: &Biography, account: AccountId, user: UserId) -> bool {
    biography.changes().iter().any(|(_, header, event)| {
        header.account == account && matches!(event, Event::MemberAdded(added) if added.user == user)
    })
}

fn needs(asked: &Asked, name: &str, wanted: &str) -> Result<(), AuditError> {
    match asked.text(name) {
        Some(_) => Err(AuditError::malformed(name, format!("goes with {wanted}"))),
        None => Ok(()),
    }
}

fn of_token(
    archive: &Archive,
    asked: &Asked,
    token: TokenId,
    through: Position,
    supposed: &mut Vec<Supposition>,
) -> Result<(), AuditError> {
    if let Some(text) = asked.text("access") {
        let account = match owner_of(archive, token, through)? {
            Some(Owner::Account(account)) => account,
            Some(_) => {
                return Err(AuditError::malformed("access", "is of tokens of accounts: this one has none of its own"));
            }
            None => return Err(AuditError::NotFound(format!("there was no token {token} then"))),
        };
        let state = state_of(archive, account, through)?;
        let access = said_access::read(archive, &state, account_in(&state, account)?, text)?;
        supposed.push(Supposition::TokenAccess(token, access));
    }
    if let Some(end) = asked.text("expires_at") {
        supposed.push(Supposition::TokenExpiry(token, time_or(end, "never", "expires_at")?));
    }
    let edit = conditions(asked)?;
    if edit != ConditionsEdit::default() {
        let mut state = State::default();
        archive.visit(&[Key::TokenChanges(token)], (Position::NONE, through), &mut |_, header, event| {
            state.evolve_part(header, event);
            ControlFlow::Continue(())
        })?;
        let before = state.token(token).map(|token| token.conditions().clone()).unwrap_or_default();
        supposed.push(Supposition::TokenConditions(token, edit.applied_to(&before)));
    }
    supposed.extend(asked.text("removed").map(|_| Supposition::NoToken(token)));
    Ok(())
}

fn conditions(asked: &Asked) -> Result<ConditionsEdit, AuditError> {
    let not_before = asked.text("not_before").map(|text| time_or(text, "now", "not_before")).transpose()?;
    let ranges = |text: &str| -> Result<Vec<AddressRange>, AuditError> {
        if text == "anywhere" {
            return Ok(Vec::new());
        }
        let one = |range: &str| {
            AddressRange::parse(range.trim()).map_err(|fault| AuditError::malformed("allowed_addresses", fault))
        };
        let ranges: Vec<AddressRange> = text.split(',').map(one).collect::<Result<_, _>>()?;
        match ranges.len() > ADDRESS_RANGES_MAX {
            true => {
                Err(AuditError::malformed("allowed_addresses", format!("has more than {ADDRESS_RANGES_MAX} ranges")))
            }
            false => Ok(ranges),
        }
    };
    let allowed_addresses = asked.text("allowed_addresses").map(ranges).transpose()?;
    Ok(ConditionsEdit { not_before, allowed_addresses })
}

fn of_account(
    archive: &Archive,
    asked: &Asked,
    account: Option<AccountId>,
    through: Position,
    supposed: &mut Vec<Supposition>,
) -> Result<(), AuditError> {
    let names = ["hourly_limit", "research", "monthly_cap", "plan"];
    let Some(account) = account else { return names.iter().try_for_each(|name| needs(asked, name, "account")) };
    account_in(&state_of(archive, account, through)?, account)?;
    if let Some(text) = asked.text("hourly_limit") {
        supposed.push(Supposition::HourlyLimit(account, whole_number(text, "hourly_limit")?));
    }
    if asked.text("research").is_some() && asked.text("monthly_cap").is_some() {
        return Err(AuditError::malformed("monthly_cap", "does not go with research=off"));
    }
    supposed.extend(asked.text("research").map(|_| Supposition::Research(account, None)));
    if let Some(text) = asked.text("monthly_cap") {
        let monthly_cap = if text == "none" { None } else { Some(whole_number(text, "monthly_cap")?) };
        supposed.push(Supposition::Research(account, Some(Research { monthly_cap })));
    }
    supposed.extend(asked.text("plan").and_then(Plan::parse).map(|plan| Supposition::Plan(account, plan)));
    Ok(())
}

fn whole_number(text: &str, name: &str) -> Result<u64, AuditError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain).ok_or_else(|| AuditError::malformed(name, "must be a whole number"))
}

fn time_or(text: &str, word: &str, name: &str) -> Result<Option<Timestamp>, AuditError> {
    if text == word {
        return Ok(None);
    }
    let fault = || AuditError::malformed(name, format!("must be a time such as 2026-03-01T12:00:00Z, or {word}"));
    Timestamp::parse(text).map(Some).ok_or_else(fault)
}

/// Whose a token is; none if there was none.
pub(super) fn owner_of(archive: &Archive, token: TokenId, through: Position) -> Result<Option<Owner>, AuditError> {
    Ok(crate::audit::what_if::owner_of(archive, token, through)?)
}

/// An account's state, with its scope groups.
pub(super) fn state_of(archive: &Archive, account: AccountId, through: Position) -> Result<State, AuditError> {
    Ok(Biography::of_account(archive, account, through)?.state_at(through))
}

pub(super) fn account_in(state: &State, id: AccountId) -> Result<&crate::domain::directory::Account, AuditError> {
    let account = state.account(id).filter(|account| !account.id.is_none());
    account.ok_or_else(|| AuditError::NotFound(format!("there was no account {id} then")))
}
