//! Who used how much of a limit, and who was refused for it.

use super::what_if::{account_in, state_of};
use super::{Asked, AuditError, FROM, Kind, Question, TO, optional};
use crate::audit::answer::{Answer, Basis, Table};
use crate::audit::archive::Archive;
use crate::audit::quota::{Attribution, Pool, Share, WindowShares, attribute};
use crate::audit::what_if::tokens_of;
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::time::{Month, Timestamp};
use crate::projections::keys::Key;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The question.
pub(super) const QUOTA: Question = Question {
    name: "quota",
    about: "Who used how much of a limit in any past window, and who was refused for it",
    example: "audit quota --account 1 --from 2026-03-03T14:00:00Z --to 2026-03-03T15:00:00Z",
    parameters: &[
        optional("account", Kind::Number, "The account"),
        optional("user", Kind::Number, "The user, for the window of its calls on no account"),
        FROM,
        TO,
    ],
    answer,
};

fn answer(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let (_, through) = asked.range(archive)?;
    let pool = pool(archive, asked, through)?;
    let found = attribute(archive, &pool, asked.time(FROM.name), asked.time(TO.name))?;
    // What is totalled later belongs to the windows that are told.
    let mut answer = Answer::new(QUOTA.name, Basis::new(archive, archive.head(), archive.now())?);
    tell(&mut answer, &found);
    Ok(answer)
}

fn pool(archive: &Archive, asked: &Asked, through: Position) -> Result<Pool, AuditError> {
    match (asked.number("account").map(AccountId), asked.number("user").map(UserId)) {
        (Some(account), None) => {
            account_in(&state_of(archive, account, through)?, account)?;
            Ok(Pool::Account(account))
        }
        (None, Some(user)) => {
            let mut is_there = false;
            archive.visit(&[Key::User(user)], (Position::NONE, through), &mut |_, _, _| {
                is_there = true;
                ControlFlow::Break(())
            })?;
            match is_there {
                true => Ok(Pool::User(user, tokens_of(archive, user, archive.head())?)),
                false => Err(AuditError::NotFound(format!("there was no user {user} then"))),
            }
        }
        _ => Err(AuditError::malformed("account", "or user must be given, and not both")),
    }
}

fn tell(answer: &mut Answer, found: &Attribution) {
    let mut tokens: BTreeMap<TokenId, (Share, u64)> = BTreeMap::new();
    for (token, share) in found.windows.iter().flat_map(|window| &window.by_token) {
        let (sum, windows) = tokens.entry(*token).or_default();
        sum.used += share.used;
        sum.refused += share.refused;
        *windows += 1;
    }
    answer.say("windows", found.windows.len());
    answer.say("used", tokens.values().map(|(sum, _)| sum.used).sum::<u64>());
    answer.say("refused", tokens.values().map(|(sum, _)| sum.refused).sum::<u64>());
    let mut table = Table::new("tokens", "All windows together, by token", &["token_id", "used", "refused", "windows"]);
    for (token, (sum, windows)) in tokens {
        table.add(vec![json!(token.0), json!(sum.used), json!(sum.refused), json!(windows)]);
    }
    answer.tables.push(table);
    answer.tables.push(windows(found));
    answer.tables.push(by_token(found));
    answer.tables.push(research(found));
}

fn opened(window: &WindowShares) -> Value {
    let at = Timestamp::from_seconds(window.opened_at).to_seconds_text();
    json!((window.opened_at > 0).then_some(at))
}

fn percent(used: u64, limit: u64) -> Value {
    json!((limit > 0).then(|| (used as f64 * 1_000.0 / limit as f64).round() / 10.0))
}

fn windows(found: &Attribution) -> Table {
    let columns: &[&str] = &["opened_at", "limit", "used", "refused", "tokens", "percent_of_limit"];
    let mut table = Table::new("windows", "Windows, oldest first", columns);
    for window in &found.windows {
        let sum = window.sum();
        table.add(vec![
            opened(window),
            json!(window.limit),
            json!(sum.used),
            json!(sum.refused),
            json!(window.by_token.len()),
            percent(sum.used, window.limit),
        ]);
    }
    table
}

fn by_token(found: &Attribution) -> Table {
    let columns: &[&str] = &["opened_at", "token_id", "used", "refused", "percent_of_limit"];
    let mut table = Table::new("by_token", "What each token had of each window", columns);
    for window in &found.windows {
        for (token, share) in &window.by_token {
            let share_of_limit = percent(share.used, window.limit);
            table.add(vec![opened(window), json!(token.0), json!(share.used), json!(share.refused), share_of_limit]);
        }
    }
    table
}

fn research(found: &Attribution) -> Table {
    let mut table =
        Table::new("research", "Research checks by month and token", &["month", "token_id", "used", "refused"]);
    for ((month, token), share) in &found.research {
        table.add(vec![json!(month_text(*month)), json!(token.0), json!(share.used), json!(share.refused)]);
    }
    table
}

/// As in `2026-03`.
fn month_text(month: Month) -> String {
    format!("{:04}-{:02}", month.0 / 12, month.0 % 12 + 1)
}
