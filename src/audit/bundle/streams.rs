//! What the records of a bundle say, gathered while they are read, and whether they are all of what was selected.

use super::check::{Findings, Head, SealSaid, named};
use super::lines::{self, TextLine};
use super::{Selection, Stream};
use crate::domain::event::{Event, Header, StateSealed};
use crate::domain::ids::{Position, TokenId};
use crate::domain::log_keys::LogKeys;
use crate::domain::mentioned_texts::mentioned_texts;
use crate::domain::text::commitment;
use crate::domain::time::Timestamp;
use crate::log::note::Vkey;
use crate::log::sorted_map::{MapEntry, are_whole};
use crate::projections::seal::{SEAL_VERSION, account_of_stream, log_key, read_pair, read_stream};
use std::collections::BTreeMap;

/// A record of a selected stream.
#[derive(Clone, Copy, Debug)]
struct Shown {
    position: Position,
    number: u64,
    at: Timestamp,
    is_use: bool,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Reading {
    selection: Selection,
    records: u64,
    /// Time of the record before.
    last_at: Timestamp,
    shown: BTreeMap<Stream, Vec<Shown>>,
    /// Of the records that were selected: how many of each type.
    types: BTreeMap<&'static str, u64>,
    /// The first and the last record that was selected.
    ends: Option<(Position, Position)>,
    commitments: BTreeMap<u64, ([u8; 32], Position)>,
    erased: Vec<(u64, u64, Position)>,
    /// Texts that selected records mention, each with the first of these.
    mentioned: BTreeMap<u64, Position>,
    keys: LogKeys,
    seals: BTreeMap<Position, StateSealed>,
}

impl Reading {
    pub fn new(selection: Selection) -> Self {
        Self {
            selection,
            records: 0,
            last_at: Timestamp(0),
            shown: BTreeMap::new(),
            types: BTreeMap::new(),
            ends: None,
            commitments: BTreeMap::new(),
            erased: Vec::new(),
            mentioned: BTreeMap::new(),
            keys: LogKeys::default(),
            seals: BTreeMap::new(),
        }
    }

    /// Takes in a record that hashes to its leaf.
    pub fn take(&mut self, position: Position, header: &Header, event: &Event, findings: &mut Findings) {
        self.records += 1;
        if header.recorded_at < self.last_at {
            findings.add(format!("position {position}"), "it was recorded before the record before it");
        }
        self.last_at = header.recorded_at;
        self.keys.take(position, event);
        match event {
            Event::TextSeen(seen) => drop(self.commitments.insert(seen.number.0, (seen.commitment, position))),
            Event::PersonalDataErased(erased) => {
                self.erased.extend(erased.texts.iter().map(|(first, last)| (first.0, last.0, position)));
            }
            Event::StateSealed(sealed) => drop(self.seals.insert(position, *sealed)),
            _ => {}
        }
        if let Some((stream, number)) = self.selection.place(header) {
            self.take_shown(stream, position, number, header, event);
        }
    }

    fn take_shown(&mut self, stream: Stream, position: Position, number: u64, header: &Header, event: &Event) {
        let is_use = matches!(event, Event::TokenUsed(_));
        self.shown.entry(stream).or_default().push(Shown { position, number, at: header.recorded_at, is_use });
        if !self.selection.holds(header.recorded_at) {
            return;
        }
        *self.types.entry(event.type_name()).or_default() += 1;
        self.ends = Some((self.ends.map_or(position, |(first, _)| first), position));
        for text in mentioned_texts(event) {
            self.mentioned.entry(text.0).or_insert(position);
        }
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// How many selected records there are of each type.
    pub fn types(&self) -> &BTreeMap<&'static str, u64> {
        &self.types
    }

    /// The first and the last record that was selected.
    pub fn ends(&self) -> Option<(Position, Position)> {
        self.ends
    }

    // ---- Texts ----

    /// Whether a text with its salt is what a record commits to; if not, why.
    pub fn fault_of_text(&self, line: &TextLine) -> Option<String> {
        let Some((committed, position)) = self.commitments.get(&line.text) else {
            return Some("no record here commits to it".to_owned());
        };
        let salt = lines::bytes(&line.salt).and_then(|salt| <[u8; 32]>::try_from(salt).ok());
        let is_it = salt.is_some_and(|salt| commitment(&salt, &line.value) == *committed);
        (!is_it).then(|| format!("text and salt are not what position {position} commits to"))
    }

    /// The record that says of a text that it was erased.
    pub fn erased_at(&self, number: u64) -> Option<Position> {
        let erased = self.erased.iter().find(|(first, last, _)| (*first..=*last).contains(&number));
        erased.map(|(.., position)| *position)
    }

    /// Texts that selected records mention, each with the first of these.
    pub fn wanted_texts(&self) -> impl Iterator<Item = (u64, Position)> {
        self.mentioned.iter().map(|(number, position)| (*number, *position))
    }

    // ---- Keys ----

