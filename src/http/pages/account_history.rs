//! History: an account's events in words, newest first, by what is asked for.

use super::Answered;
use super::as_of::{self, Scene};
use super::event_page::without_digests;
use super::history_filter::{SORTS, Wish};
use super::page::{Page, Section};
use super::reply::shown;
use super::said::{Said, Speaker};
use super::viewer::{self, Standing};
use crate::audit::as_of::LastUses;
use crate::audit::history::{Found, Page as Pages, page_of};
use crate::audit::in_words::in_words;
use crate::audit::told;
use crate::domain::event::{EVENT_TYPES, Event, Header, ManagementOperation, outcomes_and_causes};
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, Position};
use crate::http::App;
use crate::http::audit;
use crate::http::entry::Asked;
use crate::http::event_export::{self, Selected};
use crate::http::path;
use crate::http::problem::Problem;
use askama::Template;

/// Events of a page.
const EVENTS_MAX: usize = 50;

#[derive(Template)]
#[template(path = "account_history.html")]
struct HistoryPage {
    page: Page,
    filter: FilterForm,
    events: Vec<Row>,
    /// In words, what part of the log this page is.
    part: String,
    older: Option<String>,
    newest: Option<String>,
    ndjson: String,
    csv: String,
    own: String,
    is_filtered: bool,
}

struct FilterForm {
    sorts: Vec<Choice>,
    types: Vec<Choice>,
    outcomes: Vec<Choice>,
    token: String,
    resource: String,
    from: String,
    to: String,
    as_of: Option<String>,
}

struct Choice {
    value: &'static str,
    label: &'static str,
    is_chosen: bool,
}

struct Row {
    position: Position,
    link: String,
    at: Said,
    what: Said,
    who: Said,
    is_refusal: bool,
    is_change: bool,
}

/// An event that was found, with its own words where none are known for its type.
pub(super) type Placed = (Position, Header, Event, String);

pub(super) async fn answer(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    let account = AccountId(super::number(variables, 0)?);
    let standing = viewer.enter(app, asked, account, (ManagementOperation::ReadEvents, Standing::Looks)).await?;
    let scene = Scene::of(app, asked, account, LastUses::None).await?;
    let is_there = scene.view(app, |view| view.projections.state.account(account).is_some()).await;
    if !is_there {
        return Err(Box::new(Problem::not_found("there was no such account then")).into());
    }
    let wish = Wish::read(asked.query()?, account)?;
    let before = before(asked)?;
    let found = read(app, &wish, before, scene.through).await?;
    let query = HistoryQuery::of("events", scene.through)
        .about_account(account)
        .about_token(wish.filter.token.unwrap_or_default())
        .between(wish.filter.from, wish.filter.to);
    app.read_history(asked, &viewer.reader(), query).await?;
    let page = scene
        .view(app, |view| {
            let page = Page::new("History", &viewer, asked).in_account(&view, account, standing, Section::History);
            let page = page.as_of(scene.as_of());
            let suffix = page.suffix();
            let speaker = Speaker { view: &view, account, suffix: &suffix };
            draw(&speaker, page, &wish, before, &found, scene.through)
        })
        .await;
    Ok(shown(&page))
}

/// The selection as a file, oldest first: recorded as one look, as the export of `/v1/events` is.
pub(super) async fn export(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    let account = AccountId(super::number(variables, 0)?);
    viewer.enter(app, asked, account, (ManagementOperation::ReadEvents, Standing::Looks)).await?;
    let said = asked.query()?.iter().rfind(|(name, _)| name == "format");
    let form = said.and_then(|(_, text)| event_export::form(text));
    let form = form.ok_or_else(|| Box::new(Problem::malformed("format must be ndjson or csv")))?;
    let wish = Wish::read(asked.query()?, account)?;
    let through = match as_of::point(asked)? {
        Some(point) => audit::beside_the_desk(app, move |archive| Ok(archive.moment(point)?.position)).await?,
        None => app.ledger.head(),
    };
    let query = HistoryQuery::of("events", through)
        .about_account(account)
        .about_token(wish.filter.token.unwrap_or_default())
        .between(wish.filter.from, wish.filter.to);
    app.read_history(asked, &viewer.reader(), query).await?;
    let selected = Selected { filter: wish.filter, after: Position::NONE, through, form, mend: without_digests };
    Ok(event_export::answer(app, selected)?)
}

