//! Least privilege carried out (`POST …/tokens/{token}/least-privilege`): the smallest access that covers a token's uses of
//! the last days takes the place of the one it has. One call says what that would have refused, and makes the change; with
//! `dry_run=true` it says so alone.

use super::dry_run::{DAYS_DEFAULT, DAYS_MAX, judge, tried};
use super::idempotency::{mark_repeated, posted};
use super::{Answered, authorize_trial, if_match, path_number, submit};
use crate::audit::answer::Answer;
use crate::audit::archive::Archive;
use crate::audit::least::{Least, Lists};
use crate::audit::questions::AuditError;
use crate::audit::questions::least_privilege::{self, Whose};
use crate::domain::access::{Access, Coverage, Grant};
use crate::domain::command::{AccessRequest, Change, CoverageRequest, GrantRequest};
use crate::domain::event::ManagementOperation as Managed;
use crate::domain::ids::{AccountId, TokenId, Version};
use crate::domain::text::PersonalText;
use crate::domain::time::{MICROS_PER_SECOND, Timestamp};
use crate::domain::token::Owner;
use crate::http::entry::{Asked, Body};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::http::{App, answer, audit};
use warp::http::StatusCode;

const DAY_SECONDS: u64 = 86_400;

pub(super) async fn answer(app: &App, asked: &Asked, variables: &[&str], body: Body) -> Answered {
    let actor = authorize_trial(app, asked, Managed::UpdateToken).await?;
    let account = AccountId(path_number(variables, 0, "account")?);
    let token = TokenId(path_number(variables, 1, "token")?);
    let is_dry = is_dry(asked)?;
    let (mut fields, key) = posted(app, asked, body).await?;
    let days = days(&mut fields);
    let lists = fields.word("lists", "narrow or keep", read_lists).unwrap_or(Lists::Narrow);
    fields.finish()?;
    // Read before anything is looked at: what is told is of this version, and so is what is changed.
    let seen = version(app, account, token).await.ok_or_else(|| Box::new(Problem::not_found("token not found")))?;
    let if_match = if_match(asked)?.or(Some(seen));
    let (mut told, access) = least(app, token, days, lists).await?;
    let owner = Owner::Account(account);
    let (name, access, expires_at, conditions) = (None, Some(access), None, Default::default());
    let change = Change::UpdateToken { owner, token, name, access, expires_at, conditions, if_match };
    let (supposed, _) = tried(app, asked, actor, change.clone()).await?;
    add(&mut told, judge(app, supposed, days).await?);
    let reader = super::reader(app, actor).await;
    app.read_history(asked, &reader, audit::look(&told)).await?;
    told.say("carried_out", !is_dry);
    if is_dry {
        told.asked.insert("dry_run".to_owned(), true.into());
        return Ok(reply(&told, seen));
    }
    let carried = submit(app, asked, actor, key.guard(change)).await?;
    let now = version(app, account, token).await.unwrap_or(seen);
    let mut reply = reply(&told, now);
    answer::add_position(&mut reply, carried.position);
    if carried.repeated {
        mark_repeated(&mut reply);
    }
    Ok(reply)
}

fn reply(told: &Answer, version: Version) -> answer::Reply {
    let mut reply = answer::json(StatusCode::OK, &told.to_json());
    super::etag(&mut reply, version.0);
    reply
}

/// Nothing else can be said in the query: a misspelt `dry_run` must not carry out what was only to be tried.
fn is_dry(asked: &Asked) -> Result<bool, Box<Problem>> {
    match asked.query()?.as_slice() {
        [] => Ok(false),
        [(name, text)] if name == "dry_run" && (text == "true" || text == "false") => Ok(text == "true"),
        _ => Err(Box::new(Problem::malformed("only dry_run=true or dry_run=false can be said in the query"))),
    }
}

fn days(fields: &mut Fields) -> u64 {
    let days = fields.number("days").unwrap_or(DAYS_DEFAULT);
    if !(1..=DAYS_MAX).contains(&days) {
        fields.fault("days", format!("must be a number from 1 to {DAYS_MAX}"));
    }
    days
}

fn read_lists(word: &str) -> Option<Lists> {
    match word {
        "narrow" => Some(Lists::Narrow),
        "keep" => Some(Lists::Keep),
        _ => None,
    }
}

/// The version of a live token of the account.
async fn version(app: &App, account: AccountId, token: TokenId) -> Option<Version> {
    let found = app.ledger.view(|view| {
        let token = view.projections.state.token(token)?;
        (token.owner == Owner::Account(account) && token.deleted_at.is_none()).then_some(token.version)
    });
    found.await
}

/// The question's answer for the last days, and the smallest access as a change asks for it.
async fn least(app: &App, token: TokenId, days: u64, lists: Lists) -> Result<(Answer, AccessRequest), Box<Problem>> {
    let from = app.ledger.clock().now().0.saturating_sub(days * DAY_SECONDS * MICROS_PER_SECOND);
    audit::at_desk(app, move |archive| {
        let range = archive.range(Some(Timestamp(from)), None)?;
        let (mut answer, found) = least_privilege::of(archive, Whose::Token(token), range, lists)?;
        answer.asked.insert("token".to_owned(), token.0.into());
        answer.asked.insert("days".to_owned(), days.into());
        answer.asked.insert("lists".to_owned(), if lists == Lists::Keep { "keep" } else { "narrow" }.into());
        Ok((answer, request(archive, &found)?))
    })
    .await
}

/// In the words of a change: names are said by their texts.
fn request(archive: &Archive, found: &Least) -> Result<AccessRequest, AuditError> {
    let Access::Granted(grants) = &found.access else { return Ok(AccessRequest::Full) };
    let mut requested = Vec::with_capacity(grants.len());
    for Grant { group, level, coverage } in grants {
        let group = archive.groups().get(u64::from(*group)).map(|group| group.name.clone()).unwrap_or_default();
        let coverage = match coverage {
            Coverage::All => CoverageRequest::All,
            Coverage::Named(names) => {
                let mut texts = Vec::with_capacity(names.len());
                for &name in names {
                    // A name without a text can be asked for by nobody any more.
                    texts.extend(archive.texts().text(name)?.map(|text| PersonalText::new(&*text)));
                }
                CoverageRequest::Named(texts)
            }
        };
        requested.push(GrantRequest { group, level: *level, coverage });
    }
    Ok(AccessRequest::Granted(requested))
}

/// What the change would have refused, beside what it is: of what both count, it is the uses.
fn add(told: &mut Answer, tried: Answer) {
    for (name, value) in tried.summary {
        told.summary.entry(name).or_insert(value);
    }
    let is_there = |name: &str| told.tables.iter().any(|table| table.name == name);
    let more: Vec<_> = tried.tables.into_iter().filter(|table| !is_there(table.name)).collect();
    told.tables.extend(more);
    told.gaps.extend(tried.gaps);
    told.basis = tried.basis;
}
