//! What an event's `data` says, as one line for people. The JSON form says all of it; this leaves out hashes.

use serde_json::{Map, Value};

/// Members that only a program can use.
const LEFT_OUT: [&str; 4] = ["commitment", "hashed_token", "hashed_link", "hashed_code"];

/// One line of words: `secret 1, source token version 1, scope zones:example.com:read, …`.
pub fn in_words(data: &Value) -> String {
    data.as_object().map(joined).unwrap_or_default()
}

fn joined(members: &Map<String, Value>) -> String {
    let said = members.iter().filter(|(key, _)| !LEFT_OUT.contains(&key.as_str()));
    said.filter_map(|(key, value)| member(key, value)).collect::<Vec<_>>().join(", ")
}

fn member(key: &str, value: &Value) -> Option<String> {
    let said = said(value)?;
    Some(match key {
        "by" => format!("by {said}"),
        _ => format!("{} {said}", key.replace('_', " ")),
    })
}

/// A value in words; none where it says nothing.
pub fn said(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Bool(false) => Some("no".to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(said).collect();
            if items.is_empty() { Some("none".to_owned()) } else { Some(items.join("; ")) }
        }
        Value::Object(members) => object(members),
    }
}

/// A thing with a kind is said as `account 7` or `token version 2`; a grant as `zones read_only on all`.
fn object(members: &Map<String, Value>) -> Option<String> {
    let text = |key: &str| members.get(key).and_then(said);
    if let Some(authority) = text("authority") {
        let from = text("address").map(|address| format!(" from {address}")).unwrap_or_default();
        let with = text("agent").map(|agent| format!(" using {agent}")).unwrap_or_default();
        return Some(format!("{authority}{from}{with}"));
    }
    if let (Some(group), Some(level)) = (text("group"), text("level")) {
        return Some(format!("{group} {level} on {}", text("resources").unwrap_or_default()));
    }
    if let Some(kind) = text("kind") {
        let id = text("id").map(|id| format!(" {id}")).unwrap_or_default();
        let version = text("version").map(|version| format!(" version {version}")).unwrap_or_default();
        let within = text("membership_version").map(|version| format!(" within membership version {version}"));
        return Some(format!("{kind}{id}{version}{}", within.unwrap_or_default()));
    }
    match members.get("grants") {
        Some(grants) => said(grants),
        None => Some(format!("({})", joined(members))),
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;
    use serde_json::json;

    #[test]
    fn a_line_says_what_happened_without_hashes_and_empty_members() {
        let rows = [
            (
                json!({ "secret": 1, "source": { "kind": "token", "version": 2 }, "scope": "zones:example.com:read",
                    "resource_id": null, "drawn": { "general": 1, "research": 0 }, "outcome": "ok" }),
                "secret 1, source token version 2, scope zones:example.com:read, drawn (general 1, research 0), outcome ok",
            ),
            (
                json!({ "owner": { "kind": "account", "id": 7 }, "name": null,
                    "access": { "grants": [
                        { "group": "zones", "level": "read_only", "resources": ["a.example", "b.example"] },
                        { "group": "domains", "level": "full_access", "resources": "all" }] },
                    "secret": { "number": 1, "hashed_token": "…", "hint": "abcd", "not_after": null },
                    "by": { "authority": { "kind": "operator", "version": 1 }, "secret": 1, "address": "192.0.2.1",
                        "agent": null } }),
                "owner account 7, access zones read_only on a.example; b.example; domains full_access on all, \
                 secret (number 1, hint abcd), by operator version 1 from 192.0.2.1",
            ),
            (json!({ "access": { "grants": [] }, "after_clean_stop": false }), "access none, after clean stop no"),
            (json!({ "access": "full" }), "access full"),
            (json!(null), ""),
        ];
        for (data, expected) in rows {
            assert_eq!(in_words(&data), expected);
        }
    }
}
