//! A stream of events over the real program: stopped, killed and started again, each event comes once.

use crate::client::{Ask, Client};
use crate::program::{PATIENCE, Server, until};
use crate::scene::Scene;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use token_ledger::log::reader::LogReader;

/// A plain client of server-sent events.
struct Follower {
    lines: BufReader<TcpStream>,
    ids: Vec<u64>,
}

impl Follower {
    fn open(server: &Server, token: &str, after: u64) -> Self {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nLast-Event-ID: {after}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut follower = Self { lines: BufReader::new(stream), ids: Vec::new() };
        assert_eq!(follower.line().as_deref(), Some("HTTP/1.1 200 OK"));
        follower
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(read) if read > 0 => Some(line.trim_end().to_owned()),
            // The end, or a line that broke when the server was killed.
            Ok(_) => None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("nothing came: {error}"),
        }
    }

    /// The next event; its id is taken down once it is whole. None once the stream has ended.
    fn next(&mut self) -> Option<Value> {
        let (mut id, mut event) = (None, None);
        loop {
            let line = self.line()?;
            if let Some(position) = line.strip_prefix("id: ") {
                id = position.parse().ok();
            } else if let Some(data) = line.strip_prefix("data: ") {
                event = serde_json::from_str::<Value>(data).ok();
            } else if line.is_empty()
                && let (Some(position), Some(event)) = (id, event.take())
            {
                self.ids.push(position);
                return Some(event);
            }
        }
    }

    fn follow_to(&mut self, position: u64) {
        while self.ids.last().is_none_or(|last| *last < position) {
            self.next().expect("the stream goes on");
        }
    }

    fn follow_to_its_end(mut self) -> Vec<u64> {
        while self.next().is_some() {}
        self.ids
    }
}

fn use_it(scene: &Scene, server: &Server) -> u64 {
    let mut client = Client::connect(server.address).unwrap();
    let answer = client.ask(Ask::get("/v2/whoami", &scene.tokens.account[0])).unwrap();
    answer.expect(200).position().unwrap()
}

#[test]
fn a_stream_goes_on_over_an_orderly_stop_and_a_kill_without_loss_or_repetition() {
    let scene = Scene::new();
    let operator = &scene.tokens.operator;
    let server = scene.serve(&[]);
    let mut follower = Follower::open(&server, operator, 0);
    follower.follow_to(use_it(&scene, &server));
    let ended = server.terminate().expect(0);
    assert!(ended.took < std::time::Duration::from_secs(8), "a stream does not hold up the end: {:?}", ended.took);
    let mut ids = follower.follow_to_its_end();

    let server = scene.serve(&[]);
    let mut follower = Follower::open(&server, operator, *ids.last().unwrap());
    follower.follow_to(use_it(&scene, &server));
    server.kill();
    ids.extend(follower.follow_to_its_end());

    let server = scene.serve(&[]);
    let mut follower = Follower::open(&server, operator, *ids.last().unwrap());
    let last = use_it(&scene, &server);
    follower.follow_to(last);
    ids.extend(&follower.ids);
    assert_eq!(ids[..usize::try_from(last).unwrap()], (1..=last).collect::<Vec<_>>());
    drop(follower);
    // Before it is told to stop, or it may hear of that first and say so.
    until("the end of the last stream", || ends(&scene).len() == 2);
    server.terminate().expect(0);
    assert_eq!(ends(&scene), ["service_stopped", "reader_left"], "the killed run could not say any more");
}

/// Why each stream ended, by the log.
fn ends(scene: &Scene) -> Vec<&'static str> {
    let log = LogReader::open(&scene.dir()).unwrap();
    let (mut ends, head) = (Vec::new(), log.head().unwrap());
    log.replay(token_ledger::domain::ids::Position(0), head, |_, _, event| {
        if let token_ledger::domain::event::Event::HistoryStreamClosed(closed) = event {
            ends.push(closed.end.name());
        }
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    ends
}
