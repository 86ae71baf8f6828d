//! There is a subcommand for every call of `/v1` that a person makes, and it says all that the call takes.

use crate::document::{document, object, operations, resolve};
use serde_json::Value;
use std::collections::BTreeSet;
use token_ledger::audit::questions::QUESTIONS;
use token_ledger::cli::remote::NOUNS;
use token_ledger::cli::remote::table::{Noun, Place, Shows, Verb};
use token_ledger::http::operations::{OPERATIONS, Operation};

/// Calls that programs make, not people. A text that was found goes no further than its digest: `audit leak` makes it. A
/// bundle is a file to keep: any client fetches it, and `export` makes it beside the ledger.
const NOT_FOR_PEOPLE: [Operation; 5] = [
    Operation::Authorize,
    Operation::ReportUses,
    Operation::StreamEvents,
    Operation::AskLeakOfText,
    Operation::ExportBundle,
];

fn verbs() -> impl Iterator<Item = (&'static Noun, &'static Verb)> {
    NOUNS.iter().flat_map(|noun| noun.verbs.iter().map(move |verb| (noun, verb)))
}

#[test]
fn every_operation_of_management_has_one_subcommand_or_is_not_for_people() {
    // Questions have `audit NAME`, made from the same rows.
    let is_question = |operation: &Operation| matches!(operation, Operation::Question(_));
    let rows = OPERATIONS.iter().filter(|(path, _, operation)| path.starts_with("/v1/") && !is_question(operation));
    for (path, method, operation) in rows {
        let count = verbs().filter(|(_, verb)| verb.operations.contains(operation)).count();
        let expected = usize::from(!NOT_FOR_PEOPLE.contains(operation));
        assert_eq!(count, expected, "{method} {path} ({operation:?})");
    }
    for operation in NOT_FOR_PEOPLE {
        assert!(OPERATIONS.iter().any(|(_, _, other)| *other == operation), "{operation:?} is not served");
    }
}

/// What a verb sends, by its names on the wire.
fn offered(noun: &Noun, verb: &Verb) -> BTreeSet<String> {
    let mut offered: BTreeSet<String> = verb.variables().into_iter().map(|(name, _)| name.to_owned()).collect();
    for field in verb.fields {
        match field.place {
            Place::Body | Place::Query => assert!(offered.insert(field.wire()), "{} {}", noun.name, field.flag),
            Place::IfMatch => assert!(offered.insert("If-Match".to_owned())),
            Place::Lines | Place::Here => {}
        }
    }
    match verb.shows {
        Shows::Pages(_) => offered.extend(["page".to_owned(), "per_page".to_owned()]),
        Shows::Chain(..) => offered.extend(["limit".to_owned()]),
        _ => {}
    }
    if verb.creates() {
        offered.insert("Idempotency-Key".to_owned());
    }
    offered
}

fn add_properties(schema: &'static Value, names: &mut BTreeSet<String>) {
    let schema = resolve(schema);
    if let Some(properties) = schema.get("properties") {
        names.extend(object(properties).keys().cloned());
    }
    for many in ["oneOf", "allOf", "anyOf"] {
        for one in schema.get(many).and_then(Value::as_array).into_iter().flatten() {
            add_properties(one, names);
        }
    }
}

/// What an operation takes, by the document.
fn taken(operation: Operation) -> BTreeSet<String> {
    let (path, method) = Verb::route(operation);
    let is_it = |path_and_method: (&str, &str)| path_and_method == (path, &method.to_lowercase());
    let described = operations().find(|described| is_it((described.path, described.method))).unwrap();
    let mut names = BTreeSet::new();
    // Pages as files: the command line has forms of its own.
    let is_form = |name: &str| operation == Operation::ListEvents && name == "format";
    for parameter in described.operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        let name = resolve(parameter)["name"].as_str().unwrap();
        if !is_form(name) {
            names.insert(name.to_owned());
        }
    }
    if let Some(schema) = described.operation.pointer("/requestBody/content/application~1json/schema") {
        add_properties(schema, &mut names);
    }
    names
}

#[test]
fn every_subcommand_says_all_that_its_calls_take_and_nothing_else() {
    assert!(document()["paths"].is_object());
    for (noun, verb) in verbs() {
        let taken: BTreeSet<String> = verb.operations.iter().flat_map(|&operation| taken(operation)).collect();
        assert_eq!(offered(noun, verb), taken, "{} {}", noun.name, verb.name);
        let methods: BTreeSet<&str> = verb.operations.iter().map(|&operation| Verb::route(operation).1).collect();
        assert_eq!(methods.len(), 1, "{} {}", noun.name, verb.name);
    }
}

/// clap itself checks for arguments that are there twice, or in groups of unknown ones.
#[test]
fn the_command_line_is_sound_and_every_subcommand_has_an_example_that_it_takes() {
    token_ledger::cli::command().debug_assert();
    for (noun, verb) in verbs() {
        let words = verb.example.split('\'').enumerate().flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        let words = std::iter::once("token-ledger".to_owned()).chain(words);
        let parsed = token_ledger::cli::command().try_get_matches_from(words);
        assert!(parsed.is_ok(), "{} {}: {:?}", noun.name, verb.name, parsed.err().map(|error| error.to_string()));
        assert!(verb.example.starts_with(format!("{} {}", noun.name, verb.name).trim_end()), "{}", verb.example);
    }
}

#[test]
fn every_question_has_an_example_that_it_takes() {
    for question in QUESTIONS {
        let mut words = vec!["token-ledger"];
        words.extend(question.example.split_whitespace());
        assert!(question.example.starts_with(&format!("audit {} ", question.name)), "{}", question.example);
        let parsed = token_ledger::cli::command().try_get_matches_from(words);
        assert!(parsed.is_ok(), "{}: {:?}", question.name, parsed.err().map(|error| error.to_string()));
    }
}

#[test]
fn no_argument_takes_the_credential_or_the_service() {
    let named_so = ["--token", "--credential", "--url", "--password", "--secret"];
    for (noun, verb) in verbs() {
        let fields = verb.fields.iter().map(|field| (format!("--{}", field.flag), field.kind));
        for (flag, kind) in fields {
            let is_a_number = matches!(kind, token_ledger::cli::remote::table::Kind::Number);
            assert!(!named_so.contains(&flag.as_str()) || is_a_number, "{} {} {flag}", noun.name, verb.name);
        }
    }
}

#[test]
fn help_has_every_subcommand_under_its_heading() {
    let help = token_ledger::cli::command().render_help().to_string();
    let (on_data, over_http) = help.split_once("Over HTTP").unwrap();
    for command in token_ledger::cli::command().get_subcommands() {
        let name = command.get_name();
        let is_noun = NOUNS.iter().any(|noun| noun.name == name);
        let place = if is_noun || name == "routes" { over_http } else { on_data };
        assert!(place.contains(&format!("\n  {name} ")), "{name} is not where it belongs in\n{help}");
    }
}
