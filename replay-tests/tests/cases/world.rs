//! A ledger served over a socket of the loopback interface, in which nothing is left to chance.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use token_ledger::clock::Clock;
use token_ledger::domain::time::Timestamp;
use token_ledger::entropy::Entropy;
use token_ledger::http::server::{ServerLimits, serve};
use token_ledger::http::{App, entry};
use token_ledger::ledger::initialize::initialize;
use token_ledger::ledger::{DataDir, Ledger, LogReader, Settings};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Name of every case's log.
const ORIGIN: &str = "ledger.test/case";
/// Failed authentications an hour: the default of `serve`.
const AUTH_FAILURES_PER_HOUR: u32 = 30;
/// Records between snapshots: several fall into every case.
const SNAPSHOT_EVENTS: u64 = 16;
/// A start that is not recorded by then has failed.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// Where the random bytes of a part come from: parts that share a seed would share secrets.
#[derive(Clone, Copy, Debug)]
enum Seed {
    Beginning = 1_000_000,
    Ledger = 2_000_000,
    Routes = 3_000_000,
}

impl Seed {
    fn entropy(self) -> Entropy {
        Entropy::seeded(self as u64)
    }
}

/// A running case.
pub struct World {
    /// The ledger.
    pub ledger: Ledger,
    /// The clock that steps move.
    pub clock: Clock,
    /// Where it listens.
    pub address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// Makes a ledger with its first events, as `init` does; gives the operator token's text.
pub fn begin(path: &Path, at: Timestamp) -> String {
    let dir = DataDir::new(path);
    let entropy = Seed::Beginning.entropy();
    let (made, _) = initialize(&dir, Some(ORIGIN), "first operator", Clock::manual(at), entropy).unwrap();
    made.operator_token
}

impl World {
    /// Opens the ledger of a directory and serves it.
    pub async fn start(path: &Path, at: Timestamp) -> Self {
        let (dir, clock) = (DataDir::new(path), Clock::manual(at));
        // A seal is taken beside the writer: it would come now before a record, now behind it.
        let settings = Settings { snapshot_events: SNAPSHOT_EVENTS, seal_events: 0, ..Settings::default() };
        // Looked up before: the writer may record the start before anybody could ask the running ledger.
        let head = LogReader::open(&dir).unwrap().head().unwrap();
        let ledger = Ledger::start(&dir, clock.clone(), Seed::Ledger.entropy(), settings).unwrap();
        let app = App::new(ledger.clone(), Seed::Routes.entropy(), AUTH_FAILURES_PER_HOUR);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, asked) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let asked = async { drop(asked.await) };
            serve(listener, entry::routes(app), ServerLimits::default(), asked).await;
        });
        // The clock may move only once the start is recorded, or its time would be a matter of luck.
        let started = async {
            while ledger.head() == head {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(START_TIME_MAX, started).await.expect("a start is recorded at once");
        Self { ledger, clock, address, shutdown, server }
    }

    /// Ends as `serve` does: connections first, then the ledger.
    pub async fn stop(self) {
        let _ = self.shutdown.send(());
        self.server.await.unwrap();
        let ledger = self.ledger;
        tokio::task::spawn_blocking(move || ledger.stop()).await.unwrap();
    }
}
