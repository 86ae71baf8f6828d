//! Pages of the log's events, filtered.

mod wanted;

use super::archive::Archive;
use super::describe::{Words, header_members};
use super::walk::Step;
use crate::domain::access::Target;
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::time::Timestamp;
use crate::log::codec;
use crate::log::merkle;
use crate::log::reader::LogReader;
use crate::log::{LogError, merkle::Hash};
use crate::projections::keys::is_change;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::ops::ControlFlow;

pub use wanted::key_of_type;

/// Records looked at for one page: those that the index finds, and all where it does not know. A filter that few of
/// them pass then answers with an empty page and where to go on.
pub const SCAN_BUDGET: u64 = 100_000;
/// Most events of a page.
pub const PAGE_MAX: usize = 1_000;
/// Events of a page where nothing is said.
pub const PAGE_DEFAULT: usize = 100;

/// Which sort of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    /// All of them.
    #[default]
    Everything,
    /// What changes somebody's access, or what there is.
    Changes,
    /// Allowed requests, and those that gateways reported.
    Uses,
    /// Refused requests, one by one, in sums and in totals.
    Refusals,
    /// All but what only keeps the others: texts that got a number, and keys of repeated requests.
    Plain,
}

/// Types of refused requests.
const REFUSALS: [&str; 4] = ["TokenUseRefused", "ManagementRefused", "RefusalsSummed", "QuotaRefusalsTotalled"];
/// Types of records that only keep others.
const KEEPING: [&str; 2] = ["TextSeen", "IdempotencyKeyKept"];

impl Sort {
    /// Whether an event is of it.
    pub fn holds(self, event: &Event) -> bool {
        let name = event.type_name();
        match self {
            Self::Everything => true,
            Self::Changes => is_change(event),
            Self::Uses => matches!(event, Event::TokenUsed(_) | Event::UseReported(_)),
            Self::Refusals => REFUSALS.contains(&name),
            Self::Plain => !KEEPING.contains(&name),
        }
    }
}

/// Which events.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Only of this sort.
    pub sort: Sort,
    /// Only this account's.
    pub account: Option<AccountId>,
    /// Only this token's.
    pub token: Option<TokenId>,
    /// Only of this type.
    pub type_name: Option<String>,
    /// Recorded at or after.
    pub from: Option<Timestamp>,
    /// Recorded before.
    pub to: Option<Timestamp>,
    /// Only uses and refusals about this resource name.
    pub resource: Option<String>,
    /// Only with this outcome, or refusal cause.
    pub outcome: Option<String>,
}

/// Which page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// Events after this position.
    pub after: Position,
    /// Events before this position; none is up to the head.
    pub before: Option<Position>,
    /// Newest first.
    pub descending: bool,
    /// Most events.
    pub limit: usize,
}

/// A page of events in words.
pub type Events = Found<Value>;

/// A page of what was made of events.
#[derive(Clone, PartialEq, Debug)]
pub struct Found<T> {
    /// What was made of the events.
    pub events: Vec<T>,
    /// Where to go on from: all up to there, or down to there, was looked at. None where nothing is left.
    pub next: Option<Position>,
    /// The head the page was read at.
    pub head: Position,
    /// Root of the tree at that head.
    pub root: Hash,
}

impl Filter {
    fn matches(&self, header: &Header, event: &Event, words: &Words<'_>) -> bool {
        let in_time =
            self.from.is_none_or(|from| header.recorded_at >= from) && self.to.is_none_or(|to| header.recorded_at < to);
        in_time
            && self.sort.holds(event)
            && self.account.is_none_or(|account| header.account == account)
            && self.token.is_none_or(|token| header.token == token)
            && self.type_name.as_ref().is_none_or(|name| event.type_name() == name)
            && self.outcome.as_ref().is_none_or(|name| outcome_of(event) == Some(name))
            && self.resource.as_ref().is_none_or(|name| resource_of(event, words).as_ref() == Some(name))
    }
}

fn outcome_of(event: &Event) -> Option<&'static str> {
    match event {
        Event::TokenUsed(used) => Some(used.outcome.name()),
        Event::TokenUseRefused(refused) => Some(refused.cause.name()),
        Event::ManagementRefused(refused) => Some(refused.cause.name()),
        _ => None,
    }
}

