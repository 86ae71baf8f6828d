//! Questions over the log and its projections: is the file what it was, and do the read models say what the log says.
//!
//! Owns: `verify` and the comparison of live projections with a replay. Refuses to know: SQL, HTTP, how records are
//! written; nothing in here ever changes a file.

pub mod compare;
pub mod verify;