/// Events before this position; up to the newest if it is not said.
fn before(asked: &Asked) -> Result<Option<Position>, Box<Problem>> {
    let said = asked.query()?.iter().rfind(|(key, text)| key == "before" && !text.is_empty());
    let Some((_, text)) = said else { return Ok(None) };
    let position = path::whole_number(text).map(Position);
    position.map(Some).ok_or_else(|| Box::new(Problem::malformed("before must be a position")))
}

async fn read(
    app: &App,
    wish: &Wish,
    before: Option<Position>,
    through: Position,
) -> Result<Found<Placed>, Box<Problem>> {
    let filter = wish.filter.clone();
    let before = before.unwrap_or(through.next()).min(through.next());
    let pages = Pages { after: Position::NONE, before: Some(before), descending: true, limit: EVENTS_MAX };
    audit::beside_the_desk(app, move |archive| {
        let words = archive.words();
        let found = page_of(archive, &filter, &pages, &mut |position, _, header, event| {
            let own = told::tell(archive.groups(), header, event)
                .map_or_else(|| in_words(&words.data(event)), |_| String::new());
            (position, *header, event.clone(), own)
        });
        Ok(found?)
    })
    .await
}

/// An event in a sentence; of a type that none is known for, its own words.
pub(super) fn sentence(speaker: &Speaker<'_>, (_, header, event, own): &Placed) -> Said {
    match told::tell(&speaker.view.projections.state.groups, header, event) {
        Some(phrase) => speaker.say(&phrase),
        None => Said::plain(&format!("{}: {own}", event.type_name())),
    }
}

fn draw(
    speaker: &Speaker<'_>,
    page: Page,
    wish: &Wish,
    before: Option<Position>,
    found: &Found<Placed>,
    through: Position,
) -> HistoryPage {
    let own = format!("/accounts/{}/history", speaker.account);
    let row = |placed: &Placed| {
        let (position, header, event, _) = placed;
        Row {
            position: *position,
            link: page.link(&format!("{own}/{position}"), ""),
            at: Said::time(header.recorded_at),
            what: sentence(speaker, placed),
            who: speaker.who(header),
            is_refusal: event.type_name().contains("Refus"),
            is_change: crate::audit::history::Sort::Changes.holds(event),
        }
    };
    let first = before.map_or(through, |before| Position(before.0.saturating_sub(1))).min(through);
    let part = match found.next {
        Some(next) => format!("positions {first} down to {next}"),
        None => format!("positions {first} down to 1"),
    };
    let older = found.next.map(|next| page.link(&own, &wish.query(&[("before", &next.to_string())])));
    let export = |format: &str| page.link(&format!("{own}/export"), &wish.query(&[("format", format)]));
    HistoryPage {
        filter: form(wish, page.as_of.as_ref().map(|as_of| as_of.asked.clone())),
        events: found.events.iter().map(row).collect(),
        part,
        older,
        newest: before.map(|_| page.link(&own, &wish.query(&[]))),
        ndjson: export("ndjson"),
        csv: export("csv"),
        is_filtered: wish.is_any(),
        own,
        page,
    }
}

fn form(wish: &Wish, as_of: Option<String>) -> FilterForm {
    let choice = |field: &str, value: &'static str, label: &'static str| Choice {
        value,
        label,
        is_chosen: wish.typed(field) == value,
    };
    let mut types: Vec<&str> = EVENT_TYPES.iter().map(|(.., name)| *name).collect();
    types.sort_unstable();
    FilterForm {
        sorts: SORTS.iter().map(|(value, label, _)| choice("show", value, label)).collect(),
        types: types.into_iter().map(|name| choice("type", name, name)).collect(),
        outcomes: outcomes_and_causes().map(|name| choice("outcome", name, name)).collect(),
        token: wish.typed("token").to_owned(),
        resource: wish.typed("resource").to_owned(),
        from: Wish::local(wish.filter.from),
        to: Wish::local(wish.filter.to),
        as_of,
    }
}
