//! Clients that use, create and delete tokens, and remember what they were told: the book that a log is held against.

use crate::client::{Answer, Ask, Client};
use crate::program::Server;
use crate::scene::{Scene, Tokens, ZONE};
use serde_json::json;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use token_ledger::domain::event::Event;
use token_ledger::domain::ids::{Position, RequestId};
use token_ledger::log::DataDir;
use token_ledger::log::reader::LogReader;

pub const CLIENTS: u64 = 8;
/// Tokens of its own that a client keeps before it deletes one.
const OWN_MAX: usize = 2;

/// Foreseeable choices (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }
}

/// The seed of a run: a given one, or a new one.
pub fn seed() -> u64 {
    let given = std::env::var("TOKEN_LEDGER_SEED").ok();
    let new = || u64::from_le_bytes(token_ledger::entropy::Entropy::system().bytes_16()[..8].try_into().unwrap());
    given.map_or_else(new, |text| text.parse().unwrap())
}

/// A token that a client made.
#[derive(Clone, Debug)]
pub struct Made {
    pub id: u64,
    pub text: String,
}

/// What was answered with a receipt.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    pub position: u64,
    pub request: RequestId,
    pub event: &'static str,
}

/// Everything that clients remember.
#[derive(Debug, Default)]
pub struct Book {
    /// Ids of all requests that could be recorded, answered or not.
    pub sent: Vec<RequestId>,
    pub acknowledged: Vec<Acknowledged>,
    /// Creation answered, deletion never asked for.
    pub alive: Vec<Made>,
    /// Deletion answered.
    pub deleted: Vec<Made>,
    /// Answers 503, all of which said when to try again.
    pub unavailable: u64,
    /// Answers after a 503.
    pub answered_after_503: u64,
}

impl Book {
    pub fn join(&mut self, other: Self) {
        self.sent.extend(other.sent);
        self.acknowledged.extend(other.acknowledged);
        self.alive.extend(other.alive);
        self.deleted.extend(other.deleted);
        self.unavailable += other.unavailable;
        self.answered_after_503 += other.answered_after_503;
    }

    /// Requests without a receipt.
    pub fn unacknowledged(&self) -> Vec<RequestId> {
        let has_receipt = |request: &&RequestId| self.acknowledged.iter().any(|known| known.request == **request);
        self.sent.iter().filter(|request| !has_receipt(request)).copied().collect()
    }

    fn acknowledge(&mut self, request: RequestId, answer: &Answer, event: &'static str) {
        let position = answer.position().unwrap_or_else(|| panic!("no receipt: {answer:?}"));
        self.acknowledged.push(Acknowledged { position, request, event });
        self.answered_after_503 += u64::from(self.unavailable > 0);
    }
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    clients: Vec<JoinHandle<Book>>,
    stopping: Arc<AtomicBool>,
}

impl Load {
    /// Starts the clients; gives them back once the first has its first receipt.
    pub fn begin(server: &Server, scene: &Scene, seed: u64) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let (begun, first) = mpsc::channel();
        let clients = (0..CLIENTS).map(|number| {
            let random = Random::new(seed.wrapping_add(number));
            let (address, tokens, begun) = (server.address, scene.tokens.clone(), begun.clone());
            let stopping = Arc::clone(&stopping);
            std::thread::spawn(move || Worker::new(random, tokens).run(address, &stopping, &begun))
        });
        let clients = clients.collect();
        first.recv_timeout(crate::program::PATIENCE).expect("a client gets a receipt");
        Self { clients, stopping }
    }

    /// Asks the clients to stop, and waits for them.
    pub fn stop(self) -> Book {
        self.stopping.store(true, Ordering::Relaxed);
        self.end()
    }

    /// Waits until the clients have lost their server.
    pub fn end(self) -> Book {
        let mut book = Book::default();
        for client in self.clients {
            book.join(client.join().unwrap());
        }
        book
    }
}

/// One client's choices and memory.
pub struct Worker {
    random: Random,
    tokens: Tokens,
    own: Vec<Made>,
    pub book: Book,
}

impl Worker {
    pub fn new(random: Random, tokens: Tokens) -> Self {
        Self { random, tokens, own: Vec::new(), book: Book::default() }
    }

    fn run(mut self, address: SocketAddr, stopping: &AtomicBool, begun: &mpsc::Sender<()>) -> Book {
        let Ok(mut client) = Client::connect(address) else { return self.book };
        let mut told = false;
        while !stopping.load(Ordering::Relaxed) && self.act(&mut client).is_ok() {
            if !told && !self.book.acknowledged.is_empty() {
                told = begun.send(()).is_ok();
            }
        }
        self.into_book()
    }

    /// What it remembers at its end.
    pub fn into_book(mut self) -> Book {
        self.book.alive.append(&mut self.own);
        self.book
    }

