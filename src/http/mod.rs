//! The HTTP surface. The only room that knows warp and hyper.
//!
//! Reading order: [`server`] (accept loop and limits), [`operations`] (the one table of routes), [`entry`] (a request
//! on its way to its operation), [`bearer`] and [`session`] (who asks), then the answers: [`consumer`] (`/v2`), [`manage`],
//! [`events`] and [`audit`] (`/v1`), [`oauth`] (what OAuth clients ask), [`gateway`] and [`gateway_api`] (other APIs' gateways), [`tlog`] and [`proofs`] (tiles,
//! checkpoints, receipts), [`ops`] (health and
//! metrics), [`pages`] (what people see). [`answer`], [`problem`], [`refusal`] and [`scopes`] build what goes out.
//!
//! Order within a request: sizes, route, method, credential, then the body. Refuses to know: rules and storage.

pub mod answer;
pub mod audit;
pub mod bearer;
mod bundle;
pub mod consumer;
pub mod entry;
pub mod event_export;
pub mod event_stream;
pub mod events;
pub mod fields;
pub mod gateway;
pub mod gateway_api;
pub mod history_reads;
pub mod manage;
pub mod oauth;
pub mod operations;
pub mod ops;
pub mod pages;
pub mod path;
pub mod problem;
pub mod proofs;
pub mod refusal;
pub mod scopes;
pub mod server;
pub mod session;
pub mod shapes;
pub mod site;
pub mod strict_json;
pub mod tlog;

use crate::audit::archive::Archive;
use crate::audit::archives::Archives;
use crate::domain::ids::RequestId;
use crate::entropy::Entropy;
use crate::ledger::{Ledger, LogError};
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
    archives: Archives,
    /// Streams of events.
    pub streams: Arc<event_stream::Streams>,
    /// What the gateway check needs.
    pub gateway: Arc<gateway::map_in_force::Gateway>,
    /// Whether hash tiles and proofs are for everybody.
    public_tiles: bool,
    /// Where browsers reach the service.
    pub site: Arc<site::Site>,
    /// Uses by day, for pages.
    sparks: Arc<pages::sparks::Sparks>,
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
            archives: Archives::default(),
            streams: Arc::default(),
            gateway: Arc::default(),
            public_tiles: false,
            site: Arc::default(),
            sparks: Arc::default(),
        }
    }

    /// Gives hash tiles and proofs to everybody, or not.
    #[must_use]
    pub fn with_public_tiles(self, public_tiles: bool) -> Self {
        Self { public_tiles, ..self }
    }

    /// For browsers that reach it under this address.
    #[must_use]
    pub fn with_site(self, site: site::Site) -> Self {
        Self { site: Arc::new(site), ..self }
    }

    /// Answers gateways as well.
    #[must_use]
    pub fn with_gateway(self, gateway: Arc<gateway::map_in_force::Gateway>) -> Self {
        Self { gateway, ..self }
    }

    /// Asks about the past on a thread of its own: everything that was committed when this was called.
    async fn with_archive<T: Send + 'static, E: From<LogError> + Send + 'static>(
        &self,
        ask: impl FnOnce(&Archive) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (archives, sources) = (self.archives.clone(), self.ledger.sources().await);
        on_a_thread(move || archives.with(sources, ask)).await
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

/// Does what blocks on a thread of its own.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
