//! Checks a bundle against what its reader trusts, and nothing else: no ledger is needed. One pass, line by line.

use super::lines::{self, LINE_BYTES_MAX, Line, NodeLine, RecordLine, TextLine};
use super::streams::Reading;
use super::tell::Told;
use super::{KIND, Selection, VERSION, WIDTH};
use crate::domain::ids::Position;
use crate::log::codec;
use crate::log::consistency_proof::ConsistencyProof;
use crate::log::merkle::{self, Hash, leaf_hash};
use crate::log::note::{Checkpoint, NoteError, Vkey};
use crate::log::sorted_map::MapEntry;
use std::fmt;
use std::io::{self, BufRead, Read};

/// What whoever checks a bundle trusts. One of keys and checkpoint at least is there, or nothing can be proved.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trust {
    /// Verifier keys.
    pub vkeys: Vec<Vkey>,
    /// A checkpoint, as it was kept.
    pub checkpoint: Option<String>,
    /// The text of a consistency proof that joins it to the bundle's.
    pub consistency: Option<String>,
}

/// Something that is not what it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Where: a line, a position, a text.
    pub place: String,
    /// What.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What came of it. Without findings the sentences hold; with any of them nothing does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// What is proved, in sentences.
    pub proved: Vec<String>,
    /// What is not.
    pub not_proved: Vec<String>,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// What is wrong, while more is looked for.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub fn add(&mut self, place: impl fmt::Display, what: impl Into<String>) {
        self.0.push(Finding { place: place.to_string(), what: what.into() });
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The file cannot be gone through any further: why is among the findings.
struct Broken;

type Going<T = ()> = Result<T, Broken>;

/// Reads a bundle to its end and judges it.
pub fn check(file: impl BufRead, trust: &Trust) -> io::Result<Report> {
    let mut check =
        Check { lines: Lines { file, number: 0, line: None, failure: None }, findings: Findings::default() };
    let told = check.run(trust);
    if let Some(error) = check.lines.failure {
        return Err(error);
    }
    let findings = check.findings;
    Ok(match told {
        Ok(told) if findings.is_empty() => {
            Report { proved: told.proved, not_proved: told.not_proved, findings: Vec::new() }
        }
        _ => Report { findings: findings.0, ..Report::default() },
    })
}

/// The lines, one ahead.
struct Lines<R> {
    file: R,
    number: u64,
    line: Option<Line>,
    failure: Option<io::Error>,
}

/// What comes next in the file.
enum Next {
    Line(Line),
    End,
    /// It is no line of a bundle.
    None,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Next {
        if let Some(line) = self.line.take() {
            return Next::Line(line);
        }
        let mut bytes = Vec::new();
        match self.file.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut bytes) {
            Err(error) => {
                self.failure = Some(error);
                return Next::End;
            }
            Ok(0) => return Next::End,
            Ok(_) => self.number += 1,
        }
        let line = bytes.strip_suffix(b"\n").and_then(Line::parse);
        line.map_or(Next::None, Next::Line)
    }

    fn put_back(&mut self, line: Line) {
        self.line = Some(line);
    }
}

struct Check<R> {
    lines: Lines<R>,
    findings: Findings,
}

/// What the first lines say.
pub(super) struct Head {
    pub selection: Selection,
    pub checkpoint: Checkpoint,
    pub vkeys: Vec<String>,
    /// Verifier keys that were given and have signed.
    pub signers: Vec<String>,
    /// Size of the checkpoint that was given, if one was.
    pub given: Option<u64>,
}

/// A seal's line and its entries.
pub(super) struct SealSaid {
    pub record: Position,
    pub count: u64,
    pub entries: Vec<MapEntry>,
}

impl<R: BufRead> Check<R> {
    fn broken<T>(&mut self, place: impl fmt::Display, what: impl Into<String>) -> Going<T> {
        self.findings.add(place, what);
        Err(Broken)
    }

    fn here(&self) -> String {
        format!("line {}", self.lines.number)
    }

    fn next(&mut self) -> Going<Line> {
        match self.lines.next() {
            Next::Line(line) => Ok(line),
            Next::End => {
                let here = self.here();
                self.broken(here, "the file ends here, before its last line: it is cut off")
            }
            Next::None => {
                let here = self.here();
                self.broken(here, "it is no line of a bundle")
            }
        }
    }

    fn unexpected<T>(&mut self, wanted: &str) -> Going<T> {
        let here = self.here();
        self.broken(here, format!("{wanted} was to come here"))
    }

