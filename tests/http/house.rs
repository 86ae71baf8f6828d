//! A furnished ledger behind a real listener: three accounts, three people, resources, and a token for every case.

use crate::contract;
use crate::wire::{self, Ask, Told};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use token_ledger::audit::archive::Archive;
use token_ledger::audit::history::{self, Filter, Page};
use token_ledger::clock::Clock;
use token_ledger::domain::command::{AskedTarget, Command, Origin, Use};
use token_ledger::domain::event::Route;
use token_ledger::domain::ids::Position;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::TokenKind;
use token_ledger::domain::token_text::{TokenDigest, TokenSecret};
use token_ledger::entropy::Entropy;
use token_ledger::http::event_stream::StreamLimits;
use token_ledger::http::gateway::map_in_force::{CheckedMap, Gateway};
use token_ledger::http::server::{ServerLimits, serve};
use token_ledger::http::{App, entry};
use token_ledger::ledger::initialize::initialize;
use token_ledger::ledger::{DataDir, Ledger, Settings};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// 2026-03-01T12:00:00Z.
pub const START: u64 = 1_772_366_400;

/// A token with its text, which the service shows once.
#[derive(Clone, Debug)]
pub struct Token {
    pub id: u64,
    pub text: String,
    /// Path of the token on the management surface.
    pub path: String,
}

/// A browser with a session.
#[derive(Clone, Debug)]
pub struct Browser {
    /// The session's number.
    pub id: u64,
    /// Name and value of its cookie.
    pub cookie: String,
    /// What its pages' forms carry.
    pub csrf: String,
}

impl Browser {
    /// A request of one of its pages' scripts.
    pub fn calls(&self, ask: Ask) -> Ask {
        let ask = ask.header("Cookie", &self.cookie).header("X-CSRF-Token", &self.csrf);
        if ask.method == "GET" { ask } else { ask.header("Origin", "http://ledger.test") }
    }

    /// A page, or a form of one.
    pub fn shows(&self, ask: Ask) -> Ask {
        ask.header("Cookie", &self.cookie).header("Accept", "text/html")
    }
}

/// The served ledger with its furniture.
pub struct House {
    pub address: SocketAddr,
    pub clock: Clock,
    pub ledger: Ledger,
    dir: TempDir,
    pub operator: String,
    pub auditor: Token,
    /// With every right over `teams`.
    pub gateway: Token,
    pub teams: u64,
    pub solo: u64,
    /// With Domain Research, capped at three a month.
    pub enterprise: u64,
    /// Full member of `teams` and `solo`.
    pub ada: u64,
    /// Reads the zone example.com of `teams`, nothing else.
    pub grace: u64,
    /// Member of nothing.
    pub linus: u64,
    pub full: Token,
    /// Reads zones example.com and example.net, the domain example.com and its certificates.
    pub scoped: Token,
    pub solo_full: Token,
    pub corporate: Token,
    /// `corporate`'s account, without a grant for research.
    pub corporate_zones: Token,
    pub adas: Token,
    pub graces: Token,
    pub linus_own: Token,
    pub deleted: Token,
    pub expired: Token,
    /// The live secret of a rotated token.
    pub rotated: Token,
    /// Its first secret, which ended at the rotation.
    pub rotated_out: String,
    /// Well-formed, never created.
    pub unknown: String,
}

fn ids_later(text: &str) -> Token {
    Token { id: 0, text: text.to_owned(), path: String::new() }
}

/// Makes a ledger as `init` does; gives the operator token.
fn begin(dir: &DataDir, clock: &Clock) -> String {
    let origin = Some("ledger.test/http");
    let (initialized, _) = initialize(dir, origin, "first", clock.clone(), Entropy::system()).unwrap();
    initialized.operator_token
}

