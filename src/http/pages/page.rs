//! What every page has: title, head with the way around, banner of the past, message, foot.

use super::assets::{ICON, SCRIPT, STYLE};
use super::viewer::{Standing, Viewer};
use super::words::{self, Time};
use crate::audit::answer::Basis;
use crate::audit::past::Point;
use crate::domain::ids::{AccountId, Position};
use crate::domain::time::{MICROS_PER_SECOND, Timestamp};
use crate::http::entry::Asked;
use crate::ledger::View;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use smol_str::SmolStr;

/// What a template hands to `base.html` as `page`.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Of the browser's tab, and the page's first heading.
    pub title: String,
    /// Whoever is signed in.
    pub viewer: Option<Viewer>,
    /// The account that the page is of.
    pub account: Option<AccountHead>,
    /// Which entry of the way around it is; none of them if empty.
    pub section: Section,
    /// The point of the past that it shows.
    pub as_of: Option<AsOf>,
    /// What was just done.
    pub flash: Option<&'static str>,
    /// What else was asked for: kept by the control that asks for another point of the past.
    pub asked: Vec<(String, String)>,
}

/// An account in the head of a page.
#[derive(Clone, Debug)]
pub struct AccountHead {
    /// Its number.
    pub id: AccountId,
    /// Its name.
    pub name: SmolStr,
    /// Its plan.
    pub plan: &'static str,
    /// What the viewer may do with it.
    pub standing: Standing,
}

/// An entry of the way around an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Section {
    /// None of them.
    #[default]
    None,
    /// API & Access.
    Access,
    /// Usage.
    Usage,
    /// History.
    History,
    /// OAuth applications.
    Applications,
    /// The viewer's own page.
    Own,
    /// Pages of staff.
    Staff,
}

/// The point of the past that a page shows.
#[derive(Clone, Debug)]
pub struct AsOf {
    /// The last position that counts.
    pub position: Position,
    /// The time that it is judged at.
    pub at: Timestamp,
    /// Root of the tree over the records up to there.
    pub root: String,
    /// The point as links have it.
    pub asked: String,
}

impl AsOf {
    /// Of a point that was found.
    pub fn new(basis: &Basis, point: Point) -> Self {
        let asked = match point {
            Point::Time(at) if at.0 % MICROS_PER_SECOND == 0 => at.to_seconds_text(),
            Point::Time(at) => at.to_micros_text(),
            Point::Position(position) => position.to_string(),
            Point::Head => basis.position.to_string(),
        };
        Self { position: basis.position, at: basis.at, root: STANDARD.encode(basis.root), asked }
    }

    /// Its time, in words.
    pub fn time(&self) -> Time {
        Time(self.at)
    }
}

/// What a page can say that was just done, by the word in its address. Nothing else is shown from there.
const FLASHES: &[(&str, &str)] = &[
    ("updated", "Saved. The token works with these settings from now on."),
    ("unchanged", "Nothing was changed: the token had these settings already."),
    ("deleted", "The token is deleted and works no more. What it did stays in the history."),
    ("signed-in", "You are signed in."),
    ("signed-out", "You are signed out."),
    ("revoked", "Revoked. It works no more."),
    ("recorded", "Recorded."),
    ("saved", "Saved."),
    ("sent-before", "This form was sent before. What it asked for was done then, and nothing was done now."),
    ("gone", "Deleted, with every token that it held."),
];

impl Page {
    /// A page of whoever is signed in.
    pub fn new(title: impl Into<String>, viewer: &Viewer, asked: &Asked) -> Self {
        let query = asked.query.iter().flatten();
        let done = query.filter(|(name, _)| name == "done").map(|(_, word)| word.as_str()).next();
        let flash = FLASHES.iter().find(|(word, _)| Some(*word) == done).map(|(_, words)| *words);
        let of_the_control = |name: &str| name.starts_with("as_of") || matches!(name, "done" | "before");
        let asked = asked.query.iter().flatten().filter(|(name, _)| !of_the_control(name)).cloned().collect();
        Self { title: title.into(), viewer: Some(viewer.clone()), flash, asked, ..Self::default() }
    }

    /// A page that does not know who looks.
    pub fn bare(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// In an account's section.
    #[must_use]
    pub fn in_account(self, view: &View<'_>, account: AccountId, standing: Standing, section: Section) -> Self {
        let found = view.projections.state.account(account);
        let head = found.map(|found| AccountHead {
            id: account,
            name: words::text(view, found.name),
            plan: found.plan.name(),
            standing,
        });
        Self { account: head, section, ..self }
    }

    /// In a section that is no account's.
    #[must_use]
    pub fn in_section(self, section: Section) -> Self {
        Self { section, ..self }
    }

    /// As of a point of the past.
    #[must_use]
    pub fn as_of(self, as_of: Option<AsOf>) -> Self {
        Self { as_of, ..self }
    }

    /// What links within the account end with: the point of the past, or nothing.
    pub fn suffix(&self) -> String {
        self.as_of.as_ref().map_or_else(String::new, |as_of| format!("?as_of={}", words::in_url(&as_of.asked)))
    }

    /// A link within the account that keeps the point of the past; `query` may be empty.
    pub fn link(&self, path: &str, query: &str) -> String {
        let begin = if query.is_empty() { self.suffix() } else { self.suffix().replacen('?', "&", 1) };
        if query.is_empty() { format!("{path}{begin}") } else { format!("{path}?{query}{begin}") }
    }

    /// The same page, now.
    pub fn now(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.asked.iter());
        format!("?{}", query.finish())
    }

    /// Whether anything can be changed by it: the past is past.
    pub fn is_past(&self) -> bool {
        self.as_of.is_some()
    }

    /// What every form has in its field `csrf`.
    pub fn csrf(&self) -> &str {
        self.viewer.as_ref().map_or("", |viewer| viewer.csrf.as_str())
    }

    /// Path of the style sheet.
    pub fn style(&self) -> String {
        STYLE.path()
    }

    /// Path of the script.
    pub fn script(&self) -> String {
        SCRIPT.path()
    }

    /// Path of the sign in the browser's tab.
    pub fn icon(&self) -> String {
        ICON.path()
    }

    /// Whether an entry of the way around is this page's.
    pub fn is_in(&self, section: &str) -> bool {
        let own = match self.section {
            Section::None => "",
            Section::Access => "access",
            Section::Usage => "usage",
            Section::History => "history",
            Section::Applications => "applications",
            Section::Own => "own",
            Section::Staff => "staff",
        };
        own == section
    }

    /// Whether it can be shown as of a point of the past. What was authorised then is told by history: applications are
    /// shown as they are now, and a page of the past does not lead to them.
    pub fn has_past(&self) -> bool {
        self.section != Section::Applications
    }

    /// Whether staff looks.
    pub fn is_staff(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| viewer.is_staff())
    }
}
