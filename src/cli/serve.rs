//! `serve`: a ledger over HTTP, until told to stop or until storage fails.

use super::scope_map::{MapKeeper, MapSource, hang_up};
use super::{DataArgument, EXIT_STORAGE, Failure, control};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::http::gateway::map_in_force::Gateway;
use crate::http::server::{DrainReport, ServerLimits, serve};
use crate::http::site::Site;
use crate::http::{App, entry};
use crate::ledger::anchor::Anchor;
use crate::ledger::{
    BALLAST_BYTES, DataDir, Health, LOW_WATER_BYTES, Ledger, LogError, OpenLedger, SEGMENT_EVENTS,
    SEGMENT_EVENTS_ALLOWED, Settings,
};
use crate::log::signed_head;
use clap::Args;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long answers that say "not recorded" get to leave the process before it ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Commands that wake the writer while the runtime's one thread still has requests to read.
const BURST: usize = 24;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    #[command(flatten)]
    data: DataArgument,
    #[command(flatten)]
    options: ServeOptions,
}

/// How to serve.
#[derive(Clone, Debug, Args)]
pub struct ServeOptions {
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where browsers reach the service, such as https://ledger.example.com: sign-in links begin with it, and with https the
    /// session's cookie is for TLS alone.
    #[arg(long, value_name = "URL", value_parser = super::site)]
    pub public_url: Option<Site>,
    /// Failed authentications allowed an hour and address; 0: no limit.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub auth_failures_per_hour: u32,
    /// Threads for HTTP; the writer and the projector have their own. Default: cores less one.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Scope map (TOML) that gateways' questions are read by; SIGHUP has it read again. Default: the built-in one of
    /// DNSimple's API v2.
    #[arg(long, value_name = "FILE")]
    pub scope_map: Option<PathBuf>,
    /// Address or network of a gateway that may ask for others; can be given more than once.
    #[arg(long = "gateway", value_name = "NETWORK", default_values = ["127.0.0.0/8", "::1/128"], value_parser = network)]
    pub gateways: Vec<IpNet>,
    /// Give hash tiles and proofs to everybody; records stay for auditors and operators.
    #[arg(long)]
    pub public_tiles: bool,
    /// Keep the last published checkpoint in this file, outside the data directory and away from its backups; a log that
    /// did not grow out of what the file says is not served.
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<PathBuf>,
    /// Commands that may wait for the writer before further ones get 503.
    #[arg(long, value_name = "N", default_value_t = 1_024)]
    pub queue_max: usize,
    /// Records between two snapshots.
    #[arg(long, value_name = "N", default_value_t = 250_000)]
    pub snapshot_events: u64,
    /// Records between two seals; one is also made when the last is a day old and anything came since; 0: none.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub seal_events: u64,
    /// Free MiB on the disk below which uses and creations get 503, while deletions and narrower accesses are recorded;
    /// at least 8; 0: only when nothing is free.
    #[arg(long, value_name = "MIB", default_value_t = LOW_WATER_BYTES >> 20)]
    pub low_water_mib: u64,
    /// MiB of the file `ballast`, kept to be given up so that deletions can be recorded on a full disk; 0: none.
    #[arg(long, value_name = "MIB", default_value_t = BALLAST_BYTES >> 20)]
    pub ballast_mib: u64,
    /// Positions of a segment of the index, a power of two; another size than before makes it anew. 0: no index is made,
    /// and questions about the past look through the log.
    #[arg(long, value_name = "N", default_value_t = SEGMENT_EVENTS, value_parser = segment_events)]
    pub index_segment_events: u64,
    /// Make a lost head.db anew from the log as it is: once, after the last known checkpoint was held against it.
    #[arg(long)]
    pub accept_missing_head: bool,
}

/// An address that this machine can ask at.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let one = |_| text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(one).map_err(|_| "is neither an address nor a network such as 10.0.0.0/8".to_owned())
}

