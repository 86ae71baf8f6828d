//! Changes of accounts, users, members, features and resources.

use super::dry_run;
use super::idempotency::posted;
use super::{Answered, Carried, authorize_trial, fields, gone, if_match, path_number, show, submit};
use crate::domain::command::{AccessRequest, CertificateTexts, Change, ResourceRequest};
use crate::domain::decide::DoneSubject;
use crate::domain::directory::{CertificateFacts, DomainFacts, DomainState, Plan, ResourceKind, ZoneFacts};
use crate::domain::event::ManagementOperation as Managed;
use crate::domain::ids::{AccountId, ResourceId, UserId, Version};
use crate::http::App;
use crate::http::entry::{Asked, Body};
use crate::http::fields::Fields;
use crate::http::operations::Operation;
use crate::http::problem::Problem;
use crate::http::shapes;
use crate::ledger::View;
use serde_json::Value;

pub(super) async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str], body: Body) -> Answered {
    let actor = authorize_trial(app, asked, managed(operation)).await?;
    let dry_run = dry_run::wanted_where(can_be_tried(operation), asked)?;
    let change = change(app, asked, operation, variables, body).await?;
    if let Some(days) = dry_run {
        return dry_run::answer(app, asked, actor, change, days).await;
    }
    let carried = submit(app, asked, actor, change).await?;
    match operation {
        Operation::RemoveMember | Operation::RemoveResource | Operation::DeactivateResearch => Ok(gone(&carried)),
        _ => shown(app, &carried).await,
    }
}

/// Whether `dry_run` goes with it: whatever past requests are judged by.
fn can_be_tried(operation: Operation) -> bool {
    use Operation as Op;
    matches!(
        operation,
        Op::UpdateAccount | Op::ActivateResearch | Op::DeactivateResearch | Op::PutMember | Op::RemoveMember
    )
}

fn managed(operation: Operation) -> Managed {
    match operation {
        Operation::CreateUser => Managed::CreateUser,
        Operation::CreateAccount => Managed::CreateAccount,
        Operation::ActivateResearch | Operation::DeactivateResearch => Managed::ChangeFeatures,
        Operation::PutMember | Operation::RemoveMember => Managed::ChangeMembers,
        Operation::AddResource | Operation::RemoveResource => Managed::ChangeResources,
        _ => Managed::UpdateAccount,
    }
}

async fn shown(app: &App, carried: &Carried) -> Answered {
    show(app, carried, |view: &View<'_>, subject| -> Option<(Value, Option<u64>)> {
        let state = &view.projections.state;
        Some(match subject {
            DoneSubject::Account(id) => {
                let account = state.account(id)?;
                (shapes::account(view, account), Some(account.version.0))
            }
            DoneSubject::User(id) => {
                let user = state.user(id)?;
                (shapes::user(view, user), Some(user.version.0))
            }
            DoneSubject::Member(account, user) => {
                let member = state.account(account)?.members.get(&user)?;
                (shapes::member(view, user, member), Some(member.version.0))
            }
            DoneSubject::Resource(id) => (shapes::resource(view, state.resources.get(id.0)?), None),
            DoneSubject::Review(_)
            | DoneSubject::SignInLink(_)
            | DoneSubject::Application(_)
            | DoneSubject::Authorization(_)
            | DoneSubject::Service
            | DoneSubject::Token(_)
            | DoneSubject::Tokens(..)
            | DoneSubject::Texts { .. } => {
                return None;
            }
        })
    })
    .await
}

async fn change(
    app: &App,
    asked: &Asked,
    operation: Operation,
    variables: &[&str],
    body: Body,
) -> Result<Change, Box<Problem>> {
    use Operation as Op;
    if let Op::CreateUser | Op::CreateAccount = operation {
        let (fields, key) = posted(app, asked, body).await?;
        let change = if operation == Op::CreateUser { create_user(fields) } else { create_account(fields) };
        return change.map(|change| key.guard(change));
    }
    let account = AccountId(path_number(variables, 0, "account")?);
    match operation {
        Op::ActivateResearch => activate_research(account, fields(asked, body).await?, if_match(asked)?),
        Op::DeactivateResearch => Ok(Change::DeactivateResearch { account, if_match: if_match(asked)? }),
        Op::PutMember => {
            let user = UserId(path_number(variables, 1, "user")?);
            put_member(account, user, fields(asked, body).await?, if_match(asked)?)
        }
        Op::RemoveMember => {
            let user = UserId(path_number(variables, 1, "user")?);
            Ok(Change::RemoveMember { account, user, if_match: if_match(asked)? })
        }
        Op::AddResource => {
            let (fields, key) = posted(app, asked, body).await?;
            add_resource(account, fields).map(|change| key.guard(change))
        }
        Op::RemoveResource => {
            Ok(Change::RemoveResource { account, resource: ResourceId(path_number(variables, 1, "resource")?) })
        }
        _ => {
            let mut fields = fields(asked, body).await?;
            let (name, email) = (fields.text("name"), fields.text("email"));
            let (plan, hourly_limit) = (plan(&mut fields, "plan"), fields.number("hourly_limit"));
            fields.finish()?;
            Ok(Change::UpdateAccount { account, name, email, plan, hourly_limit, if_match: if_match(asked)? })
        }
    }
}

