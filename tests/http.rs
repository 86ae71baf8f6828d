//! The HTTP surface, asked over real sockets: the accept loop, the routes, the writer and the log as they are served.
//!
//! Every answer that a test gets is also held against `schema/openapi.yaml`: its status, its headers, its media type
//! and every member of its body must be described there ([`contract`]).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "http/as_of.rs"]
mod as_of;
#[path = "http/authorize.rs"]
mod authorize;
#[path = "http/bodies.rs"]
mod bodies;
#[path = "http/cause_bounds.rs"]
mod cause_bounds;
#[path = "http/causes.rs"]
mod causes;
#[path = "http/challenges.rs"]
mod challenges;
#[path = "http/clock.rs"]
mod clock;
#[path = "http/conditions.rs"]
mod conditions;
#[path = "http/continuity.rs"]
mod continuity;
#[path = "http/contract.rs"]
mod contract;
#[path = "http/document.rs"]
mod document;
#[path = "http/dry_run.rs"]
mod dry_run;
#[path = "http/event_stream.rs"]
mod event_stream;
#[path = "http/events.rs"]
mod events;
#[path = "http/forward_auth.rs"]
mod forward_auth;
#[path = "http/gateway.rs"]
mod gateway;
#[path = "http/history_reads.rs"]
mod history_reads;
#[path = "http/house.rs"]
mod house;
#[path = "http/idempotency.rs"]
mod idempotency;
#[path = "http/imports.rs"]
mod imports;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/lists.rs"]
mod lists;
#[path = "http/manage.rs"]
mod manage;
#[path = "http/matrix.rs"]
mod matrix;
#[path = "http/matrix_table.rs"]
mod matrix_table;
#[path = "http/narrowing.rs"]
mod narrowing;
#[path = "http/oauth.rs"]
mod oauth;
#[path = "http/oauth_flow.rs"]
mod oauth_flow;
#[path = "http/ops.rs"]
mod ops;
#[path = "http/parameters.rs"]
mod parameters;
#[path = "http/reports.rs"]
mod reports;
#[path = "http/secrets.rs"]
mod secrets;
#[path = "http/session_matrix.rs"]
mod session_matrix;
#[path = "http/sessions.rs"]
mod sessions;
#[path = "http/shapes.rs"]
mod shapes;
#[path = "http/shipped_gateways.rs"]
mod shipped_gateways;
#[path = "http/status_table.rs"]
mod status_table;
#[path = "http/tlog.rs"]
mod tlog;
#[path = "http/undecidable.rs"]
mod undecidable;
#[path = "http/usage_history.rs"]
mod usage_history;
#[path = "http/uses.rs"]
mod uses;
#[path = "http/wire.rs"]
mod wire;
