//! The loop seen from a raw socket: status lines and closed connections, never exact times.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::{DrainReport, RequestHead, ServerLimits, serve};

/// Longer than any limit used here, so a wait that runs into it means "never".
const PATIENCE: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(200);
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<DrainReport>,
}

impl Server {
    async fn start(limits: ServerLimits, routes: BoxedFilter<(Response,)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, routes, limits, async {
            let _ = stopped.await;
        }));
        Self { address, stop, serving }
    }

    async fn client(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything the server says to `request` until it closes.
    async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut client = self.client().await;
        client.write_all(request.as_ref()).await.unwrap();
        read_to_close(&mut client).await
    }

    async fn stop(self) -> DrainReport {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.serving).await.expect("the server stops").unwrap()
    }
}

/// Generous in everything but what a test sets itself.
fn limits() -> ServerLimits {
    ServerLimits { linger_time_max: SHORT, ..ServerLimits::default() }
}

/// Says what it saw: the path, the peer, the bytes of the body.
fn echo() -> BoxedFilter<(Response,)> {
    warp::ext::get::<Arc<RequestHead>>()
        .and(warp::body::bytes())
        .map(|head: Arc<RequestHead>, body: bytes::Bytes| {
            format!("{} {} {}", head.uri.path(), head.peer, body.len()).into_response()
        })
        .boxed()
}

fn slow(time: Duration) -> BoxedFilter<(Response,)> {
    warp::any()
        .and_then(move || async move {
            sleep(time).await;
            Ok::<_, Infallible>("done".into_response())
        })
        .boxed()
}

async fn read_to_close(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(PATIENCE, client.read_to_end(&mut answer)).await.expect("the server closes").unwrap();
    String::from_utf8(answer).unwrap()
}

/// Reads until `end` has come behind a head, whose date may look like it; the connection may stay open.
async fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut answer = Vec::new();
    let reading = async {
        let is_whole = |answer: &[u8]| {
            let head = answer.windows(4).rposition(|part| part == b"\r\n\r\n");
            head.is_some_and(|head| answer[head..].ends_with(end.as_bytes()))
        };
        while !is_whole(&answer) {
            answer.push(client.read_u8().await.unwrap());
        }
    };
    timeout(PATIENCE, reading).await.expect("the awaited end of the answer");
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("closed")
}

#[track_caller]
fn assert_problem(answer: &str, wanted: &str) {
    assert_eq!(status(answer), wanted, "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/problem+json"), "{answer}");
    assert!(head.contains("connection: close"), "{answer}");
    assert!(head.contains("x-content-type-options: nosniff"), "{answer}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["type"], "about:blank");
    assert_eq!(body["status"].to_string(), wanted);
    assert_eq!(body["detail"], body["message"]);
    assert!(body["title"].is_string());
}

