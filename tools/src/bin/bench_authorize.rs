//! What `POST /v1/authorize` costs with one question and with a hundred, over one connection, interleaved.
//!
//! Floor: the service's accept loop and an empty route, asked by the same client: the round trip alone. Beside it the
//! hot path, one durable `GET /v2/whoami`. Every answer is awaited before the next request is sent, so that each call
//! pays for a commit of its own.
//!
//! `cargo run --release -p tools --bin bench_authorize -- --rounds 5 --calls 400`

use clap::Parser;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Instant;
use token_ledger::clock::Clock;
use token_ledger::domain::command::{Actor, Change, Command, GatewayChange, NewSecret, Origin};
use token_ledger::domain::decide::Answer;
use token_ledger::domain::gateway::{GATEWAY_RIGHTS, GatewayReach};
use token_ledger::domain::ids::AccountId;
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::TokenKind;
use token_ledger::domain::token_text::TokenSecret;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::DataDir;
use token_ledger::ledger::core::Core;
use tools::load::counts;
use tools::{AnyError, Base, Server, furnish, median, sibling};

#[derive(Debug, Parser)]
struct Arguments {
    /// Interleaved rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Calls of each kind in each round.
    #[arg(long, default_value_t = 400)]
    calls: usize,
    /// Where the ledger is made; a temporary directory beside this program if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Most that a hundred questions may cost, in calls with one.
    #[arg(long, default_value_t = 5.0)]
    goal: f64,
}

const FLOOR_PORT: u16 = 18_983;
const PORT: u16 = 18_984;

/// One kind of request, and what its calls took.
struct Kind {
    name: &'static str,
    port: u16,
    request: Vec<u8>,
    micros: Vec<f64>,
    /// Commits a call; a call that is answered without one has not measured what it should.
    commits: Vec<f64>,
}

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let base = Base::of(arguments.dir.as_deref())?;
    let base = base.path();
    let data = base.join("ledger");
    let dir = DataDir::new(&data);
    let shown = furnish(&dir, 1, 1)?.pop().ok_or("no token was made")?;
    let gateway = gateway_token(&dir)?;
    let _floor =
        Server::start(&sibling("floor")?, &["--listen", &format!("127.0.0.1:{FLOOR_PORT}"), "--threads", "1"])?;
    let listen = format!("127.0.0.1:{PORT}");
    let service =
        Server::start(&sibling("token-ledger")?, &["serve", "--data", &data.to_string_lossy(), "--listen", &listen])?;
    let mut kinds = kinds(&shown, &gateway);
    for round in 0..=arguments.rounds {
        for kind in &mut kinds {
            let before = counts(kind.port);
            let micros = measure(kind, arguments.calls)?;
            let after = counts(kind.port);
            // The first round only warms up.
            if round > 0 {
                kind.micros.push(micros);
                if let (Some(before), Some(after)) = (before, after) {
                    kind.commits.push((after.0 - before.0) as f64 / arguments.calls as f64);
                }
            }
        }
    }
    service.stop()?;
    report(&kinds, arguments.goal)
}

fn kinds(shown: &str, gateway: &str) -> Vec<Kind> {
    let question = |index: usize| json!({ "account_id": 1, "required_scope": format!("zones:z{index}.example:read") });
    let call = |questions: Vec<Value>| {
        let body = json!({ "token": shown, "address": "192.0.2.1", "questions": questions }).to_string();
        format!(
            "POST /v1/authorize HTTP/1.1\r\nHost: ledger.test\r\nAuthorization: Bearer {gateway}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let names: Vec<String> = (0..1_000).map(|index| format!("z{index}.example")).collect();
    let list = json!({ "account_id": 1, "group": "zones", "candidates": names });
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: ledger.test\r\nAuthorization: Bearer {shown}\r\n\r\n");
    let kind = |name, port, request: String| Kind {
        name,
        port,
        request: request.into_bytes(),
        micros: Vec::new(),
        commits: Vec::new(),
    };
    vec![
        kind("floor: an empty route", FLOOR_PORT, get("/")),
        kind("durable whoami", PORT, get("/v2/whoami")),
        kind("authorize, 1 question", PORT, call(vec![question(0)])),
        kind("authorize, 100 questions", PORT, call((0..100).map(question).collect())),
        kind("authorize, a list of 1,000", PORT, call(vec![list])),
    ]
}

fn gateway_token(dir: &DataDir) -> Result<String, AnyError> {
    let (mut core, _) = Core::open(dir, Clock::system(), Entropy::system())?;
    let secret = TokenSecret::from_random(TokenKind::Gateway, &Entropy::system().bytes_32());
    let new = NewSecret { digest: secret.digest(), hint: secret.hint() };
    let reach = GatewayReach::new(GATEWAY_RIGHTS.to_vec(), vec![AccountId(1)]);
    let create = GatewayChange::Create {
        name: PersonalText::new("bench"),
        reach,
        expires_at: None,
        conditions: Default::default(),
        secret: new,
    };
    let command = Command::Manage(Actor::Local(0), Box::new(Change::Gateway(create)));
    match core.execute(command, Origin::default())?.0.answer {
        Answer::Done(_) => Ok(secret.reveal_once()),
        other => Err(format!("no gateway token was made: {other:?}").into()),
    }
}

/// Microseconds a call, over one connection.
fn measure(kind: &Kind, calls: usize) -> Result<f64, AnyError> {
    let mut connection = TcpStream::connect(("127.0.0.1", kind.port))?;
    connection.set_nodelay(true)?;
    let mut buffer = Vec::new();
    let started = Instant::now();
    for _ in 0..calls {
        connection.write_all(&kind.request)?;
        read_answer(&mut connection, &mut buffer).map_err(|error| format!("{}: {error}", kind.name))?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / calls as f64)
}

/// Reads one answer, which must be a success.
fn read_answer(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), AnyError> {
    buffer.clear();
    let mut part = [0; 16 * 1_024];
    loop {
        let read = connection.read(&mut part)?;
        if read == 0 {
            return Err("the connection ended".into());
        }
        buffer.extend_from_slice(&part[..read]);
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
        if !head.starts_with("http/1.1 20") {
            return Err(head.lines().next().unwrap_or_default().to_owned().into());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if buffer.len() >= end + 4 + length.unwrap_or(0) {
            return Ok(());
        }
    }
}

fn report(kinds: &[Kind], goal: f64) -> Result<(), AnyError> {
    let micros = |name: &str| kinds.iter().find(|kind| kind.name == name).map_or(f64::NAN, |kind| median(&kind.micros));
    let one = micros("authorize, 1 question");
    println!("{:<28} {:>12} {:>16}", "one connection", "us a call", "calls of one");
    for kind in kinds {
        let taken = median(&kind.micros);
        let rounds: Vec<String> = kind.micros.iter().map(|micros| format!("{micros:.0}")).collect();
        println!("{:<28} {taken:>12.1} {:>16.2}   rounds: {}", kind.name, taken / one, rounds.join(" "));
        println!("{:<28} commits a call {:.2}", "", median(&kind.commits));
    }
    let ratio = micros("authorize, 100 questions") / one;
    println!("100 questions cost {ratio:.2} times one; at most {goal}");
    if ratio < goal { Ok(()) } else { Err("a hundred questions cost too much".into()) }
}
