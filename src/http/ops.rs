//! Health, metrics and the API document. These leave nothing in the log.

use super::App;
use super::answer::{self, Reply};
use super::gateway::broken_map::RejectedMap;
use super::operations::Operation;
use super::problem::Problem;
use crate::ledger::Readiness;
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
    let Readiness { refusals, mut warnings } = app.ledger.readiness();
    // Questions are answered by the map before, as they were: that is no reason to send them elsewhere.
    let rejected = app.gateway.rejected();
    warnings.extend(rejected.as_ref().map(RejectedMap::warning));
    let scope_map = rejected.map(|rejected| rejected.shown(app.gateway.map().map(|map| map.number)));
    if refusals.is_empty() {
        let ready = json!({ "status": "ready", "warnings": warnings, "scope_map": scope_map });
        return answer::json(StatusCode::OK, &ready);
    }
    let reason = refusals.join("; ");
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
        ("commands_restricted", "Commands turned away for want of room, or for the clock", &counters.restricted),
        ("wal_moves_without_room", "Moves of the write-ahead log that found no room", &counters.moves_without_room),
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
    let rejected = i64::from(app.gateway.rejected().is_some());
    let help = "1 while the scope map's file is no map, and the one before is in force";
    registry.register("scope_map_rejected", help, ConstGauge::new(rejected));
    register_space(app, &mut registry);
    let mut body = String::new();
    match encode(&mut body, &registry) {
        Ok(()) => answer::text("application/openmetrics-text; version=1.0.0; charset=utf-8", body),
        Err(_) => answer::empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn register_space(app: &App, registry: &mut Registry) {
    let space = app.ledger.space();
    let clock = app.ledger.clock_state();
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let rows = [
        ("disk_free_bytes", "Bytes free on the disk of the data directory", bytes(space.free())),
        ("disk_low_water_bytes", "Free bytes below which uses and creations are refused", bytes(space.low_water())),
        ("disk_low", "1 while uses and creations are refused for want of room", i64::from(space.is_low())),
        ("ballast_bytes", "Bytes kept for deletions on a full disk", bytes(space.ballast_kept())),
        ("clock_behind", "1 while uses and creations are refused because the clock is behind", clock.is_behind.into()),
        ("clock_step_microseconds", "How far the wall clock is off, if not followed", clock.step.map_or(0, |s| s.by)),
    ];
    for (name, help, value) in rows {
        registry.register(name, help, ConstGauge::new(value));
    }
}
