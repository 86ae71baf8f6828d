//! `report`: an answer as one HTML file.

use super::Failure;
use super::audit::{of_parameter, said_pairs};
use super::output::out;
use super::remote::{ALLOW_HTTP, allow_http, look};
use crate::audit::archive::Archive;
use crate::audit::questions::{self, Asked, QUESTIONS, Question};
use crate::audit::report::{self, REPORT_KINDS};
use crate::clock::Clock;
use crate::ledger::DataDir;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Subcommand, value_parser};
use std::io::Write;
use std::path::PathBuf;

const DATA: &str = "data";
const OUT: &str = "out";

/// A report, with what was said.
#[derive(Clone, Debug)]
pub struct ReportArguments {
    question: &'static Question,
    said: ArgMatches,
}

impl FromArgMatches for ReportArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let none = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, said) = matches.subcommand().ok_or_else(none)?;
        Ok(Self { question: question_of(name).ok_or_else(none)?, said: said.clone() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The question of a kind of report, or of its own name.
fn question_of(name: &str) -> Option<&'static Question> {
    let kind = REPORT_KINDS.iter().find(|kind| kind.name == name);
    questions::question(kind.map_or(name, |kind| kind.question))
}

impl Args for ReportArguments {
    fn augment_args(command: Command) -> Command {
        let kinds = REPORT_KINDS.iter().filter_map(|kind| {
            let question = questions::question(kind.question)?;
            Some(of_question(question, (kind.name, kind.about.to_owned(), kind.example.to_owned())))
        });
        let has_kind = |question: &&Question| REPORT_KINDS.iter().any(|kind| kind.question == question.name);
        let others = QUESTIONS.iter().filter(|question| !has_kind(question)).map(|question| {
            let example = question.example.replacen("audit", "report", 1) + " --out report.html";
            of_question(question, (question.name, question.about.to_owned(), example)).hide(true)
        });
        let more: Vec<&str> = QUESTIONS.iter().filter(|it| !has_kind(it)).map(|question| question.name).collect();
        command
            .subcommand_required(true)
            .arg_required_else_help(true)
            .after_help(format!(
                "Every other question of `audit` makes a report under its own name: {}",
                more.join(", ")
            ))
            .subcommands(kinds)
            .subcommands(others)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl Subcommand for ReportArguments {
    fn augment_subcommands(command: Command) -> Command {
        Self::augment_args(command)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }

    fn has_subcommand(name: &str) -> bool {
        question_of(name).is_some()
    }
}

fn of_question(question: &'static Question, (name, about, example): (&'static str, String, String)) -> Command {
    let command = Command::new(name)
        .about(about)
        .after_help(format!("Example: token-ledger {example}"))
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
            Arg::new(OUT)
                .long(OUT)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write to this new file (0600); standard output if absent"),
        )
        .arg(allow_http());
    question.parameters.iter().fold(command, |command, parameter| command.arg(of_parameter(parameter)))
}

pub(super) fn run(arguments: &ReportArguments) -> Result<(), Failure> {
    let ReportArguments { question, said } = arguments;
    let mut pairs = said_pairs(question, said)?;
    // What cannot be read is said before anything is opened or sent.
    let asked = Asked::read(question, &pairs)?;
    if let (Some(data), Some(out)) = (said.get_one::<PathBuf>(DATA), said.get_one::<PathBuf>(OUT)) {
        DataDir::new(data).check_outside(out)?;
    }
    let html = match said.get_one::<PathBuf>(DATA) {
        Some(data) => {
            let archive = Archive::open(&DataDir::new(data), Clock::system().now())?;
            report::make(&archive, question, &asked)?.0.html.into_bytes()
        }
        None => {
            pairs.push(("format".to_owned(), "html".to_owned()));
            look(&format!("/v1/audit/{}", question.name), pairs, said.get_flag(ALLOW_HTTP))?.to_vec()
        }
    };
    match said.get_one::<PathBuf>(OUT) {
        Some(path) => Ok(crate::audit::export::file::write_whole(path, &html)?),
        None => {
            let mut out = out();
            out.write_all(&html)?;
            Ok(out.flush()?)
        }
    }
}
