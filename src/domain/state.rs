//! The decision state, and `evolve`: event → state. It reads no clock and no configuration and cannot fail: what
//! is in the log has happened, and a replay of the log gives this state again.

mod oauth;
mod part;
mod reach;
mod tokens;
mod touch;

use super::access::ScopeGroup;
use super::digests::Digests;
use super::directory::{Account, Membership, Research, Resource, ResourceKind, User};
use super::event::{By, Cause, Event, Header, TokenUsed};
use super::history_read::HistoryReads;
use super::idempotency::KeptKeys;
use super::ids::{AccountId, Position, ResourceId, TextNumber, TokenId, UserId, Version};
use super::log_keys::LogKeys;
use super::oauth::{Application, Authorization, Codes};
use super::reported_keys::Reports;
use super::review::Reviews;
use super::sign_in::SignIns;
use super::table::{Shared, Table};
use super::time::Timestamp;
use super::token::{Authority, Owner, Token, TokenKind};
use super::window::{MonthCount, Window};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that decisions depend on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Name of the log.
    pub origin: String,
    /// Its verifier key.
    pub log_vkey: String,
    /// All names and verifier keys that it had, those of today included.
    pub log_keys: LogKeys,
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
    /// OAuth applications by number.
    pub applications: Table<Application>,
    /// Authorizations of OAuth applications by number.
    pub authorizations: Table<Authorization>,
    /// Codes that authorizations gave out.
    pub codes: Shared<Codes>,
    /// Tokens of the service itself that are not deleted.
    pub service_tokens: BTreeSet<TokenId>,
    /// The scope map in force.
    pub scope_map: Option<MapInForce>,
    /// Last text number given.
    pub last_text: TextNumber,
    /// Position of the last record: positions have no gaps, so it is the count of all.
    pub head: Position,
    /// Time of the last record.
    pub last_recorded_at: Timestamp,
    /// Whether the last start or stop of recording was a stop.
    pub stopped_cleanly: bool,
    /// Idempotency keys of the last 24 hours.
    pub kept_keys: Shared<KeptKeys>,
    /// Keys of lines that gateways reported.
    pub reports: Shared<Reports>,
    /// Looks at history that are recorded in the running minute.
    pub history_reads: Shared<HistoryReads>,
    /// The last seal.
    pub last_seal: Option<LastSeal>,
    /// Access reviews.
    pub reviews: Shared<Reviews>,
    /// Sign-in links and sessions.
    pub sign_ins: Shared<SignIns>,
}

