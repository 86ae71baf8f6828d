//! Refusals that are counted first and recorded later: past sixty a minute for one token, and for quota.

use super::draft::{Context, Draft, Recorded};
use crate::domain::event::{Cause, QuotaRefusalsTotalled, RefusalsSummed};
use crate::domain::ids::{AccountId, TextNumber, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::text::{PersonalText, Subject, TextKind, Texts};
use crate::domain::time::Timestamp;
use crate::domain::token::Principal;
use crate::domain::window::WINDOW_SECONDS;
use std::collections::BTreeMap;

/// Tokens counted in one total of a window; what is more goes to further totals. Two full-width numbers are 18 bytes,
/// so that a full one fits a record with room to spare.
pub const QUOTA_TOKENS_A_RECORD: usize = 3_000;
/// Client addresses named in one summary: the first ones.
pub const SUMMED_ADDRESSES_MAX: usize = 8;

/// One refusal to be counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TallyNote {
    /// Past the number that is recorded one by one.
    Refusal {
        /// Account of the stream.
        account: AccountId,
        /// The token.
        token: TokenId,
        /// Why.
        cause: Cause,
        /// When.
        at: Timestamp,
        /// From where.
        address: Option<PersonalText>,
    },
    /// For quota, the first of a window too: it is recorded by itself and counted in the total.
    Quota {
        /// Account whose window it is; none for a user's own.
        account: AccountId,
        /// User whose own window it is; none for an account's.
        user: UserId,
        /// Which window.
        window_opened_at: u64,
        /// The token.
        token: TokenId,
    },
}

/// Counted refusals of one token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusalSum {
    /// How many for each cause.
    pub counts: BTreeMap<Cause, u64>,
    /// When the first of them was.
    pub first: Timestamp,
    /// When the last of them was.
    pub last: Timestamp,
    /// From where: the first eight addresses.
    pub addresses: Vec<PersonalText>,
}

/// Refusals for quota of one window, by token.
pub type QuotaTotal = BTreeMap<TokenId, u64>;

/// All counts that are not recorded yet. Lost in a crash: `RecordingStarted` says so.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    refusals: BTreeMap<(AccountId, TokenId), RefusalSum>,
    quotas: BTreeMap<(AccountId, UserId, u64), QuotaTotal>,
}

impl Tally {
    /// Counts one refusal.
    pub fn add(&mut self, note: TallyNote) {
        match note {
            TallyNote::Quota { account, user, window_opened_at, token } => {
                *self.quotas.entry((account, user, window_opened_at)).or_default().entry(token).or_default() += 1;
            }
            TallyNote::Refusal { account, token, cause, at, address } => {
                let sum = self.refusals.entry((account, token)).or_insert_with(|| RefusalSum {
                    counts: BTreeMap::new(),
                    first: at,
                    last: at,
                    addresses: Vec::new(),
                });
                *sum.counts.entry(cause).or_default() += 1;
                sum.last = at;
                if let Some(address) = address
                    && sum.addresses.len() < SUMMED_ADDRESSES_MAX
                    && !sum.addresses.contains(&address)
                {
                    sum.addresses.push(address);
                }
            }
        }
    }

    /// Forgets where the refusals of some tokens came from: the addresses were erased, and must not come back with the
    /// record of their sum.
    pub fn forget_addresses(&mut self, is_erased: impl Fn(TokenId) -> bool) {
        for ((_, token), sum) in &mut self.refusals {
            if is_erased(*token) {
                sum.addresses.clear();
            }
        }
    }

    /// Whether nothing waits to be recorded.
    pub fn is_empty(&self) -> bool {
        self.refusals.is_empty() && self.quotas.is_empty()
    }

    /// Takes what is due: sums whose first refusal lies in an earlier minute than `now`, and totals of windows that
    /// have ended by then; all of them when `everything`.
    pub fn take_due(&mut self, now: Timestamp, everything: bool) -> Due {
        let is_past = |sum: &RefusalSum| everything || sum.first.minute() < now.minute();
        let has_ended = |opened_at: u64| everything || opened_at + WINDOW_SECONDS <= now.seconds();
        Due {
            refusals: self.refusals.extract_if(.., |_, sum| is_past(sum)).collect(),
            quotas: self.quotas.extract_if(.., |(_, _, opened_at), _| has_ended(*opened_at)).collect(),
        }
    }

    /// Takes back what was due but could not be recorded. Nothing may have been counted since it was taken.
    pub fn give_back(&mut self, due: Due) {
        self.refusals.extend(due.refusals);
        self.quotas.extend(due.quotas);
    }
}

/// Counts taken to be recorded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Due {
    /// Sums of refusals, by account and token.
    pub refusals: Vec<((AccountId, TokenId), RefusalSum)>,
    /// Totals of windows, by account, user and opening.
    pub quotas: Vec<((AccountId, UserId, u64), QuotaTotal)>,
}

/// The record of one token's counted refusals.
pub fn record_refusal_sum(
    state: &State,
    context: &Context<'_>,
    texts: &mut dyn Texts,
    about: (AccountId, TokenId),
    sum: &RefusalSum,
) -> Vec<Recorded> {
    let subject = state.token(about.1).map_or(Subject::Service, |token| Subject::from(token.owner));
    let mut draft = Draft::new(state, context, texts, about, (Principal::Service, TokenId::NONE));
    let addresses: Vec<TextNumber> =
        sum.addresses.iter().map(|text| draft.intern(subject, TextKind::Address, text.as_str())).collect();
    let counts = sum.counts.iter().map(|(&cause, &count)| (cause, count)).collect();
    draft.record(RefusalsSummed { counts, first: sum.first, last: sum.last, addresses });
    draft.finish()
}

/// The records of one window's refusals for quota: as many as its tokens take.
pub fn record_quota_total(
    state: &State,
    context: &Context<'_>,
    texts: &mut dyn Texts,
    window: (AccountId, UserId, u64),
    total: &QuotaTotal,
) -> Vec<Recorded> {
    let (account, user, window_opened_at) = window;
    let about = (account, TokenId::NONE);
    let mut draft = Draft::new(state, context, texts, about, (Principal::Service, TokenId::NONE));
    let counts: Vec<(TokenId, u64)> = total.iter().map(|(&token, &count)| (token, count)).collect();
    for part in counts.chunks(QUOTA_TOKENS_A_RECORD) {
        draft.record(QuotaRefusalsTotalled { user, window_opened_at, counts: part.to_vec() });
    }
    draft.finish()
}
