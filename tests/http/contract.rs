//! Holds an answer against the document: status, headers, media type, and every member of the body. What a request
//! got away with is held against the described request body too.
//!
//! Knows the part of JSON Schema that the document uses, and stops at any keyword it does not know.

use crate::document::{Described, document, object, operations, resolve};
use crate::wire::{Ask, Told};
use serde_json::Value;
use std::collections::BTreeSet;
use token_ledger::http::operations::{Found, OPERATIONS, Operation, find};

/// Keywords that say nothing about validity here.
/// Patterns and formats of what is sent are held by schemathesis, which makes its requests from them.
const ANNOTATIONS: [&str; 7] = ["description", "title", "example", "examples", "default", "format", "pattern"];

/// One JSON value a line: the schema is each line's.
pub const MANY: &str = "application/x-ndjson";

/// Checks an answer of a documented operation; paths and methods beside them are no operation.
#[track_caller]
pub fn check(ask: &Ask, told: &Told) {
    let path = ask.path.split('?').next().unwrap();
    let Found::Operation(operation, _) = find(path, &ask.method) else { return };
    // Pages are for people; `tests/pages.rs` looks at them.
    if matches!(operation, Operation::Page(_)) {
        return;
    }
    let (template, method, _) = OPERATIONS.iter().find(|(_, _, row)| *row == operation).unwrap();
    let described = operations()
        .find(|described| described.path == *template && described.method.eq_ignore_ascii_case(method))
        .unwrap_or_else(|| panic!("{method} {template} is not in the document"));
    if let Err(fault) = check_answer(described, told).and_then(|()| check_request(described, ask, told)) {
        panic!("{method} {template} -> {}: {fault}\n{}", told.status, String::from_utf8_lossy(&told.body));
    }
}

fn check_answer(described: Described, told: &Told) -> Result<(), String> {
    let response = described.operation["responses"].get(told.status.to_string());
    let response = resolve(response.ok_or("the status is not described")?);
    for (name, header) in response.get("headers").into_iter().flat_map(object) {
        let required = resolve(header).get("required").is_some_and(|required| *required == true);
        if required && told.header(&name.to_ascii_lowercase()).is_none() {
            return Err(format!("the header {name} is missing"));
        }
    }
    for name in [
        "x-ledger-position",
        "x-ratelimit-limit",
        "etag",
        "retry-after",
        "www-authenticate",
        "allow",
        "idempotent-replayed",
        "x-decision-id",
        "x-token-scopes",
        "x-accepted-token-scopes",
        "x-token-expiration",
        "x-token-id",
        "x-token-kind",
        "x-token-account",
        "x-token-user",
        "ratelimit",
        "ratelimit-policy",
    ] {
        let mut headers = response.get("headers").into_iter().flat_map(object);
        if told.header(name).is_some() && !headers.any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(format!("the header {name} is not described"));
        }
    }
    check_body(response, told)
}

fn check_body(response: &'static Value, told: &Told) -> Result<(), String> {
    let Some(content) = response.get("content") else {
        return if told.body.is_empty() { Ok(()) } else { Err("a body where none is described".to_owned()) };
    };
    let kind = told.header("content-type").unwrap_or_default().split(';').next().unwrap().trim();
    let media = content.get(kind).ok_or(format!("the media type {kind} is not described"))?;
    if !kind.ends_with("json") {
        return Ok(());
    }
    if kind == MANY {
        return told.lines().iter().try_for_each(|line| validate(&media["schema"], line, "line"));
    }
    validate(&media["schema"], &told.json(), "body")
}

fn check_request(described: Described, ask: &Ask, told: &Told) -> Result<(), String> {
    let Some(body) = described.operation.get("requestBody").filter(|_| told.status < 300) else { return Ok(()) };
    if ask.body.is_empty() {
        return Ok(());
    }
    let is_many = ask.headers.iter().any(|(_, value)| value == MANY);
    if let Some(form) = resolve(body)["content"].get("application/x-www-form-urlencoded") {
        let pairs = form_urlencoded::parse(&ask.body).map(|(name, value)| (name.into_owned(), Value::from(&*value)));
        return validate(&form["schema"], &Value::Object(pairs.collect()), "request");
    }
    let schema = &resolve(body)["content"][if is_many { MANY } else { "application/json" }]["schema"];
    let lines = if is_many { ask.body.split(|&byte| byte == b'\n').collect() } else { vec![&*ask.body] };
    // Where each line has an answer of its own, those that were refused got away with nothing.
    let refused: Vec<u64> = match told.header("content-type") {
        Some(MANY) => told.lines().iter().filter(|line| line["result"] == "refused").map(line_number).collect(),
        _ => Vec::new(),
    };
    let lines = (1..).zip(lines).filter(|(number, _)| !refused.contains(number)).map(|(_, line)| line);
    for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
        let sent: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        validate(schema, &sent, "request")?;
    }
    Ok(())
}