    /// Holds the keys of the bundle, and those that have signed, against what the records say.
    pub fn judge_keys(&self, head: &Head, findings: &mut Findings) {
        let own: Vec<&str> = self.keys.iter().rev().map(|span| span.log_vkey.as_str()).collect();
        if own != head.vkeys {
            findings.add("the log's verifier keys", "they are not those that the records here name");
        }
        let size = Position(head.checkpoint.size);
        for signer in &head.signers {
            let is_known = self.keys.iter().any(|span| span.log_vkey == *signer && span.from <= size);
            if !is_known {
                let name = signer.parse::<Vkey>().map(|vkey| named(&vkey)).unwrap_or_default();
                findings.add("checkpoint", format!("it is signed by {name}, a key that the records here do not name"));
            }
        }
    }

    /// The record that names a key.
    pub fn named_at(&self, vkey: &str) -> Option<Position> {
        self.keys.iter().find(|span| span.log_vkey == vkey).map(|span| span.from)
    }

    // ---- Streams ----

    /// Whether the records are all of what was selected, as far as anybody can tell.
    pub fn judge_streams(&self, head: &Head, said: Option<&SealSaid>, findings: &mut Findings) -> Streams {
        let seal = said.and_then(|said| self.seal(head, said, findings));
        let mut streams: BTreeMap<Stream, Option<(u64, Position)>> =
            self.shown.keys().map(|stream| (*stream, None)).collect();
        if let Some(seal) = &seal {
            streams.extend(seal.streams.iter().map(|(stream, last)| (*stream, Some(*last))));
        }
        let judged = streams.into_iter().map(|(stream, last)| {
            let shown = self.shown.get(&stream).map_or(&[][..], Vec::as_slice);
            let sealed = seal.as_ref().map(|seal| (seal.at, last.unwrap_or((0, Position::NONE))));
            Judging { stream, shown, selection: &self.selection, sealed, findings: &mut *findings }.judge()
        });
        let judged = judged.collect();
        Streams { seal, judged }
    }

    /// The seal, if its entries are those of the map that its record commits to and none is left out.
    fn seal(&self, head: &Head, said: &SealSaid, findings: &mut Findings) -> Option<Seal> {
        let place = format!("the seal at position {}", said.record);
        let Some(sealed) = self.seals.get(&said.record) else {
            findings.add(place, "its record is not here");
            return None;
        };
        let at = sealed.at_position;
        if sealed.seal_version != SEAL_VERSION {
            findings.add(place, format!("it is of version {}, which is not known here", sealed.seal_version));
            return None;
        }
        for entry in &said.entries {
            if !entry.is_in(said.count, &sealed.streams_root) {
                findings.add(place, format!("entry {} is not in the map that the record commits to", entry.index));
                return None;
            }
        }
        let Some((head_said, time)) =
            said.entries.iter().find(|entry| entry.key == log_key()).and_then(|e| read_pair(&e.value))
        else {
            findings.add(place, "the entry of the log is not here");
            return None;
        };
        if head_said != at.0 || at >= said.record || at.0 > head.checkpoint.size {
            findings.add(place, format!("it is about position {at}, its map about position {head_said}"));
            return None;
        }
        let prefix = head.selection.key_prefix();
        if !are_whole(&around(&said.entries, &prefix), said.count, &prefix) {
            let what = format!("its entries do not show which streams of {} there were", head.selection);
            findings.add(place, what);
            return None;
        }
        let streams = said.entries.iter().filter(|entry| entry.key.starts_with(&prefix));
        let streams: Option<Vec<_>> = streams.map(|entry| read_entry(&head.selection, entry)).collect();
        let Some(streams) = streams else {
            findings.add(place, "an entry is none of a stream");
            return None;
        };
        Some(Seal { record: said.record, at: (at, Timestamp(time)), streams })
    }
}

/// The entries with a prefix and their neighbours; without any the two that it would stand between.
fn around(entries: &[MapEntry], prefix: &[u8]) -> Vec<MapEntry> {
    let is_of_it = |entry: &MapEntry| entry.key.starts_with(prefix);
    let first = entries.iter().position(|entry| entry.key.as_slice() >= prefix).unwrap_or(entries.len());
    let end = first + entries[first..].iter().take_while(|entry| is_of_it(entry)).count();
    entries[first.saturating_sub(1)..(end + 1).min(entries.len())].to_vec()
}

fn read_entry(selection: &Selection, entry: &MapEntry) -> Option<(Stream, (u64, Position))> {
    let last = read_stream(&entry.value)?;
    let stream = match selection.token {
        Some(token) => Stream::Token(token, account_of_stream(token, &entry.key)?),
        None => Stream::Account(selection.account?),
    };
    Some((stream, last))
}

/// A seal whose map was looked into.
#[derive(Debug)]
pub(super) struct Seal {
    pub record: Position,
    /// The position that it is about, and its time.
    pub at: (Position, Timestamp),
    /// The selection's streams there, with their last numbers and positions: all of them.
    pub streams: Vec<(Stream, (u64, Position))>,
}

/// What came of all streams.
#[derive(Debug)]
pub(super) struct Streams {
    pub seal: Option<Seal>,
    pub judged: Vec<Judged>,
}

/// What came of one.
#[derive(Debug)]
pub(super) struct Judged {
    pub stream: Stream,
    /// Numbers of its first and last selected record.
    pub numbers: Option<(u64, u64)>,
    /// The record before the time that was asked for.
    pub before: Option<(u64, Position)>,
    /// The record after it.
    pub after: Option<(u64, Position)>,
    /// How far it is whole.
    pub whole: Whole,
    /// Uses among its selected records, and among those of them up to the position that the seal is about.
    pub uses: (u64, u64),
    /// Position of the last record that is here.
    pub last: Position,
}

/// How far a stream is whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whole {
    /// For all the time that was asked for.
    Asked,
    /// Up to the position that a seal is about.
    Sealed(Position, Timestamp),
    /// Only between the first and the last record that are here.
    Shown,
}

