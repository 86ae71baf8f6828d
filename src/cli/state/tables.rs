//! A state in tables for people: what its JSON form says, in columns.

use super::Of;
use crate::cli::Failure;
use crate::cli::output::write_table;
use serde_json::Value;
use std::io::Write;

/// Writes the tables that belong to what was asked for.
pub(super) fn write(out: &mut dyn Write, state: &Value, of: Of) -> Result<(), Failure> {
    let head = state["head"].as_u64().map(|head| format!(" of {head}")).unwrap_or_default();
    let position = &state["as_of"]["position"];
    writeln!(
        out,
        "{} at position {position}{head}, as of {}\n",
        word(&state["origin"]),
        word(&state["as_of"]["time"])
    )?;
    let rows = |key: &str, row: fn(&Value) -> Vec<String>| -> Vec<Vec<String>> {
        state[key].as_array().into_iter().flatten().map(row).collect()
    };
    if of.token.is_none() && of.user.is_none() {
        let columns =
            ["id", "name", "plan", "limit", "used", "remaining", "resets at", "research", "members", "tokens"];
        write_table(out, "Accounts", &columns, rows("accounts", account_row))?;
        writeln!(out)?;
    }
    if of.token.is_none() {
        write_table(out, "Members", &["account", "user", "name", "access", "since"], rows("members", member_row))?;
        writeln!(out)?;
    }
    if of.token.is_none() && of.account.is_none() {
        write_table(out, "Users", &["id", "name", "e-mail", "accounts"], rows("users", user_row))?;
        writeln!(out)?;
    }
    let columns = ["id", "kind", "of", "name", "access", "hint", "state", "last used", "expires", "only"];
    write_table(out, "Tokens", &columns, rows("tokens", token_row))?;
    if of.account.is_some() {
        writeln!(out)?;
        write_table(out, "Resources", &["id", "kind", "name"], rows("resources", resource_row))?;
    }
    Ok(())
}

/// A value as a cell. What is not there, or was erased, is a dash.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn list(values: &Value, between: &str) -> String {
    values.as_array().map(|values| joined(values, between)).unwrap_or_default()
}

fn joined(values: &[Value], between: &str) -> String {
    values.iter().map(word).collect::<Vec<_>>().join(between)
}

fn account_row(account: &Value) -> Vec<String> {
    let general = &account["usage"]["general"];
    let research = &account["usage"]["domain_research"];
    let research = match (research["used"].as_u64(), research["cap"].as_u64()) {
        (None, _) => "-".to_owned(),
        (Some(used), None) => format!("{used}, no cap"),
        (Some(used), Some(cap)) => format!("{used} of {cap}"),
    };
    let [id, name, plan, members, tokens] = ["id", "name", "plan", "members", "tokens"].map(|key| word(&account[key]));
    let [limit, used, remaining, resets] = ["limit", "used", "remaining", "resets_at"].map(|key| word(&general[key]));
    vec![id, name, plan, limit, used, remaining, resets, research, members, tokens]
}

fn member_row(member: &Value) -> Vec<String> {
    let [account, user, name, since] = ["account_id", "user_id", "name", "since"].map(|key| word(&member[key]));
    vec![account, user, name, access(&member["access"]), since]
}

fn user_row(user: &Value) -> Vec<String> {
    let [id, name, email] = ["id", "name", "email"].map(|key| word(&user[key]));
    vec![id, name, email, list(&user["accounts"], ", ")]
}

fn token_row(token: &Value) -> Vec<String> {
    let owner = match (token["account_id"].as_u64(), token["user_id"].as_u64()) {
        (Some(account), _) => format!("account {account}"),
        (None, Some(user)) => format!("user {user}"),
        (None, None) => "the service".to_owned(),
    };
    let last_used = match &token["last_used_at"] {
        Value::Null => word(&token["last_used_status"]),
        at => word(at),
    };
    let access = match token["rights"].as_array() {
        Some(rights) => format!("{} on accounts {}", joined(rights, ", "), list(&token["accounts"], " ")),
        None => access(&token["access"]),
    };
    let [id, kind, name, hint, state, expires] =
        ["id", "kind", "name", "hint", "state", "expires_at"].map(|key| word(&token[key]));
    vec![id, kind, owner, name, access, format!("…{hint}"), state, last_used, expires, conditions(token)]
}

/// `from 2026-04-01T00:00:00Z; at 192.0.2.0/24 2001:db8::/32`, or a dash.
fn conditions(token: &Value) -> String {
    let begin = token["not_before"].as_str().map(|begin| format!("from {begin}"));
    let ranges = token["allowed_addresses"].as_array().map(|ranges| format!("at {}", joined(ranges, " ")));
    let said: Vec<String> = begin.into_iter().chain(ranges).collect();
    if said.is_empty() { word(&Value::Null) } else { said.join("; ") }
}

fn resource_row(resource: &Value) -> Vec<String> {
    ["id", "kind", "name"].map(|key| word(&resource[key])).to_vec()
}

/// `full`, or `zones read_only on example.com` for each grant.
fn access(access: &Value) -> String {
    let Some(grants) = access["grants"].as_array() else { return word(access) };
    if grants.is_empty() {
        return "nothing".to_owned();
    }
    let grant = |grant: &Value| {
        let resources = match grant["resources"].as_array() {
            None => word(&grant["resources"]),
            Some(names) if names.is_empty() => "none".to_owned(),
            Some(names) => joined(names, " "),
        };
        format!("{} {} on {resources}", word(&grant["group"]), word(&grant["level"]))
    };
    grants.iter().map(grant).collect::<Vec<_>>().join("; ")
}
