//! `/v1/audit/…`: questions over the past, for auditors and operators. Each is a row of
//! [`QUESTIONS`](crate::audit::questions::QUESTIONS).

use super::answer::Reply;
use super::entry::{Asked, Body, Query};
use super::events::{about_for, whose_is};
use super::fields::Fields;
use super::manage::{Answered, authorize_actor, authorize_read, check_json, credential};
use super::problem::Problem;
use super::{App, answer};
use crate::audit::answer::Answer;
use crate::audit::archive::Archive;
use crate::audit::past::PastError;
use crate::audit::questions::leak::{HASHED_TOKEN, hashed};
use crate::audit::questions::{self, AuditError, Question};
use crate::audit::report::{self, Report};
use crate::domain::command::Actor;
use crate::domain::event::ManagementOperation;
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::Owner;
use crate::domain::token_text::TokenDigest;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::Semaphore;
use warp::http::{StatusCode, header};

/// Questions answered at once: each reads the disk and takes memory by its answer. Past it they are told to come again.
pub const QUESTIONS_AT_ONCE: usize = 4;
/// Seconds after which one that was turned away may come again.
const RETRY_SECONDS: u64 = 2;

/// The form of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    Json,
    /// One table of it; the first if it is not named.
    Csv(Option<String>),
    /// A report.
    Html,
}

/// Room for questions.
#[derive(Clone, Debug)]
pub struct Desk(pub(super) Arc<Semaphore>);

impl Default for Desk {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(QUESTIONS_AT_ONCE)))
    }
}

/// Answers a question.
pub async fn answer(app: &App, asked: &Asked, name: &str) -> Answered {
    let actor = credential(app, asked)?;
    let whose = match actor {
        Actor::Session(_) => whose(app, name, asked.query()?).await,
        _ => Owner::Service,
    };
    let reader = authorize_actor(app, asked, actor, (ManagementOperation::ReadEvents, whose)).await?;
    let question = questions::question(name).ok_or_else(|| Box::new(Problem::not_found("no such question")))?;
    let (form, said) = read_query(asked.query()?)?;
    let (answer, report) = match form {
        Form::Html => {
            let (report, answer) = ask_for_report(app, question, said).await?;
            (answer, Some(report))
        }
        _ => (ask(app, question, said).await?, None),
    };
    app.read_history(asked, &reader, about_for(&reader, look(&answer), whose)).await?;
    match (form, report) {
        (_, Some(report)) => Ok(html(report)),
        (Form::Csv(table), None) => csv(&answer, table.as_deref()),
        (_, None) => Ok(answer::json(StatusCode::OK, &answer.to_json())),
    }
}

/// Questions that a person may ask of an account with full access to it, and of what is their own.
const ASKED_BY_PERSONS: [&str; 11] = [
    "changes",
    "state",
    "who-could",
    "what-if",
    "least-privilege",
    "unused",
    "quota",
    "leak",
    "growth",
    "access-review",
    "since-review",
];

/// Whose a question is about: the named token's owner's, else the account's, else the user's. One that persons do not
/// ask, and one that names nobody, is the service's.
async fn whose(app: &App, name: &str, said: &Query) -> Owner {
    let number = |wanted: &str| {
        let (_, text) = said.iter().find(|(key, _)| key == wanted)?;
        text.parse::<u64>().ok().filter(|number| *number > 0)
    };
    if !ASKED_BY_PERSONS.contains(&name) {
        return Owner::Service;
    }
    match (number("token"), number("account"), number("user")) {
        (Some(token), ..) => whose_is(app, None, Some(TokenId(token))).await,
        (None, Some(account), _) => Owner::Account(AccountId(account)),
        (None, None, Some(user)) => Owner::User(UserId(user)),
        (None, None, None) => Owner::Service,
    }
}

/// What is recorded of a question that was asked.
pub(super) fn look(answer: &Answer) -> HistoryQuery {
    let number = |name: &str| answer.asked.get(name).and_then(Value::as_u64).unwrap_or_default();
    let time = |name: &str| answer.asked.get(name).and_then(Value::as_str).and_then(Timestamp::parse);
    // Named by its digest, the token is what was found.
    let found = answer.summary.get("token").and_then(Value::as_u64).unwrap_or_default();
    HistoryQuery::of(answer.question, answer.basis.position)
        .about_account(AccountId(number("account")))
        .about_token(TokenId(number("token").max(found)))
        .about_user(UserId(number("user")))
        .between(time("from"), time("to"))
}

/// Asks on a thread of its own, once there is room.
pub async fn ask(app: &App, question: &'static Question, said: Vec<(String, String)>) -> Result<Answer, Box<Problem>> {
    let asked = questions::Asked::read(question, &said).map_err(|error| refused(&error))?;
    at_desk(app, move |archive| questions::ask(archive, question, &asked)).await
}

/// Asks, and has the answer told as a report.
pub async fn ask_for_report(
    app: &App,
    question: &'static Question,
    said: Vec<(String, String)>,
) -> Result<(Report, Answer), Box<Problem>> {
    let asked = questions::Asked::read(question, &said).map_err(|error| refused(&error))?;
    at_desk(app, move |archive| report::make(archive, question, &asked)).await
}

