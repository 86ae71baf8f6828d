//! The rules of the domain, given – when – then, without any database. Every test's name is a rule.

mod harness;

mod access;
mod authorize;
mod conditions;
mod directory;
mod doors;
mod erasure;
mod gateway;
mod history_reads;
mod idempotency;
mod imports;
mod management;
mod narrowing;
mod oauth;
mod order;
mod recording;
mod reports;
mod research;
mod scopes;
mod sign_ins;
mod tokens;
mod windows;
