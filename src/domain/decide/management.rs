//! Who may manage, and the way from a change to its rules.

use super::draft::{Context, Draft, Recorded};
use super::rules::cause_of;
use super::totals::TallyNote;
use super::{Answer, Decision, REFUSALS_A_MINUTE_MAX};
use super::{
    directory, erasure, gateway, history_read, imports, log_key, oauth, once, review, scope_map, seal, sign_in, tokens,
};
use crate::domain::access::{Access, BUILT_IN_GROUPS, RequiredScope, Target, Verb, group};
use crate::domain::command::{Actor, Change, SignInChange};
use crate::domain::digests::Digests;
use crate::domain::event::{
    By, Cause, ClockStepped, Event, LedgerInitialized, LogContinued, ManagementOperation, ManagementRefused,
    RecordingResumed, RecordingStarted, RecordingStopped, ScopeGroupDefined,
};
use crate::domain::ids::{AccountId, ApplicationId, AuthorizationId, ResourceId, TokenId, UserId};
use crate::domain::rejection::{Conflict, Rejection};
use crate::domain::state::State;
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
    /// A sign-in link.
    SignInLink(u64),
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

    /// Whether a token has a secret with this digest already.
    pub fn digest_exists(&self, digest: &TokenDigest) -> bool {
        self.digests.find(&self.state.tokens, digest).is_some()
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
    match shown(state, digests, digest, (now, from), READERS) {
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
    let Some((token, secret)) = digests.find(&state.tokens, &digest) else { return Shown::Unknown };
    match may_act(token, secret, now, Some(from), kinds) {
        Ok(()) => Shown::May(token, secret),
        Err(cause) => Shown::Refused(token, secret, rejection_of(cause), cause),
    }
}

/// Kinds of tokens that look at everything.
const READERS: &[TokenKind] = &[TokenKind::Operator, TokenKind::Auditor];

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

/// Whether whoever shows something may look at what is this owner's, and with which token: staff at everything, a session
/// of a person at what is theirs.
pub fn may_look(
    state: &State,
    digests: &Digests,
    actor: Actor,
    (operation, whose): (ManagementOperation, Owner),
    (now, from): (Timestamp, Option<IpAddr>),
) -> Result<TokenId, Rejection> {
    match actor {
        Actor::Bearer(digest) => may_read(state, digests, digest, now, from),
        Actor::Session(digest) => seen(session(state, digests, digest, (now, from), READERS, (operation, whose))),
        Actor::Local(_) | Actor::Init | Actor::Link(_) => Err(Rejection::UnknownToken),
    }
}

/// Whether whoever shows something may change what is this owner's: operators everything, a session of a person what is
/// theirs.
pub fn may_change(
    state: &State,
    digests: &Digests,
    actor: Actor,
    (operation, whose): (ManagementOperation, Owner),
    (now, from): (Timestamp, Option<IpAddr>),
) -> Result<TokenId, Rejection> {
    match actor {
        Actor::Bearer(digest) => match shown(state, digests, digest, (now, from), MANAGERS) {
            Shown::Unknown => Err(Rejection::UnknownToken),
            Shown::Refused(_, _, rejection, _) => Err(rejection),
            Shown::May(token, _) => Ok(token.id),
        },
        Actor::Session(digest) => seen(session(state, digests, digest, (now, from), MANAGERS, (operation, whose))),
        Actor::Local(_) | Actor::Init | Actor::Link(_) => Err(Rejection::UnknownToken),
    }
}

fn seen(seen: Seen<'_>) -> Result<TokenId, Rejection> {
    match seen {
        Seen::Unknown => Err(Rejection::UnknownToken),
        Seen::Refused(_, _, cause) => Err(rejection_of(cause)),
        Seen::Acts(acting) => Ok(acting.credential),
    }
}

/// A session that shows itself.
enum Seen<'a> {
    Unknown,
    Refused(&'a Token, u32, Cause),
    Acts(Acting),
}

/// Who acts by a session: staff by the staff token that it stands for, if that is of one of these kinds; a person over
/// what is theirs.
fn session<'a>(
    state: &'a State,
    digests: &Digests,
    digest: TokenDigest,
    (now, from): (Timestamp, Option<IpAddr>),
    kinds: &[TokenKind],
    (operation, whose): (ManagementOperation, Owner),
) -> Seen<'a> {
    let Some((token, secret)) = digests.find(&state.tokens, &digest) else { return Seen::Unknown };
    let acting =
        may_act(token, secret, now, Some(from), &[TokenKind::Session]).and_then(|()| match token.principal() {
            Principal::Staff(staff) => {
                let staff = staff_works(state, staff, now, Some(from))?;
                if !kinds.contains(&staff.kind) {
                    return Err(Cause::WrongKind);
                }
                Ok((Principal::Staff(staff.id), history_read::authority_of_staff(staff)))
            }
            Principal::User(user) => Ok((Principal::User(user), right_over(state, user, operation, whose)?)),
            _ => Err(Cause::WrongKind),
        });
    match acting {
        Ok((principal, authority)) => Seen::Acts(Acting { principal, credential: token.id, authority, secret }),
        Err(cause) => Seen::Refused(token, secret, cause),
    }
}

