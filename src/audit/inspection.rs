//! A directory for looking at the past: the read models at one moment, apart from the ledger they came from.
//!
//! It holds `views.db` with one snapshot and `inspection.json`, which says of which log and moment it is. It holds no
//! personal text: names are read from the ledger it came from as long as that is there, so that an erasure reaches
//! every such directory too.

use super::past::{Moment, Past};
use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use crate::log::merkle::{Hash, leaf_hash};
use crate::log::personal::TextReader;
use crate::log::reader::LogReader;
use crate::log::unfinished::Unfinished;
use crate::log::{DataDir, LogError};
use crate::projections::Projections;
use crate::projections::snapshot::Views;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What `inspection.json` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inspection {
    /// Name of the log.
    pub origin: String,
    /// The last position folded in.
    pub position: Position,
    /// The time to judge expiry and windows at.
    pub at: Timestamp,
    /// Leaf hash of the record at that position: says of which log and history it is.
    pub leaf: Hash,
    /// The data directory it was made from.
    pub source: PathBuf,
}

/// Why there is no such directory, or none that can be read.
#[derive(Debug, Error)]
pub enum InspectionError {
    /// Something is there.
    #[error("{0} is not empty; name a new directory")]
    NotEmpty(PathBuf),
    /// Its parts do not fit together.
    #[error("{path} cannot be inspected: {what}")]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The files.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Makes the directory (0700), whole or not at all: a crash on the way leaves at most an unfinished one beside the place.
pub fn make(source: &DataDir, past: &Past, into: &Path) -> Result<Inspection, InspectionError> {
    check_place(source, into)?;
    let Moment { position, at, .. } = past.moment;
    let io = |error| LogError::Io { path: source.path().to_owned(), source: error };
    let inspection = Inspection {
        origin: past.projections.state.origin.clone(),
        position,
        at,
        leaf: leaf_at(&LogReader::open(source)?, position)?,
        source: source.path().canonicalize().map_err(io)?,
    };
    let making = Unfinished::begin(into)?;
    let dir = making.dir();
    Views::open(&dir)?.store(&past.projections, inspection.leaf)?;
    dir.write_secret_file(&dir.inspection(), format!("{:#}\n", inspection.to_json()).as_bytes())?;
    making.finish()?;
    Ok(inspection)
}

/// Refuses a place that must not be written to; nothing is made.
pub fn check_place(source: &DataDir, into: &Path) -> Result<(), InspectionError> {
    match std::fs::read_dir(into).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return Err(InspectionError::NotEmpty(into.to_owned())),
        Ok(false) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(LogError::Io { path: into.to_owned(), source }.into()),
    }
    Ok(source.check_outside(into)?)
}

fn leaf_at(log: &LogReader, position: Position) -> Result<Hash, LogError> {
    let missing = || LogError::Damaged { position, what: "the record is missing".to_owned() };
    Ok(leaf_hash(&log.record(position)?.ok_or_else(missing)?))
}

/// What a directory says of itself; none if it is not one for inspection.
pub fn read(dir: &DataDir) -> Result<Option<Inspection>, InspectionError> {
    let path = dir.inspection();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LogError::Io { path, source }.into()),
    };
    dir.check_mode()?;
    let read = serde_json::from_str(&text).ok().and_then(|value: Value| Inspection::from_json(&value));
    read.map(Some).ok_or_else(|| unreadable(dir, "its inspection.json is not one"))
}

fn unreadable(dir: &DataDir, what: impl Into<String>) -> InspectionError {
    InspectionError::Unreadable { path: dir.path().to_owned(), what: what.into() }
}

impl Inspection {
    /// As the file says it.
    pub fn to_json(&self) -> Value {
        json!({
            "origin": self.origin,
            "position": self.position.0,
            "time": self.at.to_micros_text(),
            "leaf_hash": STANDARD.encode(self.leaf),
            "source": self.source.to_string_lossy(),
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            origin: value["origin"].as_str()?.to_owned(),
            position: Position(value["position"].as_u64()?),
            at: Timestamp::parse(value["time"].as_str()?)?,
            leaf: STANDARD.decode(value["leaf_hash"].as_str()?).ok()?.try_into().ok()?,
            source: value["source"].as_str()?.into(),
        })
    }

    /// The read models in the directory.
    pub fn load(&self, dir: &DataDir) -> Result<Projections, InspectionError> {
        let views = Views::open_existing(dir)?.ok_or_else(|| unreadable(dir, "its views.db is missing"))?;
        match views.load_of(self.position, Some(self.leaf))? {
            Ok(projections) if projections.state.origin == self.origin => Ok(projections),
            Ok(_) => Err(unreadable(dir, "its snapshot is of another log")),
            Err(reason) => Err(unreadable(dir, format!("of its snapshot at position {}: {reason}", self.position))),
        }
    }

    /// Texts from the ledger it was made from; none if that is gone, or is another one by now.
    pub fn texts(&self) -> Option<TextReader> {
        let source = DataDir::new(&self.source);
        let log = LogReader::open(&source).ok()?;
        let is_same = leaf_at(&log, self.position).is_ok_and(|leaf| leaf == self.leaf);
        is_same.then(|| LogReader::texts(&source).ok()).flatten()
    }
}
