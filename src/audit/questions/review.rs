//! Access reviews: what is to be gone through, the reviews there were, one of them with its decisions, and what changed
//! since.

use super::{Asked, AuditError, Kind, Question, optional, required};
use crate::audit::answer::{Answer, Basis, Table};
use crate::audit::archive::Archive;
use crate::audit::biography::Biography;
use crate::audit::describe;
use crate::audit::reviewed::{Held, held, last_uses};
use crate::domain::event::{AccessReviewDecided, AccessReviewOpened, EVENT_TYPES, Event, Header};
use crate::domain::ids::{AccountId, Position};
use crate::domain::review::{ReviewCounts, ReviewRow};
use crate::domain::token::Owner;
use crate::projections::keys::Key;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

const ACCOUNT: super::Parameter = required("account", Kind::Number, "The account");

pub(super) const ACCESS_REVIEW: Question = Question {
    name: "access-review",
    about: "What to review: what each live token and membership of an account may, since when, by whom, and its last use",
    example: "audit access-review --account 1",
    parameters: &[ACCOUNT, optional("as_of", Kind::Point, "At this position or time; the head if it is not said")],
    answer: to_review,
};

pub(super) const REVIEWS: Question = Question {
    name: "reviews",
    about: "Access reviews: what each looked at, and how its rows were decided",
    example: "audit reviews --account 1",
    parameters: &[optional("account", Kind::Number, "Only of this account")],
    answer: list,
};

pub(super) const REVIEW: Question = Question {
    name: "review",
    about: "One access review: its rows with what was decided of each, why, and by whom",
    example: "audit review --review 1",
    parameters: &[required("review", Kind::Number, "Its number")],
    answer: one,
};

pub(super) const SINCE_REVIEW: Question = Question {
    name: "since-review",
    about: "What became of what an access review looked at: changed, ended or new since then, and decisions not carried out",
    example: "audit since-review --account 1",
    parameters: &[ACCOUNT, optional("review", Kind::Number, "Since this one; the account's last if it is not said")],
    answer: since,
};

/// A review as the log has it.
struct Found {
    account: AccountId,
    header: Header,
    opened: AccessReviewOpened,
    decided: Vec<(Position, Header, AccessReviewDecided)>,
    closed: Option<(Header, ReviewCounts)>,
}

impl Found {
    /// The last decision of a row.
    fn verdict(&self, row: ReviewRow) -> Option<&(Position, Header, AccessReviewDecided)> {
        self.decided.iter().rev().find(|(_, _, decided)| decided.row == row)
    }

    fn counts(&self) -> ReviewCounts {
        if let Some((_, counts)) = self.closed {
            return counts;
        }
        let last: BTreeMap<ReviewRow, &str> =
            self.decided.iter().map(|(_, _, decided)| (decided.row, decided.verdict.name())).collect();
        let count = |name: &str| last.values().filter(|verdict| **verdict == name).count() as u64;
        ReviewCounts {
            kept: count("keep"),
            narrowed: count("narrow"),
            deleted: count("delete"),
            undecided: self.opened.rows.saturating_sub(last.len() as u64),
        }
    }
}

