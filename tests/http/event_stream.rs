//! `/v1/events/stream`: what the log gets, as it gets it, each event once.

use crate::house::House;
use crate::wire::Ask;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use token_ledger::http::event_stream::{STREAMS_MAX, StreamLimits};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than any event takes, so a wait that runs into it means "never".
const PATIENCE: Duration = Duration::from_secs(20);

/// A client of server-sent events, by the rules of the standard as far as the service uses them.
pub struct Follower {
    lines: BufReader<TcpStream>,
    pub last_id: Option<String>,
    data: String,
}

impl Follower {
    /// Opens a stream; the head must be that of one.
    pub async fn open(address: SocketAddr, token: &str, query: &str, last_id: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let last = last_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let head = format!(
            "GET /v1/events/stream{query} HTTP/1.1\r\nHost: ledger.test\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{last}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut follower = Self { lines: BufReader::new(stream), last_id: None, data: String::new() };
        assert_eq!(follower.line().await.as_deref(), Some("HTTP/1.1 200 OK"));
        let mut headers = Vec::new();
        while let Some(line) = follower.line().await.filter(|line| !line.is_empty()) {
            headers.push(line.to_ascii_lowercase());
        }
        for wanted in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
            assert!(headers.iter().any(|header| header == wanted), "{wanted}: {headers:?}");
        }
        follower
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.lines.read_line(&mut line)).await.expect("a line comes, or the end");
        (read.ok()? > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The next event; none once the stream has ended. Sizes of chunks stand between lines and are no field.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.line().await?;
            if let Some(id) = line.strip_prefix("id: ") {
                self.last_id = Some(id.to_owned());
            } else if let Some(data) = line.strip_prefix("data: ") {
                self.data = data.to_owned();
            } else if line.is_empty() && !self.data.is_empty() {
                let event: Value = serde_json::from_str(&std::mem::take(&mut self.data)).unwrap();
                assert_eq!(self.last_id.as_deref(), Some(&*event["position"].to_string()));
                return Some(event);
            }
        }
    }

    /// The next event of a type.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event["type"] == kind {
                return event;
            }
        }
    }
}

