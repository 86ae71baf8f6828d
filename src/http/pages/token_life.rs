//! A token's own page: what it is, its life, what it did day by day and hour by hour, with what and from where, what of its
//! access nobody used, and what reviews decided of it. A deleted token keeps its page.

use super::as_of::Scene;
use super::chart::{Bars, Column};
use super::days::{DAY_HOURS, Day};
use super::page::{Page, Section};
use super::reply::shown;
use super::said::{Said, Speaker, is_or_was_member};
use super::viewer::{self, Standing};
use super::words::{counted, kind_label, number};
use super::{Answered, Instead};
use crate::audit::archive::Archive;
use crate::audit::as_of::LastUses;
use crate::audit::biography::changes_of_token;
use crate::audit::callers::{Caller, Callers, Decision, counted_between, decisions, recent_callers};
use crate::audit::least::{Least, Lists, least, least_in_read_models, unused};
use crate::audit::questions::AuditError;
use crate::audit::told::{self, Chapter, Part, Phrase};
use crate::domain::access::{Access, ScopeGroup};
use crate::domain::directory::Plan;
use crate::domain::event::{Cause, ManagementOperation};
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::review::ReviewRow;
use crate::domain::table::Table;
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Token};
use crate::http::App;
use crate::http::audit;
use crate::http::entry::Asked;
use crate::http::events::unreadable;
use crate::http::problem::Problem;
use crate::ledger::{HourKey, HourUse, View};
use askama::Template;
use std::collections::BTreeMap;

/// Days of the chart of days.
const DAYS: u64 = 30;
/// Newest changes told; older ones are in the history.
const CHAPTERS_MAX: usize = 60;
/// Newest requests that addresses and agents are counted from.
const CALLERS_OF: u64 = 2_000;
/// Addresses, agents and scopes listed.
const ROWS_MAX: usize = 25;

