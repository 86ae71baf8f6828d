//! Each durable step of a running server fails unstored (reported as failed, and not there) and stored (reported as
//! failed, and there all the same), or the process is killed on either side of it. Whatever was acknowledged is there
//! afterwards, and the next start finds its way.
//!
//! A sync that fails unstored is `lost`: what was written to the file since its last sync is gone. `before` is the
//! gentler kind: not synced, but the kernel still has it.
//!
//! To add a step: a table of rows, and a test that calls [`each`].

use crate::client::{Ask, Client};
use crate::faults::is_whole_after_a_new_start;
use crate::load::{Book, Logged, Random, Worker, seed};
use crate::program::{SERVE, Server, token_ledger};
use crate::scene::Scene;
use crate::shim::Fault;
use std::time::{Duration, Instant};
use token_ledger::domain::ids::RequestId;
use token_ledger::log::signed_head::read_signed_head;

/// What a client sees, written by hand for each row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// 503, no receipt after it, and the process ends with 74.
    Ends,
    /// The process ends with 74, though no request had to be refused before.
    EndsUnasked,
    /// 503, and the next request is recorded; an orderly stop is exit code 0.
    Refuses,
    /// Nobody notices; an orderly stop is exit code 0.
    Serves,
    /// Killed there.
    Dies,
}
use Then::{Dies, Ends, EndsUnasked, Refuses, Serves};

/// When operations begin to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Armed {
    /// While it serves.
    Serving,
    /// From the signal to stop on.
    Stopping,
}
use Armed::{Serving, Stopping};

/// Requests before the fault may strike.
const BEFORE: usize = 5;
/// Requests sent at most to meet it: a write-ahead log is moved into its file every thousand pages.
const REQUESTS_MAX: usize = 2_000;
/// Longest time from the fault to the end of the process; answers get half a second of it.
const END_TIME_MAX: Duration = Duration::from_secs(20);
const STORAGE: i32 = 74;

