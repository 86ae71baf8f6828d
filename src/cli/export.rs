//! `export`: the log for other programs.

use super::output::out;
use super::{DataArgument, Failure, export_bundle, progress, state};
use crate::audit::bundle::Selection;
use crate::audit::describe::Words;
use crate::audit::export::{self, ExportError, Exported};
use crate::audit::past::{self, Point};
use crate::clock::Clock;
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::time::Timestamp;
use crate::ledger::{DataDir, LogError, LogReader};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Form of the output.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,
    /// Only events after this position.
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: u64,
    /// Only events up to and with this position, or time; the head if absent.
    #[arg(long, value_name = "POSITION|TIME", value_parser = state::point)]
    until: Option<Point>,
    /// Only events at or after this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "until")]
    to: Option<Timestamp>,
    /// Only events about this account.
    #[arg(long, value_name = "NUMBER")]
    account: Option<u64>,
    /// Only events about this token.
    #[arg(long, value_name = "NUMBER", value_parser = number())]
    token: Option<u64>,
    /// Write to this new file (0600), whole or not at all; standard output if absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    bundle: BundleArguments,
    /// Directory for `--format tiles`; a further run writes what is new into it.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["after", "until", "out"])]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One JSON object a line, as `/v1/events` shows them.
    Ndjson,
    /// The signed log up to its last checkpoint, as a directory in the C2SP tlog-tiles layout.
    Tiles,
    /// Evidence in one file: a token's or an account's records with all that it takes to verify them offline.
    Bundle,
}

/// What is for bundles alone.
#[derive(Debug, Args)]
struct BundleArguments {
    /// For `--format bundle`: leave personal texts out.
    #[arg(long)]
    without_texts: bool,
    /// For `--format bundle`: show that the log grew out of this checkpoint, which somebody kept.
    #[arg(long, value_name = "FILE")]
    old_checkpoint: Option<PathBuf>,
}

fn number() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "must be a time such as 2026-03-01T12:00:00Z".to_owned())
}

pub(super) fn run(arguments: &ExportArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    match (arguments.format, &arguments.output) {
        (Format::Tiles, into) => return super::export_tiles::run(&dir, into.as_deref()),
        (Format::Bundle, _) => return bundle(&dir, arguments),
        (_, Some(_)) => return Err(Failure::Finding("--output is for --format tiles".to_owned())),
        (Format::Ndjson, None) => {}
    }
    let log = LogReader::open(&dir)?;
    let now = Clock::system().now();
    let head = past::find(&log, Point::Head, now)?;
    let through = match arguments.until {
        Some(point) => past::find(&log, point, now)?.position,
        None => head.position,
    };
    let after = Position(arguments.after);
    if after > through {
        let what = format!("nothing can come after position {after} up to position {through}");
        return Err(Failure::Finding(what));
    }
    // Scope groups by the head: they are only ever added.
    let groups = state::load(&dir, head)?.state.groups;
    let texts = LogReader::texts(&dir)?;
    let words = Words { texts: &texts, groups: &groups };
    let bar = progress::bar("exporting", through.0 - after.0);
    let write = |out: &mut dyn Write| {
        let tell = &mut |position: Position| bar.set_position(position.0 - after.0);
        let exported = export::ndjson(&log, &words, (after, through), out, tell)?;
        out.flush()?;
        Ok::<_, ExportError>(exported)
    };
    let exported = match &arguments.out {
        Some(path) => into_file(path, write),
        None => write(&mut out()).map_err(Failure::from),
    };
    bar.finish_and_clear();
    tell(&exported?, after);
    Ok(())
}

fn bundle(dir: &DataDir, arguments: &ExportArguments) -> Result<(), Failure> {
    let (token, account) = (arguments.token.map(TokenId), arguments.account.map(AccountId));
    let selection = Selection { token, account, from: arguments.from, to: arguments.to };
    if arguments.after > 0 || arguments.until.is_some() {
        return Err(Failure::Finding("a bundle is of a time: say --from and --to".to_owned()));
    }
    let into = arguments.out.as_deref().or(arguments.output.as_deref());
    let old_checkpoint = arguments.bundle.old_checkpoint.as_deref();
    let with_texts = !arguments.bundle.without_texts;
    export_bundle::run(dir, &export_bundle::Wanted { selection, with_texts, old_checkpoint, into })
}

/// The file is there once it is whole and durable: a crash before leaves at most a temporary file beside it.
fn into_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<Exported, ExportError>,
) -> Result<Exported, Failure> {
    let io = |source| Failure::Log(LogError::Io { path: path.to_owned(), source });
    if path.exists() {
        return Err(Failure::Finding(format!("{} is there already; name a new file", path.display())));
    }
    let above = match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    // It is made for its owner alone.
    let file = tempfile::Builder::new().prefix(".export-").tempfile_in(above).map_err(io)?;
    let mut buffered = BufWriter::new(file);
    let exported = write(&mut buffered)?;
    let file = buffered.into_inner().map_err(|error| io(error.into_error()))?;
    file.as_file().sync_all().map_err(io)?;
    file.persist_noclobber(path).map_err(|error| io(error.error))?;
    File::open(above).and_then(|above| above.sync_all()).map_err(io)?;
    Ok(exported)
}

/// On standard error, apart from the lines.
fn tell(exported: &Exported, after: Position) {
    let Exported { events, through, root } = exported;
    let summary = json!({
        "events": events, "after": after.0,
        "head": { "position": through.0, "root_hash": STANDARD.encode(root) },
    });
    eprintln!("{summary}");
}
