//! What there is: accounts, people, resources, tokens, and the accesses they were given.

use super::texts::Texts;
use super::{int, some};
use crate::audit::describe;
use crate::domain::access::{Access, Coverage, GroupNumber, ScopeGroup, group};
use crate::domain::directory::ResourceKind;
use crate::domain::event::{Event, Header, ResourceAdded};
use crate::domain::ids::{AccountId, Position, ResourceId, TextNumber, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Secret, Token};
use crate::log::LogError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, params};
use serde_json::json;

/// What it takes to write the rows of a change. The state is the one after it.
pub(super) struct Change<'a, 'b> {
    pub connection: &'a Connection,
    pub texts: &'b mut Texts<'a>,
    pub state: &'b State,
    pub position: Position,
    pub header: &'b Header,
}

impl Change<'_, '_> {
    /// Writes what an event changed.
    pub(super) fn take(&mut self, event: &Event) -> Result<(), LogError> {
        let account = self.header.account;
        match event {
            Event::ScopeGroupDefined(defined) => self.group(u64::from(defined.group))?,
            Event::UserCreated(created) => self.user(created.user)?,
            Event::ResourceAdded(added) => self.resource(added)?,
            Event::ResourceRemoved(removed) => self.resource_removed(removed.resource)?,
            Event::ResearchActivated(_) => {
                self.account(account)?;
                self.research_begins(account)?;
            }
            Event::ResearchDeactivated(_) => {
                self.account(account)?;
                self.research_ends(account)?;
            }
            Event::AccountCreated(_)
            | Event::AccountRenamed(_)
            | Event::PlanChanged(_)
            | Event::HourlyLimitChanged(_) => self.account(account)?,
            Event::MemberAdded(added) => {
                self.access((account, None, Some(added.user)), &added.access)?;
                self.member_added(account, added.user)?;
            }
            Event::MemberAccessChanged(changed) => {
                self.access((account, None, Some(changed.user)), &changed.access)?;
                self.member_changed(account, changed.user)?;
            }
            Event::MemberRemoved(removed) => self.member_removed(account, removed.user)?,
            _ => {}
        }
        let given = match event {
            Event::TokenCreated(created) => Some((created.owner, &created.access)),
            Event::TokenImported(imported) => Some((imported.owner, &imported.access)),
            Event::TokenAccessChanged(changed) => {
                self.state.token(self.header.token).map(|token| (token.owner, &changed.access))
            }
            _ => None,
        };
        let mut given_now = false;
        if let Some((Owner::Account(account), access)) = given {
            self.access((account, Some(self.header.token), None), access)?;
            given_now = true;
        }
        match self.state.token(self.header.token) {
            Some(token) if is_of_token(event) => self.token(token, given_now),
            _ => Ok(()),
        }
    }

    fn at(&self) -> String {
        self.header.recorded_at.to_micros_text()
    }

    fn group(&self, number: u64) -> Result<(), LogError> {
        let Some(group) = self.state.groups.get(number) else { return Ok(()) };
        let ScopeGroup { number, name, restrictable, has_write, needs_research } = group;
        let mut statement = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO scope_groups (scope_group, number, restrictable, has_write, needs_research)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        statement.execute(params![name, number, restrictable, has_write, needs_research])?;
        Ok(())
    }

    fn account(&mut self, id: AccountId) -> Result<(), LogError> {
        let Some(account) = self.state.account(id).filter(|account| !account.id.is_none()) else { return Ok(()) };
        let (name, email) = (self.texts.cell(account.name)?, self.texts.cell(account.email)?);
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO accounts (account_id, name_text, email_text, plan, hourly_limit, has_research, research_cap,
                created_at, created_position, version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (account_id) DO UPDATE SET name_text = excluded.name_text, email_text = excluded.email_text,
                plan = excluded.plan, hourly_limit = excluded.hourly_limit, has_research = excluded.has_research,
                research_cap = excluded.research_cap, version = excluded.version",
        )?;
        statement.execute(params![
            int(id.0),
            name,
            email,
            account.plan.name(),
            int(account.hourly_limit),
            account.research.is_some(),
            account.research.and_then(|research| research.monthly_cap).map(int),
            account.created_at.to_micros_text(),
            int(self.position.0),
            int(account.version.0),
        ])?;
        Ok(())
    }

