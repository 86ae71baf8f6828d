//! However often rows were moved into the history tables, whatever was lost in a crash and whichever snapshot a start
//! began with: the tables hold what a replay of the whole log gathers, and nothing twice.

use replay_tests::generator::{BEGIN, Generator};
use tempfile::TempDir;
use token_ledger::audit::compare::gathering;
use token_ledger::audit::history_tables::HeldTables;
use token_ledger::clock::Clock;
use token_ledger::domain::event::Cause;
use token_ledger::domain::ids::{AccountId, Position};
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::log::DataDir;
use token_ledger::log::reader::LogReader;
use token_ledger::projections::history::History;
use token_ledger::projections::rebuild::{self, leaf_at};
use token_ledger::projections::snapshot::Views;
use token_ledger::projections::{Projections, chunks};

const SEEDS: u64 = 12;
const BATCHES: u64 = 110;

struct Story {
    _home: TempDir,
    dir: DataDir,
    clock: Clock,
    core: Core,
    generator: Generator,
    live: Projections,
    starts_with_rows_in_tables: u64,
}

impl Story {
    fn begin(seed: u64) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let dir = DataDir::new(home.path().join("ledger"));
        let clock = Clock::manual(BEGIN);
        let core = Core::create(&dir, clock.clone(), Entropy::seeded(seed)).expect("a ledger can be made");
        let live = rebuild::load_to_serve(&dir).expect("the log can be loaded").projections;
        let generator = Generator::new(seed);
        let mut story = Self { _home: home, dir, clock, core, generator, live, starts_with_rows_in_tables: 0 };
        let jobs = story.generator.beginning();
        story.commit(&jobs);
        story
    }

    fn commit(&mut self, jobs: &[Job]) {
        let committed = self.core.commit(jobs).expect("the batch is appended");
        for (position, recorded) in (committed.first.0..).zip(&committed.records) {
            self.live.fold(Position(position), &recorded.header, &recorded.event);
        }
    }

    fn log(&self) -> LogReader {
        LogReader::open(&self.dir).expect("the log opens")
    }

    fn history(&mut self) -> &mut History {
        self.live.history.as_mut().expect("it is gathered")
    }

    /// What a crash in the middle of it leaves is what was there before: it is one transaction.
    fn move_in(&mut self) {
        let folded = self.live.position;
        let from = self.history().in_tables();
        if from == folded {
            return;
        }
        let (through, rows) = self.history().seal(folded);
        let leaf = leaf_at(&self.log(), through).expect("the record is there");
        let mut views = Views::open(&self.dir).expect("views open");
        assert!(views.move_in(&rows, from, (through, leaf), &mut || {}).expect("rows can be moved"));
        self.history().settle();
    }

    fn store_snapshot(&mut self) {
        self.move_in();
        let leaf = leaf_at(&self.log(), self.live.position).expect("the record is there");
        let mut views = Views::open(&self.dir).expect("views open");
        views.store(&self.live, leaf).expect("a snapshot can be stored");
    }

    fn crash_and_start(&mut self) {
        let loaded = rebuild::load_to_serve(&self.dir).expect("the log can be loaded");
        assert_eq!(loaded.projections.freeze(), self.live.freeze());
        self.live = loaded.projections;
        self.starts_with_rows_in_tables += u64::from(!self.history().in_tables().is_none());
    }

    fn lose_views(&mut self) {
        Views::anew(&self.dir).expect("views can be made anew");
        self.crash_and_start();
    }

    /// As a start does where more is missing in the tables than is kept in memory.
    fn fill(&mut self) {
        let filled = rebuild::fill_history(&self.dir, self.live.position).expect("the tables can be filled");
        *self.history() = filled;
    }

    fn check(&mut self) {
        self.move_in();
        let held = HeldTables::hold(&self.dir).expect("the tables can be read").expect("they are filled");
        assert_eq!(held.position, self.live.position);
        let mut replayed = gathering();
        rebuild::replay_into(&self.dir, &mut replayed, held.position, &mut |_| {}).expect("the log can be replayed");
        let gathered = replayed.history.expect("it was gathered");
        assert_eq!(held.compare(gathered.growing()).expect("the tables can be compared"), []);
    }
}

#[test]
fn the_tables_hold_what_a_replay_gathers() {
    let (mut windows, mut hours, mut starts) = (0, 0, 0);
    for seed in 0..SEEDS {
        eprintln!("seed {seed}");
        let mut story = Story::begin(seed);
        for _ in 0..BATCHES {
            story.generator.move_clock(&story.clock);
            let jobs = story.generator.batch(story.core.state());
            story.commit(&jobs);
            match story.generator.random().below(20) {
                0..4 => story.move_in(),
                4 | 5 => story.store_snapshot(),
                6..9 => story.crash_and_start(),
                9 => story.lose_views(),
                10 => story.check(),
                11 => story.fill(),
                _ => {}
            }
        }
        story.check();
        let views = Views::open_existing(&story.dir).expect("views open").expect("they are there");
        views.each_window(&mut |_| windows += 1).expect("the table can be read");
        views.each_hour(&mut |_, _| hours += 1).expect("the table can be read");
        starts += story.starts_with_rows_in_tables;
    }
    assert!(windows > 10 && hours > 100 && starts > 20, "{windows} windows, {hours} hours, {starts} starts");
}