/// The staff token that a session stands for, if it works by its newest secret. Without a `from` the address is not judged.
pub(super) fn staff_works(
    state: &State,
    staff: TokenId,
    now: Timestamp,
    from: Option<Option<IpAddr>>,
) -> Result<&Token, Cause> {
    let token = state.token(staff).ok_or(Cause::TokenDeleted)?;
    let newest = token.secrets.last().map_or(0, |secret| secret.number);
    may_act(token, newest, now, from, READERS)?;
    Ok(token)
}

/// What a member with full access may do with the account. Everything else is for operators.
const MEMBERS_MAY: &[ManagementOperation] = &[
    ManagementOperation::ReadAccounts,
    ManagementOperation::ReadResources,
    ManagementOperation::CreateToken,
    ManagementOperation::UpdateToken,
    ManagementOperation::RotateToken,
    ManagementOperation::DeleteToken,
    ManagementOperation::ReadTokens,
    ManagementOperation::ReadUsage,
    ManagementOperation::ReadEvents,
    ManagementOperation::ChangeApplications,
    ManagementOperation::ReadApplications,
    ManagementOperation::RevokeAuthorizations,
    ManagementOperation::ReadAuthorizations,
];

/// What a person may do with what is their own.
const OWN_MAY: &[ManagementOperation] = &[
    ManagementOperation::ReadUsers,
    ManagementOperation::CreateToken,
    ManagementOperation::UpdateToken,
    ManagementOperation::RotateToken,
    ManagementOperation::DeleteToken,
    ManagementOperation::ReadTokens,
    ManagementOperation::ReadUsage,
    ManagementOperation::ReadEvents,
    ManagementOperation::ReadSessions,
    ManagementOperation::EndSession,
    ManagementOperation::RevokeAuthorizations,
];

/// By what right a person does something to what is this owner's, now. Another's is judged before it is looked up, so
/// that nobody learns what there is.
pub fn right_over(
    state: &State,
    user: UserId,
    operation: ManagementOperation,
    whose: Owner,
) -> Result<Authority, Cause> {
    match whose {
        Owner::Service => Err(Cause::WrongKind),
        Owner::User(other) if other != user => Err(Cause::ForeignAccount),
        Owner::User(_) if OWN_MAY.contains(&operation) => Ok(Authority::Own),
        Owner::User(_) => Err(Cause::WrongKind),
        Owner::Account(account) => {
            let member = state.account(account).and_then(|account| account.members.get(&user));
            let member = member.ok_or(Cause::ForeignAccount)?;
            // Whatever they may do there: what they authorise goes no further than that.
            if operation == ManagementOperation::AuthorizeApplication {
                return Ok(Authority::Membership(member.version));
            }
            if !MEMBERS_MAY.contains(&operation) {
                return Err(Cause::WrongKind);
            }
            let covers = member.access == Access::Full || is_look(operation) && reads_the_account(&member.access);
            if covers { Ok(Authority::Membership(member.version)) } else { Err(Cause::MissingScope) }
        }
    }
}

