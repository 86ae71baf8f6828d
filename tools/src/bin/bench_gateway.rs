//! What a gateway's question costs: nginx before an API by itself, asking an empty service that answers 204, and asking
//! the ledger, which records and syncs each use before it answers. One run, the same load generator (wrk), in turn.
//!
//! nginx runs by the configuration that ships (`tools/gateways/nginx.conf`) with other addresses; by itself it has no
//! `auth_request`. The API is the floor server too, or, with `--api file`, an empty file that nginx hands out itself:
//! then nothing but the question is left to measure.
//!
//! `cargo run --release -p tools --bin bench_gateway -- --rounds 5 --seconds 3`

use clap::{Parser, ValueEnum};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use token_ledger::ledger::DataDir;
use tools::load::{Run, counts, wrk};
use tools::{AnyError, Base, Server, furnish, median, sibling};

#[derive(Debug, Parser)]
struct Arguments {
    /// Interleaved rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load for each variant in each round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// What stands behind nginx.
    #[arg(long, value_enum, default_value_t = Api::Service)]
    api: Api,
    /// nginx's configuration; the one that ships if absent.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Threads of nginx (`worker_processes`).
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Where the ledger is made; a temporary directory beside this program if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Accounts and tokens of each.
    #[arg(long, value_delimiter = ',', default_value = "100,10")]
    accounts: Vec<u64>,
    /// Least part of the requests a second that the empty service lets through.
    #[arg(long, default_value_t = 0.5)]
    goal: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Api {
    /// The floor server, over a kept connection.
    Service,
    /// An empty file.
    File,
}

const API_PORT: u16 = 18_991;
const EMPTY_PORT: u16 = 18_992;
const LEDGER_PORT: u16 = 18_993;

/// A variant: nginx on its port, asking on another one.
struct Variant {
    name: &'static str,
    port: u16,
    asks: Option<u16>,
}

const VARIANTS: [Variant; 3] = [
    Variant { name: "nginx alone", port: 18_994, asks: None },
    Variant { name: "asking an empty service", port: 18_995, asks: Some(EMPTY_PORT) },
    Variant { name: "asking the ledger", port: 18_996, asks: Some(LEDGER_PORT) },
];

/// How long nginx may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), AnyError> {
    let arguments = Arguments::parse();
    let base = Base::of(arguments.dir.as_deref())?;
    let base = base.path();
    let data = base.join("ledger");
    let texts = furnish(&DataDir::new(&data), arguments.accounts[0], arguments.accounts[1])?;
    let token_file = base.join("tokens");
    std::fs::write(&token_file, requests(&texts, arguments.accounts[1]))?;

    let floor = sibling("floor")?;
    let listen = |port: u16| format!("127.0.0.1:{port}");
    let _api = Server::start(&floor, &["--listen", &listen(API_PORT), "--threads", "1"])?;
    let empty = Server::start(&floor, &["--listen", &listen(EMPTY_PORT), "--threads", "1"])?;
    let data = data.to_string_lossy();
    let serve = ["serve", "--data", &data, "--listen", &listen(LEDGER_PORT)];
    let ledger = Server::start(&sibling("token-ledger")?, &serve)?;
    let asked = |variant: &Variant| match variant.asks {
        None => None,
        Some(EMPTY_PORT) => Some(&empty),
        Some(_) => Some(&ledger),
    };
    let fronts: Vec<Nginx> =
        VARIANTS.iter().map(|variant| Nginx::start(&arguments, variant, base)).collect::<Result<_, _>>()?;

    let mut figures: Vec<Vec<Figures>> = VARIANTS.iter().map(|_| Vec::new()).collect();
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        for ((variant, front), figures) in VARIANTS.iter().zip(&fronts).zip(&mut figures) {
            figures.push(measure(&arguments, variant, front, asked(variant), &token_file)?);
        }
    }
    drop(fronts);
    report(&arguments, &figures)
}

/// A line for each token: its text, and the records of a zone in its account.
fn requests(texts: &[String], tokens_each: u64) -> String {
    let line = |(index, text): (usize, &String)| {
        let account = index as u64 / tokens_each.max(1) + 1;
        format!("{text} /v2/{account}/zones/example.com/records?page=2\n")
    };
    texts.iter().enumerate().map(line).collect()
}

/// nginx, which ends when this is dropped.
struct Nginx(Child);

