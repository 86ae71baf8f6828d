//! `dry_run=true`: a change is decided as it would be, with the same refusals, and is not carried out. The answer says
//! which uses of the last days it would have refused.

use super::{Answered, rejected};
use crate::audit::answer::Answer as AuditAnswer;
use crate::audit::questions::AuditError;
use crate::audit::what_if::proposed;
use crate::domain::command::{Actor, Change, Command};
use crate::domain::decide::{Answer, DoneSubject};
use crate::domain::ids::Version;
use crate::domain::rejection::Rejection;
use crate::domain::supposition::Supposition;
use crate::domain::time::{MICROS_PER_SECOND, Timestamp};
use crate::http::entry::Asked;
use crate::http::problem::Problem;
use crate::http::{App, answer, audit, events};
use crate::ledger::View;
use warp::http::StatusCode;

/// Days that are looked back at, where nothing is said.
pub const DAYS_DEFAULT: u64 = 90;
/// Days that are looked back at, at most.
pub const DAYS_MAX: u64 = 400;
const DAY_SECONDS: u64 = 86_400;

/// As [`wanted`], where the operation can be tried; of any other a parameter is refused.
pub(super) fn wanted_where(can_be_tried: bool, asked: &Asked) -> Result<Option<u64>, Box<Problem>> {
    if can_be_tried { wanted(asked) } else { asked.no_parameters().map(|()| None) }
}

/// Whether a change is only tried, and how many days back it is held against. A parameter that is not known is refused: a
/// misspelt `dry_run` must not carry out what was only to be tried.
pub(super) fn wanted(asked: &Asked) -> Result<Option<u64>, Box<Problem>> {
    let (mut dry_run, mut days) = (None, None);
    for (name, text) in asked.query()? {
        let place = match name.as_str() {
            "dry_run" => &mut dry_run,
            "days" => &mut days,
            other => return Err(malformed(format!("{other} is not a parameter of this request"))),
        };
        if place.replace(text.as_str()).is_some() {
            return Err(malformed(format!("{name} is given twice")));
        }
    }
    let is_dry = match dry_run {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(malformed("dry_run must be true or false".to_owned())),
    };
    match (is_dry, days) {
        (false, Some(_)) => Err(malformed("days goes with dry_run=true".to_owned())),
        (false, None) => Ok(None),
        (true, None) => Ok(Some(DAYS_DEFAULT)),
        (true, Some(text)) => read_days(text).map(Some),
    }
}

/// Days as they are given.
pub(super) fn read_days(text: &str) -> Result<u64, Box<Problem>> {
    let days = text.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
    days.ok_or_else(|| malformed(format!("days must be a number from 1 to {DAYS_MAX}")))
}

fn malformed(detail: String) -> Box<Problem> {
    Box::new(Problem::malformed(detail))
}

/// Tries a change, and answers with what it would have refused.
pub(super) async fn answer(app: &App, asked: &Asked, actor: Actor, change: Change, days: u64) -> Answered {
    let (supposed, subject) = tried(app, asked, actor, change).await?;
    let answer = judge(app, supposed, days).await?;
    let reader = super::reader(app, actor).await;
    app.read_history(asked, &reader, audit::look(&answer)).await?;
    let mut reply = answer::json(StatusCode::OK, &answer.to_json());
    if asked.method() != "DELETE" {
        // The version that it was tried on: with it as If-Match the change is made on just that.
        super::etag(&mut reply, app.ledger.view(|view| version(&view, subject)).await.map_or(0, |version| version.0));
    }
    Ok(reply)
}

/// The version of what a change is about, as it is now; none of what is not there yet.
fn version(view: &View<'_>, subject: DoneSubject) -> Option<Version> {
    let state = &view.projections.state;
    match subject {
        DoneSubject::Token(token) => state.token(token).map(|token| token.version),
        DoneSubject::Account(account) => state.account(account).map(|account| account.version),
        DoneSubject::Application(application) => state.application(application).map(|application| application.version),
        DoneSubject::Member(account, user) => state.account(account)?.members.get(&user).map(|member| member.version),
        _ => None,
    }
}

/// What the change would make so; else the problem that it would be refused with.
pub(super) async fn tried(
    app: &App,
    asked: &Asked,
    actor: Actor,
    change: Change,
) -> Result<(Vec<Supposition>, DoneSubject), Box<Problem>> {
    match try_tried(app, asked, actor, change).await? {
        Ok(tried) => Ok((tried.supposed, tried.subject)),
        Err(rejection) => Err(Box::new(rejected(app, rejection).await)),
    }
}

/// A change that was tried.
pub struct Tried {
    /// What it would make so.
    pub supposed: Vec<Supposition>,
    /// What it is about.
    pub subject: DoneSubject,
    /// Whether nothing would be recorded: everything is so already.
    pub is_nothing: bool,
}

/// As `tried`, for whoever has words of their own for a rejection.
pub async fn try_tried(
    app: &App,
    asked: &Asked,
    actor: Actor,
    change: Change,
) -> Result<Result<Tried, Rejection>, Box<Problem>> {
    let command = Command::Manage(actor, Box::new(change));
    let decided = app.ledger.try_out(&command, &asked.origin()).await;
    let decision = decided.map_err(|error| events::unreadable(&error))?;
    match decision.answer {
        Answer::Rejected(rejection) => Ok(Err(rejection)),
        Answer::Done(done) => {
            let events = decision.events.iter();
            let supposed = events.filter_map(|recorded| Supposition::of(&recorded.header, &recorded.event));
            let is_nothing = decision.events.is_empty();
            Ok(Ok(Tried { supposed: supposed.collect(), subject: done.subject, is_nothing }))
        }
        _ => Err(malformed("the command was not a change".to_owned())),
    }
}

/// Holds it against the last days.
pub async fn judge(app: &App, supposed: Vec<Supposition>, days: u64) -> Result<AuditAnswer, Box<Problem>> {
    let from = app.ledger.clock().now().0.saturating_sub(days * DAY_SECONDS * MICROS_PER_SECOND);
    audit::at_desk(app, move |archive| -> Result<AuditAnswer, AuditError> {
        let range = archive.range(Some(Timestamp(from)), None)?;
        let mut answer = proposed(archive, &supposed, range)?;
        answer.asked.insert("dry_run".to_owned(), true.into());
        answer.asked.insert("days".to_owned(), days.into());
        Ok(answer)
    })
    .await
}