fn segment_events(text: &str) -> Result<u64, String> {
    let is_good = |events: &u64| *events == 0 || SEGMENT_EVENTS_ALLOWED.contains(events) && events.is_power_of_two();
    let wanted = || format!("is not 0 or a power of two from {} on", SEGMENT_EVENTS_ALLOWED.start());
    text.parse::<u64>().ok().filter(is_good).ok_or_else(wanted)
}

pub(super) fn run(arguments: &ServeArguments) -> Result<(), Failure> {
    start_logging();
    let listening = |address| say!("listening on http://{address}");
    serve_dir(&arguments.data.dir(), &arguments.options, HangUp::ReadsTheMap, listening)
}

/// Logs go to standard error; `RUST_LOG` says how much. A line that cannot be written, because the disk is full or nobody
/// reads any more, is lost: told of it, the logger would panic, in whichever thread of the ledger wrote it.
pub(super) fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A second start in one process keeps the first one's settings.
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = logger.log_internal_errors(false).try_init();
}

/// What SIGHUP means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HangUp {
    /// To a service: read the scope map again.
    ReadsTheMap,
    /// To an example in a terminal: the terminal is gone.
    Ends,
}

/// Serves a ledger until a signal, or until its storage fails.
pub(super) fn serve_dir(
    dir: &DataDir,
    options: &ServeOptions,
    hang_up: HangUp,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = options.threads.unwrap_or(cores - 1).max(1);
    let serving = Serving { ledger: Arc::default(), wake_at: if threads == 1 { BURST } else { 1 } };
    let runtime = runtime(threads, &serving).map_err(|source| io(dir, source))?;
    runtime.block_on(serve_until_stopped(dir, options, hang_up, &serving, listening))
}

/// What the runtime knows of the ledger that it serves.
struct Serving {
    ledger: Arc<OnceLock<Ledger>>,
    wake_at: usize,
}

fn runtime(threads: usize, serving: &Serving) -> std::io::Result<tokio::runtime::Runtime> {
    if threads > 1 {
        return tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    }
    // One thread runs everything itself: no hand-over between threads on the hot path. Before it sleeps it hands what
    // waits to the writer.
    let ledger = Arc::clone(&serving.ledger);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.on_thread_park(move || {
        if let Some(ledger) = ledger.get() {
            ledger.hand_over();
        }
    });
    builder.enable_all().build()
}

fn io(dir: &DataDir, source: std::io::Error) -> Failure {
    LogError::Io { path: dir.path().to_owned(), source }.into()
}

