//! Changing the key that the log is signed with.
//!
//! In order: the new key is put into `log.key`, beside the ones that are there; the log names it; the signer, which goes
//! by what the log names, finds it in the file. A crash after the first step leaves a key that signs nothing, and the
//! next start drops it; a crash after the second leaves a log whose keys are all there.

use super::handle::{Ledger, OpenLedger};
use super::{Reply, Unavailable};
use crate::domain::command::{Actor, Change, Command, Origin};
use crate::domain::decide::Answer;
use crate::domain::event::Event;
use crate::domain::ids::Position;
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::entropy::Entropy;
use crate::log::key_file::KeyFile;
use crate::log::note::LogKey;
use crate::log::reader::LogReader;
use crate::log::writer::AppendError;
use crate::log::{DataDir, LogError};
use std::ops::ControlFlow;
use thiserror::Error;

/// Why the key was not changed.
#[derive(Debug, Error)]
pub enum RotationError {
    /// The key file.
    #[error(transparent)]
    Key(#[from] LogError),
    /// The record, where no server runs.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The record, through the server.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What became of it.
#[derive(Debug)]
pub struct Rotated {
    /// The command's reply.
    pub reply: Reply,
    /// Verifier key from here on.
    pub log_vkey: String,
    /// Until when the key before signs, too; none if nothing was changed.
    pub signs_until: Option<Timestamp>,
}

/// What the record says of the key before.
fn signs_until(log: &LogReader, position: Option<Position>) -> Result<Option<Timestamp>, LogError> {
    let Some(position) = position else { return Ok(None) };
    let mut found = None;
    log.replay(Position(position.0 - 1), position, |_, _, event| {
        if let Event::LogKeyRotated(rotated) = event {
            found = Some(rotated.signs_until);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Puts a new key into the file and gives its verifier key. Nothing is signed with it until the log names it.
fn add_key(dir: &DataDir, origin: &str, entropy: &mut Entropy) -> Result<String, LogError> {
    let seed = entropy.bytes_32();
    let key = LogKey::from_seed(origin, &seed)
        .map_err(|error| LogError::BadFile { path: dir.key(), what: error.to_string() })?;
    KeyFile::read(&dir.key())?.with(seed)?.write(dir)?;
    Ok(key.vkey().to_string())
}

/// Takes a key away again that the log refused to name: known to be named by nothing.
fn remove_key(dir: &DataDir, origin: &str, log_vkey: &str) -> Result<(), LogError> {
    match KeyFile::read(&dir.key())?.keeping(origin, |vkey| vkey != log_vkey)? {
        Some(rest) => rest.write(dir),
        None => Ok(()),
    }
}

/// Drops keys that sign no more, and those that the log does not name. Only while nothing else can be changing them: at
/// a start, under the directory's lock. Their verifier keys stay in the log, and what they signed stays signed.
pub(super) fn drop_ended_keys(dir: &DataDir, state: &State) -> Result<(), LogError> {
    let signers = state.log_signers();
    match KeyFile::read(&dir.key())?.keeping(&state.origin, |vkey| signers.iter().any(|signer| signer == vkey))? {
        Some(rest) => rest.write(dir),
        None => Ok(()),
    }
}

fn command(uid: u32, log_vkey: &str, overlap_seconds: u64) -> Command {
    let change = Change::RotateLogKey { log_vkey: log_vkey.to_owned(), overlap_seconds };
    Command::Manage(Actor::Local(uid), Box::new(change))
}

impl OpenLedger {
    /// Changes the key, where no server runs, and signs the head with the new one.
    pub fn rotate_key(self, uid: u32, overlap_seconds: u64, mut entropy: Entropy) -> Result<Rotated, RotationError> {
        let (dir, origin) = (self.dir().clone(), self.origin().to_owned());
        let log_vkey = add_key(&dir, &origin, &mut entropy)?;
        let reply = self.execute(command(uid, &log_vkey, overlap_seconds), Origin::default())?;
        if let Answer::Rejected(_) = reply.answer {
            remove_key(&dir, &origin, &log_vkey)?;
        }
        let signs_until = signs_until(&LogReader::open(&dir)?, reply.position)?;
        Ok(Rotated { reply, log_vkey, signs_until })
    }
}

impl Ledger {
    /// Changes the key, one change after another.
    pub async fn rotate_key(
        &self,
        uid: u32,
        overlap_seconds: u64,
        mut entropy: Entropy,
    ) -> Result<Rotated, RotationError> {
        let _one_at_a_time = self.rotation().lock().await;
        let origin = self.view(|view| view.projections.state.origin.clone()).await;
        let (dir, name) = (self.dir().clone(), origin.clone());
        let log_vkey = blocking(move || add_key(&dir, &name, &mut entropy)).await?;
        let reply = self.submit(command(uid, &log_vkey, overlap_seconds), Origin::default()).await?;
        if let Answer::Rejected(_) = reply.answer {
            let (dir, refused) = (self.dir().clone(), log_vkey.clone());
            blocking(move || remove_key(&dir, &origin, &refused)).await?;
        }
        let position = reply.position;
        let signs_until = self.read_log(move |log| signs_until(log, position)).await?;
        Ok(Rotated { reply, log_vkey, signs_until })
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
