//! Rules of looking at history: who looked at what is an event, once a minute for one principal and shape.

use super::draft::Draft;
use super::management::{Deciding, Done, Ruled, Subject, right_over};
use crate::domain::command::{ClosedStream, UnrecordedReads};
use crate::domain::event::{By, HistoryRead, HistoryStreamClosed, HistoryStreamOpened, ManagementOperation};
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, TextNumber, TokenId};
use crate::domain::rejection::Rejection;
use crate::domain::text::Texts;
use crate::domain::token::{Authority, Principal, Token, TokenKind};

const DONE: Done = Done { subject: Subject::Service, created: false };

/// By what right a token of staff looks, and an operator changes.
pub(super) fn authority_of_staff(token: &Token) -> Authority {
    match token.kind {
        TokenKind::Auditor => Authority::Auditor(token.version),
        _ => Authority::Operator(token.version),
    }
}

/// A look that is in this minute's records already leaves nothing.
pub(super) fn read(deciding: &Deciding<'_>, texts: &mut dyn Texts, asked: &HistoryQuery) -> Ruled {
    let (reads, now) = (&deciding.state.history_reads, deciding.context.now);
    let Some(shape) = reads.due(deciding.acting.principal, now, &asked.shape) else { return Ok((Vec::new(), DONE)) };
    let mut draft = deciding.draft(texts, AccountId::NONE, TokenId::NONE);
    let by = deciding.by(&mut draft);
    draft.record(HistoryRead { asked: HistoryQuery { shape, ..asked.clone() }, counted: None, by });
    Ok((draft.finish(), DONE))
}

pub(super) fn open_stream(deciding: &Deciding<'_>, texts: &mut dyn Texts, asked: &HistoryQuery) -> Ruled {
    let mut draft = deciding.draft(texts, AccountId::NONE, TokenId::NONE);
    let by = deciding.by(&mut draft);
    draft.record(HistoryStreamOpened { asked: asked.clone(), by });
    Ok((draft.finish(), DONE))
}

/// Said by the service, since the token that opened it may work no more. It stands for whoever opened it.
pub(super) fn close_stream(deciding: &Deciding<'_>, texts: &mut dyn Texts, closed: &ClosedStream) -> Ruled {
    by_the_service(deciding)?;
    let ClosedStream { token, opened, through, sent, end } = *closed;
    let mut draft = drafted_for(deciding, texts, token);
    draft.record(HistoryStreamClosed { opened, through, sent, end });
    Ok((draft.finish(), DONE))
}

/// Looks that went unrecorded, told afterwards by the service.
pub(super) fn count(deciding: &Deciding<'_>, texts: &mut dyn Texts, looks: &[UnrecordedReads]) -> Ruled {
    by_the_service(deciding)?;
    let mut events = Vec::with_capacity(looks.len());
    for UnrecordedReads { token, asked, counted } in looks {
        let by = By {
            authority: authority_of_reader(deciding, *token, asked),
            secret: 0,
            address: TextNumber::NONE,
            agent: TextNumber::NONE,
        };
        let mut draft = drafted_for(deciding, texts, *token);
        draft.record(HistoryRead { asked: asked.clone(), counted: Some(*counted), by });
        events.extend(draft.finish());
    }
    Ok((events, DONE))
}

/// By what right whoever shows this token looks now; the ledger's own where it is not known any more.
fn authority_of_reader(deciding: &Deciding<'_>, token: TokenId, asked: &HistoryQuery) -> Authority {
    let state = deciding.state;
    let Some(shown) = state.token(token) else { return Authority::Init };
    match (shown.kind, shown.principal()) {
        (TokenKind::Session, Principal::Staff(staff)) => state.token(staff).map_or(Authority::Init, authority_of_staff),
        (TokenKind::Session, Principal::User(user)) => {
            right_over(state, user, ManagementOperation::ReadEvents, asked.whose()).unwrap_or(Authority::Own)
        }
        _ => authority_of_staff(shown),
    }
}

/// For whoever shows this token; for the service where it is none.
fn drafted_for<'a>(deciding: &'a Deciding<'_>, texts: &'a mut dyn Texts, token: TokenId) -> Draft<'a> {
    let shown = deciding.state.token(token).map(Token::principal);
    let principal = shown.unwrap_or(if token.is_none() { Principal::Service } else { Principal::Staff(token) });
    Draft::new(deciding.state, deciding.context, texts, (AccountId::NONE, TokenId::NONE), (principal, token))
}

fn by_the_service(deciding: &Deciding<'_>) -> Result<(), Rejection> {
    if deciding.acting.principal == Principal::Service {
        return Ok(());
    }
    Err(Rejection::field("history", "is told of by the service alone"))
}
