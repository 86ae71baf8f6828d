//! Access reviews: opened over what an account's tokens and members may, decided row by row, closed; and what changed since.

use super::{Answered, Sheet, ask, is_operator, page};
use crate::audit::answer::Answer;
use crate::audit::in_words::said;
use crate::domain::command::{Change, ReviewChange};
use crate::domain::decide::DoneSubject;
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::rejection::Rejection;
use crate::domain::review::{ReviewRow, ReviewVerdict};
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::http::App;
use crate::http::entry::{Asked, Body};
use crate::http::manage::{self, reviews};
use crate::http::pages::Instead;
use crate::http::pages::form::{Form, new_key, once};
use crate::http::pages::page::Page;
use crate::http::pages::reply::{html, see_other, shown};
use crate::http::pages::viewer::Viewer;
use crate::http::pages::{number, words};
use crate::http::problem::Problem;
use askama::Template;
use serde_json::Value;
use warp::http::StatusCode;

/// Rows of a page: each has a form of its own, and with style, script and what changed since it stays below 100 KB.
const ROWS_MAX: usize = 25;
/// Of a form from a page that was gone back to.
const SENT_BEFORE: &str = "This form was sent before, for another account. Send it again from here.";

#[derive(Template)]
#[template(path = "staff_reviews.html")]
struct ReviewsPage {
    page: Page,
    /// What is wrong with what was sent.
    fault: Option<&'static str>,
    /// Of the form: sent twice, it opens one.
    key: String,
    reviews: Vec<Listed>,
    may_change: bool,
}

struct Listed {
    id: u64,
    account: u64,
    opened_at: String,
    opened_by: String,
    is_open: bool,
    counts: String,
}

#[derive(Template)]
#[template(path = "staff_review.html")]
struct ReviewPage {
    page: Page,
    id: u64,
    account: u64,
    facts: Vec<(String, String)>,
    may_change: bool,
    rows: Vec<Row>,
    total: usize,
    page_number: usize,
    pages: usize,
    since: Option<Sheet>,
}

struct Row {
    kind: String,
    field: &'static str,
    id: u64,
    name: String,
    access: String,
    verdict: String,
    note: String,
    decided: String,
}

fn text(value: &Value) -> String {
    said(value).unwrap_or_default()
}

/// A member of the summary, which nobody typed: a time as pages say it.
fn fact(value: &Value) -> String {
    let told = text(value);
    Timestamp::parse(&told).map_or(told, |at| words::Time(at).plain())
}

/// A row of a table as its cells by name.
fn cells<'a>(answer: &'a Answer, table: &str) -> impl Iterator<Item = impl Fn(&str) -> &'a Value> {
    let found = answer.tables.iter().find(|it| it.name == table);
    found.into_iter().flat_map(|table| {
        table.rows.iter().map(move |row| {
            move |name: &str| {
                let at = table.columns.iter().position(|column| *column == name);
                at.and_then(|at| row.get(at)).unwrap_or(&Value::Null)
            }
        })
    })
}

pub(super) async fn list(app: &App, asked: &Asked, viewer: &Viewer) -> Answered {
    Ok(shown(&list_page(app, asked, viewer, None).await?))
}

async fn list_page(
    app: &App,
    asked: &Asked,
    viewer: &Viewer,
    fault: Option<&'static str>,
) -> Result<ReviewsPage, Instead> {
    let answer = ask(app, asked, viewer, "reviews", &[]).await?;
    let listed = cells(&answer, "reviews").map(|cell| Listed {
        id: cell("review").as_u64().unwrap_or_default(),
        account: cell("account_id").as_u64().unwrap_or_default(),
        opened_at: text(cell("opened_at")).chars().take(16).collect::<String>().replace('T', " "),
        opened_by: text(cell("opened_by")),
        is_open: cell("closed_at").is_null(),
        counts: format!(
            "{} kept, {} to narrow, {} to delete, {} undecided of {}",
            text(cell("kept")),
            text(cell("narrowed")),
            text(cell("deleted")),
            text(cell("undecided")),
            text(cell("rows")),
        ),
    });
    let mut reviews: Vec<Listed> = listed.collect();
    reviews.reverse();
    let page = page("Access reviews", viewer, asked);
    Ok(ReviewsPage { page, fault, key: new_key(app), reviews, may_change: is_operator(viewer) })
}

