//! Who may manage, and the way from a change to its rules.

use super::draft::{Context, Draft, Recorded};
use super::rules::cause_of;
use super::totals::TallyNote;
use super::{Answer, Decision, REFUSALS_A_MINUTE_MAX};
use super::{directory, erasure, gateway, history_read, imports, log_key, oauth, once, review, scope_map, seal, tokens};
use crate::domain::access::BUILT_IN_GROUPS;
use crate::domain::command::{Actor, Change};
use crate::domain::event::{
    By, Cause, ClockStepped, Event, LedgerInitialized, LogContinued, ManagementOperation, ManagementRefused,
    RecordingResumed, RecordingStarted, RecordingStopped, ScopeGroupDefined,
};
use crate::domain::ids::{AccountId, ApplicationId, AuthorizationId, ResourceId, TokenId, UserId};
use crate::domain::rejection::{Conflict, Rejection};
use crate::domain::state::{Digests, State};
use crate::domain::text::Texts;
use crate::domain::time::{CLOCK_STEP_MICROS, Timestamp};
use crate::domain::token::{Authority, Owner, Principal, Token, TokenKind};
use crate::domain::token_text::TokenDigest;
use core::net::IpAddr;

/// What a carried-out change was about, for the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// The service.
    Service,
    /// An account.
    Account(AccountId),
    /// A user.
    User(UserId),
    /// A member.
    Member(AccountId, UserId),
    /// A resource.
    Resource(ResourceId),
    /// A token.
    Token(TokenId),
    /// Personal texts.
    Texts {
        /// How many were erased.
        erased: u64,
        /// How many stay because another live token bears them.
        kept: u64,
        /// Whether no byte of them is left in any file.
        finished: bool,
    },
    /// So many tokens from this one on.
    Tokens(TokenId, u64),
    /// An access review.
    Review(u64),
    /// An OAuth application.
    Application(ApplicationId),
    /// An authorization of an OAuth application.
    Authorization(AuthorizationId),
}

/// A change that was carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Done {
    /// What it was about.
    pub subject: Subject,
    /// Whether it made something new.
    pub created: bool,
}

/// Who acts, and by what right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acting {
    pub principal: Principal,
    pub credential: TokenId,
    pub authority: Authority,
    /// Which of the credential's secrets was shown; 0 without a credential.
    pub secret: u32,
}

impl Acting {
    /// Whoever needs no token.
    fn without_token(principal: Principal, authority: Authority) -> Self {
        Self { principal, credential: TokenId::NONE, authority, secret: 0 }
    }
}

/// What a rule is handed.
pub(super) struct Deciding<'a> {
    pub state: &'a State,
    pub digests: &'a Digests,
    pub context: &'a Context<'a>,
    pub acting: Acting,
}

impl<'a> Deciding<'a> {
    /// Begins the events of an accepted change.
    pub fn draft(&'a self, texts: &'a mut dyn Texts, account: AccountId, token: TokenId) -> Draft<'a> {
        let acting = (self.acting.principal, self.acting.credential);
        Draft::new(self.state, self.context, texts, (account, token), acting)
    }

    /// What an event of this change says of its maker.
    pub fn by(&self, draft: &mut Draft<'_>) -> By {
        draft.by(self.acting.authority, self.acting.secret)
    }
}

/// What a rule gives back.
pub(super) type Ruled = Result<(Vec<Recorded>, Done), Rejection>;

/// A token that shows itself for management, and why it may not.
pub(super) enum Shown<'a> {
    Unknown,
    Refused(&'a Token, u32, Rejection, Cause),
    May(&'a Token, u32),
}

/// Whether a bearer may look at everything: an operator or an auditor, and the token works for a client at this address.
pub fn may_read(
    state: &State,
    digests: &Digests,
    digest: TokenDigest,
    now: Timestamp,
    from: Option<IpAddr>,
) -> Result<TokenId, Rejection> {
    match shown(state, digests, digest, (now, from), &[TokenKind::Operator, TokenKind::Auditor]) {
        Shown::Unknown => Err(Rejection::UnknownToken),
        Shown::Refused(_, _, rejection, _) => Err(rejection),
        Shown::May(token, _) => Ok(token.id),
    }
}

pub(super) fn shown<'a>(
    state: &'a State,
    digests: &Digests,
    digest: TokenDigest,
    (now, from): (Timestamp, Option<IpAddr>),
    kinds: &[TokenKind],
) -> Shown<'a> {
    let known = digests.get(&digest).and_then(|&(id, secret)| Some((state.token(id)?, secret)));
    let Some((token, secret)) = known else { return Shown::Unknown };
    match may_act(token, secret, now, Some(from), kinds) {
        Ok(()) => Shown::May(token, secret),
        Err(cause) => {
            // Of a token that works, only not from here or not for this, its holder is told so.
            let rejection = if cause.is_closed() { Rejection::Closed(cause) } else { Rejection::Forbidden(cause) };
            Shown::Refused(token, secret, rejection, cause)
        }
    }
}

