//! Every page over HTTP, on the demo's furnished year with 200 tokens in one account: how long it takes, how much it weighs,
//! and whether it names anything of another origin.
//!
//! One connection, one request after the other, each page asked again and again after a warm-up. Floor: `/healthz` over
//! the same connection. Beside the time stands the service's processor time for a request, which neighbours on the machine
//! move less. Weights are of what is sent, with style sheet and script. It ends with 1 if a page misses a goal.
//!
//! `cargo run --release -p tools --bin bench_pages`

use clap::Parser;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use token_ledger::clock::Clock;
use token_ledger::domain::ids::AccountId;
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::entropy::Entropy;
use token_ledger::furnish::year;
use token_ledger::http::operations::Operation;
use token_ledger::http::pages::table::{PAGES, PageOperation};
use token_ledger::ledger::initialize::initialize;
use token_ledger::ledger::{DataDir, sign_head};
use tools::browser::{Ask, Connection, Told, foreign, foreign_of_script};
use tools::pages::{Case, Measured, Scene, Who};
use tools::{AnyError, Base, Server, sibling};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PORT: u16 = 18_985;
/// Account tokens that the year's own story leaves in the account.
const OF_THE_STORY: u64 = 6;

#[derive(Debug, Parser)]
struct Arguments {
    /// Tokens of the account.
    #[arg(long, default_value_t = 200)]
    tokens: u64,
    /// Times that each page is asked for.
    #[arg(long, default_value_t = 200)]
    samples: u64,
    /// Times before that.
    #[arg(long, default_value_t = 10)]
    warm_up: u64,
    /// Seconds that one page may take in all; if they are over, fewer samples count.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Milliseconds that all but one in a hundred may take.
    #[arg(long, default_value_t = 20.0)]
    goal_ms: f64,
    /// Bytes that a page may weigh, with style and script.
    #[arg(long, default_value_t = 100_000)]
    goal_bytes: usize,
    /// Asks only for pages whose names have this word.
    #[arg(long)]
    only: Option<String>,
    /// Where the ledger is made; a temporary directory beside this program if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What was found of one page.
struct Found {
    name: String,
    status: u16,
    is_held: bool,
    samples: usize,
    bytes: usize,
    /// The same with what it has the browser fetch.
    weight: usize,
    p50: f64,
    p99: f64,
    most: f64,
    /// Milliseconds of the service's processor time, on average.
    cpu: f64,
    foreign: Vec<String>,
}

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let base = Base::of(arguments.dir.as_deref())?;
    let data = base.path().join("ledger");
    let (operator, year) = make(&DataDir::new(&data), arguments.tokens)?;
    let listen = format!("127.0.0.1:{PORT}");
    let service =
        Server::start(&sibling("token-ledger")?, &["serve", "--data", &data.to_string_lossy(), "--listen", &listen])?;
    let mut connection = Connection::open(PORT)?;
    let scene = Scene::set(&mut connection, &operator, year)?;
    let files = Files::of(&mut connection)?;
    let mut bench = Bench { arguments: &arguments, files: files.bytes, connection, service: &service };
    println!(
        "{} events, {} tokens in account 1; style and script: {} bytes\n",
        scene.head, arguments.tokens, files.bytes
    );
    println!(
        "| page | asked by | bytes | with style and script | p50 ms | p99 ms | most ms | CPU ms | p50 of an empty route's |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let floor = bench.floor()?;
    tell(&floor, "nobody", &floor);
    let mut missed = files.foreign;
    for page in in_order() {
        let Measured::Cases(cases) = scene.cases(page) else { continue };
        for case in cases {
            if arguments.only.as_ref().is_some_and(|word| !case.name.contains(word)) {
                continue;
            }
            let asked_by = format!("{:?}", case.who).to_lowercase();
            let found = bench.measure(case)?;
            tell(&found, &asked_by, &floor);
            missed.extend(judge(&found, &arguments));
        }
    }
    service.stop()?;
    if missed.is_empty() {
        println!(
            "\nevery page: p99 below {} ms, below {} bytes, and nothing of another origin",
            arguments.goal_ms, arguments.goal_bytes
        );
        return Ok(());
    }
    Err(format!("missed:\n{}", missed.join("\n")).into())
}

/// The year with its crowd; gives the operator's token, and when the year begins and ends.
fn make(dir: &DataDir, tokens: u64) -> Result<(String, (u64, u64)), AnyError> {
    let now = Clock::system().now();
    let begins = year::begins(now);
    let (initialized, mut core) = initialize(dir, None, "bench", Clock::manual(begins), Entropy::system())?;
    let operator = TokenDigest::of(&initialized.operator_token);
    let crowd = tokens.saturating_sub(OF_THE_STORY);
    let made = year::furnish_crowded(&mut core, operator, now, (Entropy::system(), crowd), &mut |_| {})?;
    let found = core.state().account(AccountId(1)).map_or(0, |account| account.tokens.len() as u64);
    if found != tokens {
        return Err(format!("account 1 has {found} tokens instead of {tokens}").into());
    }
    sign_head(dir, &core)?;
    Ok((initialized.operator_token, (begins.seconds(), made.made.at.seconds())))
}

/// What every page asks for beside itself.
struct Files {
    bytes: usize,
    foreign: Vec<String>,
}

impl Files {
    /// As the browser finds them: by the links of a page.
    fn of(connection: &mut Connection) -> Result<Self, AnyError> {
        let page = connection.expect(200, &Ask::get("/sign-in"))?;
        let mut files = Self { bytes: 0, foreign: Vec::new() };
        for (begin, is_script) in [("<link rel=\"stylesheet\" href=\"", false), ("<script src=\"", true)] {
            let path = page.text.split(begin).nth(1).and_then(|rest| rest.split('"').next());
            let file = connection.expect(200, &Ask::get(path.ok_or("a page without style or script")?))?;
            let names = if is_script { foreign_of_script(&file.text) } else { foreign(&file.text) };
            files.foreign.extend(names.iter().map(|name| format!("{begin}: names {name}")));
            files.bytes += file.text.len();
        }
        Ok(files)
    }
}

/// Every page of the table once; those that change something last, so that they change nothing for the others.
fn in_order() -> Vec<PageOperation> {
    let pages = PAGES.iter().filter_map(|(_, method, operation)| match operation {
        Operation::Page(page) => Some((*method == "POST", *page)),
        _ => None,
    });
    let mut pages: Vec<(bool, PageOperation)> = pages.collect();
    pages.sort_by_key(|(changes, _)| *changes);
    pages.into_iter().map(|(_, page)| page).collect()
}

struct Bench<'a> {
    arguments: &'a Arguments,
    /// Bytes of style and script.
    files: usize,
    connection: Connection,
    service: &'a Server,
}