pub(super) async fn one(app: &App, asked: &Asked, viewer: &Viewer, variables: &[&str]) -> Answered {
    let id = number(variables, 0)?;
    let answer = ask(app, asked, viewer, "review", &[("review", id.to_string())]).await?;
    let account = answer.summary.get("account").and_then(Value::as_u64).unwrap_or_default();
    let said_since = [("account", account.to_string()), ("review", id.to_string())];
    let since = ask(app, asked, viewer, "since-review", &said_since).await?;
    let is_open = answer.summary.get("closed_at").is_none_or(Value::is_null);
    let rows: Vec<Row> = cells(&answer, "rows").map(|cell| row(&cell)).collect();
    let total = rows.len();
    let pages = total.div_ceil(ROWS_MAX).max(1);
    let wanted = asked.query()?.iter().rfind(|(name, _)| name == "page").and_then(|(_, text)| text.parse().ok());
    let page_number = wanted.unwrap_or(1_usize).clamp(1, pages);
    let rows = rows.into_iter().skip((page_number - 1) * ROWS_MAX).take(ROWS_MAX).collect();
    let facts = answer.summary.iter().map(|(name, value)| (words::label_of_member(name), fact(value))).collect();
    let table = since.tables.first().map(|table| table.name).unwrap_or_default();
    Ok(shown(&ReviewPage {
        page: page(&format!("Access review {id}"), viewer, asked),
        id,
        account,
        facts,
        may_change: is_operator(viewer) && is_open,
        rows,
        total,
        page_number,
        pages,
        since: Sheet::of(&since, table, &[]),
    }))
}

fn row<'a>(cell: &impl Fn(&str) -> &'a Value) -> Row {
    let kind = text(cell("kind"));
    let decided = match (text(cell("decided_at")), text(cell("decided_by"))) {
        (at, _) if at.is_empty() => String::new(),
        (at, by) => format!("{} by {by}", at.chars().take(16).collect::<String>().replace('T', " ")),
    };
    Row {
        field: if kind == "token" { "token_id" } else { "user_id" },
        kind,
        id: cell("id").as_u64().unwrap_or_default(),
        name: said(cell("name")).unwrap_or_else(|| "(erased)".to_owned()),
        access: text(cell("access")),
        verdict: text(cell("verdict")),
        note: text(cell("note")),
        decided,
    }
}

pub(super) async fn open(app: &App, asked: &Asked, viewer: &Viewer, body: Body) -> Answered {
    let mut form = Form::read(app, asked, viewer, body).await?;
    let (account, key) = (form.number("account")?, form.text("key")?);
    form.finish()?;
    let account = account.ok_or_else(|| Box::new(Problem::malformed("account must be the number of an account")))?;
    let change = reviews::opening(app, AccountId(account), crate::audit::past::Point::Head).await?;
    let change = once(app, asked, key, &account.to_be_bytes(), Change::Review(change));
    let carried = match manage::try_submit(app, asked, viewer.actor(), change).await? {
        Ok(carried) => carried,
        Err(Rejection::KeyReused) => {
            let page = list_page(app, asked, viewer, Some(SENT_BEFORE)).await?;
            return Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &page));
        }
        Err(rejection) => return Err(Box::new(manage::rejected(app, rejection).await).into()),
    };
    let done = if carried.repeated { "sent-before" } else { "recorded" };
    match carried.done.subject {
        DoneSubject::Review(id) => Ok(see_other(&format!("/staff/reviews/{id}?done={done}"))),
        _ => Ok(see_other("/staff/reviews?done=recorded")),
    }
}

pub(super) async fn decide(app: &App, asked: &Asked, viewer: &Viewer, variables: &[&str], body: Body) -> Answered {
    let id = number(variables, 0)?;
    let mut form = Form::read(app, asked, viewer, body).await?;
    let (token, user) = (form.number("token_id")?, form.number("user_id")?);
    let (verdict, note) = (form.text("verdict")?, form.text("note")?);
    let at = form.number("page")?.unwrap_or(1);
    form.finish()?;
    let malformed = |what: &str| Box::new(Problem::malformed(what));
    let row = match (token, user) {
        (Some(token), None) => ReviewRow::Token(TokenId(token)),
        (None, Some(user)) => ReviewRow::Member(UserId(user)),
        _ => return Err(malformed("one row is decided at a time").into()),
    };
    let verdict = ReviewVerdict::parse(&verdict).ok_or_else(|| malformed("choose keep, narrow or delete"))?;
    let note = (!note.trim().is_empty()).then(|| PersonalText::new(note.trim()));
    let change = reviews::deciding(app, (id, row), verdict, note).await?;
    manage::submit(app, asked, viewer.actor(), Change::Review(change)).await?;
    let place = if token.is_some() { "token" } else { "membership" };
    let row = token.or(user).unwrap_or_default();
    Ok(see_other(&format!("/staff/reviews/{id}?page={at}&done=recorded#{place}-{row}")))
}

pub(super) async fn close(app: &App, asked: &Asked, viewer: &Viewer, variables: &[&str], body: Body) -> Answered {
    let id = number(variables, 0)?;
    Form::read(app, asked, viewer, body).await?.finish()?;
    let change = Change::Review(ReviewChange::Close { review: id });
    manage::submit(app, asked, viewer.actor(), change).await?;
    Ok(see_other(&format!("/staff/reviews/{id}?done=recorded")))
}
