//! Which events are about an account, a token, a person or a resource.

use super::archive::{Archive, Range};
use super::history::key_of_type;
use crate::domain::access::{Access, Coverage, Target};
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position, ResourceId, TextNumber, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::text::Subject as TextSubject;
use crate::domain::token::Principal;
use crate::log::LogError;
use crate::projections::index::find::Wanted;
use crate::projections::keys::Key;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// What a history is asked of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// An account: every record of its stream.
    Account(AccountId),
    /// A token: what was done with it and to it.
    Token(TokenId),
    /// A person: what they did, with which tokens, and what was changed about them and their tokens.
    User(UserId),
    /// A resource: it added and removed, reached or refused, and its name in grants. Uses of whole lists are not among
    /// these: they name no resource.
    Resource(ResourceId),
}

impl Subject {
    /// Its kind, as in `token`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Token(_) => "token",
            Self::User(_) => "user",
            Self::Resource(_) => "resource",
        }
    }

    /// Its number.
    pub fn number(self) -> u64 {
        match self {
            Self::Account(AccountId(number))
            | Self::Token(TokenId(number))
            | Self::User(UserId(number))
            | Self::Resource(ResourceId(number)) => number,
        }
    }
}

/// A subject with what it takes to recognise its events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct About {
    subject: Subject,
    /// Of a person, deleted ones too, and those that the person authorised: a token never changes hands.
    tokens: BTreeSet<TokenId>,
    /// Of a resource.
    account: AccountId,
    name: TextNumber,
}

impl About {
    /// From the state at the head, which knows everything that ever was; none if there was no such subject.
    pub fn new(state: &State, subject: Subject) -> Option<Self> {
        let mut about = Self { subject, tokens: BTreeSet::new(), account: AccountId::NONE, name: TextNumber::NONE };
        match subject {
            Subject::Account(id) => drop(state.account(id)?),
            Subject::Token(id) => drop(state.token(id)?),
            Subject::User(id) => {
                state.user(id)?;
                let owned = state.tokens.iter().filter(|token| token.follows() == Some(id));
                about.tokens = owned.map(|token| token.id).collect();
            }
            Subject::Resource(id) => {
                let resource = state.resources.get(id.0)?;
                (about.account, about.name) = (resource.account, resource.name);
            }
        }
        Some(about)
    }

    /// The subject.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Whether an event is about it.
    pub fn holds(&self, header: &Header, event: &Event) -> bool {
        match self.subject {
            Subject::Account(id) => header.account == id,
            Subject::Token(id) => header.token == id || header.credential == id,
            Subject::User(id) => self.is_of_user(id, header, event),
            Subject::Resource(id) => header.account == self.account && self.is_of_resource(id, event),
        }
    }

    fn is_of_user(&self, id: UserId, header: &Header, event: &Event) -> bool {
        header.principal == Principal::User(id)
            || self.tokens.contains(&header.token)
            || self.tokens.contains(&header.credential)
            || match event {
                Event::UserCreated(created) => created.user == id,
                Event::MemberAdded(added) => added.user == id,
                Event::MemberAccessChanged(changed) => changed.user == id,
                Event::MemberRemoved(removed) => removed.user == id,
                Event::AuthorizationGranted(granted) => granted.user == id,
                Event::AuthorizationRevoked(revoked) => revoked.user == id,
                Event::QuotaRefusalsTotalled(totalled) => totalled.user == id,
                Event::TextSeen(seen) => seen.subject == TextSubject::User(id),
                Event::PersonalDataErased(erased) => erased.subject == TextSubject::User(id),
                _ => false,
            }
    }

    fn is_of_resource(&self, id: ResourceId, event: &Event) -> bool {
        match event {
            Event::ResourceAdded(added) => added.resource == id,
            Event::ResourceRemoved(removed) => removed.resource == id,
            // What was found says it best; where nothing was, the name that was asked for does.
            Event::TokenUsed(used) if !used.resource.is_none() => used.resource == id,
            Event::TokenUsed(used) => used.scope.is_some_and(|scope| scope.target == Target::Name(self.name)),
            Event::TokenUseRefused(refused) => {
                refused.scope.is_some_and(|scope| scope.target == Target::Name(self.name))
            }
            Event::TextSeen(seen) => seen.number == self.name,
            Event::MemberAdded(added) => self.is_named_in(&added.access),
            Event::MemberAccessChanged(changed) => self.is_named_in(&changed.access),
            Event::TokenCreated(created) => self.is_named_in(&created.access),
            Event::TokenImported(imported) => self.is_named_in(&imported.access),
            Event::TokenAccessChanged(changed) => self.is_named_in(&changed.access),
            Event::AuthorizationGranted(granted) => self.is_named_in(&granted.access),
            _ => false,
        }
    }

    fn is_named_in(&self, access: &Access) -> bool {
        let Access::Granted(grants) = access else { return false };
        grants.iter().any(|grant| matches!(&grant.coverage, Coverage::Named(names) if names.contains(&self.name)))
    }

    /// What the index can say of them: all of its events, and others.
    fn wanted(&self) -> Wanted {
        let mut keys = Vec::new();
        match self.subject {
            Subject::Account(id) => keys.extend([Key::AccountChanges(id), Key::AccountTraffic(id)]),
            Subject::Token(id) => keys.extend(keys_of_token(id)),
            Subject::User(id) => {
                keys.extend([Key::User(id), Key::Principal(Principal::User(id))]);
                keys.extend(self.tokens.iter().flat_map(|&token| keys_of_token(token)));
                keys.extend(["QuotaRefusalsTotalled", "TextSeen"].into_iter().filter_map(key_of_type));
            }
            Subject::Resource(_) => {
                keys.extend([Key::AccountChanges(self.account), Key::Name(self.name)]);
                keys.extend(key_of_type("TextSeen"));
            }
        }
        Wanted::any(&keys)
    }

    /// Positions of its events after `after`, up to and with `through`, oldest first. `progress` is told the position
    /// now and then.
    pub fn positions(
        &self,
        archive: &Archive,
        range: Range,
        progress: &mut dyn FnMut(Position),
    ) -> Result<Vec<Position>, LogError> {
        const TOLD_EVERY: u64 = 10_000;
        let mut positions = Vec::new();
        let mut met = 0_u64;
        archive.visit_wanted(&self.wanted(), range, &mut |position, header, event| {
            if self.holds(header, event) {
                positions.push(position);
            }
            met += 1;
            if met.is_multiple_of(TOLD_EVERY) {
                progress(position);
            }
            ControlFlow::Continue(())
        })?;
        Ok(positions)
    }
}

fn keys_of_token(token: TokenId) -> [Key; 3] {
    [Key::TokenChanges(token), Key::TokenTraffic(token), Key::Credential(token)]
}
