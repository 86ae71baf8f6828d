//! What a bundle proves and what it does not, in sentences. `tools/verify_bundle.py` says the same ones.

use super::Selection;
use super::check::{Head, Texts, named};
use super::streams::{Judged, Reading, Streams, Whole};
use crate::domain::ids::Position;
use crate::domain::time::Timestamp;
use crate::log::note::Vkey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Most numbers of texts that are told one by one.
const NUMBERS_TOLD: usize = 20;

/// Sentences.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub proved: Vec<String>,
    pub not_proved: Vec<String>,
}

impl Told {
    pub fn new(head: &Head, reading: &Reading, texts: &Texts, streams: &Streams) -> Self {
        let mut told = Self::default();
        told.of_checkpoint(head, reading);
        told.of_records(head, reading);
        told.of_seal(reading.selection(), streams);
        for judged in &streams.judged {
            told.of_stream(reading.selection(), judged);
        }
        told.of_use(reading.selection(), streams);
        told.of_texts(reading, texts);
        told.of_the_rest(head, reading.selection(), streams);
        told
    }

    fn proved(&mut self, sentence: String) {
        self.proved.push(sentence);
    }

    fn not_proved(&mut self, sentence: String) {
        self.not_proved.push(sentence);
    }

    fn of_checkpoint(&mut self, head: &Head, reading: &Reading) {
        let (origin, size) = (&head.checkpoint.origin, head.checkpoint.size);
        for signer in &head.signers {
            let name = signer.parse::<Vkey>().map(|vkey| named(&vkey)).unwrap_or_default();
            let position = reading.named_at(signer).unwrap_or_default();
            self.proved(format!(
                "The checkpoint of {origin} at size {size} is signed by {name}, a key that was given; \
                 position {position} of the log names it."
            ));
        }
        match head.given {
            Some(given) if given == size => {
                self.proved(format!("The checkpoint of {origin} at size {size} is the one that was given."));
            }
            Some(given) if given < size => self.proved(format!(
                "The log of size {size} begins with that of size {given} in the checkpoint that was given."
            )),
            Some(given) => self.proved(format!(
                "The log of size {given} in the checkpoint that was given begins with that of size {size}."
            )),
            None => {}
        }
    }

    fn of_records(&mut self, head: &Head, reading: &Reading) {
        let (size, records) = (head.checkpoint.size, reading.records());
        let root = STANDARD.encode(head.checkpoint.root);
        self.proved(format!(
            "{records} records are in the tree of size {size} (root {root}), each at its position; of the {} \
             others only hashes are here.",
            size - records
        ));
        let selected: u64 = reading.types().values().sum();
        let what = told_selection(reading.selection());
        match reading.ends() {
            Some((first, last)) => {
                let types: Vec<String> =
                    reading.types().iter().map(|(name, count)| format!("{name} {count}")).collect();
                self.proved(format!(
                    "{selected} of them are records of {what}, at positions {first} to {last}: {}.",
                    types.join(", ")
                ));
            }
            None => self.proved(format!("None of them is a record of {what}.")),
        }
    }

    fn of_seal(&mut self, selection: &Selection, streams: &Streams) {
        let Some(seal) = &streams.seal else { return };
        let (record, (position, time)) = (seal.record, seal.at);
        let said = match seal.streams.as_slice() {
            [] => format!("no record of {selection} was in the log"),
            all => {
                let each: Vec<String> = all
                    .iter()
                    .map(|(stream, (number, last))| {
                        format!("{stream} had {number} records, the last at position {last}")
                    })
                    .collect();
                match selection.token.is_some() && selection.account.is_none() {
                    true => format!("{}; there was no other record of {selection}", each.join(", ")),
                    false => each.join(", "),
                }
            }
        };
        self.proved(format!(
            "Position {record} seals what the log was at position {position}, of {}: {said}.",
            time.to_micros_text()
        ));
    }

    fn of_stream(&mut self, selection: &Selection, judged: &Judged) {
        let stream = judged.stream;
        let what = match judged.numbers {
            Some((first, last)) if first == last => format!("Of {stream} its record {first} is here"),
            Some((first, last)) => format!("Of {stream} its records {first} to {last} are here without a gap"),
            None => format!("Of {stream} there is no record in that time"),
        };
        let begins = match (judged.before, selection.from) {
            (Some((number, position)), _) => format!("; record {number}, at position {position}, is of before"),
            (None, Some(_)) => "; it had none before".to_owned(),
            (None, None) => String::new(),
        };
        let ends = match (judged.after, judged.whole) {
            (Some((number, position)), _) => format!("; record {number}, at position {position}, is of after"),
            (None, Whole::Asked) => "; the seal shows that no other is of that time".to_owned(),
            (None, Whole::Sealed(position, _)) => {
                format!("; the seal shows that none up to position {position} is missing")
            }
            (None, Whole::Shown) => String::new(),
        };
        self.proved(format!("{what}{begins}{ends}."));
        match judged.whole {
            Whole::Asked => {}
            Whole::Sealed(position, _) => {
                let after = position.max(judged.last);
                self.not_proved(format!("Whether {stream} had records after position {after} that are not here."));
            }
            Whole::Shown if judged.last.is_none() => {
                self.not_proved(format!("Whether {stream} had records that are not here."));
            }
            Whole::Shown => {
                let last = judged.last;
                self.not_proved(format!(
                    "Whether {stream} had records after position {last} that are not here: there is no seal."
                ));
            }
        }
    }

