//! Least privilege of a token or a member.

use super::what_if::{account_in, owner_of, state_of};
use super::{Asked, AuditError, FROM, Kind, Question, TO, optional};
use crate::audit::answer::{Answer, Basis, Table};
use crate::audit::archive::{Archive, Range};
use crate::audit::least::{Least, Lists, Unused, least, unused};
use crate::audit::what_if::{Seen, tokens_of};
use crate::domain::access::{Access, Coverage, Grant, GroupNumber, RequiredScope};
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::token::Owner;
use serde_json::{Value, json};

/// The question.
pub(super) const LEAST_PRIVILEGE: Question = Question {
    name: "least-privilege",
    about: "The smallest access that covers the real uses of a token or a member, and what was never used",
    example: "audit least-privilege --token 2 --from 2026-03-01T00:00:00Z",
    parameters: &[
        optional("token", Kind::Number, "The token, of an account"),
        optional("account", Kind::Number, "The account of the member"),
        optional("user", Kind::Number, "The member"),
        optional("lists", Kind::Word(&["narrow", "keep"]), "keep: every list goes on showing the same"),
        FROM,
        TO,
    ],
    answer,
};

fn answer(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let range = asked.range(archive)?;
    let whose = whose(asked)?;
    let lists = if asked.text("lists") == Some("keep") { Lists::Keep } else { Lists::Narrow };
    of(archive, whose, range, lists).map(|(answer, _)| answer)
}

/// Whose uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// A token's.
    Token(TokenId),
    /// A member's, of the account.
    Member(AccountId, UserId),
}

fn whose(asked: &Asked) -> Result<Whose, AuditError> {
    let token = asked.number("token").map(TokenId);
    let member = asked.number("account").map(AccountId).zip(asked.number("user").map(UserId));
    let is_half = asked.text("account").is_some() != asked.text("user").is_some();
    match (token, member) {
        (Some(token), None) if !is_half => Ok(Whose::Token(token)),
        (None, Some((account, user))) => Ok(Whose::Member(account, user)),
        _ => Err(AuditError::malformed("token", "or account and user must be given, and not both")),
    }
}

/// The answer, and the smallest access as it is recorded.
pub fn of(archive: &Archive, whose: Whose, range: Range, lists: Lists) -> Result<(Answer, Least), AuditError> {
    let through = range.1;
    let (account, tokens) = match whose {
        Whose::Token(token) => match owner_of(archive, token, through)? {
            Some(Owner::Account(account)) => (account, vec![token]),
            Some(Owner::User(_)) => {
                return Err(AuditError::malformed("token", "is a user's: ask of the memberships that it follows"));
            }
            Some(Owner::Service) => return Err(AuditError::malformed("token", "is the service's")),
            None => return Err(AuditError::NotFound(format!("there was no token {token} then"))),
        },
        Whose::Member(account, user) => (account, tokens_of(archive, user, through)?),
    };
    let state = state_of(archive, account, through)?;
    let entered = account_in(&state, account)?;
    let current = match whose {
        Whose::Token(token) => state.token(token).map(|token| {
            let counts = state.access_on(token, account).map(|(_, access, _)| access.into_owned());
            counts.unwrap_or_else(|| token.access.clone())
        }),
        Whose::Member(_, user) => entered.members.get(&user).map(|member| member.access.clone()),
    };
    let current = current.ok_or_else(|| AuditError::NotFound("there was no such member then".to_owned()))?;
    let found = least(archive, (account, &tokens), &current, range, lists)?;
    let mut answer = Answer::new(LEAST_PRIVILEGE.name, Basis::new(archive, through, archive.now())?);
    tell(&mut answer, archive, &current, &found);
    if !entered.plan.has_grants() {
        answer.gaps.push("The account's plan is solo: an access can only be full there.".to_owned());
    }
    Ok((answer, found))
}

