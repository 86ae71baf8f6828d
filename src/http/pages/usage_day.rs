//! Usage: a day of an account's hourly windows, each by token, with what was refused for the limit and who caused it.
//!
//! A window belongs to the day, and to the clock hour, in which it opened: no other can open in the same clock hour. What each
//! token had of it is counted from its records, as the question `quota` does.

use super::as_of::Scene;
use super::chart::{Bars, Column};
use super::days::{DAY_HOURS, Day};
use super::page::{Page, Section};
use super::reply::shown;
use super::said::{Said, Speaker};
use super::viewer::{self, Standing};
use super::words::{self, number};
use super::{Answered, Instead};
use crate::audit::as_of::LastUses;
use crate::audit::quota::{Share, WindowShares, windows_between};
use crate::domain::event::ManagementOperation;
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::window::WINDOW_SECONDS;
use crate::http::App;
use crate::http::audit;
use crate::http::entry::Asked;
use crate::http::problem::Problem;
use crate::ledger::ClosedWindow;
use askama::Template;
use std::collections::BTreeMap;

/// Tokens that have a series of their own; what the others had is one series.
const TOKENS_MAX: usize = 5;
/// Requests of one day that are told apart by token: more are told in sum.
const REQUESTS_MAX: u64 = 200_000;
/// Tokens that a table names; the others are one row.
const ROWS_MAX: usize = 40;
/// Windows that a day can have, and the one that it begins in.
const WINDOWS_MAX: usize = 26;

#[derive(Template)]
#[template(path = "usage_day.html")]
struct UsagePage {
    page: Page,
    bars: Bars,
    turn: Turn,
    used: String,
    refused: String,
    limited_windows: usize,
    is_summed: bool,
    windows: Vec<WindowRow>,
    tokens: Vec<TokenRow>,
    chosen: Option<Chosen>,
    links: Links,
}

struct Turn {
    day: String,
    earliest: String,
    latest: String,
    previous: String,
    next: Option<String>,
    as_of: Option<String>,
}

struct Links {
    own: String,
    refusals: String,
}

struct WindowRow {
    opened: Said,
    limit: String,
    used: String,
    percent: String,
    refused: String,
    is_limited: bool,
    is_chosen: bool,
    tokens: usize,
    link: String,
}

struct TokenRow {
    token: Said,
    used: String,
    percent: String,
    refused: String,
}

/// The window that is told by token.
struct Chosen {
    opened: Said,
    closed: Said,
    limit: String,
    refused: String,
    rows: Vec<TokenRow>,
    is_limited: bool,
}

/// A window of the day.
#[derive(Clone, PartialEq, Eq, Debug)]
struct DayWindow {
    opened_at: u64,
    limit: u64,
    all: Share,
    /// By token, most used first; nothing where there were too many requests.
    by_token: Vec<(TokenId, Share)>,
}

impl DayWindow {
    fn of(shares: WindowShares) -> Self {
        let all = shares.sum();
        let mut by_token: Vec<(TokenId, Share)> = shares.by_token.into_iter().collect();
        by_token.sort_by_key(|(token, share)| (std::cmp::Reverse((share.used, share.refused)), *token));
        Self { opened_at: shares.opened_at, limit: shares.limit, all, by_token }
    }

    fn in_sum(window: &ClosedWindow) -> Self {
        let all = Share { used: window.used, refused: window.refused };
        Self { opened_at: window.opened_at, limit: window.limit, all, by_token: Vec::new() }
    }
}

/// The tokens that have a series, and what each window's parts are, that of all others last.
fn stacked(windows: &[DayWindow]) -> (Vec<TokenId>, Vec<Vec<u64>>) {
    let mut sums: BTreeMap<TokenId, u64> = BTreeMap::new();
    for (token, share) in windows.iter().flat_map(|window| &window.by_token) {
        *sums.entry(*token).or_default() += share.used;
    }
    let mut tokens: Vec<TokenId> = sums.keys().copied().filter(|token| sums[token] > 0).collect();
    tokens.sort_by_key(|token| (std::cmp::Reverse(sums[token]), *token));
    tokens.truncate(TOKENS_MAX);
    let parts = windows.iter().map(|window| {
        let of = |wanted: &TokenId| {
            let found = window.by_token.iter().find(|(token, _)| token == wanted);
            found.map_or(0, |(_, share)| share.used)
        };
        let mut parts: Vec<u64> = tokens.iter().map(of).collect();
        let named: u64 = parts.iter().sum();
        parts.push(window.all.used.saturating_sub(named));
        parts
    });
    let parts = parts.collect();
    (tokens, parts)
}

