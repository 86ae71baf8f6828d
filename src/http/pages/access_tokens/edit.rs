//! Edit a token: the form as it is now, the preview of what it changes, and the change. "Narrow to what is used" is the
//! same form, filled in with the smallest access that covers what was done.

use super::back_to;
use super::difference::Difference;
use super::preview::Preview;
use super::settings::{Settings, Wish};
use super::{AtToken, gone, with_token};
use crate::audit::least::Lists;
use crate::audit::questions::least_privilege::{self, Whose};
use crate::domain::access::Access;
use crate::domain::command::Change;
use crate::domain::event::ManagementOperation;
use crate::domain::ids::{AccountId, TokenId, Version};
use crate::domain::rejection::Rejection;
use crate::domain::time::{MICROS_PER_SECOND, Timestamp};
use crate::domain::token::Token;
use crate::http::App;
use crate::http::audit;
use crate::http::entry::{Asked, Body};
use crate::http::manage::dry_run::{self, DAYS_DEFAULT};
use crate::http::manage::{self, rejected};
use crate::http::pages::form::{Form, time_value};
use crate::http::pages::page::Page;
use crate::http::pages::reply::{html, shown};
use crate::http::pages::{Answered, Instead, form as forms, words};
use crate::ledger::View;
use askama::Template;
use smol_str::SmolStr;
use warp::http::StatusCode;

const DAY_SECONDS: u64 = 86_400;

#[derive(Template)]
#[template(path = "token_edit.html")]
struct EditPage {
    page: Page,
    account: AccountId,
    token: TokenId,
    name: SmolStr,
    version: Version,
    settings: Settings,
    /// What stands now, where somebody changed the token while it was edited.
    meanwhile: Option<String>,
    /// What the form was filled in with, if not with what is.
    narrowed: Option<String>,
}

#[derive(Template)]
#[template(path = "token_preview.html")]
struct PreviewPage {
    page: Page,
    account: AccountId,
    token: TokenId,
    name: SmolStr,
    version: Version,
    fields: Vec<(String, String)>,
    difference: Difference,
    preview: Preview,
}

/// The form.
pub async fn edit(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let at = AtToken::enter(app, asked, variables, ManagementOperation::UpdateToken).await?;
    let wants_narrow = asked.query.iter().flatten().any(|(name, value)| name == "narrow" && value == "used");
    let (mut page, is_limitable) = with_token(app, (at.account, at.token), |view, account, token| {
        (edit_page(view, asked, &at, Settings::of(view, account, token)), account.plan.has_grants())
    })
    .await?;
    if wants_narrow && is_limitable {
        narrow(app, asked, &at, &mut page).await?;
    }
    Ok(shown(&page))
}

fn edit_page(view: &View<'_>, asked: &Asked, at: &AtToken, settings: Settings) -> EditPage {
    let token = view.projections.state.token(at.token);
    EditPage {
        page: at.page(view, asked, "Edit token"),
        account: at.account,
        token: at.token,
        name: token.map_or_else(|| "".into(), |token| words::text(view, token.name)),
        version: token.map_or(Version(0), |token| token.version),
        settings,
        meanwhile: None,
        narrowed: None,
    }
}

/// Fills in the smallest access that covers what was done in the last days.
async fn narrow(app: &App, asked: &Asked, at: &AtToken, page: &mut EditPage) -> Result<(), Instead> {
    let (token, from) = (at.token, days_ago(app));
    let (answer, least) = audit::at_desk(app, move |archive| {
        let range = archive.range(Some(from), None)?;
        least_privilege::of(archive, Whose::Token(token), range, Lists::Narrow)
    })
    .await?;
    app.read_history(asked, &at.viewer.reader(), audit::look(&answer)).await?;
    let is_used = least.access != Access::Granted(Vec::new());
    let settings = with_token(app, (at.account, at.token), |view, account, token| {
        let mut narrowed = token.clone();
        if is_used {
            narrowed.access = least.access.clone();
        }
        Settings::of(view, account, &narrowed)
    });
    page.settings = settings.await?;
    page.narrowed = Some(match is_used {
        true => format!(
            "The form is filled in with the smallest access that covers what this token did in the last {DAYS_DEFAULT} days. Nothing is saved yet."
        ),
        false => format!(
            "This token used nothing that can be limited in the last {DAYS_DEFAULT} days. Perhaps nobody needs it any more: then delete it."
        ),
    });
    Ok(())
}

fn days_ago(app: &App) -> Timestamp {
    Timestamp(app.ledger.clock().now().0.saturating_sub(DAYS_DEFAULT * DAY_SECONDS * MICROS_PER_SECOND))
}

