//! The table as clap's commands.

use super::grants;
use super::nouns::NOUNS;
use super::table::{AS_OF_FLAGS, Field, Kind, Noun, Place, Shows, Verb};
use crate::domain::conditions::AddressRange;
use crate::domain::time::Timestamp;
use clap::builder::{FalseyValueParser, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgGroup, Command, value_parser};
use std::path::PathBuf;

/// What every verb's `--help` ends with.
const SERVICE_AND_CODES: &str = "\
Service and credential, never arguments:
  TOKEN_LEDGER_URL, TOKEN_LEDGER_TOKEN  or else, as url and token, the TOML file (mode 0600) that
  TOKEN_LEDGER_CONFIG                   names [default: ~/.config/token-ledger/credentials.toml]

Exit codes:
  0 good   1 refused, or not there   2 wrong usage or settings   69 not reached, or at fault (5xx)
  74 output or file not written      77 credential refused (401, 403)";

/// Names of arguments that are not fields.
pub(in crate::cli) mod ids {
    pub const GRANT: &str = "grant";
    pub const KEY: &str = "idempotency-key";
    pub const NO_KEY: &str = "no-idempotency-key";
    pub const SECRET_FILE: &str = "secret-file";
    pub const JSON: &str = "json";
    pub const ALLOW_HTTP: &str = "allow-http";
    pub const LIMIT: &str = "limit";
    pub const PAGE: &str = "page";
    pub const PER_PAGE: &str = "per-page";
}

/// Adds every noun to a command.
pub(super) fn add_nouns(command: Command) -> Command {
    NOUNS.iter().fold(command, |command, noun| command.subcommand(of_noun(noun)))
}

fn of_noun(noun: &'static Noun) -> Command {
    if let Some(verb) = noun.verb("") {
        return with_arguments(Command::new(noun.name), noun, verb).about(noun.about);
    }
    let command = Command::new(noun.name).about(noun.about).subcommand_required(true).arg_required_else_help(true);
    let of_verb = |verb: &'static Verb| with_arguments(Command::new(verb.name).about(verb.about), noun, verb);
    let example = noun.verbs.first().map_or("", |verb| verb.example);
    let command = command.after_help(format!("Example: token-ledger {example}\n\n{SERVICE_AND_CODES}"));
    command.subcommands(noun.verbs.iter().map(of_verb))
}

fn with_arguments(mut command: Command, noun: &'static Noun, verb: &'static Verb) -> Command {
    let example = format!("Example: token-ledger {}", verb.example);
    command = command.after_long_help(format!("{example}\n\n{SERVICE_AND_CODES}")).after_help(example);
    command = add_variables(command, noun, verb);
    for field in verb.fields {
        command = add_field(command, field);
    }
    if verb.method() == "PATCH" {
        let changes = verb.fields.iter().filter(|field| field.place == Place::Body).flat_map(field_ids);
        command = command.group(ArgGroup::new("what changes").args(changes).required(true).multiple(true));
    }
    if let Some(file) = verb.fields.iter().find(|field| field.place == Place::Lines) {
        let others = verb.fields.iter().filter(|field| field.place == Place::Body).flat_map(field_ids);
        command = command
            .group(ArgGroup::new("one of many").args(others).multiple(true).conflicts_with(file.flag))
            .group(ArgGroup::new("one or many").args([file.flag, "name"]).required(true));
    }
    if AS_OF_FLAGS.iter().all(|flag| verb.fields.iter().any(|field| field.flag == *flag)) {
        command = command.group(ArgGroup::new("as of when").args(AS_OF_FLAGS));
    }
    add_common(command, verb)
}

/// Variables of the path: the thing's own number bare, others as options; of those that only some paths have, one.
fn add_variables(mut command: Command, noun: &'static Noun, verb: &'static Verb) -> Command {
    let variables = verb.variables();
    for &(name, is_in_all) in &variables {
        let arg = Arg::new(name).value_parser(value_parser!(u64)).help(format!("Number of the {name}"));
        command = command.arg(match noun.own == Some(name) {
            true => arg.required(true),
            false => arg.long(name).value_name("N").required(is_in_all),
        });
    }
    let owners: Vec<&str> = variables.iter().filter(|(_, is_in_all)| !is_in_all).map(|(name, _)| *name).collect();
    if !owners.is_empty() {
        command = command.group(ArgGroup::new("whose").args(owners).required(true));
    }
    command
}

fn add_field(command: Command, field: &'static Field) -> Command {
    if field.kind == Kind::Access {
        return add_access(command, field);
    }
    let arg = Arg::new(field.flag).long(field.flag).required(field.required).help(field.help);
    command.arg(match field.kind {
        Kind::Text => arg.value_name("TEXT"),
        Kind::Texts => arg.value_name("TEXT").action(ArgAction::Append),
        Kind::Number => arg.value_name("N").value_parser(value_parser!(u64)),
        Kind::Numbers => arg.value_name("N").value_parser(value_parser!(u64)).action(ArgAction::Append),
        Kind::Bool => arg.value_name("YES").value_parser(value_parser!(bool)),
        Kind::Time => arg.value_name("TIME").value_parser(time),
        Kind::TimeOrNever => arg.value_name("TIME|never").value_parser(time_or_never),
        Kind::TimeOrNow => arg.value_name("TIME|now").value_parser(time_or_now),
        Kind::Ranges => arg.value_name("RANGE|anywhere").value_parser(range).action(ArgAction::Append),
        Kind::Word(words) => arg.value_parser(PossibleValuesParser::new(words)),
        Kind::Words(words) => arg.value_parser(PossibleValuesParser::new(words)).action(ArgAction::Append),
        Kind::File => arg.value_name("FILE").value_parser(value_parser!(PathBuf)),
        Kind::Switch | Kind::Flag | Kind::Access => arg.action(ArgAction::SetTrue),
    })
}