    /// Sends one request, or none if the server is gone.
    pub fn act(&mut self, client: &mut Client) -> io::Result<()> {
        match self.random.below(10) {
            0 => self.create(client),
            1 => self.delete(client),
            2..=5 => {
                let token = self.random.pick(&self.tokens.account).clone();
                self.read(client, "/v2/whoami", &token)
            }
            6 if !self.own.is_empty() => {
                let token = self.random.pick(&self.own).text.clone();
                self.read(client, "/v2/whoami", &token)
            }
            choice => {
                // User tokens ask for the zone: that draws from the account, whose limit no test reaches.
                let tokens = if choice == 9 { &self.tokens.user } else { &self.tokens.account };
                let token = self.random.pick(tokens).clone();
                self.read(client, &format!("/v2/1/zones/{ZONE}"), &token)
            }
        }
    }

    /// Sends one request; gives its answer unless that is 503.
    fn ask(&mut self, client: &mut Client, ask: Ask<'_>) -> io::Result<ControlFlow<(), (RequestId, Answer)>> {
        let request = client.new_request();
        self.book.sent.push(request);
        let answer = client.ask_as(request, ask)?;
        if answer.status != 503 {
            return Ok(ControlFlow::Continue((request, answer)));
        }
        let seconds: u64 = answer.header("retry-after").expect("503 says when to try again").parse().unwrap();
        assert!((1..=30).contains(&seconds) && answer.position().is_none(), "{answer:?}");
        self.book.unavailable += 1;
        Ok(ControlFlow::Break(()))
    }

    fn read(&mut self, client: &mut Client, path: &str, token: &str) -> io::Result<()> {
        if let ControlFlow::Continue((request, answer)) = self.ask(client, Ask::get(path, token))? {
            self.book.acknowledge(request, &answer.expect(200), "TokenUsed");
        }
        Ok(())
    }

    fn create(&mut self, client: &mut Client) -> io::Result<()> {
        let body = json!({ "name": "passing", "access": "full" });
        let operator = self.tokens.operator.clone();
        let ask = Ask::send("POST", "/v1/accounts/1/tokens", &operator, &body);
        if let ControlFlow::Continue((request, answer)) = self.ask(client, ask)? {
            let answer = answer.expect(201);
            self.book.acknowledge(request, &answer, "TokenCreated");
            let shown = answer.json();
            let text = shown["token"].as_str().unwrap().to_owned();
            self.own.push(Made { id: shown["data"]["id"].as_u64().unwrap(), text });
        }
        Ok(())
    }

    fn delete(&mut self, client: &mut Client) -> io::Result<()> {
        if self.own.len() < OWN_MAX {
            return self.create(client);
        }
        // Asked for is neither alive nor deleted, until the answer comes.
        let made = self.own.remove(0);
        let operator = self.tokens.operator.clone();
        let path = format!("/v1/accounts/1/tokens/{}", made.id);
        if let ControlFlow::Continue((request, answer)) = self.ask(client, Ask::delete(&path, &operator))? {
            self.book.acknowledge(request, &answer.expect(204), "TokenDeleted");
            self.book.deleted.push(made);
        }
        Ok(())
    }
}

/// What the log says, by position.
pub struct Logged {
    records: Vec<(RequestId, &'static str, Event)>,
}

impl Logged {
    /// Reads the whole log; a gap or a record that does not decode ends the test.
    pub fn read(dir: &DataDir) -> Self {
        let log = LogReader::open(dir).unwrap();
        let mut records = Vec::new();
        log.replay(Position(0), log.head().unwrap(), |position, header, event| {
            records.push((header.request, event.type_name(), event));
            assert_eq!(position.0, records.len() as u64, "positions have no gap");
            ControlFlow::Continue(())
        })
        .unwrap();
        Self { records }
    }

    /// Every receipt's record is there with its request, and every request is in the log once, or at most once if it
    /// was not answered.
    #[track_caller]
    pub fn holds(&self, book: &Book, context: &str) {
        let mut times: HashMap<RequestId, u32> = HashMap::new();
        // New texts of a request are records beside the one that it is about.
        for (request, _, _) in self.records.iter().filter(|(_, name, _)| *name != "TextSeen") {
            *times.entry(*request).or_default() += 1;
        }
        for Acknowledged { position, request, event } in &book.acknowledged {
            let at = usize::try_from(position - 1).unwrap();
            let found = self.records.get(at).map(|(request, name, _)| (*request, *name));
            assert_eq!(found, Some((*request, *event)), "{context}: the receipt {position} of {request}");
            assert_eq!(times.get(request), Some(&1), "{context}: {request} is recorded once");
        }
        for request in &book.sent {
            assert!(times.get(request).copied().unwrap_or(0) <= 1, "{context}: {request} is recorded twice");
        }
    }

    /// Whether anything of a request is recorded.
    pub fn has(&self, request: RequestId) -> bool {
        self.records.iter().any(|(recorded, _, _)| *recorded == request)
    }

    /// The log's length, which is its head.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The event at a position.
    pub fn at(&self, position: usize) -> &Event {
        &self.records[position - 1].2
    }

    /// The last event of the log.
    pub fn last(&self) -> &Event {
        self.at(self.len())
    }

    /// What the last start says of the run before it.
    pub fn last_start_after_clean_stop(&self) -> Option<bool> {
        self.records.iter().rev().find_map(|(_, _, event)| match event {
            Event::RecordingStarted(started) => Some(started.after_clean_stop),
            _ => None,
        })
    }
}
