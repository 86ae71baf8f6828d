//! Unused and stale: tokens that were not used for days, that end soon, that may do more than they do, and that belong to
//! people who left.
//!
//! A token's uses are those that move its last use: requests that were allowed, changes that were made with it, questions
//! that a gateway asked with it. "Never" is said of a token that was created here; of one that was taken over from another
//! system what was before is "unknown".

mod over_broad;

use super::{Asked, AuditError, Kind, Question, optional};
use crate::audit::all_changes;
use crate::audit::answer::{Answer, Basis, Table};
use crate::audit::archive::Archive;
use crate::audit::past::Moment;
use crate::domain::ids::{AccountId, Position, UserId};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Principal, Token};
use crate::log::LogError;
use crate::projections::keys::Key;
use crate::projections::last_used::used_by;
use serde_json::{Value, json};

/// Days without a use after which a token counts as unused, if nothing else is said.
const DAYS_DEFAULT: u64 = 90;
/// Days before its end in which a token counts as expiring, if nothing else is said.
const EXPIRING_DAYS_DEFAULT: u64 = 30;
const DAY_SECONDS: u64 = 86_400;
/// Tokens that are looked at for one answer: each takes a look at its own records.
const TOKENS_MAX: usize = 20_000;

/// The question.
pub(super) const UNUSED: Question = Question {
    name: "unused",
    about: "Tokens that are not used, end soon, may do more than they do, or belong to people who left",
    example: "audit unused --days 90 --account 1",
    parameters: &[
        optional("account", Kind::Number, "Only tokens of this account and its members; all if it is not said"),
        optional("days", Kind::Number, "Days without a use that count (90 if it is not said)"),
        optional("expiring_within", Kind::Number, "Days before its end that count (30 if it is not said)"),
        optional("as_of", Kind::Point, "As of this time or position; the head if it is not said"),
    ],
    answer,
};

fn answer(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let account = asked.number("account").map(AccountId);
    let moment = asked.moment(archive, "as_of")?;
    let state = all_changes::state(archive, account, moment.position)?;
    if let Some(account) = account.filter(|it| state.account(*it).is_none_or(|account| account.id.is_none())) {
        return Err(AuditError::NotFound(format!("there was no account {account} then")));
    }
    let days = asked.number("days").unwrap_or(DAYS_DEFAULT);
    let looking = Looking { archive, state: &state, account, moment, days };
    let mut tokens: Vec<&Token> = state.tokens.iter().filter(|token| looking.is_asked_for(token)).collect();
    let mut answer = Answer::new(UNUSED.name, Basis::new(archive, moment.position, moment.at)?);
    if tokens.len() > TOKENS_MAX {
        answer.gaps.push(format!(
            "only the first {TOKENS_MAX} of {} tokens were looked at: ask for one account",
            tokens.len()
        ));
        tokens.truncate(TOKENS_MAX);
    }
    answer.say("tokens", tokens.len());
    let unused = looking.unused(&tokens)?;
    let expiring = looking.expiring(&tokens, asked.number("expiring_within").unwrap_or(EXPIRING_DAYS_DEFAULT));
    let (over_broad, gap) = over_broad::table(&looking, &tokens)?;
    let left = looking.left(&tokens);
    answer.gaps.extend(gap);
    for table in [unused, expiring, over_broad, left] {
        answer.say(table.name, table.rows.len());
        answer.tables.push(table);
    }
    Ok(answer)
}

/// What is looked at.
struct Looking<'a> {
    archive: &'a Archive,
    state: &'a State,
    account: Option<AccountId>,
    moment: Moment,
    days: u64,
}

/// A token's last use.
#[derive(Clone, Copy, Debug)]
enum LastUse {
    Used(Position, Timestamp),
    Never,
    Unknown,
}

