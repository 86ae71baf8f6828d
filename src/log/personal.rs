//! Personal texts: numbers for texts on the way in, texts for numbers on the way out.
//!
//! Texts live in the `personal` table and, for speed, in bounded caches here. Caches are no part of any state and
//! are dropped when something is erased.

use super::data_dir::LogError;
use super::erasures::{Erasing, holds};
use super::reader::StoredText;
use crate::domain::decide::Recorded;
use crate::domain::event::{Event, PersonalDataErased};
use crate::domain::ids::{AccountId, TextNumber, TokenId, UserId};
use crate::domain::text::{KnownText, Subject, TEXT_KINDS, TextKind, Texts, commitment};
use crate::entropy::Entropy;
use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, OptionalExtension, params};
use smol_str::{SmolStr, format_smolstr};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers of texts kept in each generation of the cache.
const NUMBERS_MAX: usize = 100_000;

/// Texts whose numbers follow each other are kept side by side: an account's name and address were taken up together, and
/// are told together.
const RUN_TEXTS: usize = 4;
/// Runs kept in each generation of the cache of texts.
const RUNS_MAX: usize = 50_000;

/// Texts by number, from one that the length of a run divides on.
type Run = [Option<SmolStr>; RUN_TEXTS];

/// A bounded cache of texts in two generations: what was read lately stays, what was not goes with its generation.
#[derive(Default)]
struct TextCache {
    young: HashMap<u64, Run, foldhash::fast::RandomState>,
    old: HashMap<u64, Run, foldhash::fast::RandomState>,
}

impl TextCache {
    fn get(&self, number: TextNumber) -> Option<&SmolStr> {
        let (run, at) = Self::place(number);
        let young = self.young.get(&run).and_then(|run| run[at].as_ref());
        young.or_else(|| self.old.get(&run)?[at].as_ref())
    }

    fn put(&mut self, number: TextNumber, text: SmolStr) {
        if self.young.len() >= RUNS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        let (run, at) = Self::place(number);
        self.young.entry(run).or_default()[at] = Some(text);
    }

    fn place(number: TextNumber) -> (u64, usize) {
        (number.0 / RUN_TEXTS as u64, (number.0 % RUN_TEXTS as u64) as usize)
    }
}

/// Numbers by text, without building a key to look one up.
type ByText = HashMap<Box<str>, TextNumber, foldhash::fast::RandomState>;

/// Bytes of a text that is kept where it is looked for.
const SHORT_BYTES: usize = 22;

/// A text, in place if it is short: with a million tokens the way to a text elsewhere is a wait for memory.
enum Kept {
    Short { len: u8, bytes: [u8; SHORT_BYTES] },
    Long(Box<str>),
}

impl Kept {
    fn of(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(text.into()),
        }
    }

    fn is(&self, text: &str) -> bool {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)) == Some(text.as_bytes()),
            Self::Long(kept) => **kept == *text,
        }
    }
}

/// Numbers of one subject's texts of a kind. Most have one: an account's clients mostly come from one address.
#[derive(Default)]
struct OfKind {
    first: Option<(Kept, TextNumber)>,
    others: Option<Box<ByText>>,
}

impl OfKind {
    fn get(&self, text: &str) -> Option<TextNumber> {
        match &self.first {
            Some((kept, number)) if kept.is(text) => Some(*number),
            _ => self.others.as_ref()?.get(text).copied(),
        }
    }

    /// True: it was not there yet.
    fn put(&mut self, text: &str, number: TextNumber) -> bool {
        match &mut self.first {
            Some((kept, known)) if kept.is(text) => {
                *known = number;
                false
            }
            Some(_) => self.others.get_or_insert_default().insert(text.into(), number).is_none(),
            first @ None => {
                *first = Some((Kept::of(text), number));
                true
            }
        }
    }
}

