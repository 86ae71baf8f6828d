//! Projections as chunks of bytes and back: a snapshot is written, and read, a chunk at a time.
//!
//! A chunk is the number of its part, then rows of that part until its end. The parts follow one another in the
//! order of `PARTS`, the rows of each in their own.

use super::Projections;
use super::changes::{AccountRow, TokenRow};
use super::last_used::TokenUses;
use super::usage::WindowUse;
use crate::domain::access::ScopeGroup;
use crate::domain::history_read::HistoryReads;
use crate::domain::idempotency::KeptKeys;
use crate::domain::ids::{Position, TextNumber, TokenId};
use crate::domain::log_keys::LogKeys;
use crate::domain::oauth::Codes;
use crate::domain::reported_keys::Generation;
use crate::domain::review::Reviews;
use crate::domain::sign_in::SignIns;
use crate::domain::state::{LastSeal, MapInForce, State};
use crate::domain::table::{Shared, Table};
use crate::domain::time::Timestamp;
use crate::log::codec::{self, CodecError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A chunk ends with the row that reaches this.
pub const CHUNK_BYTES: usize = 256 << 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Service,
    Accounts,
    Users,
    Resources,
    Tokens,
    TokenUses,
    AccountWindows,
    UserWindows,
    TokenChanges,
    AccountChanges,
    RemovedResources,
    Reports,
    Applications,
    Authorizations,
}

const PARTS: [Part; 14] = [
    Part::Service,
    Part::Accounts,
    Part::Users,
    Part::Resources,
    Part::Tokens,
    Part::TokenUses,
    Part::AccountWindows,
    Part::UserWindows,
    Part::TokenChanges,
    Part::AccountChanges,
    Part::RemovedResources,
    Part::Reports,
    Part::Applications,
    Part::Authorizations,
];

/// What there is one of.
#[derive(Serialize, Deserialize)]
struct Service {
    position: Position,
    origin: String,
    log_vkey: String,
    log_keys: LogKeys,
    groups: Vec<ScopeGroup>,
    service_tokens: BTreeSet<TokenId>,
    scope_map: Option<MapInForce>,
    last_text: TextNumber,
    head: Position,
    last_recorded_at: Timestamp,
    stopped_cleanly: bool,
    kept_keys: Shared<KeptKeys>,
    history_reads: Shared<HistoryReads>,
    last_seal: Option<LastSeal>,
    reviews: Shared<Reviews>,
    sign_ins: Shared<SignIns>,
    codes: Shared<Codes>,
    runs: u64,
}

impl Service {
    fn of(projections: &Projections) -> Self {
        // Every field is named, so that a new one is not forgotten here.
        let State {
            origin,
            log_vkey,
            log_keys,
            groups,
            service_tokens,
            scope_map,
            last_text,
            head,
            last_recorded_at,
            stopped_cleanly,
            kept_keys,
            history_reads,
            last_seal,
            reviews,
            sign_ins,
            codes,
            accounts: _,
            users: _,
            resources: _,
            tokens: _,
            reports: _,
            applications: _,
            authorizations: _,
        } = &projections.state;
        Self {
            position: projections.position,
            origin: origin.clone(),
            log_vkey: log_vkey.clone(),
            log_keys: log_keys.clone(),
            groups: groups.iter().cloned().collect(),
            service_tokens: service_tokens.clone(),
            scope_map: *scope_map,
            last_text: *last_text,
            head: *head,
            last_recorded_at: *last_recorded_at,
            stopped_cleanly: *stopped_cleanly,
            kept_keys: kept_keys.clone(),
            history_reads: history_reads.clone(),
            last_seal: *last_seal,
            reviews: reviews.clone(),
            sign_ins: sign_ins.clone(),
            codes: codes.clone(),
            runs: projections.usage.runs,
        }
    }

    fn put_into(self, projections: &mut Projections) {
        projections.position = self.position;
        projections.usage.runs = self.runs;
        let state = &mut projections.state;
        (state.origin, state.log_vkey, state.log_keys) = (self.origin, self.log_vkey, self.log_keys);
        self.groups.into_iter().for_each(|group| state.groups.add(state.groups.next_number(), group));
        (state.service_tokens, state.scope_map) = (self.service_tokens, self.scope_map);
        (state.head, state.kept_keys) = (self.head, self.kept_keys);
        (state.history_reads, state.reviews) = (self.history_reads, self.reviews);
        (state.sign_ins, state.codes) = (self.sign_ins, self.codes);
        (state.last_text, state.last_seal) = (self.last_text, self.last_seal);
        state.last_recorded_at = self.last_recorded_at;
        state.stopped_cleanly = self.stopped_cleanly;
    }
}

/// The chunks of projections, one after another.
#[derive(Debug)]
pub struct Chunks<'a> {
    projections: &'a Projections,
    part: usize,
    /// Number of the part's next row.
    row: u64,
}

