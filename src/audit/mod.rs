//! Questions over the log and its projections: what happened, is the file what it was, and do the read models say
//! what the log says.
//!
//! Owns: events in words, pages of history, `verify`, and the comparison of live projections with a replay. Refuses
//! to know: SQL, HTTP, who asks, how records are written; nothing in here ever changes a file.

pub mod compare;
pub mod describe;
pub mod history;
pub mod history_tables;
pub mod verify;