struct Judging<'a> {
    stream: Stream,
    shown: &'a [Shown],
    selection: &'a Selection,
    /// The seal's position and time, and the stream's last number and position there.
    sealed: Option<((Position, Timestamp), (u64, Position))>,
    findings: &'a mut Findings,
}

impl Judging<'_> {
    fn find(&mut self, what: impl Into<String>) {
        self.findings.add(self.stream, what);
    }

    fn judge(mut self) -> Judged {
        let (selection, shown) = (self.selection, self.shown);
        let before = shown.iter().rfind(|record| selection.is_before(record.at));
        let after = shown.iter().find(|record| selection.is_after(record.at));
        let within: Vec<Shown> = shown.iter().filter(|record| selection.holds(record.at)).copied().collect();
        let row: Vec<Shown> = before.into_iter().chain(&within).chain(after).copied().collect();
        self.judge_row(&row);
        if let Some(sealed) = self.sealed {
            self.judge_seal(sealed, &row, after.is_some());
        }
        let last = row.last().map_or(Position::NONE, |record| record.position);
        let whole = self.whole(after.is_some());
        let sealed_at = self.sealed.map_or(Position::NONE, |((at, _), _)| at);
        let uses: Vec<&Shown> = within.iter().filter(|record| record.is_use).collect();
        let until_seal = uses.iter().filter(|record| record.position <= sealed_at).count();
        Judged {
            stream: self.stream,
            numbers: within.first().zip(within.last()).map(|(first, last)| (first.number, last.number)),
            before: before.map(|record| (record.number, record.position)),
            after: after.map(|record| (record.number, record.position)),
            whole,
            uses: (uses.len() as u64, until_seal as u64),
            last,
        }
    }

    /// Numbers one after the other, from the first of the stream or one before the time that was asked for.
    fn judge_row(&mut self, row: &[Shown]) {
        if let Some(first) = row.first()
            && first.number != 1
            && !self.selection.is_before(first.at)
        {
            self.find(format!("{} missing before position {}", numbers(1, first.number - 1), first.position));
        }
        for pair in row.windows(2) {
            let (one, next) = (pair[0], pair[1]);
            if next.number <= one.number {
                self.find(format!("position {} has number {} after {}", next.position, next.number, one.number));
            } else if next.number != one.number + 1 {
                let gap = numbers(one.number + 1, next.number - 1);
                self.find(format!("{gap} missing between positions {} and {}", one.position, next.position));
            }
        }
    }

    /// The seal and what is here say the same, and nothing up to it is missing at the end.
    fn judge_seal(
        &mut self,
        ((at, _), (last, position)): ((Position, Timestamp), (u64, Position)),
        row: &[Shown],
        is_bounded: bool,
    ) {
        for record in self.shown {
            let fits = (record.position <= at) == (record.number <= last)
                && (record.number == last) == (record.position == position);
            if !fits {
                let (shown, number) = (record.position, record.number);
                self.find(format!(
                    "position {shown} is its record {number}, but the seal of position {at} says that {last} at position \
                     {position} was its last"
                ));
                return;
            }
        }
        let shown = row.last().map_or(0, |record| record.number);
        if !is_bounded && shown < last {
            self.find(format!("{} missing: position {at} was sealed with {last} records", numbers(shown + 1, last)));
        }
    }

    fn whole(&self, is_bounded: bool) -> Whole {
        match (self.sealed, self.selection.to) {
            _ if is_bounded => Whole::Asked,
            (Some(((_, time), _)), Some(to)) if time >= to => Whole::Asked,
            (Some(((at, time), _)), _) => Whole::Sealed(at, time),
            (None, _) => Whole::Shown,
        }
    }
}

/// Numbers of a stream, as the subject of "missing".
fn numbers(first: u64, last: u64) -> String {
    match first == last {
        true => format!("its record {first} is"),
        false => format!("its records {first} to {last} are"),
    }
}

impl Selection {
    /// The token, if it is about one.
    pub(super) fn of_token(&self) -> Option<TokenId> {
        self.token
    }
}
