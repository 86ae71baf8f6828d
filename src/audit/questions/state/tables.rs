//! The rows of the answer.

use super::Of;
use crate::audit::answer::Table;
use crate::audit::describe::{Words, principal};
use crate::domain::access::Access;
use crate::domain::directory::{Account, Membership, User};
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Token};
use crate::domain::window::WindowView;
use crate::projections::Projections;
use crate::projections::usage::Pool;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Read models, what it takes to put them into words, and the time that they are judged at.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The read models.
    pub projections: &'a Projections,
    /// Texts and groups.
    pub words: Words<'a>,
    /// When expiry and windows are judged.
    pub at: Timestamp,
}

/// The tables of an answer, `state` first; none if there was no such thing.
pub fn tables(seen: &Seen<'_>, of: Of) -> Option<Vec<Table>> {
    let state = &seen.projections.state;
    let account = |id| state.account(id).filter(|account| !account.id.is_none());
    let user = |id| state.user(id).filter(|user| !user.id.is_none());
    match of {
        Of::Token(id) => state.token(id).filter(|token| !token.id.is_none()).map(|token| seen.of_token(token)),
        Of::Account(id) => account(id).map(|account| seen.of_account(account)),
        Of::User(id) => user(id).map(|user| seen.of_user(user)),
        Of::Membership(id, user) => {
            let member = account(id)?.members.get(&user)?;
            Some(vec![
                seen.membership(id, user, member),
                seen.grants([(None, Some(id), Some(user), Cow::Borrowed(&member.access))]),
            ])
        }
    }
}

/// Whose grants: token, account, user, and the access.
type Granted<'a> = (Option<TokenId>, Option<AccountId>, Option<UserId>, Cow<'a, Access>);

