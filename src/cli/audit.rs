//! `audit`: questions about the past, over a data directory or a backup, or over HTTP.
//!
//! What there is stands in [`QUESTIONS`]; from it come the arguments.

use super::output::{harmless, out, write_table};
use super::remote::{ALLOW_HTTP, allow_http, look};
use super::{Failure, remote};
use crate::audit::answer::Answer;
use crate::audit::archive::Archive;
use crate::audit::in_words::said;
use crate::audit::questions::leak::{HASHED_TOKEN, hashed};
use crate::audit::questions::{self, Asked, AuditError, Kind, Parameter, QUESTIONS, Question, TEXT_BYTES_MAX};
use crate::clock::Clock;
use crate::domain::token_text::TokenDigest;
use crate::ledger::DataDir;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Subcommand, value_parser};
use serde_json::{Map, Value};
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;

/// Names of arguments that are no parameters.
const DATA: &str = "data";
const FORMAT: &str = "format";
const TABLE: &str = "csv-table";

/// A question, with what was said.
#[derive(Clone, Debug)]
pub struct AuditArguments {
    question: &'static Question,
    said: ArgMatches,
}

impl FromArgMatches for AuditArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let none = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, said) = matches.subcommand().ok_or_else(none)?;
        let question = questions::question(name).ok_or_else(none)?;
        Ok(Self { question, said: said.clone() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for AuditArguments {
    fn augment_args(command: Command) -> Command {
        let command = command.subcommand_required(true).arg_required_else_help(true);
        command.subcommands(QUESTIONS.iter().map(of_question))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl Subcommand for AuditArguments {
    fn augment_subcommands(command: Command) -> Command {
        Self::augment_args(command)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }

    fn has_subcommand(name: &str) -> bool {
        questions::question(name).is_some()
    }
}

fn of_question(question: &'static Question) -> Command {
    let command = Command::new(question.name)
        .about(question.about)
        .after_help(format!("Example: token-ledger {}", question.example))
        .arg(
            Arg::new(DATA)
                .long(DATA)
                .value_name("DIR")
                .env("TOKEN_LEDGER_DATA")
                .value_parser(value_parser!(PathBuf))
                .help(
                    "Data directory or backup to ask, which leaves nothing; without it the service is asked over HTTP",
                ),
        )
        .arg(
            Arg::new(FORMAT)
                .long(FORMAT)
                .value_parser(PossibleValuesParser::new(["table", "json", "csv"]))
                .default_value("table")
                .help("How the answer is shown"),
        )
        .arg(
            Arg::new(TABLE)
                .long(TABLE)
                .value_name("NAME")
                .help("Which table of the answer, as CSV [default: the first]"),
        )
        .arg(allow_http());
    question.parameters.iter().fold(command, |command, parameter| command.arg(of_parameter(parameter)))
}

pub(super) fn of_parameter(parameter: &'static Parameter) -> Arg {
    let flag = parameter.name.replace('_', "-");
    let arg = Arg::new(parameter.name).long(flag).required(parameter.required).help(parameter.help);
    match parameter.kind {
        Kind::Number => arg.value_name("N"),
        Kind::Time => arg.value_name("TIME"),
        Kind::Point => arg.value_name("TIME|POSITION"),
        Kind::Word(words) => arg.value_parser(PossibleValuesParser::new(words)),
        Kind::Text => arg.value_name("TEXT"),
        Kind::Access => arg.value_name("full|JSON"),
    }
}

pub(super) fn run(arguments: &AuditArguments) -> Result<(), Failure> {
    let AuditArguments { question, said } = arguments;
    let pairs = said_pairs(question, said)?;
    // What cannot be read is said before anything is opened or sent.
    let asked = Asked::read(question, &pairs)?;
    let format = said.get_one::<String>(FORMAT).map_or("table", String::as_str);
    let table = said.get_one::<String>(TABLE).map(String::as_str);
    match said.get_one::<PathBuf>(DATA) {
        Some(data) => {
            let archive = Archive::open(&DataDir::new(data), Clock::system().now())?;
            show(&questions::ask(&archive, question, &asked)?, format, table)
        }
        None => ask_service(question, pairs, (format, table), said.get_flag(ALLOW_HTTP)),
    }
}

pub(super) fn said_pairs(question: &'static Question, said: &ArgMatches) -> Result<Vec<(String, String)>, Failure> {
    let said_of = |parameter: &Parameter| said.get_one::<String>(parameter.name).cloned();
    let pairs =
        question.parameters.iter().filter_map(|parameter| Some((parameter.name.to_owned(), said_of(parameter)?)));
    let mut pairs: Vec<(String, String)> = pairs.collect();
    for (name, text) in &mut pairs {
        if name == HASHED_TOKEN && text == "-" {
            *text = hash_of_input()?;
        }
    }
    Ok(pairs)
}

/// The digest of a token's text on standard input, which goes no further.
fn hash_of_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().lock().take(TEXT_BYTES_MAX as u64).read_line(&mut text)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Failure::Finding("no token's text came on standard input".to_owned()));
    }
    Ok(hashed(TokenDigest::of(text)))
}

fn show(answer: &Answer, format: &str, table: Option<&str>) -> Result<(), Failure> {
    let mut out = out();
    match format {
        "json" => writeln!(out, "{}", answer.to_json())?,
        "csv" => {
            let names = || answer.tables.iter().map(|table| table.name).collect::<Vec<_>>().join(", ");
            let none = || Failure::Finding(format!("there is no such table: the answer has {}", names()));
            out.write_all(&answer.to_csv(table).ok_or_else(none)?)?;
        }
        _ => write_readable(&mut out, &answer.to_json())?,
    }
    Ok(out.flush()?)
}

fn ask_service(
    question: &'static Question,
    mut pairs: Vec<(String, String)>,
    (format, table): (&str, Option<&str>),
    allow_http: bool,
) -> Result<(), Failure> {
    if format == "csv" {
        pairs.push(("format".to_owned(), format.to_owned()));
        pairs.extend(table.map(|table| ("table".to_owned(), table.to_owned())));
    }
    let body = look(&format!("/v1/audit/{}", question.name), pairs, allow_http)?;
    let mut out = out();
    match format {
        "csv" => out.write_all(&body)?,
        _ => {
            let answer: Value = serde_json::from_slice(&body).map_err(|_| remote::RemoteFailure::not_json())?;
            if format == "json" { writeln!(out, "{answer}")? } else { write_readable(&mut out, &answer)? }
        }
    }
    Ok(out.flush()?)
}

/// For people, from the JSON of an answer, so that both ways of asking show the same.
pub(super) fn write_readable(out: &mut dyn Write, answer: &Value) -> Result<(), Failure> {
    let basis = &answer["as_of"];
    let (position, time) = (said(&basis["position"]), said(&basis["time"]));
    writeln!(
        out,
        "{}, as of position {} ({}); the log's head is {}",
        said(&answer["question"]).unwrap_or_default(),
        position.unwrap_or_default(),
        time.unwrap_or_default(),
        said(&basis["head"]).unwrap_or_default(),
    )?;
    writeln!(out, "root of the tree there: {}\n", said(&basis["root_hash"]).unwrap_or_default())?;
    let no_members = Map::new();
    let members = answer.as_object().unwrap_or(&no_members);
    for (name, value) in answer["summary"].as_object().unwrap_or(&no_members) {
        writeln!(out, "{}: {}", name.replace('_', " "), harmless(&said(value).unwrap_or_else(|| "none".to_owned())))?;
    }
    for (name, rows) in members.iter().filter(|(name, value)| value.is_array() && !is_of_form(name)) {
        writeln!(out)?;
        write_rows_of(out, name, rows)?;
    }
    for name in answer["cut"].as_array().into_iter().flatten() {
        writeln!(out, "\n{} has more rows than are told: ask for less.", said(name).unwrap_or_default())?;
    }
    for gap in answer["gaps"].as_array().into_iter().flatten() {
        writeln!(out, "\nNot known: {}", harmless(&said(gap).unwrap_or_default()))?;
    }
    Ok(())
}

fn is_of_form(name: &str) -> bool {
    matches!(name, "cut" | "gaps")
}

fn write_rows_of(out: &mut dyn Write, name: &str, rows: &Value) -> Result<(), Failure> {
    let rows: Vec<&Map<String, Value>> = rows.as_array().into_iter().flatten().filter_map(Value::as_object).collect();
    let columns: Vec<&str> = rows.first().map(|row| row.keys().map(String::as_str).collect()).unwrap_or_default();
    let cells = |row: &&Map<String, Value>| columns.iter().map(|name| said(&row[*name]).unwrap_or_default()).collect();
    let heads: Vec<String> = columns.iter().map(|name| name.replace('_', " ")).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    write_table(out, &name.replace('_', " "), &heads, rows.iter().map(cells).collect::<Vec<_>>())
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Log(error) => Self::Log(error),
            AuditError::Past(error) => error.into(),
            refused => Self::Finding(refused.to_string()),
        }
    }
}
