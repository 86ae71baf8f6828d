//! Reports of gateways: of tokens that are there and of others, on time and not, now and then the same again.

use super::Generator;
use token_ledger::domain::access::Verb;
use token_ledger::domain::command::{AskedTarget, GatewayWish};
use token_ledger::domain::event::{MappedRoute, Route};
use token_ledger::domain::idempotency::{KeyHash, RequestDigest};
use token_ledger::domain::ids::{Position, TokenId};
use token_ledger::domain::reported_use::{ReportedToken, ReportedUse};
use token_ledger::domain::state::State;
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::time::{MICROS_PER_SECOND, Timestamp};
use token_ledger::domain::token::{Owner, Token};

/// Keys that reporters use, so that some come again.
const KEYS: u64 = 400;

impl Generator {
    pub(super) fn report(&mut self, state: &State) -> GatewayWish {
        let count = 1 + self.random.below(12);
        GatewayWish::Report { lines: (0..count).map(|_| self.reported(state)).collect() }
    }

    fn reported(&mut self, state: &State) -> ReportedUse {
        let consumers: Vec<&Token> = state.tokens.iter().filter(|token| token.kind.is_consumer()).collect();
        let used = self.random.pick_of(consumers.into_iter()).filter(|_| self.random.percent(95));
        let token = match (used, self.random.percent(50)) {
            (Some(used), true) => ReportedToken::Number(used.id),
            (Some(used), false) => ReportedToken::Digest(used.secrets[0].digest),
            (None, true) => ReportedToken::Number(TokenId(self.number(state.tokens.len()))),
            (None, false) => ReportedToken::Digest(self.digest(state)),
        };
        let is_users = used.is_some_and(|used| matches!(used.owner, Owner::User(_)));
        let account = (is_users || self.random.percent(30)).then(|| self.account_of(state, used));
        let scope = self.random.percent(80).then_some((11, Verb::Read));
        let target = match scope {
            Some(_) => self.target(state, Route::Zone),
            None => AskedTarget::None,
        };
        let mut key = [0; 16];
        key[0..8].copy_from_slice(&self.random.below(KEYS).to_le_bytes());
        ReportedUse {
            key: KeyHash(key),
            content: RequestDigest([u8::from(self.random.percent(30)); 16]),
            token,
            account,
            occurred_at: self.occurred_at(),
            known_position: Position(self.random.below(state.head.0 + 2)),
            scope,
            target,
            mapped: self.random.percent(30).then_some(MappedRoute { map: 1, line: 3 }),
            status: *self.random.pick(&[0, 200, 404]),
            address: self.random.percent(50).then(|| PersonalText::new(format!("192.0.2.{}", self.random.below(30)))),
        }
    }

    /// Mostly a little ago, now and then long ago or still to come.
    fn occurred_at(&mut self) -> Timestamp {
        let micros = match self.random.below(20) {
            0 => 90 * 86_400 * MICROS_PER_SECOND,
            1 => return self.now.plus_seconds(self.random.below(120)),
            _ => self.random.below(300 * MICROS_PER_SECOND),
        };
        Timestamp(self.now.0.saturating_sub(micros))
    }
}
