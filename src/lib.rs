//! Token Ledger: API access tokens kept as an event-sourced, verifiable ledger.
//!
//! # The map, in reading order
//!
//! - [`domain`]: the rules, pure. Absent: clock, randomness, SQL, HTTP, async.
//! - [`log`]: the ledger file: records, tree, tiles, personal texts. Absent: rules.
//! - [`projections`]: folds of the log into read models, and their snapshots. Absent: who writes, who asks.
//! - [`ledger`]: the one writer, the projector, the handle to both. Absent: HTTP, SQL.
//! - [`audit`]: questions over log and read models. Absent: who asks.
//! - [`furnish`]: made-up histories, decided by the same core. Absent: who wants them.
//! - [`http`]: the wire. Absent: rules, storage.
//! - [`cli`]: the command line.
//! - [`clock`] and [`entropy`]: the only places that say "now" and draw random bytes.
//!
//! Who may know whom: `domain ← log ← projections ← ledger ← {audit, furnish, http, cli}`; a test reads the sources and holds
//! these arrows.
//!
//! # The way of one write
//!
//! request → route, method, credential, body → command → bounded queue → `decide` → events → records → append and
//! sync → answer; beside it: projector → read models.
//!
//! # The way of a replay
//!
//! log → decode → `evolve` and projections → compare, or swap in. A record that cannot be decoded stops it with its
//! position; nothing is skipped.

pub mod audit;
pub mod cli;
pub mod clock;
pub mod domain;
pub mod entropy;
pub mod furnish;
pub mod http;
pub mod ledger;
pub mod log;
pub mod projections;
