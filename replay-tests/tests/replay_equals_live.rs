//! However the state is built, it is the state that ran: from the first record, from a snapshot and the records after
//! it, by opening the ledger again, with or without `views.db`.

use replay_tests::checks::{
    assert_finds, assert_same, check_order, check_streams, check_texts, check_verified, projections_from_first,
    records, state_from_first,
};
use replay_tests::generator::{BEGIN, Generator, Outcomes};
use tempfile::TempDir;
use token_ledger::clock::Clock;
use token_ledger::domain::ids::Position;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Committed, Core, Job};
use token_ledger::log::DataDir;
use token_ledger::log::merkle::leaf_hash;
use token_ledger::log::reader::LogReader;
use token_ledger::projections::snapshot::Views;
use token_ledger::projections::{Projections, rebuild};

const SEEDS: u64 = 40;
const COMMANDS: usize = 900;
/// Looks at everything about so many times a story, at random points.
const LOOKS: u64 = 3;

/// One story while it runs.
struct Story {
    _home: TempDir,
    dir: DataDir,
    clock: Clock,
    core: Core,
    generator: Generator,
    outcomes: Outcomes,
    /// Folded along with every batch.
    live: Projections,
    /// What `live` was at some earlier position.
    earlier: Projections,
    commands: usize,
}

impl Story {
    fn begin(seed: u64) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let dir = DataDir::new(home.path().join("ledger"));
        let clock = Clock::manual(BEGIN);
        let core = Core::create(&dir, clock.clone(), Entropy::seeded(seed)).expect("a ledger can be made");
        let mut story = Self {
            _home: home,
            dir,
            clock,
            core,
            generator: Generator::new(seed),
            outcomes: Outcomes::default(),
            live: Projections::default(),
            earlier: Projections::default(),
            commands: 0,
        };
        let jobs = story.generator.beginning_with_an_authorization();
        story.commit(&jobs);
        story
    }

    fn commit(&mut self, jobs: &[Job]) {
        let committed = self.core.commit(jobs).expect("the batch is appended");
        assert_eq!(committed.replies.len(), jobs.len(), "a reply for each command");
        for ((command, _), reply) in jobs.iter().zip(&committed.replies) {
            self.outcomes.note(command, &reply.answer);
        }
        self.commands += jobs.len();
        self.follow(&committed);
    }

    fn follow(&mut self, committed: &Committed) {
        for (position, recorded) in (committed.first.0..).zip(&committed.records) {
            self.live.fold(Position(position), &recorded.header, &recorded.event);
        }
    }

    fn step(&mut self) {
        self.generator.move_clock(&self.clock);
        if self.generator.random().percent(5) {
            self.earlier = self.live.clone();
        }
        let jobs = self.generator.batch(self.core.state());
        self.commit(&jobs);
    }

    /// Looks at everything.
    fn look(mut self) -> Self {
        self.state_is_the_fold_of_the_log();
        self.a_load_without_views_gives_the_same();
        self.a_load_from_an_earlier_snapshot_gives_the_same();
        self = self.opened_again_it_is_the_same();
        self.check_the_log();
        self
    }

    fn state_is_the_fold_of_the_log(&self) {
        assert!(*self.core.state() == state_from_first(&self.dir), "the state that ran is the fold of the log");
        assert_finds(&self.core.digests().read(), self.core.state(), "what ran");
        assert_eq!(self.core.head(), self.live.position);
        assert!(self.live.state == *self.core.state());
        assert_same(&self.live, &projections_from_first(&self.dir), "folded from the first record");
    }

    fn a_load_without_views_gives_the_same(&self) {
        self.lose_views();
        let loaded = rebuild::load(&self.dir).expect("the log can be loaded");
        assert_eq!(loaded.from_snapshot, Position::NONE);
        assert_same(&self.live, &loaded.projections, "loaded without views");
    }

    fn a_load_from_an_earlier_snapshot_gives_the_same(&self) {
        if self.earlier.position.is_none() {
            return;
        }
        let log = LogReader::open(&self.dir).expect("the log opens");
        let record = log.record(self.earlier.position).expect("the log can be read").expect("the record is there");
        let mut views = Views::open(&self.dir).expect("views open");
        views.store(&self.earlier, leaf_hash(&record)).expect("a snapshot can be stored");
        let loaded = rebuild::load(&self.dir).expect("the log can be loaded");
        assert_eq!((loaded.from_snapshot, loaded.passed_over), (self.earlier.position, Vec::new()));
        assert_same(&self.live, &loaded.projections, "loaded from an earlier snapshot");
    }

    fn opened_again_it_is_the_same(mut self) -> Self {
        // What is only counted is lost by a crash and recorded by an orderly end; both must give the same state.
        if self.generator.random().percent(50) {
            let committed = self.core.commit_sums().expect("the sums are appended");
            self.follow(&committed);
            assert!(!self.core.has_tally());
        }
        let Self { core, dir, clock, .. } = self;
        let state = core.state().clone();
        let (head, root) = (core.head(), core.log().root());
        drop(core);
        let entropy = Entropy::seeded(self.generator.random().number());
        let (core, loaded) = Core::open(&dir, clock.clone(), entropy).expect("the ledger opens again");
        assert!(*core.state() == state);
        assert_finds(&core.digests().read(), &state, "opened again");
        assert_eq!((core.head(), core.log().root()), (head, root));
        assert_same(&self.live, &loaded.projections, "opened again");
        Self { core, dir, clock, ..self }
    }

    fn check_the_log(&self) {
        let records = records(&self.dir);
        check_order(&records);
        check_streams(&records);
        check_texts(&self.dir, &records);
        check_verified(&self.dir, self.core.log().root());
    }

    fn lose_views(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.dir.views().into_os_string();
            path.push(suffix);
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("views stay: {error}"),
                _ => {}
            }
        }
    }
}

/// Runs the story of one seed to its end.
fn run(seed: u64) -> Outcomes {
    let mut story = Story::begin(seed);
    let mut looked_at = 0;
    while story.commands < COMMANDS {
        story.step();
        let since = (story.commands - looked_at) as u64;
        looked_at = story.commands;
        if story.generator.random().below(COMMANDS as u64) < LOOKS * since {
            story = story.look();
        }
    }
    story.look().outcomes
}

#[test]
fn every_way_to_build_the_state_gives_the_state_that_ran() {
    let mut outcomes = Outcomes::default();
    for seed in 0..SEEDS {
        eprintln!("seed {seed}");
        outcomes.add(&run(seed));
    }
    let (never_accepted, never_refused) = outcomes.missing();
    assert!(never_accepted.is_empty(), "never accepted: {never_accepted:?} in {outcomes:#?}");
    assert!(never_refused.is_empty(), "never refused: {never_refused:?} in {outcomes:#?}");
}
