//! A restored copy that is behind what was signed goes on as another log: its own name and key, and as its first record
//! what it continues. The tree goes on over all records, so whoever trusts the new log can still check the old ones.

use super::core::Core;
use super::initialize::{InitializeError, default_origin, new_seed};
use crate::clock::Clock;
use crate::domain::command::{Actor, Change, Command, Origin};
use crate::domain::decide::Answer;
use crate::domain::ids::Position;
use crate::entropy::Entropy;
use crate::log::note::{Checkpoint, LogKey, NoteError, Vkey, signed_by_only};
use crate::log::reader::LogReader;
use crate::log::signed_head::{HeadFile, SignedHead, root_at};
use crate::log::{DataDir, LogError};

/// The last that is known of the log before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastKnown {
    /// Its checkpoint, with its own signature alone.
    pub note: String,
    /// What that says.
    pub checkpoint: Checkpoint,
}

impl LastKnown {
    /// Reads a checkpoint that somebody kept. Only what one of the log's own keys signed, the newest that did, is taken
    /// over.
    pub fn read(note: &str, vkeys: &[Vkey]) -> Result<Self, NoteError> {
        let has_signed = |vkey: &&Vkey| Checkpoint::verify(note, vkey) != Err(NoteError::NotSigned);
        let vkey = vkeys.iter().find(has_signed).ok_or(NoteError::NotSigned)?;
        Ok(Self { note: signed_by_only(note, vkey)?, checkpoint: Checkpoint::verify(note, vkey)? })
    }

    /// The position it speaks of.
    pub fn position(&self) -> Position {
        Position(self.checkpoint.size)
    }

    /// Whether the log's records up to there are the ones that were signed; none if it ends before.
    pub fn is_of(&self, log: &LogReader) -> Result<Option<bool>, LogError> {
        if log.head()? < self.position() {
            return Ok(None);
        }
        Ok(Some(root_at(log, self.position())? == self.checkpoint.root))
    }
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Continued {
    /// Name from here on.
    pub origin: String,
    /// Verifier key from here on.
    pub log_vkey: String,
    /// Position of the record that says so.
    pub position: Position,
    /// First and last position that are known to be lost.
    pub lost: Option<(Position, Position)>,
    /// Root of the tree over everything that is signed under the new name: up to that record, and erasures after it.
    pub root: [u8; 32],
}

/// Makes the ledger in a directory go on as another log. In order: the new key, the record, the signed head with its
/// checkpoint. Done in a directory that nobody reads yet: a crash on the way leaves nothing that could be started.
pub fn continue_log(
    dir: &DataDir,
    origin: Option<&str>,
    last_known: Option<&LastKnown>,
    uid: u32,
    (clock, mut entropy): (Clock, Entropy),
) -> Result<Continued, InitializeError> {
    let (mut core, _) = Core::open(dir, clock, entropy.split())?;
    let origin = origin.map_or_else(|| default_origin(&mut entropy), str::to_owned);
    let seed = new_seed(dir, &mut entropy)?;
    let key =
        LogKey::from_seed(&origin, &seed).map_err(|error| InitializeError::Origin { origin: origin.clone(), error })?;
    let log_vkey = key.vkey().to_string();
    let kept = core.head();
    let lost_through = last_known.map(LastKnown::position).filter(|known| *known > kept);
    let change = Change::ContinueLog {
        last_checkpoint: last_known.map(|known| known.note.clone()).unwrap_or_default(),
        lost_through: lost_through.unwrap_or(Position::NONE),
        origin: origin.clone(),
        log_vkey: log_vkey.clone(),
    };
    let (reply, _) = core.execute(Command::Manage(Actor::Local(uid), Box::new(change)), Origin::default())?;
    if let Answer::Rejected(rejection) = reply.answer {
        return Err(InitializeError::Refused(rejection));
    }
    let position = core.head();
    // Texts that were erased after the copy was taken: again, before anybody can read it.
    core.settle_erasures()?;
    let root = core.log().root();
    let mut head_file = HeadFile::open(dir, &origin)?;
    head_file.sign(SignedHead { size: core.head(), root }, &core.state().log_signers())?;
    Ok(Continued { origin, log_vkey, position, lost: lost_through.map(|through| (kept.next(), through)), root })
}
