//! Uses by day of the last thirty, for the small charts of lists. A day that is over does not change any more: it is read
//! once, and kept.

use super::chart::Sparkline;
use super::words::{counted, number};
use crate::domain::ids::TokenId;
use crate::domain::time::Timestamp;
use crate::http::App;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Days that are shown, today's included.
pub const DAYS: u64 = 30;
const DAY_HOURS: u64 = 24;
/// Tokens whose days are kept. When there are more, all begin anew.
const KEPT_MAX: usize = 20_000;

/// Counts of the days that are over, oldest first, up to but without a day.
type Kept = HashMap<TokenId, (u64, Vec<u64>)>;

/// What is kept.
#[derive(Debug, Default)]
pub struct Sparks(Mutex<Kept>);

/// Uses of each token on each of the last days; none where history cannot be read.
pub async fn of(app: &App, tokens: &[TokenId], now: Timestamp) -> Option<Vec<Vec<u64>>> {
    let today = now.hour() / DAY_HOURS;
    let first = (today + 1).saturating_sub(DAYS);
    let missing: Vec<TokenId> = {
        let kept = app.sparks.0.lock();
        tokens.iter().copied().filter(|token| kept.get(token).is_none_or(|(until, _)| *until != today)).collect()
    };
    if !missing.is_empty() {
        let counts = read(app, &missing, (first, today)).await?;
        let mut kept = app.sparks.0.lock();
        if kept.len() + missing.len() > KEPT_MAX {
            kept.clear();
        }
        kept.extend(missing.into_iter().zip(counts).map(|(token, days)| (token, (today, days))));
    }
    let of_today = read(app, tokens, (today, today + 1)).await?;
    let kept = app.sparks.0.lock();
    let whole = tokens.iter().zip(of_today).map(|(token, today)| {
        let mut days = kept.get(token).map(|(_, days)| days.clone()).unwrap_or_default();
        days.extend(today);
        days
    });
    Some(whole.collect())
}

/// Counts of whole days, from one on and before another.
async fn read(app: &App, tokens: &[TokenId], (from, to): (u64, u64)) -> Option<Vec<Vec<u64>>> {
    let range = (from * DAY_HOURS, to * DAY_HOURS);
    let rows = app.ledger.token_days(tokens.to_vec(), range).await;
    let rows = rows.inspect_err(|error| tracing::warn!(%error, "uses by day could not be read")).ok()?;
    let length = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
    let mut counts = vec![vec![0; length]; tokens.len()];
    let places: HashMap<TokenId, usize> = tokens.iter().copied().zip(0..).collect();
    for (token, day, uses) in rows {
        let day = usize::try_from(day.saturating_sub(from)).unwrap_or(usize::MAX);
        if let Some(count) = places.get(&token).and_then(|&place| counts[place].get_mut(day)) {
            *count += uses;
        }
    }
    Some(counts)
}

/// A token's days as a small chart.
pub fn sparkline(days: Vec<u64>) -> Sparkline {
    let sum: u64 = days.iter().sum();
    let label = match days.iter().copied().max() {
        Some(most) if most > 0 => {
            let used = days.iter().filter(|&&day| day > 0).count() as u64;
            format!("{} in 30 days, on {}; at most {} a day", counted(sum, "use"), counted(used, "day"), number(most))
        }
        _ => "No use in 30 days".to_owned(),
    };
    Sparkline { values: days, label }
}
