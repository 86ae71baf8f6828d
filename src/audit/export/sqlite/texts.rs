//! Texts: read when a row first says their number, so that a part of the log brings only those it needs.

use super::{int, some};
use crate::domain::access::{GroupNumber, ScopeGroup};
use crate::domain::event::{PersonalDataErased, TextSeen};
use crate::domain::ids::{AccountId, Position, TextNumber};
use crate::domain::text::Subject;
use crate::log::LogError;
use crate::log::personal::TextReader;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, params};
use std::collections::HashSet;

/// Numbers that are known to be in the file, at most; past it they are looked up there again.
const KNOWN_MAX: usize = 100_000;

/// The texts of a file that is written.
pub(super) struct Texts<'a> {
    connection: &'a Connection,
    reader: &'a TextReader,
    known: HashSet<TextNumber>,
    /// Names that are known to be among those that can be asked about.
    named: HashSet<(AccountId, GroupNumber, TextNumber)>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(connection: &'a Connection, reader: &'a TextReader) -> Self {
        Self { connection, reader, known: HashSet::new(), named: HashSet::new() }
    }

    /// The number as a cell, with its text in the file; null for none.
    pub(super) fn cell(&mut self, number: TextNumber) -> Result<Option<i64>, LogError> {
        if !number.is_none() && !self.known.contains(&number) {
            let text = self.reader.text(number)?;
            let mut statement =
                self.connection.prepare_cached("INSERT OR IGNORE INTO texts (text_number, text) VALUES (?1, ?2)")?;
            statement.execute(params![int(number.0), text.as_deref()])?;
            self.note(number);
        }
        Ok(some(number.0))
    }

    /// A name that can be asked about, in a group that names can be asked of.
    pub(super) fn name(&mut self, account: AccountId, group: &ScopeGroup, name: TextNumber) -> Result<(), LogError> {
        self.cell(name)?;
        let key = (account, group.number, name);
        if name.is_none() || account.is_none() || !group.restrictable || self.named.contains(&key) {
            return Ok(());
        }
        if self.named.len() >= KNOWN_MAX {
            self.named.clear();
        }
        self.named.insert(key);
        let mut statement = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO scope_names (account_id, scope_group, name_text) VALUES (?1, ?2, ?3)",
        )?;
        statement.execute(params![int(account.0), group.name, int(name.0)])?;
        Ok(())
    }

    fn note(&mut self, number: TextNumber) {
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(number);
    }

    /// What its record says of it.
    pub(super) fn seen(&mut self, position: Position, seen: &TextSeen) -> Result<(), LogError> {
        let (subject, id) = match seen.subject {
            Subject::Service => ("service", None),
            Subject::Account(account) => ("account", some(account.0)),
            Subject::User(user) => ("user", some(user.0)),
        };
        let text = self.reader.text(seen.number)?;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO texts (text_number, kind, subject, subject_id, commitment, seen_position, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (text_number) DO UPDATE SET kind = excluded.kind, subject = excluded.subject,
                 subject_id = excluded.subject_id, commitment = excluded.commitment, seen_position = excluded.seen_position",
        )?;
        let commitment = STANDARD.encode(seen.commitment);
        let kind = seen.kind.name();
        statement.execute(params![
            int(seen.number.0),
            kind,
            subject,
            id,
            commitment,
            int(position.0),
            text.as_deref()
        ])?;
        self.note(seen.number);
        Ok(())
    }

    /// They go from this file too.
    pub(super) fn erased(&self, erased: &PersonalDataErased) -> Result<(), LogError> {
        erase(self.connection, &erased.texts).map(|_| ())
    }
}

/// Takes texts out of a file, and says whether any were in it.
pub(super) fn erase(connection: &Connection, texts: &[(TextNumber, TextNumber)]) -> Result<bool, LogError> {
    let mut statement = connection
        .prepare_cached("UPDATE texts SET text = NULL WHERE text_number BETWEEN ?1 AND ?2 AND text IS NOT NULL")?;
    let mut has_erased = false;
    for (first, last) in texts {
        has_erased |= statement.execute([int(first.0), int(last.0)])? > 0;
    }
    Ok(has_erased)
}
