//! `state`: what is, or was, at a point of the log's history.

mod tables;

use super::output::out;
use super::{DataArgument, Failure, progress};
use crate::audit::inspection::{self, Inspection};
use crate::audit::past::{self, Moment, Point};
use crate::clock::Clock;
use crate::domain::directory::{Account, User};
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::time::Timestamp;
use crate::domain::token::Token;
use crate::http::shapes;
use crate::ledger::{DataDir, LogReader, TextReader, View};
use crate::projections::Projections;
use clap::Args;
use serde_json::{Value, json};
use std::io::Write;

/// Arguments of `state`.
#[derive(Debug, Args)]
pub struct StateArguments {
    #[command(flatten)]
    data: DataArgument,
    /// At this time (as in 2026-03-01T12:00:00Z) or position; now if absent.
    #[arg(long, value_name = "TIME|POSITION", value_parser = point)]
    as_of: Option<Point>,
    #[command(flatten)]
    of: Of,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One account, token or user; everything if absent.
#[derive(Clone, Copy, Debug, Args)]
#[group(multiple = false)]
struct Of {
    /// Only this account.
    #[arg(long, value_name = "NUMBER")]
    account: Option<u64>,
    /// Only this token, even if it is deleted.
    #[arg(long, value_name = "NUMBER")]
    token: Option<u64>,
    /// Only this user.
    #[arg(long, value_name = "NUMBER")]
    user: Option<u64>,
}

/// Reads a position or time of the command line.
pub(super) fn point(text: &str) -> Result<Point, String> {
    Point::parse(text).ok_or_else(|| "must be a position (1234) or a time (2026-03-01T12:00:00Z)".to_owned())
}

/// A state with what it takes to show it.
struct Shown {
    projections: Projections,
    texts: TextReader,
    at: Timestamp,
    /// Of the log, where it is at hand.
    head: Option<Position>,
}

pub(super) fn run(arguments: &StateArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    let shown = match (inspection::read(&dir)?, arguments.as_of) {
        (None, as_of) => of_ledger(&dir, as_of.unwrap_or(Point::Head))?,
        (Some(inspection), None) => of_inspection(&dir, &inspection)?,
        (Some(inspection), Some(_)) => {
            let what = format!("this directory holds the state at position {} alone", inspection.position);
            return Err(Failure::Finding(format!("{what}; ask {} for another one", inspection.source.display())));
        }
    };
    let view = View { projections: &shown.projections, texts: &shown.texts, now: shown.at };
    let state = describe(&view, shown.head, arguments.of)?;
    let mut out = out();
    if arguments.json {
        writeln!(out, "{state}")?;
    } else {
        tables::write(&mut out, &state, arguments.of)?;
    }
    Ok(out.flush()?)
}

fn of_ledger(dir: &DataDir, point: Point) -> Result<Shown, Failure> {
    let moment = past::find(&LogReader::open(dir)?, point, Clock::system().now())?;
    let projections = load(dir, moment)?;
    Ok(Shown { projections, texts: LogReader::texts(dir)?, at: moment.at, head: Some(moment.head) })
}

/// The read models at a moment, with a bar for people; snapshots that cannot be used are named.
pub(super) fn load(dir: &DataDir, moment: Moment) -> Result<Projections, Failure> {
    let bar = progress::bar("replaying", moment.position.0);
    let past = past::state_at(dir, moment, &mut |position| bar.set_position(position.0));
    bar.finish_and_clear();
    let past = past?;
    for passed_over in &past.passed_over {
        say_aside!("The snapshot at position {} was passed over: {}.", passed_over.position, passed_over.reason);
    }
    if let Some(reason) = &past.views_unreadable {
        say_aside!("No snapshot could be used ({reason}); the log was replayed instead.");
    }
    Ok(past.projections)
}

fn of_inspection(dir: &DataDir, inspection: &Inspection) -> Result<Shown, Failure> {
    let projections = inspection.load(dir)?;
    let texts = match inspection.texts() {
        Some(texts) => texts,
        None => {
            say_aside!("Names are not shown: the ledger in {} is not there.", inspection.source.display());
            TextReader::without_texts()?
        }
    };
    Ok(Shown { projections, texts, at: inspection.at, head: None })
}

fn describe(view: &View<'_>, head: Option<Position>, of: Of) -> Result<Value, Failure> {
    let state = &view.projections.state;
    let position = view.projections.position;
    let missing =
        |what: &str, number: u64| Failure::Finding(format!("there is no {what} {number} at position {position}"));
    let (mut accounts, mut users, mut tokens): (Vec<&Account>, Vec<&User>, Vec<&Token>) = Default::default();
    match of {
        Of { account: Some(id), .. } => accounts.push(state.account(AccountId(id)).ok_or(missing("account", id))?),
        Of { token: Some(id), .. } => tokens.push(state.token(TokenId(id)).ok_or(missing("token", id))?),
        Of { user: Some(id), .. } => users.push(state.user(UserId(id)).ok_or(missing("user", id))?),
        _ => {
            accounts.extend(state.accounts.iter());
            users.extend(state.users.iter());
            tokens.extend(live(state, state.service_tokens.iter()));
        }
    }
    tokens.extend(accounts.iter().flat_map(|account| live(state, account.tokens.iter())));
    tokens.extend(users.iter().flat_map(|user| live(state, user.tokens.iter())));
    tokens.sort_unstable_by_key(|token| token.id);
    let mut members: Vec<Value> = accounts.iter().flat_map(|account| members_of(view, account)).collect();
    if of.user.is_some() {
        members.extend(users.iter().flat_map(|user| memberships_of(view, user)));
    }
    Ok(json!({
        "origin": state.origin,
        "as_of": { "position": position.0, "time": view.now.to_micros_text() },
        "head": head.map(|head| head.0),
        "accounts": accounts.iter().map(|account| of_account(view, account)).collect::<Vec<_>>(),
        "members": members,
        "users": users.iter().map(|user| of_user(view, user)).collect::<Vec<_>>(),
        "tokens": tokens.iter().map(|token| of_token(view, token)).collect::<Vec<_>>(),
        "resources": accounts.iter().flat_map(|account| resources_of(view, account)).collect::<Vec<_>>(),
    }))
}

fn live<'a>(state: &'a State, ids: impl Iterator<Item = &'a TokenId>) -> impl Iterator<Item = &'a Token> {
    ids.filter_map(|&id| state.token(id))
}

fn of_account(view: &View<'_>, account: &Account) -> Value {
    let mut shape = shapes::account(view, account);
    shape["usage"] = shapes::usage(view, account);
    shape
}

fn of_user(view: &View<'_>, user: &User) -> Value {
    let mut shape = shapes::user(view, user);
    shape["usage"] = json!({ "general": shapes::window(&user.window.view(user.hourly_limit, view.now)) });
    shape
}

fn members_of(view: &View<'_>, account: &Account) -> Vec<Value> {
    account.members.keys().filter_map(|&user| of_member(view, account, user)).collect()
}

fn memberships_of(view: &View<'_>, user: &User) -> Vec<Value> {
    let accounts = user.accounts.iter().filter_map(|&id| view.projections.state.account(id));
    accounts.filter_map(|account| of_member(view, account, user.id)).collect()
}

fn of_member(view: &View<'_>, account: &Account, user: UserId) -> Option<Value> {
    let mut shape = shapes::member(view, user, account.members.get(&user)?);
    shape["account_id"] = json!(account.id.0);
    Some(shape)
}

fn resources_of(view: &View<'_>, account: &Account) -> Vec<Value> {
    let resources = account.resources.keys().filter_map(|id| view.projections.state.resources.get(id.0));
    resources.map(|resource| shapes::resource(view, resource)).collect()
}

/// As the service shows it, and whether it works: the service shows live ones only.
fn of_token(view: &View<'_>, token: &Token) -> Value {
    let mut shape = shapes::token(view, token);
    shape["state"] = json!(token.standing(view.now));
    shape["deleted_at"] = json!(token.deleted_at.map(Timestamp::to_seconds_text));
    shape
}