/// A text that is to become durable with the records of its batch.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonalRow {
    /// Its number.
    pub number: TextNumber,
    /// Whose.
    pub subject: Subject,
    /// What kind.
    pub kind: TextKind,
    /// The token it came with.
    pub token: TokenId,
    /// Its salt.
    pub salt: [u8; 32],
    /// The text.
    pub text: Box<str>,
}

impl std::fmt::Debug for PersonalRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PersonalRow({})", self.number)
    }
}

/// The writer's side: numbers of texts.
#[derive(Debug)]
pub struct TextNumbers {
    cache: NumberCache,
    pending: Vec<PersonalRow>,
    /// Texts that go with the batch: not to be found any more, though their rows are still there.
    erasing: Vec<Erasing>,
    entropy: Entropy,
}

struct NumberCache {
    young: HashMap<(Subject, TextKind), OfKind, foldhash::fast::RandomState>,
    old: HashMap<(Subject, TextKind), OfKind, foldhash::fast::RandomState>,
    young_len: usize,
}

impl std::fmt::Debug for NumberCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NumberCache({})", self.young_len)
    }
}

impl NumberCache {
    fn new() -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), young_len: 0 }
    }

    fn get(&self, key: (Subject, TextKind), text: &str) -> Option<TextNumber> {
        self.young.get(&key)?.get(text)
    }

    fn take_old(&mut self, key: (Subject, TextKind), text: &str) -> Option<TextNumber> {
        let number = self.old.get(&key)?.get(text)?;
        self.put(key, text, number);
        Some(number)
    }

    fn put(&mut self, key: (Subject, TextKind), text: &str, number: TextNumber) {
        if self.young_len >= NUMBERS_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_len = 0;
        }
        if self.young.entry(key).or_default().put(text, number) {
            self.young_len += 1;
        }
    }
}

impl TextNumbers {
    /// With nothing cached.
    pub fn new(entropy: Entropy) -> Self {
        Self { cache: NumberCache::new(), pending: Vec::new(), erasing: Vec::new(), entropy }
    }

    /// For one batch of decisions, over the connection that the batch will be written with.
    pub fn lookup<'a>(&'a mut self, connection: &'a Connection) -> TextLookup<'a> {
        TextLookup { numbers: self, connection, failure: None }
    }

    /// Looks a cached number up, so that it is near when it is asked for. What it gives means nothing.
    pub fn touch(&self, subject: Subject, kind: TextKind, text: &str) -> u64 {
        self.cache.get((subject, kind), text).map_or(0, |number| number.0)
    }

    /// Texts to be written with the batch's records.
    pub fn pending(&self) -> &[PersonalRow] {
        &self.pending
    }

    fn is_erasing(&self, number: TextNumber) -> bool {
        self.erasing.iter().any(|text| text.number == number)
    }

    /// Texts to be taken from the table with the batch's records.
    pub fn erasing(&self) -> &[Erasing] {
        &self.erasing
    }

    /// Record number `record` of the batch erases texts: from here on none of them is found. One that is not in the
    /// table yet never gets there.
    pub fn erase(&mut self, erased: &PersonalDataErased, record: usize) {
        let numbers = erased.texts.iter().flat_map(|&(first, last)| (first.0..=last.0).map(TextNumber));
        let taken_up = |number| {
            let row = self.pending.iter().find(|row| row.number == number);
            row.map(|row| commitment(&row.salt, &row.text))
        };
        self.erasing.extend(numbers.map(|number| Erasing { number, record, taken_up: taken_up(number) }));
        self.pending.retain(|row| !holds(&erased.texts, row.number));
        self.cache = NumberCache::new();
    }

    /// These events will not be appended: their new texts are not taken up after all.
    pub fn unsee(&mut self, events: &[Recorded]) {
        let unseen = |number| {
            let is_it = |recorded: &Recorded| matches!(&recorded.event, Event::TextSeen(seen) if seen.number == number);
            events.iter().any(is_it)
        };
        self.pending.retain(|row| !unseen(row.number));
        self.cache = NumberCache::new();
    }

