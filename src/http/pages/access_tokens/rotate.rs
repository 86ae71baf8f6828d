//! Give a token a new secret, and see whether the one before is still used.

use super::{AtToken, onward, with_token};
use crate::audit::questions::AuditError;
use crate::audit::secret_use::{SecretUse, last_use};
use crate::domain::command::Change;
use crate::domain::event::ManagementOperation;
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, Position, TokenId, Version};
use crate::domain::rejection::Rejection;
use crate::domain::token::Secret;
use crate::http::App;
use crate::http::audit;
use crate::http::entry::{Asked, Body};
use crate::http::manage::tokens::{OVERLAP_SECONDS_DEFAULT, make_secret, new_secret};
use crate::http::manage::{self, rejected};
use crate::http::pages::Answered;
use crate::http::pages::form::{Form, new_key, once};
use crate::http::pages::page::Page;
use crate::http::pages::reply::{html, shown};
use crate::http::pages::secret::{SecretPage, Told};
use crate::http::pages::words::{self, Time};
use askama::Template;
use smol_str::SmolStr;
use warp::http::StatusCode;

/// How long the secret before may go on working.
const OVERLAPS: [(u64, &str); 6] = [
    (0, "Not at all: it ends now"),
    (3_600, "1 hour"),
    (OVERLAP_SECONDS_DEFAULT, "1 day"),
    (3 * 86_400, "3 days"),
    (7 * 86_400, "7 days"),
    (30 * 86_400, "30 days"),
];

#[derive(Template)]
#[template(path = "token_rotate.html")]
struct RotatePage {
    page: Page,
    account: AccountId,
    token: TokenId,
    name: SmolStr,
    version: Version,
    key: String,
    overlap: u64,
    overlaps: &'static [(u64, &'static str)],
    secrets: Vec<Row>,
    /// What keeps it from being done.
    fault: Option<String>,
}

/// A secret of the token.
struct Row {
    number: u32,
    hint: String,
    not_after: Option<Time>,
    is_ended: bool,
    last_use: Option<(Time, String, Position)>,
    /// Since when uses are told apart, where there is none.
    since: Option<Time>,
}

/// Secrets that are shown: those that work, and the last one that ended.
const SECRETS_SHOWN: usize = 3;

/// The form.
pub async fn ask(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let at = AtToken::enter(app, asked, variables, ManagementOperation::RotateToken).await?;
    let page = rotate_page(app, asked, &at, OVERLAP_SECONDS_DEFAULT, None).await?;
    Ok(shown(&page))
}

async fn rotate_page(
    app: &App,
    asked: &Asked,
    at: &AtToken,
    overlap: u64,
    fault: Option<String>,
) -> Result<RotatePage, crate::http::pages::Instead> {
    let place = (at.account, at.token);
    let (secrets, now) = with_token(app, place, |view, _, token| (token.secrets.clone(), view.now)).await?;
    let secrets: Vec<Secret> = secrets.into_iter().rev().take(SECRETS_SHOWN).collect();
    let (token, asked_of) = (at.token, secrets.clone());
    let (uses, head) = audit::at_desk(app, move |archive| {
        let uses: Result<Vec<SecretUse>, AuditError> =
            asked_of.iter().map(|secret| last_use(archive, token, secret.number)).collect();
        Ok((uses?, archive.head()))
    })
    .await?;
    let query = HistoryQuery::of("last_use", head).about_account(at.account).about_token(at.token);
    app.read_history(asked, &at.viewer.reader(), query).await?;
    let rows = secrets.iter().zip(uses).map(|(secret, used)| Row {
        number: secret.number,
        hint: String::from_utf8_lossy(&secret.hint).into_owned(),
        not_after: secret.not_after.map(Time),
        is_ended: secret.not_after.is_some_and(|end| end <= now),
        last_use: used.last.map(|(position, at)| (Time(at), words::distance(at, now), position)),
        since: used.since.map(Time),
    });
    let rows = rows.collect();
    with_token(app, place, |view, _, token| RotatePage {
        page: at.page(view, asked, "Rotate token"),
        account: at.account,
        token: at.token,
        name: words::text(view, token.name),
        version: token.version,
        key: new_key(app),
        overlap,
        overlaps: &OVERLAPS,
        secrets: rows,
        fault,
    })
    .await
}

/// The token gets a new secret, which is shown once.
pub async fn rotate(app: &App, asked: &Asked, variables: &[&str], body: Body) -> Answered {
    let at = AtToken::enter(app, asked, variables, ManagementOperation::RotateToken).await?;
    let mut form = Form::read(app, asked, &at.viewer, body).await?;
    let (key, if_match) = (form.text("key")?, form.version()?);
    let overlap_seconds = form.number("overlap")?.unwrap_or(OVERLAP_SECONDS_DEFAULT);
    form.finish()?;
    let kind = with_token(app, (at.account, at.token), |_, _, token| token.kind).await?;
    let secret = make_secret(app, kind);
    let new = new_secret(&secret);
    let change = Change::RotateToken { owner: at.owner(), token: at.token, overlap_seconds, secret: new, if_match };
    let change = once(app, asked, key, &form.bytes, change);
    match manage::try_submit(app, asked, at.viewer.actor(), change).await? {
        Ok(carried) => {
            let told = Told::of(app, asked, secret, &carried);
            let page = with_token(app, (at.account, at.token), |view, _, token| {
                let page = at.page(view, asked, "Token rotated");
                SecretPage::new(page, told, (view, token), onward(at.account, at.token))
            });
            Ok(page.await?.reply())
        }
        Err(Rejection::VersionMismatch(_) | Rejection::KeyReused) => {
            let fault = "Somebody changed this token meanwhile, or this form was sent before. Nothing was rotated now: look below, then rotate it again if it is still to be done.";
            let page = rotate_page(app, asked, &at, overlap_seconds, Some(fault.to_owned())).await?;
            Ok(html(StatusCode::CONFLICT, &page))
        }
        Err(Rejection::Invalid(faults)) => {
            let fault = faults.first().map(|fault| format!("The overlap {}", fault.fault));
            let page = rotate_page(app, asked, &at, overlap_seconds, fault).await?;
            Ok(html(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(other) => Err(Box::new(rejected(app, other).await).into()),
    }
}
