//! One pass over the records: the state they give, and the rows they make.

use super::holdings::Holdings;
use super::quota::Quota;
use super::rows::{Change, principal_cells};
use super::texts::Texts;
use super::traffic::Row;
use super::{int, some};
use crate::audit::archive::Archive;
use crate::audit::biography::{Biography, whose};
use crate::audit::describe::Words;
use crate::audit::export::selection::Picked;
use crate::audit::export::{ExportError, Selection, canonical};
use crate::audit::past::{self, Moment};
use crate::domain::directory::ResourceFacts;
use crate::domain::event::{Event, Header};
use crate::domain::ids::{Position, TextNumber, TokenId, UserId};
use crate::domain::state::{State, by_of};
use crate::domain::time::Timestamp;
use crate::domain::token::Owner;
use crate::log::LogError;
use crate::log::merkle::leaf_hash;
use crate::log::personal::TextReader;
use crate::projections::index::find::Wanted;
use crate::projections::keys::{Key, is_change};
use crate::projections::last_used::used_by;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};

/// Last uses of tokens gathered in memory at most; then they are written.
const LAST_USES_MAX: usize = 8_192;

/// The records of a selection, with those that it takes to say what its tokens may do.
#[derive(Debug)]
pub(super) struct Scope {
    selection: Selection,
    keys: Option<Vec<Key>>,
    /// Of a token its owner, whose own changes are told, and those of other tokens are not.
    owner: Option<Owner>,
    /// Of an OAuth token the member that it follows.
    follows: Option<UserId>,
}

impl Scope {
    /// Of a selection, up to a position.
    pub(super) fn of(archive: &Archive, selection: &Selection, through: Position) -> Result<Self, ExportError> {
        let mut keys: Option<BTreeSet<Key>> = None;
        if let Some(account) = selection.account {
            let of_account = [Key::Service, Key::AccountChanges(account), Key::AccountTraffic(account)];
            let biography = Biography::of_account(archive, account, through)?;
            let of_people = biography.changes().iter().flat_map(|(_, header, event)| {
                let user = match event {
                    Event::MemberAdded(added) => Some(Key::User(added.user)),
                    _ => None,
                };
                let token = (!header.token.is_none()).then_some(Key::TokenChanges(header.token));
                user.into_iter().chain(token)
            });
            keys = Some(of_account.into_iter().chain(of_people).collect());
        }
        let (mut owner, mut follows) = (None, None);
        if let Some(token) = selection.token {
            (owner, follows) =
                whose(archive, token, through)?.map_or((None, None), |(owner, user)| (Some(owner), user));
            let of_owner = match owner {
                // What others draw from its windows is read too, and not told.
                Some(Owner::Account(account)) => vec![Key::AccountChanges(account), Key::AccountTraffic(account)],
                Some(Owner::User(user)) => vec![Key::User(user)],
                _ => Vec::new(),
            };
            let of_token = [Key::Service, Key::TokenChanges(token), Key::TokenTraffic(token)];
            let of_token: BTreeSet<Key> = of_token.into_iter().chain(of_owner).collect();
            keys = Some(match keys {
                Some(keys) => keys.intersection(&of_token).copied().chain([Key::TokenTraffic(token)]).collect(),
                None => of_token,
            });
        }
        Ok(Self { selection: *selection, keys: keys.map(|keys| keys.into_iter().collect()), owner, follows })
    }

    fn wanted(&self) -> Wanted {
        self.keys.as_deref().map_or_else(Wanted::all, Wanted::any)
    }

    /// Whether a record that was found is told: it is about what is selected.
    fn has(&self, header: &Header, event: &Event) -> bool {
        let is_of_account = |account| header.account == account || header.account.is_none();
        if !self.selection.account.is_none_or(is_of_account) {
            return false;
        }
        let Some(token) = self.selection.token else { return true };
        let is_of_owner = match (member_of(event), self.owner) {
            (Some(member), Some(Owner::Account(_))) => self.follows == Some(member),
            _ => true,
        };
        header.token == token || (header.token.is_none() && is_change(event) && is_of_owner)
    }