#[track_caller]
fn assert_bare(answer: &str, wanted: &str) {
    assert_eq!(status(answer), wanted, "{answer}");
    assert!(answer.contains("content-length: 0") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn half_a_head_is_closed_at_the_head_limit() {
    let server = Server::start(ServerLimits { head_time_max: SHORT, ..limits() }, echo()).await;
    assert_eq!(server.exchange("GET / HTTP/1.1\r\nHos").await, "");
    // The same behind a request: in the same packet, and in a later one.
    assert_eq!(status(&server.exchange(format!("{GET}G")).await), "200");
    let mut client = server.client().await;
    client.write_all(GET.as_bytes()).await.unwrap();
    read_until(&mut client, " 0").await;
    client.write_all(b"GET").await.unwrap();
    assert_eq!(read_to_close(&mut client).await, "");
}

#[tokio::test]
async fn a_dripped_head_gets_no_more_time_than_a_stuck_one() {
    let server = Server::start(ServerLimits { head_time_max: SHORT, ..limits() }, echo()).await;
    let mut client = server.client().await;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && client.write_all(b"G").await.is_ok() {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() < PATIENCE);
}

#[tokio::test]
async fn silence_is_measured_by_the_idle_limit_and_not_by_the_head_limit() {
    let quick_idle = ServerLimits { idle_time_max: SHORT, ..limits() };
    let server = Server::start(quick_idle, echo()).await;
    assert_eq!(server.exchange("").await, "");
    // Kept alive, then silent.
    assert_eq!(status(&server.exchange(GET).await), "200");

    let quick_head = ServerLimits { head_time_max: Duration::from_millis(50), ..limits() };
    let server = Server::start(quick_head, echo()).await;
    let mut client = server.client().await;
    assert!(timeout(SHORT, client.read_u8()).await.is_err(), "still open");
    client.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(status(&read_until(&mut client, " 0").await), "200");
}

#[tokio::test]
async fn half_a_body_is_answered_408_and_closed() {
    let server = Server::start(ServerLimits { body_time_max: SHORT, ..limits() }, echo()).await;
    let answer = server.exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_problem(&answer, "408");
    let answer = server.exchange("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
    assert_problem(&answer, "408");
}

#[tokio::test]
async fn a_slow_route_is_answered_503_and_closed() {
    let server = Server::start(ServerLimits { answer_time_max: SHORT, ..limits() }, slow(PATIENCE * 2)).await;
    let answer = server.exchange(GET).await;
    assert_problem(&answer, "503");
    assert!(answer.contains("retry-after: 5"), "{answer}");
    // A body nobody asked for does not make the client the late one.
    assert_problem(&server.exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").await, "503");
}

#[tokio::test]
async fn a_slow_route_within_its_limit_is_not_disturbed_by_shorter_ones() {
    let quick = Duration::from_millis(50);
    let server = Server::start(
        ServerLimits { idle_time_max: SHORT, head_time_max: quick, body_time_max: quick, ..limits() },
        slow(SHORT * 2),
    )
    .await;
    assert!(server.exchange(GET).await.ends_with("done"));
}

#[tokio::test]
async fn heads_over_a_limit_are_refused() {
    let server = Server::start(limits(), echo()).await;
    let with = |headers: String| format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");

    assert_problem(&server.exchange(with(format!("X: {}\r\n", "x".repeat(33_000)))).await, "431");
    let many: String = (0..90).map(|n| format!("X-{n}: {}\r\n", "x".repeat(400))).collect();
    assert_problem(&server.exchange(with(many)).await, "431");
    assert_problem(&server.exchange(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "u".repeat(9_000))).await, "414");

    // hyper's own, without a body: too many lines, and more than is buffered. The whole answer arrives although the
    // client was still sending.
    assert_bare(&server.exchange(with("X: 1\r\n".repeat(101))).await, "431");
    let mut client = server.client().await;
    let flood = client.write_all(with(format!("X: {}\r\n", "x".repeat(300_000))).as_bytes()).await;
    assert!(flood.is_ok());
    assert_bare(&read_to_close(&mut client).await, "431");
}

#[tokio::test]
async fn heads_at_a_limit_pass() {
    let tight = ServerLimits { idle_time_max: SHORT, uri_bytes_max: 8, header_bytes_max: 8 + 4 + 1 + 4, ..limits() };
    let server = Server::start(tight, echo()).await;
    assert_eq!(status(&server.exchange("GET /2345678 HTTP/1.1\r\nHost: a\r\n\r\n").await), "200");
    assert_problem(&server.exchange("GET /23456789 HTTP/1.1\r\nHost: a\r\n\r\n").await, "414");
    assert_problem(&server.exchange("GET /2345678 HTTP/1.1\r\nHost: ab\r\n\r\n").await, "431");
}

#[tokio::test]
async fn one_host_is_required() {
    let server = Server::start(ServerLimits { idle_time_max: SHORT, ..limits() }, echo()).await;
    assert_problem(&server.exchange("GET / HTTP/1.1\r\n\r\n").await, "400");
    assert_problem(&server.exchange("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n").await, "400");
    assert_eq!(status(&server.exchange("GET / HTTP/1.1\r\nHost:\r\n\r\n").await), "200");
    assert_eq!(status(&server.exchange("GET / HTTP/1.0\r\n\r\n").await), "200");
}

#[tokio::test]
async fn two_ways_of_saying_the_length_are_refused_in_either_order() {
    let server = Server::start(limits(), echo()).await;
    let (length, chunked) = ("content-LENGTH: 3\r\n", "Transfer-Encoding: chunked\r\n");
    for pair in [format!("{length}{chunked}"), format!("{chunked}{length}")] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{pair}\r\n0\r\n\r\n");
        assert_problem(&server.exchange(&request).await, "400");
        // After an ordinary request on the same connection, too.
        let mut client = server.client().await;
        client.write_all(GET.as_bytes()).await.unwrap();
        read_until(&mut client, " 0").await;
        client.write_all(request.as_bytes()).await.unwrap();
        assert_problem(&read_to_close(&mut client).await, "400");
        // Behind a pipelined neighbour hyper's reading stands: chunked counts, then the connection closes.
        let answers = server.exchange(format!("{GET}{request}{GET}")).await;
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    }
    // A body that talks about lengths is none of this.
    let innocent = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
                    12\r\ncontent-length: 3\n\r\n0\r\n\r\n";
    let answer = server.exchange(innocent).await;
    assert!(answer.ends_with(" 18"), "{answer}");
}

#[tokio::test]
async fn what_hyper_refuses_below_us_is_a_bare_status_and_a_close() {
    let server = Server::start(limits(), echo()).await;
    let head = |lines: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let cases = [
        ("NUL in a value", head("X: a\0b\r\n"), "400"),
        ("space before the colon", head("X : a\r\n"), "400"),
        ("folded line", head("X: a\r\n b\r\n"), "400"),
        ("two lengths", head("Content-Length: 1\r\nContent-Length: 2\r\n"), "400"),
        ("signed length", head("Content-Length: +4\r\n"), "400"),
        ("unknown coding", head("Transfer-Encoding: xchunked\r\n"), "400"),
        ("chunked not last", head("Transfer-Encoding: chunked, identity\r\n"), "400"),
        ("no method", " / HTTP/1.1\r\n\r\n".into(), "400"),
        ("no version", "GET /\r\n\r\n".into(), "400"),
        ("HTTP/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), "closed"),
        ("a TLS greeting", "\u{16}\u{3}\u{1}\0\u{5}\u{1}\0".into(), "400"),
    ];
    for (case, request, wanted) in cases {
        let answer = server.exchange(&request).await;
        assert_eq!(status(&answer), wanted, "{case}: {answer}");
        if wanted != "closed" {
            assert_bare(&answer, wanted);
        }
    }
}

#[tokio::test]
async fn a_bad_chunk_is_the_routes_to_answer_and_closes() {
    let server = Server::start(limits(), echo()).await;
    for chunk in ["zz\r\n", "fffffffffffffffff\r\n", "1\r\nab\r\n"] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        let answer = server.exchange(request).await;
        assert_eq!(status(&answer), "400", "{chunk:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order_and_know_their_peer() {
    let server = Server::start(limits(), echo()).await;
    let mut client = server.client().await;
    let me = client.local_addr().unwrap();
    let ask = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n");
    let requests = [ask("/1", ""), ask("/2", ""), ask("/3", "Connection: close\r\n")].concat();
    client.write_all(requests.as_bytes()).await.unwrap();
    let answers = read_to_close(&mut client).await;
    let found: Vec<_> = (1..=3).map(|n| answers.find(&format!("/{n} {me} 0")).expect("its answer")).collect();
    assert!(found.is_sorted(), "{answers}");
}

#[tokio::test]
async fn a_connection_over_the_cap_waits_for_a_place() {
    let server = Server::start(ServerLimits { connections_max: 2, ..limits() }, echo()).await;
    let (mut first, mut second) = (server.client().await, server.client().await);
    for client in [&mut first, &mut second] {
        client.write_all(GET.as_bytes()).await.unwrap();
        read_until(client, " 0").await;
    }
    let mut third = server.client().await;
    third.write_all(GET.as_bytes()).await.unwrap();
    assert!(timeout(SHORT, third.read_u8()).await.is_err(), "not served yet");
    drop(first);
    assert_eq!(status(&read_until(&mut third, " 0").await), "200");
}

#[tokio::test]
async fn a_drain_lets_the_request_under_way_finish_and_closes() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, release) = (Arc::clone(&entered), Arc::clone(&leave));
    let routes = warp::any()
        .and_then(move || {
            let (inside, release) = (Arc::clone(&inside), Arc::clone(&release));
            async move {
                inside.notify_one();
                release.notified().await;
                Ok::<_, Infallible>("done".into_response())
            }
        })
        .boxed();
    let server = Server::start(limits(), routes).await;
    let address = server.address;
    let (mut busy, mut idle) = (server.client().await, server.client().await);
    busy.write_all(GET.as_bytes()).await.unwrap();
    entered.notified().await;

    let stopping = tokio::spawn(server.stop());
    assert_eq!(read_to_close(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err(), "nobody new is let in");
    leave.notify_one();
    let answer = read_to_close(&mut busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("done"), "{answer}");
    assert_eq!(stopping.await.unwrap(), DrainReport { finished: 2, cut: 0 });
}

#[tokio::test]
async fn who_is_still_busy_at_the_drain_deadline_is_cut() {
    let server = Server::start(ServerLimits { drain_time_max: SHORT, ..limits() }, echo()).await;
    let mut client = server.client().await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n").await.unwrap();
    assert_eq!(status(&read_until(&mut client, "\r\n\r\n").await), "100");
    client.write_all(b"half").await.unwrap();
    assert_eq!(server.stop().await, DrainReport { finished: 0, cut: 1 });
    assert_eq!(read_to_close(&mut client).await, "");
}

#[tokio::test]
async fn a_server_that_is_dropped_takes_its_connections_along() {
    let server = Server::start(limits(), slow(PATIENCE * 2)).await;
    let mut client = server.client().await;
    client.write_all(GET.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(20)).await;
    server.serving.abort();
    assert_eq!(read_to_close(&mut client).await, "");
}

/// More than the kernel buffers for two ends of a loopback socket.
const BIG: usize = 32 * 1024 * 1024;

/// A body in pieces whose length is not told.
fn streamed() -> BoxedFilter<(Response,)> {
    warp::any()
        .map(|| {
            let whole = http_body_util::Full::new(bytes::Bytes::from(vec![b'x'; BIG]));
            warp::reply::stream(whole.into_data_stream()).into_response()
        })
        .boxed()
}

#[tokio::test]
async fn who_does_not_read_an_answer_is_dropped() {
    let server = Server::start(ServerLimits { write_stall_max: SHORT, ..limits() }, streamed()).await;
    let mut client = server.client().await;
    client.write_all(GET.as_bytes()).await.unwrap();
    // The answer has begun; then its bytes are left lying for longer than the limit.
    client.peek(&mut [0; 1]).await.unwrap();
    sleep(SHORT * 3).await;
    let mut rest = Vec::new();
    // A reset or an early end, as the kernel likes.
    let _ = timeout(PATIENCE, client.read_to_end(&mut rest)).await.expect("the server closes");
    assert!(rest.len() < BIG);
}

#[tokio::test]
async fn a_streamed_answer_may_take_longer_than_the_answer_limit() {
    let quick = Duration::from_millis(50);
    let limits = ServerLimits { answer_time_max: quick, idle_time_max: SHORT, ..limits() };
    let server = Server::start(limits, streamed()).await;
    let mut client = server.client().await;
    client.write_all(GET.as_bytes()).await.unwrap();
    let mut received = 0;
    let mut part = vec![0; BIG / 8];
    loop {
        let count = timeout(PATIENCE, client.read(&mut part)).await.expect("more").unwrap();
        if count == 0 {
            break;
        }
        // Some ten pauses, each within the write limit, together well over the answer limit.
        if received / (BIG / 10) != (received + count) / (BIG / 10) {
            sleep(quick / 2).await;
        }
        received += count;
    }
    assert!(received > BIG, "{received}");
}