    fn run(&mut self, trust: &Trust) -> Going<Told> {
        let head = self.head(trust)?;
        let tiles = self.tiles(&head.checkpoint)?;
        let mut reading = Reading::new(head.selection);
        self.records(&tiles, head.checkpoint.size, &mut reading)?;
        let texts = self.texts(&reading)?;
        let seal = self.seal()?;
        self.end(reading.records(), texts.all())?;
        reading.judge_keys(&head, &mut self.findings);
        texts.judge(&reading, &mut self.findings);
        let streams = reading.judge_streams(&head, seal.as_ref(), &mut self.findings);
        Ok(Told::new(&head, &reading, &texts, &streams))
    }

    // ---- Head ----

    fn head(&mut self, trust: &Trust) -> Going<Head> {
        let Line::Head(said) = self.next()? else { return self.unexpected("the first line of a bundle") };
        if said.bundle != KIND || said.version != VERSION {
            return self.broken("line 1", "it is no evidence bundle of version 1");
        }
        let Some(selection) = said.selection.read() else {
            return self.broken("line 1", "the selection is none that a bundle can be about");
        };
        let Line::Checkpoint(line) = self.next()? else { return self.unexpected("the checkpoint") };
        let note = line.checkpoint;
        let Some(checkpoint) = body_of(&note) else {
            return self.broken("checkpoint", "it is no checkpoint (C2SP tlog-checkpoint)");
        };
        if checkpoint.origin != said.origin {
            self.findings.add("checkpoint", format!("it is of {}, the bundle of {}", checkpoint.origin, said.origin));
        }
        let signers = self.signers(&note, &checkpoint, trust);
        let Line::Vkeys(vkeys) = self.next()? else { return self.unexpected("the log's verifier keys") };
        let own = self.grown_from(&checkpoint)?;
        let given = self.given(&checkpoint, own.as_ref(), trust);
        Ok(Head { selection, checkpoint, vkeys: vkeys.vkeys, signers, given })
    }

    fn signers(&mut self, note: &str, checkpoint: &Checkpoint, trust: &Trust) -> Vec<String> {
        let mut signers = Vec::new();
        for vkey in &trust.vkeys {
            match Checkpoint::verify(note, vkey) {
                Ok(_) => signers.push(vkey.to_string()),
                Err(NoteError::NotSigned) => {}
                Err(NoteError::BadSignature) => {
                    self.findings.add("checkpoint", format!("the signature by {} is wrong", named(vkey)));
                }
                Err(NoteError::Origin) => {
                    let what = format!("{} signed it, which is not the key of {}", named(vkey), checkpoint.origin);
                    self.findings.add("checkpoint", what);
                }
                Err(_) => self.findings.add("checkpoint", "it is no signed note (C2SP signed-note)"),
            }
        }
        if !trust.vkeys.is_empty() && signers.is_empty() && self.findings.is_empty() {
            self.findings.add("checkpoint", "it is signed by none of the keys that were given");
        }
        signers
    }

    /// The older checkpoint that the bundle itself shows the log to have grown out of.
    fn grown_from(&mut self, now: &Checkpoint) -> Going<Option<Checkpoint>> {
        let line = match self.next()? {
            Line::GrownFrom(line) => line,
            other => {
                self.lines.put_back(other);
                return Ok(None);
            }
        };
        let here = self.here();
        let (Some(old), Some(hashes)) = (body_of(&line.grown_from), lines::hashes(&line.hashes)) else {
            return self.broken(here, "it is no checkpoint with hashes");
        };
        if old.origin != now.origin || !grew(&old, now, &hashes) {
            let what =
                format!("the hashes do not show the log of size {} to begin with that of {}", now.size, old.size);
            self.findings.add(here, what);
            return Ok(None);
        }
        Ok(Some(old))
    }

