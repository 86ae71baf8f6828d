//! Erasing personal texts. The answer comes when no byte of them is left in any file.

use super::{Answered, authorize_change, path_number, submit};
use crate::domain::command::Change;
use crate::domain::decide::DoneSubject;
use crate::domain::event::ManagementOperation as Managed;
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::token::Owner;
use crate::http::App;
use crate::http::answer::{self, RETRY_SECONDS};
use crate::http::entry::Asked;
use crate::http::operations::Operation;
use crate::http::problem::Problem;
use serde_json::json;
use warp::http::StatusCode;

pub(super) async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str]) -> Answered {
    let actor = authorize_change(app, asked, Managed::ErasePersonalTexts).await?;
    let carried = submit(app, asked, actor, change(operation, variables)?).await?;
    let DoneSubject::Texts { erased, kept, finished } = carried.done.subject else {
        return Err(Box::new(Problem::malformed("the command erased nothing")));
    };
    if !finished {
        return Err(Box::new(unfinished()));
    }
    let position = carried.position.map(|position| position.0);
    let body = json!({ "data": { "erased": erased, "kept": kept, "position": position } });
    let mut reply = answer::json(StatusCode::OK, &body);
    answer::add_position(&mut reply, carried.position);
    Ok(reply)
}

fn change(operation: Operation, variables: &[&str]) -> Result<Change, Box<Problem>> {
    let owner = match operation {
        Operation::EraseUserTexts => {
            return Ok(Change::EraseUserTexts { user: UserId(path_number(variables, 0, "user")?) });
        }
        Operation::EraseUserTokenTexts => Owner::User(UserId(path_number(variables, 0, "user")?)),
        _ => Owner::Account(AccountId(path_number(variables, 0, "account")?)),
    };
    Ok(Change::EraseTokenTexts { owner: Some(owner), token: TokenId(path_number(variables, 1, "token")?) })
}

fn unfinished() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "erasure-unfinished",
        "The erasure is not finished",
        "the texts are erased and no longer shown; a reader still holds an older part of the ledger file",
    )
    .with_retry_after(RETRY_SECONDS)
}
