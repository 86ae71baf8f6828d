//! Rules of signing in: links are made for users and staff, a link opens one session, a session is ended.

use super::draft::{Context, Draft};
use super::management::{Acting, Deciding, Done, Ruled, Subject, nothing, staff_works};
use super::{Answer, Decision};
use crate::domain::access::Access;
use crate::domain::command::{NewSecret, SignInChange};
use crate::domain::digests::Digests;
use crate::domain::event::{By, SignInLinkCreated, SignInLinkUsed, SignInRefused, TokenCreated, TokenDeleted};
use crate::domain::ids::{AccountId, TextNumber, TokenId};
use crate::domain::names::check_name;
use crate::domain::oauth::EndReason;
use crate::domain::rejection::{Conflict, Missing, Rejection};
use crate::domain::sign_in::{
    LINK_REFUSALS_MAX, LINK_SECONDS, LINKS_MAX, Link, SESSION_SECONDS, SESSIONS_MAX, SignInCause,
};
use crate::domain::state::State;
use crate::domain::text::{PersonalText, Subject as TextSubject, TextKind, Texts};
use crate::domain::time::Timestamp;
use crate::domain::token::{Authority, Owner, Principal, Secret, Token, TokenKind};
use crate::domain::token_text::TokenDigest;

pub(super) fn rule(deciding: &Deciding<'_>, texts: &mut dyn Texts, change: &SignInChange) -> Ruled {
    match change {
        SignInChange::CreateLink { who, digest } => create_link(deciding, texts, *who, *digest),
        SignInChange::EndSession { who, session } => end_session(deciding, texts, *who, *session),
        // Whoever shows a link comes by another way.
        SignInChange::UseLink { .. } => Err(Rejection::NotFound(Missing::SignInLink)),
    }
}

fn create_link(deciding: &Deciding<'_>, texts: &mut dyn Texts, who: Principal, digest: TokenDigest) -> Ruled {
    let (state, now) = (deciding.state, deciding.context.now);
    match who {
        Principal::User(user) => state.user(user).map(drop).ok_or(Rejection::NotFound(Missing::User))?,
        Principal::Staff(id) => staff_token(state, id, now).map(drop).ok_or(Rejection::NotFound(Missing::Token))?,
        _ => return Err(Rejection::NotFound(Missing::User)),
    }
    if state.sign_ins.open_links(who, now) >= LINKS_MAX {
        return Err(Rejection::LimitReached(
            "10 sign-in links of one person work at a time; use one, or wait 15 minutes",
        ));
    }
    if state.sign_ins.find(&digest, now).is_some() {
        return Err(Rejection::Conflict(Conflict::DigestExists));
    }
    let link = state.sign_ins.next_link();
    let mut draft = deciding.draft(texts, AccountId::NONE, TokenId::NONE);
    let by = deciding.by(&mut draft);
    draft.record(SignInLinkCreated { link, who, digest, expires_at: now.plus_seconds(LINK_SECONDS), by });
    Ok((draft.finish(), Done { subject: Subject::SignInLink(link), created: true }))
}

/// A token of staff that works, from wherever.
fn staff_token(state: &State, id: TokenId, now: Timestamp) -> Option<&Token> {
    let is_staff = |token: &&Token| matches!(token.kind, TokenKind::Operator | TokenKind::Auditor);
    state.token(id).filter(is_staff).filter(|token| token.is_live(now))
}

/// A session of this person. Another's, an ended one and a token of another kind look the same as one that never was.
fn end_session(deciding: &Deciding<'_>, texts: &mut dyn Texts, who: Principal, session: TokenId) -> Ruled {
    let is_theirs =
        |token: &&Token| token.kind == TokenKind::Session && token.deleted_at.is_none() && token.principal() == who;
    deciding.state.token(session).filter(is_theirs).ok_or(Rejection::NotFound(Missing::Session))?;
    let mut draft = deciding.draft(texts, AccountId::NONE, session);
    let by = deciding.by(&mut draft);
    draft.record(TokenDeleted { reason: EndReason::Asked, by });
    Ok((draft.finish(), Done { subject: Subject::Token(session), created: false }))
}

/// What whoever shows a link comes to: a session, or one answer whatever is wrong with the link.
pub(super) fn decide(
    state: &State,
    digests: &Digests,
    context: &Context<'_>,
    shown: TokenDigest,
    change: &SignInChange,
    texts: &mut dyn Texts,
) -> Decision {
    let unknown = || nothing(Answer::Rejected(Rejection::NotFound(Missing::SignInLink)));
    let SignInChange::UseLink { name, secret } = change else { return unknown() };
    let Some((number, link)) = state.sign_ins.find(&shown, context.now) else { return unknown() };
    if let Err(cause) = check_link(state, context, link) {
        return refuse(state, context, texts, (number, link), cause);
    }
    if let Err(fault) = check_name(name.as_str()) {
        return nothing(Answer::Rejected(Rejection::field("name", fault)));
    }
    if digests.find(&state.tokens, &secret.digest).is_some() {
        return nothing(Answer::Rejected(Rejection::Conflict(Conflict::DigestExists)));
    }
    open_session(state, context, texts, (number, link), name, *secret)
}