    /// Holds the checkpoint that was given against the bundle's.
    fn given(&mut self, now: &Checkpoint, own: Option<&Checkpoint>, trust: &Trust) -> Option<u64> {
        let note = trust.checkpoint.as_ref()?;
        let Some(given) = body_of(note) else {
            self.findings.add("the checkpoint given", "it is no checkpoint (C2SP tlog-checkpoint)");
            return None;
        };
        let proof = trust.consistency.as_ref().map(|text| ConsistencyProof::parse(text).ok());
        let what = match proof {
            _ if given.origin != now.origin => format!("it is of another log, {}", given.origin),
            _ if given.size == now.size && given.root == now.root => return Some(given.size),
            _ if given.size == now.size => {
                format!("it has another root at size {} than the bundle's: one of them is of a fork", now.size)
            }
            Some(None) => "the proof given with it is no consistency proof".to_owned(),
            Some(Some(proof)) => match joins(&proof, &given, now) {
                true => return Some(given.size),
                false => format!("the proof given does not join its size {} and the bundle's {}", given.size, now.size),
            },
            None if own.is_some_and(|own| own.size == given.size && own.root == given.root) => {
                return Some(given.size);
            }
            None if own.is_some_and(|own| own.size == given.size) => {
                format!("it has another root at size {} than the bundle's own older checkpoint: a fork", given.size)
            }
            None => format!(
                "nothing shows how its size {} and the bundle's {} belong together: a consistency proof is needed",
                given.size, now.size
            ),
        };
        self.findings.add("the checkpoint given", what);
        None
    }

    // ---- Tree ----

    /// The hashes of all tiles or of wider parts: together they have the signed root.
    fn tiles(&mut self, checkpoint: &Checkpoint) -> Going<Vec<Node>> {
        let size = checkpoint.size;
        if size > i64::MAX as u64 {
            return self.broken("checkpoint", format!("no log is of size {size}"));
        }
        let (mut tiles, mut row) = (Vec::new(), Row::from(1));
        while row.next <= size {
            let Line::Node(line) = self.next()? else {
                return self.unexpected(&format!("a hash over positions from {}", row.next));
            };
            let here = self.here();
            let Some(node) = Node::read(&line) else { return self.broken(here, "it is no hash over positions") };
            if node.first != row.next || !node.is_of_tiles(size) {
                let what = format!("the hash is of {node}, one from position {} on was to come", row.next);
                return self.broken(here, what);
            }
            row.add(&node);
            tiles.push(node);
        }
        if row.root() != checkpoint.root {
            let what = format!("the hashes do not lead to the root of the checkpoint, of size {size}");
            self.findings.add(format!("positions 1 to {size}"), what);
        }
        Ok(tiles)
    }

    fn records(&mut self, tiles: &[Node], size: u64, reading: &mut Reading) -> Going {
        let mut open: Option<Opened> = None;
        let mut next = 1;
        loop {
            let line = self.next()?;
            let (first, last) = match &line {
                Line::Node(NodeLine { covers, .. }) => *covers,
                Line::Record(record) => (record.position, record.position),
                _ => {
                    self.lines.put_back(line);
                    break;
                }
            };
            if first == 0 || first > last || last > size {
                let here = self.here();
                return self.broken(here, format!("there are no positions {first} to {last} in a tree of size {size}"));
            }
            if open.as_ref().is_some_and(|open| first > open.tile.last)
                && let Some(open) = open.take()
            {
                next = next.max(open.tile.last + 1);
                self.close(open);
            }
            let here = self.here();
            let opened = match open.take() {
                Some(opened) => opened,
                None => self.open(tiles, first, next),
            };
            open = Some(self.item(opened, &here, (first, last), &line, reading));
        }
        if let Some(open) = open {
            self.close(open);
        }
        Ok(())
    }

    /// The tile that a position is in: its hash is among those that lead to the root.
    fn open(&mut self, tiles: &[Node], first: u64, next: u64) -> Opened {
        let start = (first - 1) / WIDTH * WIDTH + 1;
        let found = tiles.binary_search_by_key(&start, |node| node.first).ok().map(|at| tiles[at]);
        let tile = found.filter(|node| node.last - node.first < WIDTH);
        let is_whole = tile.is_some() && start >= next;
        let tile = tile.unwrap_or(Node { first: start, last: start + WIDTH - 1, hash: [0; 32] });
        if !is_whole {
            let here = self.here();
            let what = match start < next {
                true => format!("position {first} comes again, or too late"),
                false => format!("the tree has no hash of its own for {tile}"),
            };
            self.findings.add(here, what);
        }
        Opened { tile, row: Row::from(start), is_whole }
    }