/// Every review up to the head, by number.
fn reviews(archive: &Archive) -> Result<BTreeMap<u64, Found>, AuditError> {
    let of_reviews = |name: &str| name.starts_with("AccessReview");
    let keys: Vec<Key> =
        EVENT_TYPES.iter().filter(|(_, _, name)| of_reviews(name)).map(|(number, _, _)| Key::Type(*number)).collect();
    let mut found: BTreeMap<u64, Found> = BTreeMap::new();
    archive.visit(&keys, (Position::NONE, archive.head()), &mut |position, header, event| {
        match event {
            Event::AccessReviewOpened(opened) => {
                let (opened, header) = (opened.clone(), *header);
                let account = header.account;
                found.insert(opened.review, Found { account, header, opened, decided: Vec::new(), closed: None });
            }
            Event::AccessReviewDecided(decided) => {
                let review = found.get_mut(&decided.review);
                review.into_iter().for_each(|review| review.decided.push((position, *header, decided.clone())));
            }
            Event::AccessReviewClosed(closed) => {
                let review = found.get_mut(&closed.review);
                review.into_iter().for_each(|review| review.closed = Some((*header, closed.counts)));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn rows_of(archive: &Archive, account: AccountId, position: Position) -> Result<Vec<Held>, AuditError> {
    let biography = Biography::of_account(archive, account, position)?;
    held(&biography, account, position)
        .ok_or_else(|| AuditError::NotFound(format!("there was no account {account} at position {position}")))
}

fn row_cells(row: ReviewRow) -> [Value; 2] {
    match row {
        ReviewRow::Token(token) => [json!("token"), json!(token.0)],
        ReviewRow::Member(user) => [json!("membership"), json!(user.0)],
    }
}

/// Names that were erased are told as a gap.
fn note_erased(archive: &Archive, answer: &mut Answer, rows: &[Held]) {
    let erased = rows.iter().filter(|held| !held.name.is_none() && archive.words().text(held.name).is_none()).count();
    if erased > 0 {
        answer.gaps.push(format!("{erased} names were erased: these rows are known by their numbers alone"));
    }
}

fn to_review(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let account = AccountId(asked.number("account").unwrap_or_default());
    let moment = asked.moment(archive, "as_of")?;
    let rows = rows_of(archive, account, moment.position)?;
    let uses = last_uses(archive, account, &rows, moment.position)?;
    let mut table = Table::new(
        "rows",
        "What there is to review",
        &[
            "kind",
            "id",
            "name",
            "user_id",
            "access",
            "since",
            "granted_at",
            "granted_by",
            "with_token",
            "last_used_at",
            "last_used_status",
            "expires_at",
        ],
    );
    let words = archive.words();
    for (held, used) in rows.iter().zip(uses) {
        let [kind, id] = row_cells(held.row);
        let user = match held.owner {
            Owner::User(user) => Some(user.0),
            _ => None,
        };
        let status = match used {
            Some(_) => "used",
            None if held.is_imported => "unknown",
            None => "never",
        };
        table.add(vec![
            kind,
            id,
            json!(words.text(held.name)),
            json!(user),
            words.access(&held.access),
            json!(held.granted.map(|granted| granted.at.to_micros_text())),
            json!(held.granted.map(|granted| granted.position.0)),
            json!(held.granted.map(|granted| describe::principal(granted.by))),
            json!(held.granted.map(|granted| granted.credential.0).filter(|credential| *credential > 0)),
            json!(used.map(|at| at.to_micros_text())),
            json!(status),
            json!(held.expires_at.map(|at| at.to_micros_text())),
        ]);
    }
    let mut answer = Answer::new(ACCESS_REVIEW.name, Basis::new(archive, moment.position, moment.at)?);
    let tokens = rows.iter().filter(|held| matches!(held.row, ReviewRow::Token(_))).count();
    answer.say("tokens", tokens);
    answer.say("memberships", rows.len() - tokens);
    note_erased(archive, &mut answer, &rows);
    answer.tables.push(table);
    Ok(answer)
}

fn list(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let account = asked.number("account").map(AccountId);
    let mut table = Table::new(
        "reviews",
        "Access reviews, the first one first",
        &[
            "review",
            "account_id",
            "position",
            "root_hash",
            "opened_at",
            "opened_by",
            "closed_at",
            "rows",
            "kept",
            "narrowed",
            "deleted",
            "undecided",
        ],
    );
    let reviews = reviews(archive)?;
    for (number, found) in reviews.iter().filter(|(_, found)| account.is_none_or(|account| found.account == account)) {
        let counts = found.counts();
        table.add(vec![
            json!(number),
            json!(found.account.0),
            json!(found.opened.position.0),
            json!(root_text(found)),
            json!(found.header.recorded_at.to_micros_text()),
            json!(describe::principal(found.header.principal)),
            json!(found.closed.map(|(header, _)| header.recorded_at.to_micros_text())),
            json!(found.opened.rows),
            json!(counts.kept),
            json!(counts.narrowed),
            json!(counts.deleted),
            json!(counts.undecided),
        ]);
    }
    let mut answer = Answer::new(REVIEWS.name, Basis::new(archive, archive.head(), archive.now())?);
    answer.say("reviews", table.rows.len());
    answer.tables.push(table);
    Ok(answer)
}

fn root_text(found: &Found) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(found.opened.root)
}

fn no_review(number: u64) -> AuditError {
    AuditError::NotFound(format!("there is no access review {number}"))
}

fn one(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let number = asked.number("review").unwrap_or_default();
    let found = reviews(archive)?.remove(&number).ok_or_else(|| no_review(number))?;
    let rows = rows_of(archive, found.account, found.opened.position)?;
    let words = archive.words();
    let mut table = Table::new(
        "rows",
        "Rows and decisions",
        &["kind", "id", "name", "access", "verdict", "note", "decided_at", "decided_by", "with_token", "position"],
    );
    for held in &rows {
        let [kind, id] = row_cells(held.row);
        let decision = found.verdict(held.row);
        table.add(vec![
            kind,
            id,
            json!(words.text(held.name)),
            words.access(&held.access),
            json!(decision.map(|(_, _, decided)| decided.verdict.name())),
            json!(decision.and_then(|(_, _, decided)| words.text(decided.note))),
            json!(decision.map(|(_, header, _)| header.recorded_at.to_micros_text())),
            json!(decision.map(|(_, header, _)| describe::principal(header.principal))),
            json!(decision.map(|(_, header, _)| header.credential.0)),
            json!(decision.map(|(position, _, _)| position.0)),
        ]);
    }
    let mut answer = Answer::new(REVIEW.name, Basis::new(archive, archive.head(), archive.now())?);
    say_review(&mut answer, archive, number, &found)?;
    note_erased(archive, &mut answer, &rows);
    answer.tables.push(table);
    Ok(answer)
}

/// What the review says it looked at, and whether this log still has it so.
fn say_review(answer: &mut Answer, archive: &Archive, number: u64, found: &Found) -> Result<(), AuditError> {
    let counts = found.counts();
    answer.say("review", number);
    answer.say("account", found.account.0);
    answer.say("reviewed_position", found.opened.position.0);
    answer.say("reviewed_time", found.opened.at.to_micros_text());
    answer.say("reviewed_root_hash", root_text(found));
    answer.say("root_is_of_this_log", archive.root_at(found.opened.position)? == found.opened.root);
    answer.say("opened_at", found.header.recorded_at.to_micros_text());
    answer.say("closed_at", found.closed.map(|(header, _)| header.recorded_at.to_micros_text()));
    for (name, count) in [
        ("kept", counts.kept),
        ("narrowed", counts.narrowed),
        ("deleted", counts.deleted),
        ("undecided", counts.undecided),
    ] {
        answer.say(name, count);
    }
    Ok(())
}

fn since(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let account = AccountId(asked.number("account").unwrap_or_default());
    let mut all = reviews(archive)?;
    let last = all.iter().filter(|(_, found)| found.account == account).map(|(number, _)| *number).next_back();
    let number = asked
        .number("review")
        .or(last)
        .ok_or_else(|| AuditError::NotFound(format!("account {account} was never reviewed")))?;
    let found = all.remove(&number).filter(|found| found.account == account).ok_or_else(|| no_review(number))?;
    let by_row = |rows: Vec<Held>| rows.into_iter().map(|held| (held.row, held)).collect::<BTreeMap<_, _>>();
    let then = by_row(rows_of(archive, account, found.opened.position)?);
    let now = by_row(rows_of(archive, account, archive.head())?);
    let mut table = Table::new(
        "rows",
        "Then and now",
        &["kind", "id", "name", "became", "verdict", "carried_out", "access_then", "access_now", "changed_at"],
    );
    let words = archive.words();
    let (mut changes, mut open) = (0u64, 0u64);
    let rows: std::collections::BTreeSet<ReviewRow> = then.keys().chain(now.keys()).copied().collect();
    for row in rows {
        let (before, after) = (then.get(&row), now.get(&row));
        let became = match (before, after) {
            (Some(_), None) => "ended",
            (None, _) => "new",
            (Some(before), Some(after)) if before.access != after.access => "changed",
            _ => "same",
        };
        let verdict = found.verdict(row).map(|(_, _, decided)| decided.verdict.name());
        let carried_out = match verdict {
            None => None,
            Some("keep") => Some(became == "same"),
            Some("delete") => Some(became == "ended"),
            // More in one place and less in another is no less.
            Some(_) => Some(match (before, after) {
                (Some(before), Some(after)) => after.access != before.access && after.access.is_within(&before.access),
                (_, after) => after.is_none(),
            }),
        };
        changes += u64::from(became != "same");
        open += u64::from(carried_out == Some(false));
        let access = |held: Option<&Held>| held.map(|held| words.access(&held.access));
        let [kind, id] = row_cells(row);
        table.add(vec![
            kind,
            id,
            json!(after.or(before).and_then(|held| words.text(held.name))),
            json!(became),
            json!(verdict),
            json!(carried_out),
            json!(access(before)),
            json!(access(after)),
            json!(after.filter(|_| became != "same").and_then(|held| held.granted).map(|at| at.at.to_micros_text())),
        ]);
    }
    let mut answer = Answer::new(SINCE_REVIEW.name, Basis::new(archive, archive.head(), archive.now())?);
    say_review(&mut answer, archive, number, &found)?;
    answer.say("changed_since", changes);
    answer.say("decisions_not_carried_out", open);
    answer.tables.push(table);
    Ok(answer)
}