    fn user(&mut self, id: UserId) -> Result<(), LogError> {
        let Some(user) = self.state.user(id) else { return Ok(()) };
        let (name, email) = (self.texts.cell(user.name)?, self.texts.cell(user.email)?);
        let mut statement = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO users (user_id, name_text, email_text, hourly_limit, created_at, created_position)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        statement.execute(params![int(id.0), name, email, int(user.hourly_limit), self.at(), int(self.position.0)])?;
        Ok(())
    }

    fn resource(&mut self, added: &ResourceAdded) -> Result<(), LogError> {
        self.texts.cell(added.name)?;
        let (account, kind) = (self.header.account, added.facts.kind());
        let mut statement = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO resources (resource_id, account_id, kind, name_text, added_at, added_position)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let id = int(added.resource.0);
        let name = int(added.name.0);
        statement.execute(params![id, int(account.0), kind.name(), name, self.at(), int(self.position.0)])?;
        let groups: &[GroupNumber] = match kind {
            ResourceKind::Domain => &[group::DOMAINS, group::REGISTRAR, group::CERTIFICATES],
            ResourceKind::Zone => &[group::ZONES],
            ResourceKind::Certificate => &[],
        };
        for group in groups.iter().filter_map(|&group| self.state.groups.get(u64::from(group))) {
            self.texts.name(account, group, added.name)?;
        }
        Ok(())
    }

    fn resource_removed(&self, id: ResourceId) -> Result<(), LogError> {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE resources SET removed_at = ?2, removed_position = ?3 WHERE resource_id = ?1")?;
        statement.execute(params![int(id.0), self.at(), int(self.position.0)])?;
        Ok(())
    }