#[derive(Template)]
#[template(path = "token_life.html")]
struct TokenPage {
    page: Page,
    id: TokenId,
    name: Said,
    kind: &'static str,
    standing: &'static str,
    facts: Vec<(&'static str, Said)>,
    chapters: Vec<Entry>,
    older: Option<String>,
    days: Bars,
    hours: Bars,
    turn: Turn,
    counts_later: bool,
    scopes: Vec<ScopeRow>,
    more_scopes: usize,
    addresses: Vec<CallerRow>,
    agents: Vec<CallerRow>,
    callers_of: Said,
    unused: Vec<Said>,
    narrow: Option<String>,
    can_edit: bool,
    decisions: Vec<DecisionRow>,
    links: Links,
}

struct Links {
    list: String,
    history: String,
    edit: String,
    delete: String,
    day_form: String,
}

struct Entry {
    position: Position,
    at: Said,
    what: &'static str,
    lines: Vec<Said>,
    who: Said,
    from: Option<Said>,
    link: String,
}

/// Days to turn to.
struct Turn {
    day: String,
    earliest: String,
    latest: String,
    previous: String,
    next: Option<String>,
    as_of: Option<String>,
}

struct ScopeRow {
    scope: Said,
    count: String,
    first: Said,
    last: Said,
}

struct CallerRow {
    text: Said,
    uses: String,
    refused: String,
    first: Said,
    last: Said,
}

struct DecisionRow {
    at: Said,
    review: u64,
    verdict: &'static str,
    note: Option<Said>,
    who: Said,
    link: String,
    of: Position,
}

/// What the read models say of the token, taken along.
struct Known {
    token: Token,
    standing: Standing,
    access: Option<Access>,
    plan: Plan,
    is_member: bool,
    least: Option<Least>,
    uses: u64,
    last_used: Option<Timestamp>,
    last_used_status: &'static str,
    reported: u64,
    groups: Table<ScopeGroup>,
    now: Timestamp,
}

/// What only the records say.
struct Records {
    usage: Usage,
    rest: Rest,
}

/// What the records of all uses come to.
struct Usage {
    least: Option<Least>,
    /// Uses on the account up to the past that is shown, with the last of them; none of the present.
    uses: Option<(u64, Option<Timestamp>)>,
}

/// What the other records say, and the last uses.
struct Rest {
    chapters: Vec<Chapter>,
    callers: Callers,
    decisions: Vec<Decision>,
    /// Uses and refusals in the clock hour that the past ends in.
    last_hour: Option<(u64, HourUse)>,
}

pub(super) async fn answer(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    let (account, token) = (AccountId(super::number(variables, 0)?), TokenId(super::number(variables, 1)?));
    let standing = viewer.enter(app, asked, account, (ManagementOperation::ReadEvents, Standing::Looks)).await?;
    let wanted_day = Day::asked(asked)?;
    let scene = Scene::of(app, asked, account, LastUses::Of(token)).await?;
    let known = scene.view(app, |view| known(&view, account, token, standing)).await?;
    let records = read(app, &scene, account, &known).await?;
    let shown_days = Days::of(&known, &records, wanted_day);
    let hours = hours(app, &scene, (account, token), &shown_days, &records).await?;
    let query = HistoryQuery::of("token_life", scene.through).about_account(account).about_token(token);
    app.read_history(asked, &viewer.reader(), query).await?;
    let page = scene
        .view(app, |view| {
            let title = view_name(&view, &known.token);
            let page = Page::new(title, &viewer, asked).in_account(&view, account, standing, Section::Access);
            let page = page.as_of(scene.as_of());
            let suffix = page.suffix();
            let speaker = Speaker { view: &view, account, suffix: &suffix };
            Drawing { speaker, known: &known, records: &records, days: &shown_days, hours: &hours }.page(page)
        })
        .await;
    Ok(shown(&page))
}

fn view_name(view: &View<'_>, token: &Token) -> String {
    format!("Token {}", super::words::text(view, token.name))
}

/// 404 for a token that is not, or was not, one of this account or of somebody who is or was a member.
fn known(view: &View<'_>, account: AccountId, id: TokenId, standing: Standing) -> Result<Known, Box<Problem>> {
    let absent = || Box::new(Problem::not_found("there is no such token in this account"));
    let state = &view.projections.state;
    let found = state.account(account).ok_or_else(absent)?;
    let token = state.token(id).filter(|token| !token.id.is_none()).ok_or_else(absent)?;
    let (access, is_member) = match token.owner {
        Owner::Account(owner) if owner == account => (Some(token.access.clone()), true),
        Owner::User(user) if token.kind.is_consumer() && is_or_was_member(view, account, user) => {
            let member = found.members.get(&user);
            (member.map(|member| member.access.clone()), member.is_some())
        }
        _ => return Err(absent()),
    };
    let last_used = &view.projections.last_used;
    let reported = last_used.reported_of(id).map_or(0, |reported| reported.count);
    let least = access.as_ref().and_then(|access| least_in_read_models(view.projections, (account, id), access));
    // Somebody's token works on their other accounts, too, and those are not told here.
    let uses = match token.owner {
        Owner::Account(_) => last_used.token(id).copied(),
        _ => last_used.on_account(id, account),
    };
    Ok(Known {
        token: token.clone(),
        standing,
        plan: found.plan,
        is_member,
        least,
        uses: uses.map_or(0, |uses| uses.count),
        last_used: uses.map(|uses| uses.last_at),
        last_used_status: last_used.status(token),
        reported,
        groups: state.groups.clone(),
        now: view.now,
        access,
    })
}

async fn read(app: &App, scene: &Scene, account: AccountId, known: &Known) -> Result<Records, Instead> {
    let (through, at) = (scene.through, scene.at());
    let (token, owner, access) = (known.token.id, known.token.owner, known.access.clone());
    // Of the past the read models have no uses by scope, and of reported ones never.
    let needs_least = scene.is_past() || known.least.is_none();
    let access = access.filter(|_| needs_least);
    let is_past = at.is_some();
    let usage = move |archive: &Archive| used_until(archive, (account, token), access, through, is_past);
    let rest = move |archive: &Archive| -> Result<Rest, AuditError> {
        let changes = changes_of_token(archive, (account, token, owner), through)?;
        let last_hour = match at {
            Some(at) => {
                let hour = Timestamp::from_seconds(at.hour() * 3_600);
                let (after, _) = archive.range(Some(hour), None)?;
                let (uses, refused) = counted_between(archive, (account, token), (after.min(through), through))?;
                let refused = refused.into_iter().map(|(cause, count)| (cause.to_owned(), count)).collect();
                Some((at.hour(), HourUse { uses, refused, ..HourUse::default() }))
            }
            None => None,
        };
        Ok(Rest {
            chapters: told::life(archive.groups(), &changes),
            callers: recent_callers(archive, (account, token), through, CALLERS_OF)?,
            decisions: decisions(archive, account, ReviewRow::Token(token), through)?,
            last_hour,
        })
    };
    // At the same time: each goes through the token's records by itself. Of the past they are all of them, so there has to
    // be room for one more who asks.
    let (usage, rest) = match is_past {
        true => tokio::try_join!(audit::at_desk(app, usage), audit::beside_the_desk(app, rest))?,
        false => tokio::try_join!(audit::beside_the_desk(app, usage), audit::beside_the_desk(app, rest))?,
    };
    Ok(Records { usage, rest })
}

/// The least access that would have done, where one is asked for; of the past how much was used, too.
fn used_until(
    archive: &Archive,
    (account, token): (AccountId, TokenId),
    access: Option<Access>,
    through: Position,
    is_past: bool,
) -> Result<Usage, AuditError> {
    if access.is_none() && !is_past {
        return Ok(Usage { least: None, uses: None });
    }
    let (has_access, range) = (access.is_some(), (Position::NONE, through));
    let access = access.unwrap_or(Access::Granted(Vec::new()));
    let least = least(archive, (account, &[token]), &access, range, Lists::Narrow)?;
    let last = (least.uses.count > 0).then_some(least.uses.last.1);
    let uses = is_past.then_some((least.uses.count, last));
    Ok(Usage { least: has_access.then_some(least), uses })
}

/// Which days are shown: thirty, of which one hour by hour.
struct Days {
    first: Day,
    last: Day,
    shown: Day,
    /// The last day that there can be.
    latest: Day,
}

impl Days {
    /// Of a token that ended those before its end, since after it there is little to see.
    fn of(known: &Known, records: &Records, wanted: Option<Day>) -> Self {
        let latest = Day::of(known.now);
        let last_seen = [known.last_used, records.rest.chapters.last().map(|chapter| chapter.header.recorded_at)];
        let ended = known.token.deleted_at.and(last_seen.into_iter().flatten().max());
        let default = ended.map_or(latest, Day::of).min(latest);
        let shown = wanted.map_or(default, |wanted| wanted.min(latest));
        let last = if shown > default || shown < default.minus(DAYS - 1) { shown } else { default };
        Self { first: last.minus(DAYS - 1), last, shown, latest }
    }
}

/// Rows of the account by clock hour.
async fn hours(
    app: &App,
    scene: &Scene,
    (account, token): (AccountId, TokenId),
    days: &Days,
    records: &Records,
) -> Result<BTreeMap<u64, HourUse>, Instead> {
    let (from, to) = (days.first.hour(), days.last.hour() + DAY_HOURS);
    // What came after the past is not counted: its last hour is, from the records.
    let to = scene.at().map_or(to, |at| to.min(at.hour()));
    let rows = app.ledger.token_hours(token, (from, to), usize::MAX).await;
    let (rows, _) = rows.map_err(|error| unreadable(&error))?;
    let of_account = rows.into_iter().filter(|((_, _, on), _): &(HourKey, HourUse)| *on == account);
    let mut hours: BTreeMap<u64, HourUse> = of_account.map(|((hour, ..), row)| (hour, row)).collect();
    if let Some((hour, row)) = &records.rest.last_hour
        && (from..days.last.hour() + DAY_HOURS).contains(hour)
    {
        hours.insert(*hour, row.clone());
    }
    Ok(hours)
}

/// Allowed, refused, and of those refused the ones for the hourly limit.
fn sums<'a>(rows: impl Iterator<Item = &'a HourUse>) -> (u64, u64, u64) {
    let quota = Cause::QuotaExceeded.name();
    rows.fold((0, 0, 0), |(uses, refused, limited), row| {
        let sum: u64 = row.refused.values().sum();
        (uses + row.uses, refused + sum, limited + row.refused.get(quota).copied().unwrap_or(0))
    })
}

