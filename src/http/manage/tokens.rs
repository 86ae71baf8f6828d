//! Changes of tokens. A secret is made here, shown in the answer that creates it, and dropped.

use super::conditions;
use super::dry_run;
use super::idempotency::{mark_repeated, posted};
use super::{Answered, authorize_trial, fields, gone, if_match, path_number, show, submit};
use crate::domain::command::{Change, NewSecret};
use crate::domain::conditions::Conditions;
use crate::domain::decide::DoneSubject;
use crate::domain::event::ManagementOperation as Managed;
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, TokenKind};
use crate::domain::token_text::TokenSecret;
use crate::http::App;
use crate::http::answer::{self, Reply};
use crate::http::entry::{Asked, Body};
use crate::http::fields::Fields;
use crate::http::operations::Operation;
use crate::http::problem::Problem;
use crate::http::shapes;
use serde_json::{Value, json};
use warp::http::StatusCode;

/// How long the secret before a rotation goes on working, where nothing is said.
pub const OVERLAP_SECONDS_DEFAULT: u64 = 86_400;

pub(super) async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str], body: Body) -> Answered {
    use Operation as Op;
    let actor = authorize_trial(app, asked, managed(operation)).await?;
    let owner = owner(operation, variables)?;
    let kind = kind_made(operation);
    let dry_run = dry_run::wanted_where(can_be_tried(operation), asked)?;
    match operation {
        Op::CreateAccountToken | Op::CreateUserToken => {
            let (fields, key) = posted(app, asked, body).await?;
            let secret = make_secret(app, kind);
            let change = create(owner, kind, &secret, fields)?;
            let carried = submit(app, asked, actor, key.guard(change)).await?;
            shown_once(app, carried, secret).await
        }
        Op::CreateStaffToken => {
            let (fields, key) = posted(app, asked, body).await?;
            let new = staff(fields)?;
            let secret = make_secret(app, new.kind);
            let change = new.with(new_secret(&secret));
            let carried = submit(app, asked, actor, key.guard(change)).await?;
            shown_once(app, carried, secret).await
        }
        Op::RotateAccountToken | Op::RotateUserToken => {
            let token = token_in_path(owner, variables)?;
            let (mut fields, key) = posted(app, asked, body).await?;
            let overlap_seconds = fields.number("overlap_seconds").unwrap_or(OVERLAP_SECONDS_DEFAULT);
            fields.finish()?;
            let secret = make_secret(app, kind);
            let (new, if_match) = (new_secret(&secret), if_match(asked)?);
            let change = Change::RotateToken { owner, token, overlap_seconds, secret: new, if_match };
            let carried = submit(app, asked, actor, key.guard(change)).await?;
            shown_once(app, carried, secret).await
        }
        Op::UpdateAccountToken | Op::UpdateUserToken => {
            let token = token_in_path(owner, variables)?;
            let mut fields = fields(asked, body).await?;
            let (name, access) = (fields.text("name"), fields.access("access"));
            let (expires_at, conditions) = (fields.time_or_null("expires_at"), conditions::edit(&mut fields));
            fields.finish()?;
            let if_match = if_match(asked)?;
            let change = Change::UpdateToken { owner, token, name, access, expires_at, conditions, if_match };
            if let Some(days) = dry_run {
                return dry_run::answer(app, asked, actor, change, days).await;
            }
            let carried = submit(app, asked, actor, change).await?;
            show(app, &carried, token_shape).await
        }
        _ => {
            let token = token_in_path(owner, variables)?;
            let change = Change::DeleteToken { owner, token, if_match: if_match(asked)? };
            if let Some(days) = dry_run {
                return dry_run::answer(app, asked, actor, change, days).await;
            }
            Ok(gone(&submit(app, asked, actor, change).await?))
        }
    }
}

/// Whether `dry_run` goes with it: edits and deletions of tokens that requests are made with.
fn can_be_tried(operation: Operation) -> bool {
    use Operation as Op;
    matches!(operation, Op::UpdateAccountToken | Op::UpdateUserToken | Op::DeleteAccountToken | Op::DeleteUserToken)
}

fn managed(operation: Operation) -> Managed {
    use Operation as Op;
    match operation {
        Op::CreateAccountToken | Op::CreateUserToken => Managed::CreateToken,
        Op::UpdateAccountToken | Op::UpdateUserToken => Managed::UpdateToken,
        Op::RotateAccountToken | Op::RotateUserToken => Managed::RotateToken,
        Op::CreateStaffToken | Op::DeleteStaffToken => Managed::ChangeStaffTokens,
        _ => Managed::DeleteToken,
    }
}

