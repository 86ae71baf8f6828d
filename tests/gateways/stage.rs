//! A ledger, an API, and each gateway between them.

use crate::client::{Ask, Client};
use crate::front::{Front, Gateway, Seen, send};
use crate::program::Server;
use crate::scene::{Scene, ZONE};
use crate::upstream::Upstream;
use serde_json::{Value, json};

pub struct Stage {
    pub scene: Scene,
    pub server: Option<Server>,
    pub upstream: Upstream,
    pub fronts: Vec<Front>,
}

impl Stage {
    pub fn new() -> Self {
        let scene = Scene::new();
        let server = scene.serve(&["--auth-failures-per-hour", "0"]);
        let upstream = Upstream::start();
        let fronts = [Gateway::Nginx, Gateway::Caddy];
        let fronts = fronts.map(|gateway| Front::start(gateway, server.address, upstream.address)).into();
        Self { scene, server: Some(server), upstream, fronts }
    }

    fn client(&self) -> Client {
        Client::connect(self.server.as_ref().unwrap().address).unwrap()
    }

    pub fn manage(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.client().ask(Ask::send(method, path, &self.scene.tokens.operator, body)).unwrap();
        assert!(answer.status / 100 == 2, "{method} {path}: {answer:?}");
        if answer.status == 204 { Value::Null } else { answer.json() }
    }

    pub fn new_token(&self, body: &Value) -> (u64, String) {
        let made = self.manage("POST", "/v1/accounts/1/tokens", body);
        (made["data"]["id"].as_u64().unwrap(), made["token"].as_str().unwrap().to_owned())
    }

    /// Only reads one zone.
    pub fn narrow_token(&self) -> (u64, String) {
        let grant = json!({ "group": "zones", "level": "read_only", "resources": [ZONE] });
        self.new_token(&json!({ "name": "narrow", "access": { "grants": [grant] } }))
    }

    pub fn events(&self, query: &str) -> Vec<Value> {
        let path = format!("/v1/events?{query}");
        let answer = self.client().ask(Ask::get(&path, &self.scene.tokens.operator)).unwrap();
        answer.expect(200).json()["data"].as_array().unwrap().clone()
    }

    /// The last use that was recorded.
    pub fn last_use(&self) -> Value {
        self.events("type=TokenUsed&order=desc&limit=1")[0].clone()
    }

    /// Sends one request through each gateway; none of them may reach the API.
    #[track_caller]
    pub fn is_refused(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        (nginx, caddy): (u16, u16),
    ) -> Vec<Seen> {
        let before = self.upstream.count();
        let answers: Vec<Seen> = self.fronts.iter().map(|front| send(front.address, method, path, headers)).collect();
        for (front, (seen, expected)) in self.fronts.iter().zip(answers.iter().zip([nginx, caddy])) {
            assert_eq!(seen.status, expected, "{:?} {method} {path}: {seen:?}", front.gateway);
        }
        assert_eq!(self.upstream.count(), before, "{method} {path} reached the API");
        answers
    }
}

pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}
