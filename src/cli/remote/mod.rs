//! The command line over HTTP: every call of `/v1` that a person makes, as `token-ledger NOUN VERB`.
//!
//! What there is stands in a table ([`NOUNS`]) by operations of the service. From it come the arguments, the request
//! and the form of the answer.

mod arguments;
mod call;
mod config;
mod connection;
mod failure;
mod grants;
mod nouns;
mod paging;
mod refusal;
mod secret;
mod show;
pub mod table;

pub use failure::RemoteFailure;
pub use nouns::NOUNS;

use super::Failure;
use super::output::{harmless, out};
pub(super) use arguments::allow_http;
pub(super) use arguments::ids::ALLOW_HTTP;
use arguments::{add_nouns, ids};
use call::Call;
use clap::{ArgMatches, Command, FromArgMatches, Subcommand};
use config::Settings;
use connection::{Answer, Connection};
use secret::SecretFile;
use serde_json::{Map, Value};
use show::List;
use std::io::Write;
use std::path::{Path, PathBuf};
use table::{Kind, Shows, Verb};

/// A verb of a noun with what was said.
#[derive(Clone, Debug)]
pub struct RemoteCommand {
    verb: &'static Verb,
    said: ArgMatches,
}

impl FromArgMatches for RemoteCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let none = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, said) = matches.subcommand().ok_or_else(none)?;
        let noun = NOUNS.iter().find(|noun| noun.name == name).ok_or_else(none)?;
        let (verb, said) = match noun.verb("") {
            Some(verb) => (verb, said),
            None => {
                let (name, said) = said.subcommand().ok_or_else(none)?;
                (noun.verb(name).ok_or_else(none)?, said)
            }
        };
        Ok(Self { verb, said: said.clone() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for RemoteCommand {
    fn augment_subcommands(command: Command) -> Command {
        add_nouns(command)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        add_nouns(command)
    }

    fn has_subcommand(name: &str) -> bool {
        NOUNS.iter().any(|noun| noun.name == name)
    }
}

pub(super) fn run(command: &RemoteCommand) -> Result<(), Failure> {
    let RemoteCommand { verb, said } = command;
    let call = Call::new(verb, said)?;
    let connection = Connection::new(&Settings::read(said.get_flag(ids::ALLOW_HTTP))?)?;
    if verb.fields.iter().any(|field| field.kind == Kind::Switch && !said.get_flag(field.flag)) {
        confirm(&call)?;
    }
    let is_json = said.get_flag(ids::JSON);
    let mut out = out();
    let result = match verb.shows {
        _ if call.is_dry_run() => dry_run(&mut out, &connection.ask(&call)?, is_json),
        Shows::Pages(columns) => paging::pages(&connection, call, said, List::new(&mut out, columns, is_json)),
        Shows::Chain(columns, next) => {
            paging::chain(&connection, call, said, next, List::new(&mut out, columns, is_json))
        }
        Shows::Thing | Shows::Found => thing(&mut out, &connection.ask(&call)?, call.only_looks, is_json),
        Shows::Answer => answered(&mut out, &connection.ask(&call)?, is_json),
        Shows::Secret => secret(&mut out, &connection, &call, said, is_json),
        Shows::Done(word) => done(&mut out, &connection.ask(&call)?, word, is_json),
    };
    // What came before a fault was good, and is shown.
    let flushed = out.flush();
    result?;
    Ok(flushed?)
}

/// Looks at something by its path: the body of a good answer.
pub(super) fn look(path: &str, query: Vec<(String, String)>, allow_http: bool) -> Result<Vec<u8>, RemoteFailure> {
    let connection = Connection::new(&Settings::read(allow_http)?)?;
    let answer = connection.ask(&Call::look(path, query))?;
    if answer.is_good() { Ok(answer.body) } else { Err(refusal::failure(&answer)) }
}

/// Asks before what cannot be undone.
fn confirm(call: &Call) -> Result<(), Failure> {
    let whose = call.path.trim_start_matches("/v1/").trim_end_matches("/personal-texts").replace('/', " ");
    match super::erase::is_confirmed(&whose)? {
        true => Ok(()),
        false => Err(Failure::Finding("nothing was erased".to_owned())),
    }
}

/// The JSON of an answer that is good.
fn good_json(answer: &Answer) -> Result<Map<String, Value>, RemoteFailure> {
    if !answer.is_good() {
        return Err(refusal::failure(answer));
    }
    serde_json::from_slice(&answer.body).map_err(|_| RemoteFailure::not_json())
}

/// A member; null where there is none.
fn member<'a>(body: &'a Map<String, Value>, name: &str) -> &'a Value {
    body.get(name).unwrap_or(&Value::Null)
}

