//! Questions over the log and its projections: what happened, is the file what it was, and do the read models say
//! what the log says.
//!
//! Owns: the questions of the audit ([`questions`] over an [`archive`], each giving an [`answer`]), events in words, pages
//! of history, why a request was refused, receipts, the state at a point of the past (of what is asked for in [`as_of`],
//! of everything in [`past`]), exports, `verify`, `doctor`, and the
//! comparison of live projections with a replay. Refuses to know: SQL, HTTP, who asks, how records are written; nothing
//! in here ever changes a file of the ledger.

pub mod about;
pub mod access_over_time;
pub mod all_changes;
pub mod answer;
pub mod archive;
pub mod archives;
pub mod as_of;
pub mod biography;
pub mod bundle;
pub mod callers;
pub mod compare;
pub mod describe;
pub mod doctor;
pub mod explanation;
pub mod export;
pub mod export_tiles;
pub mod gaps;
pub mod history;
pub mod history_tables;
pub mod in_words;
pub mod inspection;
pub mod least;
pub mod own_looks;
pub mod past;
pub mod questions;
pub mod quota;
pub mod receipts;
pub mod report;
pub mod reviewed;
pub mod said_access;
pub mod seals;
pub mod secret_use;
pub mod stretches;
pub mod tiles;
pub mod told;
pub mod verify;
mod walk;
pub mod what_if;