fn kind_made(operation: Operation) -> TokenKind {
    match operation {
        Operation::CreateUserToken | Operation::RotateUserToken => TokenKind::User,
        _ => TokenKind::Account,
    }
}

/// Whose tokens the path is about.
fn owner(operation: Operation, variables: &[&str]) -> Result<Owner, Box<Problem>> {
    use Operation as Op;
    Ok(match operation {
        Op::CreateStaffToken | Op::DeleteStaffToken => Owner::Service,
        Op::CreateUserToken | Op::UpdateUserToken | Op::DeleteUserToken | Op::RotateUserToken => {
            Owner::User(UserId(path_number(variables, 0, "user")?))
        }
        _ => Owner::Account(AccountId(path_number(variables, 0, "account")?)),
    })
}

pub(super) fn token_in_path(owner: Owner, variables: &[&str]) -> Result<TokenId, Box<Problem>> {
    let index = usize::from(owner != Owner::Service);
    path_number(variables, index, "token").map(TokenId)
}

/// A new secret of a kind of token.
pub fn make_secret(app: &App, kind: TokenKind) -> TokenSecret {
    TokenSecret::from_random(kind, &app.entropy.lock().bytes_32())
}

/// What the writer is told of it.
pub fn new_secret(secret: &TokenSecret) -> NewSecret {
    NewSecret { digest: secret.digest(), hint: secret.hint() }
}

fn create(owner: Owner, kind: TokenKind, secret: &TokenSecret, mut fields: Fields) -> Result<Change, Box<Problem>> {
    let name = fields.required("name", Fields::text);
    let access = fields.access("access");
    let expires_at = fields.time_or_null("expires_at").flatten();
    let conditions = conditions::of_new(&mut fields);
    fields.finish()?;
    let name = name.ok_or_else(|| Box::new(Problem::malformed("name is missing")))?;
    Ok(Change::CreateToken { owner, kind, name, access, expires_at, conditions, secret: new_secret(secret) })
}

/// A staff token to be made.
struct Staff {
    kind: TokenKind,
    name: PersonalText,
    expires_at: Option<Timestamp>,
    conditions: Conditions,
}

impl Staff {
    fn with(self, secret: NewSecret) -> Change {
        let Self { kind, name, expires_at, conditions } = self;
        Change::CreateToken { owner: Owner::Service, kind, name, access: None, expires_at, conditions, secret }
    }
}

fn staff(mut fields: Fields) -> Result<Staff, Box<Problem>> {
    let kind = fields.required("role", |fields, name| {
        fields.word(name, "operator or auditor", |word| match word {
            "operator" => Some(TokenKind::Operator),
            "auditor" => Some(TokenKind::Auditor),
            _ => None,
        })
    });
    let name = fields.required("name", Fields::text);
    let expires_at = fields.time_or_null("expires_at").flatten();
    let conditions = conditions::of_new(&mut fields);
    fields.finish()?;
    let (kind, name) = kind.zip(name).ok_or_else(|| Box::new(Problem::malformed("role or name is missing")))?;
    Ok(Staff { kind, name, expires_at, conditions })
}

pub(super) fn token_shape(view: &crate::ledger::View<'_>, subject: DoneSubject) -> Option<(Value, Option<u64>)> {
    let DoneSubject::Token(id) = subject else { return None };
    let token = view.projections.state.token(id)?;
    Some((shapes::token(view, token), Some(token.version.0)))
}

/// The one answer that holds the secret. Nothing between here and the client may keep it. The same request again has
/// null in its place: the secret that was made for it meanwhile is nobody's, and is dropped here.
pub(super) async fn shown_once(app: &App, carried: super::Carried, secret: TokenSecret) -> Answered {
    let shown = app.ledger.view(|view| token_shape(&view, carried.done.subject)).await;
    let Some((data, version)) = shown else {
        return Err(Box::new(Problem::not_found("the token is gone in the meantime")));
    };
    let token = (!carried.repeated).then(|| secret.reveal_once());
    let mut reply: Reply = answer::json(StatusCode::CREATED, &json!({ "data": data, "token": token }));
    answer::add_position(&mut reply, carried.position);
    if carried.repeated {
        mark_repeated(&mut reply);
    }
    if let Some(version) = version {
        super::etag(&mut reply, version);
    }
    Ok(reply)
}
