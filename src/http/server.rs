//! The accept loop: takes connections off a listener, limits them in number and time, and drains them at the end.
//!
//! Owns sockets, deadlines and the order of shutting down. Refuses to know any route, token or event: it is handed one
//! boxed filter and would serve any other just as well.
//!
//! The rooms, in the order a byte meets them: `socket` (what arrived, what is stuck), `connection` (one task, one
//! alarm), `guard` (judges a head before the routes see it), `pulse` (what the connection is doing since when).

mod connection;
mod guard;
mod pulse;
mod socket;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::{HeaderMap, Method, Uri};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use warp::filters::BoxedFilter;
use warp::reply::Response;

use self::connection::run_connection;

/// The address of the client's end of the socket.
///
/// Behind a proxy it is the proxy's; believing a forwarding header is a decision for the routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// A request's head, moved out of the request and shared: routes read it with `warp::ext::get::<Arc<RequestHead>>()`.
/// One extension costs less than a filter that clones for each part, and the routes look at every part anyway.
#[derive(Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The request target.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The client.
    pub peer: SocketAddr,
}

/// Everything a client could otherwise have without end.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Connections open at once. Each costs a file descriptor and about 10 KiB; the next one waits in the kernel's
    /// backlog until one closes, so the process never runs out of descriptors for its own files.
    pub connections_max: usize,
    /// Silence allowed before the first byte of a head, on a new or a kept-alive connection. A minute keeps ordinary
    /// client pools warm.
    pub idle_time_max: Duration,
    /// From a head's first byte to its end. An honest head fits one or two packets; who needs longer holds a slot on
    /// purpose.
    pub head_time_max: Duration,
    /// From the moment the routes first wait for a body to its end. Bodies are at most 64 KiB here.
    pub body_time_max: Duration,
    /// From the end of the head to the first byte of the answer. The writer answers in milliseconds or says 503 itself;
    /// this is the net below it. Once the head of an answer is out, a streamed body may take as long as it is read.
    pub answer_time_max: Duration,
    /// How long the client may leave our bytes unread before it is dropped.
    pub write_stall_max: Duration,
    /// How long a refused client may go on sending before the socket is closed. Closing with unread bytes makes the
    /// kernel send a reset, and a reset can overtake the very answer that says why.
    pub linger_time_max: Duration,
    /// What connections under way at shutdown get to finish.
    pub drain_time_max: Duration,
    /// Request target plus every header's name, value and 4 bytes for its separators; over it the answer is 431.
    pub header_bytes_max: usize,
    /// The request target alone; over it the answer is 414.
    pub uri_bytes_max: usize,
    /// Header lines; over it the answer is a bare 431.
    pub headers_max: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            idle_time_max: Duration::from_secs(60),
            head_time_max: Duration::from_secs(10),
            body_time_max: Duration::from_secs(10),
            answer_time_max: Duration::from_secs(30),
            write_stall_max: Duration::from_secs(30),
            linger_time_max: Duration::from_secs(1),
            drain_time_max: Duration::from_secs(10),
            header_bytes_max: 32 * 1024,
            uri_bytes_max: 8 * 1024,
            headers_max: PARSER_HEADERS,
        }
    }
}

/// What became of the connections that were open when the shutdown began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Ended by themselves: the answer was sent, or nothing was under way.
    pub finished: usize,
    /// Still busy at the deadline, so dropped.
    pub cut: usize,
}

/// Serves `routes` on `listener` until `shutdown` resolves, then drains.
///
/// The caller binds the listener, so a taken port is the caller's error and tests can ask for port 0. Nothing a client
/// or the accept call does ends the server.
pub async fn serve(
    listener: TcpListener,
    routes: BoxedFilter<(Response,)>,
    limits: ServerLimits,
    shutdown: impl Future<Output = ()>,
) -> DrainReport {
    let slots = Slots::new(limits.connections_max);
    let (stage, stages) = watch::channel(Stage::Open);
    let limits = Arc::new(limits);
    let parser = parser(&limits);
    let mut shutdown = pin!(shutdown);
    loop {
        let next = accept_into_slot(&listener, &slots);
        let (stream, peer, permit) = tokio::select! {
            biased;
            () = shutdown.as_mut() => break,
            accepted = next => accepted,
        };
        let service = TowerToHyperService::new(warp::service(routes.clone()));
        let (parser, limits, stages) = (parser.clone(), Arc::clone(&limits), stages.clone());
        tokio::spawn(async move {
            run_connection(stream, PeerAddress(peer), service, &parser, limits, stages).await;
            drop(permit);
        });
    }
    // Closed before draining: new clients are refused at once instead of waiting in a backlog nobody empties.
    drop(listener);
    drain(&slots, &stage, limits.drain_time_max).await
}

