//! Which event took the access away.

use super::{Clues, Pointed, Refusal};
use crate::domain::access::{Access, GroupNumber, RequiredScope, Target, group};
use crate::domain::conditions::Conditions;
use crate::domain::directory::ResourceKind;
use crate::domain::event::{AccessSource, Cause, Event};
use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use crate::log::LogError;
use crate::log::reader::LogReader;
use std::net::IpAddr;

/// What was found.
#[derive(Default)]
pub(super) struct Took {
    pub by: Option<Pointed>,
    pub ended_at: Option<Timestamp>,
    /// Whether it may be an older change than those that are kept.
    pub is_cut: bool,
}

/// Whether resources of a kind are what numbers in paths of a scope group mean. A certificate is named by its domain.
pub(super) fn identifies(group: GroupNumber, kind: ResourceKind) -> bool {
    kind == if group == group::ZONES { ResourceKind::Zone } else { ResourceKind::Domain }
}

/// Looks for it.
pub(super) fn look(log: &LogReader, refusal: &Refusal, clues: &Clues) -> Result<Took, LogError> {
    match refusal.cause {
        Cause::MissingScope => match refusal.scope {
            Some(scope) => narrowed(log, refusal, scope, clues),
            None => Ok(Took::default()),
        },
        Cause::TokenDeleted => {
            let by = last(log, clues)?;
            Ok(Took { ended_at: by.as_ref().map(|by| by.header.recorded_at), by, is_cut: false })
        }
        Cause::TokenExpired => expired(log, clues),
        Cause::NotYetValid => {
            let at = refusal.header.recorded_at;
            conditioned(log, clues, |conditions| conditions.has_begun(at))
        }
        Cause::AddressNotAllowed => match address_of(log, refusal)? {
            Some(from) => conditioned(log, clues, |conditions| conditions.admits(Some(from))),
            // It was erased: nobody can tell any more which ranges it was in.
            None => Ok(Took::default()),
        },
        Cause::SecretEnded => rotated_out(log, refusal.secret, clues),
        Cause::MissingFeature => last_if(log, clues, |event| matches!(event, Event::ResearchDeactivated(_))),
        // Of an account that the user never was a member of, there is nothing, whether there is such an account or not.
        Cause::ForeignAccount => last_if(log, clues, |event| matches!(event, Event::MemberRemoved(_))),
        Cause::QuotaExceeded | Cause::MonthlyCapReached | Cause::WrongKind | Cause::NoAccount | Cause::MissingRight => {
            Ok(Took::default())
        }
    }
}

fn last(log: &LogReader, clues: &Clues) -> Result<Option<Pointed>, LogError> {
    clues.changes.last().map_or(Ok(None), |&position| Pointed::read(log, position))
}

fn last_if(log: &LogReader, clues: &Clues, is_taking: impl Fn(&Event) -> bool) -> Result<Took, LogError> {
    let by = last(log, clues)?;
    let is_cut = by.is_none() && clues.is_cut;
    Ok(Took { by: by.filter(|by| is_taking(&by.event)), ended_at: None, is_cut })
}

/// The access that an event gives; none where it takes all of it.
fn access_of(event: &Event) -> Option<&Access> {
    match event {
        Event::TokenCreated(created) => Some(&created.access),
        Event::TokenImported(imported) => Some(&imported.access),
        Event::TokenAccessChanged(changed) => Some(&changed.access),
        Event::MemberAdded(added) => Some(&added.access),
        Event::MemberAccessChanged(changed) => Some(&changed.access),
        _ => None,
    }
}