fn column<'a>(label: String, short: String, rows: impl Iterator<Item = &'a HourUse>) -> Column {
    let (uses, refused, limited) = sums(rows);
    let mark = (limited > 0).then(|| format!("{} refused for the hourly limit", number(limited)));
    Column { label, short, parts: vec![uses, refused], mark }
}

/// All that the page is drawn from.
struct Drawing<'a> {
    speaker: Speaker<'a>,
    known: &'a Known,
    records: &'a Records,
    days: &'a Days,
    hours: &'a BTreeMap<u64, HourUse>,
}

impl Drawing<'_> {
    fn page(&self, page: Page) -> TokenPage {
        let Known { token, .. } = self.known;
        let chapters = &self.records.rest.chapters;
        let skipped = chapters.len().saturating_sub(CHAPTERS_MAX);
        let history = |query: &str| page.link(&format!("/accounts/{}/history", self.speaker.account), query);
        let of_token = format!("token={}", token.id);
        let older = (skipped > 0).then(|| history(&format!("{of_token}&show=changes")));
        let (scopes, more_scopes) = self.scopes();
        let (unused, narrow) = self.unused();
        let own = format!("/accounts/{}/access_tokens/{}", self.speaker.account, token.id);
        let is_account = matches!(token.owner, Owner::Account(_));
        TokenPage {
            id: token.id,
            name: self.speaker.say_text(token.name),
            kind: kind_label(token.kind),
            standing: self.standing(),
            facts: self.facts(),
            chapters: chapters.iter().skip(skipped).rev().map(|chapter| self.entry(&page, chapter)).collect(),
            older,
            days: self.day_bars(),
            hours: self.hour_bars(),
            turn: self.turn(&page, &own),
            counts_later: page.is_past(),
            scopes,
            more_scopes,
            addresses: self.callers(&self.records.rest.callers.addresses, "no address"),
            agents: self.callers(&self.records.rest.callers.agents, "no agent, or one of too many"),
            callers_of: self.callers_of(),
            unused,
            narrow: narrow.filter(|_| !page.is_past()),
            can_edit: is_account
                && !page.is_past()
                && token.deleted_at.is_none()
                && self.known.standing == Standing::Manages,
            decisions: self.records.rest.decisions.iter().map(|decision| self.decision(&page, decision)).collect(),
            links: Links {
                list: page.link(&format!("/accounts/{}/access_tokens", self.speaker.account), ""),
                history: history(&of_token),
                edit: format!("{own}/edit"),
                delete: format!("{own}/delete"),
                day_form: own,
            },
            page,
        }
    }

    fn standing(&self) -> &'static str {
        match (self.known.token.standing(self.known.now), self.known.is_member) {
            ("live", false) => "no member",
            (standing, _) => standing,
        }
    }

    fn facts(&self) -> Vec<(&'static str, Said)> {
        let Known { token, groups, now, .. } = self.known;
        let say = |phrase: &Phrase| self.speaker.say(phrase);
        let mut facts = Vec::new();
        match (token.owner, &self.known.access) {
            (Owner::User(user), access) => {
                let follows = Phrase::of("follows the membership of ").part(Part::User(user));
                facts.push((
                    "Access",
                    say(&match access {
                        Some(access) => follows.words(": ").then(told::access(groups, access)),
                        None => follows.words(", which has ended"),
                    }),
                ));
            }
            (_, Some(access)) => facts.push(("Access", say(&told::access(groups, access)))),
            _ => {}
        }
        facts.push(("Created", say(&Phrase::new().part(Part::Time(token.created_at)))));
        if let Some(at) = token.imported_at {
            facts.push(("Taken over", say(&Phrase::of("from another system, ").part(Part::Time(at)))));
        }
        let (last_used, uses) =
            if self.is_somebodys() { ("Last used here", "Uses here") } else { ("Last used", "Uses") };
        facts.push((last_used, self.last_used()));
        let count = self.records.usage.uses.map_or(self.known.uses, |(count, _)| count);
        facts.push((uses, Said::plain(&number(count))));
        if self.known.reported > 0 {
            let told = format!("{} more, told by gateways afterwards", number(self.known.reported));
            facts.push(("Reported", Said::plain(&told)));
        }
        facts.push((
            "Expires",
            match token.expires_at {
                Some(at) if at <= *now => say(&Phrase::of("expired ").part(Part::Time(at))),
                Some(at) => Said::time(at),
                None => Said::plain("never by itself"),
            },
        ));
        if let Some(at) = token.conditions().not_before {
            facts.push(("Works from", Said::time(at)));
        }
        if let Some(ranges) = token.conditions().ranges_in_words() {
            facts.push(("Works for", Said::plain(&ranges.join(", "))));
        }
        facts.push(("Secret", self.secrets()));
        if let Some(at) = token.deleted_at {
            facts.push(("Deleted", Said::time(at)));
        }
        facts
    }

    /// Whether it is a person's own, that works on each of their accounts.
    fn is_somebodys(&self) -> bool {
        matches!(self.known.token.owner, Owner::User(_))
    }

    fn last_used(&self) -> Said {
        let last_used = match self.records.usage.uses {
            Some((_, last)) if self.is_somebodys() => last,
            _ => self.known.last_used,
        };
        match (last_used, self.known.last_used_status, self.known.token.imported_at) {
            (Some(at), ..) => Said::time(at),
            (None, "unknown", Some(at)) => self.speaker.say(&Phrase::of("not known before ").part(Part::Time(at))),
            _ => Said::plain("never"),
        }
    }

    /// Those that work, the newest last.
    fn secrets(&self) -> Said {
        let mut line = Phrase::new();
        let working = |end: Option<Timestamp>| end.is_none_or(|end| end > self.known.now);
        for secret in self.known.token.secrets.iter().filter(|secret| working(secret.not_after)) {
            line = if line.0.is_empty() { line } else { line.words("; ") };
            line = line.words(format!("number {} (…{})", secret.number, String::from_utf8_lossy(&secret.hint)));
            line = match secret.not_after {
                Some(end) => line.words(" until ").part(Part::Time(end)),
                None => line,
            };
        }
        if line.0.is_empty() { Said::plain("none that works") } else { self.speaker.say(&line) }
    }

    fn entry(&self, page: &Page, chapter: &Chapter) -> Entry {
        let by = chapter.by.filter(|by| !by.address.is_none());
        Entry {
            position: chapter.position,
            at: Said::time(chapter.header.recorded_at),
            what: chapter.what,
            lines: chapter.lines.iter().map(|line| self.speaker.say(line)).collect(),
            who: self.speaker.who(&chapter.header),
            from: by.map(|by| self.speaker.say_text(by.address)),
            link: self.event_link(page, chapter.position),
        }
    }

    fn event_link(&self, page: &Page, position: Position) -> String {
        page.link(&format!("/accounts/{}/history/{position}", self.speaker.account), "")
    }

    fn day_bars(&self) -> Bars {
        let columns = (self.days.first.0..=self.days.last.0).map(|day| {
            let day = Day(day);
            let rows = self.hours.range(day.hour()..day.hour() + DAY_HOURS).map(|(_, row)| row);
            column(day.text(), day.text()[5..].to_owned(), rows)
        });
        self.bars(
            "days",
            format!("Requests a day, {} to {}", self.days.first.text(), self.days.last.text()),
            "Day",
            columns,
        )
    }

    fn hour_bars(&self) -> Bars {
        let day = self.days.shown;
        let columns = (0..DAY_HOURS).map(|hour| {
            let rows = self.hours.get(&(day.hour() + hour)).into_iter();
            column(format!("{hour:02}:00 to {:02}:00", hour + 1), format!("{hour:02}"), rows)
        });
        self.bars("hours", format!("Requests an hour on {} (UTC)", day.text()), "Hour", columns)
    }

    fn bars(&self, id: &'static str, title: String, over: &'static str, columns: impl Iterator<Item = Column>) -> Bars {
        let columns: Vec<Column> = columns.collect();
        let is_marked = columns.iter().any(|column| column.mark.is_some());
        let series = vec!["Allowed".to_owned(), "Refused".to_owned()];
        Bars { id, title, over, series, marks: is_marked.then_some("Refused for the hourly limit"), columns }
    }

    fn turn(&self, page: &Page, own: &str) -> Turn {
        let to = |day: Day| page.link(own, &format!("day={}", day.text()));
        let Days { shown, latest, .. } = self.days;
        Turn {
            day: shown.text(),
            earliest: Day::of(self.known.token.created_at).text(),
            latest: latest.text(),
            previous: to(shown.minus(1)),
            next: (shown < latest).then(|| to(shown.plus(1))),
            as_of: page.as_of.as_ref().map(|as_of| as_of.asked.clone()),
        }
    }

    fn least(&self) -> Option<&Least> {
        self.records.usage.least.as_ref().or(self.known.least.as_ref())
    }

    fn scopes(&self) -> (Vec<ScopeRow>, usize) {
        let mut seen: Vec<_> = self.least().into_iter().flat_map(|least| &least.scopes).collect();
        seen.sort_by_key(|(scope, seen)| (std::cmp::Reverse(seen.count), **scope));
        let more = seen.len().saturating_sub(ROWS_MAX);
        let row = |(scope, seen): (&_, &crate::audit::what_if::Seen)| ScopeRow {
            scope: self.speaker.say(&told::scope(&self.known.groups, *scope)),
            count: number(seen.count),
            first: Said::time(seen.first.1),
            last: Said::time(seen.last.1),
        };
        (seen.into_iter().take(ROWS_MAX).map(row).collect(), more)
    }

    /// What of its own access nobody used, and where less of it is asked for.
    fn unused(&self) -> (Vec<Said>, Option<String>) {
        let Known { token, access, groups, standing, plan, .. } = self.known;
        let (Owner::Account(account), Some(access), Some(least)) = (token.owner, access, self.least()) else {
            return (Vec::new(), None);
        };
        if least.scopes.is_empty() {
            return (Vec::new(), None);
        }
        let unused = unused(access, least, groups);
        let lines = unused.iter().map(|part| self.speaker.say(&told::unused(groups, part))).collect();
        let can_narrow =
            !unused.is_empty() && token.deleted_at.is_none() && *standing == Standing::Manages && plan.has_grants();
        let link = can_narrow.then(|| format!("/accounts/{account}/access_tokens/{}/edit?narrow=used", token.id));
        (lines, link)
    }

    fn callers(&self, callers: &[Caller], nothing: &'static str) -> Vec<CallerRow> {
        let row = |caller: &Caller| CallerRow {
            text: if caller.text.is_none() { Said::plain(nothing) } else { self.speaker.say_text(caller.text) },
            uses: number(caller.uses),
            refused: number(caller.refused),
            first: Said::time(caller.first),
            last: Said::time(caller.last),
        };
        callers.iter().take(ROWS_MAX).map(row).collect()
    }

    fn callers_of(&self) -> Said {
        let Callers { requests, since, is_cut, .. } = self.records.rest.callers;
        let Some(since) = since else { return Said::plain("No request was recorded one by one.") };
        let begin = if is_cut { "Of the last " } else { "Of all " };
        let line = Phrase::of(format!("{begin}{} that were recorded one by one, since ", counted(requests, "request")));
        self.speaker.say(&line.part(Part::Time(since)).words("."))
    }

    fn decision(&self, page: &Page, decision: &Decision) -> DecisionRow {
        DecisionRow {
            at: Said::time(decision.header.recorded_at),
            review: decision.review,
            verdict: told::verdict(decision.verdict),
            note: (!decision.note.is_none()).then(|| self.speaker.say_text(decision.note)),
            who: self.speaker.who(&decision.header),
            link: self.event_link(page, decision.position),
            of: decision.of,
        }
    }
}
