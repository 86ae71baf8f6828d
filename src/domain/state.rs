//! The decision state, and `evolve`: event → state. It reads no clock and no configuration and cannot fail: what
//! is in the log has happened, and a replay of the log gives this state again.

use super::access::ScopeGroup;
use super::directory::{Account, Membership, Research, Resource, ResourceKind, User};
use super::event::{By, Cause, Event, Header, TokenCreated, TokenRotated, TokenUsed};
use super::ids::{AccountId, ResourceId, TextNumber, TokenId, UserId, Version};
use super::table::{Shared, Table};
use super::time::Timestamp;
use super::token::{Authority, Owner, Token};
use super::token_text::TokenDigest;
use super::window::{MonthCount, UnitCount, Window};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Which secret a digest is.
pub type Digests = HashMap<TokenDigest, (TokenId, u32), foldhash::fast::RandomState>;

/// Everything that decisions depend on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Name of the log.
    pub origin: String,
    /// Its verifier key.
    pub log_vkey: String,
    /// Scope groups by number.
    pub groups: Table<ScopeGroup>,
    /// Accounts by number.
    pub accounts: Table<Account>,
    /// Users by number.
    pub users: Table<User>,
    /// Resources by number.
    pub resources: Table<Resource>,
    /// Tokens by number.
    pub tokens: Table<Token>,
    /// Tokens of the service itself that are not deleted.
    pub service_tokens: BTreeSet<TokenId>,
    /// Last text number given.
    pub last_text: TextNumber,
    /// Time of the last record.
    pub last_recorded_at: Timestamp,
    /// Whether the last start or stop of recording was a stop.
    pub stopped_cleanly: bool,
}

