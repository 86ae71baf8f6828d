//! The way back: replies go to the runtime a batch at a time, and the runtime wakes who asked.

use super::writer::Replies;
use super::{Reply, Unavailable};
use crate::domain::decide::Answer;
use crate::domain::ids::TextNumber;
use crate::log::personal::TextReader;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The texts that most answers to a use say.
fn told_texts(reply: &Result<Reply, Unavailable>) -> impl Iterator<Item = TextNumber> {
    let account = match reply.as_ref().map(|reply| &reply.answer) {
        Ok(Answer::Use(used)) => used.account,
        _ => None,
    };
    account.into_iter().flat_map(|account| [account.email, account.name])
}

/// Wakes the callers of each batch. Ends when nobody is left who could send one.
pub(super) async fn wake(mut receiver: mpsc::UnboundedReceiver<Replies>, texts: Arc<TextReader>) {
    while let Some(replies) = receiver.recv().await {
        std::hint::black_box(texts.touch(replies.iter().flat_map(|(_, reply)| told_texts(reply))));
        for (sender, reply) in replies {
            // A caller that went away asked for nothing more; its command is carried out all the same.
            let _ = sender.send(reply);
        }
    }
}