impl<'a> Chunks<'a> {
    /// From the first on.
    pub fn of(projections: &'a Projections) -> Self {
        Self { projections, part: 0, row: 1 }
    }

    fn next_chunk(&mut self, part: Part) -> Result<Option<Vec<u8>>, CodecError> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        chunk.push(self.part as u8);
        while chunk.len() < CHUNK_BYTES && put_row(self.projections, part, self.row, &mut chunk)? {
            self.row += 1;
        }
        Ok((chunk.len() > 1).then_some(chunk))
    }
}

impl Iterator for Chunks<'_> {
    type Item = Result<Vec<u8>, CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(&part) = PARTS.get(self.part) {
            if let Some(chunk) = self.next_chunk(part).transpose() {
                return Some(chunk);
            }
            (self.part, self.row) = (self.part + 1, 1);
        }
        None
    }
}

/// Appends a row; false if the part has no such row.
fn put_row(projections: &Projections, part: Part, row: u64, out: &mut Vec<u8>) -> Result<bool, CodecError> {
    fn put(row: Option<&impl Serialize>, out: &mut Vec<u8>) -> Result<bool, CodecError> {
        row.map_or(Ok(false), |row| codec::append_bytes(row, out).map(|()| true))
    }
    let Projections { state, last_used, usage, changes, .. } = projections;
    match part {
        Part::Service => put((row == 1).then(|| Service::of(projections)).as_ref(), out),
        Part::Accounts => put(state.accounts.get(row), out),
        Part::Users => put(state.users.get(row), out),
        Part::Resources => put(state.resources.get(row), out),
        Part::Tokens => put(state.tokens.get(row), out),
        Part::TokenUses => put(last_used.tokens.get(row), out),
        Part::AccountWindows => put(usage.accounts.get(row), out),
        Part::UserWindows => put(usage.users.get(row), out),
        Part::TokenChanges => put(changes.tokens.get(row), out),
        Part::AccountChanges => put(changes.accounts.get(row), out),
        Part::RemovedResources => put(changes.removed.get(row), out),
        Part::Reports => put(row_of_reports(state, row).as_ref(), out),
        Part::Applications => put(state.applications.get(row), out),
        Part::Authorizations => put(state.authorizations.get(row), out),
    }
}

/// Takes a chunk into projections that all chunks before it were taken into.
pub fn take_chunk(projections: &mut Projections, chunk: &[u8]) -> Result<(), CodecError> {
    let unknown = || CodecError::Malformed { part: "snapshot", reason: "a chunk has no known part".to_owned() };
    let (&part, rows) = chunk.split_first().ok_or_else(unknown)?;
    let Projections { state, last_used, usage, changes, .. } = projections;
    match PARTS.get(usize::from(part)).ok_or_else(unknown)? {
        Part::Service => {
            codec::from_bytes::<Service>(rows)?.put_into(projections);
            Ok(())
        }
        Part::Accounts => take_rows(rows, &mut state.accounts),
        Part::Users => take_rows(rows, &mut state.users),
        Part::Resources => take_rows(rows, &mut state.resources),
        Part::Tokens => take_rows(rows, &mut state.tokens),
        Part::TokenUses => take_rows::<TokenUses>(rows, &mut last_used.tokens),
        Part::AccountWindows => take_rows::<WindowUse>(rows, &mut usage.accounts),
        Part::UserWindows => take_rows::<WindowUse>(rows, &mut usage.users),
        Part::TokenChanges => take_rows::<TokenRow>(rows, &mut changes.tokens),
        Part::AccountChanges => take_rows::<AccountRow>(rows, &mut changes.accounts),
        Part::RemovedResources => take_rows(rows, &mut changes.removed),
        Part::Reports => take_reports(rows, state),
        Part::Applications => take_rows(rows, &mut state.applications),
        Part::Authorizations => take_rows(rows, &mut state.authorizations),
    }
}

/// A generation of a reporter's lines, by its place among all.
fn row_of_reports(state: &State, row: u64) -> Option<(TokenId, Timestamp, &Shared<Generation>)> {
    state.reports.rows().nth(usize::try_from(row).ok()?.checked_sub(1)?)
}

fn take_reports(mut rows: &[u8], state: &mut State) -> Result<(), CodecError> {
    while !rows.is_empty() {
        state.reports.add_row(codec::read_part(&mut rows)?);
    }
    Ok(())
}

fn take_rows<T: Clone + for<'de> Deserialize<'de>>(mut rows: &[u8], table: &mut Table<T>) -> Result<(), CodecError> {
    while !rows.is_empty() {
        let row = codec::read_part(&mut rows)?;
        table.add(table.next_number(), row);
    }
    Ok(())
}
