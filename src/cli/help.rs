//! `token-ledger --help`: commands under headings, which clap has for options only.

use super::Arguments;
use super::remote::NOUNS;
use clap::{Command, CommandFactory, FromArgMatches};
use std::fmt::Write;

/// Commands that need neither a ledger nor a service.
const ELSEWHERE: [&str; 2] = ["routes", "help"];

/// Reads the process's arguments; ends the process where they say nothing that can be done.
pub fn parse() -> Arguments {
    let matches = command().get_matches();
    Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// The whole command line.
pub fn command() -> Command {
    let mut command = Arguments::command();
    // Adds `help`, so that it is listed, too.
    command.build();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}Options:\n{{options}}{{after-help}}",
        sections(&command)
    );
    Arguments::command().help_template(template)
}

fn sections(command: &Command) -> String {
    let is_noun = |name: &str| NOUNS.iter().any(|noun| noun.name == name);
    let is_elsewhere = |name: &str| ELSEWHERE.contains(&name);
    let mut sections = String::new();
    add(&mut sections, command, "On a data directory", &|name| !is_noun(name) && !is_elsewhere(name));
    let over_http = "Over HTTP (TOKEN_LEDGER_URL, TOKEN_LEDGER_TOKEN, or a file: see `accounts --help`)";
    add(&mut sections, command, over_http, &is_noun);
    add(&mut sections, command, "Elsewhere", &is_elsewhere);
    sections
}

fn add(sections: &mut String, command: &Command, heading: &str, belongs: &dyn Fn(&str) -> bool) {
    let width = command.get_subcommands().map(|command| command.get_name().len()).max().unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(sections, "{heading}:");
    for command in command.get_subcommands().filter(|command| belongs(command.get_name())) {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(sections, "  {:width$}  {about}", command.get_name());
    }
    sections.push('\n');
}