/// Serves the ledger of a directory on an address of its own.
async fn open(
    dir: &DataDir,
    clock: &Clock,
    auth_failures_per_hour: u32,
    streams: StreamLimits,
) -> (Ledger, SocketAddr) {
    let ledger = Ledger::start(dir, clock.clone(), Entropy::system(), Settings::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let guard = Arc::new(Gateway::new(vec!["127.0.0.1/32".parse().unwrap()]));
    guard.put_in_force(&ledger, &CheckedMap::built_in().unwrap()).await.unwrap();
    let app =
        App::new(ledger.clone(), Entropy::system(), auth_failures_per_hour).with_gateway(guard).with_streams(streams);
    tokio::spawn(serve(listener, entry::routes(app), ServerLimits::default(), std::future::pending()));
    (ledger, address)
}

impl House {
    /// A house whose addresses may fail to authenticate as often as they like.
    pub async fn new() -> Self {
        Self::with_failure_limit(0).await
    }

    pub async fn with_failure_limit(auth_failures_per_hour: u32) -> Self {
        Self::furnished(auth_failures_per_hour, StreamLimits::default()).await
    }

    pub async fn with_streams(streams: StreamLimits) -> Self {
        Self::furnished(0, streams).await
    }

    async fn furnished(auth_failures_per_hour: u32, streams: StreamLimits) -> Self {
        let mut house = Self::unfurnished(auth_failures_per_hour, streams).await;
        house.furnish_people().await;
        house.furnish_resources().await;
        house.furnish_tokens().await;
        house
    }

    async fn unfurnished(auth_failures_per_hour: u32, streams: StreamLimits) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = DataDir::new(temporary.path().join("ledger"));
        let clock = Clock::manual(Timestamp::from_seconds(START));
        let mut entropy = Entropy::system();
        let unknown = TokenSecret::from_random(TokenKind::Account, &entropy.bytes_32()).reveal_once();
        let operator = begin(&dir, &clock);
        let (ledger, address) = open(&dir, &clock, auth_failures_per_hour, streams).await;
        let later = || ids_later("");
        Self {
            address,
            clock,
            ledger,
            dir: temporary,
            operator,
            gateway: later(),
            unknown,
            auditor: later(),
            teams: 0,
            solo: 0,
            enterprise: 0,
            ada: 0,
            grace: 0,
            linus: 0,
            full: later(),
            scoped: later(),
            solo_full: later(),
            corporate: later(),
            corporate_zones: later(),
            adas: later(),
            graces: later(),
            linus_own: later(),
            deleted: later(),
            expired: later(),
            rotated: later(),
            rotated_out: String::new(),
        }
    }

    async fn furnish_people(&mut self) {
        self.teams = self.account("Example Teams", "teams").await;
        self.solo = self.account("Example Solo", "solo").await;
        self.enterprise = self.account("Example Enterprise", "enterprise").await;
        self.ada = self.user("Ada Example", "ada@example.com").await;
        self.grace = self.user("Grace Example", "grace@example.com").await;
        self.linus = self.user("Linus Example", "linus@example.com").await;
        let (teams, solo, ada, grace) = (self.teams, self.solo, self.ada, self.grace);
        self.put(format!("/v1/accounts/{teams}/members/{ada}"), json!({ "access": "full" })).await.expect(201);
        self.put(format!("/v1/accounts/{solo}/members/{ada}"), json!({ "access": "full" })).await.expect(201);
        let access = grants(&[("zones", "read_only", json!(["example.com"]))]);
        self.put(format!("/v1/accounts/{teams}/members/{grace}"), json!({ "access": access })).await.expect(201);
        let research = format!("/v1/accounts/{}/features/domain_research", self.enterprise);
        self.put(research, json!({ "monthly_cap": 3 })).await.expect(200);
    }

    async fn furnish_resources(&mut self) {
        for name in ["example.com", "example.net", "example.org", "bücher.example"] {
            self.resource(
                self.teams,
                json!({ "kind": "domain", "name": name, "registrant_id": 7, "state": "registered" }),
            )
            .await;
            self.resource(self.teams, json!({ "kind": "zone", "name": name })).await;
        }
        let names = json!(["example.com", "www.example.com"]);
        let certificate = json!({ "kind": "certificate", "name": "example.com", "common_name": "www.example.com",
            "alternate_names": names, "expires_at": "2027-01-02T03:04:05Z" });
        self.resource(self.teams, certificate).await;
        self.resource(self.solo, json!({ "kind": "domain", "name": "solo.example" })).await;
        self.resource(self.enterprise, json!({ "kind": "zone", "name": "corporate.example" })).await;
    }

    async fn furnish_tokens(&mut self) {
        let scopes = grants(&[
            ("zones", "read_only", json!(["example.com", "example.net"])),
            ("domains", "full_access", json!(["example.com"])),
            ("certificates", "read_only", json!(["example.com"])),
        ]);
        self.full = self.account_token(self.teams, json!({ "name": "deploy", "access": "full" })).await;
        self.scoped = self.account_token(self.teams, json!({ "name": "robot", "access": scopes })).await;
        self.solo_full = self.account_token(self.solo, json!({ "name": "home", "access": "full" })).await;
        self.corporate = self.account_token(self.enterprise, json!({ "name": "corporate", "access": "full" })).await;
        let zones = grants(&[("zones", "read_only", json!("all"))]);
        self.corporate_zones = self.account_token(self.enterprise, json!({ "name": "zones", "access": zones })).await;
        self.adas = self.user_token(self.ada, "laptop").await;
        self.graces = self.user_token(self.grace, "tablet").await;
        self.linus_own = self.user_token(self.linus, "desk").await;
        self.auditor = self.token("/v1/staff-tokens", json!({ "role": "auditor", "name": "auditor" })).await;
        let gateway = json!({ "name": "edge", "rights": ["introspect", "authorize", "report", "revoke"], "accounts": [self.teams] });
        self.gateway = self.token("/v1/gateway-tokens", gateway).await;
        self.deleted = self.account_token(self.teams, json!({ "name": "gone", "access": "full" })).await;
        self.delete(&self.deleted.path).await.expect(204);
        let end = Timestamp::from_seconds(START + 60).to_seconds_text();
        self.expired =
            self.account_token(self.teams, json!({ "name": "late", "access": "full", "expires_at": end })).await;
        let first = self.account_token(self.teams, json!({ "name": "turning", "access": "full" })).await;
        let turned = self.post(format!("{}/rotate", first.path), json!({ "overlap_seconds": 0 })).await.expect(201);
        let text = turned.json()["token"].as_str().unwrap().to_owned();
        self.rotated_out = first.text;
        self.rotated = Token { id: first.id, text, path: first.path };
        self.advance(120);
    }

    /// Stops the service in order and starts it again, at the same moment; without its views if they are lost.
    pub async fn restart(&mut self, views_are_lost: bool) {
        let ledger = self.ledger.clone();
        tokio::task::spawn_blocking(move || ledger.stop()).await.unwrap();
        let dir = self.ledger.dir().clone();
        if views_are_lost {
            std::fs::remove_file(dir.views()).unwrap();
        }
        (self.ledger, self.address) = open(&dir, &self.clock, 0, StreamLimits::default()).await;
    }

    /// Goes on with what a crash at this moment leaves: the files as they are, the run not ended.
    pub async fn crash(&mut self) {
        let before = self.ledger.dir().path().to_owned();
        let after = DataDir::new(self.dir.path().join("after the crash"));
        after.prepare().unwrap();
        for entry in std::fs::read_dir(before).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let is_kept = !name.to_string_lossy().ends_with("-shm") && name != "ledger.lock";
            if is_kept && entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), after.path().join(name)).unwrap();
            }
        }
        (self.ledger, self.address) = open(&after, &self.clock, 0, StreamLimits::default()).await;
    }

    /// Moves the clock.
    pub fn advance(&self, seconds: u64) {
        self.clock.set(self.clock.now().plus_seconds(seconds));
    }

    pub fn now(&self) -> u64 {
        self.clock.now().seconds()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    // ---- Asking ----

    /// Asks, and holds the answer against the document.
    pub async fn ask(&self, ask: Ask) -> Told {
        let told = wire::ask(self.address, &ask).await;
        contract::check(&ask, &told);
        told
    }

    pub async fn get(&self, token: &str, path: impl Into<String>) -> Told {
        self.ask(Ask::get(path).bearer(token)).await
    }

    /// As operator.
    pub async fn look(&self, path: impl Into<String>) -> Told {
        self.get(&self.operator, path).await
    }

    /// As operator.
    pub async fn send(&self, method: &str, path: impl Into<String>, body: Value) -> Told {
        self.ask(Ask::new(method, path).bearer(&self.operator).json(&body)).await
    }

    /// As operator.
    pub async fn post(&self, path: impl Into<String>, body: Value) -> Told {
        self.send("POST", path, body).await
    }

    /// As operator.
    pub async fn put(&self, path: impl Into<String>, body: Value) -> Told {
        self.send("PUT", path, body).await
    }

    /// As operator.
    pub async fn patch(&self, path: impl Into<String>, body: Value) -> Told {
        self.send("PATCH", path, body).await
    }

    /// As operator.
    pub async fn delete(&self, path: impl Into<String>) -> Told {
        self.ask(Ask::new("DELETE", path).bearer(&self.operator)).await
    }

    // ---- Furnishing ----

    pub async fn account(&self, name: &str, plan: &str) -> u64 {
        let body = json!({ "name": name, "email": "ops@example.com", "plan": plan });
        self.post("/v1/accounts", body).await.expect(201).data()["id"].as_u64().unwrap()
    }

    pub async fn user(&self, name: &str, email: &str) -> u64 {
        self.post("/v1/users", json!({ "name": name, "email": email })).await.expect(201).data()["id"].as_u64().unwrap()
    }

    pub async fn resource(&self, account: u64, body: Value) -> u64 {
        let told = self.post(format!("/v1/accounts/{account}/resources"), body).await.expect(201);
        told.data()["id"].as_u64().unwrap()
    }

    pub async fn token(&self, collection: &str, body: Value) -> Token {
        let told = self.post(collection, body).await.expect(201).json();
        let id = told["data"]["id"].as_u64().unwrap();
        Token { id, text: told["token"].as_str().unwrap().to_owned(), path: format!("{collection}/{id}") }
    }

    pub async fn account_token(&self, account: u64, body: Value) -> Token {
        self.token(&format!("/v1/accounts/{account}/tokens"), body).await
    }

    pub async fn user_token(&self, user: u64, name: &str) -> Token {
        self.token(&format!("/v1/users/{user}/tokens"), json!({ "name": name })).await
    }

    /// The secret of a new sign-in link, of `/v1/users/7` or `/v1/staff-tokens/2`.
    pub async fn sign_in_link(&self, whose: &str) -> String {
        let told =
            self.ask(Ask::new("POST", format!("{whose}/sign-in-links")).bearer(&self.operator)).await.expect(201);
        let url = told.json()["url"].as_str().unwrap().to_owned();
        url.strip_prefix("http://ledger.test/sign-in/").unwrap().to_owned()
    }

    /// Presses the button of a sign-in link's page.
    pub async fn press(&self, link: &str) -> Told {
        let ask = Ask::new("POST", "/sign-in").form(&[("link", link)]).header("Accept", "text/html");
        wire::ask(self.address, &ask.header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0")).await
    }

    /// Signs somebody in, by a link of `/v1/users/7` or `/v1/staff-tokens/2`.
    pub async fn session(&self, whose: &str) -> Browser {
        let told = self.press(&self.sign_in_link(whose).await).await.expect(303);
        let cookie = told.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let listed = self.look(format!("{whose}/sessions?per_page=100")).await.expect(200).data();
        let id = listed.as_array().unwrap().last().unwrap()["id"].as_u64().unwrap();
        let browser = Browser { id, cookie, csrf: String::new() };
        let page = wire::ask(self.address, &browser.shows(Ask::get("/user"))).await.expect(200);
        let (_, rest) = page.text().split_once("name=\"csrf\" value=\"").unwrap();
        Browser { csrf: rest.split('"').next().unwrap().to_owned(), ..browser }
    }

    // ---- What became of it ----

    /// Events after a position, interned texts left out: they say only that a word came up for the first time.
    pub async fn events_after(&self, position: u64) -> Vec<Value> {
        let told = self.look(format!("/v1/events?limit=1000&after={position}")).await.expect(200);
        let events = told.data().as_array().unwrap().clone();
        events.into_iter().filter(|event| event["type"] != "TextSeen").collect()
    }

    /// Events after a position, read beside the service, which leaves nothing. Interned texts are left out.
    pub async fn recorded_after(&self, position: u64) -> Vec<Value> {
        let page = Page { after: Position(position), before: None, descending: false, limit: 1_000 };
        let archive = Archive::open(self.ledger.dir(), self.clock.now()).unwrap();
        let events = history::page(&archive, &Filter::default(), &page).unwrap().events;
        events.into_iter().filter(|event| event["type"] != "TextSeen").collect()
    }

    pub fn head(&self) -> u64 {
        self.ledger.head().0
    }

    /// One use, without a socket.
    pub async fn ledger_use(&self) {
        let reply = self.ledger.submit(self.whoami(), Origin::default()).await.unwrap();
        assert!(reply.position.is_some());
    }

    fn whoami(&self) -> Command {
        let digest = TokenDigest::of(&self.adas.text);
        let (route, target) = (Route::Whoami, AskedTarget::None);
        Command::Use(Use { digest, route, account: None, target, mapped: None, certificate: None, valid: true })
    }

    /// Makes the log long, in batches, without a socket.
    pub async fn fill_to(&self, position: u64) {
        while self.head() < position {
            // A use over the limit would leave no record.
            self.advance(3_600);
            let mut uses = JoinSet::new();
            for _ in 0..1_000 {
                let (ledger, command) = (self.ledger.clone(), self.whoami());
                uses.spawn(async move { ledger.submit(command, Origin::default()).await });
            }
            while let Some(reply) = uses.join_next().await {
                assert!(reply.unwrap().unwrap().position.is_some());
            }
        }
    }

    /// A token as the management surface shows it.
    pub async fn shown(&self, token: &Token) -> Value {
        self.look(&token.path).await.expect(200).data()
    }

    /// Requests left to an account.
    pub async fn remaining(&self, account: u64) -> u64 {
        let told = self.look(format!("/v1/accounts/{account}/usage")).await.expect(200);
        told.data()["general"]["remaining"].as_u64().unwrap()
    }
}

/// Access made of grants: group, level, resources.
pub fn grants(grants: &[(&str, &str, Value)]) -> Value {
    let grants: Vec<Value> = grants
        .iter()
        .map(|(group, level, resources)| json!({ "group": group, "level": level, "resources": resources }))
        .collect();
    json!({ "grants": grants })
}
