//! Token ledger.
pub mod audit;
pub mod clock;
pub mod domain;
pub mod entropy;
pub mod ledger;
pub mod log;
pub mod projections;