fn is_look(operation: ManagementOperation) -> bool {
    use ManagementOperation as Op;
    matches!(
        operation,
        Op::ReadAccounts
            | Op::ReadResources
            | Op::ReadTokens
            | Op::ReadUsage
            | Op::ReadEvents
            | Op::ReadApplications
            | Op::ReadAuthorizations
    )
}

/// A member whose grants cover reading the account sees it, and changes nothing of it.
fn reads_the_account(access: &Access) -> bool {
    access.allows(RequiredScope { group: group::ACCOUNT, verb: Verb::Read, target: Target::All })
}

/// What a cause is answered with. Of a token that works, only not from here or not for this, its holder is told so.
fn rejection_of(cause: Cause) -> Rejection {
    if cause.is_closed() { Rejection::Closed(cause) } else { Rejection::Forbidden(cause) }
}

/// The session that ends one of its own person's, itself too, whatever role it has. None where that is not what is wanted.
fn ends_own<'a>(
    state: &'a State,
    digests: &Digests,
    digest: TokenDigest,
    (now, from): (Timestamp, Option<IpAddr>),
    change: &Change,
) -> Option<(&'a Token, u32)> {
    let Change::SignIn(SignInChange::EndSession { who, .. }) = change else { return None };
    let (token, secret) = digests.find(&state.tokens, &digest)?;
    may_act(token, secret, now, Some(from), &[TokenKind::Session]).ok()?;
    (token.principal() == *who).then_some((token, secret))
}

pub(super) fn decide_change(
    state: &State,
    digests: &Digests,
    context: &Context<'_>,
    actor: Actor,
    change: &Change,
    texts: &mut dyn Texts,
) -> Decision {
    let kinds = match change {
        Change::Look(..) | Change::ReadHistory(_) | Change::OpenStream(_) => READERS,
        _ => MANAGERS,
    };
    let from = (context.now, context.origin.from);
    let acting = match actor {
        Actor::Link(digest) => {
            let Change::SignIn(change) = change else { return nothing(Answer::Rejected(Rejection::UnknownToken)) };
            return sign_in::decide(state, digests, context, digest, change, texts);
        }
        Actor::Session(digest) => match ends_own(state, digests, digest, from, change) {
            Some((token, secret)) => sign_in::acting_for_own(token, secret),
            None => match session(state, digests, digest, from, kinds, (change.operation(), change.whose())) {
                Seen::Unknown => return nothing(Answer::Rejected(Rejection::UnknownToken)),
                Seen::Refused(token, secret, cause) => {
                    let refused = (rejection_of(cause), cause);
                    return refuse(state, context, texts, (token, secret), refused, change.operation());
                }
                Seen::Acts(acting) => acting,
            },
        },
        Actor::Init => Acting::without_token(Principal::Service, Authority::Init),
        Actor::Local(uid) => Acting::without_token(Principal::Local(uid), Authority::Local),
        Actor::Bearer(digest) => match shown(state, digests, digest, from, kinds) {
            Shown::Unknown => return nothing(Answer::Rejected(Rejection::UnknownToken)),
            Shown::Refused(token, secret, rejection, cause) => {
                return refuse(state, context, texts, (token, secret), (rejection, cause), change.operation());
            }
            Shown::May(token, secret) => Acting {
                principal: Principal::Staff(token.id),
                credential: token.id,
                authority: history_read::authority_of_staff(token),
                secret,
            },
        },
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
        Change::Look(..) | Change::Attempt(..) => Ok((Vec::new(), Done { subject: Subject::Service, created: false })),
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
        Change::SignIn(change) => sign_in::rule(deciding, texts, change),
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