fn tell(answer: &mut Answer, archive: &Archive, current: &Access, found: &Least) {
    answer.say("access", archive.words().access(&found.access));
    answer.say("access_in_force", archive.words().access(current));
    answer.say("uses", found.scopes.values().map(|seen| seen.count).sum::<u64>() + found.unscoped);
    answer.say("reported", found.reported.values().sum::<u64>());
    answer.tables.push(grants(archive, found));
    answer.tables.push(scopes(archive, found));
    answer.tables.push(unused_table(archive, current, found));
    for group in &found.too_many_names {
        answer.gaps.push(format!(
            "More names of {} were used than a grant takes: it stays a grant of all.",
            group_name(archive, *group).unwrap_or_default()
        ));
    }
    if !found.uncovered.is_empty() {
        answer.gaps.push(
            "Some uses asked by a number that was no resource's, which only a grant of all covers: they are not covered."
                .to_owned(),
        );
    }
}

fn group_name(archive: &Archive, number: GroupNumber) -> Option<String> {
    archive.groups().get(u64::from(number)).map(|group| group.name.clone())
}

fn resources(archive: &Archive, coverage: &Coverage) -> Value {
    match coverage {
        Coverage::All => json!("all"),
        Coverage::Named(names) => names.iter().map(|&name| archive.words().text(name)).collect(),
    }
}

fn when(seen: &Seen) -> [Value; 5] {
    let at = |moment: crate::domain::time::Timestamp| (seen.count > 0).then(|| moment.to_micros_text());
    let position = |position: u64| (seen.count > 0).then_some(position);
    [
        json!(seen.count),
        json!(at(seen.first.1)),
        json!(position(seen.first.0.0)),
        json!(at(seen.last.1)),
        json!(position(seen.last.0.0)),
    ]
}

fn grants(archive: &Archive, found: &Least) -> Table {
    let columns: &[&str] =
        &["group", "level", "resources", "uses", "first_at", "first_position", "last_at", "last_position"];
    let mut table = Table::new("grants", "The smallest access, grant by grant", columns);
    let Access::Granted(grants) = &found.access else { return table };
    for Grant { group, level, coverage } in grants {
        let mut row = vec![json!(group_name(archive, *group)), json!(level.name()), resources(archive, coverage)];
        row.extend(when(&sum(found, *group)));
        table.add(row);
    }
    table
}

/// All uses of a group together.
fn sum(found: &Least, group: GroupNumber) -> Seen {
    let mut sum = Seen::default();
    for seen in found.scopes.iter().filter(|(scope, _)| scope.group == group).map(|(_, seen)| seen) {
        let first = if sum.count == 0 || seen.first.0 < sum.first.0 { seen.first } else { sum.first };
        let last = if sum.count == 0 || seen.last.0 > sum.last.0 { seen.last } else { sum.last };
        sum = Seen { count: sum.count + seen.count, first, last, examples: Vec::new() };
    }
    sum
}

fn scopes(archive: &Archive, found: &Least) -> Table {
    let columns: &[&str] =
        &["scope", "covered", "reported", "uses", "first_at", "first_position", "last_at", "last_position"];
    let mut table = Table::new("scopes", "What was used", columns);
    for (scope, seen) in &found.scopes {
        let scope: &RequiredScope = scope;
        let mut row = vec![
            json!(archive.words().scope(*scope)),
            json!(!found.uncovered.contains(scope)),
            json!(found.reported.get(scope).copied().unwrap_or(0)),
        ];
        row.extend(when(seen));
        table.add(row);
    }
    table
}

fn unused_table(archive: &Archive, current: &Access, found: &Least) -> Table {
    let columns: &[&str] = &["group", "resource", "what"];
    let mut table = Table::new("unused", "What the access in force covers and nobody used", columns);
    for unused in unused(current, found, archive.groups()) {
        let (group, resource, what) = match unused {
            Unused::Group(group, level) => (group, Value::Null, format!("the whole grant, {}", level.name())),
            Unused::Writing(group) => (group, Value::Null, "writing".to_owned()),
            Unused::Name(group, name) => (group, json!(archive.words().text(name)), "the name".to_owned()),
            Unused::All(group) => (group, json!("*"), "all but the names used".to_owned()),
        };
        table.add(vec![json!(group_name(archive, group)), resource, json!(what)]);
    }
    table
}
