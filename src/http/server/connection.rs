//! One connection from its first byte to its last, with one alarm for every limit on time.
//!
//! Owns the alarm and the reaction to the server's stages. Refuses to know what a deadline depends on (`pulse`) and
//! what the answers say (`guard`).

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use hyper::body::{Body, Bytes};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Sleep, sleep_until};

use super::guard::{Guard, RequestBody};
use super::pulse::{Late, Pulse};
use super::socket::Socket;
use super::{PeerAddress, ServerLimits, Stage};

/// Serves one client until it leaves, runs late, or the server stops. All ends are alike to the caller.
pub(super) async fn run_connection<S, B>(
    stream: TcpStream,
    peer: PeerAddress,
    routes: S,
    parser: &http1::Builder,
    limits: Arc<ServerLimits>,
    stages: watch::Receiver<Stage>,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S::Future: Unpin,
    B: Body<Data = Bytes> + From<String> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let pulse = Arc::new(Pulse::new());
    let socket = Socket::new(stream, Arc::clone(&pulse));
    let guard = Guard::new(routes, peer, Arc::clone(&pulse), Arc::clone(&limits));
    let http = parser.serve_connection(TokioIo::new(socket), guard);
    let stages = StageWatch::new(stages);
    let alarm = Alarm::new(&pulse);
    let mut connection = Connection { http, stages, alarm, pulse, limits, waker: None };
    loop {
        match (&mut connection).await {
            End::Stage(Stage::Open) => {}
            End::Stage(Stage::Draining) => Pin::new(&mut connection.http).graceful_shutdown(),
            end => return log_end(peer, end),
        }
    }
}

/// Why a connection came to rest. At a stage it can go on.
enum End {
    Stage(Stage),
    Closed,
    Failed(hyper::Error),
    Late(Late),
}

fn log_end(peer: PeerAddress, end: End) {
    match end {
        End::Closed => {}
        End::Stage(stage) => tracing::debug!(peer = %peer.0, ?stage, "connection cut"),
        // Resets and garbage are the client's affair, and logging them louder would let it fill our disk.
        End::Failed(error) => tracing::debug!(peer = %peer.0, %error, "connection failed"),
        End::Late(late) => tracing::debug!(peer = %peer.0, ?late, "connection closed for its time"),
    }
}

struct Connection<S, B>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S::Future: Unpin,
    B: Body<Data = Bytes> + From<String> + Unpin + 'static,
{
    http: http1::Connection<TokioIo<Socket>, Guard<S>>,
    stages: StageWatch,
    alarm: Alarm,
    pulse: Arc<Pulse>,
    limits: Arc<ServerLimits>,
    /// The waker that stages and alarm were last given. A task's waker stays the same, and handing it out anew at every
    /// wake-up takes locks and counts that show in a profile.
    waker: Option<Waker>,
}

impl<S, B> Future for Connection<S, B>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S::Future: Unpin,
    B: Body<Data = Bytes> + From<String> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = End;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let this = self.get_mut();
        loop {
            this.pulse.tick();
            if let Poll::Ready(end) = Pin::new(&mut this.http).poll(cx) {
                return Poll::Ready(end.map_or_else(End::Failed, |()| End::Closed));
            }
            let known = this.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            if let Poll::Ready(stage) = this.stages.poll_stage(cx, known) {
                this.waker = None;
                return Poll::Ready(End::Stage(stage));
            }
            let Poll::Ready(late) = this.alarm.poll_late(cx, &this.pulse, &this.limits, known) else {
                if !known {
                    this.waker = Some(cx.waker().clone());
                }
                return Poll::Pending;
            };
            // A request still waiting for its answer gets one, if hyper will take it: once around to write it.
            if !this.pulse.condemn(late) {
                return Poll::Ready(End::Late(late));
            }
        }
    }
}

/// Hears of the server's next stage.
///
/// A `changed` future takes a lock shared by all connections each time it is polled. So it is polled to leave a waker
/// and to take the news, and in between one atomic load says that there is none.
struct StageWatch {
    stages: watch::Receiver<Stage>,
    changed: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl StageWatch {
    fn new(stages: watch::Receiver<Stage>) -> Self {
        let changed = Self::changed(stages.clone());
        Self { stages, changed }
    }

    /// Unconstrained, since the runtime's budget could otherwise end a poll before it has left its waker.
    fn changed(mut stages: watch::Receiver<Stage>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::task::unconstrained(async move {
            let _ = stages.changed().await;
        }))
    }

    fn poll_stage(&mut self, cx: &mut Context<'_>, waker_is_known: bool) -> Poll<Stage> {
        if waker_is_known && matches!(self.stages.has_changed(), Ok(false)) {
            return Poll::Pending;
        }
        ready!(self.changed.as_mut().poll(cx));
        // Without a sender there is no server any more.
        let gone = self.stages.has_changed().is_err();
        let stage = if gone { Stage::Cut } else { *self.stages.borrow_and_update() };
        self.changed = Self::changed(self.stages.clone());
        Poll::Ready(stage)
    }
}

/// A timer that is set back only for an earlier deadline. Later ones are noticed when it rings, so a busy connection
/// touches the runtime's timer wheel about once in the shortest of its limits and never per request.
struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// In the pulse's time, exact to its microsecond: what rings is never before this.
    set_for: u64,
    /// The timer has our waker. A poll refused by the runtime's budget does not leave it.
    armed: bool,
}

impl Alarm {
    fn new(pulse: &Pulse) -> Self {
        let set_for = FAR;
        let sleep = Box::pin(sleep_until(pulse.instant(set_for)));
        Self { sleep, set_for, armed: false }
    }

    /// Ready when a deadline has passed.
    fn poll_late(
        &mut self,
        cx: &mut Context<'_>,
        pulse: &Pulse,
        limits: &ServerLimits,
        waker_is_known: bool,
    ) -> Poll<Late> {
        let due = pulse.due(limits);
        match due {
            Some((when, late)) if when <= pulse.now() => return Poll::Ready(late),
            Some((when, _)) if when < self.set_for => self.set(pulse, when),
            _ if waker_is_known && self.armed && pulse.now() < self.set_for => {
                return Poll::Pending;
            }
            _ => {}
        }
        loop {
            self.armed = has_budget_remaining();
            ready!(self.sleep.as_mut().poll(cx));
            pulse.tick();
            match due {
                Some((when, late)) if when <= pulse.now() => return Poll::Ready(late),
                Some((when, _)) => self.set(pulse, when),
                None => self.set(pulse, pulse.now() + FAR),
            }
        }
    }

    fn set(&mut self, pulse: &Pulse, when: u64) {
        self.set_for = when;
        self.sleep.as_mut().reset(pulse.instant(when));
    }
}

/// An hour, for where nothing is due. The first deadline to appear sets the alarm back.
const FAR: u64 = 3_600_000_000;
