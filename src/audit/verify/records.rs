//! Contents: every record decodes and is written in its one form, time and stream numbers run on, and texts match what was
//! committed to. What was decoded is handed on to the replay.

use super::checkpoints::Names;
use super::replay::Feed;
use super::{Findings, Kind, Scope, readable};
use crate::domain::event::{Event, Header, TextSeen};
use crate::domain::ids::{AccountId, Position, TextNumber, TokenId};
use crate::domain::text::{Subject, TEXT_KINDS};
use crate::domain::time::Timestamp;
use crate::log::reader::{LogReader, StoredText};
use crate::log::{DataDir, LogError, codec};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

type Numbers<K> = HashMap<K, u64, foldhash::fast::RandomState>;

/// What this thread brings back.
#[derive(Default)]
pub(super) struct Checked {
    pub texts: u64,
    pub texts_erased: u64,
}

pub(super) fn check(
    dir: &DataDir,
    scope: &Scope,
    feed: Feed,
    reached: &AtomicU64,
) -> Result<(Checked, Findings), LogError> {
    let log = LogReader::open(dir)?;
    feed.wait();
    let mut check = RecordsCheck::new(&log, scope, feed);
    let mut failure = None;
    let scanned = log.scan(Position(0), scope.head, |position, record| {
        reached.store(position.0.saturating_sub(1), Ordering::Relaxed);
        match check.take(position, record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(error) = failure {
        return Err(error);
    }
    // That the file cannot be read to its end is said by the thread of the tree, which reads the same rows.
    if readable(scanned)?.is_ok() {
        check.find_orphans(check.last_text, scope.last_text)?;
        check.find_missing(scope.head)?;
    }
    check.names.check(scope.head, &mut check.findings);
    reached.store(scope.head.0, Ordering::Relaxed);
    Ok((check.checked, check.findings))
}

struct RecordsCheck<'a> {
    log: &'a LogReader,
    feed: Feed,
    last_recorded_at: Timestamp,
    last_text: TextNumber,
    /// Texts that were seen and have no row, until a record says that they were erased.
    missing: BTreeMap<TextNumber, Position>,
    accounts: Numbers<AccountId>,
    tokens: Numbers<(TokenId, AccountId)>,
    names: Names<'a>,
    scratch: Vec<u8>,
    checked: Checked,
    findings: Findings,
}

impl<'a> RecordsCheck<'a> {
    fn new(log: &'a LogReader, scope: &'a Scope, feed: Feed) -> Self {
        Self {
            log,
            feed,
            last_recorded_at: Timestamp(0),
            last_text: TextNumber::NONE,
            missing: BTreeMap::new(),
            accounts: Numbers::default(),
            tokens: Numbers::default(),
            names: Names::new(&scope.checkpoints),
            scratch: Vec::new(),
            checked: Checked::default(),
            findings: Findings::default(),
        }
    }

    fn take(&mut self, position: Position, record: &[u8]) -> Result<(), LogError> {
        let bytes = record.len();
        let decoded = match codec::decode(record) {
            Ok((header, event)) => {
                self.take_event(position, record, &header, &event)?;
                Some((header, event))
            }
            Err(error) => {
                self.findings.add(position, Kind::Record, error.to_string());
                None
            }
        };
        self.feed.give((position, decoded), bytes);
        Ok(())
    }

    fn take_event(
        &mut self,
        position: Position,
        record: &[u8],
        header: &Header,
        event: &Event,
    ) -> Result<(), LogError> {
        if !codec::is_canonical(record, header, event, &mut self.scratch) {
            self.findings.add(position, Kind::Record, "the record is not written in its one canonical form");
        }
        if (position == Position(1)) != matches!(event, Event::LedgerInitialized(_)) {
            let what = match event {
                Event::LedgerInitialized(_) => "the log begins a second time".to_owned(),
                _ => format!("the log begins with {}, it must begin with LedgerInitialized", event.type_name()),
            };
            self.findings.add(position, Kind::Record, what);
        }
        self.names.take(position, header, event, &mut self.findings);
        self.check_time(position, header);
        self.check_streams(position, header);
        match event {
            Event::TextSeen(seen) => self.check_text(position, header, seen)?,
            Event::PersonalDataErased(erased) => self.check_erased(position, &erased.texts)?,
            _ => {}
        }
        Ok(())
    }

    fn check_time(&mut self, position: Position, header: &Header) {
        let at = header.recorded_at;
        if at < self.last_recorded_at {
            let (at, before) = (at.to_micros_text(), self.last_recorded_at.to_micros_text());
            self.findings.add(position, Kind::Time, format!("recorded at {at}, the record before it at {before}"));
        }
        self.last_recorded_at = at;
    }

    fn check_streams(&mut self, position: Position, header: &Header) {
        let Header { account, account_number, token, token_number, .. } = *header;
        if let Some(expected) = next_number(&mut self.accounts, account.is_none(), account, account_number) {
            let what = format!("number {account_number} of account {account}, expected {expected}");
            self.findings.add(position, Kind::Stream, what);
        }
        let stream = (token, account);
        if let Some(expected) = next_number(&mut self.tokens, token.is_none(), stream, token_number) {
            let what = format!("number {token_number} of token {token} in account {account}, expected {expected}");
            self.findings.add(position, Kind::Stream, what);
        }
    }

    fn check_text(&mut self, position: Position, header: &Header, seen: &TextSeen) -> Result<(), LogError> {
        let expected = TextNumber(self.last_text.0.saturating_add(1));
        if seen.number != expected {
            let what = format!("text {} is seen, text {expected} comes next", seen.number);
            self.findings.add(position, Kind::Text, what);
            self.find_orphans(self.last_text, TextNumber(seen.number.0.saturating_sub(1)))?;
        }
        self.last_text = self.last_text.max(seen.number);
        let number = seen.number;
        match readable(self.log.text_row(number))? {
            Ok(None) => drop(self.missing.insert(number, position)),
            Ok(Some(row)) => {
                self.checked.texts += 1;
                if let Some(what) = text_fault(&row, header, seen) {
                    self.findings.add(position, Kind::Text, format!("text {number}: {what}"));
                }
            }
            Err(reason) => self.findings.add(position, Kind::Text, format!("text {number} cannot be read: {reason}")),
        }
        Ok(())
    }

    /// What a record says to be erased has no row.
    fn check_erased(&mut self, position: Position, texts: &[(TextNumber, TextNumber)]) -> Result<(), LogError> {
        for &(first, last) in texts {
            self.excuse(first, last);
            match readable(self.log.text_numbers(TextNumber(first.0.saturating_sub(1)), last))? {
                Ok(present) => {
                    for number in present {
                        let what = format!("text {number} is erased by this record, and has a row all the same");
                        self.findings.add(position, Kind::Text, what);
                    }
                }
                Err(reason) => self.findings.add(position, Kind::Text, format!("the texts cannot be listed: {reason}")),
            }
        }
        Ok(())
    }

    /// These texts are rightly missing.
    fn excuse(&mut self, first: TextNumber, last: TextNumber) {
        let excused = self.missing.extract_if(first..=last, |_, _| true).count();
        self.checked.texts_erased += excused as u64;
    }

    /// Texts that are missing, though no record says that they were erased. A server may have erased some meanwhile:
    /// the records after the head that this check goes to are asked too.
    fn find_missing(&mut self, head: Position) -> Result<(), LogError> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let mut since = Vec::new();
        let scanned = self.log.scan(head, self.log.head()?, |_, record| {
            if let Ok((_, Event::PersonalDataErased(erased))) = codec::decode(record) {
                since.extend(erased.texts);
            }
            ControlFlow::Continue(())
        });
        // Damage past the head is for a later check to find.
        let _ = readable(scanned)?;
        for (first, last) in since {
            self.excuse(first, last);
        }
        for (number, position) in &self.missing {
            let what = format!("text {number} has no row, and no record says that it was erased");
            self.findings.add(*position, Kind::Text, what);
        }
        Ok(())
    }

    /// Rows of texts that no record has seen.
    fn find_orphans(&mut self, after: TextNumber, through: TextNumber) -> Result<(), LogError> {
        let mut last = after;
        while last < through {
            let numbers = match readable(self.log.text_numbers(last, through))? {
                Ok(numbers) => numbers,
                Err(reason) => {
                    self.findings.add(None, Kind::Text, format!("the texts cannot be listed: {reason}"));
                    return Ok(());
                }
            };
            let Some(&end) = numbers.last() else { return Ok(()) };
            last = end;
            for number in numbers {
                self.findings.add(None, Kind::Text, format!("text {number} has a row, but no record has seen it"));
            }
        }
        Ok(())
    }
}

/// Takes in a stream's next number; gives the one that was expected if it is another. After a gap it goes on from
/// there, so that one gap is one finding.
fn next_number<K: std::hash::Hash + Eq>(
    numbers: &mut Numbers<K>,
    no_stream: bool,
    stream: K,
    found: u64,
) -> Option<u64> {
    if no_stream {
        return (found != 0).then_some(0);
    }
    let last = numbers.entry(stream).or_insert(0);
    let expected = last.saturating_add(1);
    *last = found;
    (found != expected).then_some(expected)
}

/// What a text's row says otherwise than its record.
fn text_fault(row: &StoredText, header: &Header, seen: &TextSeen) -> Option<&'static str> {
    let commitment: [u8; 32] = Sha256::new().chain_update(&row.salt).chain_update(&row.text).finalize().into();
    if row.salt.len() != 32 || commitment != seen.commitment {
        return Some("salt and text are not those that the record commits to");
    }
    let (subject_kind, subject) = match seen.subject {
        Subject::Service => (0, 0),
        Subject::Account(account) => (1, account.0),
        Subject::User(user) => (2, user.0),
    };
    let kind = TEXT_KINDS.iter().position(|&kind| kind == seen.kind);
    let same_subject = row.subject_kind == subject_kind && u64::try_from(row.subject) == Ok(subject);
    let same_kind = usize::try_from(row.kind).ok() == kind;
    let same_token = u64::try_from(row.token) == Ok(seen.kind.brought_by(header).0);
    (!(same_subject && same_kind && same_token))
        .then_some("the row says another subject, kind or token than the record")
}
