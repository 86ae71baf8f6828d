//! Receipts over HTTP: inclusion (C2SP tlog-proof) and consistency (as a tlog-witness takes it), as text or JSON.

use super::App;
use super::answer;
use super::entry::{Asked, Query};
use super::events::unreadable;
use super::manage::Answered;
use super::operations::Operation;
use super::path::whole_number;
use super::problem::Problem;
use super::tlog::{authorize_tree, published};
use crate::audit::receipts::{self, Published, ReceiptError};
use crate::domain::ids::Position;
use crate::ledger::{DataDir, LogReader};
use serde_json::{Value, json};
use warp::http::{StatusCode, header};

const TEXT: &str = "text/plain; charset=utf-8";

/// A question for a proof, as the query says it.
struct Wanted {
    /// `position` of an inclusion, `old` of a consistency proof.
    of: Position,
    size: Option<Position>,
    as_json: bool,
}

/// Answers a question for a proof. Whoever may see hash tiles could work it out from those.
pub async fn answer(app: &App, asked: &Asked, operation: Operation) -> Answered {
    authorize_tree(app, asked).await?;
    let name = if operation == Operation::InclusionProof { "position" } else { "old" };
    let wanted = read_query(asked, name)?;
    let published = published(app)?;
    let dir = app.ledger.dir().clone();
    let made = app.ledger.read_log(move |log| Ok(make(&dir, log, &published, operation, &wanted))).await;
    match made.map_err(|error| unreadable(&error))? {
        Ok(Made::Text(text)) => Ok(answer::text(TEXT, text)),
        Ok(Made::Json(data)) => Ok(answer::json(StatusCode::OK, &json!({ "data": data }))),
        Err(error) => Err(refused(error)),
    }
}

enum Made {
    Text(String),
    Json(Value),
}

fn make(
    dir: &DataDir,
    log: &LogReader,
    published: &Published,
    operation: Operation,
    wanted: &Wanted,
) -> Result<Made, ReceiptError> {
    let question = (wanted.of, wanted.size);
    match (operation, wanted.as_json) {
        (Operation::InclusionProof, true) => {
            Ok(Made::Json(receipts::inclusion(dir, log, published, question)?.to_json()))
        }
        (Operation::InclusionProof, false) => {
            Ok(Made::Text(receipts::inclusion(dir, log, published, question)?.to_text()?))
        }
        (_, true) => Ok(Made::Json(receipts::consistency(dir, log, published, question)?.to_json())),
        (_, false) => Ok(Made::Text(receipts::consistency(dir, log, published, question)?.to_text()?)),
    }
}

fn refused(error: ReceiptError) -> Box<Problem> {
    match error {
        ReceiptError::Log(error) => unreadable(&error),
        ReceiptError::Backwards { .. } => Box::new(Problem::malformed(error.to_string())),
        not_there => Box::new(Problem::not_found(not_there.to_string())),
    }
}

fn read_query(asked: &Asked, name: &str) -> Result<Wanted, Box<Problem>> {
    let query: &Query = asked.query()?;
    let malformed = |what: String| Box::new(Problem::malformed(what));
    let (mut of, mut size, mut form) = (None, None, None);
    for (key, value) in query {
        let slot = match key.as_str() {
            key if key == name => &mut of,
            "size" => &mut size,
            "format" if form.is_none() && ["text", "json"].contains(&value.as_str()) => {
                form = Some(value == "json");
                continue;
            }
            "format" => return Err(malformed("format must be text or json, once".to_owned())),
            _ => return Err(malformed(format!("{key} is not a parameter of this request"))),
        };
        let number = whole_number(value).ok_or_else(|| malformed(format!("{key} must be a number")))?;
        if slot.replace(Position(number)).is_some() {
            return Err(malformed(format!("{key} is given twice")));
        }
    }
    let of = of.ok_or_else(|| malformed(format!("{name} is missing")))?;
    Ok(Wanted { of, size, as_json: form.unwrap_or_else(|| takes_json(asked)) })
}

/// Text is what verifiers read, so it is what whoever does not say otherwise gets.
fn takes_json(asked: &Asked) -> bool {
    let accept = asked.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json"))
}