impl State {
    /// An account by its number.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(id.0)
    }

    /// A user by its number.
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(id.0)
    }

    /// A token by its number.
    pub fn token(&self, id: TokenId) -> Option<&Token> {
        self.tokens.get(id.0)
    }

    /// A scope group by its name.
    pub fn group_named(&self, name: &str) -> Option<&ScopeGroup> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Limit and window that a header's draws go to: the account's, or the token user's own.
    pub fn pool(&self, account: AccountId, owner: Owner) -> Option<(u64, Window)> {
        match (self.account(account), owner) {
            (Some(account), _) => Some((account.hourly_limit, account.window)),
            (None, Owner::User(user)) => self.user(user).map(|user| (user.hourly_limit, user.window)),
            (None, _) => None,
        }
    }

    /// The digests of all secrets that tokens keep: derived, so never stored.
    pub fn digests(&self) -> Digests {
        let mut digests = Digests::with_capacity_and_hasher(self.tokens.len(), Default::default());
        for token in self.tokens.iter() {
            digests.extend(token.secrets.iter().map(|secret| (secret.digest, (token.id, secret.number))));
        }
        digests
    }

    /// Takes in one event that has happened.
    pub fn evolve(&mut self, header: &Header, event: &Event) {
        self.note_header(header);
        match event {
            Event::TokenUsed(used) => self.draw(header, used),
            Event::TokenUseRefused(refused) => self.note_refusal(header, refused.cause),
            Event::ManagementRefused(refused) => self.note_refusal(header, refused.cause),
            Event::TextSeen(seen) => {
                self.last_text = self.last_text.max(seen.number);
                if seen.kind == super::text::TextKind::Agent
                    && let Some(token) = self.tokens.get_mut(header.credential.0)
                {
                    token.new_agents.add(header.recorded_at.hour());
                }
            }
            Event::LedgerInitialized(_)
            | Event::ScopeGroupDefined(_)
            | Event::RecordingStarted(_)
            | Event::RecordingStopped(_) => self.evolve_service(event),
            Event::UserCreated(_) | Event::AccountCreated(_) => self.evolve_directory(header, event),
            Event::TokenCreated(created) => self.create_token(header, created),
            Event::TokenRenamed(_)
            | Event::TokenAccessChanged(_)
            | Event::TokenExpiryChanged(_)
            | Event::TokenRotated(_)
            | Event::TokenDeleted(_) => self.evolve_token(header, event),
            Event::RefusalsSummed(_) | Event::QuotaRefusalsTotalled(_) => {}
            _ => self.evolve_account(header, event),
        }
    }

    fn note_header(&mut self, header: &Header) {
        self.last_recorded_at = header.recorded_at;
        if let Some(account) = self.accounts.get_mut(header.account.0) {
            account.stream_number = header.account_number;
        }
        if let Some(token) = self.tokens.get_mut(header.token.0) {
            token.set_stream_number(header.account, header.token_number);
        }
    }

    fn window_mut(&mut self, header: &Header) -> Option<&mut Window> {
        if !header.account.is_none() {
            return self.accounts.get_mut(header.account.0).map(|account| &mut account.window);
        }
        let Owner::User(user) = self.token(header.token)?.owner else { return None };
        self.users.get_mut(user.0).map(|user| &mut user.window)
    }

    fn draw(&mut self, header: &Header, used: &TokenUsed) {
        if let Some(window) = self.window_mut(header) {
            window.draw(u64::from(used.general), header.recorded_at);
        }
        if used.research > 0
            && let Some(account) = self.accounts.get_mut(header.account.0)
        {
            account.research_month.draw(u64::from(used.research), header.recorded_at);
        }
    }

    fn note_refusal(&mut self, header: &Header, cause: Cause) {
        if let Some(token) = self.tokens.get_mut(header.token.0) {
            token.refusals.add(header.recorded_at.minute());
        }
        if cause == Cause::QuotaExceeded
            && let Some(window) = self.window_mut(header)
        {
            window.refusal_recorded = true;
        }
    }

    fn evolve_service(&mut self, event: &Event) {
        match event {
            Event::LedgerInitialized(initialized) => {
                self.origin.clone_from(&initialized.origin);
                self.log_vkey.clone_from(&initialized.log_vkey);
                self.stopped_cleanly = true;
            }
            Event::ScopeGroupDefined(defined) => self.groups.add(
                u64::from(defined.group),
                ScopeGroup {
                    number: defined.group,
                    name: defined.name.clone(),
                    restrictable: defined.restrictable,
                    has_write: defined.has_write,
                    needs_research: defined.needs_research,
                },
            ),
            Event::RecordingStarted(_) => self.stopped_cleanly = false,
            Event::RecordingStopped(_) => self.stopped_cleanly = true,
            _ => {}
        }
    }

    fn evolve_directory(&mut self, header: &Header, event: &Event) {
        let at = header.recorded_at;
        match event {
            Event::UserCreated(created) => self.users.add(
                created.user.0,
                User {
                    id: created.user,
                    name: created.name,
                    email: created.email,
                    accounts: BTreeSet::new(),
                    tokens: Shared::default(),
                    hourly_limit: created.hourly_limit,
                    window: Window::default(),
                    created_at: at,
                    updated_at: at,
                    version: Version(1),
                },
            ),
            Event::AccountCreated(created) => self.accounts.add(
                header.account.0,
                Account {
                    id: header.account,
                    name: created.name,
                    email: created.email,
                    plan: created.plan,
                    hourly_limit: created.hourly_limit,
                    research: None,
                    members: Shared::default(),
                    past_members: BTreeMap::new(),
                    by_name: Shared::default(),
                    resources: Shared::default(),
                    tokens: Shared::default(),
                    window: Window::default(),
                    research_month: MonthCount::default(),
                    created_at: at,
                    updated_at: at,
                    version: Version(1),
                    stream_number: header.account_number,
                },
            ),
            _ => {}
        }
    }

    fn evolve_account(&mut self, header: &Header, event: &Event) {
        let at = header.recorded_at;
        self.evolve_members(header, event);
        self.evolve_resources(header, event);
        let Some(account) = self.accounts.get_mut(header.account.0) else { return };
        match event {
            Event::AccountRenamed(renamed) => (account.name, account.email) = (renamed.name, renamed.email),
            Event::PlanChanged(changed) => account.plan = changed.to,
            Event::HourlyLimitChanged(changed) => account.hourly_limit = changed.to,
            Event::ResearchActivated(on) => account.research = Some(Research { monthly_cap: on.monthly_cap }),
            Event::ResearchDeactivated(_) => account.research = None,
            _ => return,
        }
        account.version = account.version.next();
        account.updated_at = at;
    }

    fn evolve_members(&mut self, header: &Header, event: &Event) {
        let Some(account) = self.accounts.get_mut(header.account.0) else { return };
        match event {
            Event::MemberAdded(added) => {
                let version = account.past_members.remove(&added.user).unwrap_or_default().next();
                let member = Membership { access: added.access.clone(), version, since: header.recorded_at };
                account.members.insert(added.user, member);
                if let Some(user) = self.users.get_mut(added.user.0) {
                    user.accounts.insert(header.account);
                }
            }
            Event::MemberAccessChanged(changed) => {
                if let Some(member) = account.members.get_mut(&changed.user) {
                    member.access = changed.access.clone();
                    member.version = member.version.next();
                }
            }
            Event::MemberRemoved(removed) => {
                if let Some(member) = account.members.remove(&removed.user) {
                    account.past_members.insert(removed.user, member.version.next());
                }
                if let Some(user) = self.users.get_mut(removed.user.0) {
                    user.accounts.remove(&header.account);
                }
            }
            _ => {}
        }
    }

    fn evolve_resources(&mut self, header: &Header, event: &Event) {
        let Some(account) = self.accounts.get_mut(header.account.0) else { return };
        match event {
            Event::ResourceAdded(added) => {
                let kind = added.facts.kind();
                account.resources.insert(added.resource, kind);
                if kind != ResourceKind::Certificate {
                    account.by_name.insert((kind, added.name), added.resource);
                }
                self.resources.add(
                    added.resource.0,
                    Resource {
                        id: added.resource,
                        account: header.account,
                        name: added.name,
                        facts: added.facts.clone(),
                        added_at: header.recorded_at,
                        removed_at: None,
                    },
                );
            }
            Event::ResourceRemoved(removed) => {
                account.resources.remove(&removed.resource);
                if let Some(resource) = self.resources.get_mut(removed.resource.0) {
                    resource.removed_at = Some(header.recorded_at);
                    let named = (resource.facts.kind(), resource.name);
                    if account.by_name.get(&named) == Some(&removed.resource) {
                        account.by_name.remove(&named);
                    }
                }
            }
            _ => {}
        }
    }

    /// The set of live tokens that an owner's are listed in.
    fn live_tokens_mut(&mut self, owner: Owner) -> Option<&mut BTreeSet<TokenId>> {
        match owner {
            Owner::Service => Some(&mut self.service_tokens),
            Owner::Account(account) => Some(&mut self.accounts.get_mut(account.0)?.tokens),
            Owner::User(user) => Some(&mut self.users.get_mut(user.0)?.tokens),
        }
    }

    fn create_token(&mut self, header: &Header, created: &TokenCreated) {
        if let Some(tokens) = self.live_tokens_mut(created.owner) {
            tokens.insert(header.token);
        }
        self.tokens.add(
            header.token.0,
            Token {
                id: header.token,
                kind: created.kind,
                owner: created.owner,
                name: created.name,
                access: created.access.clone(),
                secrets: vec![created.secret],
                created_at: header.recorded_at,
                created_by: header.principal,
                version: Version(1),
                expires_at: created.expires_at,
                deleted_at: None,
                imported: false,
                streams: vec![(header.account, header.token_number)],
                refusals: UnitCount::default(),
                new_agents: UnitCount::default(),
            },
        );
    }

    fn evolve_token(&mut self, header: &Header, event: &Event) {
        let Some(token) = self.tokens.get_mut(header.token.0) else { return };
        match event {
            Event::TokenRenamed(renamed) => token.name = renamed.name,
            Event::TokenAccessChanged(changed) => token.access = changed.access.clone(),
            Event::TokenExpiryChanged(changed) => token.expires_at = changed.expires_at,
            Event::TokenRotated(rotated) => rotate(token, rotated, header.recorded_at),
            Event::TokenDeleted(_) => token.deleted_at = Some(header.recorded_at),
            _ => return,
        }
        token.version = token.version.next();
        let (owner, deleted) = (token.owner, token.deleted_at.is_some());
        if deleted && let Some(tokens) = self.live_tokens_mut(owner) {
            tokens.remove(&header.token);
        }
    }

    /// Resource of this account, if it has it.
    pub fn resource_of(&self, account: &Account, id: ResourceId) -> Option<&Resource> {
        account.resources.contains_key(&id).then(|| self.resources.get(id.0)).flatten()
    }
}

