//! Reports: an answer as one HTML file that stands by itself, to be read, printed and kept: the question in words, the answer,
//! what is not known, what it rests on, what that proves and what not, and how to check it. Inline style, no script, nothing
//! from elsewhere.

mod chart;
mod shown;
mod words;

use super::answer::{Answer, Basis};
use super::archive::Archive;
use super::questions::{self, Asked, AuditError, Question};
use super::receipts::Published;
use crate::domain::ids::Position;
use crate::domain::log_keys::LogKeys;
use crate::projections::keys::Key;
use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shown::Part;
use std::ops::ControlFlow;

/// The style of every report.
const STYLE: &str = include_str!("report/templates/report.css");

/// A kind of report that has a name of its own.
#[derive(Clone, Copy, Debug)]
pub struct ReportKind {
    /// Its name on the command line.
    pub name: &'static str,
    /// The question that it answers.
    pub question: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// An example of the command line, without the program's name.
    pub example: &'static str,
}

/// Kinds of reports. Any other question makes one too, under its own name.
pub const REPORT_KINDS: [ReportKind; 4] = [
    ReportKind {
        name: "access",
        question: "who-could",
        about: "Who could touch a resource in a period, by which grants, and who did",
        example: "report access --data ./ledger --account 1 --scope zones:example.com --out access.html",
    },
    ReportKind {
        name: "usage",
        question: "quota",
        about: "Who used how much of a limit, window by window, and who was refused for it",
        example: "report usage --data ./ledger --account 1 --from 2026-03-01T00:00:00Z --out usage.html",
    },
    ReportKind {
        name: "review",
        question: "review",
        about: "How an access review was decided, row by row, and what became of it since",
        example: "report review --data ./ledger --review 1 --out review.html",
    },
    ReportKind {
        name: "leak",
        question: "leak",
        about: "What was done with a token since it may have leaked, from where, and what it could have reached",
        example: "report leak --data ./ledger --token 2 --since 2026-03-01T00:00:00Z --out leak.html",
    },
];

/// A report, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The HTML.
    pub html: String,
    /// The answer that it tells, for whoever records that it was looked at.
    pub basis: Basis,
}

/// `Content-Security-Policy` that a report is served with: its own style, and nothing else.
pub fn content_security_policy() -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

#[derive(Template)]
#[template(path = "report.html", ext = "html")]
struct Page {
    style: &'static str,
    title: String,
    sentence: String,
    asked: Vec<(String, String)>,
    parts: Vec<Part>,
    gaps: Vec<String>,
    erased: u64,
    origin: String,
    log_vkey: String,
    position: u64,
    time: String,
    head: u64,
    root_hash: String,
    checkpoint: Option<Checkpoint>,
    commands: Vec<(String, &'static str)>,
    made_by: &'static str,
}

/// The last checkpoint that was published.
struct Checkpoint {
    note: String,
    size: u64,
    covers: bool,
}

/// Asks a question, with those that belong to it, and tells the answers.
pub fn make(archive: &Archive, question: &'static Question, asked: &Asked) -> Result<(Report, Answer), AuditError> {
    let answer = questions::ask(archive, question, asked)?;
    let mut answers = vec![answer.clone()];
    if let Some(companion) = companion(archive, &answer)? {
        answers.push(companion);
    }
    let report = tell(archive, &answers)?;
    Ok((report, answer))
}

/// A review is told with what became of it.
fn companion(archive: &Archive, answer: &Answer) -> Result<Option<Answer>, AuditError> {
    let number = |name: &str| answer.summary.get(name).and_then(Value::as_u64);
    let (Some(review), Some(account)) = (number("review"), number("account")) else { return Ok(None) };
    let Some(question) = questions::question("since-review").filter(|_| answer.question == "review") else {
        return Ok(None);
    };
    let pairs = [("account".to_owned(), account.to_string()), ("review".to_owned(), review.to_string())];
    questions::ask(archive, question, &Asked::read(question, &pairs)?).map(Some)
}

fn tell(archive: &Archive, answers: &[Answer]) -> Result<Report, AuditError> {
    let Some(first) = answers.first() else { return Err(AuditError::NotFound("nothing was asked".to_owned())) };
    let parts: Vec<Part> = answers.iter().map(Part::of).collect();
    let mut gaps: Vec<String> = Vec::new();
    for gap in answers.iter().flat_map(|answer| &answer.gaps) {
        if !gaps.contains(gap) {
            gaps.push(gap.clone());
        }
    }
    let basis = &first.basis;
    let keys = log_keys(archive)?;
    let current = keys.current();
    let published = Published::read(archive.dir()).ok();
    let checkpoint = published.map(|published| Checkpoint {
        covers: published.size >= basis.position,
        size: published.size.0,
        note: published.note,
    });
    let page = Page {
        style: STYLE,
        title: words::title(first.question),
        sentence: words::sentence(first),
        asked: words::asked(first),
        erased: parts.iter().map(|part| part.erased).sum(),
        parts,
        gaps,
        origin: current.map(|span| span.origin.clone()).unwrap_or_default(),
        log_vkey: current.map(|span| span.log_vkey.clone()).unwrap_or_default(),
        position: basis.position.0,
        time: basis.at.to_micros_text(),
        head: basis.head.0,
        root_hash: STANDARD.encode(basis.root),
        commands: words::commands(first, checkpoint.is_some()),
        checkpoint,
        made_by: concat!("token-ledger ", env!("CARGO_PKG_VERSION")),
    };
    // Rendering writes into memory, and no filter of the template fails.
    let html = page.render().map_err(|error| AuditError::NotFound(format!("the report could not be made: {error}")))?;
    Ok(Report { html, basis: basis.clone() })
}

fn log_keys(archive: &Archive) -> Result<LogKeys, AuditError> {
    let mut keys = LogKeys::default();
    archive.visit(&[Key::Service], (Position::NONE, archive.head()), &mut |position, _, event| {
        keys.take(position, event);
        ControlFlow::Continue(())
    })?;
    Ok(keys)
}