    /// The batch is durable: its texts are in the table.
    pub fn keep(&mut self) {
        self.pending.clear();
        self.erasing.clear();
    }

    /// The batch was rolled back: nothing cached can be relied on.
    pub fn forget(&mut self) {
        self.pending.clear();
        self.erasing.clear();
        self.cache = NumberCache::new();
    }
}

/// [`Texts`] over cache and table.
pub struct TextLookup<'a> {
    numbers: &'a mut TextNumbers,
    connection: &'a Connection,
    failure: Option<rusqlite::Error>,
}

impl TextLookup<'_> {
    /// An error of the table met on the way. What was decided with it must not be appended.
    pub fn take_failure(&mut self) -> Option<rusqlite::Error> {
        self.failure.take()
    }

    fn find_in_table(&mut self, subject: Subject, kind: TextKind, text: &str) -> Option<TextNumber> {
        match find(self.connection, subject, kind, text) {
            Ok(number) => number.filter(|&number| !self.numbers.is_erasing(number)),
            Err(error) => {
                self.failure = Some(error);
                None
            }
        }
    }
}

const FIND: &str = "SELECT number FROM personal WHERE subject_kind = ?1 AND subject = ?2 AND kind = ?3 AND text = ?4";

fn find(connection: &Connection, subject: Subject, kind: TextKind, text: &str) -> rusqlite::Result<Option<TextNumber>> {
    let (subject_kind, subject) = subject_columns(subject);
    let mut statement = connection.prepare_cached(FIND)?;
    let number =
        statement.query_row(params![subject_kind, subject, kind_column(kind), text], |row| row.get::<_, i64>(0));
    Ok(number.optional()?.and_then(|number| u64::try_from(number).ok()).map(TextNumber))
}

impl Texts for TextLookup<'_> {
    fn find(&mut self, subject: Subject, kind: TextKind, text: &str) -> Option<TextNumber> {
        let key = (subject, kind);
        if let Some(number) = self.numbers.cache.get(key, text) {
            return Some(number);
        }
        if let Some(number) = self.numbers.cache.take_old(key, text) {
            return Some(number);
        }
        let is_it = |row: &&PersonalRow| row.subject == subject && row.kind == kind && &*row.text == text;
        let pending = self.numbers.pending.iter().find(is_it).map(|row| row.number);
        let number = pending.or_else(|| self.find_in_table(subject, kind, text))?;
        self.numbers.cache.put(key, text, number);
        Some(number)
    }

    fn take(&mut self, known: KnownText, subject: Subject, text: &str) -> [u8; 32] {
        let KnownText { number, kind, token } = known;
        let salt = self.numbers.entropy.bytes_32();
        self.numbers.cache.put((subject, kind), text, number);
        self.numbers.pending.push(PersonalRow { number, subject, kind, token, salt, text: text.into() });
        commitment(&salt, text)
    }

    fn of(&mut self, subject: Subject) -> Vec<KnownText> {
        let kept = match known_texts(self.connection, subject) {
            Ok(texts) => texts,
            Err(error) => {
                self.failure = Some(error);
                Vec::new()
            }
        };
        let erasing: HashSet<TextNumber> = self.numbers.erasing.iter().map(|text| text.number).collect();
        let pending = self.numbers.pending.iter().filter(|row| row.subject == subject);
        let pending = pending.map(|row| KnownText { number: row.number, kind: row.kind, token: row.token });
        kept.into_iter().filter(|text| !erasing.contains(&text.number)).chain(pending).collect()
    }
}

/// Writes the texts of a batch into its transaction.
pub(super) fn insert(connection: &Connection, rows: &[PersonalRow]) -> rusqlite::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO personal (number, subject_kind, subject, kind, token, salt, text)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for row in rows {
        let (subject_kind, subject) = subject_columns(row.subject);
        let number = i64::try_from(row.number.0).unwrap_or(i64::MAX);
        let token = i64::try_from(row.token.0).unwrap_or(i64::MAX);
        let (kind, salt) = (kind_column(row.kind), &row.salt[..]);
        statement.execute(params![number, subject_kind, subject, kind, token, salt, &*row.text])?;
    }
    Ok(())
}

