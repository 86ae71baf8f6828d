//! The ledger and what belongs to it: its file, key, erasures, signed head, snapshots, write-ahead log, and the clock.

use super::files::in_bytes;
use super::{Check, Socket};
use crate::audit::past::{self, Moment, Past, Point};
use crate::domain::ids::{Position, TextNumber};
use crate::domain::time::{MICROS_PER_SECOND, Timestamp};
use crate::log::data_dir::{self, SCHEMA_STEP};
use crate::log::erasures::{texts_kept_erased, texts_not_kept_erased};
use crate::log::key_file::KeyFile;
use crate::log::reader::LogReader;
use crate::log::signed_head::{check_before_start, read_signed_head, root_at};
use crate::log::{DataDir, LogError};
use crate::projections::snapshot::{Unusable, Views};

/// A start this far behind the log's last record is not ready.
const CLOCK_BEHIND_SECONDS: u64 = 60;
/// The write-ahead log is moved into the file every few MiB: one this large is being held back.
const WAL_LARGE_BYTES: u64 = 64 << 20;
/// Records behind the newest snapshot that a start takes more than a moment to replay.
const REPLAY_LONG: u64 = 5_000_000;

pub(super) fn library() -> Check {
    Check::ok("SQLite", format!("version {}", data_dir::sqlite_version()))
}

pub(super) fn examine(dir: &DataDir, log: &LogReader, socket: Socket, now: Timestamp) -> Vec<Check> {
    let moment = match past::find(log, Point::Head, now) {
        Ok(moment) => moment,
        Err(past::PastError::Empty) => {
            let todo = "run `token-ledger init` on it again: it goes on where it was interrupted";
            return vec![Check::problem("ledger file", "it has no records", todo), erasures(dir, None)];
        }
        Err(error) => {
            let file = Check::problem("ledger file", error.to_string(), verify_todo(dir));
            return vec![file, erasures(dir, None)];
        }
    };
    let mut checks = vec![snapshots(dir, log, moment), write_ahead_log(dir, socket)];
    checks.insert(0, Check::ok("ledger file", format!("schema step {SCHEMA_STEP}, {} records", moment.head)));
    let (of_records, last_text) = match past::state_at(dir, moment, &mut |_| {}) {
        Ok(past) => (key(dir, &past), Some(past.projections.state.last_text)),
        Err(error) => (Check::failed("records", &error, verify_todo(dir)), None),
    };
    checks.insert(1, of_records);
    checks.push(erasures(dir, last_text.map(|last| (log, last))));
    checks.push(signed_head(dir, log, moment));
    checks.push(clock(log, moment, now));
    checks
}

fn verify_todo(dir: &DataDir) -> String {
    format!("`token-ledger verify --data {}` says what is wrong; then put a backup back", dir.path().display())
}

/// The key must be the one whose verifier key the log names, or nobody could check what it signs.
fn key(dir: &DataDir, past: &Past) -> Check {
    let name = "signing key";
    let state = &past.projections.state;
    let check = |file: KeyFile| state.log_signers().iter().try_for_each(|vkey| file.check(&state.origin, vkey));
    match KeyFile::read(&dir.key()).and_then(check) {
        Ok(()) => Check::ok(name, format!("it is the one of {}", state.origin)),
        Err(error) => Check::failed(name, &error, "put log.key of this log back: without it no server starts"),
    }
}

/// Without it an older copy of the log would bring erased texts back. The log itself knows them, too: up to the last text
/// that it gave a number to, if it can be read.
pub(super) fn erasures(dir: &DataDir, log: Option<(&LogReader, TextNumber)>) -> Check {
    let name = "erasures";
    let kept = match texts_kept_erased(dir) {
        Ok(kept) => kept,
        Err(error) => {
            let todo = "start the service again: it finishes what a crash left. If this stays, put erasures.db back from where \
                it is kept, or move it aside: a start makes one from the log, without what a lost history erased";
            return Check::failed(name, &error, todo);
        }
    };
    let unknown = log.map_or(Ok(0), |(log, last_text)| texts_not_kept_erased(dir, log, last_text));
    match (kept, unknown) {
        (None, Ok(0)) => Check::ok(name, "there is no erasures.db; the first erasure makes it"),
        (Some(texts), Ok(0)) => Check::ok(name, format!("{texts} texts are kept erased")),
        (_, Ok(texts)) => Check::problem(
            name,
            format!("of {texts} texts that are gone erasures.db does not say where this log erased them"),
            format!("start the service again: it takes that from the log. If this stays, {}", verify_todo(dir)),
        ),
        (_, Err(error)) => Check::failed(name, &error, verify_todo(dir)),
    }
}

