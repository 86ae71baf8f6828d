//! The scope map's file: read at the start, which a broken one refuses, and again at each SIGHUP, which keeps the map
//! in force where the file is none.

use super::Failure;
use crate::domain::scope_map::MAP_BYTES_MAX;
use crate::http::gateway::broken_map::BrokenMap;
use crate::http::gateway::map_in_force::{CheckedMap, Gateway, MapError};
use crate::ledger::{Ledger, Unavailable};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::sync::oneshot;

/// Between two tries to record a map, or that there is none.
const RETRY: Duration = Duration::from_secs(1);
/// Faults of one file that are logged; the rest are counted.
const LOGGED_MAX: usize = 10;

/// What a file, or the built-in map, turned out to be.
type Reading = Result<CheckedMap, BrokenMap>;

/// Where the map is.
#[derive(Clone, Debug)]
pub(super) enum MapSource {
    /// DNSimple's API v2, built in.
    BuiltIn,
    /// The operator's file.
    File(PathBuf),
}

impl MapSource {
    pub(super) fn of(file: Option<&Path>) -> Self {
        file.map_or(Self::BuiltIn, |file| Self::File(file.to_owned()))
    }

    /// The map to start with. Every fault is told with its line.
    pub(super) fn first(&self) -> Result<CheckedMap, Failure> {
        self.read().map_err(|broken| match self {
            Self::BuiltIn => Failure::Finding(broken.to_string()),
            Self::File(file) => Failure::Finding(format!("{} is no scope map:\n{broken}", file.display())),
        })
    }

    fn read(&self) -> Reading {
        let Self::File(file) = self else { return CheckedMap::built_in() };
        let mut bytes = Vec::new();
        let limit = MAP_BYTES_MAX as u64 + 1;
        let read = std::fs::File::open(file).and_then(|opened| opened.take(limit).read_to_end(&mut bytes));
        read.map_err(|error| BrokenMap::unreadable(format!("it cannot be read: {error}")))?;
        if bytes.len() > MAP_BYTES_MAX {
            return Err(BrokenMap::unreadable(format!("it has more than {MAP_BYTES_MAX} bytes")));
        }
        CheckedMap::read(&bytes)
    }

    /// Whoever opens a pipe that nobody writes to waits for ever, and no later hang-up would be heard.
    fn read_if_regular(&self) -> Reading {
        match self {
            Self::File(file) if std::fs::metadata(file).is_ok_and(|it| !it.is_file()) => {
                Err(BrokenMap::unreadable("it is no regular file"))
            }
            _ => self.read(),
        }
    }

    /// Reads on a thread of its own: a file that never answers (on a network disk) must hold up neither requests
    /// nor the end of the service.
    async fn read_aside(&self) -> Reading {
        let (done, reading) = oneshot::channel();
        let source = self.clone();
        let spawned = std::thread::Builder::new().name("scope map".to_owned()).spawn(move || {
            let _ = done.send(source.read_if_regular());
        });
        match spawned {
            Ok(_) => reading.await.unwrap_or_else(|_| Err(BrokenMap::unreadable("reading it failed"))),
            Err(error) => Err(BrokenMap::unreadable(format!("it cannot be read: {error}"))),
        }
    }
}

/// Keeps the map in force that the file holds.
pub(super) struct MapKeeper {
    pub(super) source: MapSource,
    pub(super) gateway: Arc<Gateway>,
    pub(super) ledger: Ledger,
}

impl MapKeeper {
    /// Puts the first map in force, and from then on what the file holds at each hang-up. While nothing can be recorded
    /// the service starts all the same: gateways are told 503 until the map is.
    pub(super) async fn begin(self, first: CheckedMap, hangups: Option<Signal>) -> Result<(), String> {
        let unrecorded = match self.gateway.put_in_force(&self.ledger, &first).await {
            Ok(()) => None,
            Err(refused @ MapError::Refused(_)) => return Err(refused.to_string()),
            Err(error @ MapError::NotRecorded(_)) => {
                tracing::warn!(%error, "it is tried again");
                Some(Ok(first))
            }
        };
        tokio::spawn(self.keep(unrecorded, hangups));
        Ok(())
    }

    /// One thing after the other, so that an older file never replaces a newer one. A hang-up that comes meanwhile is
    /// not lost; several are as good as one.
    async fn keep(self, mut unrecorded: Option<Reading>, mut hangups: Option<Signal>) {
        loop {
            let heard = hang_up(&mut hangups);
            let is_heard = if unrecorded.is_some() {
                tokio::time::timeout(RETRY, heard).await.is_ok()
            } else {
                heard.await;
                true
            };
            if is_heard {
                unrecorded = self.read_again().await;
            }
            if let Some(reading) = unrecorded.take() {
                unrecorded = self.take_in(reading).await;
            }
        }
    }

    /// None where there is no file.
    async fn read_again(&self) -> Option<Reading> {
        let MapSource::File(file) = &self.source else {
            tracing::info!("SIGHUP: there is no --scope-map to read again; the built-in one stays in force");
            return None;
        };
        tracing::info!(file = %file.display(), "SIGHUP: reading the scope map again");
        let reading = self.source.read_aside().await;
        if let Err(broken) = &reading {
            log_broken(file, broken);
        }
        Some(reading)
    }

    /// Gives back what could not be recorded yet.
    async fn take_in(&self, reading: Reading) -> Option<Reading> {
        let checked = match reading {
            Ok(checked) => checked,
            Err(broken) => return self.reject(broken).await,
        };
        let before = self.number();
        match self.gateway.put_in_force(&self.ledger, &checked).await {
            Ok(()) if self.number() == before => tracing::info!("the scope map is the one in force already"),
            Ok(()) => tracing::info!(number = self.number(), name = checked.name(), "the scope map is in force"),
            Err(MapError::Refused(why)) => {
                tracing::error!(why, "the scope map is not taken; the one before stays in force");
                let broken = checked.not_taken(why);
                return self.reject(broken).await;
            }
            Err(MapError::NotRecorded(error)) => return waits(Ok(checked), error),
        }
        None
    }

    async fn reject(&self, broken: BrokenMap) -> Option<Reading> {
        match self.gateway.reject(&self.ledger, &broken).await {
            Ok(()) => None,
            Err(error) => waits(Err(broken), error),
        }
    }

    fn number(&self) -> Option<u32> {
        self.gateway.map().map(|map| map.number)
    }
}

fn waits(reading: Reading, error: Unavailable) -> Option<Reading> {
    tracing::warn!(%error, "what the scope map's file holds could not be recorded; it is tried again");
    Some(reading)
}

/// Faults can quote the text, which may hold anything: in the log they are escaped.
fn log_broken(file: &Path, broken: &BrokenMap) {
    tracing::error!(
        file = %file.display(),
        faults = broken.faults.faults,
        "no scope map is in the file; the one before stays in force"
    );
    for fault in broken.told().iter().take(LOGGED_MAX) {
        tracing::error!(?fault, "in the scope map");
    }
}

/// Resolves at the next SIGHUP; never where none is waited for.
pub(super) async fn hang_up(hangups: &mut Option<Signal>) {
    if let Some(hangups) = hangups
        && hangups.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}
