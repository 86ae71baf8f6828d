//! The command line over HTTP: the real program asks the real program, on the loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]
#![allow(missing_docs, reason = "tests say what they mean by their names")]
#![allow(dead_code, reason = "the process tests' means are shared, not all of them are needed here")]

#[path = "remote/as_of.rs"]
mod as_of;
#[path = "process/client.rs"]
mod client;
#[path = "remote/complete.rs"]
mod complete;
#[path = "remote/desk.rs"]
mod desk;
#[path = "http/document.rs"]
mod document;
#[path = "remote/life.rs"]
mod life;
#[path = "remote/lists.rs"]
mod lists;
#[path = "remote/middle.rs"]
mod middle;
#[path = "process/program.rs"]
mod program;
#[path = "remote/refusals.rs"]
mod refusals;
#[path = "remote/repeats.rs"]
mod repeats;
#[path = "process/scene.rs"]
mod scene;
#[path = "remote/secrets.rs"]
mod secrets;
#[path = "remote/settings.rs"]
mod settings;
#[path = "remote/tls.rs"]
mod tls;
