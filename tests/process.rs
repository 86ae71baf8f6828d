//! The service as a process: killed, starved of its disk, started twice, started on what it must refuse. The real
//! program on loopback, waited for by its lines, its answers and its end; every child is ended by its own id.
//!
//! `TOKEN_LEDGER_SEED=7 cargo test --test process` repeats a run's choices; each failure names its seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]
#![allow(missing_docs, reason = "tests say what they mean by their names")]

#[path = "process/anchor.rs"]
mod anchor;
#[path = "process/backup.rs"]
mod backup;
#[path = "process/bundle.rs"]
mod bundle;
#[path = "process/client.rs"]
mod client;
#[path = "process/crash_points.rs"]
mod crash_points;
#[path = "process/demo.rs"]
mod demo;
#[path = "process/disk_full.rs"]
mod disk_full;
#[path = "process/doctor.rs"]
mod doctor;
#[path = "process/erasure.rs"]
mod erasure;
#[path = "process/fault_copies.rs"]
mod fault_copies;
#[path = "process/fault_init.rs"]
mod fault_init;
#[path = "process/fault_loops.rs"]
mod fault_loops;
#[path = "process/fault_pairs.rs"]
mod fault_pairs;
#[path = "process/faults.rs"]
mod faults;
#[path = "process/history_and_export.rs"]
mod history_and_export;
#[path = "process/injector.rs"]
mod injector;
#[path = "process/kill.rs"]
mod kill;
#[path = "process/live_views.rs"]
mod live_views;
#[path = "process/load.rs"]
mod load;
#[path = "process/local_changes.rs"]
mod local_changes;
#[path = "process/one_writer.rs"]
mod one_writer;
#[path = "process/output.rs"]
mod output;
#[path = "process/past.rs"]
mod past;
#[path = "process/program.rs"]
mod program;
#[path = "process/python.rs"]
mod python;
#[path = "process/questions.rs"]
mod questions;
#[path = "process/refused_starts.rs"]
mod refused_starts;
#[path = "process/reports.rs"]
mod reports;
#[path = "process/restore.rs"]
mod restore;
#[path = "process/restore_erasures.rs"]
mod restore_erasures;
#[path = "process/room.rs"]
mod room;
#[path = "process/scene.rs"]
mod scene;
#[path = "process/scope_map.rs"]
mod scope_map;
#[path = "process/shim.rs"]
mod shim;
#[path = "process/sign_in.rs"]
mod sign_in;
#[path = "process/signed_head.rs"]
mod signed_head;
#[path = "process/start_time.rs"]
mod start_time;
#[path = "process/stop.rs"]
mod stop;
#[path = "process/streams.rs"]
mod streams;
#[path = "process/tlog.rs"]
mod tlog;
