//! Numbers of texts for a decision that is only tried: what is there is found, what is new gets the number that it would
//! get, and nothing is kept.

use super::LogError;
use super::personal::TextReader;
use crate::domain::ids::TextNumber;
use crate::domain::text::{KnownText, Subject, TextKind, Texts};
use std::collections::HashMap;

/// [`Texts`] for one decision that is not carried out.
#[derive(Debug)]
pub struct DryTexts<'a> {
    texts: &'a TextReader,
    taken: HashMap<(Subject, TextKind, String), TextNumber>,
    failure: Option<LogError>,
}

impl<'a> DryTexts<'a> {
    /// Over the texts that are there.
    pub fn new(texts: &'a TextReader) -> Self {
        Self { texts, taken: HashMap::new(), failure: None }
    }

    /// An error of the table met on the way: what was decided with it means nothing.
    pub fn take_failure(&mut self) -> Option<LogError> {
        self.failure.take()
    }
}

impl Texts for DryTexts<'_> {
    fn find(&mut self, subject: Subject, kind: TextKind, text: &str) -> Option<TextNumber> {
        if let Some(&number) = self.taken.get(&(subject, kind, text.to_owned())) {
            return Some(number);
        }
        match self.texts.find(subject, kind, text) {
            Ok(number) => number,
            Err(error) => {
                self.failure = Some(error);
                None
            }
        }
    }

    fn take(&mut self, known: KnownText, subject: Subject, text: &str) -> [u8; 32] {
        self.taken.insert((subject, known.kind, text.to_owned()), known.number);
        [0; 32]
    }

    /// Erasures are never only tried.
    fn of(&mut self, _: Subject) -> Vec<KnownText> {
        Vec::new()
    }
}