fn resource_of(event: &Event, words: &Words<'_>) -> Option<String> {
    let number = match event {
        Event::TokenUsed(used) => used.scope.and_then(|scope| match scope.target {
            Target::Name(name) => Some(name),
            _ => None,
        }),
        Event::TokenUseRefused(refused) => refused.scope.and_then(|scope| match scope.target {
            Target::Name(name) => Some(name),
            _ => None,
        }),
        Event::ResourceAdded(added) => Some(added.name),
        _ => None,
    };
    words.text(number?)
}

/// Reads a page. Nothing of it is ever served beyond the head it names.
pub fn page(archive: &Archive, filter: &Filter, page: &Page) -> Result<Events, LogError> {
    let words = archive.words();
    page_of(archive, filter, page, &mut |position, record, header, event| {
        describe(position, record, header, event, &words)
    })
}

/// What is made of an event, from its place, its bytes, its header and itself.
pub type Make<'a, T> = &'a mut dyn FnMut(Position, &[u8], &Header, &Event) -> T;

/// As [`page`], of what `make` makes of each event.
pub fn page_of<T>(archive: &Archive, filter: &Filter, page: &Page, make: Make<'_, T>) -> Result<Found<T>, LogError> {
    let head = archive.head();
    let (from, to) = archive.range(filter.from, filter.to)?;
    let before = page.before.unwrap_or(head.next()).min(head.next());
    let (after, through) = (page.after.max(from), Position(before.0.saturating_sub(1)).min(to));
    let words = archive.words();
    let last = if page.descending { through.next() } else { after };
    let mut collecting =
        Collecting { words: &words, filter, make, limit: page.limit, scanned: 0, last, events: vec![], failure: None };
    let wanted = wanted::of(filter, archive)?;
    archive.walk(&wanted, (after, through), page.descending, &mut |step| collecting.step(step))?;
    let last = collecting.last;
    let is_left = if page.descending { last.0.saturating_sub(1) > after.0 } else { last < through };
    collecting.finish(is_left.then_some(last), archive)
}

struct Collecting<'a, T> {
    words: &'a Words<'a>,
    filter: &'a Filter,
    make: Make<'a, T>,
    limit: usize,
    scanned: u64,
    last: Position,
    events: Vec<T>,
    failure: Option<LogError>,
}

impl<T> Collecting<'_, T> {
    fn step(&mut self, step: Step<'_>) -> ControlFlow<()> {
        match step {
            Step::Record(position, record) => self.visit(position, record),
            Step::Passed(position) => {
                self.last = position;
                ControlFlow::Continue(())
            }
        }
    }

    fn visit(&mut self, position: Position, record: &[u8]) -> ControlFlow<()> {
        if self.events.len() >= self.limit || self.scanned >= SCAN_BUDGET {
            return ControlFlow::Break(());
        }
        let (header, event) = match codec::decode(record) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.failure = Some(LogError::undecodable(position, &error));
                return ControlFlow::Break(());
            }
        };
        self.scanned += 1;
        self.last = position;
        if self.filter.matches(&header, &event, self.words) {
            self.events.push((self.make)(position, record, &header, &event));
        }
        ControlFlow::Continue(())
    }

    fn finish(self, next: Option<Position>, archive: &Archive) -> Result<Found<T>, LogError> {
        let head = archive.head();
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(Found { events: self.events, next, head, root: archive.root_at(head)? }),
        }
    }
}

/// One event in words.
pub fn describe(position: Position, record: &[u8], header: &Header, event: &Event, words: &Words<'_>) -> Value {
    let mut members = Map::new();
    members.insert("position".to_owned(), position.0.into());
    members.insert("type".to_owned(), event.type_name().into());
    members.extend(header_members(header).into_iter().map(|(name, value)| (name.to_owned(), value)));
    members.insert("leaf_hash".to_owned(), STANDARD.encode(merkle::leaf_hash(record)).into());
    members.insert("data".to_owned(), words.data(event));
    Value::Object(members)
}

/// One event by its position.
pub fn event(log: &LogReader, words: &Words<'_>, position: Position) -> Result<Option<Value>, LogError> {
    let Some(record) = log.record(position)? else { return Ok(None) };
    let (header, event) = codec::decode(&record).map_err(|error| LogError::undecodable(position, &error))?;
    Ok(Some(describe(position, &record, &header, &event, words)))
}