async fn serve_until_stopped(
    dir: &DataDir,
    options: &ServeOptions,
    hang_up: HangUp,
    serving: &Serving,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    // First of all, since it must not end a service that is about to start. One that comes from here on is not lost.
    let hangups = signal(SignalKind::hangup()).map_err(|source| io(dir, source))?;
    let settings = Settings {
        queue_max: options.queue_max,
        snapshot_events: options.snapshot_events,
        seal_events: options.seal_events,
        wake_at: serving.wake_at,
        low_water_bytes: options.low_water_mib.saturating_mul(1 << 20),
        ballast_bytes: options.ballast_mib.saturating_mul(1 << 20),
        index_segment_events: options.index_segment_events,
    };
    // What can fail for reasons outside the ledger comes first: a start that fails leaves no trace in the log.
    let source = MapSource::of(options.scope_map.as_deref());
    let map = source.first()?;
    // Before anything is done with a log that an older copy may have taken the place of.
    let anchor = options.anchor.as_deref().map(|path| Anchor::check(dir, path)).transpose()?;
    if options.accept_missing_head {
        accept_missing_head(dir)?;
    }
    let opened = OpenLedger::open(dir, Clock::system(), Entropy::system())?.with_anchor(anchor);
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| Failure::Finding(format!("cannot listen on {}: {error}", options.listen)))?;
    let socket = control::bind(dir)?;
    // Until here SIGTERM and SIGINT end the process as they do any other; from the first record on they are waited for.
    let (reading, ending) = match hang_up {
        HangUp::ReadsTheMap => (Some(hangups), None),
        HangUp::Ends => (None, Some(hangups)),
    };
    let signals = Signals::listen(ending).map_err(|source| io(dir, source))?;
    let ledger = opened.start(settings)?;
    // It is empty until here.
    let _ = serving.ledger.set(ledger.clone());
    let gateway = Arc::new(Gateway::new(options.gateways.clone()));
    let keeper = MapKeeper { source, gateway: Arc::clone(&gateway), ledger: ledger.clone() };
    if let Err(refused) = keeper.begin(map, reading).await {
        let stopping = ledger.clone();
        let _ = tokio::task::spawn_blocking(move || stopping.stop()).await;
        return Err(Failure::Finding(refused));
    }
    let address = listener.local_addr().map_err(|source| io(dir, source))?;
    let site = options.public_url.clone().unwrap_or_default();
    let told = site.told().map_or_else(|| format!("http://{}", reachable(address)), str::to_owned);
    let control = control::answer(socket, ledger.clone(), told.into());
    listening(address);
    let app = App::new(ledger.clone(), Entropy::system(), options.auth_failures_per_hour)
        .with_gateway(gateway)
        .with_site(site)
        .with_public_tiles(options.public_tiles);
    let limits = ServerLimits::default();
    let (streams, stopping) = (Arc::clone(&app.streams), ledger.clone());
    let stop = async {
        stop_asked(stopping, signals).await;
        // They would go on for ever; everything else that is under way ends by itself.
        streams.close();
    };
    let report = serve(listener, entry::routes(app), limits, stop).await;
    streams.settled().await;
    control.abort();
    control::unbind(dir);
    finish(ledger, report).await
}

/// Without its key nothing can be served, and so nothing is made.
fn accept_missing_head(dir: &DataDir) -> Result<(), LogError> {
    if dir.key().exists()
        && let Some(position) = signed_head::accept_missing(dir)?
    {
        tracing::warn!(
            position = position.0,
            "the signed head was lost; the log as it is was taken for what was signed"
        );
    }
    Ok(())
}

/// Resolves on SIGTERM, SIGINT, a hang-up if it ends the service, or once it is not known what is in the ledger file.
async fn stop_asked(ledger: Ledger, mut signals: Signals) {
    let mut health = ledger.health();
    let failed = async {
        let _ = health.wait_for(|health| matches!(health, Health::Failed(_))).await;
        // The batch that met the failure is answered 503 first; everything after it is refused at the queue.
        tokio::time::sleep(LAST_WORDS).await;
        tracing::error!("storage failed: ending, so that a new start can look at what is in the file");
        std::process::exit(i32::from(EXIT_STORAGE));
    };
    tokio::select! {
        () = failed => {}
        _ = signals.terminate.recv() => tracing::info!("SIGTERM: ending in order"),
        _ = signals.interrupt.recv() => tracing::info!("interrupted: ending in order"),
        () = hang_up(&mut signals.hangup) => tracing::info!("the terminal is gone: ending in order"),
    }
}

/// The signals that ask for an orderly end. One that comes before it is waited for is not lost.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    fn listen(hangup: Option<Signal>) -> std::io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, hangup })
    }
}

async fn finish(ledger: Ledger, report: DrainReport) -> Result<(), Failure> {
    tracing::info!(finished = report.finished, cut = report.cut, "connections drained");
    let health = ledger.health();
    let stopping = ledger.clone();
    if tokio::task::spawn_blocking(move || stopping.stop()).await.is_err() {
        return Err(Failure::Storage("the ledger's threads did not end in order".to_owned()));
    }
    match &*health.borrow() {
        Health::Recording => Ok(()),
        Health::Impaired(reason) | Health::Failed(reason) => Err(Failure::Storage(reason.clone())),
    }
}
