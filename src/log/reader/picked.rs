//! Records at positions that are known, here and there in the log.

use super::LogReader;
use crate::domain::ids::Position;
use crate::log::LogError;
use rusqlite::{CachedStatement, params};
use std::ops::ControlFlow;

/// Records read in the first transaction: who looks for one has often seen enough then.
const FIRST_BATCH: usize = 16;
/// Records read in one transaction at most, and kept until they were visited.
const BATCH_MAX: usize = 1_024;
/// Positions at most so far apart are read in one go, with those between: passing a row costs a fraction of finding one.
const NEAR: u64 = 8;

impl LogReader {
    /// Visits the records at these positions, in their order, which must go up or down. A position without a record ends
    /// it with an error that names it. Stops early if told to.
    pub fn pick(
        &self,
        positions: &[Position],
        mut visit: impl FnMut(Position, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let (mut rest, mut size) = (positions, FIRST_BATCH);
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(size.min(rest.len()));
            (rest, size) = (after, (size * 4).min(BATCH_MAX));
            bytes.clear();
            ends.clear();
            self.read_batch(batch, &mut bytes, &mut ends)?;
            let mut start = 0;
            for (&position, &end) in batch.iter().zip(&ends) {
                if visit(position, &bytes[start..end]).is_break() {
                    return Ok(());
                }
                start = end;
            }
        }
        Ok(())
    }

    /// Records one after another, and where each ends. In one transaction, which is over before anybody looks at them.
    fn read_batch(&self, batch: &[Position], bytes: &mut Vec<u8>, ends: &mut Vec<usize>) -> Result<(), LogError> {
        let transaction =
            self.connection.is_autocommit().then(|| self.connection.unchecked_transaction()).transpose()?;
        let mut one = self.connection.prepare_cached("SELECT position, record FROM events WHERE position = ?1")?;
        let mut up = self.connection.prepare_cached(
            "SELECT position, record FROM events WHERE position >= ?1 AND position <= ?2 ORDER BY position",
        )?;
        let mut rest = batch;
        while let Some(&first) = rest.first() {
            let is_near = |two: &&[Position]| (1..=NEAR).contains(&two[1].0.saturating_sub(two[0].0));
            let near = rest.windows(2).take_while(is_near).count();
            let (run, after) = rest.split_at(near + 1);
            rest = after;
            match run.last().filter(|last| **last > first) {
                Some(&last) => read_run(&mut up, (first, last), run, bytes, ends)?,
                None => read_run(&mut one, (first, first), run, bytes, ends)?,
            }
        }
        drop((one, up, transaction));
        Ok(())
    }
}

fn read_run(
    statement: &mut CachedStatement<'_>,
    (first, last): (Position, Position),
    run: &[Position],
    bytes: &mut Vec<u8>,
    ends: &mut Vec<usize>,
) -> Result<(), LogError> {
    let column = |position: Position| i64::try_from(position.0).unwrap_or(i64::MAX);
    let mut rows = if first == last {
        statement.query(params![column(first)])?
    } else {
        statement.query(params![column(first), column(last)])?
    };
    for &position in run {
        let missing = || LogError::Damaged { position, what: "the record is missing".to_owned() };
        loop {
            let row = rows.next()?.ok_or_else(missing)?;
            let at: i64 = row.get(0)?;
            if at == column(position) {
                bytes.extend_from_slice(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?);
                ends.push(bytes.len());
                break;
            }
            if at > column(position) {
                return Err(missing());
            }
        }
    }
    Ok(())
}
