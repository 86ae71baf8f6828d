//! The rules, and nothing else.
//!
//! Owns: ids, names, token text, access and scope groups, conditions, plans, the directory (accounts, users, members,
//! resources), tokens, OAuth applications and authorizations, usage windows, commands, events, `decide` and `evolve`.
//! Refuses to know: the clock, randomness, SQL, HTTP, async. Time, numbers for texts and salts are passed in.
//!
//! Reading order: [`ids`], [`time`], [`text`], [`access`], [`conditions`], [`token`], [`digests`], [`gateway`], [`directory`], [`oauth`], [`redirect_uri`], [`window`], [`event`],
//! [`idempotency`], [`state`] (evolve), [`command`], [`decide`], [`supposition`] (what if); [`scope_map`] stands by itself.

pub mod access;
mod access_order;
pub mod command;
pub mod conditions;
pub mod decide;
pub mod digests;
pub mod directory;
pub mod event;
pub mod gateway;
pub mod history_read;
pub mod idempotency;
pub mod ids;
pub mod log_keys;
pub mod mentioned_texts;
pub mod names;
pub mod oauth;
pub mod redirect_uri;
pub mod rejection;
pub mod report;
pub mod reported_keys;
pub mod reported_use;
pub mod review;
pub mod scope_map;
pub mod sign_in;
pub mod state;
pub mod supposition;
pub mod table;
pub mod text;
pub mod time;
pub mod token;
pub mod token_text;
pub mod window;