    /// One record or hash within a tile. Behind the first fault nothing of the tile is looked at.
    fn item(
        &mut self,
        mut open: Opened,
        here: &str,
        (first, last): (u64, u64),
        line: &Line,
        reading: &mut Reading,
    ) -> Opened {
        if !open.is_whole {
            return open;
        }
        let next = open.row.next;
        if first != next {
            open.is_whole = false;
            let what = match first < next {
                true => format!("position {first} comes again, or too late: position {next} was to come"),
                false => format!("{} missing before it", missing(next, first - 1)),
            };
            self.findings.add(here, what);
            return open;
        }
        let node = match line {
            Line::Record(record) => self.record(record, here, reading),
            Line::Node(line) => Node::read(line).filter(|node| node.is_full() && last <= open.tile.last),
            _ => None,
        };
        match node {
            Some(node) => open.row.add(&node),
            None => {
                open.is_whole = false;
                self.findings.add(here, "it is no record, nor a hash over positions");
            }
        }
        open
    }

    fn record(&mut self, line: &RecordLine, here: &str, reading: &mut Reading) -> Option<Node> {
        let (leaf, record) = (lines::hash(&line.leaf)?, lines::bytes(&line.record)?);
        let position = Position(line.position);
        if leaf_hash(&record) != leaf {
            let what = "the record is not the one that its leaf hash is of";
            self.findings.add(format!("position {position} ({here})"), what);
        } else {
            match codec::decode(&record) {
                Ok((header, event)) if codec::is_canonical(&record, &header, &event, &mut Vec::new()) => {
                    reading.take(position, &header, &event, &mut self.findings);
                }
                _ => self.findings.add(format!("position {position} ({here})"), "the record cannot be read"),
            }
        }
        Some(Node { first: position.0, last: position.0, hash: leaf })
    }

    fn close(&mut self, open: Opened) {
        if !open.is_whole {
            return;
        }
        let (tile, next) = (open.tile, open.row.next);
        if next <= tile.last {
            let what = format!("{} missing: they are in the tree and not here", missing(next, tile.last));
            self.findings.add(tile, what);
        } else if open.row.root() != tile.hash {
            self.findings.add(tile, "the records and hashes here are not those of the tree");
        }
    }

    // ---- Behind the tree ----

    fn texts(&mut self, reading: &Reading) -> Going<Texts> {
        let mut texts = Texts::default();
        loop {
            let line = self.next()?;
            let number = match &line {
                Line::Text(TextLine { text, .. }) => *text,
                Line::Erased(line) => line.text,
                Line::Withheld(line) => line.text,
                _ => {
                    self.lines.put_back(line);
                    return Ok(texts);
                }
            };
            let here = self.here();
            if texts.last.is_some_and(|last| number <= last) {
                self.findings.add(&here, format!("text {number} comes again, or too late"));
            }
            texts.last = Some(number);
            match line {
                Line::Text(line) => {
                    texts.given.push(number);
                    if let Some(what) = reading.fault_of_text(&line) {
                        self.findings.add(format!("text {number} ({here})"), what);
                    }
                }
                Line::Erased(_) => texts.erased.push(number),
                _ => texts.withheld.push(number),
            }
        }
    }

    fn seal(&mut self) -> Going<Option<SealSaid>> {
        let line = match self.next()? {
            Line::Seal(line) => line,
            other => {
                self.lines.put_back(other);
                return Ok(None);
            }
        };
        let mut said = SealSaid { record: Position(line.seal), count: line.entries, entries: Vec::new() };
        loop {
            let entry = match self.next()? {
                Line::Entry(entry) => entry,
                other => {
                    self.lines.put_back(other);
                    return Ok(Some(said));
                }
            };
            let read = (lines::bytes(&entry.key), lines::bytes(&entry.value), lines::hashes(&entry.proof));
            let (Some(key), Some(value), Some(proof)) = read else {
                let here = self.here();
                return self.broken(here, "it is no entry of a seal");
            };
            said.entries.push(MapEntry { index: entry.entry, key, value, proof });
        }
    }

    fn end(&mut self, records: u64, texts: u64) -> Going {
        let Line::End(end) = self.next()? else { return self.unexpected("the last line of a bundle") };
        if (end.records, end.texts) != (records, texts) {
            let here = self.here();
            let what = format!(
                "it says {} records and {} texts, {records} records and {texts} texts are here",
                end.records, end.texts
            );
            self.findings.add(here, what);
        }
        match self.lines.next() {
            Next::End => Ok(()),
            _ => {
                let here = self.here();
                self.broken(here, "something follows the last line of the bundle")
            }
        }
    }
}

/// The checkpoint that a note is of. Nothing is verified.
fn body_of(note: &str) -> Option<Checkpoint> {
    let (body, _) = note.split_once("\n\n")?;
    Checkpoint::parse_body(&format!("{body}\n")).ok()
}

