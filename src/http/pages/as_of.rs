//! A page as of a point of the past: what is asked for, what was so then, and how the page says so.
//!
//! For whoever builds a page of an account:
//!
//! ```text
//! let scene = Scene::of(app, asked, account, LastUses::OfAccount).await?;      // reads `as_of` of the query
//! let rows = scene.view(app, |view| rows(&view)).await;                        // now, or then
//! let page = Page::new(…).in_account(…).as_of(scene.as_of());                  // the banner, and links that keep it
//! scene.note(app, asked, &viewer).await?;                                      // a look at the past is recorded
//! ```
//!
//! Whether somebody may look is judged now; what they see is judged then.

use super::Instead;
use super::form::time;
use super::page::AsOf;
use super::viewer::Viewer;
use crate::audit::as_of::{AccountThen, LastUses};
use crate::audit::past::Point;
use crate::domain::history_read::HistoryQuery;
use crate::domain::ids::{AccountId, Position};
use crate::domain::time::Timestamp;
use crate::http::App;
use crate::http::audit;
use crate::http::entry::Asked;
use crate::http::problem::Problem;
use crate::ledger::View;

/// The field that says as of when.
pub const AS_OF: &str = "as_of";
/// Fields of the control, beside the one that links have: a position apart from a time, since browsers have a field for
/// times.
const AS_OF_POSITION: &str = "as_of_position";

/// The point that a page is asked for; none is now.
pub fn point(asked: &Asked) -> Result<Option<Point>, Box<Problem>> {
    let query = asked.query()?;
    let is_point = |name: &str| [AS_OF, AS_OF_POSITION].contains(&name);
    let said = query.iter().filter(|(name, text)| is_point(name) && !text.trim().is_empty());
    let mut texts = said.map(|(_, text)| text.trim());
    let Some(text) = texts.next() else { return Ok(None) };
    if texts.next().is_some() {
        return Err(Box::new(Problem::malformed("say as of when by a time or by a position, and once")));
    }
    let by_position = text.bytes().all(|byte| byte.is_ascii_digit());
    let point = if by_position { Point::parse(text) } else { time(text).map(Point::Time) };
    let wanted = "as of when must be a time such as 2026-03-01 12:00, or a position such as 1234";
    point.map(Some).ok_or_else(|| Box::new(Problem::malformed(wanted)))
}

/// An account now, or as it was.
#[derive(Debug)]
pub struct Scene {
    account: AccountId,
    /// The last position that counts.
    pub through: Position,
    then: Option<(AccountThen, Point)>,
}

impl Scene {
    /// As the query says. The account may not have been there then: that is told by whoever looks for it.
    pub async fn of(app: &App, asked: &Asked, account: AccountId, uses: LastUses) -> Result<Self, Instead> {
        let Some(point) = point(asked)? else {
            return Ok(Self { account, through: app.ledger.head(), then: None });
        };
        let then = audit::at_desk(app, move |archive| AccountThen::at(archive, point, account, uses)).await?;
        Ok(Self { account, through: then.basis.position, then: Some((then, point)) })
    }

    /// Looks at the read models, now or then.
    pub async fn view<T>(&self, app: &App, look: impl FnOnce(View<'_>) -> T) -> T {
        match &self.then {
            None => app.ledger.view(look).await,
            Some((then, _)) => look(then.view(app.ledger.texts())),
        }
    }

    /// Whether it is the past, where nothing can be changed.
    pub fn is_past(&self) -> bool {
        self.then.is_some()
    }

    /// The time that it is judged at; none is now.
    pub fn at(&self) -> Option<Timestamp> {
        self.then.as_ref().map(|(then, _)| then.basis.at)
    }

    /// What the page says of it.
    pub fn as_of(&self) -> Option<AsOf> {
        self.then.as_ref().map(|(then, point)| AsOf::new(&then.basis, *point))
    }

    /// Records that somebody looked at the past; of the present there is nothing to record.
    pub async fn note(&self, app: &App, asked: &Asked, viewer: &Viewer) -> Result<(), Instead> {
        if self.is_past() {
            let query = HistoryQuery::of("as_of", self.through).about_account(self.account);
            app.read_history(asked, &viewer.reader(), query).await?;
        }
        Ok(())
    }
}
