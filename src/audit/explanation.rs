//! Why a request was refused, as far as history shows it: the event that took the access away, the last request that
//! passed, and the limit that counted.
//!
//! It takes three steps, so that nobody waits for another: [`Refusal::read`] from the log, [`Clues::gather`] from the
//! read models, [`explain`] from the log again. All of it is as of the refusal's position: what came later changes no
//! explanation. Work for one explanation is bounded by [`CHANGES_KEPT`] records; an auditor's may look at more for the
//! last success, see [`Search`]. What was not found because a bound was reached is said.

mod told;
mod took;

pub use crate::projections::changes::CHANGES_KEPT;
pub use told::Audience;

use super::history::SCAN_BUDGET;
use crate::domain::access::{RequiredScope, Target};
use crate::domain::event::{AccessSource, Cause, Event, Header};
use crate::domain::ids::{AccountId, Position, TextNumber, UserId};
use crate::domain::time::{Month, Timestamp};
use crate::domain::token::Principal;
use crate::domain::window::WINDOW_SECONDS;
use crate::log::LogError;
use crate::log::codec;
use crate::log::reader::LogReader;
use crate::projections::Projections;
use crate::projections::changes::Trail;
use crate::projections::last_used::used_by;
use std::ops::ControlFlow;

/// A refusal as it is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Where: the decision's id.
    pub position: Position,
    /// Its header.
    pub header: Header,
    /// Which of the token's secrets was shown.
    pub secret: u32,
    /// Where the access came from; none of a refused change.
    pub source: Option<AccessSource>,
    /// The scope judged, where it came to that.
    pub scope: Option<RequiredScope>,
    /// The account that the path named.
    pub asked_account: AccountId,
    /// Why.
    pub cause: Cause,
    /// Where it came from.
    pub address: TextNumber,
}

impl Refusal {
    /// The refusal recorded at a position; none if something else is, or nothing.
    pub fn read(log: &LogReader, position: Position) -> Result<Option<Self>, LogError> {
        let Some(Pointed { header, event, .. }) = Pointed::read(log, position)? else { return Ok(None) };
        Ok(match event {
            Event::TokenUseRefused(refused) => Some(Self {
                position,
                header,
                secret: refused.secret,
                source: Some(refused.source),
                scope: refused.scope,
                asked_account: refused.asked_account,
                cause: refused.cause,
                address: refused.address,
            }),
            Event::ManagementRefused(refused) => Some(Self {
                position,
                header,
                secret: refused.secret,
                source: None,
                scope: None,
                asked_account: AccountId::NONE,
                cause: refused.cause,
                address: refused.address,
            }),
            _ => None,
        })
    }

    /// The user whose token it is, if it is one's.
    fn user(&self) -> Option<UserId> {
        match self.header.principal {
            Principal::User(user) => Some(user),
            _ => None,
        }
    }

    /// Whether the token, or the secret shown, opened no door, or not there.
    fn is_closed(&self) -> bool {
        self.cause.is_closed() || self.cause == Cause::AddressNotAllowed
    }
}

/// A record that an explanation points at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pointed {
    /// Where it is.
    pub position: Position,
    /// Its bytes.
    pub record: Vec<u8>,
    /// Its header.
    pub header: Header,
    /// What happened.
    pub event: Event,
}

impl Pointed {
    fn read(log: &LogReader, position: Position) -> Result<Option<Self>, LogError> {
        let Some(record) = log.record(position)? else { return Ok(None) };
        let (header, event) = codec::decode(&record).map_err(|error| LogError::undecodable(position, &error))?;
        Ok(Some(Self { position, record, header, event }))
    }
}

/// How far the last success is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Search {
    /// Only in the read models, which know the last one of all. That is enough right after the refusal.
    ReadModels,
    /// Where the last one of all came after the refusal, in the [`SCAN_BUDGET`] records before it, too.
    Log,
}

/// The last request that passed, as the read models know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LastSuccess {
    Never,
    At(Position, Timestamp),
    /// There was one after the refusal; what was before it, they do not know.
    Later,
}

/// What the read models know of a refusal: where in the log to look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clues {
    /// Changes before the refusal of what its cause is about, oldest first.
    changes: Vec<Position>,
    /// Whether there were older ones.
    is_cut: bool,
    /// Where the token began.
    created: Option<Position>,
    /// Of a number in the path whose resource is gone: the resource's name, and where it was removed.
    removed: Option<(TextNumber, Position)>,
    /// The hourly limit in force if nothing below says another: that of now, or the one that the next change ended.
    limit: Option<u64>,
    next_limit_change: Option<Position>,
    last_success: LastSuccess,
}