fn check_link(state: &State, context: &Context<'_>, link: &Link) -> Result<(), SignInCause> {
    if !link.is_open(context.now) {
        return Err(SignInCause::LinkUsed);
    }
    if let Principal::Staff(staff) = link.who {
        staff_works(state, staff, context.now, Some(context.origin.from)).map_err(|_| SignInCause::StaffTokenEnded)?;
    }
    let is_live = |id: &TokenId| state.token(*id).is_some_and(|token| token.is_live(context.now));
    let live = state.sign_ins.sessions(link.who).filter(is_live).count();
    if live >= SESSIONS_MAX { Err(SignInCause::TooManySessions) } else { Ok(()) }
}

/// Whose the texts of a session are.
fn subject_of(who: Principal) -> TextSubject {
    match who {
        Principal::User(user) => TextSubject::User(user),
        _ => TextSubject::Service,
    }
}

fn open_session(
    state: &State,
    context: &Context<'_>,
    texts: &mut dyn Texts,
    (number, link): (u64, &Link),
    name: &PersonalText,
    secret: NewSecret,
) -> Decision {
    let session = TokenId(state.tokens.next_number());
    let (owner, subject) = match link.who {
        Principal::User(user) => (Owner::User(user), subject_of(link.who)),
        _ => (Owner::Service, subject_of(link.who)),
    };
    let mut draft = Draft::new(state, context, texts, (AccountId::NONE, session), (link.who, TokenId::NONE));
    let name = draft.intern(subject, TextKind::TokenName, name.as_str());
    let (address, agent) = intern_client(&mut draft, context, subject);
    let by = By { authority: Authority::SignInLink(number), secret: 0, address, agent };
    draft.record(TokenCreated {
        kind: TokenKind::Session,
        owner,
        name,
        access: Access::Granted(Vec::new()),
        gateway: None,
        authorized: None,
        secret: Secret { number: 1, digest: secret.digest, hint: secret.hint, not_after: None },
        expires_at: Some(end_of_session(state, link.who, context.now)),
        by,
    });
    draft.record(SignInLinkUsed { link: number, by });
    let done = Done { subject: Subject::Token(session), created: true };
    Decision { events: draft.finish(), answer: Answer::Done(done), tally: None }
}

/// After 12 hours, or with the staff token that it stands for.
fn end_of_session(state: &State, who: Principal, now: Timestamp) -> Timestamp {
    let end = now.plus_seconds(SESSION_SECONDS);
    let staff = match who {
        Principal::Staff(staff) => state.token(staff).and_then(|token| token.expires_at),
        _ => None,
    };
    staff.map_or(end, |staff| staff.min(end))
}

fn intern_client(draft: &mut Draft<'_>, context: &Context<'_>, subject: TextSubject) -> (TextNumber, TextNumber) {
    let mut one = |kind, text: Option<&PersonalText>| match text {
        Some(text) => draft.intern(subject, kind, super::draft::cut(text, super::AGENT_BYTES_MAX)),
        None => TextNumber::NONE,
    };
    let address = one(TextKind::Address, context.origin.address.as_ref());
    (address, one(TextKind::Agent, context.origin.agent.as_ref()))
}

/// A link that is known and signs nobody in: somebody has it who should not, or forgot. The first of them are recorded.
fn refuse(
    state: &State,
    context: &Context<'_>,
    texts: &mut dyn Texts,
    (number, link): (u64, &Link),
    cause: SignInCause,
) -> Decision {
    let answer = Answer::Rejected(Rejection::NotFound(Missing::SignInLink));
    if link.refusals >= LINK_REFUSALS_MAX {
        return nothing(answer);
    }
    // Nobody acts here: that it was the person is not said.
    let mut draft = Draft::new(state, context, texts, Default::default(), (Principal::Service, TokenId::NONE));
    let (address, agent) = intern_client(&mut draft, context, subject_of(link.who));
    draft.record(SignInRefused { link: number, address, agent, cause });
    Decision { events: draft.finish(), answer, tally: None }
}

/// A staff token ends, and its sessions with it; but for the one that ends it, which ends by itself.
pub(super) fn sessions_that_end_with(deciding: &Deciding<'_>, token: &Token) -> Vec<TokenId> {
    let sessions = deciding.state.sign_ins.sessions(Principal::Staff(token.id));
    sessions.filter(|&session| session != deciding.acting.credential).collect()
}

/// By what right somebody ends a session: their own person's, whatever else they may.
pub(super) fn acting_for_own(token: &Token, secret: u32) -> Acting {
    Acting { principal: token.principal(), credential: token.id, authority: Authority::Own, secret }
}
