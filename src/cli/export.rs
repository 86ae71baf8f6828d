//! `export`: the log, or a part of it, for other programs.

use super::output::out;
use super::{DataArgument, Failure, export_bundle, progress, state};
use crate::audit::archive::Archive;
use crate::audit::bundle;
use crate::audit::export::file::{self, Mode};
use crate::audit::export::lines::{self, Form};
use crate::audit::export::{ExportError, Exported, Selection, sqlite};
use crate::audit::past::{PastError, Point};
use crate::clock::Clock;
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::time::Timestamp;
use crate::ledger::DataDir;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Form of the output.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,
    /// Only events after this position.
    #[arg(long, value_name = "POSITION", conflicts_with = "incremental")]
    after: Option<u64>,
    /// Only events up to and with this position, or time; the head if absent.
    #[arg(long, value_name = "POSITION|TIME", value_parser = state::point)]
    until: Option<Point>,
    /// Only events at or after this time. A relational file has what accounts and tokens are from their beginning.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "until")]
    to: Option<Timestamp>,
    /// Only events about this account; in a relational file with its people and their tokens.
    #[arg(long, value_name = "NUMBER", value_parser = number())]
    account: Option<u64>,
    /// Only events about this token.
    #[arg(long, value_name = "NUMBER", value_parser = number())]
    token: Option<u64>,
    /// Write to this new file (0600), whole or not at all; standard output if absent.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Go on with the file where the last such run ended; begin it if it is not there. A file of another log, or of a fork
    /// of this one, is refused.
    #[arg(long, requires = "out")]
    incremental: bool,
    #[command(flatten)]
    bundle: BundleArguments,
    /// Directory for `--format tiles`; a further run writes what is new into it.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["after", "until", "out", "incremental"])]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One JSON object a line, as `/v1/events` shows them, in canonical form (RFC 8785).
    Ndjson,
    /// One event a line, safe against spreadsheet formulas.
    Csv,
    /// A relational file: tokens, grants, memberships, uses, refusals, windows, and views for the common questions.
    Sqlite,
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

impl ExportArguments {
    fn is_of_a_part(&self) -> bool {
        self.account.is_some() || self.token.is_some() || self.from.is_some() || self.to.is_some()
    }
}

fn number() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..)
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "must be a time such as 2026-03-01T12:00:00Z".to_owned())
}

pub(super) fn run(arguments: &ExportArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    for place in arguments.out.iter().chain(&arguments.output) {
        dir.check_outside(place)?;
    }
    let form = match (arguments.format, &arguments.output) {
        (Format::Tiles, into) if !arguments.is_of_a_part() => return super::export_tiles::run(&dir, into.as_deref()),
        (Format::Tiles, _) => return Err(Failure::Finding("tiles are of the whole log".to_owned())),
        (Format::Bundle, _) => return write_bundle(&dir, arguments),
        (_, Some(_)) => return Err(Failure::Finding("--output is for --format tiles".to_owned())),
        (Format::Ndjson, None) => Some(Form::Ndjson),
        (Format::Csv, None) => Some(Form::Csv),
        (Format::Sqlite, None) => None,
    };
    let archive = Archive::open(&dir, Clock::system().now())?;
    let (after, through) = span(&archive, arguments)?;
    let selection = Selection {
        account: arguments.account.map(AccountId),
        token: arguments.token.map(TokenId),
        from: arguments.from,
    };
    let bar = progress::bar("exporting", through.0.saturating_sub(after.0));
    let tell = &mut |position: Position| bar.set_position(position.0.saturating_sub(after.0));
    let exported = match (form, arguments.out.as_deref()) {
        (Some(form), None) => to_output(&archive, (&selection, form), (after, through), tell),
        (Some(form), Some(path)) => {
            let mode = if arguments.incremental { Mode::Incremental } else { Mode::New(after) };
            file::write(&archive, &file::Wish { path, selection: &selection, form, through, mode }, tell)
        }
        (None, Some(path)) if arguments.after.is_none() => {
            let is_incremental = arguments.incremental;
            sqlite::export(&archive, &sqlite::Wish { path, selection: &selection, through, is_incremental }, tell)
        }
        (None, Some(_)) => {
            let what = "a relational file begins with the first record: leave --after out, or say --incremental";
            return Err(Failure::Finding(what.to_owned()));
        }
        (None, None) => {
            return Err(Failure::Finding("--format sqlite writes a file: name it with --out FILE".to_owned()));
        }
    };
    bar.finish_and_clear();
    tell_of(&exported?);
    Ok(())
}

fn write_bundle(dir: &DataDir, arguments: &ExportArguments) -> Result<(), Failure> {
    let (token, account) = (arguments.token.map(TokenId), arguments.account.map(AccountId));
    let selection = bundle::Selection { token, account, from: arguments.from, to: arguments.to };
    if arguments.after.is_some() || arguments.until.is_some() || arguments.incremental {
        return Err(Failure::Finding("a bundle is of a time: say --from and --to".to_owned()));
    }
    let into = arguments.out.as_deref().or(arguments.output.as_deref());
    let old_checkpoint = arguments.bundle.old_checkpoint.as_deref();
    let with_texts = !arguments.bundle.without_texts;
    export_bundle::run(dir, &export_bundle::Wanted { selection, with_texts, old_checkpoint, into })
}

/// The positions that are asked for.
fn span(archive: &Archive, arguments: &ExportArguments) -> Result<(Position, Position), Failure> {
    if archive.head().is_none() {
        return Err(PastError::Empty.into());
    }
    let through = match (arguments.until, arguments.to) {
        (Some(point), _) => archive.moment(point)?.position,
        (None, to) => archive.range(None, to)?.1,
    };
    let after = Position(arguments.after.unwrap_or_default());
    if after > through {
        let what = format!("nothing can come after position {after} up to position {through}");
        return Err(Failure::Finding(what));
    }
    Ok((after, through))
}

fn to_output(
    archive: &Archive,
    (selection, form): (&Selection, Form),
    range: (Position, Position),
    tell: &mut dyn FnMut(Position),
) -> Result<Exported, ExportError> {
    let mut out = out();
    if range.0.is_none() {
        out.write_all(&form.head())?;
    }
    let exported = lines::write(archive, (selection, form), range, &mut out, tell)?;
    out.flush()?;
    Ok(exported)
}

/// On standard error, apart from the lines.
fn tell_of(exported: &Exported) {
    let Exported { events, after, through, root } = exported;
    let summary = json!({
        "events": events, "after": after.0,
        "head": { "position": through.0, "root_hash": STANDARD.encode(root) },
    });
    say_aside!("{summary}");
}