impl Clues {
    /// Gathers them. The read models must reach the refusal.
    pub fn gather(projections: &Projections, refusal: &Refusal) -> Self {
        let trail = trail_of(projections, refusal);
        let removed = removed_resource(projections, refusal);
        let limit = match refusal.user().filter(|_| refusal.header.account.is_none()) {
            Some(user) => projections.state.user(user).map(|user| user.hourly_limit),
            None => projections.state.account(refusal.header.account).map(|account| account.hourly_limit),
        };
        let before = trail.map(|trail| trail.before(refusal.position)).unwrap_or_default();
        let mut changes = before.to_vec();
        if refusal.cause == Cause::TokenDeleted {
            let deleted = projections.changes.of_token(refusal.header.token).and_then(|trails| trails.deleted);
            changes.extend(deleted.filter(|&deleted| deleted < refusal.position));
        }
        Self {
            next_limit_change: trail.and_then(|trail| trail.after(refusal.position)),
            is_cut: trail.is_some_and(Trail::is_cut),
            changes,
            created: projections.changes.created(refusal.header.token),
            limit,
            last_success: last_success(projections, refusal, removed.map(|(name, _)| name)),
            removed,
        }
    }
}

/// The trail of what the refusal's cause is about.
fn trail_of<'a>(projections: &'a Projections, refusal: &Refusal) -> Option<&'a Trail> {
    let changes = &projections.changes;
    let of_token = changes.of_token(refusal.header.token);
    match refusal.cause {
        Cause::MissingScope => match (refusal.source, refusal.user()) {
            (Some(AccessSource::Membership(_)), Some(user)) => Some(changes.of_member(refusal.header.account, user)),
            // What was authorised never changes; the membership that it follows does.
            (Some(AccessSource::Authorization(..)), _) => {
                let user = projections.state.token(refusal.header.token)?.follows()?;
                Some(changes.of_member(refusal.header.account, user))
            }
            _ => of_token.map(|trails| &trails.access),
        },
        Cause::ForeignAccount => Some(changes.of_member(refusal.asked_account, refusal.user()?)),
        Cause::MissingFeature | Cause::MonthlyCapReached => Some(changes.of_research(refusal.header.account)),
        Cause::TokenExpired => of_token.map(|trails| &trails.expiry),
        Cause::NotYetValid | Cause::AddressNotAllowed => of_token.map(|trails| &trails.conditions),
        Cause::SecretEnded => of_token.map(|trails| &trails.rotations),
        Cause::QuotaExceeded => Some(changes.of_limit(refusal.header.account)),
        Cause::TokenDeleted | Cause::WrongKind | Cause::NoAccount | Cause::MissingRight => None,
    }
}

/// The resource that a number in the path meant as long as it was there.
fn removed_resource(projections: &Projections, refusal: &Refusal) -> Option<(TextNumber, Position)> {
    let (Cause::MissingScope, Some(Target::Number(number))) = (refusal.cause, refusal.scope.map(|scope| scope.target))
    else {
        return None;
    };
    let resource = projections.state.resources.get(number)?;
    let position = projections.changes.removed(resource.id)?;
    let is_meant = resource.account == refusal.header.account
        && position < refusal.position
        && refusal.scope.is_some_and(|scope| took::identifies(scope.group, resource.facts.kind()));
    is_meant.then_some((resource.name, position))
}

fn last_success(projections: &Projections, refusal: &Refusal, removed: Option<TextNumber>) -> LastSuccess {
    let token = refusal.header.token;
    let uses = match scope_of_success(refusal, removed) {
        Some(scope) => projections.last_used.grant((token, refusal.header.account, scope)),
        None if refusal.is_closed() || refusal.cause == Cause::QuotaExceeded => projections.last_used.token(token),
        None => None,
    };
    match uses {
        Some(uses) if uses.last_position < refusal.position => LastSuccess::At(uses.last_position, uses.last_at),
        Some(_) => LastSuccess::Later,
        None => LastSuccess::Never,
    }
}

/// The scope whose last use is asked for: the one judged, of a removed resource that of its name.
fn scope_of_success(refusal: &Refusal, removed: Option<TextNumber>) -> Option<RequiredScope> {
    let scope = refusal.scope?;
    Some(removed.map_or(scope, |name| RequiredScope { target: Target::Name(name), ..scope }))
}

/// The window, or month, that a 429 is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limit {
    /// How many may pass; none if it is not known any more.
    pub limit: Option<u64>,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When there is a new one.
    pub resets_at: Timestamp,
    /// The event that set the limit, if that was within it.
    pub set_by: Option<Pointed>,
}

/// What history shows of a refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The refusal.
    pub refusal: Refusal,
    /// The event that took the access away: the last one before which it was there.
    pub taken_away_by: Option<Pointed>,
    /// When a token, or a secret, ended.
    pub ended_at: Option<Timestamp>,
    /// Where and when the last request passed that needed the same scope; of a token that ended, and of a call that
    /// needs no scope, any request.
    pub last_success: Option<(Position, Timestamp)>,
    /// Of a 429 the limit.
    pub limit: Option<Limit>,
    /// What may be in the log but was not found where it was looked for, by its name in answers.
    pub not_searched: Vec<&'static str>,
}