/// A page that stands by itself: it may load nothing, and no script of anybody runs in it.
pub fn html(report: Report) -> Reply {
    let mut reply = answer::text("text/html; charset=utf-8", report.html);
    answer::add_header(&mut reply, header::CONTENT_SECURITY_POLICY, &report::content_security_policy());
    answer::add_header(&mut reply, header::CACHE_CONTROL, "no-store");
    answer::add_header(&mut reply, header::REFERRER_POLICY, "no-referrer");
    reply
}

/// Looks into the past on a thread of its own, once there is room.
pub async fn at_desk<T: Send + 'static>(
    app: &App,
    look: impl FnOnce(&Archive) -> Result<T, AuditError> + Send + 'static,
) -> Result<T, Box<Problem>> {
    let Ok(_room) = Arc::clone(&app.desk.0).try_acquire_owned() else { return Err(Box::new(busy())) };
    app.with_archive(look).await.map_err(|error: AuditError| refused(&error))
}

/// As [`at_desk`], for looks that read a bounded part of the log: nobody has to wait for room.
pub async fn beside_the_desk<T: Send + 'static>(
    app: &App,
    look: impl FnOnce(&Archive) -> Result<T, AuditError> + Send + 'static,
) -> Result<T, Box<Problem>> {
    app.with_archive(look).await.map_err(|error: AuditError| refused(&error))
}

pub(super) fn busy() -> Problem {
    let detail = format!("{QUESTIONS_AT_ONCE} questions are being answered; ask again");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-questions", "Too many questions at once", detail)
        .with_retry_after(RETRY_SECONDS)
}

fn refused(error: &AuditError) -> Box<Problem> {
    match error {
        AuditError::Malformed { .. } => Box::new(Problem::malformed(error.to_string())),
        AuditError::NotFound(what) => Box::new(Problem::not_found(what.clone())),
        AuditError::Past(PastError::Log(error)) | AuditError::Log(error) => super::events::unreadable(error),
        AuditError::Past(error) => Box::new(out_of_range(error)),
        AuditError::TooLarge(_) => Box::new(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "limit-reached",
            "Limit reached",
            error.to_string(),
        )),
    }
}

/// There is no such point; from where to where there are some.
fn out_of_range(error: &PastError) -> Problem {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let problem = Problem::new(status, "as-of-out-of-range", "No such point of the past", error.to_string());
    match error {
        PastError::NoPosition { latest, .. } => problem.with("earliest", 1).with("latest", latest.0),
        PastError::BeforeFirst { earliest, latest, .. } | PastError::NotOver { earliest, latest, .. } => {
            problem.with("earliest", earliest.to_micros_text()).with("latest", latest.to_micros_text())
        }
        PastError::Empty | PastError::Log(_) => problem,
    }
}

/// The form is apart from what the question takes.
fn read_query(query: &Query) -> Result<(Form, Query), Box<Problem>> {
    let is_of_form = |name: &str| matches!(name, "format" | "table");
    let (of_form, said): (Query, Query) = query.iter().cloned().partition(|(name, _)| is_of_form(name));
    let (mut format, mut table) = (None, None);
    for (name, text) in of_form {
        let place = if name == "format" { &mut format } else { &mut table };
        if place.replace(text).is_some() {
            return Err(Box::new(Problem::malformed(format!("{name} is given twice"))));
        }
    }
    let form = match (format.as_deref(), table) {
        (Some("csv"), table) => Form::Csv(table),
        (None | Some("json"), None) => Form::Json,
        (Some("html"), None) => Form::Html,
        (None | Some("json" | "html"), Some(_)) => return Err(Box::new(Problem::malformed("table is for format=csv"))),
        _ => return Err(Box::new(Problem::malformed("format must be json, csv or html"))),
    };
    Ok((form, said))
}

fn csv(answer: &Answer, table: Option<&str>) -> Answered {
    let Some(bytes) = answer.to_csv(table) else {
        let names: Vec<&str> = answer.tables.iter().map(|table| table.name).collect();
        return Err(Box::new(Problem::malformed(format!("table must be one of {}", names.join(", ")))));
    };
    Ok(answer::bytes("text/csv; charset=utf-8", bytes))
}

/// The leak report of a token whose text is shown in the body: it is hashed at once and goes no further.
pub async fn leak(app: &App, asked: &Asked, body: Body) -> Answered {
    let reader = authorize_read(app, asked, ManagementOperation::ReadEvents).await?;
    asked.no_parameters()?;
    check_json(asked)?;
    let mut fields = Fields::parse(&body.read(asked.headers()).await?)?;
    let token = fields.required("token", Fields::string);
    let since = fields.required("since", Fields::string);
    fields.finish()?;
    let digest = TokenDigest::of(token.as_deref().unwrap_or_default());
    drop(token);
    let said = vec![(HASHED_TOKEN.to_owned(), hashed(digest)), ("since".to_owned(), since.unwrap_or_default())];
    let question = questions::question("leak").ok_or_else(|| Box::new(Problem::not_found("no such question")))?;
    let answer = ask(app, question, said).await?;
    app.read_history(asked, &reader, look(&answer)).await?;
    Ok(answer::json(StatusCode::OK, &answer.to_json()))
}