/// Fields that were required and read; a missing one is a fault that `finish` has reported.
fn complete<T>(value: Option<T>) -> Result<T, Box<Problem>> {
    value.ok_or_else(|| Box::new(Problem::malformed("a required field is missing")))
}

fn plan(fields: &mut Fields, name: &str) -> Option<Plan> {
    fields.word(name, "solo, teams or enterprise", Plan::parse)
}

fn create_user(mut fields: Fields) -> Result<Change, Box<Problem>> {
    let email = fields.required("email", Fields::text);
    let name = fields.required("name", Fields::text);
    fields.finish()?;
    Ok(Change::CreateUser { email: complete(email)?, name: complete(name)? })
}

fn create_account(mut fields: Fields) -> Result<Change, Box<Problem>> {
    let name = fields.required("name", Fields::text);
    let email = fields.required("email", Fields::text);
    let plan = fields.required("plan", plan);
    let hourly_limit = fields.number("hourly_limit");
    fields.finish()?;
    Ok(Change::CreateAccount { name: complete(name)?, email: complete(email)?, plan: complete(plan)?, hourly_limit })
}

fn activate_research(
    account: AccountId,
    mut fields: Fields,
    if_match: Option<Version>,
) -> Result<Change, Box<Problem>> {
    let monthly_cap = fields.number_or_null("monthly_cap").flatten();
    fields.finish()?;
    Ok(Change::ActivateResearch { account, monthly_cap, if_match })
}

fn put_member(
    account: AccountId,
    user: UserId,
    mut fields: Fields,
    if_match: Option<Version>,
) -> Result<Change, Box<Problem>> {
    let access: Option<AccessRequest> = fields.required("access", Fields::access);
    fields.finish()?;
    Ok(Change::PutMember { account, user, access: complete(access)?, if_match })
}

fn add_resource(account: AccountId, mut fields: Fields) -> Result<Change, Box<Problem>> {
    let kind =
        fields.required("kind", |fields, name| fields.word(name, "domain, zone or certificate", ResourceKind::parse));
    let name = fields.required("name", Fields::text);
    let resource = match kind {
        Some(ResourceKind::Domain) => Some(ResourceRequest::Domain(domain(&mut fields))),
        Some(ResourceKind::Zone) => Some(ResourceRequest::Zone(zone(&mut fields))),
        Some(ResourceKind::Certificate) => Some(certificate(&mut fields)),
        None => {
            fields.ignore_rest();
            None
        }
    };
    fields.finish()?;
    Ok(Change::AddResource { account, name: complete(name)?, resource: complete(resource)? })
}

fn domain(fields: &mut Fields) -> DomainFacts {
    DomainFacts {
        registrant_id: fields.number_or_null("registrant_id").flatten(),
        state: fields.word("state", "hosted, registered or expired", DomainState::parse).unwrap_or_default(),
        auto_renew: fields.boolean("auto_renew").unwrap_or(false),
        private_whois: fields.boolean("private_whois").unwrap_or(false),
        trustee: fields.boolean("trustee").unwrap_or(false),
        expires_at: fields.time_or_null("expires_at").flatten(),
    }
}

fn zone(fields: &mut Fields) -> ZoneFacts {
    ZoneFacts {
        reverse: fields.boolean("reverse").unwrap_or(false),
        secondary: fields.boolean("secondary").unwrap_or(false),
        active: fields.boolean("active").unwrap_or(true),
        last_transferred_at: fields.time_or_null("last_transferred_at").flatten(),
    }
}

fn certificate(fields: &mut Fields) -> ResourceRequest {
    let facts = CertificateFacts {
        contact_id: fields.number_or_null("contact_id").flatten(),
        years: fields.number("years").map_or(1, |years| u8::try_from(years).unwrap_or(u8::MAX)),
        issued: fields.word("state", "requesting or issued", issued).unwrap_or(true),
        auto_renew: fields.boolean("auto_renew").unwrap_or(false),
        lets_encrypt: fields.word("authority_identifier", "letsencrypt or sectigo", lets_encrypt).unwrap_or(true),
        expires_at: fields.time_or_null("expires_at").flatten(),
        ..CertificateFacts::default()
    };
    let texts = CertificateTexts {
        common_name: fields.text("common_name"),
        alternate_names: fields.texts("alternate_names").unwrap_or_default(),
        signing_request: fields.text("csr"),
    };
    ResourceRequest::Certificate(facts, texts)
}

fn issued(word: &str) -> Option<bool> {
    match word {
        "issued" => Some(true),
        "requesting" => Some(false),
        _ => None,
    }
}

fn lets_encrypt(word: &str) -> Option<bool> {
    match word {
        "letsencrypt" => Some(true),
        "sectigo" => Some(false),
        _ => None,
    }
}
