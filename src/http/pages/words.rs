//! What is shown, in words: times, numbers, names, accesses. What gives HTML by itself is marked so, and escapes what it
//! is given.

use crate::audit::describe::Words;
use crate::domain::access::{Access, Coverage, Grant, GroupNumber, Level, ScopeGroup};
use crate::domain::ids::{TextNumber, UserId};
use crate::domain::table::Table;
use crate::domain::time::Timestamp;
use crate::domain::token::{Principal, Token, TokenKind};
use crate::http::shapes;
use crate::ledger::View;
use askama::filters::HtmlSafe;
use smol_str::SmolStr;
use std::borrow::Borrow;
use std::fmt;

/// Names of resources that one line names before it counts.
const NAMES_IN_LINE: usize = 3;

/// An instant, to the second: a `<time>` element with the exact UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Time(pub Timestamp);

impl HtmlSafe for Time {}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.0.to_seconds_text();
        write!(f, "<time datetime=\"{exact}\">{} {}&nbsp;UTC</time>", &exact[..10], &exact[11..19])
    }
}

/// A text within markup that is made here.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['<', '>', '&', '"', '\'']) {
            let special = part.chars().next_back().filter(|last| "<>&\"'".contains(*last));
            f.write_str(&part[..part.len() - special.map_or(0, char::len_utf8)])?;
            if let Some(special) = special {
                write!(f, "&#{};", u32::from(special))?;
            }
        }
        Ok(())
    }
}

impl Time {
    /// In a sentence without markup, such as a title.
    pub fn plain(self) -> String {
        let exact = self.0.to_seconds_text();
        format!("{} {} UTC", &exact[..10], &exact[11..19])
    }

    /// The day alone.
    pub fn day(self) -> String {
        self.0.to_seconds_text()[..10].to_owned()
    }
}

/// When something was last used: as HTML, the time and how long ago that is.
pub enum LastUse {
    /// Then, and so long ago.
    At(Time, String),
    /// Never.
    Never,
    /// Not here; nobody knows what was before it was taken over.
    NotKnownBefore(Time),
}

impl LastUse {
    /// Of a token.
    pub fn of(view: &View<'_>, token: &Token) -> Self {
        match (view.projections.last_used.token(token.id), token.imported_at) {
            (Some(uses), _) => Self::at(uses.last_at, view.now),
            (None, Some(imported)) => Self::NotKnownBefore(Time(imported)),
            (None, None) => Self::Never,
        }
    }

    /// At an instant.
    pub fn at(at: Timestamp, now: Timestamp) -> Self {
        Self::At(Time(at), distance(at, now))
    }
}

impl HtmlSafe for LastUse {}

impl fmt::Display for LastUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at, ago) => write!(f, "{at} <small class=\"quiet\">{ago}</small>"),
            Self::Never => f.write_str("never"),
            Self::NotKnownBefore(at) => write!(f, "not known before {at}"),
        }
    }
}

/// How long before or after `now` an instant is, roughly: "3 hours ago", "in 2 days".
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.seconds().abs_diff(now.seconds());
    let (count, unit) = match seconds {
        0..60 => return if at <= now { "just now" } else { "in a moment" }.to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        86_400..5_184_000 => (seconds / 86_400, "day"),
        5_184_000..63_072_000 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    let some = counted(count, unit);
    if at <= now { format!("{some} ago") } else { format!("in {some}") }
}

/// "1 day", "3 days".
pub fn counted(count: impl Borrow<u64>, unit: &str) -> String {
    let count = *count.borrow();
    format!("{} {unit}{}", number(count), if count == 1 { "" } else { "s" })
}

/// A number with its thousands apart: `12,345`.
pub fn number(number: impl Borrow<u64>) -> String {
    let digits = number.borrow().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text by its number, for people: of an erased one that it is.
pub fn text(view: &View<'_>, number: TextNumber) -> SmolStr {
    shapes::text(view.texts, number).unwrap_or_else(|| "(erased)".into())
}

/// A member of an answer as people read it: `opened_at` is "Opened at".
pub fn label_of_member(name: &str) -> String {
    group_label(name)
}

/// A scope group as people read it: `domain_research` is "Domain research".
pub fn group_label(name: &str) -> String {
    let mut label = name.replace('_', " ");
    if let Some(first) = label.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    label
}

/// A level as people read it.
pub fn level_label(level: Level) -> &'static str {
    match level {
        Level::ReadOnly => "read only",
        Level::FullAccess => "full access",
    }
}

/// A kind of token as people read it.
pub fn kind_label(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Account => "Account token",
        TokenKind::User => "User token",
        TokenKind::OAuth => "OAuth token",
        TokenKind::Gateway => "Gateway token",
        TokenKind::Operator => "Operator token",
        TokenKind::Auditor => "Auditor token",
        TokenKind::Session => "Session",
    }
}

