//! Pages of staff: search over all accounts, access reviews, reports, the log's health. Auditors see all of them and change
//! nothing; operators also open, decide and close reviews.

mod health;
mod reports;
mod reviews;
mod search;

use super::page::{Page, Section};
use super::table::PageOperation;
use super::viewer::{self, Viewer, Who};
use super::words::label_of_member;
use super::{Answered, Instead};
use crate::audit::answer::Answer;
use crate::audit::in_words::said;
use crate::domain::event::ManagementOperation;
use crate::domain::token::Owner;
use crate::http::App;
use crate::http::audit;
use crate::http::entry::{Asked, Body};
use crate::http::manage::authorize_actor;
use crate::http::problem::Problem;
use serde_json::Value;

/// Rows of a table that a page shows.
const ROWS_SHOWN: usize = 50;

/// Answers a page of staff, or what a form of one sent.
pub(super) async fn answer(
    app: &App,
    asked: &Asked,
    operation: PageOperation,
    variables: &[&str],
    body: Body,
) -> Answered {
    use PageOperation as Op;
    let viewer = required(app, asked).await?;
    match operation {
        Op::StaffSearch => search::answer(app, asked, &viewer).await,
        Op::StaffHealth => health::answer(app, asked, &viewer).await,
        Op::StaffReports => reports::forms(app, asked, &viewer).await,
        Op::StaffReport => reports::one(app, asked, &viewer, variables).await,
        Op::StaffReviews => reviews::list(app, asked, &viewer).await,
        Op::OpenStaffReview => reviews::open(app, asked, &viewer, body).await,
        Op::StaffReview => reviews::one(app, asked, &viewer, variables).await,
        Op::DecideStaffReview => reviews::decide(app, asked, &viewer, variables, body).await,
        _ => reviews::close(app, asked, &viewer, variables, body).await,
    }
}

/// Staff that is signed in. That somebody else tried is recorded.
async fn required(app: &App, asked: &Asked) -> Result<Viewer, Instead> {
    let viewer = viewer::required(app, asked).await?;
    authorize_actor(app, asked, viewer.actor(), (ManagementOperation::ReadAccounts, Owner::Service)).await?;
    Ok(viewer)
}

/// Whether they may change something.
fn is_operator(viewer: &Viewer) -> bool {
    viewer.who == Who::Operator
}

fn page(title: &str, viewer: &Viewer, asked: &Asked) -> Page {
    Page::new(title, viewer, asked).in_section(Section::Staff)
}

/// Asks a question for a page, and records that it was looked at.
async fn ask(
    app: &App,
    asked: &Asked,
    viewer: &Viewer,
    name: &str,
    said: &[(&str, String)],
) -> Result<Answer, Instead> {
    let question = crate::audit::questions::question(name);
    let question = question.ok_or_else(|| Box::new(Problem::not_found("there is no such question")))?;
    let pairs = said.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
    let answer = audit::ask(app, question, pairs).await?;
    app.read_history(asked, &viewer.reader(), audit::look(&answer)).await?;
    Ok(answer)
}

/// A table of an answer, as a page shows it.
struct Sheet {
    title: String,
    heads: Vec<String>,
    rows: Vec<Vec<Cell>>,
    more: usize,
}

struct Cell {
    head: String,
    text: String,
    is_number: bool,
}

impl Sheet {
    /// Of some columns of a table.
    fn of(answer: &Answer, name: &str, columns: &[&str]) -> Option<Self> {
        let table = answer.tables.iter().find(|table| table.name == name)?;
        let places: Vec<usize> = table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| columns.is_empty() || columns.contains(column))
            .map(|(at, _)| at)
            .collect();
        let heads: Vec<String> = places.iter().map(|&at| label_of_member(table.columns[at])).collect();
        let row = |row: &Vec<Value>| {
            let cell = |(&at, head): (&usize, &String)| Cell {
                head: head.clone(),
                text: said(&row[at]).unwrap_or_default(),
                is_number: row[at].is_number(),
            };
            places.iter().zip(&heads).map(cell).collect()
        };
        Some(Self {
            title: table.title.to_owned(),
            rows: table.rows.iter().take(ROWS_SHOWN).map(row).collect(),
            more: table.rows.len().saturating_sub(ROWS_SHOWN),
            heads,
        })
    }
}
