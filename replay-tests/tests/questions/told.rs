//! A random history, whole in memory: every record, and the state after each.

use replay_tests::story::Story;
use serde_json::Value;
use token_ledger::audit::archive::Archive;
use token_ledger::audit::questions::{self, Asked, AuditError, question};
use token_ledger::domain::access::Access;
use token_ledger::domain::event::{Event, Header};
use token_ledger::domain::ids::{AccountId, Position, TextNumber, TokenId};
use token_ledger::domain::state::State;
use token_ledger::domain::text::{Subject, TextKind};
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Owner, Token};

/// A history to ask.
pub struct Told {
    pub story: Story,
    pub archive: Archive,
    pub records: Vec<(Position, Header, Event)>,
    /// `states[n]` is the state after the record at position n; the first is the empty one.
    pub states: Vec<State>,
}

impl Told {
    pub fn new(seed: u64, batches: usize) -> Self {
        Self::of(Story::told(seed, batches))
    }

    pub fn of(story: Story) -> Self {
        let (archive, records) = (story.archive(), story.records());
        let mut states = vec![State::default()];
        let mut state = State::default();
        for (_, header, event) in &records {
            state.evolve(header, event);
            states.push(state.clone());
        }
        Self { story, archive, records, states }
    }

    pub fn head(&self) -> Position {
        Position(self.records.len() as u64)
    }

    pub fn now(&self) -> Timestamp {
        self.archive.now()
    }

    pub fn state(&self, position: Position) -> &State {
        &self.states[position.0 as usize]
    }

    pub fn last(&self) -> &State {
        self.state(self.head())
    }

    /// The header at a position.
    pub fn header(&self, position: Position) -> &Header {
        &self.records[position.0 as usize - 1].1
    }

    /// The last position recorded at or before a time.
    pub fn last_until(&self, at: Timestamp) -> Position {
        Position(self.records.iter().filter(|(_, header, _)| header.recorded_at <= at).count() as u64)
    }

    /// Whether the next record is of another request, or of another time: within one change nobody does anything.
    pub fn is_between_changes(&self, position: Position) -> bool {
        let Some((_, next, _)) = self.records.get(position.0 as usize) else { return true };
        let this = self.header(position);
        (this.request, this.recorded_at) != (next.request, next.recorded_at)
    }

    pub fn accounts(&self) -> impl Iterator<Item = AccountId> {
        (1..=self.last().accounts.len() as u64).map(AccountId)
    }

    /// The accounts with the most records of their own, busiest first.
    pub fn busiest(&self, count: usize) -> Vec<AccountId> {
        let records =
            |account: AccountId| self.records.iter().filter(|(_, header, _)| header.account == account).count();
        let mut all: Vec<(usize, AccountId)> = self.accounts().map(|account| (records(account), account)).collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        all.into_iter().take(count).map(|(_, account)| account).collect()
    }

    /// Names that an account's resources, or grants, had, with their texts.
    pub fn names(&self, account: AccountId) -> Vec<(TextNumber, String)> {
        let of = |event: &Event| match event {
            Event::TextSeen(seen) => (seen.subject == Subject::Account(account) && seen.kind == TextKind::ResourceName)
                .then_some(seen.number),
            _ => None,
        };
        let numbers = self.records.iter().filter_map(|(.., event)| of(event));
        numbers.filter_map(|number| Some((number, self.archive.words().text(number)?))).collect()
    }

    pub fn try_ask(&self, name: &str, pairs: &[(&str, String)]) -> Result<Value, AuditError> {
        let question = question(name).expect("there is such a question");
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        let asked = Asked::read(question, &pairs)?;
        Ok(questions::ask(&self.archive, question, &asked)?.to_json())
    }

    pub fn ask(&self, name: &str, pairs: &[(&str, String)]) -> Value {
        self.try_ask(name, pairs).unwrap_or_else(|error| panic!("{name} {pairs:?}: {error}"))
    }
}

/// Whether any secret of a token opens the door at a time.
pub fn works(token: &Token, at: Timestamp) -> bool {
    token.secrets.iter().any(|secret| token.check_time(secret.number, at).is_ok())
}

/// What a token may do on an account at a time; none where it does not work, or not there.
pub fn access_at(state: &State, token: TokenId, account: AccountId, at: Timestamp) -> Option<Access> {
    let token = state.token(token).filter(|token| works(token, at))?;
    state.access_on(token, account).map(|(_, access, _)| access.into_owned())
}

/// The token's user, where it is one's.
pub fn user_of(token: &Token) -> Option<u64> {
    match token.owner {
        Owner::User(user) => Some(user.0),
        _ => None,
    }
}

pub fn rows<'a>(answer: &'a Value, table: &str) -> &'a Vec<Value> {
    answer[table].as_array().unwrap_or_else(|| panic!("no table {table}: {answer}"))
}

pub fn number(row: &Value, member: &str) -> u64 {
    row[member].as_u64().unwrap_or_else(|| panic!("{member} of {row}"))
}

pub fn time(row: &Value, member: &str) -> Option<Timestamp> {
    row[member].as_str().map(|text| Timestamp::parse(text).expect("a time"))
}
