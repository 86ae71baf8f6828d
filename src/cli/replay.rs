//! `replay`: the whole log through the folds, and whether what the server shows is what comes out.

use super::{DataArgument, Failure, control, progress};
use crate::audit::compare::{self, Difference, LiveDigests};
use crate::audit::history_tables::HeldTables;
use crate::audit::inspection;
use crate::audit::past::{self, Moment, Past, Point};
use crate::audit::seals::SealCheck;
use crate::clock::Clock;
use crate::domain::ids::Position;
use crate::ledger::{DataDir, LogError, LogReader};
use crate::log::codec::CodecError;
use crate::projections::digest::{ProjectionName, entry_digests};
use crate::projections::index::{self, build::Built};
use crate::projections::{Projections, rebuild};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Differing entries listed of each projection.
const LISTED_MAX: usize = 20;

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Hold the result against the running server's read models; where none runs, against its last snapshot.
    #[arg(long, conflicts_with_all = ["until", "into"])]
    compare: bool,
    /// Replay up to and with this position, or the last record up to this time; the head if absent.
    #[arg(long, value_name = "POSITION|TIME", value_parser = super::state::point)]
    until: Option<Point>,
    /// Write the read models there, a new directory (0700) that `state --data DIR` looks into.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Make what is missing of the index by which questions about the past find records. A server that runs makes its
    /// own; without an index questions look through the log.
    #[arg(long, conflicts_with_all = ["until", "into", "compare"])]
    index: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &ReplayArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    if arguments.compare {
        let live = Live::find(&dir)?;
        return compare(&dir, &live, arguments.json);
    }
    if arguments.index {
        return make_index(&dir, arguments.json);
    }
    let log = LogReader::open(&dir)?;
    if let Some(into) = &arguments.into {
        // Before the work, which may be long.
        inspection::check_place(&dir, into)?;
    }
    let moment = match (arguments.until, &arguments.into) {
        // A log without records is replayed too.
        (None, None) => return tell(&replay(&dir, log.head()?)?, arguments.json),
        (until, _) => past::find(&log, until.unwrap_or(Point::Head), Clock::system().now())?,
    };
    let projections = replay(&dir, moment.position)?;
    match &arguments.into {
        Some(into) => inspect(&dir, moment, projections, into, arguments.json),
        None => tell(&projections, arguments.json),
    }
}

fn make_index(dir: &DataDir, as_json: bool) -> Result<(), Failure> {
    let head = LogReader::open(dir)?.head()?;
    let bar = progress::bar("indexing", head.0);
    let built = index::build::build(dir, &mut |position| bar.set_position(position.0));
    bar.finish_and_clear();
    let Built { indexed, made } = built?;
    if as_json {
        say!("{}", json!({ "indexed": indexed.0, "segments_made": made, "head": head.0 }));
    } else {
        say!("{made} segments made: the index holds positions 1 to {indexed} of {head}.");
        say!("The rest is looked through, which takes a moment only.");
    }
    Ok(())
}

/// Puts what was replayed into a directory of its own.
fn inspect(dir: &DataDir, moment: Moment, projections: Projections, into: &Path, as_json: bool) -> Result<(), Failure> {
    // A replay begins with the first record, past every snapshot.
    let past =
        Past { moment, projections, from_snapshot: Position::NONE, passed_over: Vec::new(), views_unreadable: None };
    let made = inspection::make(dir, &past, into)?;
    if as_json {
        say!("{}", made.to_json());
    } else {
        say!("The state of {} at position {}, as of {}.", made.origin, made.position, made.at.to_micros_text());
        say!("Next: token-ledger state --data {}", into.display());
    }
    Ok(())
}

fn tell(replayed: &Projections, as_json: bool) -> Result<(), Failure> {
    if as_json {
        say!("{}", LiveDigests::of(replayed).map_err(|error| unencodable(&error))?.to_json());
        return Ok(());
    }
    let state = &replayed.state;
    say!("Replayed {} records of {}.", replayed.position, state.origin);
    say!(
        "{} accounts, {} users, {} resources, {} tokens.",
        state.accounts.len(),
        state.users.len(),
        state.resources.len(),
        state.tokens.len()
    );
    Ok(())
}

fn unencodable(error: &CodecError) -> Failure {
    Failure::Finding(error.to_string())
}

fn replay(dir: &DataDir, through: Position) -> Result<Projections, LogError> {
    let mut replayed = Projections::default();
    follow(dir, &mut replayed, through)?;
    Ok(replayed)
}

fn follow(dir: &DataDir, replayed: &mut Projections, through: Position) -> Result<(), LogError> {
    let bar = progress::bar("replaying", through.0);
    let followed = rebuild::replay_into(dir, replayed, through, &mut |position| bar.set_position(position.0));
    bar.finish_and_clear();
    followed
}

/// Goes on to a position, and holds every seal about one on the way against what the replay gives there.
fn follow_sealed(
    dir: &DataDir,
    replayed: &mut Projections,
    through: Position,
    seals: &mut SealCheck,
) -> Result<(), LogError> {
    while let Some(sealed) = seals.next().filter(|&sealed| sealed <= through) {
        follow(dir, replayed, sealed)?;
        seals.take(sealed, true, &replayed.state);
    }
    follow(dir, replayed, through)
}

/// What a replay is held against.
enum Live {
    /// The running server's read models, by their digests.
    Server(LiveDigests),
    /// No server runs: the read models of the last snapshot.
    Snapshot(Box<Projections>),
}