fn signed_head(dir: &DataDir, log: &LogReader, moment: Moment) -> Check {
    let name = "signed head";
    let todo = "find out who put this ledger.db here, and put the newer one back";
    let signed = match read_signed_head(dir) {
        Ok(Some(signed)) => signed,
        // Of a log that was served before, no start takes that.
        Ok(None) if check_before_start(dir).is_err_and(|error| matches!(error, LogError::NoSignedHead { .. })) => {
            let what = "it is missing or empty, though this log was served before: an older copy would not be noticed";
            let todo = "put head.db back from where it is kept; if it is lost, `token-ledger serve` says what to do";
            return Check::problem(name, what, todo);
        }
        Ok(None) => {
            let what = "nothing was signed yet: an older copy of the log would not be noticed";
            return Check::warning(name, what, "start the server: it signs what is there");
        }
        Err(error) => return Check::failed(name, &error, "put head.db back from where it is kept"),
    };
    // Read after the head was: a server may have signed more meanwhile.
    let head = log.head().unwrap_or(moment.head).max(moment.head);
    if signed.size > head {
        return Check::failed(name, &LogError::BehindSignedHead { head, signed: signed.size }, todo);
    }
    match root_at(log, signed.size) {
        Ok(root) if root == signed.root => {
            let unsigned = moment.head.0.saturating_sub(signed.size.0);
            Check::ok(
                name,
                format!(
                    "position {}, and the log's root there is the signed one; {unsigned} records after it",
                    signed.size
                ),
            )
        }
        Ok(_) => Check::failed(name, &LogError::OffSignedHead { signed: signed.size }, todo),
        Err(error) => Check::failed(name, &error, verify_todo(dir)),
    }
}

fn snapshots(dir: &DataDir, log: &LogReader, moment: Moment) -> Check {
    let name = "snapshots";
    let anew = "delete views.db while no server runs: the next start makes it anew";
    let whole_log = format!("a start replays all {} records", moment.head);
    let (good, bad) = match look_at_snapshots(dir, log) {
        Ok(looked) => looked,
        Err(error) => return Check::warning(name, format!("views.db cannot be read ({error}); {whole_log}"), anew),
    };
    if let Some((position, reason)) = bad.iter().find(|(_, reason)| !matches!(reason, Unusable::OtherFold(_))) {
        return Check::problem(name, format!("of the one at position {position}: {reason}"), anew);
    }
    let Some(&newest) = good.last() else {
        let what = match bad.first() {
            Some((position, reason)) => format!("of the one at position {position}: {reason}; {whole_log}"),
            None => format!("there are none; {whole_log}"),
        };
        return Check::warning(name, what, "nothing: a server takes one when it ends, and now and then while it runs");
    };
    let behind = moment.head.0.saturating_sub(newest.0);
    let taken = past::recorded_at(log, newest).map(Timestamp::to_seconds_text).unwrap_or_default();
    let what =
        format!("{} usable, the newest at position {newest} of {taken}; a start replays {behind} records", good.len());
    if behind > REPLAY_LONG {
        return Check::warning(name, what, "restart the server in order, or give it a smaller --snapshot-events");
    }
    Check::ok(name, what)
}

type Looked = (Vec<Position>, Vec<(Position, Unusable)>);

fn look_at_snapshots(dir: &DataDir, log: &LogReader) -> Result<Looked, LogError> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let Some(views) = Views::open_existing(dir)? else { return Ok((good, bad)) };
    for position in views.positions()? {
        match views.load_at(position, log)? {
            Ok(_) => good.push(position),
            // A server that runs replaced it meanwhile.
            Err(Unusable::Gone) => {}
            Err(reason) => bad.push((position, reason)),
        }
    }
    Ok((good, bad))
}

fn write_ahead_log(dir: &DataDir, socket: Socket) -> Check {
    let name = "write-ahead log";
    let mut path = dir.ledger().into_os_string();
    path.push("-wal");
    let bytes = std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default();
    let what = format!("{} beside ledger.db", in_bytes(bytes));
    if bytes > WAL_LARGE_BYTES {
        let todo = "end whoever reads the file for so long (a backup tool, a shell): it is moved in once they are gone";
        return Check::warning(name, what, todo);
    }
    if bytes > 0 && socket != Socket::Answered {
        let what = format!("{what}, left by a process that did not end in order; it is part of the ledger");
        return Check::warning(name, what, "never delete it: the next start takes it in");
    }
    Check::ok(name, what)
}

fn clock(log: &LogReader, moment: Moment, now: Timestamp) -> Check {
    let name = "clock";
    let last = match past::recorded_at(log, moment.head) {
        Ok(last) => last,
        Err(error) => return Check::failed(name, &error, String::new()),
    };
    let behind = last.0.saturating_sub(now.0) / MICROS_PER_SECOND;
    let what = format!("it is {}, the last record is of {}", now.to_seconds_text(), last.to_seconds_text());
    match behind {
        0 => Check::ok(name, what),
        1..=CLOCK_BEHIND_SECONDS => {
            Check::warning(name, format!("{what}: {behind} s behind"), "look at the machine's time service")
        }
        _ => Check::problem(
            name,
            format!("{what}: {behind} s behind"),
            "set the machine's clock: a start is not ready until it is right",
        ),
    }
}
