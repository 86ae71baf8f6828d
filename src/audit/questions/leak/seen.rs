//! From where and how often a token was used since an instant, against all before.

use super::Subject;
use crate::audit::answer::Table;
use crate::audit::archive::{Archive, Range};
use crate::audit::questions::AuditError;
use crate::domain::access::RequiredScope;
use crate::domain::event::{Event, Header, TokenUseRefused, TokenUsed};
use crate::domain::ids::{AccountId, Position, ResourceId, TextNumber, TokenId};
use crate::domain::state::by_of;
use crate::domain::time::Timestamp;
use crate::projections::keys::Key;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// One place, or one program, that the token was shown from.
#[derive(Clone, Copy, Default)]
struct Shown {
    uses: u64,
    refusals: u64,
    first: Timestamp,
    last: Timestamp,
}

/// Addresses, or agents, by the number of their text.
#[derive(Default)]
pub(super) struct Origins {
    before: BTreeSet<TextNumber>,
    since: BTreeMap<TextNumber, Shown>,
}

impl Origins {
    fn note(&mut self, number: TextNumber, at: Timestamp, allowed: bool) {
        let shown = self.since.entry(number).or_insert(Shown { first: at, ..Shown::default() });
        shown.last = at;
        if allowed { shown.uses += 1 } else { shown.refusals += 1 }
    }

    /// How many were never seen before.
    pub fn new_ones(&self) -> usize {
        self.since.keys().filter(|number| !number.is_none() && !self.before.contains(number)).count()
    }

    pub fn table(&self, archive: &Archive, name: &'static str, title: &'static str) -> Table {
        let mut table = Table::new(name, title, &["seen_from", "is_new", "uses", "refusals", "first", "last"]);
        let words = archive.words();
        for (number, shown) in &self.since {
            let told = match (number.is_none(), words.text(*number)) {
                (true, _) => "(not told, or other)".to_owned(),
                (false, Some(text)) => text,
                (false, None) => format!("(erased, text {number})"),
            };
            let is_new = !number.is_none() && !self.before.contains(number);
            table.add(vec![
                json!(told),
                json!(is_new),
                json!(shown.uses),
                json!(shown.refusals),
                json!(shown.first.to_micros_text()),
                json!(shown.last.to_micros_text()),
            ]);
        }
        table
    }
}

/// What was used: account, resource found, scope.
pub type Reached = (AccountId, ResourceId, Option<RequiredScope>);

/// What was seen of the token.
pub(super) struct Seen {
    pub uses: u64,
    pub refusals: u64,
    /// Refusals that were only counted.
    pub summed: u64,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub addresses: Origins,
    pub agents: Origins,
    pub by_secret: BTreeMap<u32, (u64, u64)>,
    /// What was used: account, resource found, scope.
    pub reached: BTreeMap<Reached, (u64, Timestamp, Timestamp)>,
    /// Each use and refusal.
    pub list: Table,
}

impl Seen {
    /// Since the range begins; what comes before it says only what is not new.
    pub fn of(archive: &Archive, subject: &Subject, range: Range) -> Result<Self, AuditError> {
        let columns: &[&str] =
            &["position", "recorded_at", "account_id", "secret", "scope", "outcome", "address", "agent"];
        let mut seen = Self {
            uses: 0,
            refusals: 0,
            summed: 0,
            first: None,
            last: None,
            addresses: Origins::default(),
            agents: Origins::default(),
            by_secret: BTreeMap::new(),
            reached: BTreeMap::new(),
            list: Table::new("uses", "Uses and refusals since then", columns),
        };
        let keys = [Key::TokenTraffic(subject.id), Key::Credential(subject.id)];
        archive.visit(&keys, (Position::NONE, range.1), &mut |position, header, event| {
            if position <= range.0 {
                seen.note_before(event, header, subject.id);
            } else if header.token == subject.id {
                seen.note(archive, position, header, event);
            }
            ControlFlow::Continue(())
        })?;
        Ok(seen)
    }

    fn note_before(&mut self, event: &Event, header: &Header, id: TokenId) {
        let shown = match event {
            Event::TokenUsed(used) if header.token == id => Some((used.address, used.agent)),
            Event::TokenUseRefused(refused) if header.token == id => Some((refused.address, refused.agent)),
            Event::ManagementRefused(refused) => Some((refused.address, refused.agent)),
            other if header.credential == id => by_of(other).map(|by| (by.address, by.agent)),
            _ => None,
        };
        if let Some((address, agent)) = shown {
            self.addresses.before.insert(address);
            self.agents.before.insert(agent);
        }
    }

