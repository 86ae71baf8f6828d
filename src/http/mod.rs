//! The HTTP surface. The only room that knows warp and hyper.
//!
//! Reading order: [`server`] (accept loop and limits), [`operations`] (the one table of routes), [`entry`] (a request
//! on its way to its operation), [`bearer`] (who asks), then the answers: [`consumer`] (`/v2`), [`manage`],
//! [`events`] and [`audit`] (`/v1`), [`gateway`] and [`gateway_api`] (other APIs' gateways), [`tlog`] (checkpoints), [`ops`] (health and
//! metrics). [`answer`], [`problem`], [`refusal`] and [`scopes`] build what goes out.
//!
//! Order within a request: sizes, route, method, credential, then the body. Refuses to know: rules and storage.

pub mod answer;
pub mod audit;
pub mod bearer;
pub mod consumer;
pub mod entry;
pub mod event_stream;
pub mod events;
pub mod fields;
pub mod gateway;
pub mod gateway_api;
pub mod history_reads;
pub mod manage;
pub mod operations;
pub mod ops;
pub mod path;
pub mod problem;
pub mod refusal;
pub mod scopes;
pub mod server;
pub mod shapes;
pub mod strict_json;
pub mod tlog;

use crate::domain::ids::RequestId;
use crate::entropy::Entropy;
use crate::ledger::Ledger;
use parking_lot::Mutex;
use std::sync::Arc;

/// What every route holds.
#[derive(Clone, Debug)]
pub struct App {
    /// The ledger.
    pub ledger: Ledger,
    entropy: Arc<Mutex<Entropy>>,
    failures: Arc<bearer::FailureLimiter>,
    metrics: Arc<ops::Metrics>,
    /// Where questions about the past are answered.
    desk: audit::Desk,
    /// Streams of events.
    pub streams: Arc<event_stream::Streams>,
    /// What the gateway check needs.
    pub gateway: Arc<gateway::map_in_force::Gateway>,
}

impl App {
    /// Routes over a running ledger. `auth_failures_per_hour`: failed authentications allowed an address; 0 is no
    /// limit.
    pub fn new(ledger: Ledger, entropy: Entropy, auth_failures_per_hour: u32) -> Self {
        Self {
            ledger,
            entropy: Arc::new(Mutex::new(entropy)),
            failures: Arc::new(bearer::FailureLimiter::new(auth_failures_per_hour)),
            metrics: Arc::new(ops::Metrics::default()),
            desk: audit::Desk::default(),
            streams: Arc::default(),
            gateway: Arc::default(),
        }
    }

    /// Answers gateways as well.
    #[must_use]
    pub fn with_gateway(self, gateway: Arc<gateway::map_in_force::Gateway>) -> Self {
        Self { gateway, ..self }
    }

    /// With other limits of streams.
    #[must_use]
    pub fn with_streams(self, limits: event_stream::StreamLimits) -> Self {
        Self { streams: Arc::new(event_stream::Streams::new(limits)), ..self }
    }

    /// The client's request id when it is a UUID, else one of our own.
    fn request_id(&self, headers: &warp::http::HeaderMap) -> RequestId {
        let sent = headers.get("x-request-id").and_then(|value| RequestId::parse(value.to_str().ok()?));
        sent.unwrap_or_else(|| RequestId(self.entropy.lock().bytes_16()))
    }
}
