//! Live read models that are not what the log says, and records that are not what they were.

use crate::client::{Ask, Client};
use crate::program::Ended;
use crate::scene::Scene;
use rusqlite::Connection;
use token_ledger::domain::event::{Event, Header, TokenUsed};
use token_ledger::domain::ids::{Position, TextNumber, TokenId, Version};
use token_ledger::log::merkle::leaf_hash;
use token_ledger::log::reader::LogReader;
use token_ledger::projections::Projections;
use token_ledger::projections::snapshot::Views;

/// Stores the newest snapshot again with something altered, whole by its checksum and at the same position.
fn alter_snapshot(scene: &Scene, alter: impl FnOnce(&mut Projections, &LogReader)) {
    let log = LogReader::open(&scene.dir()).unwrap();
    let mut views = Views::open(&scene.dir()).unwrap();
    let mut projections = views.load(&log).unwrap().0.expect("the scene has a snapshot");
    let position = projections.position;
    alter(&mut projections, &log);
    projections.position = position;
    let leaf = leaf_hash(&log.record(position).unwrap().unwrap());
    views.store(&projections, leaf).unwrap();
}

fn compare(scene: &Scene) -> Ended {
    scene.run(&["replay", "--compare"])
}

fn rename_token(projections: &mut Projections, _: &LogReader) {
    projections.state.tokens.get_mut(2).unwrap().name = TextNumber(1);
}

/// Counts the scene's last use once more, in one projection only.
fn count_a_use_twice(projections: &mut Projections, log: &LogReader) {
    let before = projections.clone();
    let header = a_header(log);
    let used = a_use();
    projections.fold(before.position, &header, &Event::TokenUsed(used));
    *projections = Projections { last_used: projections.last_used.clone(), ..before };
}

/// Any header serves: only the token and the time count.
fn a_header(log: &LogReader) -> Header {
    let record = log.record(Position(1)).unwrap().unwrap();
    let (_, _, header) = token_ledger::log::codec::decode_header(&record).unwrap();
    Header { token: TokenId(2), ..header }
}

fn a_use() -> TokenUsed {
    use token_ledger::domain::event::{AccessSource, Outcome, Route};
    TokenUsed {
        secret: 1,
        source: AccessSource::Token(Version(1)),
        route: Route::Whoami,
        scope: None,
        outcome: Outcome::Ok,
        resource: token_ledger::domain::ids::ResourceId::NONE,
        address: TextNumber(0),
        agent: TextNumber(0),
        general: 1,
        research: 0,
    }
}

#[test]
fn an_altered_token_is_named_whether_a_server_runs_or_not() {
    let scene = Scene::new();
    compare(&scene).expect(0).says("the last snapshot");
    let server = scene.serve(&[]);
    compare(&scene).expect(0).says("the running server");
    server.terminate().expect(0);

    alter_snapshot(&scene, rename_token);
    compare(&scene).expect(1).says("tokens differs").says("token 2: differs");
    let server = scene.serve(&[]);
    let compared = compare(&scene).expect(1).says("tokens differs").says("token 2: differs");
    assert!(compared.stdout.contains("1 entries") && !compared.stdout.contains("accounts"), "{compared:#?}");
    server.terminate().expect(0);
    compare(&scene).expect(1).says("token 2: differs");
    scene.run(&["verify"]).expect(1).says("token 2");

    // The way out that a person is told: views are disposable.
    std::fs::remove_file(scene.dir().views()).unwrap();
    scene.serve(&[]).terminate().expect(0);
    compare(&scene).expect(0);
}

#[test]
fn an_altered_count_of_uses_is_named() {
    let scene = Scene::new();
    alter_snapshot(&scene, count_a_use_twice);
    compare(&scene).expect(1).says("last_used differs").says("token 2: ");
    let server = scene.serve(&[]);
    compare(&scene).expect(1).says("last_used differs").says("token 2: ");
    server.terminate().expect(0);
}

/// Flips a byte of a record past the triggers, as a person with the file in hand can.
pub fn change_record(scene: &Scene, position: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let mut record = LogReader::open(&scene.dir()).unwrap().record(Position(position)).unwrap().unwrap();
    change(&mut record);
    let ledger = Connection::open(scene.dir().ledger()).unwrap();
    ledger.execute_batch("DROP TRIGGER events_never_change").unwrap();
    let position = i64::try_from(position).unwrap();
    ledger.execute("UPDATE events SET record = ?2 WHERE position = ?1", (position, record)).unwrap();
    // Also the triggers are as they were, so that only the record tells.
    let trigger = "CREATE TRIGGER events_never_change BEFORE UPDATE ON events
        BEGIN SELECT raise(ABORT, 'events are never changed'); END";
    ledger.execute_batch(trigger).unwrap();
}

