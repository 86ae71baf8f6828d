//! A full disk: uses are refused, deletions go on, reads go on, and all is well again soon after there is room.

use crate::client::{Answer, Ask, Client};
use crate::load::Logged;
use crate::program::{PATIENCE, Server, run_on};
use crate::room::Room;
use crate::scene::{Scene, Tokens};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use token_ledger::domain::event::{Event, OutageCause};
use token_ledger::log::DataDir;

/// Of the file system: more than low-water mark and ballast.
const MIB: u64 = 96;
/// Marks that fit it.
const OPTIONS: [&str; 4] = ["--low-water-mib", "16", "--ballast-mib", "16"];
const BALLAST: u64 = 16 << 20;
const DELETIONS: usize = 1_000;
const BACK_TIME_MAX: Duration = Duration::from_secs(5);
const CLIENTS: usize = 8;

fn connect(address: SocketAddr) -> Client {
    Client::connect(address).unwrap()
}

/// Asks again and again until the status comes; gives its answer.
#[track_caller]
fn wait_for(client: &mut Client, ask: Ask<'_>, status: u16) -> Answer {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = client.ask(ask).unwrap();
        if answer.status == status {
            return answer;
        }
        assert!(Instant::now() < until, "{status} did not come: {answer:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Does something with each item, over some connections at once.
fn each<T: Sync>(address: SocketAddr, items: &[T], act: impl Fn(&mut Client, &T) + Sync) {
    std::thread::scope(|scope| {
        for part in items.chunks(items.len().div_ceil(CLIENTS)) {
            let act = &act;
            scope.spawn(move || {
                let mut client = connect(address);
                part.iter().for_each(|item| act(&mut client, item));
            });
        }
    });
}

fn create_tokens(address: SocketAddr, tokens: &Tokens, count: usize) -> Vec<u64> {
    let made = parking_lot::Mutex::new(Vec::new());
    let body = json!({ "name": "passing", "access": "full" });
    each(address, &vec![(); count], |client, ()| {
        let answer = client.ask(Ask::send("POST", "/v1/accounts/1/tokens", &tokens.operator, &body)).unwrap();
        made.lock().push(answer.expect(201).json()["data"]["id"].as_u64().unwrap());
    });
    made.into_inner()
}

fn delete_all(address: SocketAddr, tokens: &Tokens, ids: &[u64]) {
    each(address, ids, |client, id| {
        let path = format!("/v1/accounts/1/tokens/{id}");
        client.ask(Ask::delete(&path, &tokens.operator)).unwrap().expect(204);
    });
}

fn ballast(room: &Room) -> u64 {
    std::fs::metadata(room.data().join("ballast")).map_or(0, |ballast| ballast.len())
}

#[track_caller]
fn wait_for_ballast(room: &Room) {
    let until = Instant::now() + PATIENCE;
    while ballast(room) < BALLAST {
        assert!(Instant::now() < until, "the ballast is not made: {}", ballast(room));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What is refused and what goes on while the disk is full.
fn check_while_full(client: &mut Client, tokens: &Tokens, narrowed: u64) {
    let operator = &tokens.operator;
    let used = client.ask(Ask::get("/v2/whoami", &tokens.account[0])).unwrap().expect(503);
    assert!(used.header("retry-after").is_some(), "{used:?}");
    assert!(used.json()["message"].as_str().unwrap().contains("disk"), "{used:?}");
    let body = json!({ "name": "new", "access": "full" });
    let created = client.ask(Ask::send("POST", "/v1/accounts/1/tokens", operator, &body)).unwrap().expect(503);
    assert_eq!(created.json()["type"], "/problems/ledger-unavailable");
    assert!(created.header("retry-after").is_some());
    let path = format!("/v1/accounts/1/tokens/{narrowed}");
    let zones = json!({ "access": { "grants": [{ "group": "zones", "level": "read_only", "resources": "all" }] } });
    client.ask(Ask::send("PATCH", &path, operator, &zones)).unwrap().expect(200);
    client.ask(Ask::send("PATCH", &path, operator, &json!({ "access": "full" }))).unwrap().expect(503);
    client.ask(Ask::send("PATCH", &path, operator, &json!({ "name": "renamed" }))).unwrap().expect(503);
    let end = json!({ "expires_at": "2099-01-01T00:00:00Z" });
    client.ask(Ask::send("PATCH", &path, operator, &end)).unwrap().expect(200);
    client.ask(Ask::get(&path, operator)).unwrap().expect(200);
    client.ask(Ask::get("/v1/events?limit=5", operator)).unwrap().expect(200);
    client.ask(Ask::get("/healthz", "")).unwrap().expect(200);
    client.ask(Ask::get("/v2/whoami", "tlka_malformed")).unwrap().expect(401);
    let metrics = client.ask(Ask::get("/metrics", "")).unwrap().expect(200);
    assert!(String::from_utf8_lossy(&metrics.body).contains("token_ledger_disk_low 1\n"));
}

/// The outage in the log: its cause, and how many were turned away.
fn outages(data: &std::path::Path) -> Vec<(OutageCause, u64)> {
    let logged = Logged::read(&DataDir::new(data));
    (1..=logged.len())
        .filter_map(|position| match logged.at(position) {
            Event::RecordingResumed(resumed) => Some((resumed.cause, resumed.turned_away)),
            _ => None,
        })
        .collect()
}

/// Everything of the acceptance, on one file system.
fn refuses_uses_records_deletions_and_comes_back(room: &Room) {
    let scene = Scene::new();
    let (data, tokens) = (room.data(), &scene.tokens);
    scene.copy_to(&data);
    let server = Server::start(&data, &OPTIONS);
    let ids = create_tokens(server.address, tokens, DELETIONS + 1);
    let mut client = connect(server.address);
    wait_for_ballast(room);
    room.fill();
    let unready = wait_for(&mut client, Ask::get("/readyz", ""), 503);
    assert!(unready.json()["detail"].as_str().unwrap().contains("disk is nearly full"), "{unready:?}");
    check_while_full(&mut client, tokens, ids[DELETIONS]);
    // Whatever others leave, they take again.
    delete_all(server.address, tokens, &ids[..DELETIONS / 2]);
    room.fill();
    delete_all(server.address, tokens, &ids[DELETIONS / 2..DELETIONS]);
    client.ask(Ask::get("/v2/whoami", &tokens.account[0])).unwrap().expect(503);
    assert!(ballast(room) < BALLAST, "part of the ballast was given up");

    room.empty();
    let emptied = Instant::now();
    wait_for(&mut client, Ask::get("/v2/whoami", &tokens.account[0]), 200);
    assert!(emptied.elapsed() < BACK_TIME_MAX, "serving again after {:?}", emptied.elapsed());
    client.ask(Ask::get("/readyz", "")).unwrap().expect(200);
    let outages = outages(&data);
    assert!(matches!(outages[..], [(OutageCause::DiskFull, 5..)]), "{outages:?}");

    wait_for_ballast(room);
    run_on(&["verify"], &data).expect(0).says("Nothing is wrong");
    run_on(&["replay", "--compare"], &data).expect(0).says("the running server");
    server.terminate().expect(0);
    run_on(&["verify"], &data).expect(0).says("Nothing is wrong");
    let server = Server::start(&data, &OPTIONS);
    let mut client = connect(server.address);
    client.ask(Ask::get(&format!("/v1/accounts/1/tokens/{}", ids[0]), &tokens.operator)).unwrap().expect(404);
    server.terminate().expect(0);
}

#[test]
fn a_full_memory_backed_disk_refuses_uses_records_deletions_and_comes_back() {
    if let Some(room) = Room::on_memory(MIB) {
        refuses_uses_records_deletions_and_comes_back(&room);
    }
}

#[test]
fn a_full_ext4_refuses_uses_records_deletions_and_comes_back() {
    if let Some(room) = Room::on_ext4(MIB) {
        refuses_uses_records_deletions_and_comes_back(&room);
    }
}

/// Nothing is free when the service starts: the ballast lets it, and lets it record a deletion.
fn starts_on_a_full_disk(room: &Room) {
    let scene = Scene::new();
    let (data, tokens) = (room.data(), &scene.tokens);
    scene.copy_to(&data);
    let server = Server::start(&data, &OPTIONS);
    let ids = create_tokens(server.address, tokens, 2);
    wait_for_ballast(room);
    // Not in order: the write-ahead log stays.
    server.kill();
    room.fill();
    let server = Server::start(&data, &OPTIONS);
    let mut client = connect(server.address);
    client.ask(Ask::get("/readyz", "")).unwrap().expect(503);
    client.ask(Ask::get("/v2/whoami", &tokens.account[0])).unwrap().expect(503);
    delete_all(server.address, tokens, &ids[..1]);
    // An orderly end while the disk is full says what was missed so far.
    server.terminate().expect(0);
    assert_eq!(outages(&data), [(OutageCause::DiskFull, 1)]);
    room.empty();
    let server = Server::start(&data, &OPTIONS);
    let mut client = connect(server.address);
    client.ask(Ask::get("/v2/whoami", &tokens.account[0])).unwrap().expect(200);
    run_on(&["verify"], &data).expect(0).says("Nothing is wrong");
    let shown: Value = client.ask(Ask::get("/readyz", "")).unwrap().expect(200).json();
    assert_eq!(shown["status"], "ready");
    server.terminate().expect(0);
}

#[test]
fn the_service_starts_on_a_full_memory_backed_disk() {
    if let Some(room) = Room::on_memory(MIB) {
        starts_on_a_full_disk(&room);
    }
}

#[test]
fn the_service_starts_on_a_full_ext4() {
    if let Some(room) = Room::on_ext4(MIB) {
        starts_on_a_full_disk(&room);
    }
}

/// What can be seen without mounting: a mark above what the disk has.
#[test]
fn a_mark_above_what_is_free_refuses_uses_and_records_deletions() {
    let scene = Scene::new();
    let server = scene.serve(&[]);
    let ids = create_tokens(server.address, &scene.tokens, 2);
    server.terminate().expect(0);
    let server = scene.serve(&["--low-water-mib", "1000000000"]);
    let mut client = connect(server.address);
    client.ask(Ask::get("/readyz", "")).unwrap().expect(503);
    check_while_full(&mut client, &scene.tokens, ids[1]);
    delete_all(server.address, &scene.tokens, &ids[..1]);
    let ended = server.terminate().expect(0);
    ended.says("smaller than the low-water mark");
    let outages = outages(&scene.data());
    assert!(matches!(outages[..], [(OutageCause::DiskFull, 4..)]), "{outages:?}");
    scene.run(&["verify"]).expect(0);
}

/// What the ballast promises, at its default size: each deletion a commit by itself, on a disk that stays full.
///
/// `cargo test --test process -- --ignored --nocapture ten_thousand_deletions`
#[test]
#[ignore = "takes half a minute"]
fn ten_thousand_deletions_fit_the_ballast() {
    for room in [Room::on_memory(192), Room::on_ext4(192)].into_iter().flatten() {
        let scene = Scene::new();
        let (data, tokens) = (room.data(), &scene.tokens);
        scene.copy_to(&data);
        let server = Server::start(&data, &[]);
        let ids = create_tokens(server.address, tokens, 10_000);
        while ballast(&room) < 32 << 20 {
            std::thread::sleep(Duration::from_millis(5));
        }
        room.fill();
        let mut client = connect(server.address);
        wait_for(&mut client, Ask::get("/readyz", ""), 503);
        for (number, id) in ids.iter().enumerate() {
            let path = format!("/v1/accounts/1/tokens/{id}");
            client.ask(Ask::delete(&path, &tokens.operator)).unwrap().expect(204);
            if number % 1_000 == 0 {
                room.fill();
            }
        }
        println!("{} KiB of the ballast are left", ballast(&room) >> 10);
        server.terminate().expect(0);
        run_on(&["verify"], &data).expect(0).says("Nothing is wrong");
    }
}
