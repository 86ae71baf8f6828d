//! Rules of erasing personal texts: which texts are a user's, and which a token's.
//!
//! A user's texts are all whose subject the user is: name, e-mail address, names of the user's tokens, and the
//! addresses and agents these were used from. A token's texts are its names, and the addresses and agents that came
//! with it first; used by other tokens since, they go all the same, and get a new number when they are used again. A
//! name that another live token of the same owner bears stays.

use super::management::{Deciding, Done, Ruled, Subject};
use crate::domain::command::Change;
use crate::domain::event::PersonalDataErased;
use crate::domain::ids::{AccountId, TextNumber, TokenId, UserId};
use crate::domain::rejection::{Missing, Rejection};
use crate::domain::text::{KnownText, Subject as TextSubject, TextKind, Texts};
use crate::domain::token::{Owner, Token};

/// Ranges of one record: two full-width numbers are 18 bytes, so that a full one fits a record with room to spare.
pub const RANGES_A_RECORD: usize = 3_000;

pub(super) fn rule(deciding: &Deciding<'_>, change: &Change, texts: &mut dyn Texts) -> Ruled {
    match change {
        Change::EraseUserTexts { user } => erase_user(deciding, texts, *user),
        Change::EraseTokenTexts { owner, token } => erase_token(deciding, texts, *owner, *token),
        Change::EraseAgain { subject, texts: numbers } => {
            let known = |number: &TextNumber| !number.is_none() && *number <= deciding.state.last_text;
            let numbers = numbers.iter().copied().filter(known).collect();
            let nowhere = (AccountId::NONE, TokenId::NONE);
            Ok(record(deciding, texts, nowhere, *subject, Chosen { numbers, kept: 0 }))
        }
        _ => Ok((Vec::new(), Done { subject: Subject::Service, created: false })),
    }
}

/// What is erased, and how many texts stay.
struct Chosen {
    numbers: Vec<TextNumber>,
    kept: u64,
}

fn erase_user(deciding: &Deciding<'_>, texts: &mut dyn Texts, user: UserId) -> Ruled {
    deciding.state.user(user).ok_or(Rejection::NotFound(Missing::User))?;
    let subject = TextSubject::User(user);
    let numbers = texts.of(subject).into_iter().map(|text| text.number).collect();
    let nowhere = (AccountId::NONE, TokenId::NONE);
    Ok(record(deciding, texts, nowhere, subject, Chosen { numbers, kept: 0 }))
}

fn erase_token(deciding: &Deciding<'_>, texts: &mut dyn Texts, owner: Option<Owner>, id: TokenId) -> Ruled {
    let token = deciding.state.token(id).filter(|token| owner.is_none_or(|owner| owner == token.owner));
    let token = token.ok_or(Rejection::NotFound(Missing::Token))?;
    let subject = TextSubject::from(token.owner);
    let chosen = choose(deciding, token, texts.of(subject));
    let account = match token.owner {
        Owner::Account(account) => account,
        Owner::User(_) | Owner::Service => AccountId::NONE,
    };
    Ok(record(deciding, texts, (account, id), subject, chosen))
}

fn choose(deciding: &Deciding<'_>, token: &Token, texts: Vec<KnownText>) -> Chosen {
    let mut chosen = Chosen { numbers: Vec::new(), kept: 0 };
    for text in texts.into_iter().filter(|text| text.token == token.id || text.number == token.name) {
        if text.kind == TextKind::TokenName && is_borne_by_another(deciding, token, text.number) {
            chosen.kept += 1;
        } else {
            chosen.numbers.push(text.number);
        }
    }
    chosen
}

fn is_borne_by_another(deciding: &Deciding<'_>, token: &Token, name: TextNumber) -> bool {
    let state = deciding.state;
    let live = match token.owner {
        Owner::Service => Some(&state.service_tokens),
        Owner::Account(account) => state.account(account).map(|account| &*account.tokens),
        Owner::User(user) => state.user(user).map(|user| &*user.tokens),
    };
    let bears = |other: &&TokenId| **other != token.id && state.token(**other).is_some_and(|other| other.name == name);
    let sessions = state.sign_ins.sessions(token.principal());
    live.is_some_and(|live| live.iter().any(|other| bears(&other))) || sessions.into_iter().any(|other| bears(&&other))
}

fn record(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    (account, token): (AccountId, TokenId),
    subject: TextSubject,
    chosen: Chosen,
) -> (Vec<crate::domain::decide::Recorded>, Done) {
    let Chosen { mut numbers, kept } = chosen;
    numbers.sort_unstable();
    numbers.dedup();
    let erased = numbers.len() as u64;
    let mut draft = deciding.draft(texts, account, token);
    if !numbers.is_empty() {
        let by = deciding.by(&mut draft);
        for ranges in ranges(&numbers).chunks(RANGES_A_RECORD) {
            draft.record(PersonalDataErased { subject, texts: ranges.to_vec(), by });
        }
    }
    (draft.finish(), Done { subject: Subject::Texts { erased, kept, finished: true }, created: false })
}

/// Sorted numbers, neighbours joined.
fn ranges(numbers: &[TextNumber]) -> Vec<(TextNumber, TextNumber)> {
    let mut ranges: Vec<(TextNumber, TextNumber)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.next() == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}
