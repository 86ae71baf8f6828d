//! Health, metrics and the API document. These leave nothing in the log.

use super::App;
use super::answer::{self, Reply};
use super::operations::Operation;
use super::problem::Problem;
use crate::ledger::Health;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use warp::http::StatusCode;

/// Counts of requests by class of status.
#[derive(Debug, Default)]
pub struct Metrics {
    classes: [AtomicU64; 6],
    unauthenticated: AtomicU64,
}

impl Metrics {
    /// Counts an answer.
    pub fn count(&self, status: StatusCode) {
        if let Some(class) = self.classes.get(usize::from(status.as_u16() / 100)) {
            class.fetch_add(1, Relaxed);
        }
    }

    /// Counts a request that showed no known token.
    pub fn count_unauthenticated(&self) {
        self.unauthenticated.fetch_add(1, Relaxed);
    }
}

/// Answers an operation that needs no credential.
pub fn answer(app: &App, operation: Operation) -> Reply {
    match operation {
        Operation::Ready => ready(app),
        Operation::Metrics => metrics(app),
        Operation::Document => {
            let document = include_str!("../../schema/openapi.yaml").to_owned();
            answer::text("application/yaml; charset=utf-8", document)
        }
        _ => answer::json(StatusCode::OK, &json!({ "status": "ok" })),
    }
}

fn ready(app: &App) -> Reply {
    let reason = match &*app.ledger.health().borrow() {
        Health::Recording => {
            let warnings: Vec<String> = app.ledger.warning().into_iter().collect();
            return answer::json(StatusCode::OK, &json!({ "status": "ready", "warnings": warnings }));
        }
        Health::Impaired(reason) | Health::Failed(reason) => reason.clone(),
    };
    let problem =
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "ledger-unavailable", "The ledger cannot record", reason);
    problem.with_retry_after(answer::RETRY_SECONDS).into_reply()
}

fn metrics(app: &App) -> Reply {
    let mut registry = Registry::with_prefix("token_ledger");
    let counters = app.ledger.counters();
    let rows = [
        ("commits", "Transactions committed to the log", &counters.commits),
        ("events", "Events appended to the log", &counters.events),
        ("writer_busy_microseconds", "Time the writer spent deciding and committing", &counters.busy_micros),
        ("batches_not_recorded", "Batches that could not be recorded", &counters.rolled_back),
        ("commands_turned_away", "Commands turned away because the writer's queue was full", &counters.turned_away),
        ("unauthenticated_requests", "Requests that showed no known token", &app.metrics.unauthenticated),
    ];
    for (name, help, value) in rows {
        registry.register(name, help, ConstCounter::new(value.load(Relaxed)));
    }
    for (class, count) in app.metrics.classes.iter().enumerate().skip(1) {
        let name = format!("answers_{class}xx");
        registry.register(name, format!("Answers with a {class}xx status"), ConstCounter::new(count.load(Relaxed)));
    }
    let head = i64::try_from(app.ledger.head().0).unwrap_or(i64::MAX);
    registry.register("head_position", "The last position of the log", ConstGauge::new(head));
    let mut body = String::new();
    match encode(&mut body, &registry) {
        Ok(()) => answer::text("application/openmetrics-text; version=1.0.0; charset=utf-8", body),
        Err(_) => answer::empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