/// One row: the rule of the shim, and what follows.
pub type Row = (&'static str, Then);

/// Runs each row on a ledger of its own; every row that fails is named.
fn each(armed: Armed, options: &[&str], rows: &[Row]) {
    let fails = |(rule, then): &&Row| {
        eprintln!("-- {rule}: {then:?}");
        std::panic::catch_unwind(|| meet(armed, options, rule, *then)).is_err()
    };
    let failed: Vec<&Row> = rows.iter().filter(fails).collect();
    assert!(failed.is_empty(), "each of these fails, see above: {failed:#?}");
}

/// Runs one row; gives the ledger and the requests that got no receipt.
fn meet(armed: Armed, options: &[&str], rule: &str, then: Then) -> (Scene, Vec<RequestId>) {
    let scene = Scene::new();
    let fault = Fault::new(&scene.aside(""), rule);
    let mut command = token_ledger();
    command.args(SERVE).arg(scene.data()).args(options);
    let server = Server::start_by(fault.at(command));
    let mut client = Client::connect(server.address).unwrap();
    let mut worker = Worker::new(Random::new(seed()), scene.tokens.clone());
    for _ in 0..BEFORE {
        worker.act(&mut client).unwrap();
    }
    fault.arm();
    if armed == Serving {
        work_until_injected(&mut worker, &mut client, &fault);
    }
    let published = published(&server);
    match then {
        Ends | EndsUnasked => {
            if armed == Stopping {
                server.terminate().expect(STORAGE);
            } else {
                work_until_cut(&mut worker, &mut client);
                server.end().expect(STORAGE).says("storage failed");
            }
        }
        Dies if armed == Stopping => assert_eq!(server.terminate().code, None, "killed"),
        Dies => assert_eq!(server.end().code, None, "killed"),
        Refuses | Serves => {
            worker.act(&mut client).unwrap();
            client.ask(Ask::get("/readyz", "")).unwrap().expect(200);
            server.terminate().expect(0);
        }
    }
    assert!(fault.injected() > 0, "a run that made nothing fail proves nothing");
    let book = worker.into_book();
    judge(&book, then);
    // What was shown as signed is in the file of the signed head.
    let signed = read_signed_head(&scene.dir()).unwrap().expect("a head was signed");
    assert!(signed.size.0 >= published, "{published} was published, {} is signed", signed.size);
    let unacknowledged = book.unacknowledged();
    is_whole_after_a_new_start(&scene, book);
    (scene, unacknowledged)
}

/// Until the fault has struck, and the answer to the request that met it came.
fn work_until_injected(worker: &mut Worker, client: &mut Client, fault: &Fault) {
    for _ in 0..REQUESTS_MAX {
        if worker.act(client).is_err() || fault.injected() > 0 {
            return;
        }
    }
    // What is not done for a request (a checkpoint, a snapshot) is on its way.
    fault.wait_until_injected();
}

/// Until the server is gone.
fn work_until_cut(worker: &mut Worker, client: &mut Client) {
    let until = Instant::now() + END_TIME_MAX;
    while worker.act(client).is_ok() {
        assert!(Instant::now() < until, "it goes on serving");
    }
}

/// Size of the last checkpoint that can be fetched; 0 if none can.
fn published(server: &Server) -> u64 {
    let fetched = Client::connect(server.address).and_then(|mut client| client.ask(Ask::get("/checkpoint", "")));
    let Ok(answer) = fetched else { return 0 };
    let text = String::from_utf8(answer.body).unwrap();
    text.lines().nth(1).map_or(0, |size| size.parse().unwrap())
}

fn judge(book: &Book, then: Then) {
    match then {
        Ends => {
            assert!(book.unavailable > 0, "clients are told that nothing could be recorded");
            assert_eq!(book.answered_after_503, 0, "nobody gets a receipt after the first failure");
        }
        Refuses => assert!(book.unavailable > 0, "the batch that was rolled back is answered 503"),
        Serves => assert_eq!(book.unavailable, 0, "nothing stood in the way of recording"),
        EndsUnasked | Dies => {}
    }
}

/// A start that cannot make its write-ahead logs durable in the directory serves nobody.
#[test]
fn start() {
    for rule in [
        // The ledger's write-ahead log, then the signed head's.
        "sync:/ledger$:1:before:EIO",
        "sync:/ledger$:2:before:EIO",
        "sync:/ledger$:2:after:KILL",
    ] {
        let scene = Scene::new();
        let fault = Fault::new(&scene.aside(""), rule);
        fault.arm();
        let mut command = token_ledger();
        command.args(SERVE).arg(scene.data());
        let ended = Server::try_start_by(fault.at(command)).expect_err(rule);
        assert_eq!(ended.code, if rule.ends_with("KILL") { None } else { Some(STORAGE) }, "{rule}: {ended:#?}");
        assert_eq!(fault.injected(), 1, "{rule}");
        is_whole_after_a_new_start(&scene, Book::default());
    }
}

#[test]
fn append() {
    each(
        Serving,
        &[],
        &[
            ("write:/ledger.db-wal$:1:before:EIO", Ends),
            ("write:/ledger.db-wal$:1:after:EIO", Ends),
            ("write:/ledger.db-wal$:4:after:EIO:persistent", Ends),
            // What a full disk did not take is known not to count: the next batch is written over it.
            ("write:/ledger.db-wal$:1:before:ENOSPC", Refuses),
            ("write:/ledger.db-wal$:2:after:ENOSPC", Refuses),
            ("write:/ledger.db-wal$:4:after:ENOSPC", Refuses),
            ("write:/ledger.db-wal$:2:before:KILL", Dies),
            ("write:/ledger.db-wal$:2:after:KILL", Dies),
        ],
    );
}

#[test]
fn commit() {
    each(
        Serving,
        &[],
        &[
            ("sync:/ledger.db-wal$:1:before:EIO", Ends),
            ("sync:/ledger.db-wal$:1:lost:EIO", Ends),
            ("sync:/ledger.db-wal$:1:after:EIO", Ends),
            ("sync:/ledger.db-wal$:2:lost:EIO:persistent", Ends),
            ("sync:/ledger.db-wal$:1:lost:ENOSPC", Ends),
            ("sync:/ledger.db-wal$:1:after:ENOSPC", Ends),
            ("sync:/ledger.db-wal$:1:lost:KILL", Dies),
            ("sync:/ledger.db-wal$:1:after:KILL", Dies),
        ],
    );
}

/// Both halves of the pair are what they are called: 503 means at most once, not never.
#[test]
fn a_commit_that_failed_unstored_is_not_there_and_one_that_failed_stored_is() {
    for (rule, is_stored) in [("sync:/ledger.db-wal$:1:lost:EIO", false), ("sync:/ledger.db-wal$:1:after:EIO", true)] {
        let (scene, unacknowledged) = meet(Serving, &[], rule, Ends);
        let logged = Logged::read(&scene.dir());
        assert_eq!(logged.has(unacknowledged[0]), is_stored, "{rule}");
        assert!(!unacknowledged[1..].iter().any(|request| logged.has(*request)), "{rule}");
    }
}

/// After an I/O error nobody knows what the file holds, so the process ends; what it answered is in the write-ahead log.
/// A full disk is no such error: the write-ahead log stays, and is moved another time.
#[test]
fn moving_the_write_ahead_log() {
    each(
        Serving,
        &[],
        &[
            ("write:/ledger.db$:1:before:EIO", EndsUnasked),
            ("write:/ledger.db$:1:after:EIO", EndsUnasked),
            ("write:/ledger.db$:1:before:ENOSPC", Serves),
            ("write:/ledger.db$:1:after:KILL", Dies),
            ("sync:/ledger.db$:1:lost:EIO", EndsUnasked),
            ("sync:/ledger.db$:1:after:EIO", EndsUnasked),
            ("sync:/ledger.db$:1:lost:KILL", Dies),
            ("sync:/ledger.db$:1:after:KILL", Dies),
        ],
    );
}

#[test]
fn moving_the_write_ahead_log_at_the_stop() {
    each(
        Stopping,
        &[],
        &[
            ("write:/ledger.db$:1:before:EIO", EndsUnasked),
            ("write:/ledger.db$:1:after:ENOSPC", Serves),
            ("sync:/ledger.db$:1:lost:EIO", EndsUnasked),
            ("sync:/ledger.db$:1:lost:EIO:persistent", EndsUnasked),
            ("sync:/ledger.db$:1:after:EIO", EndsUnasked),
            ("sync:/ledger.db$:1:lost:KILL", Dies),
            ("sync:/ledger.db$:1:after:KILL", Dies),
            ("truncate:/ledger.db-wal$:1:before:EIO", EndsUnasked),
            ("truncate:/ledger.db-wal$:1:after:EIO", EndsUnasked),
        ],
    );
}

/// The first transaction moves the signed head, the second stores the checkpoint.
#[test]
fn signed_head_and_checkpoint() {
    each(
        Serving,
        &[],
        &[
            ("write:/head.db-wal$:1:before:EIO", EndsUnasked),
            ("write:/head.db-wal$:2:after:EIO", EndsUnasked),
            ("write:/head.db-wal$:1:before:ENOSPC", Serves),
            ("write:/head.db-wal$:2:after:ENOSPC", Serves),
            ("write:/head.db-wal$:4:after:ENOSPC", Serves),
            ("sync:/head.db-wal$:1:lost:EIO", EndsUnasked),
            ("sync:/head.db-wal$:1:after:EIO", EndsUnasked),
            ("sync:/head.db-wal$:2:lost:EIO", EndsUnasked),
            ("sync:/head.db-wal$:2:after:EIO", EndsUnasked),
            ("sync:/head.db-wal$:1:lost:KILL", Dies),
            ("sync:/head.db-wal$:1:after:KILL", Dies),
            ("sync:/head.db-wal$:2:lost:KILL", Dies),
            ("sync:/head.db-wal$:2:after:KILL", Dies),
        ],
    );
}

/// A snapshot is a cache: that there is none is no reason to stop, and half a one is not taken for one.
#[test]
fn snapshot() {
    each(
        Serving,
        &["--snapshot-events", "3"],
        &[
            ("write:/views.db-wal$:1:before:EIO", Serves),
            ("write:/views.db-wal$:3:after:EIO:persistent", Serves),
            ("write:/views.db-wal$:3:after:ENOSPC", Serves),
            ("write:/views.db-wal$:9:after:KILL", Dies),
            ("sync:/views.db-wal$:1:lost:EIO", Serves),
            ("sync:/views.db-wal$:1:after:EIO", Serves),
            ("sync:/views.db-wal$:1:lost:KILL", Dies),
            ("sync:/views.db-wal$:1:after:KILL", Dies),
            ("write:/views.db$:1:before:ENOSPC", Serves),
            ("write:/views.db$:1:after:KILL", Dies),
            ("sync:/views.db$:1:lost:EIO", Serves),
            ("sync:/views.db$:1:after:EIO", Serves),
            ("sync:/views.db$:1:lost:KILL", Dies),
            ("sync:/views.db$:1:after:KILL", Dies),
        ],
    );
}
