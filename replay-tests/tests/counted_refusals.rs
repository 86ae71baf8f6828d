//! Refusals that are only counted come to the log as sums, whole and once, through stops, crashes and any number of
//! tokens; and what comes from no request has a request id that nobody can guess.

use replay_tests::checks::{
    check_order, check_streams, check_texts, check_verified, projections_from_first, records, state_from_first,
};
use replay_tests::generator::BEGIN;
use replay_tests::uses::whoami;
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;
use token_ledger::clock::Clock;
use token_ledger::domain::command::{AccessRequest, Actor, Change, Command, NewSecret, Origin};
use token_ledger::domain::decide::{Answer, QUOTA_TOKENS_A_RECORD, Verdict};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Event, Header};
use token_ledger::domain::ids::{AccountId, Position, TokenId, UserId};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::{Owner, TokenKind};
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::log::DataDir;
use token_ledger::projections::usage::WindowUse;

const ACCOUNT: AccountId = AccountId(1);
/// Commands decided together.
const BATCH: usize = 1_024;

/// An account with room for one request an hour, and its tokens.
struct Ledger {
    _home: TempDir,
    dir: DataDir,
    clock: Clock,
    core: Core,
}

fn digest(token: u64) -> TokenDigest {
    TokenDigest::of(&format!("token {token}"))
}

fn by(actor: Actor, change: Change) -> Job {
    (Command::Manage(actor, Box::new(change)), Origin::default())
}

fn new_token(token: u64) -> Job {
    let (owner, kind, name) = (Owner::Account(ACCOUNT), TokenKind::Account, PersonalText::new("token"));
    let (access, secret) = (Some(AccessRequest::Full), NewSecret { digest: digest(token), hint: *b"hint" });
    by(
        Actor::Local(1_000),
        Change::CreateToken { owner, kind, name, access, expires_at: None, conditions: Default::default(), secret },
    )
}

impl Ledger {
    fn create(tokens: u64, seed: u64) -> Self {
        let home = tempfile::tempdir().expect("a directory can be made");
        let dir = DataDir::new(home.path().join("ledger"));
        let clock = Clock::manual(BEGIN);
        let core = Core::create(&dir, clock.clone(), Entropy::seeded(seed)).expect("a ledger can be made");
        let mut ledger = Self { _home: home, dir, clock, core };
        let names = Change::Initialize { origin: "ledger.example".to_owned(), log_vkey: "key".to_owned() };
        let (name, email, plan) = (PersonalText::new("One"), PersonalText::new("one@one.example"), Plan::Teams);
        let account = Change::CreateAccount { name, email, plan, hourly_limit: Some(1) };
        ledger.commit(&[by(Actor::Init, names), by(Actor::Local(1_000), account)]);
        ledger.start();
        let jobs: Vec<Job> = (1..=tokens).map(new_token).collect();
        jobs.chunks(BATCH).for_each(|jobs| ledger.commit(jobs));
        ledger
    }

    fn commit(&mut self, jobs: &[Job]) {
        let committed = self.core.commit(jobs).expect("the batch is appended");
        assert!(!committed.replies.iter().any(|reply| matches!(reply.answer, Answer::Rejected(_))));
    }

    fn start(&mut self) {
        self.commit(&[by(Actor::Init, Change::StartRecording)]);
    }

    fn ask(&mut self, tokens: impl Iterator<Item = u64>) -> (usize, usize) {
        let jobs: Vec<Job> = tokens.map(|token| (Command::Use(whoami(digest(token))), Origin::default())).collect();
        let mut answers = (0, 0);
        for jobs in jobs.chunks(BATCH) {
            for reply in self.core.commit(jobs).expect("the batch is appended").replies {
                let Answer::Use(answer) = reply.answer else { panic!("an answer to a use") };
                match answer.verdict {
                    Verdict::Allowed { .. } => answers.0 += 1,
                    Verdict::Refused(_) => answers.1 += 1,
                }
            }
        }
        answers
    }

    /// Ends in order and begins again.
    fn stop_and_start(mut self) -> Self {
        self.core.commit_sums().expect("the sums are appended");
        self.commit(&[by(Actor::Init, Change::StopRecording { appended: 0 })]);
        self.crash_and_start()
    }

    /// Begins again without an end.
    fn crash_and_start(self) -> Self {
        let Self { _home, dir, clock, core } = self;
        drop(core);
        let (core, _) = Core::open(&dir, clock.clone(), Entropy::seeded(7)).expect("the ledger opens again");
        let mut ledger = Self { _home, dir, clock, core };
        ledger.start();
        ledger
    }

    /// Lets the window end; then its total is due.
    fn end_window(&mut self) {
        self.clock.set(BEGIN.plus_seconds(3_600));
        self.commit(&[]);
        assert!(!self.core.has_tally());
    }