/// What the form sends: to be looked at first, to be edited further, or to be saved.
pub async fn update(app: &App, asked: &Asked, variables: &[&str], body: Body) -> Answered {
    let at = AtToken::enter(app, asked, variables, ManagementOperation::UpdateToken).await?;
    let mut form = Form::read(app, asked, &at.viewer, body).await?;
    let (step, version) = (form.text("step")?, form.version()?);
    let read = with_token(app, (at.account, at.token), |view, account, token| {
        let (settings, wish) = Settings::read(view, account, form)?;
        let wish = wish.map(|wish| Kept::of(token, &settings, wish));
        let difference = wish.as_ref().map(|kept| Difference::of(view, token, &kept.wish));
        Ok::<_, Box<crate::http::problem::Problem>>((settings, wish.zip(difference)))
    });
    let (settings, wished) = read.await??;
    let Some((kept, difference)) = wished else { return again(app, asked, &at, settings, None).await };
    if step == "edit" {
        return Ok(shown(&edit_again(app, asked, &at, settings).await?));
    }
    let is_looked_at = step == "save" || !difference.is_about_access();
    let change = change(&at, kept, version);
    if is_looked_at {
        return match manage::try_submit(app, asked, at.viewer.actor(), change).await? {
            Ok(carried) => Ok(back_to(at.account, if carried.position.is_some() { "updated" } else { "unchanged" })),
            Err(rejection) => not_saved(app, asked, &at, settings, rejection).await,
        };
    }
    match dry_run::try_tried(app, asked, at.viewer.actor(), change).await? {
        Err(rejection) => not_saved(app, asked, &at, settings, rejection).await,
        Ok(tried) => {
            let answer = dry_run::judge(app, tried.supposed, DAYS_DEFAULT).await?;
            app.read_history(asked, &at.viewer.reader(), audit::look(&answer)).await?;
            let preview = Preview::of(&answer, DAYS_DEFAULT);
            let fields = settings.fields();
            let page = with_token(app, (at.account, at.token), |view, _, token| PreviewPage {
                page: at.page(view, asked, "Before it is saved"),
                account: at.account,
                token: at.token,
                name: words::text(view, token.name),
                version: version.unwrap_or(token.version),
                fields,
                difference,
                preview,
            });
            Ok(shown(&page.await?))
        }
    }
}

/// What is wished of a token that is there. A time that stays as the form showed it stays to the microsecond, and need not
/// lie ahead.
struct Kept {
    wish: Wish,
    keeps_expiry: bool,
}

impl Kept {
    fn of(token: &Token, settings: &Settings, mut wish: Wish) -> Self {
        let is_same = |at, text: &str| time_value(at) == text.trim();
        let keeps_expiry = is_same(token.expires_at, &settings.expires_at);
        if is_same(token.conditions().not_before, &settings.not_before) {
            wish.conditions.not_before = None;
        }
        Self { wish, keeps_expiry }
    }
}

fn change(at: &AtToken, kept: Kept, if_match: Option<Version>) -> Change {
    let Kept { wish: Wish { name, access, expires_at, conditions }, keeps_expiry } = kept;
    let (name, access) = (Some(name), Some(access));
    let expires_at = (!keeps_expiry).then_some(expires_at);
    Change::UpdateToken { owner: at.owner(), token: at.token, name, access, expires_at, conditions, if_match }
}

/// The form once more, with what was typed and what is wrong with it.
async fn not_saved(app: &App, asked: &Asked, at: &AtToken, mut settings: Settings, rejection: Rejection) -> Answered {
    match rejection {
        Rejection::Invalid(faults) => settings.note(&faults),
        Rejection::PlanRequired => {
            settings.faults.note("access", "cannot be limited any more: the account's plan was changed to Solo");
        }
        Rejection::VersionMismatch(current) => return again(app, asked, at, settings, Some(current)).await,
        other => return Err(Box::new(rejected(app, other).await).into()),
    }
    again(app, asked, at, settings, None).await
}

async fn edit_again(app: &App, asked: &Asked, at: &AtToken, settings: Settings) -> Result<EditPage, Instead> {
    with_token(app, (at.account, at.token), |view, _, _| edit_page(view, asked, at, settings)).await
}

async fn again(app: &App, asked: &Asked, at: &AtToken, settings: Settings, current: Option<Version>) -> Answered {
    let mut page = edit_again(app, asked, at, settings).await?;
    let status = match current {
        None => StatusCode::UNPROCESSABLE_ENTITY,
        Some(_) => {
            let now = app.ledger.view(|view| {
                let token = view.projections.state.token(at.token)?;
                let ranges = token.conditions().ranges_in_words();
                let from = ranges.map(|ranges| format!(", from {} only", ranges.join(", "))).unwrap_or_default();
                let name = words::text(&view, token.name);
                Some(format!("“{name}”, {}{from}", words::access_line_whole(&view, &token.access)))
            });
            page.meanwhile = Some(now.await.ok_or_else(gone)?);
            StatusCode::CONFLICT
        }
    };
    Ok(html(status, &page))
}
