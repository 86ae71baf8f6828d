//! `history`: every event about one account, token, user or resource.

use super::output::{out, write_table};
use super::{DataArgument, Failure, progress, state};
use crate::audit::about::{About, Subject};
use crate::audit::archive::Archive;
use crate::audit::describe::Words;
use crate::audit::in_words::in_words;
use crate::audit::{history, past};
use crate::clock::Clock;
use crate::domain::ids::{AccountId, Position, ResourceId, TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::ledger::{LogError, LogReader};
use clap::Args;
use serde_json::{Value, json};
use std::io::Write;

/// Rows put together into one table: its columns are as wide as their widest cell.
const TABLE_ROWS: usize = 500;

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    #[command(flatten)]
    data: DataArgument,
    #[command(flatten)]
    of: Of,
    /// Only what was recorded at or after this time, as in 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Only what was recorded before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// Only the newest so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
struct Of {
    /// Every record of this account.
    #[arg(long, value_name = "NUMBER")]
    account: Option<u64>,
    /// What was done with this token and to it.
    #[arg(long, value_name = "NUMBER")]
    token: Option<u64>,
    /// What this user did, and what was changed about them and their tokens.
    #[arg(long, value_name = "NUMBER")]
    user: Option<u64>,
    /// What was done to this resource, who reached it or was refused, and grants that name it.
    #[arg(long, value_name = "NUMBER")]
    resource: Option<u64>,
}

impl Of {
    fn subject(self) -> Option<Subject> {
        let account = self.account.map(|id| Subject::Account(AccountId(id)));
        let token = self.token.map(|id| Subject::Token(TokenId(id)));
        let user = self.user.map(|id| Subject::User(UserId(id)));
        account.or(token).or(user).or(self.resource.map(|id| Subject::Resource(ResourceId(id))))
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "must be a time such as 2026-03-01T12:00:00Z".to_owned())
}

pub(super) fn run(arguments: &HistoryArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    let archive = Archive::open(&dir, Clock::system().now())?;
    let moment = archive.moment(past::Point::Head)?;
    let state = state::load(&dir, moment)?.state;
    let subject = arguments.of.subject().ok_or_else(|| Failure::Finding("nothing was asked for".to_owned()))?;
    let missing = || Failure::Finding(format!("{} {} was never there", subject.kind(), subject.number()));
    let about = About::new(&state, subject).ok_or_else(missing)?;
    let (after, through) = archive.range(arguments.from, arguments.to)?;
    let bar = progress::bar("looking through", through.0.saturating_sub(after.0));
    let told = &mut |position: Position| bar.set_position(position.0.saturating_sub(after.0));
    let positions = about.positions(&archive, (after, through), told);
    bar.finish_and_clear();
    let positions = positions?;
    let words = archive.words();
    let shown = &positions[positions.len().saturating_sub(arguments.limit.unwrap_or(usize::MAX))..];
    let found =
        Found { log: archive.log(), words: &words, subject, head: archive.head(), total: positions.len(), shown };
    let mut out = out();
    if arguments.json {
        found.write_json(&mut out)?
    } else {
        found.write_tables(&mut out)?
    }
    Ok(out.flush()?)
}

struct Found<'a> {
    log: &'a LogReader,
    words: &'a Words<'a>,
    subject: Subject,
    head: Position,
    total: usize,
    shown: &'a [Position],
}

impl Found<'_> {
    fn event(&self, position: Position) -> Result<Value, LogError> {
        let missing = || LogError::Damaged { position, what: "the record is missing".to_owned() };
        history::event(self.log, self.words, position)?.ok_or_else(missing)
    }

    /// One object, its events written one by one: there may be millions.
    fn write_json(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let subject = json!({ "kind": self.subject.kind(), "id": self.subject.number() });
        write!(out, "{{\"subject\":{subject},\"head\":{},\"total\":{},\"events\":[", self.head, self.total)?;
        for (index, &position) in self.shown.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}\n{}", self.event(position)?)?;
        }
        Ok(writeln!(out, "\n]}}")?)
    }

    fn write_tables(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let of = format!("{} {}", self.subject.kind(), self.subject.number());
        writeln!(out, "{} events of {of}, {} shown; the log's head is {}\n", self.total, self.shown.len(), self.head)?;
        for positions in self.shown.chunks(TABLE_ROWS) {
            let rows: Vec<Vec<String>> = positions
                .iter()
                .map(|&position| self.event(position).map(|event| row(&event)))
                .collect::<Result<_, _>>()?;
            write_table(out, "Events", &["position", "recorded at", "event", "by", "what"], rows)?;
        }
        Ok(())
    }
}

fn row(event: &Value) -> Vec<String> {
    let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let principal = &event["principal"];
    let id = principal["id"].as_u64().map(|id| format!(" {id}")).unwrap_or_default();
    let credential = event["credential"].as_u64().map(|id| format!(", token {id}")).unwrap_or_default();
    let by = format!("{}{id}{credential}", principal["kind"].as_str().unwrap_or_default());
    vec![event["position"].to_string(), text("recorded_at"), text("type"), by, in_words(&event["data"])]
}