impl Nginx {
    fn start(arguments: &Arguments, variant: &Variant, base: &Path) -> Result<Self, AnyError> {
        let prefix = base.join(format!("nginx-{}", variant.port));
        std::fs::create_dir_all(&prefix)?;
        std::fs::write(prefix.join("empty"), "")?;
        let config = prefix.join("nginx.conf");
        std::fs::write(&config, configuration(arguments, variant, &prefix)?)?;
        let child = Command::new("nginx")
            .arg("-p")
            .arg(&prefix)
            .arg("-c")
            .arg(&config)
            .args(["-g", "daemon off;"])
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("nginx: {error} (Debian package nginx)"))?;
        let mut front = Self(child);
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", variant.port)).is_err() {
            if let Some(status) = front.0.try_wait()? {
                return Err(format!("nginx ended with {status}").into());
            }
            if Instant::now() > until {
                return Err("nginx does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(front)
    }

    /// Processor time of its workers so far, in microseconds.
    fn cpu_micros(&self) -> Result<u64, AnyError> {
        let id = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let mut micros = 0;
        for worker in children.split_whitespace() {
            micros += tools::cpu_micros(worker.parse()?)?;
        }
        Ok(micros)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // In order, since the workers would outlive a master that is killed.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// The shipped file with other addresses; without the question where nginx stands alone.
fn configuration(arguments: &Arguments, variant: &Variant, prefix: &Path) -> Result<String, AnyError> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateways/nginx.conf");
    let text = std::fs::read_to_string(arguments.config.as_deref().unwrap_or(&shipped))?;
    let mut changes = vec![
        ("127.0.0.1:8081", format!("127.0.0.1:{}", variant.port)),
        ("127.0.0.1:8080", format!("127.0.0.1:{}", variant.asks.unwrap_or(EMPTY_PORT))),
        ("127.0.0.1:9000", format!("127.0.0.1:{API_PORT}")),
        ("worker_processes auto;", format!("worker_processes {};", arguments.workers)),
    ];
    if arguments.api == Api::File {
        let root = format!("root {}; try_files /empty =404;", prefix.display());
        changes.push(("proxy_pass http://api;", root));
    }
    if variant.asks.is_none() {
        changes.push(("auth_request /_ledger;", String::new()));
    }
    changes.into_iter().try_fold(text, |text, (shipped, ours)| {
        if text.matches(shipped).count() != 1 {
            return Err(format!("{shipped:?} does not stand once in the configuration").into());
        }
        Ok(text.replace(shipped, &ours))
    })
}

/// One run of one variant; processor times a request.
struct Figures {
    run: Run,
    nginx_micros: f64,
    asked_micros: f64,
}

fn measure(
    arguments: &Arguments,
    variant: &Variant,
    front: &Nginx,
    asked: Option<&Server>,
    token_file: &Path,
) -> Result<Figures, AnyError> {
    wrk(variant.port, arguments.connections, 1, token_file)?;
    let used = || -> Result<(u64, u64), AnyError> {
        Ok((front.cpu_micros()?, asked.map(Server::cpu_micros).transpose()?.unwrap_or(0)))
    };
    let count = || variant.asks.filter(|port| *port == LEDGER_PORT).and_then(counts);
    let before = (used()?, count());
    let mut run = wrk(variant.port, arguments.connections, arguments.seconds, token_file)?;
    let after = (used()?, count());
    let requests = (run.requests_a_second * arguments.seconds as f64).max(1.0);
    if let (Some(before), Some(after)) = (before.1, after.1) {
        let events = after.1 - before.1;
        // wrk's own count ends a little before the last answers.
        if (events as f64) < requests * 0.99 {
            return Err(format!("{events} events of {requests:.0} requests: something passed unrecorded").into());
        }
        run.events_a_commit = events as f64 / ((after.0 - before.0) as f64).max(1.0);
    }
    let nginx_micros = (after.0.0 - before.0.0) as f64 / requests;
    Ok(Figures { run, nginx_micros, asked_micros: (after.0.1 - before.0.1) as f64 / requests })
}

fn report(arguments: &Arguments, figures: &[Vec<Figures>]) -> Result<(), AnyError> {
    let of = |index: usize, figure: fn(&Figures) -> f64| median(&figures[index].iter().map(figure).collect::<Vec<_>>());
    let empty = of(1, |figures| figures.run.requests_a_second);
    println!("| variant | req/s | p50 µs | p99 µs | CPU µs/req: nginx | whoever is asked | events/commit | of empty |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (index, variant) in VARIANTS.iter().enumerate() {
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.2} |",
            variant.name,
            of(index, |figures| figures.run.requests_a_second),
            of(index, |figures| figures.run.p50_micros),
            of(index, |figures| figures.run.p99_micros),
            of(index, |figures| figures.nginx_micros),
            of(index, |figures| figures.asked_micros),
            of(index, |figures| figures.run.events_a_commit),
            of(index, |figures| figures.run.requests_a_second) / empty,
        );
    }
    let ratio = of(2, |figures| figures.run.requests_a_second) / empty;
    if ratio < arguments.goal {
        return Err(format!("goal of {} missed: {ratio:.2}", arguments.goal).into());
    }
    println!("\ngoal of {} reached", arguments.goal);
    Ok(())
}
