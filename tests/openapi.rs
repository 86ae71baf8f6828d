//! `schema/openapi.yaml` and the table of routes say the same, both ways, and the document hangs together.
//!
//! What answers look like is held against the document by every test of `tests/http.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "http/document.rs"]
mod document;

use document::{Described, document, object, operations, resolve};
use serde_json::Value;
use std::collections::BTreeSet;
use token_ledger::audit::questions::{QUESTIONS, question};
use token_ledger::http::operations::{OPERATIONS, Operation};

/// Operations that need no credential.
const OPEN: [Operation; 8] = [
    Operation::ExchangeCode,
    Operation::Health,
    Operation::Ready,
    Operation::Metrics,
    Operation::Document,
    Operation::Checkpoint,
    Operation::VerifierKeys,
    Operation::ProblemPage,
];

fn operation_of(described: Described) -> Operation {
    let matches = |(path, method, _): &&(&str, &str, Operation)| {
        *path == described.path && method.eq_ignore_ascii_case(described.method)
    };
    let row = OPERATIONS.iter().find(matches);
    row.unwrap_or_else(|| panic!("{} {} is not served", described.method, described.path)).2
}

fn lower_camel(operation: Operation) -> String {
    if let Operation::Question(name) = operation {
        let words = name.split('-').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..]));
        return format!("ask{}", words.collect::<String>());
    }
    let name = format!("{operation:?}");
    format!("{}{}", name[..1].to_lowercase(), &name[1..])
}

#[test]
fn every_operation_is_described_and_every_description_is_served() {
    let served: BTreeSet<(String, String)> =
        OPERATIONS.iter().map(|(path, method, _)| ((*path).to_owned(), method.to_lowercase())).collect();
    let described: BTreeSet<(String, String)> =
        operations().map(|described| (described.path.to_owned(), described.method.to_owned())).collect();
    assert_eq!(served, described);
    assert_eq!(served.len(), OPERATIONS.len(), "a row is there twice");
}

#[test]
fn operation_ids_are_the_names_of_operations() {
    for described in operations() {
        assert_eq!(described.operation["operationId"], lower_camel(operation_of(described)), "{}", described.path);
    }
}

#[test]
fn every_question_is_served_and_described_with_all_that_it_takes() {
    let served: BTreeSet<&str> = OPERATIONS.iter().filter_map(|(_, _, operation)| question_of(*operation)).collect();
    assert_eq!(served, QUESTIONS.iter().map(|question| question.name).collect());
    for (described, question) in operations().filter_map(|it| Some((it, question(question_of(operation_of(it))?)?))) {
        assert_eq!((described.path, described.method), (&*format!("/v1/audit/{}", question.name), "get"));
        let parameters = described.operation["parameters"].as_array().unwrap().iter().map(resolve);
        let said: BTreeSet<(&str, bool)> =
            parameters.map(|parameter| (parameter["name"].as_str().unwrap(), parameter["required"] == true)).collect();
        let own = question.parameters.iter().map(|parameter| (parameter.name, parameter.required));
        assert_eq!(said, own.chain([("format", false), ("table", false)]).collect(), "{}", question.name);
    }
}

fn question_of(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::Question(name) => Some(name),
        _ => None,
    }
}

#[test]
fn every_variable_of_a_path_is_a_parameter_in_its_order() {
    for described in operations() {
        let parameters = described.operation.get("parameters").and_then(Value::as_array);
        let in_path: Vec<&str> = parameters
            .into_iter()
            .flatten()
            .map(resolve)
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let variables: Vec<&str> =
            described.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(in_path, variables, "{} {}", described.method, described.path);
    }
}

#[test]
fn every_post_of_the_management_surface_takes_an_idempotency_key() {
    // Questions are asked again, looks change nothing.
    let asks = |described: &Described| {
        described.operation["tags"][0] == "gateway" || described.operation["operationId"] == "askLeakOfText"
    };
    for described in operations().filter(|described| described.path.starts_with("/v1/") && !asks(described)) {
        let parameters = described.operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
        let takes_one = parameters.map(resolve).any(|parameter| parameter["name"] == "Idempotency-Key");
        // A clock that was accepted needs no accepting: sent again, it is 409 by itself.
        assert_eq!(takes_one, described.method == "post", "{} {}", described.method, described.path);
        if takes_one {
            let responses = &described.operation["responses"];
            let headers = &responses.get("201").unwrap_or(&responses["200"])["headers"];
            assert!(headers.get("Idempotent-Replayed").is_some(), "{}", described.path);
        }
    }
}

fn takes_if_match(described: Described) -> bool {
    let parameters = described.operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    parameters.map(resolve).any(|parameter| parameter["name"] == "If-Match")
}

/// Else two people who change one thing undo each other's change without being told.
#[test]
fn every_change_of_what_has_a_version_takes_if_match_and_so_does_its_end() {
    let tells_version = |described: &Described| {
        let responses = object(&described.operation["responses"]).values().map(resolve);
        responses.filter_map(|response| response.get("headers")).any(|headers| headers.get("ETag").is_some())
    };
    let is_change = |described: &Described| ["put", "patch"].iter().any(|it| described.method.eq_ignore_ascii_case(it));
    let changes: Vec<Described> = operations().filter(is_change).filter(tells_version).collect();
    assert!(changes.len() >= 7, "accounts, tokens of three kinds, members, features, applications");
    for change in changes {
        let ends =
            operations().filter(|other| other.path == change.path && other.method.eq_ignore_ascii_case("delete"));
        for described in std::iter::once(change).chain(ends) {
            assert!(takes_if_match(described), "{} {}", described.method, described.path);
        }
    }
}

#[test]
fn only_operations_that_leave_nothing_go_without_a_credential() {
    assert_eq!(document()["security"][0]["bearer"], serde_json::json!([]));
    for described in operations() {
        let open = described.operation.get("security").is_some_and(|security| *security == serde_json::json!([]));
        assert_eq!(open, OPEN.contains(&operation_of(described)), "{} {}", described.method, described.path);
    }
}

#[test]
fn what_needs_a_credential_says_what_happens_without_one_and_without_a_record() {
    for described in operations().filter(|described| !OPEN.contains(&operation_of(*described))) {
        let responses = object(&described.operation["responses"]);
        for status in ["400", "401", "429", "503"] {
            assert!(responses.contains_key(status), "{} {} lacks {status}", described.method, described.path);
        }
        for status in ["429", "503"] {
            assert!(resolve(&responses[status])["headers"].get("Retry-After").is_some(), "{} {status}", described.path);
        }
    }
}

#[test]
fn errors_are_messages_on_the_guarded_api_those_of_oauth_are_its_own_and_problems_are_everywhere_else() {
    for described in operations() {
        for (status, response) in object(&described.operation["responses"]) {
            let Some(content) = resolve(response).get("content") else { continue };
            let wanted = match (status.as_str() < "400", described.path.starts_with("/v2/")) {
                (true, _) => continue,
                (false, true) => "application/json",
                // RFC 6749 section 5.2.
                (false, false) if status == "400" && described.path.starts_with("/oauth/") => "application/json",
                (false, false) => "application/problem+json",
            };
            assert_eq!(object(content).keys().collect::<Vec<_>>(), [wanted], "{} {status}", described.path);
        }
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_referred_to() {
    let mut found = BTreeSet::new();
    references(document(), &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document().pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (section, components) in object(&document()["components"]).iter().filter(|(name, _)| *name != "securitySchemes")
    {
        for name in object(components).keys() {
            let reference = format!("#/components/{section}/{name}");
            assert!(found.contains(&reference), "nothing refers to {reference}");
        }
    }
}