    /// Whether it is told by its time: what accounts and tokens are follows from their beginning.
    fn is_in_time(&self, header: &Header, event: &Event) -> bool {
        let is_traffic = !is_change(event) && !matches!(event, Event::TextSeen(_));
        !is_traffic || self.selection.from.is_none_or(|from| header.recorded_at >= from)
    }

    /// Whether all that draws from the windows is read: of a user's token alone it is not.
    fn has_windows(&self) -> bool {
        !matches!(self.owner, Some(Owner::User(_)))
    }
}

/// The member that a change is of.
fn member_of(event: &Event) -> Option<UserId> {
    match event {
        Event::MemberAdded(added) => Some(added.user),
        Event::MemberAccessChanged(changed) => Some(changed.user),
        Event::MemberRemoved(removed) => Some(removed.user),
        _ => None,
    }
}

/// A token's uses that are not written yet.
#[derive(Clone, Copy, Debug)]
struct LastUse {
    at: Timestamp,
    position: Position,
    count: u64,
}

/// The rows of records, as they come.
pub(super) struct Fold<'a> {
    connection: &'a Connection,
    scope: Scope,
    state: State,
    texts: Texts<'a>,
    /// For `data`: numbers in place of texts, which are in a table of their own.
    numbers: TextReader,
    holdings: Holdings,
    quota: Quota,
    last_uses: BTreeMap<TokenId, LastUse>,
    /// Records up to here are in the file: they only make the state.
    after: Position,
    begin: Position,
}

impl<'a> Fold<'a> {
    /// That goes on after a position.
    pub(super) fn new(
        archive: &'a Archive,
        connection: &'a Connection,
        scope: Scope,
        (after, runs): (Position, u64),
    ) -> Result<Self, LogError> {
        // Of everything there are snapshots; of a part its records are folded again.
        let (state, begin) = match (&scope.keys, after.is_none()) {
            (None, false) => {
                let moment = Moment { position: after, at: archive.now(), head: archive.head() };
                (past::state_at(archive.dir(), moment, &mut |_| {})?.projections.state, after)
            }
            _ => (State::default(), Position::NONE),
        };
        Ok(Self {
            connection,
            scope,
            state,
            texts: Texts::new(connection, archive.texts()),
            numbers: TextReader::of_numbers()?,
            holdings: Holdings::default(),
            quota: Quota::new(runs),
            last_uses: BTreeMap::new(),
            after,
            begin,
        })
    }

    /// The position that it begins to read after.
    pub(super) fn begin(&self) -> Position {
        self.begin
    }

    /// The records to read.
    pub(super) fn wanted(&self) -> Wanted {
        self.scope.wanted()
    }

    /// Takes in a record, and says whether it made rows.
    pub(super) fn take(&mut self, picked: Picked<'_>) -> Result<bool, ExportError> {
        let Picked { position, header, event, .. } = picked;
        let is_told = self.scope.has(header, event) && self.scope.is_in_time(header, event);
        if !is_told || (position <= self.after && self.is_written(position)?) {
            // It is in the file, or it only draws from windows that others are told to draw from.
            if is_told || !is_change(event) {
                self.state.evolve_part(header, event);
            }
            return Ok(false);
        }
        self.holdings.before(self.connection, &self.state, (position, header))?;
        self.state.evolve_part(header, event);
        self.event(picked)?;
        match event {
            Event::TextSeen(seen) => self.texts.seen(position, seen)?,
            Event::PersonalDataErased(erased) => self.texts.erased(erased)?,
            Event::TokenUsed(used) => self.row(picked).used(used)?,
            Event::UseReported(reported) => self.row(picked).reported(reported)?,
            Event::TokenUseRefused(refused) => self.row(picked).refused(refused)?,
            Event::ManagementRefused(refused) => self.row(picked).management_refused(refused)?,
            Event::RefusalsSummed(summed) => self.row(picked).summed(summed)?,
            _ if is_change(event) => {
                let (connection, texts, state) = (self.connection, &mut self.texts, &self.state);
                Change { connection, texts, state, position, header }.take(event)?;
                self.holdings.after(&self.state, (position, header, event));
            }
            _ => {}
        }
        self.quota.count_runs(event);
        if self.scope.has_windows() {
            self.quota.take(self.connection, &self.state, (header, event))?;
        }
        self.note_uses(position, header, event)?;
        Ok(true)
    }

