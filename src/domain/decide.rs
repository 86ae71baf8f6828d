//! `decide`: command → events or a rejection. Pure: time, texts and salts are passed in, nothing is changed.
//!
//! All rules sit below here; what they accept is written down as events and only then taken in by
//! [`State::evolve`](super::state::State::evolve).

mod access;
mod again;
mod authority;
mod authorize;
mod conditions;
mod consumer;
mod directory;
mod draft;
mod erasure;
mod gateway;
mod history_read;
mod imports;
mod log_key;
mod management;
mod narrowing;
mod oauth;
mod once;
mod report;
mod review;
mod rules;
mod scope_map;
mod seal;
mod sign_in;
mod tokens;
mod totals;

pub use access::{NAMES_IN_GRANT_MAX, understood};
pub use again::{Again, AskedFor, CameFrom, PastUse, access_on, is_research};
pub use authority::{AuthorityFault, ChangeFrom, faults_of};
pub use authorize::{decide_question, is_within_reach};
pub use consumer::{AccountCard, Refused, UseAnswer, UserCard, Verdict};
pub use draft::{Context, Recorded};
pub use erasure::RANGES_A_RECORD;
pub use imports::IMPORT_LINES_MAX;
pub use management::{Done, Subject as DoneSubject, may_change, may_look, may_read, right_over};
pub use narrowing::narrows;
pub use report::decide_line;
pub use totals::{
    Due, QUOTA_TOKENS_A_RECORD, QuotaTotal, RefusalSum, Tally, TallyNote, record_quota_total, record_refusal_sum,
};

use super::command::Command;
use super::digests::Digests;
use super::ids::Position;
use super::rejection::Rejection;
use super::report::LineResult;
use super::state::State;
use super::text::Texts;

/// Refusals of one token that are recorded one by one in a minute; the rest are summed.
pub const REFUSALS_A_MINUTE_MAX: u32 = 60;
/// New agents of one token that are interned in an hour; the rest are number 0, "other".
pub const NEW_AGENTS_AN_HOUR_MAX: u32 = 60;
/// Longest agent kept, in bytes; what is longer is cut at a character.
pub const AGENT_BYTES_MAX: usize = 255;

/// What a decision answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// To a use.
    Use(Box<UseAnswer>),
    /// To a change that was carried out (also one that changed nothing).
    Done(Done),
    /// To a change that was carried out before under the same idempotency key, with that answer's receipt.
    Repeated(Done, Position),
    /// To anything that was not.
    Rejected(Rejection),
    /// To the questions of a gateway that may ask, in their order. [`decide`] leaves them out: they are decided one by
    /// one by [`decide_question`].
    Authorized(Vec<Answered>),
    /// To the lines of a reporter that may report, in their order. [`decide`] leaves them out: they are decided one by one
    /// by [`decide_line`].
    Reported(Vec<LineResult>),
}

/// The answer to one question of a gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answered {
    /// The answer to the use. A token that the gateway may not know of is as unknown to it as one that never was.
    pub answer: Result<Box<UseAnswer>, Rejection>,
    /// Its record, if it made one.
    pub position: Option<Position>,
}

/// Events to append, in order, and what to answer once they are durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The events with their headers. Empty: nothing happened.
    pub events: Vec<Recorded>,
    /// The answer.
    pub answer: Answer,
    /// A refusal to be counted: one that makes no event now, or the first for quota of a window, which does both.
    pub tally: Option<TallyNote>,
}

/// Decides one command.
pub fn decide(
    state: &State,
    digests: &Digests,
    context: &Context<'_>,
    command: &Command,
    texts: &mut dyn Texts,
) -> Decision {
    match command {
        Command::Use(asked) => consumer::decide_use(state, digests, context, asked, texts),
        Command::Manage(actor, change) => management::decide_change(state, digests, context, *actor, change, texts),
        Command::Gateway(call) => authorize::decide_call(state, digests, context, call, texts),
        Command::Exchange(exchange) => oauth::decide_exchange(state, digests, context, exchange, texts),
    }
}