    /// Whether a token was used, as far as that can be said of all its streams.
    fn of_use(&mut self, selection: &Selection, streams: &Streams) {
        let Some(token) = selection.of_token() else { return };
        let Some(seal) = &streams.seal else { return };
        let (at, time) = seal.at;
        let is_asked = streams.judged.iter().all(|judged| judged.whole == Whole::Asked)
            && selection.to.is_some_and(|to| time >= to);
        let uses: u64 = streams.judged.iter().map(|judged| if is_asked { judged.uses.0 } else { judged.uses.1 }).sum();
        let times = match uses {
            0 => "was not used".to_owned(),
            1 => "was used once".to_owned(),
            uses => format!("was used {uses} times"),
        };
        let place = match selection.account {
            Some(account) if account.is_none() => " on no account".to_owned(),
            Some(account) => format!(" in account {account}"),
            None => String::new(),
        };
        let until = match (is_asked, selection.to) {
            (true, Some(to)) => format!("before {}", to.to_micros_text()),
            _ => format!("up to position {at}, of {}", time.to_micros_text()),
        };
        if selection.from.is_some_and(|from| !is_asked && from > time) {
            return;
        }
        let from = selection.from.map(|from| format!(", from {} on", from.to_micros_text())).unwrap_or_default();
        self.proved(format!("Token {token} {times}{place}{from}, {until}."));
    }

    fn of_texts(&mut self, reading: &Reading, texts: &Texts) {
        match texts.given.len() {
            0 => {}
            1 => self.proved("1 text with its salt is what its record commits to.".to_owned()),
            given => self.proved(format!("{given} texts with their salts are what their records commit to.")),
        }
        if !texts.erased.is_empty() {
            let positions: std::collections::BTreeSet<Position> =
                texts.erased.iter().filter_map(|number| reading.erased_at(*number)).collect();
            let positions: Vec<String> = positions.iter().map(ToString::to_string).collect();
            self.proved(format!(
                "Erased, as the records at positions {} say: {}. Their records still verify.",
                positions.join(", "),
                numbers(&texts.erased)
            ));
        }
        if !texts.withheld.is_empty() {
            self.not_proved(format!(
                "What these texts are, which were left out of the file: {}.",
                numbers(&texts.withheld)
            ));
        }
    }

    fn of_the_rest(&mut self, head: &Head, selection: &Selection, streams: &Streams) {
        let size = head.checkpoint.size;
        self.not_proved(
            "That the log numbers its records and seals its state by the rules: whoever has the whole log can check it \
             (token-ledger verify)."
                .to_owned(),
        );
        if streams.seal.is_none() && streams.judged.is_empty() {
            self.not_proved(format!("That there was no record of {selection}: there is no seal."));
        }
        if selection.of_token().is_some() {
            self.not_proved(format!(
                "What was done with {} to others: it is recorded with what was changed.",
                Selection { account: None, from: None, to: None, ..*selection }
            ));
        }
        self.not_proved(format!("Anything after position {size}."));
        if head.given.is_none() {
            self.not_proved(format!(
                "That everybody was shown this log: hold its checkpoint of size {size} against one that \
                 somebody else kept."
            ));
        }
        self.not_proved("That what was recorded is what happened: only that it was not changed since.".to_owned());
    }
}

/// The selection with its times.
fn told_selection(selection: &Selection) -> String {
    let time = |word: &str, at: Option<Timestamp>| at.map(|at| format!(" {word} {}", at.to_micros_text()));
    let (from, to) = (time("from", selection.from), time("before", selection.to));
    format!("{selection}{}{}", from.unwrap_or_default(), to.unwrap_or_default())
}

fn numbers(all: &[u64]) -> String {
    let told: Vec<String> = all.iter().take(NUMBERS_TOLD).map(|number| format!("text {number}")).collect();
    let rest = all.len().saturating_sub(NUMBERS_TOLD);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", told.join(", "))
}
