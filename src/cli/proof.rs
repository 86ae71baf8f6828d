//! `proof`: receipts out of a data directory, and their check, which needs no data directory.

use super::output::out;
use super::verify::read_text;
use super::{DataArgument, Failure};
use crate::audit::receipts::{self, Published, ReceiptError};
use crate::domain::ids::Position;
use crate::ledger::{DataDir, LogError, LogReader};
use crate::log::consistency_proof::ConsistencyProof;
use crate::log::merkle::{Hash, leaf_hash};
use crate::log::note::{NoteError, TlogProof, Vkey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `proof`.
#[derive(Debug, Args)]
pub struct ProofArguments {
    #[command(subcommand)]
    command: ProofCommand,
}

#[derive(Debug, Subcommand)]
enum ProofCommand {
    /// Prove that a record is in the signed log (c2sp.org/tlog-proof@v1).
    Inclusion(InclusionArguments),
    /// Prove that the signed log grew out of an older one (as a C2SP tlog-witness takes it).
    Consistency(ConsistencyArguments),
    /// Check a proof against verifier keys. Needs no data directory.
    Verify(VerifyArguments),
}

#[derive(Debug, Args)]
struct InclusionArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Position of the record: the receipt that its answer had.
    #[arg(long, value_name = "N")]
    position: u64,
    /// Size of the log it is proved to be in; the last published one if absent.
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    /// Write the record's bytes to this new file, for `proof verify --record`.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ConsistencyArguments {
    #[command(flatten)]
    data: DataArgument,
    /// The older size.
    #[arg(long, value_name = "N")]
    old: u64,
    /// The newer size; the last published one if absent.
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
struct VerifyArguments {
    /// The proof's text.
    #[arg(long, value_name = "FILE")]
    proof: PathBuf,
    /// A verifier key of the log; can be given more than once.
    #[arg(long = "vkey", value_name = "VKEY", required = true)]
    vkeys: Vec<Vkey>,
    /// The record's bytes: checks an inclusion proof.
    #[arg(long, value_name = "FILE", group = "what")]
    record: Option<PathBuf>,
    /// The record's leaf hash in base64, where the bytes are not to be had: checks an inclusion proof.
    #[arg(long, value_name = "BASE64", group = "what", value_parser = hash)]
    leaf_hash: Option<Hash>,
    /// The older checkpoint, as it was kept: checks a consistency proof.
    #[arg(long, value_name = "FILE", group = "what")]
    old_checkpoint: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn hash(text: &str) -> Result<Hash, String> {
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    bytes.try_into().map_err(|_| "is not 32 bytes".to_owned())
}

pub(super) fn run(arguments: &ProofArguments) -> Result<(), Failure> {
    match &arguments.command {
        ProofCommand::Inclusion(arguments) => inclusion(arguments),
        ProofCommand::Consistency(arguments) => consistency(arguments),
        ProofCommand::Verify(arguments) => verify(arguments),
    }
}

fn open(dir: &DataDir) -> Result<(LogReader, Published), Failure> {
    // What is published first: the log read later has at least as much.
    let published = Published::read(dir).map_err(failed)?;
    Ok((LogReader::open(dir)?, published))
}

fn failed(error: ReceiptError) -> Failure {
    match error {
        ReceiptError::Log(error) => Failure::Log(error),
        refused => Failure::Finding(refused.to_string()),
    }
}

fn inclusion(arguments: &InclusionArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    let (log, published) = open(&dir)?;
    let position = Position(arguments.position);
    let question = (position, arguments.size.map(Position));
    let made = receipts::inclusion(&dir, &log, &published, question).map_err(failed)?;
    let text = if arguments.json { format!("{}\n", made.to_json()) } else { made.to_text().map_err(failed)? };
    if let Some(path) = &arguments.record {
        let damaged = LogError::Damaged { position, what: "the record is missing".to_owned() };
        let record = log.record(position)?.ok_or(damaged)?;
        write_new(path, &record)?;
    }
    print(&text)
}

fn consistency(arguments: &ConsistencyArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    let (log, published) = open(&dir)?;
    let question = (Position(arguments.old), arguments.size.map(Position));
    let made = receipts::consistency(&dir, &log, &published, question).map_err(failed)?;
    print(&if arguments.json { format!("{}\n", made.to_json()) } else { made.to_text().map_err(failed)? })
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = out();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// For its owner alone, and never in place of another file.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = made.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|source| LogError::Io { path: path.to_owned(), source }.into())
}

fn verify(arguments: &VerifyArguments) -> Result<(), Failure> {
    let text = read_text(&arguments.proof)?;
    let named = arguments.proof.display();
    let refused = |error: NoteError| Failure::Finding(format!("{named}: {error}"));
    if let Some(older) = &arguments.old_checkpoint {
        let proof = ConsistencyProof::parse(&text).map_err(refused)?;
        let (old, new) = proof.verify(&read_text(older)?, &arguments.vkeys).map_err(refused)?;
        if arguments.json {
            say!("{}", json!({ "origin": new.origin, "old_size": old.size, "size": new.size }));
        } else {
            say!("{} of size {} begins with what it was at size {}.", new.origin, new.size, old.size);
        }
        return Ok(());
    }
    let leaf = match (&arguments.record, arguments.leaf_hash) {
        (Some(path), _) => {
            leaf_hash(&std::fs::read(path).map_err(|source| LogError::Io { path: path.clone(), source })?)
        }
        (None, Some(leaf)) => leaf,
        (None, None) => return Err(Failure::Finding("say of which record: --record or --leaf-hash".to_owned())),
    };
    let proof = TlogProof::parse(&text).map_err(refused)?;
    let checkpoint = proof.verify_by_any(&leaf, &arguments.vkeys).map_err(refused)?;
    let position = proof.index + 1;
    if arguments.json {
        say!("{}", json!({ "origin": checkpoint.origin, "position": position, "size": checkpoint.size }));
    } else {
        say!(
            "The record is at position {position} of {}, in its signed tree of size {}.",
            checkpoint.origin,
            checkpoint.size
        );
    }
    Ok(())
}
