//! Rules of access reviews: operators open them, decide their rows and close them. Nothing else changes by it.

use super::management::{Deciding, Done, Ruled, Subject};
use crate::domain::command::{Decided, ReviewChange};
use crate::domain::event::{AccessReviewClosed, AccessReviewDecided, AccessReviewOpened};
use crate::domain::ids::{AccountId, TextNumber, TokenId};
use crate::domain::rejection::{Conflict, Missing, Rejection};
use crate::domain::review::{NOTE_BYTES_MAX, REVIEW_ROWS_MAX, REVIEWS_OPEN_MAX, Review, ReviewRow};
use crate::domain::text::{PersonalText, Subject as TextSubject, TextKind, Texts};
use crate::domain::token::{Owner, Token};

pub(super) fn rule(deciding: &Deciding<'_>, texts: &mut dyn Texts, change: &ReviewChange) -> Ruled {
    match change {
        ReviewChange::Open { .. } => open(deciding, texts, change),
        ReviewChange::Decide(decided) => decide(deciding, texts, decided),
        ReviewChange::Close { review } => close(deciding, texts, *review),
    }
}

fn done(review: u64, created: bool) -> Done {
    Done { subject: Subject::Review(review), created }
}

/// Position and root are the service's own reading of its log; a position that is not there is nobody's.
fn open(deciding: &Deciding<'_>, texts: &mut dyn Texts, change: &ReviewChange) -> Ruled {
    let ReviewChange::Open { account, position, root, at, rows } = *change else {
        return Err(Rejection::NotFound(Missing::Review));
    };
    let state = deciding.state;
    state.account(account).ok_or(Rejection::NotFound(Missing::Account))?;
    if position.is_none() || position > state.head {
        return Err(Rejection::field("as_of", "is no position of the log"));
    }
    if rows > REVIEW_ROWS_MAX {
        return Err(Rejection::LimitReached("a review has at most 10000 rows"));
    }
    if state.reviews.open() >= REVIEWS_OPEN_MAX {
        return Err(Rejection::LimitReached("100 reviews are open; close one"));
    }
    let review = state.reviews.next_number();
    let mut draft = deciding.draft(texts, account, TokenId::NONE);
    let by = deciding.by(&mut draft);
    draft.record(AccessReviewOpened { review, position, root, at, rows, by });
    Ok((draft.finish(), done(review, true)))
}

fn open_one<'a>(deciding: &Deciding<'a>, number: u64) -> Result<&'a Review, Rejection> {
    let review = deciding.state.reviews.get(number).ok_or(Rejection::NotFound(Missing::Review))?;
    if review.closed.is_some() { Err(Rejection::Conflict(Conflict::ReviewClosed)) } else { Ok(review) }
}

/// A row decided again counts as it is decided last. The note is a text of whom the row is about, so that it goes with
/// their others.
fn decide(deciding: &Deciding<'_>, texts: &mut dyn Texts, decided: &Decided) -> Ruled {
    let Decided { review: number, row, verdict, note } = decided;
    let review = open_one(deciding, *number)?;
    if let Some(note) = note {
        check_note(note).map_err(|fault| Rejection::field("note", fault))?;
    }
    let account = review.account;
    let token = match row {
        ReviewRow::Token(token) => Some(token_of(deciding, account, *token)?),
        ReviewRow::Member(user) => {
            deciding.state.user(*user).ok_or(Rejection::NotFound(Missing::User))?;
            None
        }
    };
    let mut draft = deciding.draft(texts, account, token.map_or(TokenId::NONE, |token| token.id));
    let note = match (note, token, row) {
        (None, ..) => TextNumber::NONE,
        (Some(note), Some(token), _) => draft.intern_of_token(token, TextKind::Note, note.as_str()),
        (Some(note), None, ReviewRow::Member(user)) => {
            draft.intern(TextSubject::User(*user), TextKind::Note, note.as_str())
        }
        (Some(note), None, ReviewRow::Token(_)) => {
            draft.intern(TextSubject::Account(account), TextKind::Note, note.as_str())
        }
    };
    let by = deciding.by(&mut draft);
    let (position, root) = (review.position, review.root);
    draft.record(AccessReviewDecided { review: *number, position, root, row: *row, verdict: *verdict, note, by });
    Ok((draft.finish(), done(*number, false)))
}

/// An account's own, or a user's that is or was a member's: those are the tokens that reach it.
fn token_of<'a>(deciding: &Deciding<'a>, account: AccountId, id: TokenId) -> Result<&'a Token, Rejection> {
    let found = deciding.state.token(id).filter(|token| match token.owner {
        Owner::Account(owner) => owner == account,
        Owner::User(_) => true,
        Owner::Service => false,
    });
    found.ok_or(Rejection::NotFound(Missing::Token))
}

fn check_note(note: &PersonalText) -> Result<(), &'static str> {
    let text = note.as_str();
    if text.trim().is_empty() {
        return Err("can't be blank");
    }
    if text.len() > NOTE_BYTES_MAX {
        return Err("is too long (maximum is 1000 bytes)");
    }
    let is_control = |c: char| c.is_control() && c != '\n';
    if text.chars().any(is_control) { Err("has control characters") } else { Ok(()) }
}

fn close(deciding: &Deciding<'_>, texts: &mut dyn Texts, number: u64) -> Ruled {
    let review = open_one(deciding, number)?;
    let mut draft = deciding.draft(texts, review.account, TokenId::NONE);
    let by = deciding.by(&mut draft);
    let (position, root, counts) = (review.position, review.root, review.counts());
    draft.record(AccessReviewClosed { review: number, position, root, counts, by });
    Ok((draft.finish(), done(number, false)))
}
