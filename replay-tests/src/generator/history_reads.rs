//! Looks at history, and streams of it: by staff, by others, and told by the service.

use super::Generator;
use token_ledger::domain::command::{Change, ClosedStream, Decided, ReviewChange, UnrecordedReads};
use token_ledger::domain::history_read::{CountedReads, HistoryQuery, StreamEnd};
use token_ledger::domain::ids::{Position, TokenId};
use token_ledger::domain::review::{ReviewRow, ReviewVerdict};
use token_ledger::domain::state::State;
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::TokenKind;

impl Generator {
    pub(super) fn history_read(&mut self, state: &State) -> Change {
        match self.random.below(8) {
            0 => Change::OpenStream(Box::new(self.history_query(state))),
            1 => Change::CloseStream(self.closed_stream(state)),
            2 => Change::CountReads((0..self.random.below(3)).map(|_| self.unrecorded(state)).collect()),
            _ => Change::ReadHistory(Box::new(self.history_query(state))),
        }
    }

    /// Of few shapes, so that some come again within a minute.
    fn history_query(&mut self, state: &State) -> HistoryQuery {
        let question = *self.random.pick(&["events", "token_usage", "as_of"]);
        let query = HistoryQuery::of(question, state.head).after(Position(self.random.below(state.head.0 + 1)));
        let query = if self.random.percent(30) { query.about_account(self.account(state)) } else { query };
        let query = if self.random.percent(30) { query.about_user(self.user(state)) } else { query };
        match self.random.percent(30) {
            true => query.between(Some(self.now), self.random.percent(50).then_some(self.now)),
            false => query,
        }
    }

    pub(super) fn staff(&mut self, state: &State) -> TokenId {
        let is_staff = |token: &&_| -> bool {
            let token: &token_ledger::domain::token::Token = token;
            matches!(token.kind, TokenKind::Operator | TokenKind::Auditor)
        };
        let staff = self.random.pick_of(state.tokens.iter().filter(is_staff).collect::<Vec<_>>().into_iter());
        staff.filter(|_| self.random.percent(90)).map_or(TokenId::NONE, |token| token.id)
    }

    fn closed_stream(&mut self, state: &State) -> ClosedStream {
        let end = *self.random.pick(&[StreamEnd::ReaderLeft, StreamEnd::TokenEnded, StreamEnd::TooSlow]);
        let (opened, sent) = (Position(1), self.random.below(100));
        ClosedStream { token: self.staff(state), opened, through: state.head, sent, end }
    }

    fn unrecorded(&mut self, state: &State) -> UnrecordedReads {
        let counted = CountedReads { reads: 1 + self.random.below(9), first: self.now, last: self.now };
        UnrecordedReads { token: self.staff(state), asked: self.history_query(state), counted }
    }

    /// Reviews of few numbers, so that some are open, some closed and some never were.
    pub(super) fn review(&mut self, state: &State) -> Change {
        let last = state.reviews.next_number();
        let number = if self.random.percent(85) {
            last.saturating_sub(1 + self.random.below(2))
        } else {
            1 + self.random.below(last)
        };
        let change = match self.random.below(6) {
            0..2 => ReviewChange::Close { review: number },
            2 => ReviewChange::Open {
                account: self.account(state),
                position: Position(self.random.below(state.head.0 + 2)),
                root: self.random.bytes_32(),
                at: self.now,
                rows: self.random.below(9),
            },
            _ => {
                let row = match self.random.percent(70) {
                    true => ReviewRow::Token(TokenId(self.number(state.tokens.len()))),
                    false => ReviewRow::Member(self.user(state)),
                };
                let verdict = *self.random.pick(&[ReviewVerdict::Keep, ReviewVerdict::Narrow, ReviewVerdict::Delete]);
                let note = self
                    .random
                    .percent(60)
                    .then(|| PersonalText::new(["old", "unused since May", " "][self.random.below(3) as usize]));
                ReviewChange::Decide(Decided { review: number, row, verdict, note })
            }
        };
        Change::Review(change)
    }
}