impl Seen<'_> {
    fn of_token(&self, token: &Token) -> Vec<Table> {
        let granted: Vec<Granted<'_>> = match token.owner {
            Owner::Account(account) => {
                vec![(Some(token.id), Some(account), token.follows(), self.access_of(token, account))]
            }
            Owner::User(user) => self.memberships(user),
            Owner::Service => Vec::new(),
        };
        let pool = match token.owner {
            Owner::Account(account) => Some((account, UserId::NONE)),
            Owner::User(user) => Some((AccountId::NONE, user)),
            Owner::Service => None,
        };
        let mut tables = vec![self.token(token), self.secrets(token), self.grants(granted)];
        tables.extend(pool.map(|pool| self.windows(pool)));
        tables.extend(pool.and_then(|(account, _)| self.research(account)));
        tables
    }

    fn of_account(&self, account: &Account) -> Vec<Table> {
        let members = account
            .members
            .iter()
            .map(|(&user, member)| (None, Some(account.id), Some(user), Cow::Borrowed(&member.access)));
        let mut listed = Table::new("members", "Members", &["user_id", "name", "version", "since"]);
        for (&user, member) in account.members.iter() {
            let name = self.projections.state.user(user).and_then(|user| self.words.text(user.name));
            listed.add(vec![json!(user.0), json!(name), json!(member.version.0), time(Some(member.since))]);
        }
        let mut tables = vec![self.account(account), listed, self.grants(members.collect::<Vec<_>>())];
        tables.push(self.tokens(account.tokens.iter().copied()));
        tables.push(self.windows((account.id, UserId::NONE)));
        tables.extend(self.research(account.id));
        tables
    }

    fn of_user(&self, user: &User) -> Vec<Table> {
        let tokens = self.tokens(user.tokens.iter().copied());
        vec![self.user(user), self.grants(self.memberships(user.id)), tokens, self.windows((AccountId::NONE, user.id))]
    }

    /// The access of an account's token that counts there; of one whose member has left what was authorised.
    fn access_of<'a>(&'a self, token: &'a Token, account: AccountId) -> Cow<'a, Access> {
        let counts = self.projections.state.access_on(token, account).map(|(_, access, _)| access);
        counts.unwrap_or(Cow::Borrowed(&token.access))
    }

    fn memberships(&self, user: UserId) -> Vec<Granted<'_>> {
        let state = &self.projections.state;
        let accounts = state.user(user).into_iter().flat_map(|user| user.accounts.iter());
        let membership = |&account: &AccountId| {
            let member = state.account(account)?.members.get(&user)?;
            Some((None, Some(account), Some(user), Cow::Borrowed(&member.access)))
        };
        accounts.filter_map(membership).collect()
    }

    fn token(&self, token: &Token) -> Table {
        let (used, reported) =
            (self.projections.last_used.token(token.id), self.projections.last_used.reported_of(token.id));
        let account = match token.owner {
            Owner::Account(account) => Some(account.0),
            Owner::User(_) | Owner::Service => None,
        };
        let (user, authorized) = (token.follows().map(|user| user.0), token.authorized.as_deref());
        let owner = account.and_then(|account| self.projections.state.account(AccountId(account)));
        let gateway = token.gateway.as_deref();
        members([
            ("id", json!(token.id.0)),
            ("kind", json!(token.kind.name())),
            ("state", json!(token.standing(self.at))),
            ("name", json!(self.words.text(token.name))),
            ("account_id", json!(account)),
            ("user_id", json!(user)),
            ("plan", json!(owner.map(|account| account.plan.name()))),
            ("access", json!(account.map(|account| extent(&self.access_of(token, AccountId(account)))))),
            ("authorization_id", json!(authorized.map(|authorized| authorized.authorization.0))),
            ("application_id", json!(authorized.map(|authorized| authorized.application.0))),
            ("rights", json!(gateway.map(|reach| reach.rights.iter().map(|right| right.name()).collect::<Vec<_>>()))),
            (
                "accounts",
                json!(gateway.map(|reach| reach.accounts.iter().map(|account| account.0).collect::<Vec<_>>())),
            ),
            ("expires_at", time(token.expires_at)),
            ("not_before", time(token.conditions().not_before)),
            ("allowed_addresses", json!(token.conditions().ranges_in_words())),
            ("last_used_status", json!(self.projections.last_used.status(token))),
            ("last_used_at", time(used.map(|uses| uses.last_at))),
            ("last_used_position", json!(used.map(|uses| uses.last_position.0))),
            ("reported_uses", json!(reported.map_or(0, |reported| reported.count))),
            ("last_reported_at", time(reported.map(|reported| reported.last_at))),
            ("version", json!(token.version.0)),
            ("created_at", time(Some(token.created_at))),
            ("created_by", principal(token.created_by)),
            ("imported_at", time(token.imported_at)),
            ("deleted_at", time(token.deleted_at)),
        ])
    }

    fn account(&self, account: &Account) -> Table {
        members([
            ("id", json!(account.id.0)),
            ("name", json!(self.words.text(account.name))),
            ("email", json!(self.words.text(account.email))),
            ("plan", json!(account.plan.name())),
            ("hourly_limit", json!(account.hourly_limit)),
            ("domain_research", json!(account.research.is_some())),
            ("monthly_cap", json!(account.research.and_then(|research| research.monthly_cap))),
            ("members", json!(account.members.len())),
            ("tokens", json!(account.tokens.len())),
            ("resources", json!(account.resources.len())),
            ("version", json!(account.version.0)),
            ("created_at", time(Some(account.created_at))),
            ("updated_at", time(Some(account.updated_at))),
        ])
    }

    fn user(&self, user: &User) -> Table {
        members([
            ("id", json!(user.id.0)),
            ("name", json!(self.words.text(user.name))),
            ("email", json!(self.words.text(user.email))),
            ("accounts", json!(user.accounts)),
            ("hourly_limit", json!(user.hourly_limit)),
            ("version", json!(user.version.0)),
            ("created_at", time(Some(user.created_at))),
            ("updated_at", time(Some(user.updated_at))),
        ])
    }

    fn membership(&self, account: AccountId, user: UserId, member: &Membership) -> Table {
        let name = self.projections.state.user(user).and_then(|user| self.words.text(user.name));
        members([
            ("account_id", json!(account.0)),
            ("user_id", json!(user.0)),
            ("name", json!(name)),
            ("access", json!(extent(&member.access))),
            ("version", json!(member.version.0)),
            ("since", time(Some(member.since))),
        ])
    }

    fn secrets(&self, token: &Token) -> Table {
        let columns = &["number", "hint", "hashed_token", "not_after", "works"];
        let mut table = Table::new("secrets", "Secrets, oldest first", columns);
        for secret in &token.secrets {
            table.add(vec![
                json!(secret.number),
                json!(String::from_utf8_lossy(&secret.hint)),
                json!(STANDARD.encode(secret.digest.0)),
                time(secret.not_after),
                json!(token.check_time(secret.number, self.at).is_ok()),
            ]);
        }
        table
    }

    /// A row for each grant; one for a full access, whose group is none: it is of all.
    fn grants<'a>(&self, granted: impl IntoIterator<Item = Granted<'a>>) -> Table {
        let columns = &["token_id", "account_id", "user_id", "group", "level", "resources"];
        let mut table = Table::new("grants", "Access, grant by grant", columns);
        for (token, account, user, access) in granted {
            let whose = [json!(token.map(|id| id.0)), json!(account.map(|id| id.0)), json!(user.map(|id| id.0))];
            let said = self.words.access(&access);
            let rows: Vec<[Value; 3]> = match said["grants"].as_array() {
                None => vec![[Value::Null, said, json!("all")]],
                Some(grants) => {
                    grants.iter().map(|it| ["group", "level", "resources"].map(|of| it[of].clone())).collect()
                }
            };
            for row in rows {
                table.add(whose.iter().cloned().chain(row).collect());
            }
        }
        table
    }

    fn tokens(&self, ids: impl Iterator<Item = TokenId>) -> Table {
        let columns =
            &["id", "kind", "state", "name", "access", "version", "expires_at", "last_used_status", "last_used_at"];
        let mut table = Table::new("tokens", "Tokens that were not deleted", columns);
        for token in ids.filter_map(|id| self.projections.state.token(id)) {
            let last_used = &self.projections.last_used;
            let access = match token.owner {
                Owner::Account(account) => Some(extent(&self.access_of(token, account))),
                Owner::User(_) | Owner::Service => None,
            };
            table.add(vec![
                json!(token.id.0),
                json!(token.kind.name()),
                json!(token.standing(self.at)),
                json!(self.words.text(token.name)),
                json!(access),
                json!(token.version.0),
                time(token.expires_at),
                json!(last_used.status(token)),
                time(last_used.token(token.id).map(|uses| uses.last_at)),
            ]);
        }
        table
    }

    fn windows(&self, pool: Pool) -> Table {
        let columns = &["account_id", "user_id", "limit", "used", "remaining", "refused", "opened_at", "resets_at"];
        let mut table = Table::new("windows", "Usage window", columns);
        let (account, user) = pool;
        let Some((limit, window)) = self.projections.state.pool(account, Owner::User(user)) else { return table };
        let refused =
            self.projections.usage.window(pool).filter(|_| window.is_open(self.at)).map(|window| window.refused);
        let WindowView { limit, remaining, used, opened_at, resets_at } = window.view(limit, self.at);
        let at = |seconds: Option<u64>| time(seconds.map(Timestamp::from_seconds));
        table.add(vec![
            json!((!account.is_none()).then_some(account.0)),
            json!((!user.is_none()).then_some(user.0)),
            json!(limit),
            json!(used),
            json!(remaining),
            json!(refused.unwrap_or(0)),
            at(opened_at),
            at(resets_at),
        ]);
        table
    }

    /// The month's Domain Research; none where the account has no such feature.
    fn research(&self, account: AccountId) -> Option<Table> {
        let account = self.projections.state.account(account)?;
        let research = account.research?;
        let columns = &["account_id", "month", "used", "cap"];
        let mut table = Table::new("domain_research", "Domain Research of the month", columns);
        let (month, used) = (self.at.month().to_text(), account.research_month.used_at(self.at));
        table.add(vec![json!(account.id.0), json!(month), json!(used), json!(research.monthly_cap)]);
        Some(table)
    }
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Table {
    let mut table = Table::new("state", "What it was", &["member", "value"]);
    for (name, value) in members {
        table.add(vec![json!(name), value]);
    }
    table
}

fn time(at: Option<Timestamp>) -> Value {
    json!(at.map(Timestamp::to_micros_text))
}

/// Grants are told apart, in a table of their own.
fn extent(access: &Access) -> &'static str {
    if access == &Access::Full { "full" } else { "granted" }
}
