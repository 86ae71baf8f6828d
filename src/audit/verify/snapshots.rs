//! What is kept of the log in `views.db` against the replay: what was stored at a position must be what the log gives there,
//! and so must the history tables.
//!
//! Digests of snapshots are taken before the replay begins, because a running server replaces them; the tables are held as
//! they are then.

use super::{Findings, Kind, readable};
use crate::audit::compare::{Difference, compare_digests, compare_entries};
use crate::audit::history_tables::HeldTables;
use crate::domain::ids::Position;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use crate::projections::Projections;
use crate::projections::digest::{self, ProjectionName};
use crate::projections::history::Gathered;
use crate::projections::snapshot::{PassedOver, Unusable, Views};

/// Entries of one projection that are named in a finding.
const NAMED_MAX: usize = 3;

/// A snapshot that the replay is to be compared with when it gets there.
pub(super) struct Due {
    pub position: Position,
    digests: Vec<(ProjectionName, [u8; 32])>,
}

/// What is to be compared.
#[derive(Default)]
pub(super) struct Kept {
    /// Snapshots, oldest first.
    pub due: Vec<Due>,
    /// The history tables, held still.
    pub tables: Option<HeldTables>,
}

/// What is there. What is wrong with a snapshot by itself is a finding at once.
pub(super) fn list(
    dir: &DataDir,
    log: &LogReader,
    findings: &mut Findings,
    passed_over: &mut Vec<PassedOver>,
) -> Result<Kept, LogError> {
    let listed = readable(Views::open_existing(dir).and_then(|views| {
        let positions = views.as_ref().map_or(Ok(Vec::new()), Views::positions)?;
        Ok((views, positions))
    }))?;
    let (views, positions) = match listed {
        Ok((Some(views), positions)) => (views, positions),
        Ok((None, _)) => return Ok(Kept::default()),
        Err(reason) => {
            findings.add(None, Kind::Snapshot, format!("the views file cannot be read: {reason}"));
            return Ok(Kept::default());
        }
    };
    let mut due = Vec::new();
    for position in positions {
        match readable(views.load_at(position, log))? {
            Ok(Ok(projections)) => due.extend(taken_up(position, &projections, findings)),
            Ok(Err(reason @ (Unusable::Gone | Unusable::OtherFold(_)))) => {
                passed_over.push(PassedOver { position, reason: reason.to_string() });
            }
            Ok(Err(reason)) => findings.add(position, Kind::Snapshot, reason.to_string()),
            Err(reason) => findings.add(position, Kind::Snapshot, format!("it cannot be read: {reason}")),
        }
    }
    let tables = readable(HeldTables::hold(dir))?.unwrap_or_else(|reason| {
        findings.add(None, Kind::Snapshot, format!("the history tables cannot be read: {reason}"));
        None
    });
    Ok(Kept { due, tables })
}

fn taken_up(position: Position, projections: &Projections, findings: &mut Findings) -> Option<Due> {
    match digest::digests(projections) {
        Ok(digests) => Some(Due { position, digests }),
        Err(error) => {
            findings.add(position, Kind::Snapshot, format!("it has no digest: {error}"));
            None
        }
    }
}

/// Compares a snapshot with the replay, which stands at its position.
pub(super) fn compare(
    dir: &DataDir,
    log: &LogReader,
    due: &Due,
    replayed: &Projections,
    findings: &mut Findings,
) -> Result<(), LogError> {
    let differing = match compare_digests(replayed, &due.digests) {
        Ok(differing) if differing.is_empty() => return Ok(()),
        Ok(differing) => differing,
        Err(error) => {
            findings.add(due.position, Kind::Snapshot, format!("the replay has no digest: {error}"));
            return Ok(());
        }
    };
    // The snapshot may be gone by now; then only the projection can be named.
    let stored = readable(Views::open_existing(dir).and_then(|views| match views {
        Some(views) => Ok(views.load_at(due.position, log)?.ok()),
        None => Ok(None),
    }))?;
    let stored = stored.unwrap_or_default();
    for name in differing {
        let named = stored.as_ref().map(|stored| named(replayed, stored, name)).unwrap_or_default();
        let what = format!("projection {} differs from a replay of the log{named}", name.name());
        findings.add(due.position, Kind::Snapshot, what);
    }
    Ok(())
}

/// Compares the history tables with what a replay to their position gathered.
pub(super) fn compare_tables(
    tables: &HeldTables,
    replayed: &Gathered,
    findings: &mut Findings,
) -> Result<(), LogError> {
    match readable(tables.compare(replayed))? {
        Ok(differing) => differing.iter().for_each(|(table, rows)| {
            let what = format!("history table {table} differs from a replay of the log{}", listed(rows));
            findings.add(tables.position, Kind::Snapshot, what);
        }),
        Err(reason) => findings.add(None, Kind::Snapshot, format!("the history tables cannot be read: {reason}")),
    }
    Ok(())
}

/// `: account 1 (differs), …`.
fn named(replayed: &Projections, stored: &Projections, name: ProjectionName) -> String {
    let Ok(stored) = digest::entry_digests(stored, name) else { return String::new() };
    let Ok(differences) = compare_entries(replayed, name, &stored) else { return String::new() };
    listed(&differences)
}

fn listed(differences: &[Difference]) -> String {
    let mut text = String::new();
    for Difference { key, what } in differences.iter().take(NAMED_MAX) {
        let separator = if text.is_empty() { ": " } else { ", " };
        text.push_str(&format!("{separator}{key} ({})", what.in_the_file()));
    }
    match differences.len().saturating_sub(NAMED_MAX) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
