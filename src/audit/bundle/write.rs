//! Writes a bundle. A record that does not hash to its tile, and a text that no record says was erased and that is not
//! there, end it: nobody is handed what would not verify.

use super::gather::{Gathered, gather};
use super::seal_proof::{self, SealProof};
use super::{KIND, Selection, VERSION, WIDTH, subtrees};
use crate::audit::archive::Archive;
use crate::audit::past::{self, Moment};
use crate::audit::receipts::{Published, ReceiptError};
use crate::domain::event::{Event, StateSealed};
use crate::domain::ids::{Position, TextNumber};
use crate::domain::time::Timestamp;
use crate::log::merkle::{self, Hash, TileId, leaf_hash};
use crate::log::note::Checkpoint;
use crate::log::tree_at::TreeAt;
use crate::log::{DataDir, LogError};
use crate::projections::keys::Key;
use crate::projections::seal::SEAL_VERSION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::ops::ControlFlow;
use thiserror::Error;

/// Why there is no bundle. What was written by then is none.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The ledger's files.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nothing is signed.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// It cannot be written.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// There is no such bundle; in words.
    #[error("{0}")]
    Refused(String),
}

/// What is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Which records.
    pub selection: Selection,
    /// Whether personal texts go in, as far as they are there.
    pub with_texts: bool,
    /// A checkpoint that somebody kept: it is shown that the log grew out of it.
    pub old_checkpoint: Option<String>,
}

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// Name of the log.
    pub origin: String,
    /// Size of the checkpoint.
    pub size: Position,
    /// Records that were asked for.
    pub selected: u64,
    /// Records in the file, those that it takes to read and bound the others included.
    pub records: u64,
    /// Texts that are named in it.
    pub texts: u64,
    /// The position that the seal is about; none where none was recorded.
    pub sealed: Option<Position>,
}

/// A record that seals, and what it says.
type Sealed = (Position, StateSealed);

/// Writes the bundle of a data directory's log, or a backup's. `progress` is told positions that are written.
pub fn write(
    dir: &DataDir,
    archive: &Archive,
    published: &Published,
    wish: &Wish,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Position),
) -> Result<Written, BundleError> {
    let size = published.size;
    if !wish.selection.is_named() {
        return Err(BundleError::Refused("say of what: a token, an account, or a token in an account".to_owned()));
    }
    let sealed = last_seal(archive, size)?;
    let mut gathered = gather(archive, &wish.selection, size)?;
    gathered.positions.extend(sealed.map(|(record, _)| record));
    let seal = sealed.map(|sealed| Ok::<_, LogError>((sealed, prove(dir, sealed, &wish.selection)?))).transpose()?;
    let mut writer = Writer { archive, tree: TreeAt::new(archive.log(), size)?, size: size.0, out };
    let origin = writer.head(published, wish, &gathered)?;
    writer.tiles(&gathered)?;
    writer.records(&gathered, progress)?;
    writer.texts(&gathered, wish.with_texts)?;
    if let Some(((record, _), proof)) = &seal {
        writer.seal(*record, proof)?;
    }
    let (records, texts) = (gathered.positions.len() as u64, gathered.texts.len() as u64);
    writer.line(json!({ "end": true, "records": records, "texts": texts }))?;
    let sealed = sealed.map(|(_, sealed)| sealed.at_position);
    Ok(Written { origin, size, selected: gathered.selected, records, texts, sealed })
}

/// The last seal that the checkpoint covers and whose map this program knows.
fn last_seal(archive: &Archive, size: Position) -> Result<Option<Sealed>, LogError> {
    let is_known = |event: &Event| matches!(event, Event::StateSealed(sealed) if sealed.seal_version == SEAL_VERSION);
    let keys = [Key::of_type("StateSealed")];
    let found = archive.last(&keys, (Position::NONE, size), &mut |_, event| is_known(event))?;
    Ok(found.and_then(|(position, _, event)| match event {
        Event::StateSealed(sealed) => Some((position, sealed)),
        _ => None,
    }))
}

/// The map of a seal is that of the state at its position, and has its root.
fn prove(dir: &DataDir, (record, sealed): Sealed, selection: &Selection) -> Result<SealProof, LogError> {
    let position = sealed.at_position;
    let moment = Moment { position, at: Timestamp(0), head: position };
    let past = past::state_at(dir, moment, &mut |_| {})?;
    let proof = seal_proof::prove(&past.projections.state, selection)?;
    if proof.root != sealed.streams_root {
        let what = format!("the seal is not what a replay up to position {position} gives");
        return Err(LogError::Damaged { position: record, what });
    }
    Ok(proof)
}

