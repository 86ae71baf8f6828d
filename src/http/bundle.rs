//! `/v1/audit/bundle`: evidence in one file, sent while it is written.
//!
//! What cannot be finished has no last line, and the connection breaks: nobody takes it for whole.

use super::answer::Reply;
use super::audit::busy;
use super::entry::{Asked, Query, reject_twice};
use super::manage::{Answered, authorize_read};
use super::path::whole_number;
use super::problem::Problem;
use super::tlog::published;
use super::{App, on_a_thread};
use crate::audit::archive::Archive;
use crate::audit::bundle::Selection;
use crate::audit::bundle::write::{BundleError, Wish, write};
use crate::audit::receipts::Published;
use crate::domain::event::ManagementOperation;
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::time::Timestamp;
use crate::ledger::DataDir;
use bytes::Bytes;
use futures_util::stream;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use tokio::sync::mpsc;
use warp::Reply as _;
use warp::http::{HeaderValue, header};

/// Bytes sent at a time.
const PART_BYTES: usize = 64 * 1024;

/// Answers with a bundle.
pub async fn answer(app: &App, asked: &Asked) -> Answered {
    let reader = authorize_read(app, asked, ManagementOperation::ReadEvents).await?;
    let wish = read_query(asked.query()?)?;
    let published = published(app)?;
    let Ok(room) = Arc::clone(&app.desk.0).try_acquire_owned() else { return Err(Box::new(busy())) };
    let Selection { token, account, from, to } = wish.selection;
    let look = HistoryQuery::of("bundle", published.size)
        .about_token(token.unwrap_or_default())
        .about_account(account.unwrap_or_default())
        .between(from, to);
    app.read_history(asked, &reader, look).await?;
    let (sender, mut receiver) = mpsc::channel::<io::Result<Bytes>>(2);
    let (archives, sources, dir) = (app.archives.clone(), app.ledger.sources().await, app.ledger.dir().clone());
    tokio::spawn(async move {
        on_a_thread(move || {
            let made = archives.with(sources, |archive| send(&dir, archive, &published, &wish, &sender));
            if let Err(error) = made {
                tracing::warn!(%error, "a bundle was not sent to its end");
                // Whoever is still there sees a body that breaks off.
                let _ = sender.blocking_send(Err(io::Error::other("the bundle could not be written")));
            }
        })
        .await;
        drop(room);
    });
    let parts = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    Ok(streamed(warp::reply::stream(parts).into_response()))
}

fn streamed(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    let name = HeaderValue::from_static("attachment; filename=\"evidence.jsonl\"");
    headers.insert(header::CONTENT_DISPOSITION, name);
    reply
}

fn send(
    dir: &DataDir,
    archive: &Archive,
    published: &Published,
    wish: &Wish,
    sender: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), BundleError> {
    let mut out = BufWriter::with_capacity(PART_BYTES, Parts(sender));
    write(dir, archive, published, wish, &mut out, &mut |_| {})?;
    Ok(out.flush()?)
}

/// Writes into the answer, and waits while nobody takes what is there.
struct Parts<'a>(&'a mpsc::Sender<io::Result<Bytes>>);

impl Write for Parts<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read_query(query: &Query) -> Result<Wish, Box<Problem>> {
    reject_twice(query)?;
    let mut wish = Wish { selection: Selection::default(), with_texts: true, old_checkpoint: None };
    for (key, value) in query {
        read_one(key, value, &mut wish).map_err(|fault| Box::new(Problem::malformed(format!("{key} {fault}"))))?;
    }
    match wish.selection.is_named() {
        true => Ok(wish),
        false => Err(Box::new(Problem::malformed("say of what: token, account, or both"))),
    }
}

fn read_one(key: &str, value: &str, wish: &mut Wish) -> Result<(), &'static str> {
    let selection = &mut wish.selection;
    let number = || whole_number(value).ok_or("must be a number");
    let time = || Timestamp::parse(value).ok_or("must be a time such as 2026-03-01T12:00:00Z");
    match key {
        "token" => selection.token = Some(TokenId(number()?)),
        "account" => selection.account = Some(AccountId(number()?)),
        "from" => selection.from = Some(time()?),
        "to" => selection.to = Some(time()?),
        "texts" => {
            wish.with_texts = match value {
                "true" => true,
                "false" => false,
                _ => return Err("must be true or false"),
            };
        }
        _ => return Err("is not a parameter of this request"),
    }
    Ok(())
}
