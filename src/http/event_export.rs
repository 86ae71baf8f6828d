//! A selection of events as a file of lines: what `/v1/events` shows page by page, at one go. It streams: page after page is
//! read as the lines are taken, so nothing is held in memory, and nobody who takes them slowly holds a thread or a lock.

use super::App;
use super::answer::{Reply, add_header};
use super::event_stream::{SLOW_MAX, too_many};
use super::problem::Problem;
use crate::audit::export::lines::{Form, line};
use crate::audit::history::{self, Filter, Page};
use crate::domain::ids::Position;
use crate::ledger::LogError;
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use std::io;
use tokio::sync::mpsc;
use tokio::time::timeout;
use warp::Reply as _;
use warp::http::{HeaderValue, header};

/// Events read at a time.
const EVENTS_A_PAGE: usize = 500;

/// Reads the form of an export, as `format` says it.
pub fn form(text: &str) -> Option<Form> {
    [Form::Ndjson, Form::Csv].into_iter().find(|form| form.name() == text)
}

/// What is exported.
#[derive(Clone, Debug)]
pub struct Selected {
    /// Which events.
    pub filter: Filter,
    /// Events after this position,
    pub after: Position,
    /// up to and with this one.
    pub through: Position,
    /// As what.
    pub form: Form,
    /// What is done to each before it is written.
    pub mend: fn(&mut Value),
}

/// Answers with the file. Its name says what it goes up to.
pub fn answer(app: &App, selected: Selected) -> Result<Reply, Box<Problem>> {
    let slot = app.streams.slot().ok_or_else(|| Box::new(too_many(app)))?;
    let (sender, mut receiver) = mpsc::channel::<Result<Bytes, io::Error>>(1);
    let (form, through) = (selected.form, selected.through);
    let app = app.clone();
    tokio::spawn(async move {
        run(&app, selected, &sender).await;
        drop(slot);
    });
    let parts = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    let mut reply = warp::reply::stream(parts).into_response();
    let (kind, name) = match form {
        Form::Ndjson => ("application/x-ndjson", format!("events-to-{through}.ndjson")),
        Form::Csv => ("text/csv; charset=utf-8", format!("events-to-{through}.csv")),
    };
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    add_header(&mut reply, header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}\""));
    Ok(reply)
}

/// An export that could not be read to its end breaks off: a file that ended would be taken for a whole one.
async fn run(app: &App, selected: Selected, sender: &mpsc::Sender<Result<Bytes, io::Error>>) {
    let (mut after, mut head) = (selected.after, selected.form.head());
    loop {
        let part = match read(app, &selected, after).await {
            Ok((mut lines, next)) => {
                head.append(&mut lines);
                after = next.unwrap_or(selected.through);
                Ok((std::mem::take(&mut head), next.is_some()))
            }
            Err(error) => {
                tracing::error!(%error, "an export could not be read");
                Err(io::Error::other("the log could not be read"))
            }
        };
        let (part, goes_on) = match part {
            Ok((lines, goes_on)) => (Ok(Bytes::from(lines)), goes_on),
            Err(error) => (Err(error), false),
        };
        let is_taken = timeout(SLOW_MAX, sender.send(part)).await.is_ok_and(|sent| sent.is_ok());
        if !goes_on || !is_taken {
            return;
        }
    }
}

/// The next lines, and where to go on from; none at the end.
async fn read(app: &App, selected: &Selected, after: Position) -> Result<(Vec<u8>, Option<Position>), LogError> {
    let Selected { filter, through, form, mend, .. } = selected.clone();
    let page = Page { after, before: Some(through.next()), descending: false, limit: EVENTS_A_PAGE };
    let _turn = app.streams.turn().await;
    let work = move |archive: &crate::audit::archive::Archive| {
        let found = history::page(archive, &filter, &page)?;
        let mut lines = Vec::new();
        for mut event in found.events {
            mend(&mut event);
            lines.extend(line(form, &event));
        }
        Ok::<_, LogError>((lines, found.next.filter(|next| *next < through)))
    };
    app.with_archive(work).await
}
