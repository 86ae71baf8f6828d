//! Plays a case: its steps over HTTP, then its events and views, then its log in every other way.

use crate::golden::assert_golden;
use crate::replays;
use crate::script::{Script, Step, time};
use crate::wire::{Answer, Request, send};
use crate::world::{World, begin};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The agent that every request of a case names.
const AGENT: &str = "case/1";
/// Events read at a time.
const EVENTS_PAGE: usize = 40;
/// Headers that say something of the case, in the order they are written down.
const HEADERS: [&str; 9] = [
    "content-type",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ledger-position",
    "retry-after",
    "etag",
    "www-authenticate",
    "allow",
];

/// Who asks a served case, and with which tokens.
struct Caller<'a> {
    world: &'a World,
    tokens: BTreeMap<String, String>,
}

/// Plays the case of a folder.
pub fn play(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(play_out(folder));
}

async fn play_out(folder: &Path) {
    let script = Script::read(folder);
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("ledger");
    let started_at = time(&script.starts_at);
    let operator = begin(&data, started_at);
    let world = World::start(&data, started_at).await;
    let mut caller = Caller { world: &world, tokens: BTreeMap::from([("operator".to_owned(), operator)]) };
    let answers = caller.play(&script.steps).await;
    let (events, views) = (caller.events().await, caller.views().await);
    assert_golden(&folder.join("answers.json"), &answers, 2);
    assert_golden(&folder.join("events.json"), &events, 2);
    assert_golden(&folder.join("views.json"), &views, 3);

    let tokens = caller.tokens;
    let ended_at = world.clock.now();
    replays::check_live(&world).await;
    world.stop().await;
    replays::check_log(&data);
    for without_snapshot in [false, true] {
        if without_snapshot {
            replays::remove_views(&data);
        }
        let world = World::start(&data, ended_at).await;
        let caller = Caller { world: &world, tokens: tokens.clone() };
        assert_eq!(caller.views().await, views, "after a start, without snapshot: {without_snapshot}");
        replays::check_live(&world).await;
        world.stop().await;
    }
    replays::check_log(&data);
}

impl Caller<'_> {
    async fn play(&mut self, steps: &[Step]) -> Value {
        let mut answers = Vec::new();
        for (number, step) in (1..).zip(steps) {
            if let Some(at) = &step.at {
                self.world.clock.set(time(at));
            }
            for repetition in 0..step.times.unwrap_or(1) {
                let answer = self.ask(number, repetition, step).await;
                self.keep(step, &answer);
                answers.push(written_down(number, step, &answer));
            }
        }
        answers.into()
    }

    async fn ask(&self, number: u32, repetition: u32, step: &Step) -> Answer {
        let (method, path) = step.request_line();
        // Step and repetition, as a UUID that a reader recognises.
        let request = format!("00000000-0000-4000-8000-{number:06}{repetition:06}");
        let bearer = step.by.as_ref().map(|name| format!("Bearer {}", self.token(name)));
        let mut headers = vec![("user-agent", AGENT), ("x-request-id", &request)];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        headers.extend(step.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let answer = send(self.world.address, &Request { method, path, headers, body: step.body.as_ref() }).await;
        assert_eq!(answer.headers.get("x-request-id"), Some(&request), "step {number} is answered under its own id");
        answer
    }

    fn token(&self, name: &str) -> &str {
        self.tokens.get(name).unwrap_or_else(|| panic!("no token is kept as {name}"))
    }

    fn keep(&mut self, step: &Step, answer: &Answer) {
        let Some(name) = &step.keep else { return };
        let token = answer.body["token"].as_str().unwrap_or_else(|| panic!("no token to keep as {name}: {answer:?}"));
        self.tokens.insert(name.clone(), token.to_owned());
    }

    /// What the operator sees at a path; looking is not recorded.
    async fn look(&self, path: &str) -> Value {
        let bearer = format!("Bearer {}", self.token("operator"));
        let headers = vec![("user-agent", AGENT), ("authorization", bearer.as_str())];
        let answer = send(self.world.address, &Request { method: "GET", path, headers, body: None }).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// All events, read page by page, and the head they were read at.
    async fn events(&self) -> Value {
        let (mut events, mut after) = (Vec::new(), json!(0));
        loop {
            let page = self.look(&format!("/v1/events?after={after}&limit={EVENTS_PAGE}")).await;
            events.extend(page["data"].as_array().unwrap().iter().cloned());
            after = page["next"].clone();
            if after.is_null() {
                return json!({ "data": events, "head": page["head"] });
            }
        }
    }

    /// Everything that the management surface shows: tokens, accounts, usage and what belongs to them.
    async fn views(&self) -> Value {
        let mut paths = vec!["/v1/accounts".to_owned(), "/v1/users".to_owned(), "/v1/staff-tokens".to_owned()];
        for account in ids(&self.look("/v1/accounts?per_page=100").await) {
            let part = |part: &str| format!("/v1/accounts/{account}/{part}");
            paths.extend(["tokens", "usage", "members", "resources"].map(part));
        }
        for user in ids(&self.look("/v1/users?per_page=100").await) {
            paths.push(format!("/v1/users/{user}/tokens"));
        }
        let mut views = Map::new();
        for path in paths {
            let query = if path.ends_with("/usage") { "" } else { "?per_page=100" };
            let body = self.look(&format!("{path}{query}")).await;
            views.insert(path, body["data"].clone());
        }
        views.into()
    }
}

fn ids(list: &Value) -> Vec<u64> {
    list["data"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect()
}

fn written_down(number: u32, step: &Step, answer: &Answer) -> Value {
    let (method, path) = step.request_line();
    let headers: Map<String, Value> = HEADERS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), answer.headers.get(*name)?.as_str().into())))
        .collect();
    let mut written = json!({ "step": number });
    if let Some(says) = &step.says {
        written["says"] = json!(says);
    }
    written["asked"] = json!(format!("{method} {path} by {}", step.by.as_deref().unwrap_or("nobody")));
    written["status"] = json!(answer.status);
    written["headers"] = headers.into();
    written["body"] = answer.body.clone();
    written
}
