//! Writing down a report: its lines one after another, each on what those before it left.

use super::{Core, Progress, TooLarge};
use crate::domain::command::{GatewayCall, GatewayWish};
use crate::domain::decide::{Answer, Context, decide_line};
use crate::log::LogError;

impl Core {
    /// Decides the lines of one call. It is written down whole or, if the batch fails, not at all; which key was taken
    /// by which record is then forgotten with the rest of the state.
    pub(super) fn decide_lines(
        &mut self,
        context: &Context<'_>,
        call: &GatewayCall,
        progress: &mut Progress,
    ) -> Result<(Answer, Option<usize>), LogError> {
        let GatewayWish::Report { lines } = &call.wish else { return Ok((Answer::Reported(Vec::new()), None)) };
        let (mut last_of_all, mut results) = (None, Vec::with_capacity(lines.len()));
        for line in lines {
            let mut texts = self.texts.lookup(self.log.connection());
            let (events, result) = decide_line(&self.state, &self.digests.read(), context, call, line, &mut texts);
            if let Some(error) = texts.take_failure() {
                return Err(LogError::Sqlite(error));
            }
            let last = match self.write_down(events, progress) {
                Ok(last) => last,
                // A line's record is of a few hundred bytes at most. Should one not fit, the batch fails, and is told so.
                Err(TooLarge) => return Err(LogError::SumTooLarge),
            };
            last_of_all = last.or(last_of_all);
            results.push(result);
        }
        Ok((Answer::Reported(results), last_of_all))
    }
}
