//! Token ledger.
pub mod domain;
