//! The list of an account's tokens: what is asked for, and its rows.

use crate::domain::access::Access;
use crate::domain::directory::Account;
use crate::domain::ids::TokenId;
use crate::domain::names::NAME_CHARS_MAX;
use crate::domain::time::Timestamp;
use crate::domain::token::Token;
use crate::http::entry::Asked;
use crate::http::pages::chart::Sparkline;
use crate::http::pages::words::{self, LastUse, Time, counted};
use crate::ledger::View;
use smol_str::SmolStr;
use std::cmp::Reverse;

/// Tokens of a page: with style and script it stays below 100 KB.
const ROWS: usize = 25;
/// A token that was not used for as long is one to look at.
const IDLE_SECONDS: u64 = 90 * 86_400;
/// A token that expires within as long is said to expire soon.
const SOON_SECONDS: u64 = 14 * 86_400;

/// What of the list is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Words that name, access or last characters have.
    pub search: String,
    /// Which tokens.
    pub show: Show,
    /// In which order.
    pub sort: Sort,
    /// Whether the other way around.
    pub is_reversed: bool,
    /// Which page, from 1.
    pub page: usize,
}

/// Which tokens are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Show {
    /// All.
    #[default]
    All,
    /// With full access.
    Full,
    /// Not used for 90 days, or never.
    Idle,
    /// That have expired, or will soon.
    Expiring,
}

/// In which order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sort {
    /// By name.
    #[default]
    Name,
    /// By creation.
    Created,
    /// By last use.
    Used,
    /// By expiry; what does not expire is last.
    Expires,
}

const SHOWS: [(&str, Show, &str); 4] = [
    ("", Show::All, "All tokens"),
    ("full", Show::Full, "With full access"),
    ("idle", Show::Idle, "Not used for 90 days"),
    ("expiring", Show::Expiring, "Expired or expiring soon"),
];
const SORTS: [(&str, Sort); 4] =
    [("name", Sort::Name), ("created", Sort::Created), ("used", Sort::Used), ("expires", Sort::Expires)];

impl Wanted {
    /// Reads the query. What it does not know it passes over: an old link still shows the list.
    pub fn read(asked: &Asked) -> Self {
        let mut wanted = Self { page: 1, ..Self::default() };
        for (name, value) in asked.query.iter().flatten() {
            match name.as_str() {
                "q" => wanted.search = value.trim().chars().take(NAME_CHARS_MAX).collect(),
                "show" => wanted.show = SHOWS.iter().find(|(word, ..)| word == value).map_or(Show::All, |row| row.1),
                "sort" => {
                    let (word, is_reversed) =
                        value.strip_prefix('-').map_or((value.as_str(), false), |word| (word, true));
                    wanted.is_reversed = is_reversed;
                    wanted.sort = SORTS.iter().find(|(known, _)| *known == word).map_or(Sort::Name, |row| row.1);
                }
                "page" => wanted.page = value.parse().ok().filter(|page| *page > 0).unwrap_or(1),
                _ => {}
            }
        }
        wanted
    }

    /// Options of the filter: word, label, whether it is chosen.
    pub fn shows(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        SHOWS.iter().map(|(word, show, label)| (*word, *label, *show == self.show))
    }

    /// The query of the same list, sorted otherwise or on another page.
    fn query(&self, sort: &str, page: usize) -> String {
        let show = SHOWS.iter().find(|row| row.1 == self.show).map_or("", |row| row.0);
        let mut query = form_urlencoded::Serializer::new(String::new());
        let pairs = [("q", self.search.as_str()), ("show", show), ("sort", sort)];
        for (name, value) in
            pairs.into_iter().filter(|(name, value)| !value.is_empty() && (*name, *value) != ("sort", "name"))
        {
            query.append_pair(name, value);
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        query.finish()
    }

    /// How it is sorted now, as the query says it.
    pub fn sort_word(&self) -> String {
        let word = SORTS.iter().find(|row| row.1 == self.sort).map_or("name", |row| row.0);
        if self.is_reversed { format!("-{word}") } else { word.to_owned() }
    }

    /// The query that sorts by a column; by the one that it is sorted by, the other way around.
    pub fn sorted_by(&self, word: &str) -> String {
        if self.sort_word() == word { self.query(&format!("-{word}"), 1) } else { self.query(word, 1) }
    }

    /// What `aria-sort` says of a column.
    pub fn aria_sort(&self, word: &str) -> &'static str {
        match self.sort_word() {
            now if now == word => "ascending",
            now if now.strip_prefix('-') == Some(word) => "descending",
            _ => "none",
        }
    }

    /// The query of another page.
    pub fn on_page(&self, page: usize) -> String {
        self.query(&self.sort_word(), page)
    }

    /// Whether anything is left out by what is asked for.
    pub fn is_narrowed(&self) -> bool {
        !self.search.is_empty() || self.show != Show::All
    }
}

/// A page of the list.
pub struct List {
    /// Its rows.
    pub rows: Vec<Row>,
    /// How many tokens there are.
    pub total: usize,
    /// How many of them are asked for.
    pub found: usize,
    /// Number of this page.
    pub page: usize,
    /// How many pages there are.
    pub pages: usize,
}

