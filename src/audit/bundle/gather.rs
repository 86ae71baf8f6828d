//! Which records go into a bundle: those that are asked for, their neighbours in time, and what it takes to read them.

use super::Selection;
use crate::audit::archive::Archive;
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position, TextNumber};
use crate::domain::mentioned_texts::mentioned_texts;
use crate::log::LogError;
use crate::projections::keys::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Every record that goes in.
    pub positions: BTreeSet<Position>,
    /// Those that were asked for.
    pub selected: u64,
    /// Texts that those and their neighbours mention, and whether a record says they are erased.
    pub texts: BTreeMap<TextNumber, bool>,
    /// The log's verifier keys, oldest first.
    pub vkeys: Vec<String>,
}

/// Gathers all of a selection, up to and with a position.
pub(super) fn gather(archive: &Archive, selection: &Selection, size: Position) -> Result<Gathered, LogError> {
    let mut gathered = Gathered::default();
    match (selection.token, selection.account) {
        (Some(_), _) => gathered.token(archive, selection, size)?,
        (None, account) => gathered.account(archive, account.unwrap_or_default(), selection, size)?,
    }
    gathered.history_of_keys(archive, size)?;
    gathered.erasures(archive, size)?;
    gathered.commitments(archive, size)?;
    Ok(gathered)
}

impl Gathered {
    fn take(&mut self, selection: &Selection, (position, header, event): (Position, &Header, &Event)) {
        self.selected += u64::from(selection.holds(header.recorded_at));
        self.take_border(position, event);
    }

    fn take_border(&mut self, position: Position, event: &Event) {
        self.positions.insert(position);
        self.texts.extend(mentioned_texts(event).into_iter().map(|text| (text, false)));
    }

    /// A token's streams end and begin apart, so all of them are gone through. Of each its last record before the time
    /// asked for goes in, and its first after.
    fn token(&mut self, archive: &Archive, selection: &Selection, size: Position) -> Result<(), LogError> {
        let token = selection.token.unwrap_or_default();
        let keys = [Key::TokenChanges(token), Key::TokenTraffic(token)];
        let mut before: BTreeMap<AccountId, (Position, Event)> = BTreeMap::new();
        let mut ended = BTreeSet::new();
        archive.visit(&keys, (Position::NONE, size), &mut |position, header, event| {
            if selection.place(header).is_none() {
                return ControlFlow::Continue(());
            }
            if selection.is_before(header.recorded_at) {
                before.insert(header.account, (position, event.clone()));
            } else if selection.holds(header.recorded_at) {
                self.take(selection, (position, header, event));
            } else if ended.insert(header.account) {
                self.take_border(position, event);
            }
            ControlFlow::Continue(())
        })?;
        before.values().for_each(|(position, event)| self.take_border(*position, event));
        Ok(())
    }

    /// An account has one stream: only the part asked for is gone through.
    fn account(
        &mut self,
        archive: &Archive,
        account: AccountId,
        selection: &Selection,
        size: Position,
    ) -> Result<(), LogError> {
        if account.is_none() {
            return Ok(());
        }
        let keys = [Key::AccountChanges(account), Key::AccountTraffic(account)];
        let (after, through) = archive.range(selection.from, selection.to)?;
        let (after, through) = (after.min(size), through.min(size));
        let before = archive.last(&keys, (Position::NONE, after), &mut |_, _| true)?;
        before.iter().for_each(|(position, _, event)| self.take_border(*position, event));
        archive.visit(&keys, (after, through), &mut |position, header, event| {
            self.take(selection, (position, header, event));
            ControlFlow::Continue(())
        })?;
        archive.visit(&keys, (through, size), &mut |position, _, event| {
            self.take_border(position, event);
            ControlFlow::Break(())
        })
    }

    /// What the log is called and signed with, and what groups and maps the numbers in records mean.
    fn history_of_keys(&mut self, archive: &Archive, size: Position) -> Result<(), LogError> {
        archive.visit(&[Key::Service], (Position::NONE, size), &mut |position, _, event| {
            match event {
                Event::LedgerInitialized(begun) => self.vkeys.push(begun.log_vkey.clone()),
                Event::LogContinued(continued) => self.vkeys.push(continued.log_vkey.clone()),
                Event::LogKeyRotated(rotated) => self.vkeys.push(rotated.log_vkey.clone()),
                Event::ScopeGroupDefined(_) | Event::ScopeMapDefined(_) => {}
                _ => return ControlFlow::Continue(()),
            }
            self.positions.insert(position);
            ControlFlow::Continue(())
        })
    }

    /// The records that say of a text that it is erased.
    fn erasures(&mut self, archive: &Archive, size: Position) -> Result<(), LogError> {
        archive.visit(&[Key::of_type("PersonalDataErased")], (Position::NONE, size), &mut |position, _, event| {
            let Event::PersonalDataErased(erased) = event else { return ControlFlow::Continue(()) };
            for (first, last) in &erased.texts {
                for (_, is_erased) in self.texts.range_mut(*first..=*last.max(first)) {
                    *is_erased = true;
                    self.positions.insert(position);
                }
            }
            ControlFlow::Continue(())
        })
    }

    /// The records that commit to the texts. They are numbered in the order of the log.
    fn commitments(&mut self, archive: &Archive, size: Position) -> Result<(), LogError> {
        let Some((&last, _)) = self.texts.last_key_value() else { return Ok(()) };
        archive.visit(&[Key::of_type("TextSeen")], (Position::NONE, size), &mut |position, _, event| {
            let Event::TextSeen(seen) = event else { return ControlFlow::Continue(()) };
            if self.texts.contains_key(&seen.number) {
                self.positions.insert(position);
            }
            if seen.number >= last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }
}
