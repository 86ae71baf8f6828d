//! SIGKILL under load, again and again: what was acknowledged is there once, what was deleted stays refused.

use crate::client::{Ask, Client};
use crate::load::{Acknowledged, Book, Load, Logged, Made, Random, seed};
use crate::program::Server;
use crate::scene::Scene;
use std::time::Duration;

const CYCLES: u64 = 20;
/// Tokens of earlier cycles looked at after each start, beside those of the last one.
const EARLIER_LOOKED_AT: usize = 5;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_in_twenty_kills() {
    let seed = seed();
    let scene = Scene::new();
    let mut random = Random::new(seed);
    let mut book = Book::default();
    let (mut alive_before, mut deleted_before) = (0, 0);
    for cycle in 0..CYCLES {
        let context = format!("seed {seed}, cycle {cycle}");
        // Snapshots are taken every few hundred records, so that some kills meet one half written.
        let server = scene.serve(&["--snapshot-events", "300"]);
        look_at_tokens(&server, &mut book, alive_before, deleted_before, &context);
        (alive_before, deleted_before) = (book.alive.len(), book.deleted.len());
        let logged = Logged::read(&scene.dir());
        logged.holds(&book, &context);
        assert_eq!(logged.last_start_after_clean_stop(), Some(cycle == 0), "{context}");
        let load = Load::begin(&server, &scene, random.next());
        // Not to wait for anything: this is the random moment.
        std::thread::sleep(Duration::from_millis(30 + random.below(371)));
        server.kill();
        book.join(load.end());
    }
    let server = scene.serve(&[]);
    look_at_tokens(&server, &mut book, 0, 0, "at the end");
    scene.run(&["verify"]).expect(0).says("Nothing is wrong");
    scene.run(&["replay", "--compare"]).expect(0).says("the running server");
    server.terminate().expect(0);
    Logged::read(&scene.dir()).holds(&book, "at the end");
    scene.run(&["verify"]).expect(0).says("Nothing is wrong");
    scene.run(&["replay", "--compare"]).expect(0).says("the last snapshot");
    assert!(book.acknowledged.len() > 500, "only {} acknowledged: not a load", book.acknowledged.len());
    assert!(book.deleted.len() > 20 && book.alive.len() > 20, "{} and {}", book.deleted.len(), book.alive.len());
}

/// Tokens whose creation was answered work, tokens whose deletion was answered do not: all from the given places on,
/// and some before them.
fn look_at_tokens(server: &Server, book: &mut Book, alive_from: usize, deleted_from: usize, context: &str) {
    let mut client = Client::connect(server.address).unwrap();
    client.ask(Ask::get("/readyz", "")).unwrap().expect(200);
    let from = |place: usize| place.saturating_sub(EARLIER_LOOKED_AT);
    for made in &book.alive[from(alive_from)..] {
        let (status, acknowledged) = whoami(&mut client, made);
        assert_eq!(status, 200, "{context}: token {} was created", made.id);
        book.acknowledged.extend(acknowledged);
    }
    for made in &book.deleted[from(deleted_from)..] {
        assert_eq!(whoami(&mut client, made).0, 401, "{context}: token {} was deleted", made.id);
    }
}

fn whoami(client: &mut Client, made: &Made) -> (u16, Option<Acknowledged>) {
    let request = client.new_request();
    let answer = client.ask_as(request, Ask::get("/v2/whoami", &made.text)).unwrap();
    let receipt = answer.position();
    (answer.status, receipt.map(|position| Acknowledged { position, request, event: "TokenUsed" }))
}
