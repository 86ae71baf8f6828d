//! `init`: a new ledger with its key and first operator token.

use super::{DataArgument, Failure};
use crate::clock::Clock;
use crate::domain::command::{Actor, Change, Command, NewSecret, Origin};
use crate::domain::decide::{Answer, Done};
use crate::domain::text::PersonalText;
use crate::domain::token::{Owner, TokenKind};
use crate::domain::token_text::TokenSecret;
use crate::entropy::Entropy;
use crate::ledger::core::Core;
use crate::ledger::{DataDir, LogError, LogReader};
use crate::log::note::{LogKey, Vkey};
use crate::log::writer::LogWriter;
use clap::Args;
use serde_json::json;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    #[command(flatten)]
    data: DataArgument,
    /// Name of the log for ever (a URL without scheme); made up if absent.
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Name of the first operator token.
    #[arg(long, value_name = "NAME", default_value = "first operator")]
    operator: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `init` shows once.
#[derive(Debug)]
pub struct Initialized {
    /// Bearer text of the first operator token.
    pub operator_token: String,
    /// Verifier key of the log.
    pub log_vkey: String,
    /// Name of the log.
    pub origin: String,
}

pub(super) fn run(arguments: &InitArguments) -> Result<(), Failure> {
    let dir = arguments.data.dir();
    let (initialized, _core) =
        initialize(&dir, arguments.origin.as_deref(), &arguments.operator, Clock::system(), Entropy::system())?;
    if arguments.json {
        let shown = json!({
            "operator_token": initialized.operator_token,
            "log_vkey": initialized.log_vkey,
            "origin": initialized.origin,
        });
        println!("{shown}");
    } else {
        println!("The ledger is in {}.", dir.path().display());
        println!("Operator token, shown this once: {}", initialized.operator_token);
        println!("Verifier key of the log, for auditors: {}", initialized.log_vkey);
        println!("Next: token-ledger serve --data {}", dir.path().display());
    }
    Ok(())
}

/// Makes a ledger. In order: directory, key, empty ledger file, then one transaction with the first events. A crash
/// on the way leaves a directory without events, on which `init` simply begins again.
pub fn initialize(
    dir: &DataDir,
    origin: Option<&str>,
    operator: &str,
    clock: Clock,
    mut entropy: Entropy,
) -> Result<(Initialized, Core), Failure> {
    dir.prepare()?;
    refuse_begun(dir)?;
    let seed = seed(dir, &mut entropy)?;
    let origin = match origin {
        Some(origin) => origin.to_owned(),
        None => default_origin(&mut entropy),
    };
    let key = LogKey::from_seed(&origin, &seed)
        .map_err(|error| Failure::Finding(format!("the origin {origin:?} cannot name a log: {error}")))?;
    let vkey: Vkey = key.vkey();
    let secret = TokenSecret::from_random(TokenKind::Operator, &entropy.bytes_32());
    let mut core = begin(dir, clock, entropy)?;
    let commands = [
        Change::Initialize { origin: origin.clone(), log_vkey: vkey.to_string() },
        Change::CreateToken {
            owner: Owner::Service,
            kind: TokenKind::Operator,
            name: PersonalText::new(operator),
            access: None,
            expires_at: None,
            secret: NewSecret { digest: secret.digest(), hint: secret.hint() },
        },
    ];
    let jobs: Vec<_> = commands
        .into_iter()
        .map(|change| (Command::Manage(Actor::Init, Box::new(change)), Origin::default()))
        .collect();
    let committed = core.commit(&jobs).map_err(|error| Failure::Storage(error.to_string()))?;
    for reply in committed.replies {
        if let Answer::Rejected(rejection) = reply.answer {
            return Err(Failure::Finding(format!("the first operator token was refused: {rejection:?}")));
        }
    }
    let operator_token = secret.reveal_once();
    Ok((Initialized { operator_token, log_vkey: vkey.to_string(), origin }, core))
}

/// Refuses a ledger that has records, before anything is written beside it: a second key would sign for a log that
/// names the first.
fn refuse_begun(dir: &DataDir) -> Result<(), Failure> {
    if !is_made(dir) || LogReader::open(dir)?.head()?.is_none() {
        return Ok(());
    }
    Err(LogError::LedgerExists(dir.path().to_owned()).into())
}

/// Whether there is a ledger file with more in it than an interrupted `init` leaves.
fn is_made(dir: &DataDir) -> bool {
    dir.ledger().exists() && !LogWriter::is_blank(dir)
}

fn begin(dir: &DataDir, clock: Clock, entropy: Entropy) -> Result<Core, Failure> {
    if !is_made(dir) {
        return Ok(Core::create(dir, clock, entropy)?);
    }
    let (core, _) = Core::open(dir, clock, entropy)?;
    // Looked at again, now under the lock: another `init` may have been faster.
    if core.head().is_none() { Ok(core) } else { Err(LogError::LedgerExists(dir.path().to_owned()).into()) }
}

/// The key's seed: a new one, or the one that an interrupted `init` left beside an empty log.
fn seed(dir: &DataDir, entropy: &mut Entropy) -> Result<[u8; 32], Failure> {
    let path = dir.key();
    let _lock = dir.lock()?;
    if path.exists() {
        let bytes = std::fs::read(&path).map_err(|source| LogError::Io { path: path.clone(), source })?;
        return bytes
            .try_into()
            .map_err(|_| Failure::from(LogError::BadFile { path, what: "must be 32 bytes".to_owned() }));
    }
    let seed = entropy.bytes_32();
    dir.write_secret_file(&path, &seed)?;
    Ok(seed)
}

fn default_origin(entropy: &mut Entropy) -> String {
    let [a, b, c, d, ..] = entropy.bytes_16();
    format!("localhost/token-ledger/{a:02x}{b:02x}{c:02x}{d:02x}")
}

/// Carries out one local change that must succeed, where no server runs.
pub(super) fn change(core: &mut Core, change: Change) -> Result<Done, Failure> {
    let uid = rustix::process::getuid().as_raw();
    let command = Command::Manage(Actor::Local(uid), Box::new(change));
    let (reply, _) = core.execute(command, Origin::default()).map_err(|error| Failure::Storage(error.to_string()))?;
    match reply.answer {
        Answer::Done(done) => Ok(done),
        other => Err(Failure::Finding(format!("the change was refused: {other:?}"))),
    }
}