/// Kinds of tokens that make changes.
pub(super) const MANAGERS: &[TokenKind] = &[TokenKind::Operator];

/// Whether a secret of a token opens the door, and the token is of one of these kinds. Without a `from` the address is not
/// judged.
pub(super) fn may_act(
    token: &Token,
    secret: u32,
    now: Timestamp,
    from: Option<Option<IpAddr>>,
    kinds: &[TokenKind],
) -> Result<(), Cause> {
    let checked = match from {
        Some(from) => token.check(secret, now, from),
        None => token.check_time(secret, now),
    };
    checked.map_err(cause_of)?;
    if kinds.contains(&token.kind) { Ok(()) } else { Err(Cause::WrongKind) }
}

pub(super) fn decide_change(
    state: &State,
    digests: &Digests,
    context: &Context<'_>,
    actor: Actor,
    change: &Change,
    texts: &mut dyn Texts,
) -> Decision {
    let acting = match actor {
        Actor::Init => Acting::without_token(Principal::Service, Authority::Init),
        Actor::Local(uid) => Acting::without_token(Principal::Local(uid), Authority::Local),
        Actor::Bearer(digest) => {
            let kinds: &[TokenKind] = match change {
                Change::Look(_) | Change::ReadHistory(_) | Change::OpenStream(_) => {
                    &[TokenKind::Operator, TokenKind::Auditor]
                }
                Change::OAuth(change) if change.is_members_own() => &[TokenKind::Session],
                _ => MANAGERS,
            };
            match shown(state, digests, digest, (context.now, context.origin.from), kinds) {
                Shown::Unknown => return nothing(Answer::Rejected(Rejection::UnknownToken)),
                Shown::Refused(token, secret, rejection, cause) => {
                    return refuse(state, context, texts, (token, secret), (rejection, cause), change.operation());
                }
                Shown::May(token, secret) => match authority_of(state, token, change) {
                    Ok(authority) => {
                        Acting { principal: token.principal(), credential: token.id, authority, secret }
                    }
                    Err(rejection) => return nothing(Answer::Rejected(rejection)),
                },
            }
        }
    };
    let deciding = Deciding { state, digests, context, acting };
    let decided = match change {
        Change::Once { key, request, change } => once::decide(&deciding, key, *request, change, texts),
        _ => rule(&deciding, change, texts).map(|(events, done)| (events, Answer::Done(done))),
    };
    match decided {
        Ok((events, answer)) => Decision { events, answer, tally: None },
        Err(rejection) => nothing(Answer::Rejected(rejection)),
    }
}

/// By what right whoever shows this token makes the change.
fn authority_of(state: &State, token: &Token, change: &Change) -> Result<Authority, Rejection> {
    match change {
        Change::OAuth(change) if change.is_members_own() => {
            oauth::membership_of(state, token, change).map(Authority::Membership)
        }
        _ => Ok(history_read::authority_of_staff(token)),
    }
}

pub(super) fn nothing(answer: Answer) -> Decision {
    Decision { events: Vec::new(), answer, tally: None }
}

/// Writes down a refused attempt; past sixty a minute it is only counted.
pub(super) fn refuse(
    state: &State,
    context: &Context<'_>,
    texts: &mut dyn Texts,
    (token, secret): (&Token, u32),
    (rejection, cause): (Rejection, Cause),
    operation: ManagementOperation,
) -> Decision {
    let principal = token.principal();
    let account = match token.owner {
        Owner::Account(account) => account,
        Owner::User(_) | Owner::Service => AccountId::NONE,
    };
    let answer = Answer::Rejected(rejection);
    if token.refusals.in_unit(context.now.minute()) >= REFUSALS_A_MINUTE_MAX {
        let address = context.origin.address.clone();
        let note = TallyNote::Refusal { account, token: token.id, cause, at: context.now, address };
        return Decision { events: Vec::new(), answer, tally: Some(note) };
    }
    let mut draft = Draft::new(state, context, texts, (account, token.id), (principal, token.id));
    let (address, agent) = draft.intern_client(token);
    draft.record(ManagementRefused { operation, secret, address, agent, cause });
    Decision { events: draft.finish(), answer, tally: None }
}