fn add_access(command: Command, field: &'static Field) -> Command {
    let access = Arg::new(field.flag)
        .long(field.flag)
        .value_name("full|none")
        .value_parser(grants::access)
        .help("Full access, or none at all")
        .conflicts_with(ids::GRANT);
    let grant = Arg::new(ids::GRANT)
        .long(ids::GRANT)
        .value_name("GROUP:LEVEL:RESOURCES")
        .value_parser(grants::grant)
        .action(ArgAction::Append)
        .help("A grant, as in zones:read_only:example.com,example.net or domains:full_access:all")
        .long_help(
            "A grant: a scope group, read_only or full_access, and all, none, or names between commas. As in \
             zones:read_only:example.com,example.net or domains:full_access:all. Can be given more than once; all of \
             them are the whole access, in place of the one before",
        );
    let group = ArgGroup::new("what access").args([field.flag, ids::GRANT]).required(field.required);
    command.arg(access).arg(grant).group(group.multiple(true))
}

fn field_ids(field: &'static Field) -> Vec<&'static str> {
    match field.kind {
        Kind::Access => vec![field.flag, ids::GRANT],
        _ => vec![field.flag],
    }
}

fn add_common(mut command: Command, verb: &'static Verb) -> Command {
    let number = || value_parser!(u64).range(1..);
    if matches!(verb.shows, Shows::Pages(_) | Shows::Chain(..)) {
        let limit = Arg::new(ids::LIMIT).long(ids::LIMIT).value_name("N").value_parser(number());
        command = command.arg(limit.help("At most so many; all unless said"));
    }
    if matches!(verb.shows, Shows::Pages(_)) {
        let page = Arg::new(ids::PAGE).long(ids::PAGE).value_name("N").value_parser(number());
        let size = Arg::new(ids::PER_PAGE).long(ids::PER_PAGE).value_name("N").value_parser(number());
        command = command
            .arg(page.help("This page alone").conflicts_with(ids::LIMIT))
            .arg(size.help("Entries of that page, at most 100").requires(ids::PAGE));
    }
    if matches!(verb.shows, Shows::Secret) {
        let file = Arg::new(ids::SECRET_FILE).long(ids::SECRET_FILE).value_name("FILE");
        let help = "Write the secret to this new file (mode 0600) instead of showing it";
        command = command.arg(file.value_parser(value_parser!(PathBuf)).help(help));
    }
    if verb.creates() {
        let key = Arg::new(ids::KEY).long(ids::KEY).value_name("KEY").value_parser(key);
        let help = "Carried out once under this key, however often it is sent within 24 hours; random unless said";
        let none = Arg::new(ids::NO_KEY).long(ids::NO_KEY).action(ArgAction::SetTrue).conflicts_with(ids::KEY);
        let without = "Under no key: the service keeps none of its 10,000 for it, and it is never sent again by itself";
        command = command.arg(key.help(help)).arg(none.help(without));
    }
    let json = Arg::new(ids::JSON).long(ids::JSON).action(ArgAction::SetTrue);
    command.arg(json.help("Print the service's JSON")).arg(allow_http())
}

/// The switch that lets a credential go over plain HTTP.
pub(in crate::cli) fn allow_http() -> Arg {
    let http = Arg::new(ids::ALLOW_HTTP).long(ids::ALLOW_HTTP).action(ArgAction::SetTrue);
    let http = http.env("TOKEN_LEDGER_ALLOW_HTTP").hide_env_values(true).value_parser(FalseyValueParser::new());
    http.help("Send the credential over plain http to another machine, too")
}

fn time(text: &str) -> Result<String, String> {
    match Timestamp::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("must be a time such as 2026-03-01T12:00:00Z".to_owned()),
    }
}

fn time_or_never(text: &str) -> Result<String, String> {
    if text == "never" { Ok(text.to_owned()) } else { time(text).map_err(|fault| format!("{fault}, or never")) }
}

fn time_or_now(text: &str) -> Result<String, String> {
    if text == "now" { Ok(text.to_owned()) } else { time(text).map_err(|fault| format!("{fault}, or now")) }
}

fn range(text: &str) -> Result<String, String> {
    if text == "anywhere" { Ok(text.to_owned()) } else { AddressRange::parse(text).map(|range| range.to_string()) }
}

/// As the service takes it: visible ASCII.
fn key(text: &str) -> Result<String, String> {
    match text.bytes().all(|byte| byte.is_ascii_graphic()) && (1..=255).contains(&text.len()) && !text.starts_with('"')
    {
        true => Ok(text.to_owned()),
        false => Err("must be 1 to 255 visible ASCII characters, the first no quote".to_owned()),
    }
}