/// At most two secrets work: the one before the new one until its end, any older one no longer.
fn rotate(token: &mut Token, rotated: &TokenRotated, at: Timestamp) {
    for secret in &mut token.secrets {
        let latest = if secret.number == rotated.ends { rotated.ends_at } else { at };
        secret.not_after = Some(secret.not_after.map_or(latest, |end| end.min(latest)));
    }
    token.secrets.push(rotated.secret);
}

/// The right under which a change was made; none for events that are no changes.
pub fn authority_of(event: &Event) -> Option<Authority> {
    by_of(event).map(|by| by.authority)
}

/// By what right, with which secret and from where a change was made; none for events that are no changes.
pub fn by_of(event: &Event) -> Option<&By> {
    Some(match event {
        Event::UserCreated(e) => &e.by,
        Event::AccountCreated(e) => &e.by,
        Event::AccountRenamed(e) => &e.by,
        Event::PlanChanged(e) => &e.by,
        Event::HourlyLimitChanged(e) => &e.by,
        Event::ResearchActivated(e) => &e.by,
        Event::ResearchDeactivated(e) => &e.by,
        Event::MemberAdded(e) => &e.by,
        Event::MemberAccessChanged(e) => &e.by,
        Event::MemberRemoved(e) => &e.by,
        Event::ResourceAdded(e) => &e.by,
        Event::ResourceRemoved(e) => &e.by,
        Event::TokenCreated(e) => &e.by,
        Event::TokenRenamed(e) => &e.by,
        Event::TokenAccessChanged(e) => &e.by,
        Event::TokenExpiryChanged(e) => &e.by,
        Event::TokenRotated(e) => &e.by,
        Event::TokenDeleted(e) => &e.by,
        _ => return None,
    })
}
