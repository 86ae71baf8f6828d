//! The way back: replies go to the runtime a batch at a time, and the runtime wakes who asked.

use super::writer::Replies;
use super::{Reply, Unavailable};
use crate::domain::decide::Answer;
use crate::domain::ids::TextNumber;
use crate::log::personal::TextReader;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The text that most answers to a use say.
fn told_text(reply: &Result<Reply, Unavailable>) -> Option<TextNumber> {
    match &reply.as_ref().ok()?.answer {
        Answer::Use(used) => used.account.map(|account| account.email),
        _ => None,
    }
}

/// Wakes the callers of each batch. Ends when nobody is left who could send one.
pub(super) async fn wake(mut receiver: mpsc::UnboundedReceiver<Replies>, texts: Arc<TextReader>) {
    while let Some(replies) = receiver.recv().await {
        std::hint::black_box(texts.touch(replies.iter().filter_map(|(_, reply)| told_text(reply))));
        for (sender, reply) in replies {
            // A caller that went away asked for nothing more; its command is carried out all the same.
            let _ = sender.send(reply);
        }
    }
}
