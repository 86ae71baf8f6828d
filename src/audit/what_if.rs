//! What if: past requests judged again against a proposed change, by the rules that decide. The change is supposed to
//! have been made at the beginning of the time that is asked about, and to hold to its end, whatever was changed
//! meanwhile; everything else is as the log says.
//!
//! A use that the change refuses does not draw. So windows may open later, have room for what was refused, or fill up
//! with what was not: where that can be, everything that draws from the same windows is judged, else only what the
//! change speaks of. Refused requests are judged too, as far as they were recorded one by one.

mod anchor;
mod blockers;
mod found;
mod lists;
mod replay;
mod scene;
mod tell;

pub use anchor::{PoolKeys, beginning_of_windows};
pub use blockers::Blocker;
pub use found::{EXAMPLES_MAX, Found, Group, Seen};
pub use scene::{owner_of, tokens_of};

use super::answer::{Answer, Basis};
use super::archive::{Archive, Range};
use super::questions::AuditError;
use crate::domain::supposition::Supposition;
use replay::Replay;
use scene::Scene;
use tell::tell;

/// Its name as a question.
pub const NAME: &str = "what-if";

/// The answer to what would have been, with what it names of the change.
pub fn proposed(archive: &Archive, supposed: &[Supposition], range: Range) -> Result<Answer, AuditError> {
    let found = what_if(archive, supposed, range)?;
    let mut answer = Answer::new(NAME, Basis::new(archive, range.1, archive.now())?);
    let account = supposed.iter().find_map(Supposition::account).map(|account| ("account", account.0));
    let token = supposed.iter().find_map(Supposition::token).map(|token| ("token", token.0));
    let user = supposed.iter().find_map(Supposition::member).map(|(_, user)| ("user", user.0));
    let named = account.into_iter().chain(token).chain(user);
    answer.asked.extend(named.map(|(name, number)| (name.to_owned(), number.into())));
    tell(&mut answer, archive, &found);
    Ok(answer)
}

/// Judges the past again. `range`: the positions that are judged.
pub fn what_if(archive: &Archive, supposed: &[Supposition], range: Range) -> Result<Found, AuditError> {
    let scene = Scene::of(archive, supposed, range.1)?;
    let mut found = match scene.needs_windows() {
        true => Found::default(),
        false => Replay::of_subject(archive, &scene, range)?,
    };
    if scene.needs_windows() || (found.is_disturbed() && !scene.windows_never_fill(archive, range, &found)?) {
        found = Replay::of_windows(archive, &scene, range)?;
    }
    found.blockers = blockers::find(archive, &scene, range)?;
    Ok(found)
}
