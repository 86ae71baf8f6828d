//! What a seal says of the streams of a selection, with the proofs out of its map.

use super::Selection;
use crate::domain::state::State;
use crate::log::LogError;
use crate::log::codec::CodecError;
use crate::log::merkle::Hash;
use crate::log::sorted_map::{MapEntry, MapProofs};
use crate::projections::seal::stream_entries;
use std::ops::ControlFlow;

/// Entries of a map of streams, with the number of all.
#[derive(Debug)]
pub(super) struct SealProof {
    /// How many entries the map has.
    pub count: u64,
    /// Its root.
    pub root: Hash,
    /// The entry of the log, those of the selection's streams, and the neighbours of these: that no other is between.
    pub entries: Vec<MapEntry>,
}

/// Entries on the way, before there are proofs.
struct Picking {
    prefix: Vec<u8>,
    map: MapProofs,
    picked: Vec<MapEntry>,
    previous: Option<MapEntry>,
    is_past: bool,
}

impl Picking {
    fn take(&mut self, key: &[u8], value: &[u8]) {
        let entry = MapEntry { index: self.map.count(), key: key.to_vec(), value: value.to_vec(), proof: Vec::new() };
        self.map.add(key, value);
        let (is_before, is_of_it) = (key < self.prefix.as_slice(), key.starts_with(&self.prefix));
        if entry.index == 0 {
            self.picked.push(entry.clone());
        }
        if is_before {
            self.previous = Some(entry);
        } else if !self.is_past {
            self.picked.extend(self.previous.take().filter(|previous| previous.index > 0));
            self.is_past = !is_of_it;
            if entry.index > 0 {
                self.picked.push(entry);
            }
        }
    }
}

/// Proves what the map of a state's streams has of a selection.
pub(super) fn prove(state: &State, selection: &Selection) -> Result<SealProof, LogError> {
    let mut picking = Picking {
        prefix: selection.key_prefix(),
        map: MapProofs::default(),
        picked: Vec::new(),
        previous: None,
        is_past: false,
    };
    let visited: Result<_, CodecError> = stream_entries(state, &mut |entry| {
        picking.take(entry.key, entry.value);
        ControlFlow::Continue(())
    });
    // Nothing breaks it off.
    let _ = visited.map_err(|error| LogError::DamagedTree(error.to_string()))?;
    // Nothing came after: the last entry before is the neighbour, and the map's end is behind it.
    picking.picked.extend(picking.previous.take().filter(|previous| previous.index > 0));
    picking.map.finish();
    for entry in &mut picking.picked {
        let proof = picking.map.proof(entry.index);
        entry.proof = proof.map_err(|error| LogError::DamagedTree(error.to_string()))?;
    }
    Ok(SealProof { count: picking.map.count(), root: picking.map.root(), entries: picking.picked })
}