pub(super) async fn answer(app: &App, asked: &Asked, variables: &[&str]) -> Answered {
    let viewer = viewer::required(app, asked).await?;
    let account = AccountId(super::number(variables, 0)?);
    let standing = viewer.enter(app, asked, account, (ManagementOperation::ReadEvents, Standing::Looks)).await?;
    let scene = Scene::of(app, asked, account, LastUses::None).await?;
    let absent = || Box::new(Problem::not_found("there was no such account then"));
    let opened =
        scene.view(app, |view| view.projections.state.account(account).map(|found| (found.created_at, view.now))).await;
    let (created_at, now) = opened.ok_or_else(absent)?;
    let latest = Day::of(now);
    let day = Day::asked(asked)?.map_or(latest, |day| day.min(latest));
    let (windows, is_summed) = windows(app, &scene, account, day).await?;
    let query = HistoryQuery::of("usage_day", scene.through).about_account(account);
    let query = query.between(Some(day.begin()), Some(day.end()));
    app.read_history(asked, &viewer.reader(), query).await?;
    let chosen = chosen(asked, &windows)?;
    let page = scene
        .view(app, |view| {
            let page = Page::new("Usage", &viewer, asked).in_account(&view, account, standing, Section::Usage);
            let page = page.as_of(scene.as_of());
            let suffix = page.suffix();
            let speaker = Speaker { view: &view, account, suffix: &suffix };
            let drawing = Drawing { speaker, windows: &windows, chosen, day, days: (Day::of(created_at), latest) };
            drawing.page(page, is_summed)
        })
        .await;
    Ok(shown(&page))
}

/// The window that is asked for, else the one with most refusals for the limit.
fn chosen(asked: &Asked, windows: &[DayWindow]) -> Result<Option<usize>, Box<Problem>> {
    let said = asked.query()?.iter().rfind(|(key, text)| key == "window" && !text.is_empty());
    let asked_for = said.and_then(|(_, text)| Timestamp::parse(text)).map(Timestamp::seconds);
    let found = windows.iter().position(|window| Some(window.opened_at) == asked_for);
    let worst = windows.iter().enumerate().filter(|(_, window)| window.all.refused > 0);
    Ok(found.or(worst.max_by_key(|(_, window)| window.all.refused).map(|(at, _)| at)))
}

/// Those that opened on a day, oldest first; in sum only where there were too many requests.
async fn windows(app: &App, scene: &Scene, account: AccountId, day: Day) -> Result<(Vec<DayWindow>, bool), Instead> {
    let (from, to) = (day.begin(), day.end());
    // Only to find where to begin, and how much there is: without tables the log says.
    let reach = (from.seconds().saturating_sub(WINDOW_SECONDS - 1), to.seconds());
    let pool = (account, UserId::NONE);
    let known = app.ledger.closed_windows(pool, reach, WINDOWS_MAX).await.ok().map(|(windows, _)| windows);
    let last = app.ledger.view(|view| view.projections.usage.window(pool).map(|window| window.closed(pool))).await;
    let known = known.map(|mut windows| {
        let is_missing = |last: &ClosedWindow| {
            (reach.0..reach.1).contains(&last.opened_at) && !windows.iter().any(|one| one.opened_at == last.opened_at)
        };
        windows.extend(last.filter(is_missing));
        windows
    });
    let begin = known.as_ref().map(|windows| {
        let running = windows.iter().map(|window| window.opened_at).filter(|at| *at <= from.seconds()).max();
        running.map_or(from, Timestamp::from_seconds)
    });
    let is_of_day = |opened_at: u64| (from.seconds()..to.seconds()).contains(&opened_at);
    let requests: u64 = known.iter().flatten().map(|window| window.used).sum();
    if let (Some(known), true, false) = (&known, requests > REQUESTS_MAX, scene.is_past()) {
        let windows = known.iter().filter(|window| is_of_day(window.opened_at)).map(DayWindow::in_sum);
        return Ok((windows.collect(), true));
    }
    let through = scene.through;
    let shares =
        audit::beside_the_desk(app, move |archive| Ok(windows_between(archive, account, (from, to), begin, through)?));
    let windows = shares.await?.into_iter().filter(|window| is_of_day(window.opened_at)).map(DayWindow::of);
    Ok((windows.collect(), false))
}