/// The last byte of a use or a creation, which any value fits: only a check of the whole finds it.
#[test]
fn a_flipped_byte_of_one_record_is_named_by_its_position() {
    let scene = Scene::new();
    scene.run(&["verify"]).expect(0);
    let server = scene.serve(&[]);
    let load = crate::load::Load::begin(&server, &scene, 1);
    // The tree holds a record's hash once its tile of 256 is full.
    let mut client = crate::client::Client::connect(server.address).unwrap();
    while client.ask(crate::client::Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap().position() < Some(300) {}
    load.stop();
    server.terminate().expect(0);
    change_record(&scene, 100, |record| *record.last_mut().unwrap() ^= 1);
    scene.run(&["verify"]).expect(1).says("position 100");
}

/// A count that somebody changed in the file, and a row that somebody took out of it.
#[test]
fn altered_history_tables_are_named_whether_a_server_runs_or_not() {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let mut client = crate::client::Client::connect(server.address).unwrap();
    for text in &scene.tokens.account {
        client.ask(crate::client::Ask::get("/v2/whoami", text)).unwrap().expect(200);
    }
    // What was only gathered is moved into the tables first.
    compare(&scene).expect(0).says("token_hours").says("closed_windows");
    let views = Connection::open(scene.dir().views()).unwrap();
    assert_eq!(views.execute("UPDATE token_hours SET uses = uses + 1 WHERE token = 2", []), Ok(1));
    let compared = compare(&scene).expect(1).says("token_hours differs").says("token 2 on account 1, hour ");
    assert!(compared.stdout.contains("1 entries") && !compared.stdout.contains("token 3"), "{compared:#?}");
    let named = "history table token_hours differs from a replay of the log: token 2 on account 1, hour ";
    scene.run(&["verify"]).expect(1).says(named).says("(differs)");
    assert_eq!(views.execute("DELETE FROM token_hours WHERE token = 3", []), Ok(1));
    drop(views);
    server.terminate().expect(0);
    compare(&scene).expect(1).says("token 2 on account 1").says("token 3 on account 1").says("only_replayed");
    scene.run(&["verify"]).expect(1).says(named).says("token 3 on account 1").says("(only in the replay)");

    std::fs::remove_file(scene.dir().views()).unwrap();
    scene.serve(&[]).terminate().expect(0);
    compare(&scene).expect(0);
    scene.run(&["verify"]).expect(0).says("The history tables, up to position ");
}

/// Then nothing is told from them until they are made anew, and nothing else suffers.
#[test]
fn history_tables_that_another_program_changed_are_made_anew_at_the_next_start() {
    use crate::client::{Ask, Client};
    let scene = Scene::new();
    let ask = |server: &crate::program::Server, path: &str, token: &str| {
        Client::connect(server.address).unwrap().ask(Ask::get(path, token)).unwrap()
    };
    let (operator, robot) = (&scene.tokens.operator, &scene.tokens.account[0]);
    let server = scene.serve(&[]);
    let views = Connection::open(scene.dir().views()).unwrap();
    ask(&server, "/v2/whoami", robot).expect(200);
    assert_eq!(views.execute("UPDATE history SET position = position - 1", []), Ok(1));
    drop(views);
    compare(&scene).expect(0).says("the running server");
    ask(&server, "/v1/accounts/1/usage/history", operator).expect(500);
    ask(&server, "/v2/whoami", robot).expect(200);
    server.terminate().expect(0);

    let server = scene.serve(&[]);
    compare(&scene).expect(0).says("token_hours");
    let told = ask(&server, "/v1/accounts/1/tokens/2/usage", operator).expect(200).json();
    assert_eq!(told["data"].as_array().unwrap().iter().map(|row| row["uses"].as_u64().unwrap()).sum::<u64>(), 2);
    server.terminate().expect(0);
}

/// Nothing in the file is needed: who finds it damaged says so, and the next start has it all from the log.
#[test]
fn a_views_file_without_one_of_its_tables_is_made_anew() {
    let scene = Scene::new();
    scene.serve(&[]).terminate().expect(0);
    let usage = "/v1/accounts/1/tokens/2/usage?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z";
    let asked = |server: &crate::program::Server, path: &str| {
        Client::connect(server.address).unwrap().ask(Ask::get(path, &scene.tokens.operator)).unwrap()
    };
    let server = scene.serve(&[]);
    let told = asked(&server, usage);
    assert_eq!(told.status, 200);
    server.terminate().expect(0);

    Connection::open(scene.dir().views()).unwrap().execute_batch("DROP TABLE token_hours").unwrap();
    scene.run(&["verify"]).expect(1).says("token_hours");
    let server = scene.serve(&[]);
    assert_eq!(asked(&server, usage).status, 500);
    crate::program::until("it is noticed", || {
        String::from_utf8_lossy(&asked(&server, "/readyz").body).contains("views.db holds no history any more")
    });
    server.terminate().expect(0);

    let server = scene.serve(&[]);
    let again = asked(&server, usage);
    assert_eq!((again.status, again.body), (200, told.body));
    server.terminate().expect(0);
    scene.run(&["verify"]).expect(0);
}