    fn research_begins(&self, account: AccountId) -> Result<(), LogError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO research_periods (account_id, since_at, since_position) SELECT ?1, ?2, ?3
             WHERE NOT EXISTS (SELECT 1 FROM research_periods WHERE account_id = ?1 AND until_position IS NULL)",
        )?;
        statement.execute(params![int(account.0), self.at(), int(self.position.0)])?;
        Ok(())
    }

    fn research_ends(&self, account: AccountId) -> Result<(), LogError> {
        let mut statement = self.connection.prepare_cached(
            "UPDATE research_periods SET until_at = ?2, until_position = ?3
             WHERE account_id = ?1 AND until_position IS NULL",
        )?;
        statement.execute(params![int(account.0), self.at(), int(self.position.0)])?;
        Ok(())
    }

    fn member_added(&self, account: AccountId, user: UserId) -> Result<(), LogError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO memberships (account_id, user_id, since_at, since_position, access_position)
             VALUES (?1, ?2, ?3, ?4, ?4)",
        )?;
        statement.execute(params![int(account.0), int(user.0), self.at(), int(self.position.0)])?;
        Ok(())
    }

    fn member_changed(&self, account: AccountId, user: UserId) -> Result<(), LogError> {
        let mut statement = self.connection.prepare_cached(
            "UPDATE memberships SET access_position = ?3
             WHERE account_id = ?1 AND user_id = ?2 AND until_position IS NULL",
        )?;
        statement.execute([int(account.0), int(user.0), int(self.position.0)])?;
        Ok(())
    }

    fn member_removed(&self, account: AccountId, user: UserId) -> Result<(), LogError> {
        let mut statement = self.connection.prepare_cached(
            "UPDATE memberships SET until_at = ?3, until_position = ?4
             WHERE account_id = ?1 AND user_id = ?2 AND until_position IS NULL",
        )?;
        statement.execute(params![int(account.0), int(user.0), self.at(), int(self.position.0)])?;
        Ok(())
    }

    /// An access that this event gave.
    fn access(
        &mut self,
        (account, token, user): (AccountId, Option<TokenId>, Option<UserId>),
        access: &Access,
    ) -> Result<(), LogError> {
        let position = int(self.position.0);
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO accesses (access_position, account_id, token_id, user_id, is_full) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let (token, user) = (token.map(|token| int(token.0)), user.map(|user| int(user.0)));
        statement.execute(params![position, int(account.0), token, user, *access == Access::Full])?;
        let Access::Granted(grants) = access else { return Ok(()) };
        for grant in grants {
            let Some(group) = self.state.groups.get(u64::from(grant.group)) else { continue };
            let names = match &grant.coverage {
                Coverage::All => None,
                Coverage::Named(names) => Some(names),
            };
            let mut statement = self.connection.prepare_cached(
                "INSERT INTO grants (access_position, scope_group, level, coverage) VALUES (?1, ?2, ?3, ?4)",
            )?;
            let coverage = if names.is_some() { "named" } else { "all" };
            statement.execute(params![position, group.name, grant.level.name(), coverage])?;
            for &name in names.into_iter().flatten() {
                self.granted_name((account, group), name)?;
            }
        }
        Ok(())
    }

    fn granted_name(&mut self, (account, group): (AccountId, &ScopeGroup), name: TextNumber) -> Result<(), LogError> {
        self.texts.name(account, group, name)?;
        let mut statement = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO grant_resources (access_position, scope_group, name_text) VALUES (?1, ?2, ?3)",
        )?;
        statement.execute(params![int(self.position.0), group.name, int(name.0)])?;
        Ok(())
    }

    /// A token as it is now; where it was made stays.
    fn token(&mut self, token: &Token, given_now: bool) -> Result<(), LogError> {
        let (account, user) = match token.owner {
            Owner::Account(account) => (some(account.0), None),
            Owner::User(user) => (None, some(user.0)),
            Owner::Service => (None, None),
        };
        let (principal, principal_id) = principal_cells(token.created_by);
        let conditions = token.conditions();
        let name = self.texts.cell(token.name)?;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO tokens (token_id, kind, account_id, user_id, name_text, hint, access_position, gateway, created_at,
                created_position, created_by, created_by_id, imported_at, not_before, expires_at, allowed_addresses,
                deleted_at, deleted_position, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
             ON CONFLICT (token_id) DO UPDATE SET name_text = excluded.name_text, hint = excluded.hint,
                access_position = COALESCE(excluded.access_position, access_position), gateway = excluded.gateway,
                not_before = excluded.not_before, expires_at = excluded.expires_at,
                allowed_addresses = excluded.allowed_addresses, deleted_at = excluded.deleted_at,
                deleted_position = COALESCE(deleted_position, excluded.deleted_position), version = excluded.version",
        )?;
        statement.execute(params![
            int(token.id.0),
            token.kind.name(),
            account,
            user,
            name,
            String::from_utf8_lossy(&token.hint()),
            given_now.then(|| int(self.position.0)),
            token.gateway.as_deref().map(|reach| describe::gateway(reach).to_string()),
            token.created_at.to_micros_text(),
            int(self.position.0),
            principal,
            principal_id,
            token.imported_at.map(Timestamp::to_micros_text),
            conditions.not_before.map(Timestamp::to_micros_text),
            token.expires_at.map(Timestamp::to_micros_text),
            conditions.ranges_in_words().map(|ranges| json!(ranges).to_string()),
            token.deleted_at.map(Timestamp::to_micros_text),
            token.deleted_at.map(|_| int(self.position.0)),
            int(token.version.0),
        ])?;
        token.secrets.iter().try_for_each(|secret| self.secret(token.id, secret))
    }

    fn secret(&self, token: TokenId, secret: &Secret) -> Result<(), LogError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO secrets (token_id, number, hashed_token, hint, not_after) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET not_after = excluded.not_after",
        )?;
        let hint = String::from_utf8_lossy(&secret.hint);
        let ends = secret.not_after.map(Timestamp::to_micros_text);
        statement.execute(params![int(token.0), secret.number, STANDARD.encode(secret.digest.0), hint, ends])?;
        Ok(())
    }
}

fn is_of_token(event: &Event) -> bool {
    matches!(
        event,
        Event::TokenCreated(_)
            | Event::TokenImported(_)
            | Event::TokenRenamed(_)
            | Event::TokenAccessChanged(_)
            | Event::TokenExpiryChanged(_)
            | Event::TokenConditionsChanged(_)
            | Event::GatewayRightsChanged(_)
            | Event::TokenRotated(_)
            | Event::TokenDeleted(_)
    )
}

/// Who acted, as two cells.
pub(super) fn principal_cells(principal: crate::domain::token::Principal) -> (String, Option<i64>) {
    let said = describe::principal(principal);
    let kind = said["kind"].as_str().unwrap_or_default().to_owned();
    (kind, said["id"].as_i64())
}
