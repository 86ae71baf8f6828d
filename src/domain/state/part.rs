//! A state of only some of the log's records: those about one account and its people, say. Numbers are given to all
//! accounts, users, resources and tokens of a log, so what such a state leaves out stands in its tables as blanks.

use super::State;
use crate::domain::access::Access;
use crate::domain::directory::{Account, Plan, Resource, ResourceFacts, User};
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position, ResourceId, TextNumber, TokenId, UserId, Version};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Principal, Token, TokenKind};
use crate::domain::window::{MonthCount, UnitCount, Window};

impl State {
    /// Like [`State::evolve`], where records between this one and the last may have been left out. All records that the
    /// part is about must be there, in order. What is counted over the whole log (head, last text) means nothing.
    ///
    /// A blank has number 0 ([`is_none`](TokenId::is_none)), belongs to nobody, and is deleted: it opens no door.
    pub fn evolve_part(&mut self, header: &Header, event: &Event) {
        match event {
            Event::UserCreated(created) => self.users.leave_out_until(created.user.0, blank_user),
            Event::AccountCreated(_) => self.accounts.leave_out_until(header.account.0, blank_account),
            Event::ResourceAdded(added) => self.resources.leave_out_until(added.resource.0, blank_resource),
            Event::TokenCreated(_) | Event::TokenImported(_) => {
                self.tokens.leave_out_until(header.token.0, blank_token);
            }
            _ => {}
        }
        self.evolve(header, event);
    }
}

fn blank_user() -> User {
    User {
        id: UserId::NONE,
        name: TextNumber::NONE,
        email: TextNumber::NONE,
        accounts: Default::default(),
        tokens: Default::default(),
        hourly_limit: 0,
        window: Window::default(),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        version: Version::NONE,
    }
}

fn blank_account() -> Account {
    Account {
        id: AccountId::NONE,
        name: TextNumber::NONE,
        email: TextNumber::NONE,
        plan: Plan::Solo,
        hourly_limit: 0,
        research: None,
        members: Default::default(),
        past_members: Default::default(),
        by_name: Default::default(),
        resources: Default::default(),
        tokens: Default::default(),
        window: Window::default(),
        research_month: MonthCount::default(),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        version: Version::NONE,
        stream_number: 0,
        last_record: Position::NONE,
    }
}

fn blank_resource() -> Resource {
    Resource {
        id: ResourceId::NONE,
        account: AccountId::NONE,
        name: TextNumber::NONE,
        facts: ResourceFacts::Domain(Default::default()),
        added_at: Timestamp::default(),
        removed_at: Some(Timestamp::default()),
    }
}

fn blank_token() -> Token {
    Token {
        id: TokenId::NONE,
        kind: TokenKind::Session,
        owner: Owner::Service,
        name: TextNumber::NONE,
        access: Access::Granted(Vec::new()),
        gateway: None,
        secrets: Vec::new(),
        created_at: Timestamp::default(),
        created_by: Principal::Service,
        version: Version::NONE,
        expires_at: None,
        conditions: None,
        deleted_at: Some(Timestamp::default()),
        imported_at: None,
        streams: Vec::new(),
        refusals: UnitCount::default(),
        new_agents: UnitCount::default(),
    }
}
