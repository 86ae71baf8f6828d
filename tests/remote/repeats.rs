//! A request whose answer is lost is sent again where that does nothing twice, and nowhere else.

use crate::desk::Desk;
use crate::middle::{Fate, Middle};
use crate::program::Ended;

const BUSY: &str =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const BUSY_FOR_LONG: &str =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 86400\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const ELSEWHERE: &str = "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const USER: [&str; 6] = ["users", "create", "--name", "Ada", "--email", "ada@example.com"];

fn run(desk: &Desk, fates: Vec<Fate>, arguments: &[&str]) -> (Ended, Vec<String>) {
    let middle = Middle::before(desk.server.address, fates);
    let mut command = desk.command(arguments);
    command.env("TOKEN_LEDGER_URL", format!("http://{}", middle.address));
    let ended = desk.run_by(command);
    (ended, middle.heads.try_iter().collect())
}

fn users(desk: &Desk) -> usize {
    desk.json(&["users", "list"])["data"].as_array().unwrap().len()
}

/// The idempotency key of a request.
fn key(head: &str) -> Option<&str> {
    head.lines().find_map(|line| line.to_ascii_lowercase().starts_with("idempotency-key: ").then(|| &line[17..]))
}

#[test]
fn a_creation_whose_answer_was_lost_is_sent_again_and_happens_once() {
    let desk = Desk::new();
    let (ended, heads) = run(&desk, vec![Fate::AnswerLost], &USER);
    ended.expect(0).says("carried out before");
    assert_eq!(users(&desk), 1);
    assert!(key(&heads[0]).is_some() && key(&heads[0]) == key(&heads[1]), "{heads:#?}");
    // Lost twice: nobody knows, and the same key says how to find out.
    let (ended, heads) = run(&desk, vec![Fate::AnswerLost; 2], &USER);
    let ended = ended.expect(69).says("Nobody knows");
    let key = key(&heads[0]).unwrap();
    assert!(ended.stderr.contains(&format!("--idempotency-key {key}")), "{ended:?}");
    desk.run(&[&USER[..], &["--idempotency-key", key]].concat()).expect(0).says("carried out before");
    assert_eq!(users(&desk), 2);
}

#[test]
fn a_secret_that_was_lost_with_its_answer_is_told() {
    let desk = Desk::with_account();
    let create = ["tokens", "create", "--account", "1", "--name", "robot", "--access", "full"];
    let (ended, _) = run(&desk, vec![Fate::AnswerLost], &create);
    ended.expect(1).says("rotate");
    assert_eq!(desk.json(&["tokens", "list", "--account", "1"])["data"].as_array().unwrap().len(), 1);
}

#[test]
fn what_could_happen_twice_is_not_sent_again() {
    let desk = Desk::with_account();
    let rename = ["accounts", "update", "1", "--name", "Two", "--if-match", "1"];
    let (ended, heads) = run(&desk, vec![Fate::AnswerLost], &rename);
    ended.expect(69).says("Nobody knows").says("look before");
    assert_eq!(heads.len(), 1);
    assert_eq!(desk.json(&["accounts", "show", "1"])["data"]["name"], "Two");
    let bare = [&USER[..], &["--no-idempotency-key"]].concat();
    let (ended, heads) = run(&desk, vec![Fate::AnswerLost], &bare);
    ended.expect(69).says("Nobody knows").says("look before");
    assert!(heads.len() == 1 && key(&heads[0]).is_none(), "{heads:?}");
    assert_eq!(users(&desk), 1);
    let (ended, heads) = run(&desk, vec![Fate::Answered(BUSY)], &["members", "remove", "1", "--account", "1"]);
    ended.expect(69);
    assert_eq!(heads.len(), 1);
}

#[test]
fn a_service_that_cannot_record_is_asked_once_more_if_it_says_that_this_helps_soon() {
    let desk = Desk::new();
    let (ended, heads) = run(&desk, vec![Fate::Answered(BUSY)], &USER);
    ended.expect(0);
    assert_eq!((heads.len(), users(&desk)), (2, 1));
    let (ended, heads) = run(&desk, vec![Fate::Answered(BUSY); 3], &["users", "list"]);
    ended.expect(69).says("503");
    assert_eq!(heads.len(), 2);
    let (ended, heads) = run(&desk, vec![Fate::Answered(BUSY_FOR_LONG)], &USER);
    ended.expect(69);
    assert_eq!((heads.len(), users(&desk)), (1, 1));
}

#[test]
fn an_answer_that_leads_elsewhere_is_not_followed() {
    let desk = Desk::new();
    let (ended, heads) = run(&desk, vec![Fate::Answered(ELSEWHERE)], &["users", "list"]);
    ended.expect(69).says("307");
    assert_eq!(heads.len(), 1);
}
