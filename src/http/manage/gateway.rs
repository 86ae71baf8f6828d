//! Changes of gateway tokens.

use super::conditions;
use super::idempotency::posted;
use super::tokens::{OVERLAP_SECONDS_DEFAULT, make_secret, new_secret, shown_once, token_in_path, token_shape};
use super::{Answered, authorize_change, fields, gone, if_match, show, submit};
use crate::domain::command::{Change, GatewayChange, NewSecret};
use crate::domain::event::ManagementOperation as Managed;
use crate::domain::gateway::{GatewayReach, GatewayRight};
use crate::domain::ids::AccountId;
use crate::domain::token::{Owner, TokenKind};
use crate::http::App;
use crate::http::entry::{Asked, Body};
use crate::http::fields::{Fields, whole_number};
use crate::http::operations::Operation;
use crate::http::problem::Problem;

pub(super) async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str], body: Body) -> Answered {
    use Operation as Op;
    let actor = authorize_change(app, asked, managed(operation)).await?;
    let submit = async |change| submit(app, asked, actor, Change::Gateway(change)).await;
    match operation {
        Op::CreateGatewayToken => {
            let (fields, key) = posted(app, asked, body).await?;
            let secret = make_secret(app, TokenKind::Gateway);
            let change = Change::Gateway(create(fields, new_secret(&secret))?);
            let carried = super::submit(app, asked, actor, key.guard(change)).await?;
            shown_once(app, carried, secret).await
        }
        Op::RotateGatewayToken => {
            let token = token_in_path(Owner::Service, variables)?;
            let (mut fields, key) = posted(app, asked, body).await?;
            let overlap_seconds = fields.number("overlap_seconds").unwrap_or(OVERLAP_SECONDS_DEFAULT);
            fields.finish()?;
            let secret = make_secret(app, TokenKind::Gateway);
            let (new, if_match) = (new_secret(&secret), if_match(asked)?);
            let change = Change::Gateway(GatewayChange::Rotate { token, overlap_seconds, secret: new, if_match });
            let carried = super::submit(app, asked, actor, key.guard(change)).await?;
            shown_once(app, carried, secret).await
        }
        Op::UpdateGatewayToken => {
            let token = token_in_path(Owner::Service, variables)?;
            let mut fields = fields(asked, body).await?;
            let (name, rights) = (fields.text("name"), rights(&mut fields, "rights"));
            let (accounts, expires_at) = (accounts(&mut fields, "accounts"), fields.time_or_null("expires_at"));
            let conditions = conditions::edit(&mut fields);
            fields.finish()?;
            let if_match = if_match(asked)?;
            let change = GatewayChange::Update { token, name, rights, accounts, expires_at, conditions, if_match };
            show(app, &submit(change).await?, token_shape).await
        }
        _ => {
            let token = token_in_path(Owner::Service, variables)?;
            let change = GatewayChange::Delete { token, if_match: if_match(asked)? };
            Ok(gone(&submit(change).await?))
        }
    }
}

fn managed(operation: Operation) -> Managed {
    match operation {
        Operation::CreateGatewayToken => Managed::CreateToken,
        Operation::UpdateGatewayToken => Managed::UpdateToken,
        Operation::RotateGatewayToken => Managed::RotateToken,
        _ => Managed::DeleteToken,
    }
}

fn create(mut fields: Fields, secret: NewSecret) -> Result<GatewayChange, Box<Problem>> {
    let name = fields.required("name", Fields::text);
    let rights = fields.required("rights", rights);
    let accounts = fields.required("accounts", accounts);
    let expires_at = fields.time_or_null("expires_at").flatten();
    let conditions = conditions::of_new(&mut fields);
    fields.finish()?;
    let (Some(name), Some(rights), Some(accounts)) = (name, rights, accounts) else {
        return Err(Box::new(Problem::malformed("a required field is missing")));
    };
    Ok(GatewayChange::Create { name, reach: GatewayReach::new(rights, accounts), expires_at, conditions, secret })
}

fn rights(fields: &mut Fields, name: &str) -> Option<Vec<GatewayRight>> {
    let wanted = "a list of introspect, authorize, report and revoke";
    fields.list(name, wanted, |value| GatewayRight::parse(value.as_str()?))
}

fn accounts(fields: &mut Fields, name: &str) -> Option<Vec<AccountId>> {
    fields.list(name, "a list of numbers of accounts", |value| whole_number(value).map(AccountId))
}
