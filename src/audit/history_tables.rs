//! The history tables against a replay of the log.
//!
//! Owns: holding the tables still while the replay comes to where they stand, and naming the rows that differ.

use super::compare::{Difference, differences_of};
use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use crate::log::codec;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use crate::projections::history::{ClosedWindow, Gathered, HourKey, HourUse};
use crate::projections::snapshot::Views;
use sha2::{Digest, Sha256};

/// The two tables' names in answers.
pub const TABLES: [&str; 2] = ["closed_windows", "token_hours"];

/// The history tables as they were at one instant.
#[derive(Debug)]
pub struct HeldTables {
    views: Views,
    /// Up to where they hold everything.
    pub position: Position,
}

/// A table's name and its digest.
pub type TableDigest = (&'static str, [u8; 32]);

impl HeldTables {
    /// Holds the tables of a ledger; none if there are none, or those of another log or release: they are not read.
    pub fn hold(dir: &DataDir) -> Result<Option<Self>, LogError> {
        let Some(views) = Views::open_existing(dir)? else { return Ok(None) };
        if !views.has_history()? {
            return Ok(None);
        }
        views.hold()?;
        let position = views.history_position(&LogReader::open(dir)?)?;
        Ok((!position.is_none()).then_some(Self { views, position }))
    }

    /// Digests of the tables.
    pub fn digests(&self) -> Result<[TableDigest; 2], LogError> {
        let mut hashes = [Sha256::new(), Sha256::new()];
        self.each(0, &mut |key, row| add(&mut hashes[0], &key, &row))?;
        self.each(1, &mut |key, row| add(&mut hashes[1], &key, &row))?;
        Ok(named(hashes))
    }

    fn each(&self, table: usize, visit: &mut dyn FnMut(String, Vec<u8>)) -> Result<(), LogError> {
        let unencodable = |error| LogError::undecodable(self.position, &error);
        let mut failure = Ok(());
        if table == 0 {
            self.views.each_window(&mut |window| match window_entry(&window) {
                Ok((key, row)) => visit(key, row),
                Err(error) => failure = Err(unencodable(error)),
            })?;
        } else {
            self.views.each_hour(&mut |key, row| match hour_entry(&key, row) {
                Ok((key, row)) => visit(key, row),
                Err(error) => failure = Err(unencodable(error)),
            })?;
        }
        failure
    }

    /// The tables that differ from what a replay gathered up to their position, with the rows that do.
    pub fn compare(&self, replayed: &Gathered) -> Result<Vec<(&'static str, Vec<Difference>)>, LogError> {
        let unencodable = |error| LogError::undecodable(self.position, &error);
        let entries = replayed_entries(replayed).map_err(unencodable)?;
        let mut hashes = [Sha256::new(), Sha256::new()];
        for (hash, entries) in hashes.iter_mut().zip(&entries) {
            entries.iter().for_each(|(key, row)| add(hash, key, row));
        }
        let (live, replayed) = (self.digests()?, named(hashes));
        let mut differing = Vec::new();
        for (table, entries) in entries.iter().enumerate().filter(|(table, _)| live[*table] != replayed[*table]) {
            let mut rows = Vec::new();
            self.each(table, &mut |key, row| rows.push((key, Sha256::digest(row).into())))?;
            let entries: Vec<_> = entries.iter().map(|(key, row)| (key.clone(), Sha256::digest(row).into())).collect();
            differing.push((TABLES[table], differences_of(&rows, &entries)));
        }
        Ok(differing)
    }
}

type Entries = Vec<(String, Vec<u8>)>;

fn replayed_entries(replayed: &Gathered) -> Result<[Entries; 2], codec::CodecError> {
    let windows = replayed.windows().iter().map(window_entry).collect::<Result<_, _>>()?;
    let hours = replayed.hours().into_iter().map(|(key, row)| hour_entry(&key, row)).collect::<Result<_, _>>()?;
    Ok([windows, hours])
}

fn window_entry(window: &ClosedWindow) -> Result<(String, Vec<u8>), codec::CodecError> {
    let opened_at = Timestamp::from_seconds(window.opened_at).to_seconds_text();
    let key = format!("window of account {}, user {}, opened {opened_at}", window.account, window.user);
    Ok((key, codec::to_bytes(window)?))
}

fn hour_entry(&(hour, token, account): &HourKey, row: &HourUse) -> Result<(String, Vec<u8>), codec::CodecError> {
    let hour = Timestamp::from_seconds(hour.saturating_mul(3_600)).to_seconds_text();
    Ok((format!("token {token} on account {account}, hour {hour}"), codec::to_bytes(row)?))
}

fn add(hash: &mut Sha256, key: &str, row: &[u8]) {
    for part in [key.as_bytes(), row] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
}

fn named(hashes: [Sha256; 2]) -> [TableDigest; 2] {
    let [windows, hours] = hashes.map(|hash| hash.finalize().into());
    [(TABLES[0], windows), (TABLES[1], hours)]
}