/// A seal that was recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastSeal {
    /// The position it is about.
    pub at: Position,
    /// Its own record.
    pub record: Position,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// The scope map that requests of gateways are read by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MapInForce {
    /// Its number.
    pub number: u32,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
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

    /// Verifier keys that sign the log's head, the newest first.
    pub fn log_signers(&self) -> Vec<String> {
        let signers = self.log_keys.signers(self.head, self.last_recorded_at);
        signers.into_iter().map(|span| span.log_vkey.clone()).collect()
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

    /// The way from every secret's digest to its token.
    pub fn digests(&self) -> Digests {
        Digests::of(&self.tokens)
    }

    /// Takes in one event that has happened.
    pub fn evolve(&mut self, header: &Header, event: &Event) {
        self.note_header(header, event);
        match event {
            Event::TokenUsed(used) => self.draw_own(header, used),
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
            | Event::ScopeMapDefined(_)
            | Event::RecordingStarted(_)
            | Event::RecordingStopped(_)
            | Event::LogContinued(_)
            | Event::LogKeyRotated(_) => self.evolve_service(event),
            Event::StateSealed(sealed) => {
                let (record, recorded_at) = (self.head, header.recorded_at);
                self.last_seal = Some(LastSeal { at: sealed.at_position, record, recorded_at });
            }
            Event::RecordingResumed(_) | Event::ClockStepped(_) | Event::ScopeMapRejected(_) => {}
            Event::UserCreated(_) | Event::AccountCreated(_) => self.evolve_directory(header, event),
            Event::TokenCreated(_) | Event::TokenImported(_) => self.begin_token(header, event),
            Event::TokenRenamed(_)
            | Event::TokenAccessChanged(_)
            | Event::TokenExpiryChanged(_)
            | Event::TokenConditionsChanged(_)
            | Event::GatewayRightsChanged(_)
            | Event::TokenRotated(_)
            | Event::TokenDeleted(_) => self.evolve_token(header, event),
            // The text goes, its number stays: what was recorded with it is as it was.
            Event::PersonalDataErased(_) | Event::RefusalsSummed(_) | Event::QuotaRefusalsTotalled(_) => {}
            Event::IdempotencyKeyKept(kept) => {
                self.kept_keys.keep(header.principal, header.recorded_at, self.head, kept);
            }
            Event::UseReported(line) => self.reports.keep(header.credential, line, self.head),
            Event::HistoryRead(read) if read.counted.is_none() => {
                self.history_reads.keep(header.principal, header.recorded_at, &read.asked.shape);
            }
            Event::HistoryRead(_) | Event::HistoryStreamOpened(_) | Event::HistoryStreamClosed(_) => {}
            Event::AccessReviewOpened(opened) => self.reviews.begin(header, opened),
            Event::AccessReviewDecided(decided) => self.reviews.decide(decided),
            Event::AccessReviewClosed(closed) => self.reviews.close(closed),
            Event::SignInLinkCreated(created) => self.sign_ins.keep_link(header.recorded_at, created),
            Event::SignInLinkUsed(used) => self.begin_session(header, used.link),
            Event::SignInRefused(refused) => self.sign_ins.note_refusal(refused),
            Event::ApplicationRegistered(_)
            | Event::ApplicationChanged(_)
            | Event::ApplicationSecretRotated(_)
            | Event::ApplicationDeleted(_) => self.evolve_application(header, event),
            Event::AuthorizationGranted(_)
            | Event::AuthorizationCodeIssued(_)
            | Event::CodeExchangeRefused(_)
            | Event::AuthorizationRevoked(_) => self.evolve_authorization(header, event),
            _ => self.evolve_account(header, event),
        }
    }

    fn note_header(&mut self, header: &Header, event: &Event) {
        self.head = self.head.next();
        self.last_recorded_at = header.recorded_at;
        if let Some(account) = self.accounts.get_mut(header.account.0) {
            account.stream_number = header.account_number;
            account.last_record = self.head;
            // While the row is at hand: reaching for it a second time would cost every use an atomic operation more.
            if let Event::TokenUsed(used) = event {
                draw(account, used, header.recorded_at);
            }
        }
        if let Some(token) = self.tokens.get_mut(header.token.0) {
            token.set_stream_number(header.account, header.token_number, self.head);
        }
    }

    fn window_mut(&mut self, header: &Header) -> Option<&mut Window> {
        if !header.account.is_none() {
            return self.accounts.get_mut(header.account.0).map(|account| &mut account.window);
        }
        let Owner::User(user) = self.token(header.token)?.owner else { return None };
        self.users.get_mut(user.0).map(|user| &mut user.window)
    }

    /// What a use on no account draws from its user's own window; an account's was drawn from with its row.
    fn draw_own(&mut self, header: &Header, used: &TokenUsed) {
        if header.account.is_none()
            && let Some(window) = self.window_mut(header)
        {
            window.draw(u64::from(used.general), header.recorded_at);
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
        self.log_keys.take(self.head, event);
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
            Event::ScopeMapDefined(defined) => {
                self.scope_map = Some(MapInForce { number: defined.map, hash: defined.hash });
            }
            Event::RecordingStarted(_) => self.stopped_cleanly = false,
            Event::RecordingStopped(_) => self.stopped_cleanly = true,
            Event::LogKeyRotated(rotated) => self.log_vkey.clone_from(&rotated.log_vkey),
            Event::LogContinued(continued) => {
                self.origin.clone_from(&continued.origin);
                self.log_vkey.clone_from(&continued.log_vkey);
            }
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
                    applications: Shared::default(),
                    authorizations: Shared::default(),
                    window: Window::default(),
                    research_month: MonthCount::default(),
                    created_at: at,
                    updated_at: at,
                    version: Version(1),
                    stream_number: header.account_number,
                    last_record: self.head,
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

    /// Live tokens of the service: those of gateways, or those of staff.
    pub fn live_service_tokens(&self, of_gateways: bool) -> impl Iterator<Item = TokenId> {
        let is_one =
            move |id: &TokenId| self.token(*id).is_some_and(|token| (token.kind == TokenKind::Gateway) == of_gateways);
        self.service_tokens.iter().copied().filter(is_one)
    }

    /// Resource of this account, if it has it.
    pub fn resource_of(&self, account: &Account, id: ResourceId) -> Option<&Resource> {
        account.resources.contains_key(&id).then(|| self.resources.get(id.0)).flatten()
    }
}

/// What a use draws from its account's windows.
fn draw(account: &mut Account, used: &TokenUsed, at: Timestamp) {
    account.window.draw(u64::from(used.general), at);
    if used.research > 0 {
        account.research_month.draw(u64::from(used.research), at);
    }
}

/// The right under which a change was made, or history looked at; none for events that are neither.
pub fn authority_of(event: &Event) -> Option<Authority> {
    by_of(event).map(|by| by.authority)
}

/// By what right, with which secret and from where a change was made, or history looked at; none for events that are
/// neither.
pub fn by_of(event: &Event) -> Option<&By> {
    Some(match event {
        Event::PersonalDataErased(e) => &e.by,
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
        Event::TokenImported(e) => &e.by,
        Event::GatewayRightsChanged(e) => &e.by,
        Event::TokenConditionsChanged(e) => &e.by,
        Event::UseReported(e) => &e.by,
        Event::HistoryRead(e) => &e.by,
        Event::HistoryStreamOpened(e) => &e.by,
        Event::AccessReviewOpened(e) => &e.by,
        Event::AccessReviewDecided(e) => &e.by,
        Event::AccessReviewClosed(e) => &e.by,
        Event::SignInLinkCreated(e) => &e.by,
        Event::SignInLinkUsed(e) => &e.by,
        Event::LogKeyRotated(e) => &e.by,
        Event::ApplicationRegistered(e) => &e.by,
        Event::ApplicationChanged(e) => &e.by,
        Event::ApplicationSecretRotated(e) => &e.by,
        Event::ApplicationDeleted(e) => &e.by,
        Event::AuthorizationGranted(e) => &e.by,
        Event::AuthorizationCodeIssued(e) => &e.by,
        Event::CodeExchangeRefused(e) => &e.by,
        Event::AuthorizationRevoked(e) => &e.by,
        Event::ClockStepped(e) => return e.by.as_ref(),
        _ => return None,
    })
}
