//! What was changed: of an account, its people and their tokens, or of everything that a biography holds.

use super::{Asked, AuditError, FROM, Kind, Question, TO, required};
use crate::audit::answer::{Answer, Basis, Table};
use crate::audit::archive::Archive;
use crate::audit::biography::Biography;
use crate::audit::describe;
use crate::audit::in_words::in_words;
use crate::domain::ids::AccountId;
use crate::domain::state::by_of;
use serde_json::json;

/// The question.
pub(super) const CHANGES: Question = Question {
    name: "changes",
    about: "What was changed in an account, its members and their tokens, by whom, and when",
    example: "audit changes --account 1 --from 2026-03-01T00:00:00Z",
    parameters: &[required("account", Kind::Number, "The account"), FROM, TO],
    answer,
};

fn answer(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let account = AccountId(asked.number("account").unwrap_or_default());
    let (after, through) = asked.range(archive)?;
    let biography = Biography::of_account(archive, account, through)?;
    if biography.state_at(through).account(account).is_none_or(|account| account.id.is_none()) {
        return Err(AuditError::NotFound(format!("there was no account {account} then")));
    }
    let mut table = Table::new(
        "changes",
        "Changes, oldest first",
        &["position", "recorded_at", "type", "token_id", "principal", "credential", "data"],
    );
    let words = archive.words();
    // The service's own starts and stops are no changes of an account.
    let changes = biography.changes().iter().filter(|(at, _, event)| *at > after && by_of(event).is_some());
    for (position, header, event) in changes {
        table.add(vec![
            json!(position.0),
            json!(header.recorded_at.to_micros_text()),
            json!(event.type_name()),
            json!((!header.token.is_none()).then_some(header.token.0)),
            describe::principal(header.principal),
            json!((!header.credential.is_none()).then_some(header.credential.0)),
            json!(in_words(&words.data(event))),
        ]);
    }
    let mut answer = Answer::new(CHANGES.name, Basis::new(archive, through, archive.now())?);
    answer.say("changes", table.rows.len());
    answer.tables.push(table);
    Ok(answer)
}