    fn note(&mut self, archive: &Archive, position: Position, header: &Header, event: &Event) {
        let at = header.recorded_at;
        match event {
            Event::TokenUsed(used) => self.note_use(archive, position, header, used),
            Event::TokenUseRefused(refused) => self.note_refusal(archive, position, header, refused),
            Event::ManagementRefused(refused) => {
                self.count((refused.address, refused.agent), refused.secret, at, false);
                let told = (refused.secret, Some(refused.operation.name().to_owned()), refused.cause.name());
                self.tell(archive, (position, header), told, (refused.address, refused.agent));
            }
            Event::RefusalsSummed(summed) => {
                self.summed += summed.counts.iter().map(|(_, count)| count).sum::<u64>();
            }
            _ => {}
        }
    }

    fn note_use(&mut self, archive: &Archive, position: Position, header: &Header, used: &TokenUsed) {
        let at = header.recorded_at;
        self.count((used.address, used.agent), used.secret, at, true);
        self.first.get_or_insert(at);
        self.last = Some(at);
        let reached = self.reached.entry((header.account, used.resource, used.scope)).or_insert((0, at, at));
        (reached.0, reached.2) = (reached.0 + 1, at);
        let scope = used.scope.map(|scope| archive.words().scope(scope));
        let told = (used.secret, scope, used.outcome.name());
        self.tell(archive, (position, header), told, (used.address, used.agent));
    }

    fn note_refusal(&mut self, archive: &Archive, position: Position, header: &Header, refused: &TokenUseRefused) {
        self.count((refused.address, refused.agent), refused.secret, header.recorded_at, false);
        let scope = refused.scope.map(|scope| archive.words().scope(scope));
        let told = (refused.secret, scope, refused.cause.name());
        self.tell(archive, (position, header), told, (refused.address, refused.agent));
    }

    fn count(&mut self, (address, agent): (TextNumber, TextNumber), secret: u32, at: Timestamp, allowed: bool) {
        self.addresses.note(address, at, allowed);
        self.agents.note(agent, at, allowed);
        let (uses, refusals) = self.by_secret.entry(secret).or_default();
        *(if allowed { uses } else { refusals }) += 1;
        *(if allowed { &mut self.uses } else { &mut self.refusals }) += 1;
    }

    fn tell(
        &mut self,
        archive: &Archive,
        (position, header): (Position, &Header),
        (secret, scope, outcome): (u32, Option<String>, &str),
        (address, agent): (TextNumber, TextNumber),
    ) {
        let words = archive.words();
        self.list.add(vec![
            json!(position.0),
            json!(header.recorded_at.to_micros_text()),
            json!((!header.account.is_none()).then_some(header.account.0)),
            json!(secret),
            scope.map_or(Value::Null, Value::String),
            json!(outcome),
            json!(words.text(address)),
            json!(words.text(agent)),
        ]);
    }

    /// Other tokens that were shown from the same addresses since then.
    pub fn others(&self, archive: &Archive, id: TokenId, range: Range) -> Result<Table, AuditError> {
        let mut table = Table::new(
            "other_tokens",
            "Other tokens shown from the same addresses since then",
            &["token_id", "times", "first", "last"],
        );
        let addresses = self.addresses.since.keys().filter(|number| !number.is_none());
        let keys: Vec<Key> = addresses.map(|&number| Key::Address(number)).collect();
        let mut others: BTreeMap<TokenId, (u64, Timestamp, Timestamp)> = BTreeMap::new();
        if !keys.is_empty() {
            archive.visit(&keys, range, &mut |_, header, _| {
                // Of a change the token that was shown is the credential, of everything else both are one.
                let shown = if header.credential.is_none() { header.token } else { header.credential };
                if !shown.is_none() && shown != id {
                    let at = header.recorded_at;
                    let row = others.entry(shown).or_insert((0, at, at));
                    (row.0, row.2) = (row.0 + 1, at);
                }
                ControlFlow::Continue(())
            })?;
        }
        for (token, (times, first, last)) in others {
            table.add(vec![json!(token.0), json!(times), json!(first.to_micros_text()), json!(last.to_micros_text())]);
        }
        Ok(table)
    }
}