/// How far the server is on its way down. The connections watch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Serving.
    Open,
    /// Finish what is under way, start nothing new.
    Draining,
    /// Stop now.
    Cut,
}

/// One permit a connection.
struct Slots {
    permits: Arc<Semaphore>,
    count: u32,
}

impl Slots {
    fn new(connections_max: usize) -> Self {
        // No machine holds 2^20 sockets for us, and the semaphore counts in u32 when asked for all permits.
        let count = u32::try_from(connections_max.clamp(1, 1 << 20)).unwrap_or(1);
        Self { permits: Arc::new(Semaphore::new(count as usize)), count }
    }

    fn open(&self) -> usize {
        (self.count as usize).saturating_sub(self.permits.available_permits())
    }

    /// Waits until no connection is left.
    async fn all_free(&self) {
        // An error would mean a closed semaphore, and nobody closes it.
        let _ = self.permits.acquire_many(self.count).await;
    }
}

/// Takes a slot first and a connection second: over the cap a client waits in the kernel, where it costs us nothing.
async fn accept_into_slot(listener: &TcpListener, slots: &Slots) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let Ok(permit) = Arc::clone(&slots.permits).acquire_owned().await else {
            // Unreachable while `slots` lives; waiting for ever is the harmless reading of it.
            std::future::pending::<()>().await;
            continue;
        };
        let (stream, peer) = accept(listener).await;
        // Answers are whole messages: holding their last packet back for more only adds delay.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was not set");
        }
        return (stream, peer, permit);
    }
}

/// Accepts, whatever it takes. Without descriptors or memory the call fails at once every time, so the wait between two
/// tries grows; a client that hung up while queued is no reason to wait.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut wait = ACCEPT_WAIT_FIRST;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_clients_doing(&error) => {
                tracing::debug!(%error, "client left before it was accepted")
            }
            Err(error) => {
                tracing::error!(%error, wait_ms = wait.as_millis(), "cannot accept connections, will try again");
                sleep(wait).await;
                wait = (wait * 2).min(ACCEPT_WAIT_MAX);
            }
        }
    }
}

fn is_clients_doing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn drain(slots: &Slots, stage: &watch::Sender<Stage>, drain_time_max: Duration) -> DrainReport {
    let open = slots.open();
    stage.send_replace(Stage::Draining);
    if timeout(drain_time_max, slots.all_free()).await.is_ok() {
        return DrainReport { finished: open, cut: 0 };
    }
    let cut = slots.open();
    stage.send_replace(Stage::Cut);
    // A cut task ends when it is next polled. A handler that blocks its thread must not hold the process as well.
    let _ = timeout(CUT_WAIT, slots.all_free()).await;
    DrainReport { finished: open.saturating_sub(cut), cut }
}

/// hyper's HTTP/1 side, without its own timer: `connection` keeps one alarm for everything.
fn parser(limits: &ServerLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Room for a head somewhat over our limits, so that we can refuse it in our words; beyond it hyper says a bare 431.
    let head_bytes = limits.header_bytes_max.saturating_add(limits.uri_bytes_max);
    builder.max_buf_size(head_bytes.saturating_add(PARSER_BUFFER_MARGIN));
    // Set only where it differs: the default keeps the header table on the stack without filling it first.
    if limits.headers_max != PARSER_HEADERS {
        builder.max_headers(limits.headers_max);
    }
    builder
}

/// hyper's own default for header lines.
const PARSER_HEADERS: usize = 100;
/// hyper panics below 8 KiB of buffer, and a head just over the limit should still be read whole.
const PARSER_BUFFER_MARGIN: usize = 24 * 1024;
const ACCEPT_WAIT_FIRST: Duration = Duration::from_millis(50);
const ACCEPT_WAIT_MAX: Duration = Duration::from_secs(1);
const CUT_WAIT: Duration = Duration::from_secs(1);
