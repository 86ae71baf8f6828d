//! The events of one command while they are being written down.

use crate::domain::command::Origin;
use crate::domain::event::{By, Event, Header, TextSeen};
use crate::domain::ids::{AccountId, TextNumber, TokenId};
use crate::domain::state::State;
use crate::domain::text::{KnownText, PersonalText, Subject, TextKind, Texts};
use crate::domain::time::Timestamp;
use crate::domain::token::{Authority, Principal, Token};
use std::collections::BTreeMap;

/// What a decision may know of its surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The writer's time, never before the last record's.
    pub now: Timestamp,
    /// Where the command came from.
    pub origin: &'a Origin,
}

/// An event with its header, as it will be appended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// Its header.
    pub header: Header,
    /// The event.
    pub event: Event,
}

/// Collects the events of one command. Nothing may be rejected once the first is written down.
pub struct Draft<'a> {
    state: &'a State,
    context: &'a Context<'a>,
    texts: &'a mut dyn Texts,
    header: Header,
    /// Stream numbers of accounts that were turned away from.
    left: BTreeMap<AccountId, u64>,
    last_text: TextNumber,
    events: Vec<Recorded>,
}

impl<'a> Draft<'a> {
    /// Begins the events of a command about `account` and `token` (either may be none).
    pub fn new(
        state: &'a State,
        context: &'a Context<'a>,
        texts: &'a mut dyn Texts,
        about: (AccountId, TokenId),
        acting: (Principal, TokenId),
    ) -> Self {
        let (account, token) = about;
        let header = Header {
            recorded_at: context.now,
            account,
            account_number: state.account(account).map_or(0, |kept| kept.stream_number),
            token,
            token_number: state.token(token).map_or(0, |kept| kept.stream_number(account)),
            principal: acting.0,
            credential: acting.1,
            request: context.origin.request,
        };
        let (left, last_text) = (BTreeMap::new(), state.last_text);
        Self { state, context, texts, header, left, last_text, events: Vec::with_capacity(1) }
    }

    /// Goes on about another token of the same account.
    pub fn turn_to(&mut self, token: TokenId) {
        self.header.token = token;
        self.header.token_number = self.state.token(token).map_or(0, |kept| kept.stream_number(self.header.account));
    }

    /// Goes on about a token that some of the events may be about already.
    pub fn turn_back_to(&mut self, token: TokenId) {
        let last = self.events.iter().rev().find(|recorded| recorded.header.token == token);
        match last.map(|recorded| recorded.header.token_number) {
            Some(number) => (self.header.token, self.header.token_number) = (token, number),
            None => self.turn_to(token),
        }
    }

    /// Goes on about another account, and no token.
    pub fn turn_to_account(&mut self, account: AccountId) {
        if account != self.header.account {
            self.left.insert(self.header.account, self.header.account_number);
            let kept = || self.state.account(account).map_or(0, |kept| kept.stream_number);
            self.header.account_number = self.left.get(&account).copied().unwrap_or_else(kept);
            self.header.account = account;
        }
        self.turn_to(TokenId::NONE);
    }

    /// Writes down one event.
    pub fn record(&mut self, event: impl Into<Event>) {
        self.header.account_number += u64::from(!self.header.account.is_none());
        self.header.token_number += u64::from(!self.header.token.is_none());
        self.events.push(Recorded { header: self.header, event: event.into() });
    }

    /// The number of a text that was seen before.
    pub fn find(&mut self, subject: Subject, kind: TextKind, text: &str) -> Option<TextNumber> {
        self.texts.find(subject, kind, text)
    }

    /// The number of a text; a new one is recorded first.
    pub fn intern(&mut self, subject: Subject, kind: TextKind, text: &str) -> TextNumber {
        if let Some(number) = self.texts.find(subject, kind, text) {
            return number;
        }
        let number = self.last_text.next();
        let known = KnownText { number, kind, token: kind.brought_by(&self.header) };
        let commitment = self.texts.take(known, subject, text);
        self.record(TextSeen { number, subject, kind, commitment });
        self.last_text = number;
        number
    }

    /// The number of a text that came with a token which somebody else speaks of: no credential brought it, so that
    /// erasing the token's texts takes it along.
    pub fn intern_of_token(&mut self, token: &Token, kind: TextKind, text: &str) -> TextNumber {
        let credential = std::mem::replace(&mut self.header.credential, TokenId::NONE);
        let number = self.intern(Subject::from(token.owner), kind, text);
        self.header.credential = credential;
        number
    }

    /// By what right, and from where, the change is made that is being written down. Asked for when it is sure that
    /// something changes, because it may take up texts. Asked again it says the same.
    pub fn by(&mut self, authority: Authority, secret: u32) -> By {
        let (address, agent) = match self.state.token(self.header.credential) {
            Some(credential) => self.intern_client(credential),
            None => (TextNumber::NONE, TextNumber::NONE),
        };
        By { authority, secret, address, agent }
    }

    /// The same of a change that no token was shown for, but that a client asked for: its address and agent are texts of
    /// this subject. Asked again it says the same.
    pub fn by_client(&mut self, authority: Authority, secret: u32, subject: Subject) -> By {
        let context = self.context;
        let address = self.intern_address(subject);
        let agent = context.origin.agent.as_ref().map(|agent| cut(agent, super::AGENT_BYTES_MAX));
        let agent = agent.map_or(TextNumber::NONE, |agent| self.intern(subject, TextKind::Agent, agent));
        By { authority, secret, address, agent }
    }

    /// Numbers of the client's address and agent. They are texts of the owner of the token that was shown.
    pub fn intern_client(&mut self, shown: &Token) -> (TextNumber, TextNumber) {
        let subject = Subject::from(shown.owner);
        (self.intern_address(subject), self.intern_agent(subject, shown))
    }

    fn intern_address(&mut self, subject: Subject) -> TextNumber {
        let context = self.context;
        match &context.origin.address {
            Some(address) => self.intern(subject, TextKind::Address, address.as_str()),
            None => TextNumber::NONE,
        }
    }

    /// 0, "other", once the token brought too many new ones this hour.
    fn intern_agent(&mut self, subject: Subject, token: &Token) -> TextNumber {
        let context = self.context;
        let Some(agent) = &context.origin.agent else { return TextNumber::NONE };
        let agent = cut(agent, super::AGENT_BYTES_MAX);
        if let Some(number) = self.texts.find(subject, TextKind::Agent, agent) {
            return number;
        }
        let hour = context.now.hour();
        if token.new_agents.in_unit(hour) >= super::NEW_AGENTS_AN_HOUR_MAX {
            return TextNumber::NONE;
        }
        self.intern(subject, TextKind::Agent, agent)
    }

    /// The state decided on.
    pub fn state(&self) -> &'a State {
        self.state
    }

    /// The events, in the order they were written down.
    pub fn finish(self) -> Vec<Recorded> {
        self.events
    }
}

/// The longest part of a text that fits into `bytes_max`, whole characters only.
pub(super) fn cut(text: &PersonalText, bytes_max: usize) -> &str {
    let text = text.as_str();
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
