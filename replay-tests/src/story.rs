//! A random history in a directory of its own, for questions that are asked of it.

use crate::checks::records;
use crate::generator::{BEGIN, Generator};
use tempfile::TempDir;
use token_ledger::audit::archive::Archive;
use token_ledger::clock::Clock;
use token_ledger::domain::event::{Event, Header};
use token_ledger::domain::ids::Position;
use token_ledger::domain::state::State;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::log::DataDir;

/// Batches between two changes of a member's access.
const BATCHES_A_TURN: usize = 12;

/// A ledger that has a history.
pub struct Story {
    _home: TempDir,
    /// Its directory.
    pub dir: DataDir,
    /// Its clock.
    pub clock: Clock,
}

impl Story {
    /// Tells one: the same for the same seed, but for keys, salts and secrets.
    pub fn told(seed: u64, batches: usize) -> Self {
        Self::told_with(seed, batches, |_, _| {})
    }

    /// Tells one in which something more happens behind each batch, which is counted from 0.
    pub fn told_with(seed: u64, batches: usize, more: impl FnMut(&mut Core, usize)) -> Self {
        Self::told_from(seed, batches, Generator::beginning, more)
    }

    fn told_from(
        seed: u64,
        batches: usize,
        beginning: impl FnOnce(&mut Generator) -> Vec<Job>,
        mut more: impl FnMut(&mut Core, usize),
    ) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let dir = DataDir::new(home.path().join("ledger"));
        let clock = Clock::manual(BEGIN);
        let mut core = Core::create(&dir, clock.clone(), Entropy::seeded(seed)).expect("a ledger can be made");
        let mut generator = Generator::new(seed);
        let beginning = beginning(&mut generator);
        core.commit(&beginning).expect("the beginning is appended");
        for batch in 0..batches {
            generator.move_clock(&clock);
            let jobs = generator.batch(core.state());
            core.commit(&jobs).expect("the batch is appended");
            more(&mut core, batch);
        }
        Self { _home: home, dir, clock }
    }

    /// Tells one in which the first member's access changes now and then, and with it what the applications may that the
    /// member let in.
    pub fn told_with_authorizations(seed: u64, batches: usize) -> Self {
        let mut turns = Generator::new(seed);
        let beginning = |generator: &mut Generator| generator.beginning_with_authorizations();
        Self::told_from(seed, batches, beginning, |core, batch| {
            if batch % BATCHES_A_TURN == BATCHES_A_TURN - 1 {
                let turn = turns.members_turn(batch / BATCHES_A_TURN);
                core.commit(&[turn]).expect("the turn is appended");
            }
        })
    }

    /// As questions see it.
    pub fn archive(&self) -> Archive {
        Archive::open(&self.dir, self.clock.now()).expect("the log opens")
    }

    /// Every record.
    pub fn records(&self) -> Vec<(Position, Header, Event)> {
        records(&self.dir)
    }

    /// Calls for every position with the state after it, folded from the first record on.
    pub fn each_state(&self, mut look: impl FnMut(Position, &Header, &Event, &State)) {
        let mut state = State::default();
        for (position, header, event) in self.records() {
            state.evolve(&header, &event);
            look(position, &header, &event, &state);
        }
    }
}