impl Live {
    fn find(dir: &DataDir) -> Result<Self, Failure> {
        if let Some(digests) = control::ask_digests(dir)? {
            return Ok(Self::Server(digests));
        }
        match compare::offline_live(dir)? {
            Some(projections) => Ok(Self::Snapshot(Box::new(projections))),
            None => Err(Failure::Finding(
                "there is nothing to compare with: no server runs on this directory and it has no snapshot".to_owned(),
            )),
        }
    }

    fn words(&self) -> &'static str {
        match self {
            Self::Server(_) => "the running server",
            Self::Snapshot(_) => "the last snapshot (no server runs)",
        }
    }

    fn digests(&self) -> Result<LiveDigests, Failure> {
        match self {
            Self::Server(digests) => Ok(digests.clone()),
            Self::Snapshot(projections) => LiveDigests::of(projections).map_err(|error| unencodable(&error)),
        }
    }
}

/// What differs, by the name of the projection or table.
type Differing = Vec<(&'static str, Vec<Difference>)>;

/// Read models and history tables stand at two positions: the replay stops at each.
fn compare(dir: &DataDir, live: &Live, as_json: bool) -> Result<(), Failure> {
    let mut digests = live.digests()?;
    let mut seals = SealCheck::of(&LogReader::open(dir)?, digests.position)?;
    let tables = HeldTables::hold(dir)?;
    let mut replayed = compare::gathering();
    let tables_first = tables.as_ref().filter(|tables| tables.position < digests.position);
    let mut differences = compare_tables(dir, tables_first, &mut replayed, &mut seals)?;
    follow_sealed(dir, &mut replayed, digests.position, &mut seals)?;
    let names = compare::compare_digests(&replayed, &digests.digests).map_err(|error| unencodable(&error))?;
    let tables_last = tables.as_ref().filter(|_| tables_first.is_none());
    differences.extend(compare_tables(dir, tables_last, &mut replayed, &mut seals)?);
    // Gathered no further: a server that moved on meanwhile is followed by the read models alone.
    replayed.history = None;
    for name in names {
        differences.push((name.name(), differences_of(dir, live, name, &mut replayed)?));
    }
    let mut named: Vec<_> = digests.digests.drain(..).map(|(name, digest)| (name.name(), digest)).collect();
    if let Some(tables) = &tables {
        named.extend(tables.digests()?);
    }
    report(live, digests.position, &named, &differences, &seals, as_json)
}

fn compare_tables(
    dir: &DataDir,
    tables: Option<&HeldTables>,
    replayed: &mut Projections,
    seals: &mut SealCheck,
) -> Result<Differing, Failure> {
    let Some(tables) = tables else { return Ok(Vec::new()) };
    follow_sealed(dir, replayed, tables.position, seals)?;
    let history = replayed.history.as_ref();
    Ok(history.map(|history| tables.compare(history.growing())).transpose()?.unwrap_or_default())
}

/// The entries of a projection that differ. A server that runs has moved on meanwhile: it is asked for its entries
/// at whatever position it has now, and the replay follows to there.
fn differences_of(
    dir: &DataDir,
    live: &Live,
    name: ProjectionName,
    replayed: &mut Projections,
) -> Result<Vec<Difference>, Failure> {
    let entries = match live {
        Live::Snapshot(projections) => entry_digests(projections, name).map_err(|error| unencodable(&error))?,
        Live::Server(_) => {
            let asked = control::ask_entries(dir, name)?;
            let gone = || Failure::Finding("the server ended during the comparison".to_owned());
            let (position, entries) = asked.ok_or_else(gone)?;
            rebuild::replay_into(dir, replayed, position, &mut |_| {})?;
            entries
        }
    };
    compare::compare_entries(replayed, name, &entries).map_err(|error| unencodable(&error))
}

fn report(
    live: &Live,
    position: Position,
    digests: &[(&str, [u8; 32])],
    differences: &[(&str, Vec<Difference>)],
    seals: &SealCheck,
    as_json: bool,
) -> Result<(), Failure> {
    let words = live.words();
    if as_json {
        let listed: Vec<_> = differences
            .iter()
            .flat_map(|(name, entries)| entries.iter().map(move |entry| (name, entry)))
            .map(|(name, entry)| json!({ "projection": name, "entry": entry.key, "what": entry.what.name() }))
            .collect();
        let faults = seals.findings.iter().map(|seal| json!({ "position": seal.position.0, "what": seal.what }));
        let seals = json!({ "checked": seals.right, "findings": faults.collect::<Vec<_>>() });
        say!("{}", json!({ "position": position.0, "live": words, "differences": listed, "seals": seals }));
    } else if differences.is_empty() {
        say!("At position {} a replay of the log gives exactly what {words} shows.", position);
        for (name, digest) in digests {
            let short: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            say!("  {name:<14} {short}…");
        }
    } else {
        for (name, entries) in differences {
            say!("{} differs from a replay in {} entries:", name, entries.len());
            for entry in entries.iter().take(LISTED_MAX) {
                say!("  {}: {}", entry.key, entry.what.name());
            }
        }
    }
    if !as_json && seals.right > 0 {
        say!("{} seals are what the replay gives at their positions.", seals.right);
    }
    for finding in seals.findings.iter().filter(|_| !as_json) {
        say!("The seal at position {}: {}.", finding.position, finding.what);
    }
    if !seals.findings.is_empty() && differences.is_empty() {
        return Err(Failure::Finding(format!("{} seals are not what the log says", seals.findings.len())));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure::Finding(format!("{words} does not show what the log says ({} projections differ)", differences.len())))
}