fn grew(old: &Checkpoint, new: &Checkpoint, hashes: &[Hash]) -> bool {
    merkle::verify_consistency(old.size, new.size, hashes, &old.root, &new.root)
}

/// Whether a proof shows the larger of two checkpoints to have grown out of the smaller.
fn joins(proof: &ConsistencyProof, given: &Checkpoint, now: &Checkpoint) -> bool {
    let (old, new) = if given.size < now.size { (given, now) } else { (now, given) };
    proof.old == old.size && body_of(&proof.checkpoint).as_ref() == Some(new) && grew(old, new, &proof.hashes)
}

/// A verifier key's name and id.
pub(super) fn named(vkey: &Vkey) -> String {
    format!("{} ({:08x})", vkey.name(), u32::from_be_bytes(vkey.key_id()))
}

/// Positions, as the subject of "missing".
pub(super) fn missing(first: u64, last: u64) -> String {
    match first == last {
        true => format!("position {first} is"),
        false => format!("positions {first} to {last} are"),
    }
}

/// A hash over positions.
#[derive(Clone, Copy)]
struct Node {
    first: u64,
    last: u64,
    hash: Hash,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "positions {} to {}", self.first, self.last)
    }
}

impl Node {
    fn read(line: &NodeLine) -> Option<Self> {
        let (first, last) = line.covers;
        let hash = lines::hash(&line.hash)?;
        (first > 0 && first <= last).then_some(Self { first, last, hash })
    }

    fn width(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Whether a full subtree can be there.
    fn is_full(&self) -> bool {
        self.width().is_power_of_two() && (self.first - 1).is_multiple_of(self.width())
    }

    /// Whether it is of one tile or a full subtree of tiles, or of the last tile of a tree of this size.
    fn is_of_tiles(&self, size: u64) -> bool {
        let is_last = self.last == size && self.width() < WIDTH && (self.first - 1).is_multiple_of(WIDTH);
        self.last <= size && (is_last || (self.is_full() && self.width() >= WIDTH))
    }
}

/// Hashes side by side from the left, joined wherever two of one width meet.
struct Row {
    /// The position that comes next.
    next: u64,
    /// Widths and hashes, wider ones first; only the last can be of something that is not full.
    peaks: Vec<(u64, Hash)>,
}

impl Row {
    fn from(next: u64) -> Self {
        Self { next, peaks: Vec::new() }
    }

    fn add(&mut self, node: &Node) {
        self.next = node.last + 1;
        self.peaks.push((node.width(), node.hash));
        while let [.., (left_width, left), (width, right)] = self.peaks.as_slice()
            && left_width == width
        {
            let joined = (2 * width, merkle::node_hash(left, right));
            self.peaks.truncate(self.peaks.len() - 2);
            self.peaks.push(joined);
        }
    }

    fn root(&self) -> Hash {
        let mut from_right = self.peaks.iter().rev().map(|(_, hash)| *hash);
        let last = from_right.next().unwrap_or_else(merkle::empty_root);
        from_right.fold(last, |right, left| merkle::node_hash(&left, &right))
    }
}

/// A tile whose records are being read.
struct Opened {
    tile: Node,
    row: Row,
    /// Whether nothing was wrong in it so far.
    is_whole: bool,
}

/// Texts of a bundle.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub given: Vec<u64>,
    pub erased: Vec<u64>,
    pub withheld: Vec<u64>,
    last: Option<u64>,
}

impl Texts {
    fn all(&self) -> u64 {
        (self.given.len() + self.erased.len() + self.withheld.len()) as u64
    }

    /// What records say of them, now that all are read.
    fn judge(&self, reading: &Reading, findings: &mut Findings) {
        for number in &self.erased {
            if reading.erased_at(*number).is_none() {
                findings.add(format!("text {number}"), "it is said to be erased, and no record here says so");
            }
        }
        for number in &self.given {
            if let Some(position) = reading.erased_at(*number) {
                findings.add(
                    format!("text {number}"),
                    format!("it is here, though position {position} says it was erased"),
                );
            }
        }
        let is_named = |number: &u64| {
            [&self.given, &self.erased, &self.withheld].iter().any(|numbers| numbers.binary_search(number).is_ok())
        };
        for (number, position) in reading.wanted_texts() {
            if !is_named(&number) {
                findings.add(
                    format!("text {number}"),
                    format!("position {position} names it, and nothing is said of it here"),
                );
            }
        }
    }
}
