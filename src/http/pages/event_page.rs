//! One event of an account: what it says, why a refusal was one, and the proof that it is in the log, with how to check it.

use super::account_history::{Placed, sentence};
use super::as_of::Scene;
use super::page::{Page, Section};
use super::reply::shown;
use super::said::{Said, Speaker};
use super::viewer::{self, Standing, Viewer};
use super::{Answered, Instead};
use crate::audit::archive::Archive;
use crate::audit::as_of::LastUses;
use crate::audit::explanation::Explanation;
use crate::audit::history::describe;
use crate::audit::in_words::in_words;
use crate::audit::receipts::{self, ReceiptError};
use crate::audit::told::{self, Part, Phrase};
use crate::domain::access::Access;
use crate::domain::event::{Event, Header, ManagementOperation};
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, Position};
use crate::domain::state::by_of;
use crate::http::App;
use crate::http::answer;
use crate::http::audit;
use crate::http::entry::Asked;
use crate::http::events::unreadable;
use crate::http::problem::Problem;
use crate::http::refusal;
use crate::http::tlog::published;
use askama::Template;
use serde_json::Value;
use warp::http::header;

#[derive(Template)]
#[template(path = "event_page.html")]
struct EventPage {
    page: Page,
    position: Position,
    type_name: &'static str,
    what: Said,
    difference: Vec<Said>,
    facts: Vec<(&'static str, Said)>,
    why: Vec<Said>,
    json: String,
    leaf_hash: String,
    signed: Option<Position>,
    vkey: String,
    proof: String,
    history: String,
    earlier: Option<String>,
    later: Option<String>,
}

/// An event as it was read.
struct Read {
    placed: Placed,
    json: Value,
    /// The access before, where it was changed.
    before: Option<Access>,
    /// Neighbours of the account.
    earlier: Option<Position>,
    later: Option<Position>,
}

pub(super) async fn answer(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let (viewer, account, position, standing) = entered(app, asked, variables).await?;
    let scene = Scene::of(app, asked, account, LastUses::None).await?;
    let through = scene.through;
    let read = audit::beside_the_desk(app, move |archive| Ok(read(archive, account, position, through)?)).await?;
    let read = read.ok_or_else(absent)?;
    let explanation = refusal::explanation(app, position).await.map_err(|error| unreadable(&error))?;
    note(app, asked, &viewer, account, position).await?;
    let signed = published(app).ok().map(|published| published.size).filter(|size| *size >= position);
    let vkey = app.ledger.view(|view| view.projections.state.log_vkey.clone()).await;
    let page = scene
        .view(app, |view| {
            let title = format!("Record {position}");
            let page = Page::new(title, &viewer, asked).in_account(&view, account, standing, Section::History);
            let page = page.as_of(scene.as_of());
            let suffix = page.suffix();
            let speaker = Speaker { view: &view, account, suffix: &suffix };
            draw(&speaker, page, &read, explanation.as_ref(), signed, vkey)
        })
        .await;
    Ok(shown(&page))
}

/// The proof itself, as a file (c2sp.org/tlog-proof@v1).
pub(super) async fn proof(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let (viewer, account, position, _) = entered(app, asked, variables).await?;
    let through = app.ledger.head();
    let is_there =
        audit::beside_the_desk(app, move |archive| Ok(of_account(archive, account, position, through)?)).await?;
    is_there.ok_or_else(absent)?;
    let published = published(app)?;
    let dir = app.ledger.dir().clone();
    let made = app.ledger.read_log(move |log| {
        Ok(receipts::inclusion(&dir, log, &published, (position, None)).and_then(|proof| proof.to_text()))
    });
    let text = made.await.map_err(|error| unreadable(&error))?.map_err(not_proved)?;
    note(app, asked, &viewer, account, position).await?;
    let mut reply = answer::text("text/plain; charset=utf-8", text);
    let name = format!("attachment; filename=\"record-{position}.tlog-proof\"");
    answer::add_header(&mut reply, header::CONTENT_DISPOSITION, &name);
    Ok(reply)
}

fn not_proved(error: ReceiptError) -> Box<Problem> {
    match error {
        ReceiptError::Log(error) => unreadable(&error),
        // Heads are signed once a second.
        other => Box::new(Problem::not_found(format!("{other}; it is signed within a second or so: try again"))),
    }
}

fn absent() -> Box<Problem> {
    Box::new(Problem::not_found("there is no such record of this account"))
}

async fn entered(
    app: &App,
    asked: &Asked,
    variables: &[&str],
) -> Result<(Viewer, AccountId, Position, Standing), Instead> {
    let viewer = viewer::required(app, asked).await?;
    let account = AccountId(super::number(variables, 0)?);
    let standing = viewer.enter(app, asked, account, (ManagementOperation::ReadEvents, Standing::Looks)).await?;
    Ok((viewer, account, Position(super::number(variables, 1)?), standing))
}

/// Recorded as a look at one event is.
async fn note(
    app: &App,
    asked: &Asked,
    viewer: &Viewer,
    account: AccountId,
    position: Position,
) -> Result<(), Box<Problem>> {
    let query =
        HistoryQuery::of("event", position).about_account(account).after(Position(position.0.saturating_sub(1)));
    app.read_history(asked, &viewer.reader(), query).await
}

/// A record of the account, up to a position; none if it is another's, which is as if there were none.
fn of_account(
    archive: &Archive,
    account: AccountId,
    position: Position,
    through: Position,
) -> Result<Option<(Header, Event, Vec<u8>)>, crate::ledger::LogError> {
    if position.is_none() || position > through {
        return Ok(None);
    }
    let Some((header, event)) = archive.record(position)? else { return Ok(None) };
    let bytes = archive.log().record(position)?.unwrap_or_default();
    Ok((header.account == account).then_some((header, event, bytes)))
}

fn read(
    archive: &Archive,
    account: AccountId,
    position: Position,
    through: Position,
) -> Result<Option<Read>, crate::ledger::LogError> {
    let Some((header, event, bytes)) = of_account(archive, account, position, through)? else { return Ok(None) };
    let words = archive.words();
    let mut json = describe(position, &bytes, &header, &event, &words);
    without_digests(&mut json);
    let own = in_words(&words.data(&event));
    let before = told::access_before(archive, position, &header, &event)?;
    let (earlier, later) = told::neighbours(archive, account, position, through)?;
    Ok(Some(Read { placed: (position, header, event, own), json, before, earlier, later }))
}

/// A digest is as good as a token's text where the text was not random: of taken-over tokens nobody here knows.
pub(super) fn without_digests(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.shift_remove("hashed_token");
            members.values_mut().for_each(without_digests);
        }
        Value::Array(items) => items.iter_mut().for_each(without_digests),
        _ => {}
    }
}