/// By hand, so that fold and tables are not only equal but right.
#[test]
fn uses_and_refusals_are_counted_in_their_hour_and_a_window_when_another_opens() {
    use token_ledger::domain::command::{AccessRequest, Actor, Change, Command, NewSecret, Origin, Use};
    use token_ledger::domain::command::{AskedTarget, GrantRequest};
    use token_ledger::domain::directory::Plan;
    use token_ledger::domain::event::Route;
    use token_ledger::domain::text::PersonalText;
    use token_ledger::domain::token::{Owner, TokenKind};
    use token_ledger::domain::token_text::TokenDigest;

    let by = |change| (Command::Manage(Actor::Local(0), Box::new(change)), Origin::default());
    let mut story = Story::begin(1);
    let (account, token) = (story.core.state().accounts.next_number(), story.core.state().tokens.next_number());
    let account = AccountId(account);
    let open = Change::CreateAccount {
        name: PersonalText::new("counted"),
        email: PersonalText::new("counted@example.com"),
        plan: Plan::Teams,
        hourly_limit: Some(2),
    };
    let create = Change::CreateToken {
        owner: Owner::Account(account),
        kind: TokenKind::Account,
        name: PersonalText::new("counted"),
        access: Some(AccessRequest::Granted(Vec::<GrantRequest>::new())),
        expires_at: None,
        conditions: Default::default(),
        secret: NewSecret { digest: TokenDigest::of("counted"), hint: *b"abcd" },
    };
    story.commit(&[by(open), by(create)]);
    let ask = |route, account| {
        let digest = TokenDigest::of("counted");
        let command = Command::Use(Use {
            digest,
            route,
            account,
            target: AskedTarget::List,
            certificate: None,
            valid: true,
            mapped: None,
        });
        (command, Origin::default())
    };
    let (whoami, zones) = (|| ask(Route::Whoami, None), || ask(Route::Zones, Some(account)));
    // 12:00: two uses pass, two more are refused for quota, one for its scope.
    story.clock.set(BEGIN.plus_seconds(7_200));
    story.commit(&[zones(), whoami(), whoami(), whoami(), whoami()]);
    // The window's end, within the next clock hour; its total comes with it.
    story.clock.set(BEGIN.plus_seconds(7_200 + 3_600));
    story.commit(&[whoami()]);
    story.check();

    let views = Views::open_existing(&story.dir).expect("views open").expect("they are there");
    let pool = (account, token_ledger::domain::ids::UserId::NONE);
    let (windows, next) = views.closed_windows(pool, (0, u64::MAX), 10).expect("the table can be read");
    let opened_at = BEGIN.plus_seconds(7_200).seconds();
    let [window] = windows.as_slice() else { panic!("{windows:?}") };
    assert_eq!((window.opened_at, window.limit, window.used, window.refused), (opened_at, 2, 2, 2));
    assert_eq!((window.closed_at(), next), (opened_at + 3_600, None));

    let token = token_ledger::domain::ids::TokenId(token);
    let (hours, next) = views.token_hours(token, (0, u64::MAX), 10).expect("the table can be read");
    let told: Vec<_> = hours.iter().map(|((hour, ..), row)| (*hour, row.uses, row.last_group, &row.refused)).collect();
    let first = opened_at / 3_600;
    let refused =
        [(Cause::MissingScope, 1u64), (Cause::QuotaExceeded, 2)].map(|(cause, n)| (cause.name().to_owned(), n));
    assert_eq!(told, [(first, 2, None, &refused.into()), (first + 1, 1, None, &[].into())]);
    assert_eq!(next, None);
}

#[test]
fn a_page_of_hours_ends_with_an_hour_and_names_the_next() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let dir = DataDir::new(home.path().join("ledger"));
    dir.prepare().expect("it can be made");
    drop(Views::open(&dir).expect("views open"));
    let file = rusqlite::Connection::open(dir.views()).expect("the file opens");
    for (hour, account) in [(10, 1), (10, 2), (12, 1), (15, 1)] {
        file.execute("INSERT INTO token_hours VALUES (?1, 7, ?2, 1, NULL)", [hour, account]).expect("a row");
    }
    let views = Views::open_existing(&dir).expect("views open").expect("they are there");
    let hours = |from, to, limit| {
        let (rows, next) = views.token_hours(token_ledger::domain::ids::TokenId(7), (from, to), limit).expect("rows");
        (rows.iter().map(|((hour, ..), _)| *hour).collect::<Vec<_>>(), next)
    };
    assert_eq!(hours(0, 100, 1), (vec![10, 10], Some(11)));
    assert_eq!(hours(11, 100, 1), (vec![12], Some(13)));
    assert_eq!(hours(13, 100, 1), (vec![15], None));
    assert_eq!(hours(11, 15, 9), (vec![12], None));
    assert_eq!(hours(16, 100, 9), (vec![], None));
}

/// Nothing in the chunks is missing: what one copy holds, the other holds.
#[test]
fn chunks_hold_everything_but_what_is_gathered() {
    let mut story = Story::begin(3);
    for _ in 0..BATCHES {
        let jobs = story.generator.batch(story.core.state());
        story.commit(&jobs);
    }
    let mut restored = Projections::default();
    for chunk in chunks::Chunks::of(&story.live) {
        chunks::take_chunk(&mut restored, &chunk.expect("it encodes")).expect("it decodes");
    }
    assert_eq!(restored, story.live.freeze());
}