impl Bench<'_> {
    fn floor(&mut self) -> Result<Found, AnyError> {
        let ask = Box::new(|_| Ask::get("/healthz"));
        self.measure(Case {
            name: "an empty route: /healthz".to_owned(),
            who: Who::Nobody,
            status: 200,
            is_held: false,
            ask,
        })
    }

    fn measure(&mut self, mut case: Case) -> Result<Found, AnyError> {
        let Arguments { warm_up, samples, seconds, .. } = *self.arguments;
        let (mut millis, mut names, mut bytes, mut weight) = (Vec::new(), Vec::new(), 0, 0);
        let started = Instant::now();
        let mut cpu_before = self.service.cpu_micros()?;
        for n in 0..warm_up + samples {
            if n == warm_up {
                cpu_before = self.service.cpu_micros()?;
            }
            let ask = (case.ask)(n);
            let told = self.connection.expect(case.status, &ask).map_err(|error| format!("{}: {error}", case.name))?;
            bytes = bytes.max(told.text.len());
            // A report stands by itself.
            let fetched = if told.text.contains("<link rel=\"stylesheet\"") { self.files } else { 0 };
            weight = weight.max(told.text.len() + fetched);
            names.extend(foreign_in(&told, &names));
            if n >= warm_up {
                millis.push(told.taken.as_secs_f64() * 1e3);
            }
            if started.elapsed() > Duration::from_secs(seconds) {
                break;
            }
        }
        let cpu = (self.service.cpu_micros()? - cpu_before) as f64 / 1e3 / millis.len() as f64;
        millis.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (millis.len() as f64 * share).ceil() as usize;
            millis.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN)
        };
        let (p50, p99, most) = (at(0.5), at(0.99), at(1.0));
        let Case { name, status, is_held, .. } = case;
        Ok(Found { name, status, is_held, samples: millis.len(), bytes, weight, p50, p99, most, cpu, foreign: names })
    }
}

/// What an answer names of elsewhere that is not known yet.
fn foreign_in(told: &Told, known: &[String]) -> Vec<String> {
    let mut names = foreign(&told.text);
    names.retain(|name| !known.contains(name));
    names
}

fn tell(found: &Found, asked_by: &str, floor: &Found) {
    let Found { name, bytes, weight, p50, p99, most, cpu, .. } = found;
    let ratio = p50 / floor.p50;
    println!("| {name} | {asked_by} | {bytes} | {weight} | {p50:.2} | {p99:.2} | {most:.2} | {cpu:.2} | {ratio:.1} |");
}

fn judge(found: &Found, arguments: &Arguments) -> Vec<String> {
    let mut missed = Vec::new();
    let Found { name, status, samples, weight, p99, .. } = found;
    let asked = arguments.samples as usize;
    if *samples < asked {
        missed.push(format!("{name} ({status}): {samples} of {asked} samples in {} s", arguments.seconds));
    }
    if found.is_held && (p99.is_nan() || *p99 >= arguments.goal_ms) {
        missed.push(format!("{name}: p99 of {p99:.2} ms"));
    }
    if found.is_held && *weight >= arguments.goal_bytes {
        missed.push(format!("{name}: {weight} bytes with style and script"));
    }
    missed.extend(found.foreign.iter().map(|address| format!("{name}: leads to {address}")));
    missed
}