impl Looking<'_> {
    /// Tokens that are not deleted; of an account also those of its people.
    fn is_asked_for(&self, token: &Token) -> bool {
        let is_of = |account: AccountId| match token.owner {
            Owner::Account(owner) => owner == account,
            Owner::User(user) => self.was_member(account, user),
            Owner::Service => false,
        };
        token.deleted_at.is_none() && self.account.is_none_or(is_of)
    }

    fn was_member(&self, account: AccountId, user: UserId) -> bool {
        let account = self.state.account(account);
        account.is_some_and(|it| it.members.contains_key(&user) || it.past_members.contains_key(&user))
    }

    /// The cells that every table begins with.
    fn cells(&self, token: &Token) -> Vec<Value> {
        let account = match token.owner {
            Owner::Account(account) => Some(account.0),
            Owner::User(_) | Owner::Service => None,
        };
        let user = token.follows().map(|user| user.0);
        let name = self.archive.words().text(token.name);
        vec![json!(token.id.0), json!(name), json!(token.kind.name()), json!(account), json!(user)]
    }

    fn last_use(&self, token: &Token) -> Result<LastUse, LogError> {
        let keys = [Key::TokenTraffic(token.id), Key::Credential(token.id), Key::TokenChanges(token.id)];
        let range = (Position::NONE, self.moment.position);
        let last = self.archive.last(&keys, range, &mut |header, event| used_by(header, event).contains(&token.id))?;
        Ok(match last {
            Some((position, header, _)) => LastUse::Used(position, header.recorded_at),
            None if token.imported_at.is_some() => LastUse::Unknown,
            None => LastUse::Never,
        })
    }

    fn unused(&self, tokens: &[&Token]) -> Result<Table, LogError> {
        let columns = &[
            "token_id",
            "token_name",
            "kind",
            "account_id",
            "user_id",
            "last_used_status",
            "last_used_at",
            "last_used_position",
            "unused_since",
            "unused_days",
        ];
        let mut table = Table::new("unused", "Not used for days", columns);
        for token in tokens {
            let last = self.last_use(token)?;
            let since = match last {
                LastUse::Used(_, at) => at,
                LastUse::Never => token.created_at,
                LastUse::Unknown => token.imported_at.unwrap_or(token.created_at),
            };
            let unused_days = self.moment.at.seconds().saturating_sub(since.seconds()) / DAY_SECONDS;
            if since.plus_seconds(self.days.saturating_mul(DAY_SECONDS)) > self.moment.at {
                continue;
            }
            let (status, at, position) = match last {
                LastUse::Used(position, at) => ("used", Some(at.to_micros_text()), Some(position.0)),
                LastUse::Never => ("never", None, None),
                LastUse::Unknown => ("unknown", None, None),
            };
            let mut row = self.cells(token);
            row.extend([json!(status), json!(at), json!(position), json!(since.to_micros_text()), json!(unused_days)]);
            table.add(row);
        }
        Ok(table)
    }

    /// Ends that are near, and those that are over of tokens that nobody deleted.
    fn expiring(&self, tokens: &[&Token], within_days: u64) -> Table {
        let columns = &["token_id", "token_name", "kind", "account_id", "user_id", "expires_at", "has_expired"];
        let mut table = Table::new("expiring", "Expired, or about to", columns);
        let latest = self.moment.at.plus_seconds(within_days.saturating_mul(DAY_SECONDS));
        for (token, end) in tokens.iter().filter_map(|token| Some((token, token.expires_at?))) {
            if end <= latest {
                let mut row = self.cells(token);
                row.extend([json!(end.to_micros_text()), json!(end <= self.moment.at)]);
                table.add(row);
            }
        }
        table
    }

    fn left(&self, tokens: &[&Token]) -> Table {
        let columns = &["token_id", "token_name", "kind", "account_id", "user_id", "why"];
        let mut table = Table::new("owner_left", "Of people who left", columns);
        for token in tokens {
            if let Some(why) = self.why_left(token) {
                let mut row = self.cells(token);
                row.push(json!(why));
                table.add(row);
            }
        }
        table
    }

    /// A user's token stays when its user leaves an account, and an account's when who made it does.
    fn why_left(&self, token: &Token) -> Option<String> {
        let has_left = |account: AccountId, user: UserId| {
            self.state.account(account).is_some_and(|account| account.past_members.contains_key(&user))
        };
        match (token.owner, token.created_by) {
            (Owner::Account(account), Principal::User(user)) if has_left(account, user) => {
                Some(format!("user {user}, who created it, was removed from account {account}"))
            }
            (Owner::User(user), _) => {
                let accounts = (1..=self.state.accounts.len() as u64).map(AccountId);
                let asked = accounts.filter(|account| self.account.is_none_or(|only| only == *account));
                let left: Vec<String> =
                    asked.filter(|account| has_left(*account, user)).map(|account| account.to_string()).collect();
                (!left.is_empty()).then(|| format!("user {user} was removed from account {}", left.join(", ")))
            }
            _ => None,
        }
    }
}
