//! Taking over tokens of another system by their digests: one as JSON, or many as one JSON object a line.

use super::conditions;
use super::idempotency::{Sent, mark_repeated, posted};
use super::tokens::token_shape;
use super::{Answered, Carried, authorize_change, media_type, path_number, rejected, show, try_submit};
use crate::domain::command::{Change, ImportLine, NewImport, NewSecret};
use crate::domain::decide::{DoneSubject, IMPORT_LINES_MAX};
use crate::domain::event::ManagementOperation as Managed;
use crate::domain::ids::AccountId;
use crate::domain::rejection::{Conflict, FieldFault, Holder, Rejection, TakenDigest};
use crate::domain::token_text::{TokenDigest, hint_of};
use crate::http::App;
use crate::http::answer;
use crate::http::entry::{Asked, Body};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use serde_json::{Value, json};
use warp::http::StatusCode;

/// Longest body of an import of many; of one it is as for everything.
const IMPORT_BYTES_MAX: usize = 1 << 20;
const MANY: &str = "application/x-ndjson";

pub(super) async fn answer(app: &App, asked: &Asked, variables: &[&str], body: Body) -> Answered {
    let actor = authorize_change(app, asked, Managed::ImportTokens).await?;
    let account = AccountId(path_number(variables, 0, "account")?);
    let is_many = media_type(asked).is_some_and(|kind| kind == MANY);
    let (lines, key) = if is_many {
        let sent = Sent::read(asked)?;
        let bytes = body.read_up_to(IMPORT_BYTES_MAX, asked.headers()).await?;
        (read_lines(&bytes), sent.of(app, asked, &bytes))
    } else {
        let (fields, key) = posted(app, asked, body).await?;
        (vec![ImportLine { line: 1, token: read_token(fields) }], key)
    };
    let numbers: Vec<u64> = lines.iter().map(|line| line.line).collect();
    match try_submit(app, asked, actor, key.guard(Change::ImportTokens { account, lines })).await? {
        Ok(carried) if is_many => Ok(shown_many(&carried, &numbers)),
        Ok(carried) => show(app, &carried, |view, subject| token_shape(view, alone(subject))).await,
        Err(rejection) if is_many => Err(Box::new(rejected(app, rejection).await)),
        Err(rejection) => Err(Box::new(rejected_alone(app, rejection).await)),
    }
}

/// A token by itself has no lines to speak of.
async fn rejected_alone(app: &App, rejection: Rejection) -> Problem {
    match rejection {
        Rejection::InvalidLines(lines) => {
            let faults: Vec<FieldFault> = lines.into_iter().flat_map(|line| line.faults).collect();
            Problem::invalid(&faults)
        }
        Rejection::Conflict(Conflict::DigestsTaken(taken)) => match taken.first().map(|taken| taken.by) {
            Some(Holder::Token(token)) => {
                digest_exists("this digest belongs to a token already").with("token_id", token.0)
            }
            _ => digest_exists("this digest belongs to a token already"),
        },
        other => rejected(app, other).await,
    }
}

fn digest_exists(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, "digest-exists", "Conflict", detail)
}

/// Names every line whose digest is taken, and by whom.
pub(super) fn duplicates(taken: &[TakenDigest]) -> Problem {
    let duplicates: Vec<Value> = taken
        .iter()
        .map(|TakenDigest { line, by }| match by {
            Holder::Token(token) => json!({ "line": line, "token_id": token.0 }),
            Holder::Line(first) => json!({ "line": line, "first_line": first }),
        })
        .collect();
    let detail = format!("{} lines have a digest that is taken; nothing was carried out", duplicates.len());
    digest_exists(detail).with("duplicates", duplicates)
}

fn alone(subject: DoneSubject) -> DoneSubject {
    match subject {
        DoneSubject::Tokens(first, _) => DoneSubject::Token(first),
        other => other,
    }
}

fn shown_many(carried: &Carried, lines: &[u64]) -> answer::Reply {
    let first = match carried.done.subject {
        DoneSubject::Tokens(first, _) => first.0,
        _ => 0,
    };
    let tokens: Vec<Value> =
        (first..).zip(lines).map(|(token, line)| json!({ "line": line, "token_id": token })).collect();
    let body = json!({ "data": { "imported": tokens.len(), "tokens": tokens } });
    let mut reply = answer::json(StatusCode::CREATED, &body);
    answer::add_position(&mut reply, carried.position);
    if carried.repeated {
        mark_repeated(&mut reply);
    }
    reply
}

/// One object a line; empty lines count as lines and say nothing. One line past the most is enough to be refused.
fn read_lines(body: &[u8]) -> Vec<ImportLine> {
    (1..)
        .zip(body.split(|&byte| byte == b'\n'))
        .filter(|(_, text)| !text.iter().all(u8::is_ascii_whitespace))
        .take(IMPORT_LINES_MAX + 1)
        .map(|(line, text)| ImportLine { line, token: read_line(text) })
        .collect()
}

fn read_line(text: &[u8]) -> Result<NewImport, Vec<FieldFault>> {
    read_token(Fields::parse_object(text).map_err(|fault| vec![FieldFault::new("line", fault)])?)
}

fn read_token(mut fields: Fields) -> Result<NewImport, Vec<FieldFault>> {
    let name = fields.required("name", Fields::text);
    let access = fields.required("access", Fields::access);
    let digest = fields.required("digest", |fields, name| {
        fields.word(name, "SHA-256 of the token's whole text in 64 hexadecimal digits", TokenDigest::from_hex)
    });
    let hint = fields.word("hint", "the last characters of the token's text, at most four", read_hint);
    let created_at = fields.time_or_null("created_at").flatten();
    let expires_at = fields.time_or_null("expires_at").flatten();
    let conditions = conditions::of_new(&mut fields);
    fields.into_faults()?;
    let (Some(name), Some(access), Some(digest)) = (name, access, digest) else { return Err(Vec::new()) };
    let secret = NewSecret { digest, hint: hint.unwrap_or(hint_of("")) };
    Ok(NewImport { name, access, secret, created_at, expires_at, conditions })
}

fn read_hint(text: &str) -> Option<[u8; 4]> {
    let is_visible = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_visible.then(|| hint_of(text))
}