struct Writer<'a> {
    archive: &'a Archive,
    tree: TreeAt<'a>,
    size: u64,
    out: &'a mut dyn Write,
}

impl Writer<'_> {
    fn line(&mut self, line: Value) -> Result<(), BundleError> {
        serde_json::to_writer(&mut *self.out, &line).map_err(io::Error::from)?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn head(&mut self, published: &Published, wish: &Wish, gathered: &Gathered) -> Result<String, BundleError> {
        let origin = published.note.split('\n').next().unwrap_or_default().to_owned();
        let selection = told_selection(&wish.selection);
        self.line(json!({ "bundle": KIND, "version": VERSION, "origin": origin, "selection": selection }))?;
        self.line(json!({ "checkpoint": published.note }))?;
        let vkeys: Vec<&String> = gathered.vkeys.iter().rev().collect();
        self.line(json!({ "vkeys": vkeys }))?;
        if let Some(note) = &wish.old_checkpoint {
            let hashes = self.grown_from(note)?;
            self.line(json!({ "grown_from": note, "hashes": hashes }))?;
        }
        Ok(origin)
    }

    /// Hashes that show the log to have grown out of a checkpoint that somebody kept.
    fn grown_from(&self, note: &str) -> Result<Vec<String>, BundleError> {
        let refused = |what: String| BundleError::Refused(format!("the older checkpoint {what}"));
        let body = note.split_once("\n\n").map(|(body, _)| format!("{body}\n"));
        let old = body.and_then(|body| Checkpoint::parse_body(&body).ok());
        let old = old.ok_or_else(|| refused("is none".to_owned()))?;
        let (size, now) = (Position(old.size), Position(self.size));
        if size > now {
            return Err(refused(format!("is of size {size}, this log's last of {now}: an older copy of the log")));
        }
        if self.tree.root_of(size)? != old.root {
            return Err(refused(format!("of size {size} has another root: a fork, or another log")));
        }
        Ok(self.tree.consistency(size, now)?.iter().map(|hash| STANDARD.encode(hash)).collect())
    }

    /// A node: the leaves from the first to before the last, counted from 0.
    fn node(&mut self, (start, end): (u64, u64), hash: &Hash) -> Result<(), BundleError> {
        self.line(json!({ "covers": [start + 1, end], "hash": STANDARD.encode(hash) }))
    }

    /// The whole tree, down to the tiles that records are in.
    fn tiles(&mut self, gathered: &Gathered) -> Result<(), BundleError> {
        let full = self.size / WIDTH;
        let mut at = 0;
        for tile in touched(gathered) {
            self.untouched(at, tile.min(full))?;
            if tile < full {
                self.node_of((tile * WIDTH, (tile + 1) * WIDTH))?;
            }
            at = tile + 1;
        }
        self.untouched(at, full)?;
        if full * WIDTH < self.size { self.node_of((full * WIDTH, self.size)) } else { Ok(()) }
    }

    fn untouched(&mut self, from: u64, to: u64) -> Result<(), BundleError> {
        subtrees(from, to).try_for_each(|(start, end)| self.node_of((start * WIDTH, end * WIDTH)))
    }

    fn node_of(&mut self, (start, end): (u64, u64)) -> Result<(), BundleError> {
        let hash = self.tree.range_hash(start, end)?;
        self.node((start, end), &hash)
    }

    /// Tile by tile the records, and the hashes of those between them.
    fn records(&mut self, gathered: &Gathered, progress: &mut dyn FnMut(Position)) -> Result<(), BundleError> {
        let all: Vec<Position> = gathered.positions.iter().copied().collect();
        for positions in all.chunk_by(|one, next| tile_of(*one) == tile_of(*next)) {
            let tile = positions.first().map_or(0, |first| tile_of(*first));
            self.records_of(tile, positions)?;
            progress(Position(((tile + 1) * WIDTH).min(self.size)));
        }
        Ok(())
    }

    fn records_of(&mut self, tile: u64, positions: &[Position]) -> Result<(), BundleError> {
        let start = tile * WIDTH;
        let leaves = self.leaves(tile)?;
        let mut records = Vec::with_capacity(positions.len());
        self.archive.log().pick(positions, |position, record| {
            records.push((position, record.to_vec()));
            ControlFlow::Continue(())
        })?;
        let mut at = 0;
        for (position, record) in records {
            let index = (position.0 - 1 - start) as usize;
            self.between(start, &leaves, (at, index))?;
            let leaf = leaf_hash(&record);
            if leaves.get(index) != Some(&leaf) {
                let what = "the record does not hash to its tile".to_owned();
                return Err(LogError::Damaged { position, what }.into());
            }
            let (leaf, record) = (STANDARD.encode(leaf), STANDARD.encode(record));
            self.line(json!({ "position": position.0, "leaf": leaf, "record": record }))?;
            at = index + 1;
        }
        self.between(start, &leaves, (at, leaves.len()))
    }

    fn leaves(&self, tile: u64) -> Result<Vec<Hash>, LogError> {
        let id = TileId { level: 0, index: tile };
        let width = self.size.saturating_sub(tile * WIDTH).min(WIDTH) as u16;
        let bytes = self.tree.tile(id, width)?.ok_or_else(|| LogError::DamagedTree(format!("{id:?} is missing")))?;
        Ok(bytes.as_chunks().0.to_vec())
    }

    fn between(&mut self, start: u64, leaves: &[Hash], (from, to): (usize, usize)) -> Result<(), BundleError> {
        for (first, end) in subtrees(from as u64, to as u64) {
            let hash = merkle::fold(&leaves[first as usize..end as usize]);
            self.node((start + first, start + end), &hash)?;
        }
        Ok(())
    }

    fn texts(&mut self, gathered: &Gathered, with_texts: bool) -> Result<(), BundleError> {
        for (&number, &is_erased) in &gathered.texts {
            let line = match self.archive.log().text_row(number)? {
                // A row that is there in spite of it is one that `verify` finds, and nobody is handed.
                _ if is_erased => json!({ "text": number.0, "erased": true }),
                Some(_) if !with_texts => json!({ "text": number.0, "withheld": true }),
                Some(row) => {
                    let text = String::from_utf8(row.text).map_err(|_| missing(number, "is no text"))?;
                    json!({ "text": number.0, "salt": STANDARD.encode(row.salt), "value": text })
                }
                // Erased since the checkpoint: what says so is not signed yet.
                None if self.is_erased_since(number)? => json!({ "text": number.0, "withheld": true }),
                None => return Err(missing(number, "is missing, and no record says that it was erased").into()),
            };
            self.line(line)?;
        }
        Ok(())
    }

    fn is_erased_since(&self, number: TextNumber) -> Result<bool, LogError> {
        let holds = |event: &Event| match event {
            Event::PersonalDataErased(erased) => {
                erased.texts.iter().any(|(first, last)| (*first..=*last).contains(&number))
            }
            _ => false,
        };
        // The archive's own head may be older than the row that is gone.
        let (after, through) = (Position(self.size), self.archive.log().head()?);
        let mut found = false;
        self.archive.log().replay(after, through, |_, _, event| {
            found = holds(&event);
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(found)
    }

    fn seal(&mut self, record: Position, proof: &SealProof) -> Result<(), BundleError> {
        self.line(json!({ "seal": record.0, "entries": proof.count }))?;
        for entry in &proof.entries {
            let hashes: Vec<String> = entry.proof.iter().map(|hash| STANDARD.encode(hash)).collect();
            let (key, value) = (STANDARD.encode(&entry.key), STANDARD.encode(&entry.value));
            self.line(json!({ "entry": entry.index, "key": key, "value": value, "proof": hashes }))?;
        }
        Ok(())
    }
}

fn missing(number: TextNumber, what: &str) -> LogError {
    LogError::DamagedTree(format!("personal text {number} {what}"))
}

fn tile_of(position: Position) -> u64 {
    position.0.saturating_sub(1) / WIDTH
}

/// The tiles that records are in, each once.
fn touched(gathered: &Gathered) -> Vec<u64> {
    let mut tiles: Vec<u64> = gathered.positions.iter().map(|position| tile_of(*position)).collect();
    tiles.dedup();
    tiles
}

fn told_selection(selection: &Selection) -> Value {
    let mut told = Map::new();
    let mut tell = |name: &str, value: Option<Value>| told.extend(value.map(|value| (name.to_owned(), value)));
    tell("token", selection.token.map(|token| token.0.into()));
    tell("account", selection.account.map(|account| account.0.into()));
    tell("from", selection.from.map(|from| from.to_micros_text().into()));
    tell("to", selection.to.map(|to| to.to_micros_text().into()));
    Value::Object(told)
}