fn thing(out: &mut dyn Write, answer: &Answer, only_looked: bool, is_json: bool) -> Result<(), Failure> {
    let body = good_json(answer)?;
    if is_json {
        return Ok(writeln!(out, "{}", Value::Object(body))?);
    }
    show::write_thing(out, member(&body, "data"))?;
    show::write_basis(out, member(&body, "as_of"))?;
    write_receipt(out, answer, only_looked)
}

/// What a change would have refused.
fn dry_run(out: &mut dyn Write, answer: &Answer, is_json: bool) -> Result<(), Failure> {
    let body = Value::Object(good_json(answer)?);
    if is_json {
        return Ok(writeln!(out, "{body}")?);
    }
    super::audit::write_readable(out, &body)?;
    Ok(writeln!(out, "\nNothing was changed.")?)
}

/// A question's answer, with the receipt of what was changed by it.
fn answered(out: &mut dyn Write, answer: &Answer, is_json: bool) -> Result<(), Failure> {
    let body = Value::Object(good_json(answer)?);
    if is_json {
        return Ok(writeln!(out, "{body}")?);
    }
    super::audit::write_readable(out, &body)?;
    write_receipt(out, answer, false)
}

fn done(out: &mut dyn Write, answer: &Answer, word: &str, is_json: bool) -> Result<(), Failure> {
    if !answer.is_good() {
        return Err(refusal::failure(answer).into());
    }
    match (is_json, answer.header("x-ledger-position")) {
        (true, _) => Ok(()),
        (false, Some(position)) => Ok(writeln!(out, "{word}; recorded at position {}.", harmless(position))?),
        (false, None) => Ok(writeln!(out, "{word}.")?),
    }
}

fn write_receipt(out: &mut dyn Write, answer: &Answer, only_looked: bool) -> Result<(), Failure> {
    if answer.header("idempotent-replayed").is_some() {
        writeln!(out, "\nIt was carried out before, under the same idempotency key.")?;
    } else if let Some(position) = answer.header("x-ledger-position") {
        writeln!(out, "\nRecorded at position {}.", harmless(position))?;
    } else if !only_looked {
        writeln!(out, "\nNothing was changed.")?;
    }
    Ok(())
}

/// A token and its secret, which is in this answer and in no other.
fn secret(
    out: &mut dyn Write,
    connection: &Connection,
    call: &Call,
    said: &ArgMatches,
    is_json: bool,
) -> Result<(), Failure> {
    let file = said.get_one::<PathBuf>(ids::SECRET_FILE).map(|path| SecretFile::make(path)).transpose()?;
    let answer = connection.ask(call)?;
    let mut body = good_json(&answer)?;
    let member = secret_member(&body);
    let secret = body.get(member).and_then(Value::as_str).map(str::to_owned);
    let is_written = match (file, &secret) {
        (Some(file), Some(secret)) => Some(file.fill(secret)?),
        _ => None,
    };
    if is_written.is_some() {
        body.insert(member.to_owned(), Value::Null);
    }
    let shown = write_with_secret(out, &answer, &body, is_written.as_deref(), is_json);
    let shown = shown.and_then(|()| Ok(out.flush()?));
    if let (Err(Failure::Output(error)), Some(_), None) = (&shown, &secret, &is_written) {
        // Even where the reader has gone away by itself, which ends other output well.
        let words = format!("the secret could not be shown: {error}. The token is there; rotate it for another one");
        return Err(RemoteFailure::File(words).into());
    }
    shown?;
    match secret {
        Some(_) => Ok(()),
        None if has_no_secret(&body) => Ok(()),
        None => Err(RemoteFailure::Missing(
            "its secret was in the answer to an earlier request; rotate the token for another one".to_owned(),
        )
        .into()),
    }
}

/// Members of answers that hold a secret: a sign-in link is one whole; a token's text, an OAuth application's.
const SECRET_MEMBERS: [&str; 3] = ["url", "token", "client_secret"];

fn secret_member(body: &Map<String, Value>) -> &'static str {
    SECRET_MEMBERS.into_iter().find(|member| body.contains_key(*member)).unwrap_or("token")
}

/// Whether what was made never has a secret: a public application.
fn has_no_secret(body: &Map<String, Value>) -> bool {
    body.get("data").and_then(|data| data.get("kind")).is_some_and(|kind| kind == "public")
}

fn write_with_secret(
    out: &mut dyn Write,
    answer: &Answer,
    body: &Map<String, Value>,
    is_in: Option<&Path>,
    is_json: bool,
) -> Result<(), Failure> {
    if is_json {
        return Ok(serde_json::to_writer(&mut *out, body)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out))?);
    }
    show::write_thing(out, member(body, "data"))?;
    write_receipt(out, answer, false)?;
    match (is_in, body.get(secret_member(body)).and_then(Value::as_str)) {
        (Some(path), _) => writeln!(out, "The secret is in {}.", path.display())?,
        (None, Some(secret)) => writeln!(out, "Secret, shown this once: {secret}")?,
        (None, None) => {}
    }
    Ok(())
}
