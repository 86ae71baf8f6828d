//! Live projections against a replay of the log: which differ, and in which entries.
//!
//! Owns: the comparison, and the forms in which digests travel from a running server to whoever compares them.
//! Refuses to know: sockets, and how a server keeps its projections.

use crate::domain::ids::Position;
use crate::log::codec::CodecError;
use crate::log::reader::LogReader;
use crate::log::{DataDir, LogError};
use crate::projections::digest::{self, ProjectionName};
use crate::projections::history::History;
use crate::projections::snapshot::Views;
use crate::projections::{Projections, rebuild};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Digests of all projections at one position: small enough to be asked for again and again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveDigests {
    /// The last position folded in.
    pub position: Position,
    /// A digest of each projection.
    pub digests: Vec<(ProjectionName, [u8; 32])>,
}

/// How an entry differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The live projection has it, the replay does not.
    OnlyLive,
    /// The replay has it, the live projection does not.
    OnlyReplayed,
    /// Both have it, with other contents.
    Differs,
}

impl What {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnlyLive => "only_live",
            Self::OnlyReplayed => "only_replayed",
            Self::Differs => "differs",
        }
    }

    /// In words, where what the views file keeps takes the place of the live projection.
    pub(super) fn in_the_file(self) -> &'static str {
        match self {
            Self::OnlyLive => "only in the file",
            Self::OnlyReplayed => "only in the replay",
            Self::Differs => "differs",
        }
    }
}

/// An entry that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The entry, as [`digest::entries`] names it.
    pub key: String,
    /// How.
    pub what: What,
}

/// Entries with their digests, as [`digest::entry_digests`] gives them.
pub type EntryDigests = Vec<(String, [u8; 32])>;

/// One entry's digest on each side that has it.
#[derive(Default)]
struct BothSides<'a> {
    live: Option<&'a [u8; 32]>,
    replayed: Option<&'a [u8; 32]>,
}

/// Projections with nothing folded in, which gather everything that the history tables hold.
pub fn gathering() -> Projections {
    Projections { history: Some(History::of_everything()), ..Projections::default() }
}

/// Folds the log from its first record up to and with `through`, from nothing and past every snapshot.
pub fn replay_to(
    dir: &DataDir,
    through: Position,
    progress: &mut dyn FnMut(Position),
) -> Result<Projections, LogError> {
    let mut projections = Projections::default();
    rebuild::replay_into(dir, &mut projections, through, progress)?;
    Ok(projections)
}

/// The live projections of a ledger that no server runs on: those of its newest good snapshot, if there is one.
pub fn offline_live(dir: &DataDir) -> Result<Option<Projections>, LogError> {
    let log = LogReader::open(dir)?;
    let loaded = Views::open_existing(dir).and_then(|views| match views {
        Some(views) => Ok(views.load(&log)?.0),
        None => Ok(None),
    });
    loaded.map_err(|error| match error.is_storage() {
        true => error,
        // The ledger file was opened before: what makes no sense is the views file.
        false => LogError::BadFile { path: dir.views(), what: error.to_string() },
    })
}

/// The projections whose live digest is not the replayed one, or that the live side does not have.
pub fn compare_digests(
    replayed: &Projections,
    live: &[(ProjectionName, [u8; 32])],
) -> Result<Vec<ProjectionName>, CodecError> {
    let mut differing = digest::digests(replayed)?;
    differing.retain(|replayed| !live.contains(replayed));
    Ok(differing.into_iter().map(|(name, _)| name).collect())
}

/// The entries of one projection that differ, in the order of their keys.
pub fn compare_entries(
    replayed: &Projections,
    name: ProjectionName,
    live: &[(String, [u8; 32])],
) -> Result<Vec<Difference>, CodecError> {
    Ok(differences_of(live, &digest::entry_digests(replayed, name)?))
}

/// The entries that differ between two sides, in the order of their keys.
pub(super) fn differences_of(live: &[(String, [u8; 32])], replayed: &[(String, [u8; 32])]) -> Vec<Difference> {
    let mut both: BTreeMap<&str, BothSides<'_>> = BTreeMap::new();
    for (key, digest) in live {
        both.entry(key).or_default().live = Some(digest);
    }
    for (key, digest) in replayed {
        both.entry(key).or_default().replayed = Some(digest);
    }
    let differences = both.into_iter().filter_map(|(key, sides)| {
        let what = match (sides.live, sides.replayed) {
            (Some(live), Some(replayed)) if live == replayed => return None,
            (_, None) => What::OnlyLive,
            (None, _) => What::OnlyReplayed,
            _ => What::Differs,
        };
        Some(Difference { key: key.to_owned(), what })
    });
    differences.collect()
}

impl LiveDigests {
    /// Of projections at hand.
    pub fn of(projections: &Projections) -> Result<Self, CodecError> {
        Ok(Self { position: projections.position, digests: digest::digests(projections)? })
    }

    /// `{"position": 7, "digests": {"tokens": "…"}}`.
    pub fn to_json(&self) -> Value {
        let digests: serde_json::Map<String, Value> =
            self.digests.iter().map(|(name, digest)| (name.name().to_owned(), hex(digest).into())).collect();
        json!({ "position": self.position.0, "digests": digests })
    }

    /// Reads what [`Self::to_json`] wrote; nothing else.
    pub fn from_json(value: &Value) -> Option<Self> {
        let position = Position(value.get("position")?.as_u64()?);
        let digests = value.get("digests")?.as_object()?.iter();
        let digests = digests.map(|(name, digest)| Some((ProjectionName::parse(name)?, unhex(digest.as_str()?)?)));
        Some(Self { position, digests: digests.collect::<Option<_>>()? })
    }
}

/// `[["token 1", "…"], …]`.
pub fn entries_to_json(entries: &[(String, [u8; 32])]) -> Value {
    entries.iter().map(|(key, digest)| json!([key, hex(digest)])).collect()
}

/// Reads what [`entries_to_json`] wrote; nothing else.
pub fn entries_from_json(value: &Value) -> Option<EntryDigests> {
    let entry = |entry: &Value| match entry.as_array()?.as_slice() {
        [key, digest] => Some((key.as_str()?.to_owned(), unhex(digest.as_str()?)?)),
        _ => None,
    };
    value.as_array()?.iter().map(entry).collect()
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Vec<u8> =
        pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect::<Option<_>>()?;
    if rest.is_empty() { bytes.try_into().ok() } else { None }
}
