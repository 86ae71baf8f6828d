//! Reported uses over HTTP on one connection, beside the bare append of the same records to a log of their own.
//!
//! `cargo run --release -p tools --bin bench_intake`

use clap::Parser;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;
use token_ledger::clock::Clock;
use token_ledger::domain::command::{Actor, Change, Command, GatewayChange, NewSecret, Origin};
use token_ledger::domain::event::{Event, Header};
use token_ledger::domain::gateway::{GatewayReach, GatewayRight};
use token_ledger::domain::ids::{AccountId, Position};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::TokenKind;
use token_ledger::domain::token_text::TokenSecret;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::DataDir;
use token_ledger::ledger::core::Core;
use token_ledger::log::reader::LogReader;
use token_ledger::log::writer::{Batch, LogWriter};
use tools::{AnyError, Server, furnish, median, sibling};

#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds; the median is told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Lines of one report.
    #[arg(long, default_value_t = 10_000)]
    lines: u64,
    /// Reports in a round, one after another on one connection.
    #[arg(long, default_value_t = 30)]
    reports: u64,
    /// Where the ledgers are made; a temporary directory beside this program if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Least uses a second.
    #[arg(long, default_value_t = 100_000.0)]
    goal: f64,
}

const ACCOUNTS: u64 = 50;
const TOKENS_EACH: u64 = 20;
/// Records of one transaction of the floor: as many as the service records together.
const BATCH: usize = 1_024;
const PORT: u16 = 18_983;
/// How the lines say what was used.
const FORMS: [(&str, bool); 2] = [("number and scope", false), ("digest, method, path, address", true)];

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let parent = tempfile::tempdir_in(match &arguments.dir {
        Some(dir) => dir.clone(),
        None => sibling(".")?,
    })?;
    println!("| lines | uses/s | CPU µs/use | bytes/record | bare append/s | of the bare append |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut missed = Vec::new();
    for (form, by_path) in FORMS {
        let (mut rates, mut cpus, mut floors, mut sizes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 0..arguments.rounds {
            let dir = DataDir::new(parent.path().join(format!("{by_path}{round}")));
            let (rate, cpu) = measure(&arguments, &dir, by_path)?;
            let (floor, size) = bare_append(&dir, &parent.path().join(format!("floor{by_path}{round}")))?;
            rates.push(rate);
            cpus.push(cpu);
            floors.push(floor);
            sizes.push(size);
        }
        let (rate, floor) = (median(&rates), median(&floors));
        let (cpu, size) = (median(&cpus), median(&sizes));
        println!("| {form} | {rate:.0} | {cpu:.1} | {size:.0} | {floor:.0} | {:.2} |", rate / floor);
        if rate < arguments.goal {
            missed.push(format!("{form}: {rate:.0}"));
        }
    }
    if missed.is_empty() {
        println!("\ngoal of {} uses/s reached", arguments.goal);
        Ok(())
    } else {
        Err(format!("goal of {} uses/s missed: {}", arguments.goal, missed.join(", ")).into())
    }
}

/// Uses a second and processor time of each, from the first byte of the first report to the last of the last answer.
fn measure(arguments: &Arguments, dir: &DataDir, by_path: bool) -> Result<(f64, f64), AnyError> {
    let texts = furnish(dir, ACCOUNTS, TOKENS_EACH)?;
    let gateway = gateway(dir)?;
    let bodies: Vec<String> = (0..arguments.reports).map(|number| body(arguments, &texts, number, by_path)).collect();
    let data = dir.path().to_string_lossy().into_owned();
    let server = Server::start(
        &sibling("token-ledger")?,
        &["serve", "--data", &data, "--listen", &format!("127.0.0.1:{PORT}")],
    )?;
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", PORT))?);
    let (cpu, began) = (server.cpu_micros()?, Instant::now());
    for body in &bodies {
        let recorded = send(&mut stream, &gateway, body)?;
        if recorded != arguments.lines {
            return Err(format!("{recorded} of {} lines were recorded", arguments.lines).into());
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let uses = (arguments.lines * arguments.reports) as f64;
    let cpu = (server.cpu_micros()? - cpu) as f64 / uses;
    server.stop()?;
    Ok((uses / seconds, cpu))
}

/// A gateway token over all accounts.
fn gateway(dir: &DataDir) -> Result<String, AnyError> {
    let (mut core, _) = Core::open(dir, Clock::system(), Entropy::system())?;
    let secret = TokenSecret::from_random(TokenKind::Gateway, &Entropy::system().bytes_32());
    let change = Change::Gateway(GatewayChange::Create {
        name: PersonalText::new("edge"),
        reach: GatewayReach::new(vec![GatewayRight::Report], (1..=ACCOUNTS).map(AccountId).collect()),
        expires_at: None,
        conditions: Default::default(),
        secret: NewSecret { digest: secret.digest(), hint: secret.hint() },
    });
    core.execute(Command::Manage(Actor::Local(0), Box::new(change)), Origin::default())?;
    Ok(secret.reveal_once())
}

/// One report, of lines whose tokens, names and addresses all differ from those before.
fn body(arguments: &Arguments, texts: &[String], report: u64, by_path: bool) -> String {
    let mut body = String::new();
    for line in report * arguments.lines..(report + 1) * arguments.lines {
        let token = line % (ACCOUNTS * TOKENS_EACH);
        // The operator's is the first token; accounts have theirs one after another.
        let (id, account) = (token + 2, token / TOKENS_EACH + 1);
        let at = Clock::system().now().to_micros_text();
        let _ =
            write!(body, "{{\"key\":\"edge-1/{line}\",\"occurred_at\":\"{at}\",\"known_position\":1,\"status\":200,");
        let name = line % 20;
        let _ = match by_path {
            true => {
                let text = &texts[usize::try_from(token).unwrap_or(0)];
                writeln!(
                    body,
                    "\"hashed_token\":\"{}\",\"method\":\"GET\",\"path\":\"/v2/{account}/zones/zone{name}.example\",\
                     \"address\":\"192.0.2.{}\"}}",
                    base64_of(text),
                    line % 200
                )
            }
            false => writeln!(
                body,
                "\"token_id\":{id},\"account_id\":{account},\"required_scope\":\"zones:zone{name}.example:read\"}}"
            ),
        };
    }
    body
}

/// SHA-256 of a text in standard base64.
fn base64_of(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = token_ledger::domain::token_text::TokenDigest::of(text).0;
    let mut out = String::new();
    for three in digest.chunks(3) {
        let mut bytes = [0u8; 3];
        bytes[..three.len()].copy_from_slice(three);
        let bits = u32::from(bytes[0]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[2]);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) as usize & 63;
            out.push(if place <= three.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    out
}

/// Sends a report; gives how many of its lines were recorded.
fn send(stream: &mut BufReader<TcpStream>, gateway: &str, body: &str) -> Result<u64, AnyError> {
    let head = format!(
        "POST /v1/uses HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {gateway}\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all(head.as_bytes())?;
    stream.get_mut().write_all(body.as_bytes())?;
    let (mut length, mut line, mut status) = (0, String::new(), String::new());
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        if status.is_empty() {
            status = line.trim().to_owned();
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    if !status.contains(" 200 ") {
        return Err(format!("{status}: {answer}").into());
    }
    Ok(answer.matches("\"result\":\"recorded\"").count() as u64)
}

/// Records a second of appending the service's own records to another log, and the mean size of a reported use.
fn bare_append(dir: &DataDir, floor: &Path) -> Result<(f64, f64), AnyError> {
    let log = LogReader::open(dir)?;
    let mut records: Vec<(Header, Event)> = Vec::new();
    log.replay(Position::NONE, log.head()?, |_, header, event| {
        if matches!(event, Event::UseReported(_)) {
            records.push((header, event));
        }
        ControlFlow::Continue(())
    })?;
    let dir = DataDir::new(floor);
    dir.prepare()?;
    let mut writer = LogWriter::create(&dir)?;
    let mut batch = Batch::default();
    let (began, mut bytes) = (Instant::now(), 0);
    for part in records.chunks(BATCH) {
        batch.clear();
        for (header, event) in part {
            batch.push(header, event)?;
        }
        bytes += batch.records().map(<[u8]>::len).sum::<usize>();
        writer.append(&batch, &[])?;
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok((records.len() as f64 / seconds, bytes as f64 / records.len() as f64))
}