fn draw(
    speaker: &Speaker<'_>,
    page: Page,
    read: &Read,
    explanation: Option<&Explanation>,
    signed: Option<Position>,
    vkey: String,
) -> EventPage {
    let (position, header, event, _) = &read.placed;
    let own = format!("/accounts/{}/history", speaker.account);
    let to = |position: Position| page.link(&format!("{own}/{position}"), "");
    let groups = &speaker.view.projections.state.groups;
    let difference = match (&read.before, access_of(event)) {
        (Some(before), Some(after)) => told::difference(groups, before, after),
        _ => Vec::new(),
    };
    EventPage {
        position: *position,
        type_name: event.type_name(),
        what: sentence(speaker, &read.placed),
        difference: difference.iter().map(|line| speaker.say(line)).collect(),
        facts: facts(speaker, header, event),
        why: explanation.map(|explanation| why(speaker, explanation)).unwrap_or_default(),
        leaf_hash: read.json["leaf_hash"].as_str().unwrap_or_default().to_owned(),
        json: serde_json::to_string_pretty(&read.json).unwrap_or_default(),
        signed,
        vkey,
        proof: format!("{own}/{position}/proof"),
        history: page.link(&own, ""),
        earlier: read.earlier.map(to),
        later: read.later.map(to),
        page,
    }
}

fn access_of(event: &Event) -> Option<&Access> {
    match event {
        Event::TokenAccessChanged(changed) => Some(&changed.access),
        Event::MemberAccessChanged(changed) => Some(&changed.access),
        _ => None,
    }
}

fn facts(speaker: &Speaker<'_>, header: &Header, event: &Event) -> Vec<(&'static str, Said)> {
    let say = |phrase: Phrase| speaker.say(&phrase);
    let mut facts = vec![("When", Said::time(header.recorded_at)), ("Who", speaker.who(header))];
    if !header.token.is_none() {
        facts.push(("Token", speaker.say_token(header.token)));
    }
    if let Some(by) = by_of(event) {
        if !by.address.is_none() {
            facts.push(("From", say(Phrase::new().text(by.address))));
        }
        if !by.agent.is_none() {
            facts.push(("With", say(Phrase::new().text(by.agent))));
        }
    }
    facts.push(("Request", Said::plain(&header.request.to_string())));
    facts.push(("Place in the account", Said::plain(&format!("record {} of it", header.account_number))));
    if header.token_number > 0 {
        facts.push(("Place in the token", Said::plain(&format!("record {} of it", header.token_number))));
    }
    facts
}

/// What history shows of why a request was refused.
fn why(speaker: &Speaker<'_>, explanation: &Explanation) -> Vec<Said> {
    let groups = &speaker.view.projections.state.groups;
    let mut lines = vec![Phrase::of(told::cause(explanation.refusal.cause))];
    if let Some(scope) = explanation.refusal.scope {
        lines.push(Phrase::of("needed was ").then(told::scope(groups, scope)));
    }
    if let Some(taken) = &explanation.taken_away_by {
        let line = Phrase::of("it was taken away ").part(Part::Time(taken.header.recorded_at)).words(" by ");
        let line = line.part(Part::Record(taken.position));
        lines.push(match told::tell(groups, &taken.header, &taken.event) {
            Some(what) => line.words(": ").then(what),
            None => line,
        });
    }
    if let Some(at) = explanation.ended_at {
        lines.push(Phrase::of("it ended ").part(Part::Time(at)));
    }
    if let Some((position, at)) = explanation.last_success {
        let line = Phrase::of("the last such request that passed was ").part(Part::Record(position));
        lines.push(line.words(", ").part(Part::Time(at)));
    }
    if let Some(limit) = &explanation.limit {
        let line = Phrase::of("the window opened ").part(Part::Time(limit.opened_at)).words(" and ended ");
        let line = line.part(Part::Time(limit.resets_at));
        lines.push(match limit.limit {
            Some(most) => line.words(format!("; its limit was {}", told::number(most))),
            None => line,
        });
    }
    for part in &explanation.not_searched {
        lines.push(Phrase::of(format!("not looked at: {}", part.replace('_', " "))));
    }
    lines.iter().map(|line| speaker.say(line)).collect()
}