/// The last change before which the access covered the scope. From the newest on, so that the usual case, the last
/// change, takes two records.
fn narrowed(log: &LogReader, refusal: &Refusal, scope: RequiredScope, clues: &Clues) -> Result<Took, LogError> {
    let covers = |position: Position, scope: RequiredScope| -> Result<bool, LogError> {
        let pointed = Pointed::read(log, position)?;
        Ok(pointed.is_some_and(|pointed| access_of(&pointed.event).is_some_and(|access| access.allows(scope))))
    };
    // What was never authorised nobody took away.
    if let (Some(AccessSource::Authorization(..)), Some(created)) = (refusal.source, clues.created) {
        let meant = clues.removed.map_or(scope, |(name, _)| RequiredScope { target: Target::Name(name), ..scope });
        if !covers(created, meant)? {
            return Ok(Took::default());
        }
    }
    let newest = clues.changes.last().copied().or(clues.created);
    if let (Some((name, removed)), Some(newest)) = (clues.removed, newest)
        && covers(newest, RequiredScope { target: Target::Name(name), ..scope })?
    {
        return Ok(Took { by: Pointed::read(log, removed)?, ..Took::default() });
    }
    // Of a membership the first change began it; a token's own access began with the token.
    let mut later: Option<Position> = None;
    for &position in clues.changes.iter().rev() {
        match later {
            Some(later) if covers(position, scope)? => {
                return Ok(Took { by: Pointed::read(log, later)?, ..Took::default() });
            }
            _ => later = Some(position),
        }
    }
    let (Some(later), Some(created)) = (later, clues.created) else { return Ok(Took::default()) };
    let is_first = Pointed::read(log, later)?.is_some_and(|first| matches!(first.event, Event::MemberAdded(_)));
    if clues.is_cut {
        return Ok(Took { is_cut: true, ..Took::default() });
    }
    if !is_first && covers(created, scope)? {
        return Ok(Took { by: Pointed::read(log, later)?, ..Took::default() });
    }
    Ok(Took::default())
}

/// The end that counted, and the event that set it; none if the token was made with that end.
fn expired(log: &LogReader, clues: &Clues) -> Result<Took, LogError> {
    let by = last(log, clues)?;
    if by.is_none() && clues.is_cut {
        return Ok(Took { is_cut: true, ..Took::default() });
    }
    let began = match by {
        Some(_) => None,
        None => clues.created.map_or(Ok(None), |position| Pointed::read(log, position))?,
    };
    let ended_at = match by.as_ref().or(began.as_ref()).map(|set| &set.event) {
        Some(Event::TokenExpiryChanged(changed)) => changed.expires_at,
        Some(Event::TokenCreated(created)) => created.expires_at,
        Some(Event::TokenImported(imported)) => imported.expires_at,
        _ => None,
    };
    Ok(Took { by, ended_at, is_cut: false })
}

fn address_of(log: &LogReader, refusal: &Refusal) -> Result<Option<IpAddr>, LogError> {
    let row = log.text_row(refusal.address)?;
    Ok(row.and_then(|row| std::str::from_utf8(&row.text).ok()?.parse().ok()))
}

/// The last change of conditions before which they were met. A token begins with none, unless its first change came
/// with its creation.
fn conditioned(log: &LogReader, clues: &Clues, are_met: impl Fn(&Conditions) -> bool) -> Result<Took, LogError> {
    let mut later: Option<Pointed> = None;
    for &position in clues.changes.iter().rev() {
        let Some(change) = Pointed::read(log, position)? else { continue };
        let met = matches!(&change.event, Event::TokenConditionsChanged(changed) if are_met(&changed.conditions));
        if met {
            return Ok(Took { by: later, ..Took::default() });
        }
        later = Some(change);
    }
    if clues.is_cut {
        return Ok(Took { is_cut: true, ..Took::default() });
    }
    let came_with_it = |first: &Pointed| clues.created.is_some_and(|created| created.next() == first.position);
    Ok(Took { by: later.filter(|first| !came_with_it(first)), ..Took::default() })
}

/// The rotation that set the end of a secret that counted: the one that made the next secret, or the one after it, which
/// ends an overlap at once.
fn rotated_out(log: &LogReader, secret: u32, clues: &Clues) -> Result<Took, LogError> {
    let mut took = Took::default();
    for &position in &clues.changes {
        let Some(pointed) = Pointed::read(log, position)? else { continue };
        let Event::TokenRotated(rotated) = &pointed.event else { continue };
        if rotated.secret.number <= secret {
            continue;
        }
        let end = if rotated.ends == secret { rotated.ends_at } else { pointed.header.recorded_at };
        if took.ended_at.is_none_or(|known| end < known) {
            // The next secret's rotation is the first that can have ended this one.
            took.is_cut = took.by.is_none() && rotated.ends != secret;
            (took.by, took.ended_at) = (Some(pointed), Some(end));
        }
    }
    match took.is_cut || took.by.is_none() {
        true => Ok(Took { is_cut: clues.is_cut, ..Took::default() }),
        false => Ok(took),
    }
}
