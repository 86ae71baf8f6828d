//! A story decided again by the rules alone, with something else supposed from a position on: what really would have
//! been, for questions of what if.

use crate::generator::{BEGIN, Generator};
use std::collections::{BTreeMap, HashMap};
use token_ledger::clock::Clock;
use token_ledger::domain::command::{Command, GatewayWish};
use token_ledger::domain::decide::{
    Answer, Context, Decision, Recorded, Tally, decide, decide_line, decide_question, record_quota_total,
    record_refusal_sum,
};
use token_ledger::domain::digests::Digests;
use token_ledger::domain::event::{Event, PersonalDataErased};
use token_ledger::domain::ids::{Position, TextNumber};
use token_ledger::domain::state::State;
use token_ledger::domain::supposition::Supposition;
use token_ledger::domain::text::{KnownText, Subject, TextKind, Texts, commitment};
use token_ledger::domain::time::Timestamp;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::log::DataDir;

/// Commands with the time that they were decided at, batch by batch.
pub struct Script(Vec<(Timestamp, Vec<Job>)>);

impl Script {
    /// Plays a story into a new ledger, and writes down what was asked.
    pub fn play(dir: &DataDir, clock: &Clock, seed: u64, batches: usize) -> Self {
        let mut core = Core::create(dir, clock.clone(), Entropy::seeded(seed)).expect("a ledger can be made");
        let mut generator = Generator::new(seed);
        clock.set(BEGIN);
        let mut script = Vec::new();
        let mut jobs = generator.beginning();
        for _ in 0..=batches {
            script.push((clock.now().max(core.state().last_recorded_at), jobs.clone()));
            core.commit(&jobs).expect("the batch is appended");
            generator.move_clock(clock);
            jobs = generator.batch(core.state());
        }
        Self(script)
    }

    /// Decides it again. Once everything up to `from` happened, the suppositions are put into the state, and again after
    /// each event. Gives what was recorded.
    pub fn again(&self, from: Position, supposed: &[Supposition]) -> Vec<Recorded> {
        let mut again = Again { from, supposed, state: State::default(), ..Again::default() };
        for (now, jobs) in &self.0 {
            again.batch(*now, jobs);
        }
        again.recorded
    }
}

/// Numbers of texts, in memory.
#[derive(Default)]
struct Book {
    numbers: HashMap<(Subject, TextKind, String), TextNumber>,
    known: BTreeMap<TextNumber, (Subject, KnownText)>,
}

impl Book {
    fn erase(&mut self, erased: &PersonalDataErased) {
        let goes = |number: TextNumber| erased.texts.iter().any(|&(first, last)| (first..=last).contains(&number));
        self.numbers.retain(|_, number| !goes(*number));
        self.known.retain(|number, _| !goes(*number));
    }
}

impl Texts for Book {
    fn find(&mut self, subject: Subject, kind: TextKind, text: &str) -> Option<TextNumber> {
        self.numbers.get(&(subject, kind, text.to_owned())).copied()
    }

    fn take(&mut self, known: KnownText, subject: Subject, text: &str) -> [u8; 32] {
        self.known.insert(known.number, (subject, known));
        self.numbers.insert((subject, known.kind, text.to_owned()), known.number);
        commitment(&[0; 32], text)
    }

    fn of(&mut self, subject: Subject) -> Vec<KnownText> {
        self.known.values().filter(|(of, _)| *of == subject).map(|(_, known)| *known).collect()
    }
}

#[derive(Default)]
struct Again<'a> {
    from: Position,
    supposed: &'a [Supposition],
    state: State,
    digests: Digests,
    texts: Book,
    tally: Tally,
    recorded: Vec<Recorded>,
}

impl Again<'_> {
    fn batch(&mut self, now: Timestamp, jobs: &[Job]) {
        self.record_sums(now);
        let mut notes = Vec::new();
        for (command, origin) in jobs {
            let context = Context { now, origin };
            let decision = decide(&self.state, &self.digests, &context, command, &mut self.texts);
            let answer = self.settle(decision, &mut notes);
            let Command::Gateway(call) = command else { continue };
            match (&call.wish, answer) {
                (GatewayWish::Authorize { questions, .. }, Answer::Authorized(_)) => {
                    for question in questions {
                        let texts = &mut self.texts;
                        let decision = decide_question(&self.state, &self.digests, &context, call, question, texts);
                        self.settle(decision, &mut notes);
                    }
                }
                (GatewayWish::Report { lines }, Answer::Reported(_)) => {
                    for line in lines {
                        let texts = &mut self.texts;
                        let (events, _) = decide_line(&self.state, &self.digests, &context, call, line, texts);
                        events.into_iter().for_each(|event| self.take_in(event));
                    }
                }
                _ => {}
            }
        }
        notes.into_iter().for_each(|note| self.tally.add(note));
    }

    fn record_sums(&mut self, now: Timestamp) {
        let due = self.tally.take_due(now, false);
        let origin = Default::default();
        let context = Context { now, origin: &origin };
        for (about, sum) in &due.refusals {
            let events = record_refusal_sum(&self.state, &context, &mut self.texts, *about, sum);
            events.into_iter().for_each(|event| self.take_in(event));
        }
        for (window, total) in &due.quotas {
            let events = record_quota_total(&self.state, &context, &mut self.texts, *window, total);
            events.into_iter().for_each(|event| self.take_in(event));
        }
    }

    fn settle(&mut self, decision: Decision, notes: &mut Vec<token_ledger::domain::decide::TallyNote>) -> Answer {
        notes.extend(decision.tally);
        decision.events.into_iter().for_each(|event| self.take_in(event));
        decision.answer
    }

    fn take_in(&mut self, recorded: Recorded) {
        let Recorded { header, event } = &recorded;
        self.state.evolve(header, event);
        if let Event::PersonalDataErased(erased) = event {
            self.texts.erase(erased);
        }
        let secret = match event {
            Event::TokenCreated(created) => Some(created.secret),
            Event::TokenImported(imported) => Some(imported.secret),
            Event::TokenRotated(rotated) => Some(rotated.secret),
            _ => None,
        };
        secret.iter().for_each(|secret| self.digests.add(&secret.digest, header.token));
        self.recorded.push(recorded);
        if self.recorded.len() as u64 >= self.from.0 {
            self.supposed.iter().for_each(|supposed| self.state.suppose(supposed));
        }
    }
}
