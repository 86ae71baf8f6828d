//! Reports by form: the question's fields, and the report as one file that stands by itself.

use super::{Answered, page};
use crate::audit::questions::{self, Kind, Parameter};
use crate::audit::report::{REPORT_KINDS, ReportKind};
use crate::http::App;
use crate::http::audit;
use crate::http::entry::Asked;
use crate::http::pages::form;
use crate::http::pages::page::Page;
use crate::http::pages::reply::shown;
use crate::http::pages::viewer::Viewer;
use crate::http::pages::words::label_of_member;
use crate::http::problem::Problem;
use askama::Template;

#[derive(Template)]
#[template(path = "staff_reports.html")]
struct ReportsPage {
    page: Page,
    kinds: Vec<Choice>,
}

struct Choice {
    name: &'static str,
    title: String,
    about: &'static str,
    fields: Vec<Field>,
}

struct Field {
    id: String,
    name: &'static str,
    label: String,
    help: &'static str,
    required: bool,
    words: &'static [&'static str],
    is_number: bool,
    is_time: bool,
}

pub(super) async fn forms(_app: &App, asked: &Asked, viewer: &Viewer) -> Answered {
    let kinds = REPORT_KINDS.iter().filter_map(choice).collect();
    Ok(shown(&ReportsPage { page: page("Reports", viewer, asked), kinds }))
}

fn choice(kind: &ReportKind) -> Option<Choice> {
    let question = questions::question(kind.question)?;
    let field = |parameter: &Parameter| Field {
        id: format!("{}-{}", kind.name, parameter.name),
        name: parameter.name,
        label: label_of_member(parameter.name),
        help: parameter.help,
        required: parameter.required,
        words: match parameter.kind {
            Kind::Word(words) => words,
            _ => &[],
        },
        is_number: parameter.kind == Kind::Number,
        is_time: parameter.kind == Kind::Time,
    };
    let title = label_of_member(kind.name);
    let fields = question.parameters.iter().map(field).collect();
    Some(Choice { name: kind.name, title, about: kind.about, fields })
}

pub(super) async fn one(app: &App, asked: &Asked, viewer: &Viewer, variables: &[&str]) -> Answered {
    let name = variables.first().copied().unwrap_or_default();
    let kind = REPORT_KINDS.iter().find(|kind| kind.name == name);
    let question = kind.and_then(|kind| questions::question(kind.question));
    let question = question.ok_or_else(|| Box::new(Problem::not_found("there is no such report")))?;
    // A field that is left empty says nothing; a browser's time has no zone, and is UTC.
    let is_time = |name: &str| question.parameters.iter().any(|it| it.name == name && it.kind == Kind::Time);
    let pairs = asked.query()?.iter().filter(|(_, text)| !text.trim().is_empty()).map(|(name, text)| {
        let time = if is_time(name) { form::time(text) } else { None };
        (name.clone(), time.map_or_else(|| text.trim().to_owned(), |time| time.to_micros_text()))
    });
    let (report, answer) = audit::ask_for_report(app, question, pairs.collect()).await?;
    app.read_history(asked, &viewer.reader(), audit::look(&answer)).await?;
    Ok(audit::html(report))
}
