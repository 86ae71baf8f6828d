//! What a token, an account, a user or a membership was at a point: access, conditions, owner, plan, last use, windows.

mod tables;

use super::{AS_OF, Asked, AuditError, Kind, Question, optional};
use crate::audit::answer::{Answer, Basis};
use crate::audit::archive::Archive;
use crate::audit::as_of::{Part, Rows};
use crate::audit::past::Moment;
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::token::Owner;
use crate::projections::Projections;
use crate::projections::keys::Key;
pub use tables::{Seen, tables};

/// The question.
pub(super) const STATE: Question = Question {
    name: "state",
    about: "What a token, an account, a user or a membership (--account and --user) was at a point of the past",
    example: "audit state --token 7 --as-of 2026-03-01T12:00:00Z",
    parameters: &[
        optional("token", Kind::Number, "The token, deleted or not"),
        optional("account", Kind::Number, "The account; with a user, the membership"),
        optional("user", Kind::Number, "The user; with an account, the membership"),
        AS_OF,
    ],
    answer,
};

/// What is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of {
    /// A token.
    Token(TokenId),
    /// An account with its members, tokens and windows.
    Account(AccountId),
    /// A user with memberships, tokens and own window.
    User(UserId),
    /// A person's place in an account.
    Membership(AccountId, UserId),
}

impl Of {
    fn read(asked: &Asked) -> Result<Self, AuditError> {
        let number = |name| asked.number(name);
        match (number("token"), number("account"), number("user")) {
            (Some(token), None, None) => Ok(Self::Token(TokenId(token))),
            (None, Some(account), None) => Ok(Self::Account(AccountId(account))),
            (None, None, Some(user)) => Ok(Self::User(UserId(user))),
            (None, Some(account), Some(user)) => Ok(Self::Membership(AccountId(account), UserId(user))),
            _ => Err(AuditError::malformed("token", "or account, user, or account and user, must be given")),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Token(token) => format!("token {token}"),
            Self::Account(account) => format!("account {account}"),
            Self::User(user) => format!("user {user}"),
            Self::Membership(account, user) => format!("membership of user {user} in account {account}"),
        }
    }
}

fn answer(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let of = Of::read(asked)?;
    let moment = asked.moment(archive, AS_OF.name)?;
    let projections = state_of(archive, moment, of)?;
    let seen = Seen { projections: &projections, words: archive.words(), at: moment.at };
    let mut answer = Answer::new(STATE.name, Basis::new(archive, moment.position, moment.at)?);
    let found = tables(&seen, of).ok_or_else(|| AuditError::NotFound(format!("there was no {} then", of.name())))?;
    answer.say("of", of.name());
    answer.tables = found;
    Ok(answer)
}

/// The read models, as far as they are of what is asked about.
pub fn state_of(archive: &Archive, moment: Moment, of: Of) -> Result<Projections, AuditError> {
    let mut part = Part::new(archive, moment);
    match of {
        Of::Token(token) => of_token(&mut part, token)?,
        Of::Account(account) => {
            part.members(account, Rows::ALL)?;
            part.account_windows(account)?;
            let tokens =
                part.state().account(account).map(|account| account.tokens.iter().copied().collect::<Vec<_>>());
            part.uses(&tokens.unwrap_or_default())?;
        }
        Of::User(user) => {
            part.person(user)?;
            part.own_window(user)?;
            let tokens = part.state().user(user).map(|user| user.tokens.iter().copied().collect::<Vec<_>>());
            part.uses(&tokens.unwrap_or_default())?;
        }
        Of::Membership(account, user) => part.fold(&[Key::AccountChanges(account), Key::User(user)])?,
    }
    Ok(part.end())
}

/// With its owner, whose window it draws from and whose plan and memberships its access follows.
fn of_token(part: &mut Part<'_>, token: TokenId) -> Result<(), AuditError> {
    match part.owner_of(token)? {
        Some(Owner::Account(account)) => {
            match part.follows(token)? {
                // What it may hangs on a membership, too.
                Some(_) => part.fold(&[Key::AccountChanges(account)])?,
                None => {
                    part.account_itself(account)?;
                    part.fold(&[Key::TokenChanges(token)])?;
                }
            }
            part.account_windows(account)?;
        }
        Some(Owner::User(user)) => {
            part.person(user)?;
            part.own_window(user)?;
        }
        Some(Owner::Service) => part.fold(&[Key::TokenChanges(token)])?,
        None => return Ok(()),
    }
    part.uses(&[token])
}