    fn window(&self) -> WindowUse {
        let projections = projections_from_first(&self.dir);
        projections.usage.window((ACCOUNT, UserId::NONE)).expect("the window is there").clone()
    }

    fn totals(&self) -> Vec<Vec<(TokenId, u64)>> {
        let totals = records(&self.dir).into_iter().filter_map(|(_, _, event)| match event {
            Event::QuotaRefusalsTotalled(total) => Some(total.counts),
            _ => None,
        });
        totals.collect()
    }

    fn check(&self) -> Vec<(Position, Header, Event)> {
        let records = records(&self.dir);
        check_order(&records);
        check_streams(&records);
        check_texts(&self.dir, &records);
        check_verified(&self.dir, self.core.log().root());
        assert!(*self.core.state() == state_from_first(&self.dir));
        records
    }
}

#[test]
fn no_refusal_for_quota_is_lost_however_many_tokens_it_was() {
    let tokens = 2 * QUOTA_TOKENS_A_RECORD as u64 + 500;
    let mut ledger = Ledger::create(tokens, 1);
    assert_eq!(ledger.ask((1..=tokens).chain([1])), (1, usize::try_from(tokens).expect("a small number")));
    assert_eq!(ledger.window().refused, 1, "the rest is only counted");
    ledger.end_window();
    let totals = ledger.totals();
    let lengths: Vec<usize> = totals.iter().map(Vec::len).collect();
    assert_eq!(lengths, [QUOTA_TOKENS_A_RECORD, QUOTA_TOKENS_A_RECORD, 500]);
    assert_eq!(totals.concat(), (1..=tokens).map(|token| (TokenId(token), 1)).collect::<Vec<_>>());
    let window = ledger.window();
    assert_eq!((window.used, window.refused), (1, tokens), "the first, recorded by itself, is counted once");
    assert_eq!(window.by_token, BTreeMap::from([(TokenId(1), 1)]));
    ledger.check();
}

#[test]
fn the_totals_of_a_window_add_up_over_orderly_stops() {
    let mut ledger = Ledger::create(2, 2);
    assert_eq!(ledger.ask([1, 1, 1, 2].into_iter()), (1, 3));
    ledger = ledger.stop_and_start();
    assert_eq!(ledger.window().refused, 3);
    assert_eq!(ledger.ask([1, 2, 2, 2].into_iter()), (0, 4));
    ledger = ledger.stop_and_start();
    assert_eq!(ledger.window().refused, 7);
    assert_eq!(ledger.ask([2].into_iter()), (0, 1));
    ledger.end_window();
    assert_eq!(ledger.totals().len(), 3);
    assert_eq!((ledger.window().used, ledger.window().refused), (1, 8));
    ledger.check();
}

#[test]
fn after_a_crash_the_first_refusal_is_counted_beside_the_totals_of_later_runs() {
    let mut ledger = Ledger::create(2, 3);
    assert_eq!(ledger.ask([1, 1, 1, 2].into_iter()), (1, 3));
    ledger = ledger.crash_and_start();
    assert_eq!(ledger.window().refused, 1, "what was only counted is lost, and the log says so");
    assert_eq!(ledger.ask([1, 2, 2, 2].into_iter()), (0, 4));
    ledger = ledger.stop_and_start();
    assert_eq!(ledger.window().refused, 5);
    assert_eq!(ledger.ask([1].into_iter()), (0, 1));
    ledger.end_window();
    assert_eq!(ledger.window().refused, 6);
    let starts: Vec<bool> = ledger
        .check()
        .iter()
        .filter_map(|(_, _, event)| match event {
            Event::RecordingStarted(started) => Some(started.after_clean_stop),
            _ => None,
        })
        .collect();
    assert_eq!(starts, [true, false, true]);
}

/// Request ids in order, those of one command once.
fn requests(ledger: &Ledger) -> Vec<[u8; 16]> {
    let mut requests: Vec<[u8; 16]> = records(&ledger.dir).iter().map(|(_, header, _)| header.request.0).collect();
    requests.dedup();
    requests
}

#[test]
fn what_comes_from_no_request_has_a_request_id_of_its_own() {
    let story = |seed| {
        let mut ledger = Ledger::create(3, seed);
        // Only the first use and the first refusal leave a record; the sum comes with the stop.
        assert_eq!(ledger.ask([1, 1, 2].into_iter()), (1, 2));
        ledger.stop_and_start()
    };
    let (one, same, other) = (requests(&story(1)), requests(&story(1)), requests(&story(2)));
    // Names, account, start, three tokens, use, refusal, total, stop, start.
    assert_eq!(one.len(), 11);
    assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), 11, "no two commands share one");
    assert!(!one.contains(&[0; 16]));
    assert_eq!(one, same, "seeded, so that cases can be compared");
    let unlike = one.iter().zip(&other).take(10).all(|(one, other)| one != other);
    assert!(unlike, "but for the last run's seed they have nothing in common");
}
