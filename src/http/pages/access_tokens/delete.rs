//! Delete a token: asked once more, with its last uses in sight.

use super::back_to;
use super::{AtToken, with_token};
use crate::audit::history::{self, Filter, Page as HistoryPage};
use crate::domain::command::Change;
use crate::domain::event::ManagementOperation;
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, Position, TokenId, Version};
use crate::domain::rejection::Rejection;
use crate::domain::time::Timestamp;
use crate::http::App;
use crate::http::entry::{Asked, Body};
use crate::http::events::unreadable;
use crate::http::manage::{self, rejected};
use crate::http::pages::chart::Sparkline;
use crate::http::pages::form::Form;
use crate::http::pages::page::Page;
use crate::http::pages::reply::{html, shown};
use crate::http::pages::words::LastUse;
use crate::http::pages::words::{self, Time};
use crate::http::pages::{Answered, Instead, sparks};
use askama::Template;
use serde_json::Value;
use smol_str::SmolStr;
use warp::http::StatusCode;

/// Last uses that are shown.
const USES_SHOWN: usize = 5;
/// A token that was used within as long is probably in use.
const RECENT_SECONDS: u64 = 7 * 86_400;

#[derive(Template)]
#[template(path = "token_delete.html")]
struct DeletePage {
    page: Page,
    account: AccountId,
    token: TokenId,
    name: SmolStr,
    hint: String,
    access: String,
    created_at: Time,
    created_by: String,
    version: Version,
    last_used: LastUse,
    is_recent: bool,
    spark: Option<Sparkline>,
    uses: Vec<UseRow>,
    /// Whether somebody changed it since it was asked about.
    is_changed: bool,
}

/// A use in the list.
struct UseRow {
    at: Option<Time>,
    scope: String,
    address: String,
    agent: String,
    position: u64,
}

/// The question.
pub async fn ask(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let at = AtToken::enter(app, asked, variables, ManagementOperation::DeleteToken).await?;
    Ok(shown(&delete_page(app, asked, &at, false).await?))
}

async fn delete_page(app: &App, asked: &Asked, at: &AtToken, is_changed: bool) -> Result<DeletePage, Instead> {
    let uses = last_uses(app, asked, at).await?;
    let (mut page, now) = with_token(app, (at.account, at.token), |view, _, token| {
        let last = view.projections.last_used.token(token.id);
        let page = DeletePage {
            page: at.page(view, asked, "Delete token"),
            account: at.account,
            token: at.token,
            name: words::text(view, token.name),
            hint: String::from_utf8_lossy(&token.hint()).into_owned(),
            access: words::access_line(view, &token.access),
            created_at: Time(token.created_at),
            created_by: words::principal(view, token.created_by),
            version: token.version,
            last_used: LastUse::of(view, token),
            is_recent: last.is_some_and(|uses| uses.last_at.plus_seconds(RECENT_SECONDS) > view.now),
            spark: None,
            uses,
            is_changed,
        };
        (page, view.now)
    })
    .await?;
    let days = sparks::of(app, &[at.token], now).await;
    page.spark = days.and_then(|days| days.into_iter().next()).map(sparks::sparkline);
    Ok(page)
}

async fn last_uses(app: &App, asked: &Asked, at: &AtToken) -> Result<Vec<UseRow>, Instead> {
    let filter = Filter {
        account: Some(at.account),
        token: Some(at.token),
        type_name: Some("TokenUsed".to_owned()),
        ..Filter::default()
    };
    let wanted = HistoryPage { after: Position::NONE, before: None, descending: true, limit: USES_SHOWN };
    let events = app.with_archive(move |archive| history::page(archive, &filter, &wanted)).await;
    let events = events.map_err(|error| unreadable(&error))?;
    let query = HistoryQuery::of("events", events.head).about_account(at.account).about_token(at.token);
    app.read_history(asked, &at.viewer.reader(), query).await?;
    Ok(events.events.iter().map(use_row).collect())
}

fn use_row(event: &Value) -> UseRow {
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let data = &event["data"];
    UseRow {
        at: event["recorded_at"].as_str().and_then(Timestamp::parse).map(Time),
        scope: said(&data["scope"]),
        address: said(&data["address"]),
        agent: said(&data["agent"]),
        position: event["position"].as_u64().unwrap_or(0),
    }
}

/// It is deleted, if it is still as it was shown.
pub async fn delete(app: &App, asked: &Asked, variables: &[&str], body: Body) -> Answered {
    let at = AtToken::enter(app, asked, variables, ManagementOperation::DeleteToken).await?;
    let mut form = Form::read(app, asked, &at.viewer, body).await?;
    let if_match = form.version()?;
    form.finish()?;
    let change = Change::DeleteToken { owner: at.owner(), token: at.token, if_match };
    match manage::try_submit(app, asked, at.viewer.actor(), change).await? {
        Ok(_) => Ok(back_to(at.account, "deleted")),
        Err(Rejection::VersionMismatch(_)) => {
            Ok(html(StatusCode::CONFLICT, &delete_page(app, asked, &at, true).await?))
        }
        Err(other) => Err(Box::new(rejected(app, other).await).into()),
    }
}
