//! From where, and with what, a token was used last; and what reviews decided of it.

use super::archive::Archive;
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position, TextNumber, TokenId};
use crate::domain::review::{ReviewRow, ReviewVerdict};
use crate::domain::time::Timestamp;
use crate::log::LogError;
use crate::projections::index::find::Wanted;
use crate::projections::keys::Key;
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Requests of a token that came from one address, or with one agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The address, or agent; none where nobody said one, or too many did.
    pub text: TextNumber,
    /// Allowed requests.
    pub uses: u64,
    /// Refused requests.
    pub refused: u64,
    /// The first of them that was looked at.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
}

/// The newest requests of a token.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Callers {
    /// By address, most requests first.
    pub addresses: Vec<Caller>,
    /// By agent, most requests first.
    pub agents: Vec<Caller>,
    /// How many requests were looked at.
    pub requests: u64,
    /// When the oldest of them was; none where there was none.
    pub since: Option<Timestamp>,
    /// Whether there were older ones.
    pub is_cut: bool,
}

/// Looks at the newest requests of a token on an account, `limit` at most, up to a position. Refusals that were summed are not
/// among them: a sum does not say what came from where.
pub fn recent_callers(
    archive: &Archive,
    (account, token): (AccountId, TokenId),
    through: Position,
    limit: u64,
) -> Result<Callers, LogError> {
    let mut callers = Callers::default();
    let (mut addresses, mut agents) = (HashMap::new(), HashMap::new());
    let traffic = [Key::TokenTraffic(token)];
    archive.visit_back(&Wanted::any(&traffic), (Position::NONE, through), &mut |_, header, event| {
        let Some((address, agent, is_refused)) = request(event).filter(|_| header.account == account) else {
            return ControlFlow::Continue(());
        };
        if callers.requests >= limit {
            callers.is_cut = true;
            return ControlFlow::Break(());
        }
        callers.requests += 1;
        callers.since = Some(header.recorded_at);
        add(&mut addresses, address, is_refused, header);
        add(&mut agents, agent, is_refused, header);
        ControlFlow::Continue(())
    })?;
    (callers.addresses, callers.agents) = (sorted(addresses), sorted(agents));
    Ok(callers)
}

fn request(event: &Event) -> Option<(TextNumber, TextNumber, bool)> {
    match event {
        Event::TokenUsed(used) => Some((used.address, used.agent, false)),
        Event::TokenUseRefused(refused) => Some((refused.address, refused.agent, true)),
        _ => None,
    }
}

/// Newest first: the first that comes is the last.
fn add(callers: &mut HashMap<TextNumber, Caller>, text: TextNumber, is_refused: bool, header: &Header) {
    let at = header.recorded_at;
    let caller = callers.entry(text).or_insert(Caller { text, uses: 0, refused: 0, first: at, last: at });
    caller.first = at;
    let count = if is_refused { &mut caller.refused } else { &mut caller.uses };
    *count += 1;
}

fn sorted(callers: HashMap<TextNumber, Caller>) -> Vec<Caller> {
    let mut callers: Vec<Caller> = callers.into_values().collect();
    callers.sort_unstable_by_key(|caller| (std::cmp::Reverse(caller.uses + caller.refused), caller.text));
    callers
}

/// What a review decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Where it is recorded.
    pub position: Position,
    /// When, and by whom.
    pub header: Header,
    /// Of which review.
    pub review: u64,
    /// The position that the review looks at.
    pub of: Position,
    /// What.
    pub verdict: ReviewVerdict,
    /// Why; none where nothing is said.
    pub note: TextNumber,
}

/// What the reviews of an account decided of one row, up to a position, newest first.
pub fn decisions(
    archive: &Archive,
    account: AccountId,
    row: ReviewRow,
    through: Position,
) -> Result<Vec<Decision>, LogError> {
    let wanted = Wanted::any(&[Key::AccountTraffic(account)]).and_any(&[Key::of_type("AccessReviewDecided")]);
    let mut decisions = Vec::new();
    archive.visit_back(&wanted, (Position::NONE, through), &mut |position, header, event| {
        if let Event::AccessReviewDecided(decided) = event
            && decided.row == row
        {
            let (review, of, verdict) = (decided.review, decided.position, decided.verdict);
            decisions.push(Decision { position, header: *header, review, of, verdict, note: decided.note });
        }
        ControlFlow::Continue(())
    })?;
    Ok(decisions)
}

/// Uses and refusals of a token on an account in a range of positions, refusals by cause as they were recorded one by one or
/// in sums: what a clock hour has of it that is not over at the last of them.
pub fn counted_between(
    archive: &Archive,
    (account, token): (AccountId, TokenId),
    range: (Position, Position),
) -> Result<(u64, HashMap<&'static str, u64>), LogError> {
    let (mut uses, mut refused) = (0, HashMap::new());
    archive.visit(&[Key::TokenTraffic(token)], range, &mut |_, header, event| {
        let mut refuse = |cause: &'static str, count: u64| *refused.entry(cause).or_default() += count;
        match event {
            _ if header.account != account => {}
            Event::TokenUsed(_) => uses += 1,
            Event::TokenUseRefused(one) => refuse(one.cause.name(), 1),
            Event::ManagementRefused(one) => refuse(one.cause.name(), 1),
            Event::RefusalsSummed(sum) => sum.counts.iter().for_each(|(cause, count)| refuse(cause.name(), *count)),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok((uses, refused))
}