fn line_number(line: &Value) -> u64 {
    line["line"].as_u64().unwrap()
}

/// Whether a value is as the schema says, with no member that the schema does not name.
pub fn validate(schema: &'static Value, value: &Value, at: &str) -> Result<(), String> {
    check_keywords(schema, value, at)?;
    let Some(members) = value.as_object() else { return Ok(()) };
    let mut named = BTreeSet::new();
    if !collect_names(schema, value, &mut named) {
        return Ok(());
    }
    match members.keys().find(|member| !named.contains(member.as_str())) {
        Some(member) => Err(format!("{at}.{member} is not described")),
        None => Ok(()),
    }
}

fn check_keywords(schema: &'static Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolve(schema);
    for (keyword, wanted) in object(schema) {
        let good = match keyword.as_str() {
            "type" => is_type(wanted, value),
            "enum" => wanted.as_array().unwrap().contains(value),
            "const" => wanted == value,
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap()),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= wanted.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= wanted.as_u64().unwrap()),
            "uniqueItems" => {
                value.as_array().is_none_or(|items| (1..items.len()).all(|at| !items[..at].contains(&items[at])))
            }
            "required" => has_all(wanted, value),
            "properties" => return_first(
                object(wanted)
                    .iter()
                    .filter_map(|(name, schema)| validate(schema, value.get(name)?, &format!("{at}.{name}")).err()),
            )?,
            "items" => return_first(
                value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .enumerate()
                    .filter_map(|(index, item)| validate(wanted, item, &format!("{at}[{index}]")).err()),
            )?,
            "additionalProperties" if wanted.is_object() => check_additional(schema, wanted, value, at)?,
            "allOf" => return_first(
                wanted.as_array().unwrap().iter().filter_map(|part| check_keywords(part, value, at).err()),
            )?,
            "oneOf" => matching(wanted, value) == 1,
            "anyOf" => matching(wanted, value) > 0,
            "additionalProperties" => true,
            known if ANNOTATIONS.contains(&known) => true,
            unknown => panic!("{unknown} is a keyword that this check does not know"),
        };
        if !good {
            return Err(format!("{at} is not as {keyword} {wanted} says: {value}"));
        }
    }
    Ok(())
}

fn return_first(mut faults: impl Iterator<Item = String>) -> Result<bool, String> {
    faults.next().map_or(Ok(true), Err)
}

fn is_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    };
    match wanted {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().unwrap())),
        other => panic!("{other} is no type"),
    }
}

fn has_all(wanted: &Value, value: &Value) -> bool {
    !value.is_object() || wanted.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some())
}

fn check_additional(schema: &'static Value, wanted: &'static Value, value: &Value, at: &str) -> Result<bool, String> {
    let named = schema.get("properties");
    let others = value.as_object().into_iter().flatten();
    let others = others.filter(|(name, _)| named.is_none_or(|named| named.get(name.as_str()).is_none()));
    return_first(others.filter_map(|(name, member)| validate(wanted, member, &format!("{at}.{name}")).err()))
}

fn matching(schemas: &'static Value, value: &Value) -> usize {
    schemas.as_array().unwrap().iter().filter(|part| validate_loosely(part, value)).count()
}

fn validate_loosely(schema: &'static Value, value: &Value) -> bool {
    check_keywords(schema, value, "").is_ok()
}

/// Names of the members that a schema describes; false where it leaves them open.
fn collect_names(schema: &'static Value, value: &Value, names: &mut BTreeSet<&'static str>) -> bool {
    let schema = resolve(schema);
    if schema.get("additionalProperties").is_some_and(|additional| *additional != false) {
        return false;
    }
    names.extend(schema.get("properties").into_iter().flat_map(object).map(|(name, _)| name.as_str()));
    let parts = ["allOf", "oneOf", "anyOf"].iter().filter_map(|keyword| schema.get(keyword)?.as_array()).flatten();
    parts.filter(|part| validate_loosely(part, value)).all(|part| collect_names(part, value, names))
}

#[test]
fn the_check_finds_what_is_not_described() {
    let usage = &document()["components"]["schemas"]["Pagination"];
    let good = serde_json::json!({ "current_page": 1, "per_page": 30, "total_entries": 0, "total_pages": 1 });
    assert_eq!(validate(usage, &good, "body"), Ok(()));
    for (member, value) in [("total_pages", Value::from("1")), ("total_pages", Value::Null), ("extra", Value::from(1))]
    {
        let mut bad = good.clone();
        bad[member] = value;
        assert!(validate(usage, &bad, "body").is_err(), "{member}");
    }
}
