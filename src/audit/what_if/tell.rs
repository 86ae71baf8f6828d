//! What came out, as an answer.

use super::found::{Found, Group, Groups, Seen};
use crate::audit::answer::{Answer, Table};
use crate::audit::archive::Archive;
use crate::domain::access::{RequiredScope, Target};
use crate::domain::ids::{AccountId, Position};
use serde_json::{Value, json};
use std::collections::HashMap;

const GROUP_COLUMNS: &[&str] = &[
    "token_id",
    "account_id",
    "scope",
    "resource",
    "cause",
    "count",
    "first_at",
    "first_position",
    "last_at",
    "last_position",
    "examples",
];

/// Adds what came out to an answer.
pub fn tell(answer: &mut Answer, archive: &Archive, found: &Found) {
    let count = |groups: &Groups| groups.values().map(|seen| seen.count).sum::<u64>();
    answer.say("uses", found.uses);
    answer.say("refused", count(&found.refused));
    answer.say("undeterminable", count(&found.undeterminable));
    answer.say("narrowed_lists", found.narrowed.values().map(|list| list.seen.count).sum::<u64>());
    answer.say("newly_allowed", count(&found.newly_allowed));
    answer.say("let_in", count(&found.let_in));
    answer.say("reported", count(&found.reported));
    answer.say("blockers", found.blockers.len());
    let mut words = ScopeWords { archive, told: HashMap::new() };
    let grouped = [
        ("refused", "Uses that it would have refused, by scope and resource", &found.refused),
        ("narrowed", "", &Groups::new()),
        ("newly_allowed", "Refused requests that it would have let pass", &found.newly_allowed),
        ("undeterminable", "Uses of which it cannot be told: their addresses were erased", &found.undeterminable),
        ("let_in", "Refused requests that it would have let in; whether they pass cannot be told", &found.let_in),
        ("reported", "Uses that gateways decided by themselves, and that it would not cover", &found.reported),
    ];
    for (name, title, groups) in grouped {
        answer.tables.push(match name {
            "narrowed" => narrowed(&mut words, found),
            _ => table(&mut words, (name, title), groups),
        });
    }
    answer.tables.push(blockers(archive, found));
    answer.tables.push(each_use(&mut words, found));
    answer.gaps.extend(gaps(found));
}

/// Scopes in words, each put once: there are many uses of few scopes.
struct ScopeWords<'a> {
    archive: &'a Archive,
    told: HashMap<RequiredScope, String>,
}

impl ScopeWords<'_> {
    fn scope(&mut self, scope: Option<RequiredScope>) -> Value {
        let Some(scope) = scope else { return Value::Null };
        let archive = self.archive;
        json!(self.told.entry(scope).or_insert_with(|| archive.words().scope(scope)))
    }

    fn resource(&self, scope: Option<RequiredScope>) -> Value {
        match scope.map(|scope| scope.target) {
            None => Value::Null,
            Some(Target::Name(name)) => json!(self.archive.words().text(name)),
            Some(Target::Number(number)) => json!(number.to_string()),
            Some(Target::List | Target::All) => json!("*"),
        }
    }
}

fn account(account: AccountId) -> Value {
    json!((!account.is_none()).then_some(account.0))
}

fn positions(examples: &[Position]) -> Value {
    examples.iter().map(|position| position.0).collect()
}

fn when(seen: &Seen) -> [Value; 6] {
    let (first, last) = (seen.first, seen.last);
    [
        json!(seen.count),
        json!(first.1.to_micros_text()),
        json!(first.0.0),
        json!(last.1.to_micros_text()),
        json!(last.0.0),
        positions(&seen.examples),
    ]
}

fn table(words: &mut ScopeWords<'_>, (name, title): (&'static str, &'static str), groups: &Groups) -> Table {
    let mut table = Table::new(name, title, GROUP_COLUMNS);
    for (group, seen) in groups {
        let Group { token, account: on, scope, cause } = *group;
        let mut row = vec![json!(token.0), account(on), words.scope(scope), words.resource(scope), json!(cause.name())];
        row.extend(when(seen));
        table.add(row);
    }
    table
}

fn narrowed(words: &mut ScopeWords<'_>, found: &Found) -> Table {
    let columns: &[&str] = &[
        "token_id",
        "account_id",
        "group",
        "without",
        "of_everything",
        "count",
        "first_at",
        "first_position",
        "last_at",
        "last_position",
        "examples",
    ];
    let mut table = Table::new("narrowed", "Lists that would have been shorter, and what they would lack", columns);
    for (&(token, on, group), list) in &found.narrowed {
        let name = words.archive.groups().get(u64::from(group)).map(|group| group.name.clone());
        let without: Vec<Option<String>> = list.without.iter().map(|&name| words.archive.words().text(name)).collect();
        let mut row = vec![json!(token.0), account(on), json!(name), json!(without), json!(list.of_everything)];
        row.extend(when(&list.seen));
        table.add(row);
    }
    table
}

fn blockers(archive: &Archive, found: &Found) -> Table {
    let columns: &[&str] = &["account_id", "token_id", "user_id", "access", "uses", "first_at", "last_at"];
    let mut table =
        Table::new("blockers", "Tokens and members with grants: while they have them the plan cannot be solo", columns);
    for blocker in &found.blockers {
        let at = |moment: (Position, crate::domain::time::Timestamp)| {
            (blocker.uses.count > 0).then(|| moment.1.to_micros_text())
        };
        table.add(vec![
            account(blocker.account),
            json!(blocker.token.map(|token| token.0)),
            json!(blocker.user.map(|user| user.0)),
            archive.words().access(&blocker.access),
            json!(blocker.uses.count),
            json!(at(blocker.uses.first)),
            json!(at(blocker.uses.last)),
        ]);
    }
    table
}

fn each_use(words: &mut ScopeWords<'_>, found: &Found) -> Table {
    let columns: &[&str] = &["position", "recorded_at", "token_id", "account_id", "scope", "cause"];
    let mut table = Table::new("refused_uses", "Each use that it would have refused", columns);
    for (position, at, group) in &found.refused_uses {
        table.add(vec![
            json!(position.0),
            json!(at.to_micros_text()),
            json!(group.token.0),
            account(group.account),
            words.scope(group.scope),
            json!(group.cause.name()),
        ]);
    }
    table
}

fn gaps(found: &Found) -> Vec<String> {
    let mut gaps = Vec::new();
    if found.is_only_bound() {
        gaps.push(format!(
            "{} requests refused for quota are known as totals only. Where the change leaves room, some of them would \
             have passed and drawn: what is told of uses after them in the same windows is the least that is sure.",
            found.totalled
        ));
    }
    if found.summed > 0 {
        gaps.push(format!(
            "{} refusals past sixty a minute are recorded as sums, without what they asked for: whether the change lets \
             them pass is not known.",
            found.summed
        ));
    }
    if !found.undeterminable.is_empty() {
        gaps.push("Uses whose address was erased are counted as allowed, and drawn.".to_owned());
    }
    if found.asked_from_gateways > 0 {
        gaps.push(format!(
            "{} uses were asked about by gateways. Where one did not tell its client's address the record has the \
             gateway's own, and a token with ranges would have been refused.",
            found.asked_from_gateways
        ));
    }
    gaps
}