pub(super) fn rule(deciding: &Deciding<'_>, change: &Change, texts: &mut dyn Texts) -> Ruled {
    match change {
        // A log that has begun has its name and key for ever.
        Change::Initialize { .. } if !deciding.state.origin.is_empty() => {
            Err(Rejection::field("origin", "is settled: the log has begun"))
        }
        Change::Initialize { origin, log_vkey } => Ok(initialize(deciding, texts, origin, log_vkey)),
        Change::ContinueLog { .. } => continue_log(deciding, texts, change),
        Change::RotateLogKey { log_vkey, overlap_seconds } => {
            log_key::rotate(deciding, texts, log_vkey, *overlap_seconds)
        }
        Change::StartRecording => {
            let after_clean_stop = deciding.state.stopped_cleanly;
            Ok(service(deciding, texts, RecordingStarted { after_clean_stop }))
        }
        Change::StopRecording { appended } => Ok(service(deciding, texts, RecordingStopped { appended: appended + 1 })),
        Change::DefineScopeMap(definition) => scope_map::define(deciding, texts, definition),
        Change::RejectScopeMap(faults) => scope_map::reject(deciding, texts, *faults),
        // A key under a key: nobody sends such a thing; the inner key is not looked at.
        Change::Once { change, .. } => rule(deciding, change, texts),
        Change::ResumeRecording { since, cause, turned_away } => {
            let (since, cause, turned_away) = (*since, *cause, *turned_away);
            Ok(service(deciding, texts, RecordingResumed { since, cause, turned_away }))
        }
        Change::StepClock { seen_at, kept, wall, followed } => {
            step_clock(deciding, texts, (*seen_at, *kept, *wall), *followed)
        }
        Change::ReadHistory(asked) => history_read::read(deciding, texts, asked),
        Change::CountReads(looks) => history_read::count(deciding, texts, looks),
        Change::OpenStream(asked) => history_read::open_stream(deciding, texts, asked),
        Change::CloseStream(closed) => history_read::close_stream(deciding, texts, closed),
        Change::SealState(sealed) => seal::rule(deciding, texts, *sealed),
        Change::Look(_) | Change::Attempt(_) => Ok((Vec::new(), Done { subject: Subject::Service, created: false })),
        Change::CreateToken { .. }
        | Change::UpdateToken { .. }
        | Change::RotateToken { .. }
        | Change::DeleteToken { .. } => tokens::rule(deciding, change, texts),
        Change::EraseUserTexts { .. } | Change::EraseTokenTexts { .. } | Change::EraseAgain { .. } => {
            erasure::rule(deciding, change, texts)
        }
        Change::ImportTokens { account, lines } => imports::rule(deciding, texts, *account, lines),
        Change::Gateway(change) => gateway::rule(deciding, texts, change),
        Change::Review(change) => review::rule(deciding, texts, change),
        Change::OAuth(change) => oauth::rule(deciding, texts, change),
        _ => directory::rule(deciding, change, texts),
    }
}

pub(super) fn service(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    event: impl Into<Event>,
) -> (Vec<Recorded>, Done) {
    let mut draft = deciding.draft(texts, AccountId::NONE, TokenId::NONE);
    draft.record(event);
    (draft.finish(), Done { subject: Subject::Service, created: false })
}

/// The service sees a step by itself; whoever accepts one says by what right.
fn step_clock(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    (seen_at, kept, wall): (Timestamp, Timestamp, Timestamp),
    followed: bool,
) -> Ruled {
    let is_service = matches!(deciding.acting.principal, Principal::Service);
    if !is_service && wall.micros_since(kept).unsigned_abs() <= CLOCK_STEP_MICROS {
        return Err(Rejection::Conflict(Conflict::ClockAsExpected));
    }
    let mut draft = deciding.draft(texts, AccountId::NONE, TokenId::NONE);
    let by = if is_service { None } else { Some(deciding.by(&mut draft)) };
    draft.record(ClockStepped { seen_at, kept, wall, followed, by });
    Ok((draft.finish(), Done { subject: Subject::Service, created: false }))
}

/// A name and key are used for one log only: whoever holds a checkpoint of the old one must never find it contradicted
/// by the new one.
fn continue_log(deciding: &Deciding<'_>, texts: &mut dyn Texts, change: &Change) -> Ruled {
    let Change::ContinueLog { last_checkpoint, lost_through, origin, log_vkey } = change else {
        return Err(Rejection::field("origin", "is not that of a continuation"));
    };
    let state = deciding.state;
    if state.origin.is_empty() {
        return Err(Rejection::field("origin", "the log has not begun"));
    }
    if state.log_keys.had_origin(origin) {
        return Err(Rejection::field("origin", "is or was this log's; a continuation needs one of its own"));
    }
    if state.log_keys.had_key(log_vkey) {
        return Err(Rejection::field("log_vkey", "is or was this log's; a continuation needs one of its own"));
    }
    let continued = LogContinued {
        old_origin: state.origin.clone(),
        old_vkey: state.log_vkey.clone(),
        last_checkpoint: last_checkpoint.clone(),
        lost_through: *lost_through,
        origin: origin.clone(),
        log_vkey: log_vkey.clone(),
    };
    Ok(service(deciding, texts, continued))
}

fn initialize(deciding: &Deciding<'_>, texts: &mut dyn Texts, origin: &str, log_vkey: &str) -> (Vec<Recorded>, Done) {
    let mut draft = deciding.draft(texts, AccountId::NONE, TokenId::NONE);
    draft.record(LedgerInitialized { origin: origin.to_owned(), log_vkey: log_vkey.to_owned() });
    for (number, (name, restrictable, has_write, needs_research)) in (1..).zip(BUILT_IN_GROUPS) {
        let name = name.to_owned();
        draft.record(ScopeGroupDefined { group: number, name, restrictable, has_write, needs_research });
    }
    (draft.finish(), Done { subject: Subject::Service, created: true })
}