fn subject_columns(subject: Subject) -> (i64, i64) {
    let number = |id: u64| i64::try_from(id).unwrap_or(i64::MAX);
    match subject {
        Subject::Service => (0, 0),
        Subject::Account(account) => (1, number(account.0)),
        Subject::User(user) => (2, number(user.0)),
    }
}

/// The subject that two columns say.
pub(super) fn subject_of(kind: i64, number: i64) -> Option<Subject> {
    let number = u64::try_from(number).ok()?;
    match kind {
        0 => Some(Subject::Service),
        1 => Some(Subject::Account(AccountId(number))),
        2 => Some(Subject::User(UserId(number))),
        _ => None,
    }
}

fn known_texts(connection: &Connection, subject: Subject) -> rusqlite::Result<Vec<KnownText>> {
    let (subject_kind, subject) = subject_columns(subject);
    let mut statement = connection
        .prepare_cached("SELECT number, kind, token FROM personal WHERE subject_kind = ?1 AND subject = ?2")?;
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let mut rows = statement.query([subject_kind, subject])?;
    let mut texts = Vec::new();
    while let Some(row) = rows.next()? {
        let kind = usize::try_from(row.get::<_, i64>(1)?).ok().and_then(|at| TEXT_KINDS.get(at).copied());
        let number = TextNumber(unsigned(row.get(0)?));
        texts.extend(kind.map(|kind| Ok(KnownText { number, kind, token: TokenId(unsigned(row.get(2)?)) })));
    }
    texts.into_iter().collect()
}

/// The row of a text, as it is stored.
pub(super) fn row(connection: &Connection, number: TextNumber) -> rusqlite::Result<Option<StoredText>> {
    let Ok(number) = i64::try_from(number.0) else { return Ok(None) };
    let mut statement = connection
        .prepare_cached("SELECT subject_kind, subject, kind, token, salt, text FROM personal WHERE number = ?1")?;
    let found = statement.query_row([number], |row| {
        Ok(StoredText {
            subject_kind: row.get(0)?,
            subject: row.get(1)?,
            kind: row.get(2)?,
            token: row.get(3)?,
            salt: row.get_ref(4)?.as_bytes()?.to_vec(),
            text: row.get_ref(5)?.as_bytes()?.to_vec(),
        })
    });
    found.optional()
}

/// Numbers of a text of a kind, of whomever. The table has no index by text alone: from each subject it is found by
/// the one that has it, and the next subject after that.
pub(super) fn numbers_of(connection: &Connection, kind: TextKind, text: &str) -> rusqlite::Result<Vec<TextNumber>> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE subjects (subject_kind, subject) AS (
             SELECT * FROM (SELECT subject_kind, subject FROM personal ORDER BY subject_kind, subject LIMIT 1)
             UNION ALL
             SELECT next.subject_kind, next.subject FROM subjects AS last JOIN personal AS next
             ON next.number = (SELECT number FROM personal AS later
                 WHERE (later.subject_kind, later.subject) > (last.subject_kind, last.subject)
                 ORDER BY later.subject_kind, later.subject LIMIT 1)
         )
         SELECT number FROM subjects JOIN personal USING (subject_kind, subject) WHERE kind = ?1 AND text = ?2
         ORDER BY number",
    )?;
    let numbers = statement.query_map(params![kind_column(kind), text], |row| row.get::<_, i64>(0))?;
    let numbers: Vec<i64> = numbers.collect::<Result<_, _>>()?;
    Ok(numbers.into_iter().map(|number| TextNumber(u64::try_from(number).unwrap_or(0))).collect())
}

fn kind_column(kind: TextKind) -> i64 {
    TEXT_KINDS.iter().position(|&other| other == kind).and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)
}

