//! A state of only some of the log's records: those about one account and its people, say. Numbers are given to all
//! accounts, users, resources and tokens of a log, so what such a state leaves out stands in its tables as blanks.

use super::State;
use crate::domain::access::Access;
use crate::domain::directory::{Account, Plan, Resource, ResourceFacts, User};
use crate::domain::event::{Event, Header};
use crate::domain::ids::{
    AccountId, ApplicationId, AuthorizationId, Position, ResourceId, TextNumber, TokenId, UserId, Version,
};
use crate::domain::oauth::{Application, Authorization, ClientId, ClientKind};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Principal, Token, TokenKind};
use crate::domain::window::{MonthCount, UnitCount, Window};

impl State {
    /// Like [`State::evolve`], where records between this one and the last may have been left out. All records that the
    /// part is about must be there, in order. What is counted over the whole log (head, last text) means nothing.
    ///
    /// A blank has number 0 ([`is_none`](TokenId::is_none)), belongs to nobody, and is deleted: it opens no door.
    pub fn evolve_part(&mut self, header: &Header, event: &Event) {
        self.make_room(header, event, u64::MAX);
        self.evolve(header, event);
    }

    /// Fills the tables with blanks up to what this record adds or counts on. Every number is given by a record of its
    /// own, so none is greater than `number_max`, the record's position; a tampered log's greater ones get no room.
    pub fn make_room(&mut self, header: &Header, event: &Event, number_max: u64) {
        let bounded = |number: u64| number.min(number_max);
        match event {
            Event::UserCreated(created) => self.users.leave_out_until(bounded(created.user.0), blank_user),
            Event::AccountCreated(_) => self.accounts.leave_out_until(bounded(header.account.0), blank_account),
            Event::ResourceAdded(added) => {
                self.resources.leave_out_until(bounded(added.resource.0), blank_resource);
            }
            Event::TokenCreated(_) | Event::TokenImported(_) => {
                self.tokens.leave_out_until(bounded(header.token.0), blank_token);
            }
            Event::ApplicationRegistered(registered) => {
                self.applications.leave_out_until(bounded(registered.application.0), blank_application);
            }
            Event::AuthorizationGranted(granted) => {
                self.authorizations.leave_out_until(bounded(granted.authorization.0), blank_authorization);
            }
            // A person's memberships are listed with the person, whatever of the account is left out.
            Event::MemberAdded(_) => self.leave_out_accounts(bounded(header.account.0)),
            _ => {}
        }
    }

    /// Blanks up to and with an account.
    pub fn leave_out_accounts(&mut self, through: u64) {
        self.accounts.leave_out_until(through.saturating_add(1), blank_account);
    }

    /// Blanks up to and with a user.
    pub fn leave_out_users(&mut self, through: u64) {
        self.users.leave_out_until(through.saturating_add(1), blank_user);
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
        applications: Default::default(),
        authorizations: Default::default(),
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

fn blank_application() -> Application {
    Application {
        id: ApplicationId::NONE,
        account: AccountId::NONE,
        client: ClientId::default(),
        name: TextNumber::NONE,
        redirect_uris: Vec::new(),
        kind: ClientKind::Confidential,
        secrets: Vec::new(),
        authorizations: Default::default(),
        created_at: Timestamp::default(),
        created_by: Principal::Service,
        updated_at: Timestamp::default(),
        version: Version::NONE,
        deleted_at: Some(Timestamp::default()),
    }
}

fn blank_authorization() -> Authorization {
    Authorization {
        id: AuthorizationId::NONE,
        account: AccountId::NONE,
        application: ApplicationId::NONE,
        user: UserId::NONE,
        membership: Version::NONE,
        access: Access::Granted(Vec::new()),
        tokens: Vec::new(),
        granted_at: Timestamp::default(),
        revoked_at: Some(Timestamp::default()),
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
        authorized: None,
        secrets: Default::default(),
        created_at: Timestamp::default(),
        created_by: Principal::Service,
        version: Version::NONE,
        expires_at: None,
        conditions: None,
        deleted_at: Some(Timestamp::default()),
        imported_at: None,
        streams: Default::default(),
        refusals: UnitCount::default(),
        new_agents: UnitCount::default(),
    }
}