fn operator_follows(house: &House, query: &str) -> impl Future<Output = Follower> {
    let (address, token, query) = (house.address, house.operator.clone(), query.to_owned());
    async move { Follower::open(address, &token, &query, None).await }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_as_they_are_recorded_the_same_as_on_their_pages() {
    let house = House::new().await;
    let head = house.head();
    let mut follower = operator_follows(&house, "").await;
    let own = follower.next_of("HistoryStreamOpened").await;
    assert!(own["position"].as_u64().unwrap() > head, "without a position it begins at the head");
    assert_eq!(own["data"]["asked"], serde_json::json!({ "question": "events_stream", "after": head }));
    let told = house.get(&house.full.text, "/v2/whoami").await.expect(200);
    let used = follower.next_of("TokenUsed").await;
    assert_eq!(used["position"].as_u64(), told.number("x-ledger-position"));
    assert_eq!(house.look(format!("/v1/events/{}", used["position"])).await.data(), used);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_log_comes_whole_once_and_ends() {
    let house = House::new().await;
    let head = house.head();
    let ask = |query: &str| Ask::get(format!("/v1/events/stream{query}")).bearer(&house.operator);
    for (query, wanted) in [
        (format!("?after=0&before={}", head + 1), (1..=head).collect::<Vec<_>>()),
        ("?after=3&before=7".to_owned(), vec![4, 5, 6]),
        ("?after=3&before=4".to_owned(), vec![]),
        ("?before=1".to_owned(), vec![]),
    ] {
        let told = house.ask(ask(&query)).await.expect(200);
        let lines: Vec<&str> = told.text().lines().collect();
        let ids: Vec<u64> = lines
            .windows(2)
            .filter(|pair| pair[1].starts_with("data: "))
            .map(|pair| pair[0].strip_prefix("id: ").unwrap().parse().unwrap())
            .collect();
        assert_eq!(ids, wanted, "{query}");
    }
    // Filtered: what is left out is not told, but the place is, so that nobody looks through the same again.
    let told = house.ask(ask(&format!("?after=0&before={}&type=PlanChanged", head + 1))).await.expect(200);
    assert!(!told.text().contains("data:"));
    assert!(told.text().ends_with(&format!("id: {head}\n\n")), "{}", told.text());
    for (query, last) in [
        ("?after=x", None),
        ("?after=99999999", None),
        ("?limit=3", None),
        ("?order=desc", None),
        ("?type=nothing", None),
        ("", Some("x")),
        ("", Some("99999999")),
    ] {
        let ask = last.map_or(ask(query), |last| ask(query).header("Last-Event-ID", last));
        house.ask(ask).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_cut_off_goes_on_behind_the_last_event_they_have() {
    let house = House::new().await;
    let mut first = operator_follows(&house, "?after=4&type=AccountCreated").await;
    let event = first.next().await.unwrap();
    let last = first.last_id.clone().unwrap();
    drop(first);
    // The id wins over what the address says, as it is sent by a client that connects to the same address again.
    let query = "?after=4&type=AccountCreated";
    let mut second = Follower::open(house.address, &house.operator, query, Some(&last)).await;
    let next = second.next().await.unwrap();
    assert!(next["position"].as_u64() > event["position"].as_u64());
    let all = house.look("/v1/events?type=AccountCreated").await.data();
    assert_eq!([&all[0], &all[1]], [&event, &next]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_a_token_that_ends_ends_with_it_and_tells_nothing_behind() {
    let house = House::new().await;
    let mut follower = Follower::open(house.address, &house.auditor.text, "", None).await;
    follower.next_of("HistoryStreamOpened").await;
    let deleted = house.delete(&house.auditor.path).await.expect(204).number("x-ledger-position").unwrap();
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    while let Some(event) = follower.next().await {
        assert!(event["position"].as_u64() < Some(deleted), "{event}");
    }
    let events = house.recorded_after(deleted).await;
    let closed = events.iter().find(|event| event["type"] == "HistoryStreamClosed").unwrap();
    assert_eq!((&closed["data"]["end"], &closed["credential"]), (&"token_ended".into(), &house.auditor.id.into()));
}

/// The end of the stream that this follower opened, once it is recorded.
async fn end_of(house: &House, opened: u64) -> Value {
    let mut follower = operator_follows(house, &format!("?after={opened}&type=HistoryStreamClosed")).await;
    loop {
        let closed = follower.next().await.unwrap();
        if closed["data"]["opened"] == opened {
            return closed["data"].clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_stream_says_how_much_was_sent_and_why_it_ended() {
    let house = House::new().await;
    let mut follower = operator_follows(&house, "").await;
    let opened = follower.next_of("HistoryStreamOpened").await["position"].as_u64().unwrap();
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    let used = follower.next_of("TokenUsed").await["position"].as_u64().unwrap();
    drop(follower);
    // The broken line is noticed at the latest when there is more to send.
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    let end = end_of(&house, opened).await;
    assert_eq!(end["end"], "reader_left");
    assert!(end["through"].as_u64() >= Some(used) && end["sent"].as_u64() >= Some(2), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_streams_are_open_and_the_next_is_told_when_to_come() {
    let limits = StreamLimits { streams_max: 2, ..StreamLimits::default() };
    let house = House::with_streams(limits).await;
    let mut one = operator_follows(&house, "").await;
    let mut other = operator_follows(&house, "").await;
    let told = house.look("/v1/events/stream").await.expect(503);
    assert_eq!(
        (told.json()["type"].as_str(), told.number("retry-after")),
        (Some("/problems/too-many-streams"), Some(10))
    );
    let opened = other.next_of("HistoryStreamOpened").await["position"].as_u64().unwrap();
    drop(other);
    // Its place is free once its end is recorded, which the first is told.
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    while one.next_of("HistoryStreamClosed").await["data"]["opened"] != opened {}
    let mut third = loop {
        // The record is durable a moment before the place is given back.
        let told = house.ask(Ask::get("/v1/events/stream?before=1").bearer(&house.operator)).await;
        if told.status == 200 {
            break operator_follows(&house, "").await;
        }
    };
    third.next_of("HistoryStreamOpened").await;
    assert_eq!(STREAMS_MAX, StreamLimits::default().streams_max);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_is_given_up_and_costs_no_room() {
    let limits = StreamLimits { slow_max: Duration::from_millis(200), ..StreamLimits::default() };
    let house = House::with_streams(limits).await;
    // More than the sockets in between hold.
    house.fill_to(30_000).await;
    let mut slow = operator_follows(&house, "?after=0").await;
    let opened = house.head();
    let end = end_of(&house, opened).await;
    assert_eq!(end["end"], "too_slow");
    assert!(end["through"].as_u64() < Some(30_000), "{end}");
    // What was sent until then is whole.
    let mut last = 0;
    while let Some(event) = slow.next().await {
        assert_eq!(event["position"].as_u64(), Some(last + 1));
        last += 1;
    }
    assert!(last > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_happens_a_comment_comes() {
    let limits = StreamLimits { heartbeat: Duration::from_millis(1), ..StreamLimits::default() };
    let house = House::with_streams(limits).await;
    let mut follower = operator_follows(&house, "?type=PlanChanged").await;
    let place = format!("id: {}", house.head());
    let mut last = String::new();
    while last != place {
        while follower.line().await.unwrap() != ": heartbeat" {}
        last = follower.line().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_does_not_keep_anybody_from_following() {
    let mut house = House::new().await;
    house.get(&house.full.text, "/v2/whoami").await.expect(200);
    let noon = house.now();
    house.clock.set(token_ledger::domain::time::Timestamp::from_seconds(noon - 120));
    house.restart(false).await;
    let head = house.head();
    let mut follower = operator_follows(&house, "").await;
    // A deletion is recorded all the same, and told.
    house.delete(&house.full.path).await.expect(204);
    follower.next_of("TokenDeleted").await;
    house.clock.set(token_ledger::domain::time::Timestamp::from_seconds(noon + 5));
    house.get(&house.scoped.text, "/v2/whoami").await.expect(200);
    let read = follower.next_of("HistoryRead").await;
    assert!(read["position"].as_u64() > Some(head));
    assert_eq!(
        (&read["data"]["asked"]["question"], &read["data"]["counted"]["reads"]),
        (&"events_stream".into(), &1.into())
    );
}
