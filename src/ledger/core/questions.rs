//! Calls of gateways with many questions, in one batch.

use super::{Core, Progress};
use crate::domain::command::{GatewayCall, GatewayWish};
use crate::domain::decide::{Answer, Answered, Context, decide_question};
use crate::domain::ids::Position;
use crate::domain::rejection::Rejection;
use crate::log::LogError;

impl Core {
    /// Decides the questions of one call, each on what those before it drew. Uses and refusals always fit a record, so
    /// that a call is written down whole or, if the batch fails, not at all.
    pub(super) fn decide_questions(
        &mut self,
        context: &Context<'_>,
        call: &GatewayCall,
        progress: &mut Progress,
    ) -> Result<(Answer, Option<usize>), LogError> {
        let GatewayWish::Authorize { questions, .. } = &call.wish else {
            return Ok((Answer::Authorized(Vec::new()), None));
        };
        let (first, mut last_of_all) = (self.log.head().next(), None);
        let mut answered = Vec::with_capacity(questions.len());
        for question in questions {
            let mut texts = self.texts.lookup(self.log.connection());
            let decision = decide_question(&self.state, &self.digests.read(), context, call, question, &mut texts);
            if let Some(error) = texts.take_failure() {
                return Err(LogError::Sqlite(error));
            }
            let (answer, last) = self.settle(decision, progress);
            last_of_all = last.or(last_of_all);
            let position = last.map(|index| Position(first.0 + index as u64));
            answered.push(match answer {
                Answer::Use(answer) => Answered { answer: Ok(answer), position },
                Answer::Rejected(rejection) => Answered { answer: Err(rejection), position },
                // No question is answered otherwise.
                _ => Answered { answer: Err(Rejection::UnknownToken), position },
            });
        }
        Ok((Answer::Authorized(answered), last_of_all))
    }
}