/// The reading side: texts by number. Shared by all readers of a process.
pub struct TextReader {
    connection: Mutex<Connection>,
    cache: RwLock<TextCache>,
    /// Counts what was forgotten, so that a text read before an erasure is not kept after it.
    forgotten: AtomicU64,
    /// Whether it tells numbers in place of texts.
    tells_numbers: bool,
}

impl std::fmt::Debug for TextReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TextReader")
    }
}

impl TextReader {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: Mutex::new(connection),
            cache: RwLock::default(),
            forgotten: AtomicU64::new(0),
            tells_numbers: false,
        }
    }

    /// One that tells each text as its number, `#17`: for what is to hold no text itself.
    pub fn of_numbers() -> Result<Self, LogError> {
        Ok(Self { tells_numbers: true, ..Self::without_texts()? })
    }

    /// One that knows no text: of read models whose ledger is not there.
    pub fn without_texts() -> Result<Self, LogError> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch("CREATE TABLE personal (number INTEGER PRIMARY KEY, text TEXT)")?;
        Ok(Self::new(connection))
    }

    /// The text with this number; none if there is no such number or it was erased.
    pub fn text(&self, number: TextNumber) -> Result<Option<SmolStr>, LogError> {
        if number.is_none() {
            return Ok(None);
        }
        if self.tells_numbers {
            return Ok(Some(format_smolstr!("#{number}")));
        }
        if let Some(text) = self.cache.read().get(number) {
            return Ok(Some(text.clone()));
        }
        let forgotten = self.forgotten.load(Ordering::Acquire);
        let text = self.read(number)?;
        if let Some(text) = &text {
            let mut cache = self.cache.write();
            if self.forgotten.load(Ordering::Acquire) == forgotten {
                cache.put(number, text.clone());
            }
        }
        Ok(text)
    }

    /// The number of a text; none if it was never seen, or was erased.
    pub fn find(&self, subject: Subject, kind: TextKind, text: &str) -> Result<Option<TextNumber>, LogError> {
        Ok(find(&self.connection.lock(), subject, kind, text)?)
    }

    /// Reads a little of those of these texts that are cached, so that they are near when they are asked for one by
    /// one: read together, the processor waits for many at once. What it gives means nothing.
    pub fn touch(&self, numbers: impl Iterator<Item = TextNumber>) -> usize {
        let cache = self.cache.read();
        let cached = numbers.filter_map(|number| cache.get(number));
        cached.fold(0, |seen, text| seen ^ usize::from(text.as_bytes().first().copied().unwrap_or(0)))
    }

    /// Drops everything cached, after an erasure.
    pub fn forget(&self) {
        let mut cache = self.cache.write();
        self.forgotten.fetch_add(1, Ordering::Release);
        *cache = TextCache::default();
    }

    fn read(&self, number: TextNumber) -> Result<Option<SmolStr>, LogError> {
        let Ok(number) = i64::try_from(number.0) else { return Ok(None) };
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached("SELECT text FROM personal WHERE number = ?1")?;
        let text = statement.query_row([number], |row| Ok(row.get_ref(0)?.as_str()?.into())).optional()?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_short_and_long_texts_are_found_and_replaced() {
        let long = "x".repeat(SHORT_BYTES + 1);
        let texts = ["", "192.0.2.1", "192.0.2.10", &"y".repeat(SHORT_BYTES), &long];
        for first in 0..texts.len() {
            let mut of_kind = OfKind::default();
            for (at, text) in texts.iter().cycle().skip(first).take(texts.len()).enumerate() {
                assert_eq!(of_kind.get(text), None);
                assert!(of_kind.put(text, TextNumber(1 + at as u64)));
                assert!(!of_kind.put(text, TextNumber(10 + at as u64)));
                assert_eq!(of_kind.get(text), Some(TextNumber(10 + at as u64)));
            }
            assert_eq!(of_kind.get("192.0.2"), None);
        }
    }
}