    /// Whether a record of before is in the file: of an account's part those of people who became members since are not.
    fn is_written(&self, position: Position) -> Result<bool, LogError> {
        let mut statement = self.connection.prepare_cached("SELECT 1 FROM events WHERE position = ?1")?;
        Ok(statement.exists([int(position.0)])?)
    }

    fn row<'b>(&'b mut self, picked: Picked<'b>) -> Row<'a, 'b> {
        let Picked { position, header, .. } = picked;
        Row { connection: self.connection, texts: &mut self.texts, state: &self.state, position, header }
    }

    fn event(&mut self, picked: Picked<'_>) -> Result<(), LogError> {
        let Picked { position, record, header, event } = picked;
        let has_table = matches!(event, Event::TokenUsed(_) | Event::TokenUseRefused(_));
        let words = Words { texts: &self.numbers, groups: &self.state.groups };
        let data = (!has_table).then(|| canonical::text(&words.data(event)));
        for text in texts_of(event) {
            self.texts.cell(text)?;
        }
        let (principal, principal_id) = principal_cells(header.principal);
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO events (position, recorded_at, type, account_id, account_number, token_id, token_number, principal,
                principal_id, credential_id, request_id, leaf_hash, data)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?;
        statement.execute(params![
            int(position.0),
            header.recorded_at.to_micros_text(),
            event.type_name(),
            some(header.account.0),
            some(header.account_number),
            some(header.token.0),
            some(header.token_number),
            principal,
            principal_id,
            some(header.credential.0),
            header.request.to_string(),
            STANDARD.encode(leaf_hash(record)),
            data,
        ])?;
        Ok(())
    }

    fn note_uses(&mut self, position: Position, header: &Header, event: &Event) -> Result<(), LogError> {
        for token in used_by(header, event).into_iter().filter(|token| !token.is_none()) {
            let last = LastUse { at: header.recorded_at, position, count: 0 };
            let uses = self.last_uses.entry(token).or_insert(last);
            *uses = LastUse { count: uses.count + 1, ..last };
        }
        if self.last_uses.len() > LAST_USES_MAX { self.write_uses() } else { Ok(()) }
    }

    fn write_uses(&mut self) -> Result<(), LogError> {
        for (token, LastUse { at, position, count }) in std::mem::take(&mut self.last_uses) {
            let mut statement = self.connection.prepare_cached(
                "UPDATE tokens SET uses = uses + ?4,
                    last_used_at = CASE WHEN last_used_position > ?3 THEN last_used_at ELSE ?2 END,
                    last_used_position = max(?3, COALESCE(last_used_position, 0))
                 WHERE token_id = ?1",
            )?;
            statement.execute(params![int(token.0), at.to_micros_text(), int(position.0), int(count)])?;
        }
        Ok(())
    }

    /// Writes what is gathered, and says how often recording had begun.
    pub(super) fn finish(mut self) -> Result<u64, LogError> {
        self.holdings.settle(self.connection, &self.state)?;
        self.quota.write(self.connection)?;
        self.write_uses()?;
        Ok(self.quota.runs())
    }
}

/// Texts of an event that only its `data` says.
fn texts_of(event: &Event) -> Vec<TextNumber> {
    let mut texts: Vec<TextNumber> = by_of(event).into_iter().flat_map(|by| [by.address, by.agent]).collect();
    match event {
        Event::AccessReviewDecided(decided) => texts.push(decided.note),
        Event::ApplicationRegistered(registered) => {
            texts.push(registered.name);
            texts.extend(&registered.redirect_uris);
        }
        Event::ApplicationChanged(changed) => {
            texts.push(changed.name);
            texts.extend(&changed.redirect_uris);
        }
        Event::AuthorizationCodeIssued(issued) => texts.push(issued.redirect_uri),
        Event::ResourceAdded(added) => {
            if let ResourceFacts::Certificate(facts) = &added.facts {
                texts.extend(&facts.alternate_names);
                texts.extend([facts.common_name, facts.signing_request]);
            }
        }
        _ => {}
    }
    texts
}
