//! The rule of idempotency keys: a change under a key is carried out once, whoever is first.
//!
//! The writer decides one command after another, and takes in what it decided before it decides the next. So of two
//! requests that race with one key the second finds what the first did, in the same batch too, and is answered after the
//! first is durable. There is no moment at which a request under a key is found to be still in progress.

use super::draft::Recorded;
use super::management::{Deciding, Subject, rule};
use super::{Answer, Done};
use crate::domain::command::Change;
use crate::domain::event::IdempotencyKeyKept;
use crate::domain::idempotency::{AnswerSubject, Kept, KeyHash, RequestDigest};
use crate::domain::rejection::Rejection;
use crate::domain::text::{PersonalText, Texts};

/// HTTP statuses that changes are answered with.
const CREATED: u16 = 201;
const DONE: u16 = 200;

/// Carries out a change, or says again what was done. A refused change keeps nothing: mended, it can be sent again.
pub(super) fn decide(
    deciding: &Deciding<'_>,
    key: &PersonalText,
    request: RequestDigest,
    change: &Change,
    texts: &mut dyn Texts,
) -> Result<(Vec<Recorded>, Answer), Rejection> {
    let (keys, now) = (&deciding.state.kept_keys, deciding.context.now);
    let principal = deciding.acting.principal;
    let hash = KeyHash::of(principal, key);
    if let Some(kept) = keys.find(hash, now) {
        return if kept.request == request { Ok((Vec::new(), again(kept))) } else { Err(Rejection::KeyReused) };
    }
    if keys.is_full(principal, now) {
        return Err(Rejection::LimitReached("10000 idempotency keys are kept for one sender in 24 hours"));
    }
    let (mut events, done) = rule(deciding, change, texts)?;
    let status = if done.created { CREATED } else { DONE };
    let kept = IdempotencyKeyKept { key: hash, request, status, subject: done.subject.into() };
    // A change that changed nothing has nothing to be kept from happening twice.
    if let Some(last) = events.last() {
        events.push(after(last, kept));
    }
    Ok((events, Answer::Done(done)))
}

fn again(kept: &Kept) -> Answer {
    Answer::Repeated(Done { subject: kept.subject.into(), created: kept.status == CREATED }, kept.position)
}

/// In the same streams as the change's own events, right behind them.
fn after(last: &Recorded, event: IdempotencyKeyKept) -> Recorded {
    let mut header = last.header;
    header.account_number += u64::from(!header.account.is_none());
    header.token_number += u64::from(!header.token.is_none());
    Recorded { header, event: event.into() }
}

impl From<Subject> for AnswerSubject {
    fn from(subject: Subject) -> Self {
        match subject {
            // What erases, and what a member authorises, needs no key, and is never kept under one.
            Subject::Service | Subject::Texts { .. } => Self::Service,
            Subject::Account(account) => Self::Account(account),
            Subject::User(user) => Self::User(user),
            Subject::Member(account, user) => Self::Member(account, user),
            Subject::Resource(resource) => Self::Resource(resource),
            Subject::Token(token) => Self::Token(token),
            Subject::Tokens(first, count) => Self::Tokens(first, count),
            Subject::Review(review) => Self::Review(review),
            Subject::SignInLink(link) => Self::SignInLink(link),
            Subject::Application(application) => Self::Application(application),
            Subject::Authorization(_) => Self::Service,
        }
    }
}

impl From<AnswerSubject> for Subject {
    fn from(subject: AnswerSubject) -> Self {
        match subject {
            AnswerSubject::Service => Self::Service,
            AnswerSubject::Account(account) => Self::Account(account),
            AnswerSubject::User(user) => Self::User(user),
            AnswerSubject::Member(account, user) => Self::Member(account, user),
            AnswerSubject::Resource(resource) => Self::Resource(resource),
            AnswerSubject::Token(token) => Self::Token(token),
            AnswerSubject::Tokens(first, count) => Self::Tokens(first, count),
            AnswerSubject::Review(review) => Self::Review(review),
            AnswerSubject::SignInLink(link) => Self::SignInLink(link),
            AnswerSubject::Application(application) => Self::Application(application),
        }
    }
}
