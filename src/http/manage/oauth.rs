//! OAuth applications of an account, and what its members authorised. A client secret is made here, shown in the answer
//! that creates it, and dropped.

use super::dry_run;
use super::idempotency::{mark_repeated, posted};
use super::tokens::OVERLAP_SECONDS_DEFAULT;
use super::{Answered, Carried, authorize_trial, fields, gone, if_match, path_number, show, submit};
use crate::domain::command::{Change, NewSecret, OAuthChange};
use crate::domain::decide::DoneSubject;
use crate::domain::event::ManagementOperation as Managed;
use crate::domain::ids::{AccountId, ApplicationId, AuthorizationId};
use crate::domain::oauth::{ClientId, ClientKind};
use crate::domain::token_text::TokenSecret;
use crate::http::App;
use crate::http::answer;
use crate::http::entry::{Asked, Body};
use crate::http::fields::Fields;
use crate::http::operations::Operation;
use crate::http::problem::Problem;
use crate::http::shapes;
use crate::ledger::View;
use serde_json::{Value, json};
use warp::http::StatusCode;

pub(super) async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str], body: Body) -> Answered {
    use Operation as Op;
    let actor = authorize_trial(app, asked, managed(operation)).await?;
    let account = AccountId(path_number(variables, 0, "account")?);
    let dry_run = dry_run::wanted_where(can_be_tried(operation), asked)?;
    let change = match operation {
        Op::CreateApplication => {
            let (fields, key) = posted(app, asked, body).await?;
            let secret = client_secret(app);
            let change = Change::OAuth(register(account, client_id(app), new_secret(&secret), fields)?);
            let carried = submit(app, asked, actor, key.guard(change)).await?;
            return shown_once(app, &carried, secret).await;
        }
        Op::RotateApplicationSecret => {
            let application = application_in_path(variables)?;
            let (mut fields, key) = posted(app, asked, body).await?;
            let overlap_seconds = fields.number("overlap_seconds").unwrap_or(OVERLAP_SECONDS_DEFAULT);
            fields.finish()?;
            let secret = client_secret(app);
            let (new, if_match) = (new_secret(&secret), if_match(asked)?);
            let rotate = OAuthChange::RotateSecret { account, application, overlap_seconds, secret: new, if_match };
            let carried = submit(app, asked, actor, key.guard(Change::OAuth(rotate))).await?;
            return shown_once(app, &carried, secret).await;
        }
        Op::UpdateApplication => {
            let application = application_in_path(variables)?;
            let mut fields = fields(asked, body).await?;
            let (name, redirect_uris) = (fields.text("name"), fields.texts("redirect_uris"));
            fields.finish()?;
            let update = OAuthChange::Update { account, application, name, redirect_uris, if_match: if_match(asked)? };
            let carried = submit(app, asked, actor, Change::OAuth(update)).await?;
            return show(app, &carried, application_shape).await;
        }
        Op::DeleteApplication => {
            let application = application_in_path(variables)?;
            OAuthChange::Delete { account, application, if_match: if_match(asked)? }
        }
        Op::RevokeApplication => OAuthChange::RevokeAll { account, application: application_in_path(variables)? },
        _ => {
            let authorization = AuthorizationId(path_number(variables, 1, "authorization")?);
            OAuthChange::Revoke { account, authorization }
        }
    };
    if let Some(days) = dry_run {
        return dry_run::answer(app, asked, actor, Change::OAuth(change), days).await;
    }
    Ok(gone(&submit(app, asked, actor, Change::OAuth(change)).await?))
}

/// Whether `dry_run` goes with it: whatever ends tokens.
fn can_be_tried(operation: Operation) -> bool {
    use Operation as Op;
    matches!(operation, Op::DeleteApplication | Op::RevokeApplication | Op::RevokeAuthorization)
}

fn managed(operation: Operation) -> Managed {
    match operation {
        Operation::RevokeAuthorization => Managed::RevokeAuthorizations,
        _ => Managed::ChangeApplications,
    }
}

fn application_in_path(variables: &[&str]) -> Result<ApplicationId, Box<Problem>> {
    path_number(variables, 1, "application").map(ApplicationId)
}

/// A new client secret.
pub fn client_secret(app: &App) -> TokenSecret {
    TokenSecret::of_client(&app.entropy.lock().bytes_32())
}

/// A new public name.
pub fn client_id(app: &App) -> ClientId {
    let [a, b, c, d, e, f, g, h, ..] = app.entropy.lock().bytes_16();
    ClientId([a, b, c, d, e, f, g, h])
}

fn new_secret(secret: &TokenSecret) -> NewSecret {
    NewSecret { digest: secret.digest(), hint: secret.hint() }
}

fn register(
    account: AccountId,
    client: ClientId,
    secret: NewSecret,
    mut fields: Fields,
) -> Result<OAuthChange, Box<Problem>> {
    let name = fields.required("name", Fields::text);
    let redirect_uris = fields.required("redirect_uris", Fields::texts);
    let kind = fields.required("kind", |fields, name| fields.word(name, "confidential or public", ClientKind::parse));
    fields.finish()?;
    let (Some(name), Some(redirect_uris), Some(kind)) = (name, redirect_uris, kind) else {
        return Err(Box::new(Problem::malformed("a required field is missing")));
    };
    Ok(OAuthChange::Register { account, name, redirect_uris, kind, client, secret })
}

fn application_shape(view: &View<'_>, subject: DoneSubject) -> Option<(Value, Option<u64>)> {
    let DoneSubject::Application(id) = subject else { return None };
    let application = view.projections.state.application(id)?;
    Some((shapes::application(view, application), Some(application.version.0)))
}

/// The one answer that holds the secret; null for a public application, and for the same request again.
async fn shown_once(app: &App, carried: &Carried, secret: TokenSecret) -> Answered {
    let subject = carried.done.subject;
    let shown = app
        .ledger
        .view(|view| {
            let DoneSubject::Application(id) = subject else { return None };
            let kind = view.projections.state.application(id)?.kind;
            application_shape(&view, subject).map(|(data, version)| (data, version, kind))
        })
        .await;
    let Some((data, version, kind)) = shown else {
        return Err(Box::new(Problem::not_found("it is gone in the meantime")));
    };
    let is_told = !carried.repeated && kind == ClientKind::Confidential;
    let secret = is_told.then(|| secret.reveal_once());
    let mut reply = answer::json(StatusCode::CREATED, &json!({ "data": data, "client_secret": secret }));
    answer::add_position(&mut reply, carried.position);
    if carried.repeated {
        mark_repeated(&mut reply);
    }
    if let Some(version) = version {
        super::etag(&mut reply, version);
    }
    Ok(reply)
}
