//! `POST /v1/uses`: what a gateway decided by itself, told afterwards, one JSON object a line.
//!
//! Every line has a result of its own. They are recorded in commits of [`LINES_A_COMMIT`], so that nobody waits long
//! behind a big report; while one is written the next is read. A crash, or a 503, in between leaves the lines before it
//! recorded: the same report sent again is told `duplicate` for them and goes on where it ended.

mod line;
mod member;
mod results;

use super::{admit, live, map_in_force, refuse, submit};
use crate::domain::command::{GatewayCall, GatewayWish};
use crate::domain::decide::Answer;
use crate::domain::event::ManagementOperation;
use crate::domain::gateway::GatewayRight;
use crate::domain::ids::TokenId;
use crate::domain::reported_use::ReportedUse;
use crate::domain::token_text::TokenDigest;
use crate::http::App;
use crate::http::answer::{self, Reply};
use crate::http::entry::{Asked, Body};
use crate::http::manage::media_type;
use crate::http::problem::Problem;
use futures_util::future::join;
use line::{Reader, Unrecordable};
use results::Results;
use std::borrow::Cow;
use warp::http::StatusCode;

/// Longest report: room for the most lines with every member.
pub const REPORT_BYTES_MAX: usize = 8 << 20;
/// Most lines of a report.
pub const REPORT_LINES_MAX: usize = 20_000;
/// Lines recorded in one transaction: whoever comes behind waits for so many at most.
const LINES_A_COMMIT: usize = 1_024;

/// Media type of a report and of its answer.
const NDJSON: &str = "application/x-ndjson";

pub(super) async fn answer(app: &App, asked: &Asked, body: Body) -> Result<Reply, Box<Problem>> {
    let gateway = admit(app, asked, GatewayRight::Report, ManagementOperation::ReportUses).await?;
    let reporter = number_of(app, asked, gateway).await?;
    asked.no_parameters()?;
    if media_type(asked).is_some_and(|kind| kind != NDJSON) {
        return Err(Box::new(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "Unsupported media type",
            format!("send {NDJSON}"),
        )));
    }
    let body = body.read_up_to(REPORT_BYTES_MAX, asked.headers()).await?;
    check_lines(&body)?;
    let map = map_in_force(app)?;
    let mut lines = lines_of(&body);
    let mut reader = Reader::new(app, &map, reporter);
    let mut results = Results::default();
    let mut part = Part::read(&mut lines, &mut reader);
    while !part.lines.is_empty() {
        let uses = std::mem::take(&mut part.uses);
        let next = async {
            // The writer begins with this part now, not when this thread has nothing else to do.
            app.ledger.hand_over();
            Part::read(&mut lines, &mut reader)
        };
        let (recorded, next) = join(record(app, asked, gateway, uses), next).await;
        results.add(&part.lines, recorded?);
        part = next;
    }
    Ok(results.into_reply())
}

/// The number of the gateway token that was admitted.
async fn number_of(app: &App, asked: &Asked, gateway: TokenDigest) -> Result<TokenId, Box<Problem>> {
    let number = app
        .ledger
        .view_with_digests(|view, digests| {
            live(&view.projections.state, digests, gateway, (view.now, Some(asked.peer()))).map(|(token, _)| token.id)
        })
        .await;
    match number {
        Some(number) => Ok(number),
        // It ended a moment ago.
        None => {
            refuse(app, asked, gateway, GatewayRight::Report, ManagementOperation::ReportUses).await?;
            Err(Box::new(Problem::invalid_token()))
        }
    }
}

/// The lines that say something, by number from 1. Empty ones count as lines.
fn lines_of(body: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let lines = (1..).zip(body.split(|&byte| byte == b'\n'));
    lines.map(|(number, line)| (number, line.trim_ascii())).filter(|(_, line)| !line.is_empty())
}

/// Before anything of it is recorded.
fn check_lines(body: &[u8]) -> Result<(), Box<Problem>> {
    let limit = |detail: String| {
        Err(Box::new(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "limit-reached", "Limit reached", detail)))
    };
    match lines_of(body).take(REPORT_LINES_MAX + 1).count() {
        0 => limit("a report has at least one line".to_owned()),
        1..=REPORT_LINES_MAX => Ok(()),
        _ => limit(format!("a report has at most {REPORT_LINES_MAX} lines; nothing of it was recorded")),
    }
}

/// A line as it was read.
struct Line<'a> {
    number: u64,
    key: Option<Cow<'a, str>>,
    /// Why it cannot be recorded; else it is the next of the part's uses.
    fault: Option<Unrecordable>,
}

/// Lines that are recorded together.
#[derive(Default)]
struct Part<'a> {
    lines: Vec<Line<'a>>,
    uses: Vec<ReportedUse>,
}

impl<'a> Part<'a> {
    fn read(lines: &mut impl Iterator<Item = (u64, &'a [u8])>, reader: &mut Reader<'_>) -> Self {
        let mut part = Self::default();
        for (number, text) in lines.take(LINES_A_COMMIT) {
            let (key, read) = reader.read(text);
            let fault = match read {
                Ok(reported) => {
                    part.uses.push(reported);
                    None
                }
                Err(fault) => Some(fault),
            };
            part.lines.push(Line { number, key, fault });
        }
        part
    }
}

/// Has the writer record a part.
async fn record(
    app: &App,
    asked: &Asked,
    gateway: TokenDigest,
    lines: Vec<ReportedUse>,
) -> Result<results::Decided, Box<Problem>> {
    if lines.is_empty() {
        return Ok((Vec::new(), None));
    }
    let reply = submit(app, asked, GatewayCall { gateway, wish: GatewayWish::Report { lines } }).await?;
    match reply.answer {
        Answer::Reported(results) => Ok((results, reply.position)),
        _ => Err(Box::new(Problem::malformed("the command was not a report"))),
    }
}

/// An answer of lines.
fn ndjson(body: Vec<u8>) -> Reply {
    answer::bytes(NDJSON, body)
}
