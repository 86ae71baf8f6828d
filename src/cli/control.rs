//! The local socket (0600): questions and changes from commands on the same machine to the running server, a line of
//! JSON each way. Who may open the socket may read the data directory anyway.

use super::Failure;
use super::local::{self, LocalChange};
use crate::audit::compare::{EntryDigests, LiveDigests, entries_from_json, entries_to_json};
use crate::audit::doctor::Socket;
use crate::domain::ids::Position;
use crate::ledger::{DataDir, Ledger, LogError};
use crate::log::codec::CodecError;
use crate::projections::digest::{ProjectionName, entry_digests};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// Longest path that a socket address holds, its final zero apart.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Longest question.
const QUESTION_BYTES_MAX: u64 = 4_096;
/// How long a command waits for an answer; digests of a large ledger take seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Entries of one live projection at a position.
pub(super) type LiveEntries = (Position, EntryDigests);

/// Opens the socket. A socket file left by a killed server is replaced: the directory's lock, which the caller holds,
/// says that no other server runs.
pub(super) fn bind(dir: &DataDir) -> Result<UnixListener, Failure> {
    let path = dir.socket();
    let io = |source| LogError::Io { path: path.clone(), source };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error).into()),
        _ => {}
    }
    let listener = reach(dir).and_then(|way| UnixListener::bind(way.path())).map_err(io)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
    Ok(listener)
}

/// Takes the socket's file away at an orderly end, while the lock is still held: one that is there without a server
/// was left by a crash.
pub(super) fn unbind(dir: &DataDir) {
    let _ = std::fs::remove_file(dir.socket());
}

/// A way to the socket that fits a socket address.
struct Way {
    path: PathBuf,
    /// Open as long as the path is used, which may lead through it.
    _directory: Option<File>,
}

impl Way {
    fn path(&self) -> &Path {
        &self.path
    }
}

/// A socket address holds 107 bytes of path, and a data directory may have a longer one: then the way leads through a
/// descriptor of the directory.
fn reach(dir: &DataDir) -> std::io::Result<Way> {
    let path = dir.socket();
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return Ok(Way { path, _directory: None });
    }
    let directory = File::open(dir.path())?;
    let name = path.file_name().unwrap_or_default();
    let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    Ok(Way { path, _directory: Some(directory) })
}

/// Answers on the socket until aborted.
pub(super) fn answer(listener: UnixListener, ledger: Ledger, site: Arc<str>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(converse(ledger.clone(), Arc::clone(&site), stream))),
                Err(error) => {
                    tracing::warn!(%error, "the local socket could not accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    })
}

async fn converse(ledger: Ledger, site: Arc<str>, stream: UnixStream) {
    let Some(uid) = owner_of(&stream) else { return };
    let (reading, mut writing) = stream.into_split();
    let mut question = String::new();
    let mut reading = tokio::io::BufReader::new(reading.take(QUESTION_BYTES_MAX));
    if reading.read_line(&mut question).await.is_err() {
        return;
    }
    let mut line = reply_to(&ledger, &site, uid, &question).await.to_string();
    line.push('\n');
    if let Err(error) = writing.write_all(line.as_bytes()).await {
        tracing::debug!(%error, "a command went away before its answer");
    }
}

/// The Unix user at the other end. The socket's mode lets in the server's own user and root; anybody else is sent away
/// even where the mode was changed.
fn owner_of(stream: &UnixStream) -> Option<u32> {
    let uid = stream.peer_cred().ok()?.uid();
    let is_trusted = uid == 0 || uid == rustix::process::getuid().as_raw();
    if !is_trusted {
        tracing::warn!(uid, "another user was sent away from the local socket");
    }
    is_trusted.then_some(uid)
}

async fn reply_to(ledger: &Ledger, site: &str, uid: u32, question: &str) -> Value {
    let question: Value = serde_json::from_str(question).unwrap_or_default();
    let refused = |what: &str| json!({ "error": what });
    match question["ask"].as_str() {
        Some("digests") => {
            // Whoever asks looks at the history tables next.
            ledger.move_history().await;
            match ledger.examine(LiveDigests::of).await {
                Ok(digests) => digests.to_json(),
                Err(error) => refused(&error.to_string()),
            }
        }
        Some("entries") => {
            let name = question["projection"].as_str().and_then(ProjectionName::parse);
            let Some(name) = name else { return refused("no such projection") };
            match ledger.examine(move |live| Ok::<_, CodecError>((live.position, entry_digests(live, name)?))).await {
                Ok((position, entries)) => json!({ "position": position.0, "entries": entries_to_json(&entries) }),
                Err(error) => refused(&error.to_string()),
            }
        }
        Some("change") => {
            let mut answer = local::carry_out_for(ledger, uid, &question["with"]).await;
            if question["with"]["change"] == "sign_in" {
                answer["told"] = json!({ "site": site });
            }
            answer
        }
        _ => refused("no such question"),
    }
}

/// Asks the server of a directory for its digests; none if no server runs there.
pub(super) fn ask_digests(dir: &DataDir) -> Result<Option<LiveDigests>, Failure> {
    let Some(answer) = ask(dir, &json!({ "ask": "digests" }))? else { return Ok(None) };
    LiveDigests::from_json(&answer).map(Some).ok_or_else(|| not_understood(&answer))
}

/// Asks for the entries of one projection.
pub(super) fn ask_entries(dir: &DataDir, name: ProjectionName) -> Result<Option<LiveEntries>, Failure> {
    let Some(answer) = ask(dir, &json!({ "ask": "entries", "projection": name.name() }))? else { return Ok(None) };
    let read = || Some((Position(answer["position"].as_u64()?), entries_from_json(&answer["entries"])?));
    read().map(Some).ok_or_else(|| not_understood(&answer))
}

/// Has the server of a directory carry a change out; none if no server runs there.
pub(super) fn ask_change(dir: &DataDir, change: &LocalChange) -> Result<Option<Value>, Failure> {
    ask(dir, &json!({ "ask": "change", "with": change }))
}

pub(super) fn not_understood(answer: &Value) -> Failure {
    let error = answer["error"].as_str().unwrap_or("its answer was not understood");
    Failure::Finding(format!("the running server: {error}"))
}

/// Whether a server listens, without asking it anything.
pub(super) fn knock(dir: &DataDir) -> Result<Socket, Failure> {
    Ok(match (connect(dir)?, dir.socket().exists()) {
        (Some(_), _) => Socket::Answered,
        (None, true) => Socket::Stale,
        (None, false) => Socket::None,
    })
}

/// None if no server listens.
fn connect(dir: &DataDir) -> Result<Option<BlockingStream>, Failure> {
    use std::io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
    match reach(dir).and_then(|way| BlockingStream::connect(way.path())) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | ConnectionRefused) => Ok(None),
        Err(source) => Err(LogError::Io { path: dir.socket(), source }.into()),
    }
}

fn ask(dir: &DataDir, question: &Value) -> Result<Option<Value>, Failure> {
    let path = dir.socket();
    let io = |source| Failure::from(LogError::Io { path: path.clone(), source });
    let Some(mut stream) = connect(dir)? else { return Ok(None) };
    stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
    writeln!(stream, "{question}").map_err(io)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(io)?;
    Ok(Some(serde_json::from_str(&line).unwrap_or_default()))
}