struct Drawing<'a> {
    speaker: Speaker<'a>,
    windows: &'a [DayWindow],
    chosen: Option<usize>,
    day: Day,
    /// The first and the last that there are.
    days: (Day, Day),
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", part as f64 * 100.0 / whole as f64) }
}

/// `14:05`.
fn clock(at: u64) -> String {
    Timestamp::from_seconds(at).to_seconds_text()[11..16].to_owned()
}

impl Drawing<'_> {
    fn own(&self) -> String {
        format!("/accounts/{}/usage", self.speaker.account)
    }

    fn page(&self, page: Page, is_summed: bool) -> UsagePage {
        let sum = |of: fn(&Share) -> u64| self.windows.iter().map(|window| of(&window.all)).sum::<u64>();
        let history = format!("/accounts/{}/history", self.speaker.account);
        let of_day = format!(
            "outcome=quota_exceeded&from={}&to={}",
            self.day.begin().to_seconds_text(),
            self.day.end().to_seconds_text()
        );
        UsagePage {
            bars: self.bars(is_summed),
            turn: self.turn(&page),
            used: number(sum(|share| share.used)),
            refused: number(sum(|share| share.refused)),
            limited_windows: self.windows.iter().filter(|window| window.all.refused > 0).count(),
            is_summed,
            windows: self.windows.iter().enumerate().map(|(at, window)| self.row(&page, at, window)).collect(),
            tokens: self.tokens(),
            chosen: self.chosen.and_then(|at| self.windows.get(at)).map(|window| self.told(window)),
            links: Links { own: self.own(), refusals: page.link(&history, &of_day) },
            page,
        }
    }

    fn bars(&self, is_summed: bool) -> Bars {
        let (tokens, parts) = stacked(self.windows);
        let mut series: Vec<String> = tokens.iter().map(|token| self.name(*token)).collect();
        series.push(if is_summed { "All tokens" } else { "Others" }.to_owned());
        let others = parts.iter().map(|parts| parts.last().copied().unwrap_or(0)).sum::<u64>();
        if others == 0 && !tokens.is_empty() {
            series.pop();
        }
        let columns = (0..DAY_HOURS).map(|hour| {
            let begin = self.day.begin().plus_seconds(hour * 3_600).seconds();
            let of_hour = |window: &DayWindow| (begin..begin + 3_600).contains(&window.opened_at);
            let found = self.windows.iter().position(of_hour);
            let short = format!("{hour:02}");
            match found.map(|at| (&self.windows[at], &parts[at])) {
                Some((window, parts)) => {
                    let (from, to) = (clock(window.opened_at), clock(window.opened_at + WINDOW_SECONDS));
                    let label = format!("{from} to {to}, limit {}", number(window.limit));
                    let refused = window.all.refused;
                    let mark = (refused > 0).then(|| format!("{} refused", number(refused)));
                    Column { label, short, parts: parts.iter().take(series.len()).copied().collect(), mark }
                }
                None => Column {
                    label: format!("{hour:02}:00, none opened"),
                    short,
                    parts: vec![0; series.len()],
                    mark: None,
                },
            }
        });
        let columns: Vec<Column> = columns.collect();
        let is_marked = columns.iter().any(|column| column.mark.is_some());
        Bars {
            id: "windows",
            title: format!("Windows that opened on {} (UTC), by the hour they opened in", self.day.text()),
            over: "Window",
            series,
            marks: is_marked.then_some("Refused for the hourly limit (429)"),
            columns,
        }
    }

    fn name(&self, token: TokenId) -> String {
        let found = self.speaker.view.projections.state.token(token).filter(|found| !found.id.is_none());
        found.map_or_else(|| format!("token {token}"), |found| words::text(self.speaker.view, found.name).to_string())
    }

    fn turn(&self, page: &Page) -> Turn {
        let to = |day: Day| page.link(&self.own(), &format!("day={}", day.text()));
        let (first, last) = self.days;
        Turn {
            day: self.day.text(),
            earliest: first.text(),
            latest: last.text(),
            previous: to(self.day.minus(1)),
            next: (self.day < last).then(|| to(self.day.plus(1))),
            as_of: page.as_of.as_ref().map(|as_of| as_of.asked.clone()),
        }
    }

    fn row(&self, page: &Page, at: usize, window: &DayWindow) -> WindowRow {
        let opened = Timestamp::from_seconds(window.opened_at);
        let query = format!("day={}&window={}", self.day.text(), words::in_url(&opened.to_seconds_text()));
        WindowRow {
            opened: Said::time(opened),
            limit: number(window.limit),
            used: number(window.all.used),
            percent: percent(window.all.used, window.limit),
            refused: number(window.all.refused),
            is_limited: window.all.refused > 0,
            is_chosen: self.chosen == Some(at),
            tokens: window.by_token.len(),
            link: format!("{}#by-token", page.link(&self.own(), &query)),
        }
    }

    /// The day by token.
    fn tokens(&self) -> Vec<TokenRow> {
        let mut sums: BTreeMap<TokenId, Share> = BTreeMap::new();
        for (token, share) in self.windows.iter().flat_map(|window| &window.by_token) {
            let sum = sums.entry(*token).or_default();
            (sum.used, sum.refused) = (sum.used + share.used, sum.refused + share.refused);
        }
        let all: u64 = sums.values().map(|share| share.used).sum();
        let mut rows: Vec<(TokenId, Share)> = sums.into_iter().collect();
        rows.sort_by_key(|(token, share)| (std::cmp::Reverse((share.used, share.refused)), *token));
        self.rows(&rows, all)
    }

    /// The first of them by name, and all others together.
    fn rows(&self, shares: &[(TokenId, Share)], whole: u64) -> Vec<TokenRow> {
        let (named, others) = shares.split_at(shares.len().min(ROWS_MAX));
        let mut rows: Vec<TokenRow> =
            named.iter().map(|(token, share)| self.row_of(self.speaker.say_token(*token), *share, whole)).collect();
        if !others.is_empty() {
            let sum = others.iter().fold(Share::default(), |sum, (_, share)| Share {
                used: sum.used + share.used,
                refused: sum.refused + share.refused,
            });
            rows.push(self.row_of(Said::plain(&words::counted(others.len() as u64, "other token")), sum, whole));
        }
        rows
    }

    fn row_of(&self, token: Said, share: Share, whole: u64) -> TokenRow {
        TokenRow {
            token,
            used: number(share.used),
            percent: percent(share.used, whole),
            refused: number(share.refused),
        }
    }

    fn told(&self, window: &DayWindow) -> Chosen {
        Chosen {
            opened: Said::time(Timestamp::from_seconds(window.opened_at)),
            closed: Said::time(Timestamp::from_seconds(window.opened_at + WINDOW_SECONDS)),
            limit: number(window.limit),
            refused: number(window.all.refused),
            rows: self.rows(&window.by_token, window.limit),
            is_limited: window.all.refused > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(opened_at: u64, by_token: &[(u64, u64)]) -> DayWindow {
        let by_token: Vec<(TokenId, Share)> =
            by_token.iter().map(|&(token, used)| (TokenId(token), Share { used, refused: 0 })).collect();
        let used = by_token.iter().map(|(_, share)| share.used).sum();
        DayWindow { opened_at, limit: 100, all: Share { used, refused: 0 }, by_token }
    }

    #[test]
    fn the_most_used_tokens_have_a_series_and_the_rest_one_together() {
        let windows = [
            window(10, &[(1, 5), (2, 1), (3, 2), (4, 3), (5, 4), (6, 6), (7, 1)]),
            window(20, &[(2, 50), (7, 1)]),
            window(30, &[]),
        ];
        let (tokens, parts) = stacked(&windows);
        assert_eq!(tokens, [2, 6, 1, 5, 4].map(TokenId));
        assert_eq!(parts, [vec![1, 6, 5, 4, 3, 3], vec![50, 0, 0, 0, 0, 1], vec![0; 6]]);
    }

    #[test]
    fn in_sum_all_is_of_others() {
        let closed =
            ClosedWindow { account: AccountId(1), user: UserId::NONE, opened_at: 10, limit: 100, used: 7, refused: 2 };
        let (tokens, parts) = stacked(&[DayWindow::in_sum(&closed)]);
        assert_eq!((tokens, parts), (vec![], vec![vec![7]]));
    }
}