/// A token in the list.
pub struct Row {
    /// Its number.
    pub id: TokenId,
    /// Its name.
    pub name: SmolStr,
    /// Last characters of its newest secret.
    pub hint: String,
    /// Its kind.
    pub kind: &'static str,
    /// Its access, in a line.
    pub access: String,
    /// Where it works, if not everywhere.
    pub ranges: Option<String>,
    /// When it was created.
    pub created_at: Time,
    /// By whom.
    pub created_by: String,
    /// When it was last used.
    pub last_used: LastUse,
    /// When it stops working, and whether that is past or near.
    pub expires_at: Option<(Time, &'static str)>,
    /// From when on it works, if that is still to come.
    pub begins_at: Option<Time>,
    /// Until when an older secret works too.
    pub overlaps_until: Option<Time>,
    /// Uses by day.
    pub spark: Option<Sparkline>,
}

/// The rows that are asked for, without their charts.
pub fn list(view: &View<'_>, account: &Account, wanted: &Wanted) -> List {
    let state = &view.projections.state;
    let all = account.tokens.iter().filter_map(|&id| state.token(id));
    let mut found: Vec<(&Token, SmolStr)> = all
        .map(|token| (token, words::text(view, token.name)))
        .filter(|(token, name)| is_shown(view, token, wanted.show) && is_found(view, token, name, &wanted.search))
        .collect();
    sort(view, &mut found, wanted);
    let pages = found.len().div_ceil(ROWS).max(1);
    let page = wanted.page.min(pages);
    let rows = found.iter().skip((page - 1) * ROWS).take(ROWS).map(|(token, name)| row(view, token, name.clone()));
    List { rows: rows.collect(), total: account.tokens.len(), found: found.len(), page, pages }
}

fn is_shown(view: &View<'_>, token: &Token, show: Show) -> bool {
    match show {
        Show::All => true,
        Show::Full => token.access == Access::Full,
        Show::Idle => {
            let last = view.projections.last_used.token(token.id).map_or(token.created_at, |uses| uses.last_at);
            last.plus_seconds(IDLE_SECONDS) <= view.now
        }
        Show::Expiring => token.expires_at.is_some_and(|end| end <= view.now.plus_seconds(SOON_SECONDS)),
    }
}

/// Whether every word that is looked for is somewhere in what the row shows. The last characters of the secret are found
/// only by all of them: they are random, and part of them would now and then bring up a token that nobody looked for.
fn is_found(view: &View<'_>, token: &Token, name: &str, search: &str) -> bool {
    if search.is_empty() {
        return true;
    }
    let hint = String::from_utf8_lossy(&token.hint()).to_lowercase();
    let shown = format!("{name} {}", words::access_line_whole(view, &token.access)).to_lowercase();
    let has = |word: &str| shown.contains(word) || word.trim_start_matches('…') == hint;
    search.to_lowercase().split_whitespace().all(has)
}

fn sort(view: &View<'_>, found: &mut [(&Token, SmolStr)], wanted: &Wanted) {
    let used = |token: &Token| view.projections.last_used.token(token.id).map(|uses| uses.last_at);
    // By name where nothing else tells them apart, so that the order is always the same.
    found.sort_by_cached_key(|(token, name)| (name.to_lowercase(), token.id));
    match wanted.sort {
        Sort::Name => {}
        Sort::Created => found.sort_by_key(|(token, _)| token.created_at),
        Sort::Used => found.sort_by_key(|(token, _)| Reverse(used(token))),
        Sort::Expires => found.sort_by_key(|(token, _)| token.expires_at.unwrap_or(Timestamp(u64::MAX))),
    }
    if wanted.is_reversed {
        found.reverse();
    }
}

fn row(view: &View<'_>, token: &Token, name: SmolStr) -> Row {
    let now = view.now;
    let older = token.secrets.iter().rev().skip(1).filter_map(|secret| secret.not_after).find(|end| *end > now);
    let conditions = token.conditions();
    Row {
        id: token.id,
        name,
        hint: String::from_utf8_lossy(&token.hint()).into_owned(),
        kind: words::kind_label(token.kind),
        access: words::access_line(view, &token.access),
        ranges: conditions.ranges_in_words().map(|ranges| match &ranges[..] {
            [one] => format!("from {one}"),
            [one, rest @ ..] => format!("from {one} and {} more", rest.len()),
            [] => String::new(),
        }),
        created_at: Time(token.created_at),
        created_by: words::principal(view, token.created_by),
        last_used: LastUse::of(view, token),
        expires_at: token.expires_at.map(|end| (Time(end), expiry_word(end, now))),
        begins_at: conditions.not_before.filter(|begin| *begin > now).map(Time),
        overlaps_until: older.map(Time),
        spark: None,
    }
}

fn expiry_word(end: Timestamp, now: Timestamp) -> &'static str {
    match () {
        () if end <= now => "expired",
        () if end <= now.plus_seconds(SOON_SECONDS) => "soon",
        () => "",
    }
}

impl List {
    /// How much of it is shown, in words.
    pub fn in_words(&self) -> String {
        let tokens = |count: usize| counted(count as u64, "token");
        match (self.found == self.total, self.pages) {
            (true, 1) => tokens(self.total),
            (true, _) => format!("{}, page {} of {}", tokens(self.total), self.page, self.pages),
            (false, 1) => format!("{} of {}", self.found, tokens(self.total)),
            (false, _) => format!("{} of {}, page {} of {}", self.found, tokens(self.total), self.page, self.pages),
        }
    }
}
