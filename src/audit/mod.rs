//! Questions over the log and the projections.
//!
//! Owns: events in words, pages of history. Refuses to know: who asks, and over what protocol.

pub mod describe;
pub mod history;