/// Puts it together. `window_opened_at`: when the hourly window of a refusal for quota opened, in Unix
/// seconds; none if that is not known any more.
pub fn explain(
    log: &LogReader,
    refusal: Refusal,
    clues: &Clues,
    window_opened_at: Option<u64>,
    search: Search,
) -> Result<Explanation, LogError> {
    let mut not_searched = Vec::new();
    let took = took::look(log, &refusal, clues)?;
    if took.is_cut {
        not_searched.push("taken_away_by");
    }
    let last_success = match clues.last_success {
        LastSuccess::Never => None,
        LastSuccess::At(position, at) => Some((position, at)),
        LastSuccess::Later => {
            let (found, is_whole) = match search {
                Search::ReadModels => (None, false),
                Search::Log => scan_for_success(log, &refusal, clues)?,
            };
            if !is_whole {
                not_searched.push("last_success");
            }
            found
        }
    };
    let limit = limit_of(log, &refusal, clues, window_opened_at)?;
    let has_limit = matches!(refusal.cause, Cause::QuotaExceeded | Cause::MonthlyCapReached);
    if has_limit && limit.as_ref().is_none_or(|limit| limit.limit.is_none()) {
        not_searched.push("limit");
    }
    Ok(Explanation { refusal, taken_away_by: took.by, ended_at: took.ended_at, last_success, limit, not_searched })
}

/// The last success in the records before the refusal, and whether all that could hold it were looked at.
fn scan_for_success(
    log: &LogReader,
    refusal: &Refusal,
    clues: &Clues,
) -> Result<(Option<(Position, Timestamp)>, bool), LogError> {
    let wanted = scope_of_success(refusal, clues.removed.map(|(name, _)| name));
    let (mut found, mut failure, mut budget) = (None, None, SCAN_BUDGET);
    // A token has no record before its own.
    let first = clues.created.unwrap_or(Position(1));
    let mut reached = refusal.position;
    log.scan_back(refusal.position, |position, record| {
        if position < first || budget == 0 {
            return ControlFlow::Break(());
        }
        (budget, reached) = (budget - 1, position);
        match codec::decode(record) {
            Ok((header, event)) if is_success(refusal, wanted, &header, &event) => {
                found = Some((position, header.recorded_at));
            }
            Ok(_) => {}
            Err(error) => failure = Some(LogError::undecodable(position, &error)),
        }
        if found.is_some() || failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    match failure {
        Some(failure) => Err(failure),
        None => Ok((found, found.is_some() || reached <= first)),
    }
}

/// Without a scope that is wanted, whatever moves the token's last use is one: a change that was made with it, and a question
/// that a gateway asked with it, as well.
fn is_success(refusal: &Refusal, wanted: Option<RequiredScope>, header: &Header, event: &Event) -> bool {
    let token = refusal.header.token;
    match (event, wanted) {
        (Event::TokenUsed(used), Some(scope)) => {
            header.token == token && header.account == refusal.header.account && used.scope == Some(scope)
        }
        (_, Some(_)) => false,
        (_, None) => !token.is_none() && used_by(header, event).contains(&token),
    }
}

fn limit_of(
    log: &LogReader,
    refusal: &Refusal,
    clues: &Clues,
    window_opened_at: Option<u64>,
) -> Result<Option<Limit>, LogError> {
    let at = refusal.header.recorded_at;
    let (opened_at, resets_at) = match (refusal.cause, window_opened_at) {
        (Cause::QuotaExceeded, Some(opened)) => {
            (Timestamp::from_seconds(opened), Timestamp::from_seconds(opened + WINDOW_SECONDS))
        }
        (Cause::MonthlyCapReached, _) => (Month(at.month().0.saturating_sub(1)).end(), at.month().end()),
        _ => return Ok(None),
    };
    let last = clues.changes.last().map_or(Ok(None), |&position| Pointed::read(log, position))?;
    let limit = match last.as_ref().map(|pointed| &pointed.event) {
        Some(Event::HourlyLimitChanged(changed)) => Some(changed.to),
        Some(Event::ResearchActivated(activated)) => activated.monthly_cap,
        _ if clues.is_cut || refusal.cause == Cause::MonthlyCapReached => None,
        _ => {
            match clues.next_limit_change.map_or(Ok(None), |position| Pointed::read(log, position))?.map(|it| it.event)
            {
                Some(Event::HourlyLimitChanged(changed)) => Some(changed.from),
                _ => clues.limit,
            }
        }
    };
    let set_by = last.filter(|last| last.header.recorded_at >= opened_at);
    Ok(Some(Limit { limit, opened_at, resets_at, set_by }))
}