/// An access in one readable line: "Zones: read only on example.com, example.net; Domains: full access". Of many names it
/// says the first, and how many more there are.
pub fn access_line(view: &View<'_>, access: &Access) -> String {
    line(view, access, NAMES_IN_LINE)
}

/// The same with every name.
pub fn access_line_whole(view: &View<'_>, access: &Access) -> String {
    line(view, access, usize::MAX)
}

fn line(view: &View<'_>, access: &Access, names_max: usize) -> String {
    let grants = match access {
        Access::Full => return "Full access".to_owned(),
        Access::Granted(grants) if grants.is_empty() => return "No access".to_owned(),
        Access::Granted(grants) => grants,
    };
    let groups = &view.projections.state.groups;
    let lines: Vec<String> = grants.iter().map(|grant| grant_line(view, groups, grant, names_max)).collect();
    lines.join("; ")
}

fn grant_line(view: &View<'_>, groups: &Table<ScopeGroup>, grant: &Grant, names_max: usize) -> String {
    let group = groups.get(u64::from(grant.group));
    let label = group.map_or_else(|| format!("Group {}", grant.group), |group| group_label(&group.name));
    let on = match &grant.coverage {
        Coverage::All => String::new(),
        Coverage::Named(names) if names.is_empty() => " on nothing".to_owned(),
        Coverage::Named(names) => format!(" on {}", names_line(view, names, names_max)),
    };
    format!("{label}: {}{on}", level_label(grant.level))
}

/// The first names, and how many more there are.
fn names_line(view: &View<'_>, numbers: &[TextNumber], names_max: usize) -> String {
    let mut names: Vec<SmolStr> = numbers.iter().map(|&number| text(view, number)).collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(names_max);
    let first = names.iter().take(names_max).map(|name| name.to_string()).collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {} more", number(more as u64)) }
}

/// Who did something, by name where they have one.
pub fn principal(view: &View<'_>, principal: Principal) -> String {
    match principal {
        Principal::Service => "the service".to_owned(),
        Principal::Account(_) => "a token of the account".to_owned(),
        Principal::User(user) => user_name(view, user),
        Principal::Staff(token) => match view.projections.state.token(token) {
            Some(staff) if !staff.name.is_none() => format!("{} (staff)", text(view, staff.name)),
            // A part of the past holds what was asked for: whoever is not in it has no name there.
            _ => "staff".to_owned(),
        },
        Principal::Local(_) => "somebody on the server itself".to_owned(),
        Principal::Application(application) => match view.projections.state.applications.get(application.0) {
            Some(application) if !application.name.is_none() => {
                format!("{} (application)", text(view, application.name))
            }
            _ => "an application".to_owned(),
        },
    }
}

/// A person's name.
pub fn user_name(view: &View<'_>, user: UserId) -> String {
    let known = view.projections.state.user(user);
    known.map_or_else(|| format!("user {user}"), |user| text(view, user.name).to_string())
}

/// A scope group's name in scopes.
pub fn group_name(words: &Words<'_>, number: GroupNumber) -> String {
    words.groups.get(u64::from(number)).map_or_else(String::new, |group| group.name.clone())
}

/// A text as a value in a query or path.
pub fn in_url(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (given, told) in [(0u64, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(given), told);
        }
    }

    #[test]
    fn distances_are_rough_and_exact_times_are_exact() {
        let now = Timestamp::from_seconds(1_772_366_400);
        let at = |seconds: i64| Timestamp::from_seconds(now.seconds().saturating_add_signed(seconds));
        for (seconds, told) in [
            (0, "just now"),
            (-59, "just now"),
            (30, "in a moment"),
            (-60, "1 minute ago"),
            (-7_200, "2 hours ago"),
            (86_400, "in 1 day"),
            (-86_400 * 59, "59 days ago"),
            (-86_400 * 90, "3 months ago"),
            (-86_400 * 800, "2 years ago"),
        ] {
            assert_eq!(distance(at(seconds), now), told, "{seconds}");
        }
        assert_eq!(
            Time(now).to_string(),
            "<time datetime=\"2026-03-01T12:00:00Z\">2026-03-01 12:00:00&nbsp;UTC</time>"
        );
        assert_eq!(Time(now).plain(), "2026-03-01 12:00:00 UTC");
    }

    #[test]
    fn nothing_leaves_a_text_within_markup() {
        assert_eq!(Escaped("a<b>&\"'c").to_string(), "a&#60;b&#62;&#38;&#34;&#39;c");
        assert_eq!(Escaped("").to_string(), "");
        assert_eq!(Escaped("größer").to_string(), "größer");
    }

    #[test]
    fn groups_read_as_words() {
        assert_eq!(group_label("domain_research"), "Domain research");
        assert_eq!(group_label("zones"), "Zones");
        assert_eq!(group_label("über"), "über", "a map's own group may begin with anything");
    }
}
